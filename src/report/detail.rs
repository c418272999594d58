//! Findings as the report shows them: with names instead of numbers, and bounded.

use std::collections::BTreeMap;
use std::fmt;
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};

use super::hint::{HintDetail, hint_detail};
use crate::model::limits::CAPSULES_PER_CODE_MAX;
use crate::model::{
    Affected, BleedKind, CanaryId, Code, Finding, Micros, OpId, OpKind, OpRow, Pattern, Proof,
    RecordType, RunId, Severity, UserIx,
};

/// Affected records listed with one finding; the run's ledger holds every one.
pub const SIGHTINGS_PER_FINDING_MAX: usize = 1_000;

/// The last second that RFC 3339 can write: the end of the year 9999.
const RFC3339_SECONDS_MAX: u64 = 253_402_300_799;

/// One contradiction between what was sent and what was found, with its evidence.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FindingDetail {
    /// The anomaly.
    pub code: Code,
    /// How grave.
    pub severity: Severity,
    /// How far the evidence goes.
    pub proof: Proof,
    /// One sentence for people.
    pub claim: String,
    /// Why the evidence is a contradiction, one sentence.
    pub because: String,
    /// Name of the user that sent it, where known.
    pub sender: Option<String>,
    /// Name of the synthetic user it was found under or shown to, where there is one.
    pub found_under: Option<String>,
    /// The operations that tell the story, at most three: the sender's first, then the other
    /// user's where it is known.
    pub ops: Vec<OpDetail>,
    /// Affected records, the root's own first; at most [`SIGHTINGS_PER_FINDING_MAX`].
    pub sightings: Vec<SightingDetail>,
    /// How many affected records there are, listed or not.
    pub sightings_total: u64,
    /// How many further records this one explains.
    pub explains: u64,
    /// A hint about the cause, never part of the verdict.
    pub pattern: Option<Pattern>,
    /// What speaks for the hint.
    pub hint: Option<HintDetail>,
    /// How another user's text came into an answer; left out for any other anomaly. Since 1.2.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<BleedKind>,
    /// Why the scenario accepts it; null if it does not.
    pub accepted: Option<String>,
}

/// One operation of a finding.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpDetail {
    /// Its id, `s<session>.<place in the session>`, both counted from 0.
    pub op: String,
    /// Its place in the session, counted from 0.
    pub seq: u16,
    /// Name of the user that sent it.
    pub user: String,
    /// Id of its session at the target.
    pub session: String,
    /// What it does.
    pub kind: OpKind,
    /// When it began, RFC 3339, UTC.
    pub sent_at: String,
    /// The same as an offset from the run's start.
    pub sent_at_us: u64,
    /// When its answer was complete or given up, as an offset from the run's start; null if it
    /// was open when the run ended.
    pub ended_at_us: Option<u64>,
    /// The value of its `X-Request-ID`.
    pub request_id: String,
}

/// One record, or one absence, that a finding is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SightingDetail {
    /// The anomaly of this very record: the finding's own, or one that was folded into it.
    pub code: Code,
    /// Its type; for an absence, the type that was promised.
    #[serde(rename = "type")]
    pub record_type: RecordType,
    /// The store's id for it; null for an absence.
    pub record_id: Option<String>,
    /// The owner that the store names.
    pub owner: Option<String>,
    /// The session it was found in.
    pub session: Option<String>,
    /// The operation it belongs to, where known.
    pub op: Option<String>,
    /// The canary word it carries, or should have carried; null for a session.
    pub canary: Option<String>,
    /// Text around the canary, where kept.
    pub excerpt: Option<String>,
}

/// What is needed to name the numbers of a finding.
pub struct Lookup<'a> {
    /// The run that the findings are of.
    pub run: RunId,
    /// The name of a user at the target.
    pub user: &'a dyn Fn(UserIx) -> String,
    /// Wall-clock time of the run's epoch.
    pub epoch: SystemTime,
    /// An operation of the ledger by its id.
    pub op: &'a dyn Fn(OpId) -> Option<OpRow>,
    /// The word that was planted for an identity.
    pub canary: &'a dyn Fn(CanaryId) -> String,
}

