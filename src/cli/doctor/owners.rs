//! Whose records the operations became, channel by channel.

use std::collections::BTreeSet;

use crate::ledger::LedgerReader;
use crate::model::{Code, OpKind, OpRow, Outcome, Proof, RecordType, SessionIx};
use crate::observe::StoreClient;
use crate::report::{FindingDetail, Report};

use super::sheet::{Sheet, State};
use crate::cli::run::Prepared;

/// Looks at one channel.
///
/// # Errors
/// The ledger cannot be read.
pub(super) fn look(
    sheet: &mut Sheet,
    prepared: &Prepared,
    report: &Report,
    kind: OpKind,
) -> anyhow::Result<()> {
    let name = format!("owner {kind}");
    let users = prepared.plan.scenario().users;
    let ledger = LedgerReader::open(&prepared.folder)?;
    let mut ops = ledger.ops_of_users(0..users)?;
    ops.retain(|op| op.invocation.kind == kind);
    let Some(first) = ops.first() else {
        let seen = "the scenario has no such sessions";
        let remedy = "add such a group to the scenario, or name none";
        sheet.line(name, State::Skipped, seen, remedy);
        return Ok(());
    };
    if let Some(op) = ops.iter().find(|op| op.outcome() != Outcome::Ok) {
        not_done(sheet, name, op);
        return Ok(());
    }
    let Some(store) = &prepared.store else {
        let remedy = "name the store with `--memory URL`";
        sheet.line(name, State::Skipped, "answered, and not read back", remedy);
        return Ok(());
    };
    if kind == OpKind::Upload && !store.can_list_facts() {
        let seen = "answered; no-read-back: this store lists no facts";
        let remedy = "leave uploads out of the load: nothing can be proved of them here";
        sheet.line(name, State::Skipped, seen, remedy);
        return Ok(());
    }
    let of_kind = |finding: &&FindingDetail| {
        let counts = !matches!(
            finding.code,
            Code::Late | Code::Unattributable | Code::Ghost | Code::LogMismatch
        );
        let here = finding.ops.iter().any(|op| op.kind == kind);
        finding.proof == Proof::Proved && counts && here
    };
    let found: Vec<&FindingDetail> = report.findings.iter().filter(of_kind).collect();
    let open: Vec<&&FindingDetail> = found.iter().filter(|one| one.accepted.is_none()).collect();
    if let Some(worst) = open.first() {
        for finding in &open {
            acceptable(sheet, finding, kind);
        }
        sheet.line(name, State::Fail, &worst.claim, &mend(worst.code, store));
        return Ok(());
    }
    if let Some(accepted) = found.first() {
        let seen = format!("accepted: {}", accepted.claim);
        let remedy = "take the entry out once the target writes this channel as its user";
        sheet.line(name, State::Warn, seen, remedy);
        return Ok(());
    }
    recorded(sheet, name, &ledger, (users, first.invocation.op.session))
}

/// Says under whom the records of a session are.
fn recorded(
    sheet: &mut Sheet,
    name: String,
    ledger: &LedgerReader,
    (users, session): (u32, SessionIx),
) -> anyhow::Result<()> {
    let owners = ledger
        .sightings_of_users(0..users)?
        .into_iter()
        .filter(|seen| {
            let is_record = matches!(seen.record_type, RecordType::Message | RecordType::Fact);
            is_record && seen.canaries.iter().any(|one| one.id.session == session)
        });
    let owners: BTreeSet<String> = owners.filter_map(|seen| seen.owner).collect();
    let owners: Vec<&str> = owners.iter().map(String::as_str).collect();
    if owners.is_empty() {
        let seen = "answered, and nothing of it can be read";
        let remedy = "see whether this store lists such records, and whether it has settled";
        sheet.line(name, State::Skipped, seen, remedy);
    } else {
        let seen = format!("recorded under `{}`", owners.join("`, `"));
        sheet.line(name, State::Ok, seen, "");
    }
    Ok(())
}

/// Tells of an operation that was not done. Not every target has a chat socket, or keeps turns.
fn not_done(sheet: &mut Sheet, name: String, op: &OpRow) {
    let end = op.completion.as_ref();
    let status = end.and_then(|end| end.status);
    let kind = op.invocation.kind;
    if matches!(kind, OpKind::Stream | OpKind::Turn) && matches!(status, Some(404 | 405)) {
        let seen = "the target has no such route";
        let remedy = "leave it out of the load, or say where it is: [target.paths]";
        sheet.line(name, State::Skipped, seen, remedy);
        return;
    }
    let detail = end.and_then(|end| end.detail.clone()).unwrap_or_default();
    let seen = format!("an operation ended {}: {detail}", op.outcome().name());
    sheet.line(name, State::Fail, seen, remedy(status));
}

/// What to do about a finding.
fn mend(code: Code, store: &StoreClient) -> String {
    if code == Code::MissingOwner && store.refuses_unknown_users() {
        "set `create_users = true` in [memory], let the target make its users, or accept it as \
         below"
            .to_owned()
    } else if matches!(code, Code::PlaceholderOwner | Code::MissingOwner) {
        "let the target write this channel as its user, or accept it as below".to_owned()
    } else {
        format!("crosswire explain {}", code.name())
    }
}

/// What to do about a refusal.
fn remedy(status: Option<u16>) -> &'static str {
    match status {
        Some(401 | 403) => "give a credential that the target takes: `--auth`, docs/AUTH.md",
        Some(404 | 405) => "say where the target listens: [target.paths]",
        Some(429) => "the target turns requests away: use a smaller load",
        Some(_) | None => "see the target's log, and its settings for this channel",
    }
}

/// Writes the entry that accepts what is known of a target.
fn acceptable(sheet: &mut Sheet, finding: &FindingDetail, kind: OpKind) {
    if !matches!(finding.code, Code::PlaceholderOwner | Code::MissingOwner) {
        return;
    }
    for seen in &finding.sightings {
        let owner = match (finding.code, seen.owner.as_deref()) {
            (Code::MissingOwner, _) => "none",
            (_, Some(owner)) => owner,
            (_, None) => continue,
        };
        // A JSON text is a TOML text too.
        let owner = serde_json::Value::from(owner);
        sheet.accept(format!(
            "[[accept]]\ncheck = \"{}\"\nchannel = \"{kind}\"\nowner = {owner}\nreason = \"{kind} \
             is written so by this target, as crosswire doctor saw\"\n",
            finding.code.name()
        ));
    }
}
