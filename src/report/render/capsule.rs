//! Findings on the screen: each anomaly's counts, and a few findings with their evidence.

use super::text::{clean, count, count_of, duration_us, wrap};
use crate::model::{Code, OpKind, Proof, RecordType, RunId};
use crate::report::{FindingDetail, HintDetail, OpDetail, Report, SightingDetail};

/// Findings shown with their evidence, over all anomalies.
const SHOWN_MAX: usize = 3;

/// One block for each anomaly, gravest first. The claim of finding `headline` stands in the
/// head line already.
pub(super) fn lines(report: &Report, headline: Option<usize>, width: usize) -> Vec<String> {
    let shown = shown(report);
    let mut lines = Vec::new();
    for code in Code::ALL {
        let Some((counts, total)) = counts(code, report) else {
            continue;
        };
        lines.extend(wrap("  ", &counts, width));
        let mut listed = 0;
        for (ix, finding) in report.findings.iter().enumerate() {
            if finding.code == code && shown.contains(&ix) {
                let claim = (headline != Some(ix)).then_some(finding.claim.as_str());
                lines.extend(capsule(ix + 1, finding, claim, width));
                listed += 1;
            }
        }
        if total > listed {
            let more = count(total - listed);
            lines.extend(wrap("  ", &format!("and {more} more of {code}"), width));
        }
    }
    lines
}

/// Places of the findings that are shown: one of each anomaly in turn until there are enough.
fn shown(report: &Report) -> Vec<usize> {
    let mut by_code: Vec<Vec<usize>> = Code::ALL
        .iter()
        .map(|code| {
            let places = report.findings.iter().enumerate();
            places
                .filter(|(_, f)| f.code == *code && f.accepted.is_none())
                .map(|(ix, _)| ix)
                .rev()
                .collect()
        })
        .collect();
    let mut shown = Vec::new();
    while shown.len() < SHOWN_MAX && by_code.iter().any(|places| !places.is_empty()) {
        let round = by_code.iter_mut().filter_map(Vec::pop);
        shown.extend(round.take(SHOWN_MAX - shown.len()));
    }
    shown.sort_unstable();
    shown
}

/// How often an anomaly was found, in words and as a number of findings; `None` if never.
fn counts(code: Code, report: &Report) -> Option<(String, u64)> {
    let first = report.findings.iter().find(|f| f.code == code);
    let proved = report.anomalies.get(&code).copied().unwrap_or_default();
    let suggested = report
        .findings
        .iter()
        .filter(|f| f.code == code && f.proof == Proof::Suggested && f.accepted.is_none())
        .count() as u64;
    let mut parts = Vec::new();
    if proved.roots > 0 {
        let not_failed = if code.fails() { "" } else { ", not failed" };
        parts.push(format!(
            "{}, {}, proved{not_failed}",
            count_of(proved.roots, "root"),
            count_of(proved.records, "record")
        ));
    }
    if suggested > 0 {
        parts.push(format!("{} only suggested, not failed", count(suggested)));
    }
    let severity = first.map_or(String::new(), |f| format!("{} ", f.severity));
    (!parts.is_empty()).then(|| {
        (
            format!("{severity}{code}   {}", parts.join("; ")),
            proved.roots + suggested,
        )
    })
}

fn capsule(
    number: usize,
    finding: &FindingDetail,
    claim: Option<&str>,
    width: usize,
) -> Vec<String> {
    let mut fields: Vec<(&str, String)> = Vec::new();
    if let Some(op) = finding.ops.first() {
        let sent = format!("{}  {}  {}", op.sent_at, user(&op.user), what(op));
        fields.push(("sent", sent));
        fields.push(("request", op.request_id.clone()));
    }
    if let Some(sighting) = finding.sightings.first() {
        fields.push(stored(sighting));
    }
    if let Some((first, rest)) = finding.ops.split_first() {
        let other = rest.iter().find(|op| op.user != first.user);
        fields.extend(other.map(|other| beside(first, other)));
    }
    if let Some(kind) = finding.kind {
        fields.push(("kind", kind.to_string()));
    }
    fields.push(("because", finding.because.clone()));
    if finding.explains > 0 {
        fields.push(("explains", count_of(finding.explains, "further record")));
    }
    if let Some(reason) = &finding.accepted {
        fields.push(("accepted", reason.clone()));
    }
    if let Some(of_cause) = &finding.hint {
        fields.push(("hint", hint(of_cause)));
    }

    let mut lead = format!("  #{number} ");
    let mut lines = Vec::new();
    if let Some(claim) = claim {
        lines.extend(wrap(&lead, &clean(claim), width));
        lead = " ".repeat(5);
    }
    for (label, text) in fields {
        lines.extend(wrap(&format!("{lead}{label:<10}"), &clean(&text), width));
        lead = " ".repeat(lead.chars().count());
    }
    lines
}