impl fmt::Debug for Lookup<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lookup")
            .field("run", &self.run)
            .field("epoch", &self.epoch)
            .finish_non_exhaustive()
    }
}

/// The findings with their evidence, in the given order, at most `CAPSULES_PER_CODE_MAX` of
/// each code.
pub fn finding_details(findings: &[Finding], lookup: &Lookup<'_>) -> Vec<FindingDetail> {
    let mut shown: BTreeMap<Code, usize> = BTreeMap::new();
    findings
        .iter()
        .filter(|finding| {
            let count = shown.entry(finding.code).or_default();
            *count += 1;
            *count <= CAPSULES_PER_CODE_MAX
        })
        .map(|finding| finding_detail(finding, lookup))
        .collect()
}

/// A point in time as RFC 3339 in UTC with milliseconds. Years before 1970 and after 9999 are
/// written as the nearest that can be.
pub fn rfc3339(time: SystemTime) -> String {
    let since = time
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default()
        .min(Duration::from_secs(RFC3339_SECONDS_MAX));
    humantime::format_rfc3339_millis(SystemTime::UNIX_EPOCH + since).to_string()
}

fn finding_detail(finding: &Finding, lookup: &Lookup<'_>) -> FindingDetail {
    let user_name = |user: UserIx| (lookup.user)(user);
    FindingDetail {
        code: finding.code,
        severity: finding.severity,
        proof: finding.proof,
        claim: finding.claim.clone(),
        because: finding.because.clone(),
        sender: finding.sender.map(user_name),
        found_under: finding.found_under.map(user_name),
        ops: finding
            .ops
            .iter()
            .filter_map(|op| (lookup.op)(*op))
            .map(|row| op_detail(&row, lookup))
            .collect(),
        sightings: finding
            .affected
            .iter()
            .take(SIGHTINGS_PER_FINDING_MAX)
            .map(|affected| sighting_detail(affected, lookup))
            .collect(),
        sightings_total: finding.affected.len() as u64,
        explains: finding.explains() as u64,
        pattern: finding.pattern(),
        hint: finding
            .hint
            .as_ref()
            .and_then(|hint| hint_detail(hint, lookup)),
        kind: finding.kind,
        accepted: finding.accepted.clone(),
    }
}

pub(super) fn op_detail(row: &OpRow, lookup: &Lookup<'_>) -> OpDetail {
    let invocation = &row.invocation;
    let server_session = row
        .completion
        .as_ref()
        .and_then(|completion| completion.server_session.clone());
    OpDetail {
        op: invocation.op.to_string(),
        seq: invocation.op.seq,
        user: (lookup.user)(invocation.user),
        session: server_session.unwrap_or_else(|| {
            lookup
                .run
                .session_name(invocation.user, invocation.op.session)
        }),
        kind: invocation.kind,
        sent_at: rfc3339(wall_time(lookup.epoch, invocation.invoked)),
        sent_at_us: invocation.invoked.0,
        ended_at_us: row.completion.as_ref().map(|c| c.completed.0),
        request_id: format!("{:016x}", invocation.request_id),
    }
}

fn sighting_detail(affected: &Affected, lookup: &Lookup<'_>) -> SightingDetail {
    SightingDetail {
        code: affected.code,
        record_type: affected.record_type,
        record_id: affected.record_id.clone(),
        owner: affected.owner.clone(),
        session: affected.session.clone(),
        op: affected.op.map(|op| op.to_string()),
        canary: affected.canary.map(|canary| (lookup.canary)(canary)),
        excerpt: affected.excerpt.clone(),
    }
}

