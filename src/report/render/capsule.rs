//! Findings on the screen: each anomaly's counts, and a few findings with their evidence.

use super::text::{clean, count_of, duration_us, wrap};
use crate::model::{Code, OpKind, Pattern, Proof, RecordType, RunId};
use crate::report::{FindingDetail, OpDetail, Report, SightingDetail};

/// Findings shown with their evidence, over all anomalies.
const SHOWN_MAX: usize = 3;

/// One block for each anomaly, gravest first. The claim of finding `headline` stands in the
/// head line already.
pub(super) fn lines(report: &Report, headline: Option<usize>, width: usize) -> Vec<String> {
    let shown = shown(report);
    let mut lines = Vec::new();
    for code in Code::ALL {
        let Some(count) = report.anomalies.get(&code) else {
            continue;
        };
        // A folded record has a code without a root: its root's block speaks for it.
        if count.roots == 0 {
            continue;
        }
        let first = report.findings.iter().find(|f| f.code == code);
        lines.extend(wrap("  ", &counts_line(code, report, first), width));
        let listed: Vec<usize> = shown
            .iter()
            .copied()
            .filter(|ix| report.findings.get(*ix).is_some_and(|f| f.code == code))
            .collect();
        for ix in &listed {
            if let Some(finding) = report.findings.get(*ix) {
                let claim = (headline != Some(*ix)).then_some(finding.claim.as_str());
                lines.extend(capsule(*ix + 1, finding, claim, width));
            }
        }
        let more = count.roots.saturating_sub(listed.len() as u64);
        if more > 0 {
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
                .filter(|(_, f)| f.code == *code)
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

fn counts_line(code: Code, report: &Report, first: Option<&FindingDetail>) -> String {
    let count = report.anomalies.get(&code).copied().unwrap_or_default();
    let proof = match first.map(|f| f.proof) {
        Some(Proof::Proved) if code.fails() => ", proved",
        Some(Proof::Proved) => ", proved; shown, not failed",
        Some(Proof::Suggested) => ", suggested only; shown, not failed",
        None => "",
    };
    let severity = first.map_or(String::new(), |f| format!("{} ", f.severity));
    format!(
        "{severity}{code}   {}, {}{proof}",
        count_of(count.roots, "root"),
        count_of(count.records, "record"),
    )
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
    if let [first, second, ..] = finding.ops.as_slice() {
        fields.push(beside(first, second));
    }
    fields.push(("because", finding.because.clone()));
    if finding.explains > 0 {
        fields.push(("explains", count_of(finding.explains, "further record")));
    }
    if let Some(pattern) = finding.pattern {
        fields.push(("hint", hint(pattern).to_owned()));
    }

    let mut lead = format!("  {:<3}", format!("#{number}"));
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
        OpKind::Chat | OpKind::Voice => " turn",
        OpKind::Upload => "",
    };
    format!("{}{turn} {}", op.kind, u32::from(op.seq) + 1)
}

fn hint(pattern: Pattern) -> &'static str {
    match pattern {
        Pattern::Latch => "latch: from here on all records carry one owner",
        Pattern::LateBinding => "late binding: the owner is the user of a neighbouring request",
        Pattern::Swap => "swap: two tasks in flight exchanged their users",
        Pattern::FixedOwner => "fixed owner: a stand-in where every user should be",
        Pattern::Silent => "silent: accepted, never stored, and no error told",
    }
}
