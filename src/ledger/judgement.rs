//! The judgement: findings with all their records, replaced as a whole.

use rusqlite::{Connection, params};

use super::codes;
use super::rows::Columns;
use crate::model::{
    Affected, BleedKind, CanaryId, Code, Finding, InconclusiveReason, OpId, Pattern, Proof,
    Severity, UserIx, Verdict,
};

/// A judgement on its way to the file.
#[derive(Debug)]
pub(super) struct Judgement {
    pub(super) findings: Vec<Finding>,
    pub(super) verdict: Verdict,
    pub(super) reasons: Vec<InconclusiveReason>,
}

const FINDING: &str = "INSERT INTO findings (finding_id, code, severity, proof, claim, because, \
    sender, found_under, ops, pattern, hint, accepted, kind, explains) \
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)";
const AFFECTED: &str = "INSERT INTO affected (finding_id, place, code, record_type, record_id, \
    canary_run, canary_user, canary_session, canary_item, canary_kind, op_id, owner, session, \
    excerpt) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)";
const SELECT_FINDINGS: &str = "SELECT finding_id, code, severity, proof, claim, because, sender, \
    found_under, ops, hint, accepted, kind FROM findings ORDER BY finding_id";
/// The same of a ledger that has no kinds yet.
const SELECT_FINDINGS_2_1: &str = "SELECT finding_id, code, severity, proof, claim, because, sender, \
    found_under, ops, hint, accepted, NULL AS kind FROM findings ORDER BY finding_id";
const HAS_KIND: &str = "SELECT count(*) > 0 FROM pragma_table_info('findings') WHERE name = 'kind'";
const ADD_KIND: &str = "ALTER TABLE findings ADD COLUMN kind TEXT";
const SELECT_AFFECTED: &str = "SELECT code, record_type, record_id, canary_run, canary_user, \
    canary_session, canary_item, canary_kind, op_id, owner, session, excerpt \
    FROM affected WHERE finding_id = ?1 ORDER BY place";

const SEVERITIES: [(Severity, &str); 4] = [
    (Severity::S1, "S1"),
    (Severity::S2, "S2"),
    (Severity::S3, "S3"),
    (Severity::S4, "S4"),
];
const PROOFS: [(Proof, &str); 2] = [(Proof::Proved, "proved"), (Proof::Suggested, "suggested")];

/// Gives the tables of an earlier format what this one has more.
pub(super) fn bring_up_to_date(connection: &Connection) -> rusqlite::Result<()> {
    if has_kind(connection)? {
        return Ok(());
    }
    connection.execute_batch(ADD_KIND)
}

fn has_kind(connection: &Connection) -> rusqlite::Result<bool> {
    connection.query_row(HAS_KIND, [], |row| row.get(0))
}

/// Replaces all findings. The caller holds the transaction.
pub(super) fn replace(connection: &Connection, findings: &[Finding]) -> rusqlite::Result<()> {
    connection.execute_batch("DELETE FROM affected; DELETE FROM findings;")?;
    let mut insert = connection.prepare_cached(FINDING)?;
    let mut insert_affected = connection.prepare_cached(AFFECTED)?;
    for (number, finding) in (1_i64..).zip(findings) {
        let ops: Vec<String> = finding
            .ops
            .iter()
            .map(|op| op.to_i64().to_string())
            .collect();
        insert.execute(params![
            number,
            finding.code.name(),
            finding.severity.to_string(),
            name_in(&PROOFS, finding.proof),
            finding.claim,
            finding.because,
            finding.sender.map(|user| user.0),
            finding.found_under.map(|user| user.0),
            format!("[{}]", ops.join(",")),
            finding.pattern().map(Pattern::name),
            finding
                .hint
                .as_ref()
                .and_then(|hint| serde_json::to_string(hint).ok()),
            finding.accepted,
            finding.kind.map(BleedKind::name),
            i64::try_from(finding.explains()).unwrap_or(i64::MAX),
        ])?;
        for (place, affected) in (0_i64..).zip(&finding.affected) {
            let canary = affected.canary;
            insert_affected.execute(params![
                number,
                place,
                affected.code.name(),
                codes::record_type(affected.record_type),
                affected.record_id,
                canary.map(|id| id.run.0),
                canary.map(|id| id.user.0),
                canary.map(|id| id.session.0),
                canary.map(|id| id.item),
                canary.map(|id| codes::canary_kind(id.kind)),
                affected.op.map(OpId::to_i64),
                affected.owner,
                affected.session,
                affected.excerpt,
            ])?;
        }
    }
    Ok(())
}