fn wall_time(epoch: SystemTime, at: Micros) -> SystemTime {
    epoch.checked_add(at.duration()).unwrap_or(epoch)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{
        Completion, Echo, GroupIx, Invocation, Outcome, Promise, SessionIx, TraitSet,
    };

    const OP: OpId = OpId {
        session: SessionIx(203),
        seq: 3,
    };

    fn finding(code: Code, affected: usize) -> Finding {
        let record = Affected {
            code,
            record_type: RecordType::Message,
            record_id: Some("m1".to_owned()),
            canary: None,
            op: Some(OP),
            owner: Some("dev-oid-cw-000000ff-u18".to_owned()),
            session: None,
            excerpt: None,
        };
        Finding {
            code,
            severity: Severity::S1,
            proof: Proof::Proved,
            claim: String::new(),
            because: String::new(),
            sender: Some(UserIx(17)),
            found_under: Some(UserIx(18)),
            ops: vec![OP, OpId::default()],
            affected: vec![record; affected],
            hint: None,
            kind: None,
            accepted: None,
        }
    }

    fn row(server_session: Option<&str>) -> OpRow {
        OpRow {
            invocation: Invocation {
                op: OP,
                user: UserIx(17),
                founder: UserIx(17),
                kind: OpKind::Chat,
                group: GroupIx(0),
                intended: Micros(0),
                invoked: Micros(1_480_000),
                text_hash: 0,
                item_first: 3,
                item_count: 1,
                request_id: 0x5f1c,
                traits: TraitSet::default(),
            },
            completion: Some(Completion {
                op: OP,
                completed: Micros(1_500_000),
                sent: None,
                outcome: Outcome::Ok,
                status: None,
                promise: Promise::NONE,
                echo: Echo::Own,
                server_session: server_session.map(str::to_owned),
                detail: None,
            }),
        }
    }

    /// Looks up one known operation; every other is unknown to the ledger.
    fn details(findings: &[Finding], row: &OpRow) -> Vec<FindingDetail> {
        let lookup = Lookup {
            run: RunId(0xff),
            user: &|user| RunId(0xff).user_name(user),
            epoch: SystemTime::UNIX_EPOCH,
            op: &|op| (op == OP).then(|| row.clone()),
            canary: &|_| "zq".to_owned(),
        };
        finding_details(findings, &lookup)
    }

    #[test]
    fn numbers_become_names_and_times() {
        let detail = details(&[finding(Code::WrongOwner, 3)], &row(None)).remove(0);
        assert_eq!(detail.sender.as_deref(), Some("cw-000000ff-u17"));
        assert_eq!(detail.found_under.as_deref(), Some("cw-000000ff-u18"));
        assert_eq!((detail.sightings_total, detail.explains), (3, 2));
        let expect = OpDetail {
            op: "s203.3".to_owned(),
            seq: 3,
            user: "cw-000000ff-u17".to_owned(),
            session: "cw-000000ff-u17-s203".to_owned(),
            kind: OpKind::Chat,
            sent_at: "1970-01-01T00:00:01.480Z".to_owned(),
            sent_at_us: 1_480_000,
            ended_at_us: Some(1_500_000),
            request_id: "0000000000005f1c".to_owned(),
        };
        assert_eq!(detail.ops, [expect]);
    }

    #[test]
    fn a_session_that_the_server_named_bears_that_name() {
        let detail = details(&[finding(Code::Lost, 1)], &row(Some("srv-1"))).remove(0);
        assert_eq!(detail.ops[0].session, "srv-1");
    }

    #[test]
    fn what_is_listed_is_bounded_and_what_is_counted_is_exact() {
        let mut findings = vec![finding(Code::WrongOwner, 1); CAPSULES_PER_CODE_MAX + 50];
        findings.push(finding(Code::Lost, SIGHTINGS_PER_FINDING_MAX + 500));
        let details = details(&findings, &row(None));
        assert_eq!(details.len(), CAPSULES_PER_CODE_MAX + 1);
        let last = &details[CAPSULES_PER_CODE_MAX];
        assert_eq!(last.code, Code::Lost);
        assert_eq!(last.sightings.len(), SIGHTINGS_PER_FINDING_MAX);
        assert_eq!(last.sightings_total, 1_500);
    }

    #[test]
    fn a_time_outside_the_calendar_is_clamped() {
        let far = SystemTime::UNIX_EPOCH + Duration::from_secs(RFC3339_SECONDS_MAX * 4);
        let before = SystemTime::UNIX_EPOCH - Duration::from_secs(1);
        for (time, text) in [
            (SystemTime::UNIX_EPOCH, "1970-01-01T00:00:00.000Z"),
            (before, "1970-01-01T00:00:00.000Z"),
            (far, "9999-12-31T23:59:59.000Z"),
        ] {
            assert_eq!(rfc3339(time), text);
        }
    }
}