/// Where the first affected record was found, or that it was not.
fn stored(sighting: &SightingDetail) -> (&'static str, String) {
    let owner = sighting.owner.as_deref().unwrap_or("none");
    let session = sighting.session.as_deref();
    let in_session = session.map_or(String::new(), |id| format!(" in session {id}"));
    match (sighting.record_type, &sighting.record_id) {
        (RecordType::Answer, _) => ("shown", format!("in an answer{in_session}, to {owner}")),
        (record_type, None) => (
            "stored",
            format!("nothing; a {} was promised", record_type.name()),
        ),
        (RecordType::Log, Some(id)) => ("logged", format!("request {id}, user {owner}")),
        (RecordType::Session, Some(id)) => ("stored", format!("session {id}, owner {owner}")),
        (RecordType::Message | RecordType::Fact, Some(id)) => (
            "stored",
            format!(
                "{} {id}{in_session}, owner {owner}",
                sighting.record_type.name()
            ),
        ),
    }
}

/// The other user's operation, and how it lies to the sender's.
fn beside(first: &OpDetail, second: &OpDetail) -> (&'static str, String) {
    let (apart, word) = if second.sent_at_us >= first.sent_at_us {
        (second.sent_at_us - first.sent_at_us, "later")
    } else {
        (first.sent_at_us - second.sent_at_us, "earlier")
    };
    let label = if overlap(first, second) {
        "overlap"
    } else {
        "other op"
    };
    let text = format!(
        "{}, {}, started {} {word}",
        user(&second.user),
        what(second),
        duration_us(apart)
    );
    (label, text)
}

/// Were both in flight at one moment? An operation without an end was in flight until the last.
fn overlap(first: &OpDetail, second: &OpDetail) -> bool {
    let ended = |op: &OpDetail| op.ended_at_us.unwrap_or(u64::MAX);
    first.sent_at_us <= ended(second) && second.sent_at_us <= ended(first)
}

/// A user as people say it; a name of another form stays as it is.
fn user(name: &str) -> String {
    RunId::parse_user_name(name)
        .map_or_else(|| name.to_owned(), |(_, user)| format!("user {}", user.0))
}

/// What an operation is to people, who count from 1.
fn what(op: &OpDetail) -> String {
    let turn = match op.kind {
        OpKind::Chat | OpKind::Voice | OpKind::Stream | OpKind::Turn => " turn",
        OpKind::Upload => "",
    };
    format!("{}{turn} {}", op.kind, u32::from(op.seq) + 1)
}

/// What a hint says, with what speaks for it.
fn hint(hint: &HintDetail) -> String {
    match hint {
        HintDetail::Latch {
            owner,
            since_us,
            senders,
        } => format!(
            "latch: {} is the owner of what {senders} users sent, from {} into the run on",
            user(owner),
            duration_us(*since_us)
        ),
        HintDetail::LateBinding { op, apart_us } => {
            let word = if *apart_us < 0 { "earlier" } else { "later" };
            format!(
                "late binding: the owner is the user of a neighbouring request, {}'s {}, which \
                 began {} {word}",
                user(&op.user),
                what(op),
                duration_us(apart_us.unsigned_abs())
            )
        }
        HintDetail::Swap { op, record_id } => {
            let record = record_id.as_deref();
            let record = record.map_or(String::new(), |id| format!(" (record {id})"));
            format!(
                "swap: two tasks in flight exchanged their users; {}'s {}{record} is under this \
                 one's",
                user(&op.user),
                what(op)
            )
        }
        HintDetail::FixedOwner => "fixed owner: a stand-in where every user should be".to_owned(),
        HintDetail::Silent => "silent: accepted, never stored, and no error told".to_owned(),
        HintDetail::Shift { before, answers } => format!(
            "shift: the answer is that to {}'s {}; {answers} answers in a row are one request \
             behind, as on a connection that was reused after a cancel",
            user(&before.user),
            what(before)
        ),
        HintDetail::Stall {
            since_us,
            operations,
        } => format!(
            "stall: from {} into the run on nothing more is stored, for any user, of {operations} \
             operations",
            duration_us(*since_us)
        ),
    }
}