/// Reads all findings, in the order in which they were stored.
pub(super) fn read(connection: &Connection) -> rusqlite::Result<Vec<Finding>> {
    let mut select = connection.prepare(if has_kind(connection)? {
        SELECT_FINDINGS
    } else {
        SELECT_FINDINGS_2_1
    })?;
    let mut select_affected = connection.prepare(SELECT_AFFECTED)?;
    let mut rows = select.query([])?;
    let mut findings = Vec::new();
    while let Some(row) = rows.next()? {
        let mut columns = Columns::new(row);
        let number: i64 = columns.value()?;
        let mut finding = finding(&mut columns)?;
        let mut affected_rows = select_affected.query([number])?;
        while let Some(row) = affected_rows.next()? {
            finding.affected.push(affected(&mut Columns::new(row))?);
        }
        findings.push(finding);
    }
    Ok(findings)
}

fn finding(columns: &mut Columns<'_, '_>) -> rusqlite::Result<Finding> {
    Ok(Finding {
        code: columns.parsed(|name| Code::from_name(name).ok())?,
        severity: columns.parsed(|name| value_in(&SEVERITIES, name))?,
        proof: columns.parsed(|name| value_in(&PROOFS, name))?,
        claim: columns.value()?,
        because: columns.value()?,
        sender: columns.optional_int()?.map(UserIx),
        found_under: columns.optional_int()?.map(UserIx),
        ops: columns.parsed(ops)?,
        affected: Vec::new(),
        hint: columns.optional_parsed(|json| serde_json::from_str(json).ok())?,
        accepted: columns.value()?,
        kind: columns.optional_parsed(|name| BleedKind::from_name(name).ok())?,
    })
}

fn affected(columns: &mut Columns<'_, '_>) -> rusqlite::Result<Affected> {
    Ok(Affected {
        code: columns.parsed(|name| Code::from_name(name).ok())?,
        record_type: columns.one_of(&crate::model::RecordType::ALL)?,
        record_id: columns.value()?,
        canary: canary(columns)?,
        op: columns.optional_op()?,
        owner: columns.value()?,
        session: columns.value()?,
        excerpt: columns.value()?,
    })
}

fn canary(columns: &mut Columns<'_, '_>) -> rusqlite::Result<Option<CanaryId>> {
    let run = columns.optional_int()?.map(crate::model::RunId);
    let user = columns.optional_int()?.map(UserIx);
    let session = columns.optional_int()?.map(crate::model::SessionIx);
    let item = columns.optional_int()?;
    let kind = columns.optional_one_of(&codes::CANARY_KINDS)?;
    Ok((|| {
        Some(CanaryId {
            run: run?,
            user: user?,
            session: session?,
            item: item?,
            kind: kind?,
        })
    })())
}

fn ops(json: &str) -> Option<Vec<OpId>> {
    let numbers: Vec<i64> = serde_json::from_str(json).ok()?;
    numbers
        .into_iter()
        .map(|number| OpId::from_i64(number).ok())
        .collect()
}

fn name_in<T: PartialEq + Copy>(names: &[(T, &'static str)], value: T) -> &'static str {
    names
        .iter()
        .find(|(known, _)| *known == value)
        .map_or("", |(_, name)| name)
}

fn value_in<T: Copy>(names: &[(T, &'static str)], name: &str) -> Option<T> {
    names
        .iter()
        .find(|(_, known)| *known == name)
        .map(|(value, _)| *value)
}
