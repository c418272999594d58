//! What stands beside the verdict: what was tried, how well it was read, and what is left.

use url::Url;

use super::text::{count, count_of, duration_ms, duration_us, glued, percent_up};
use std::collections::BTreeSet;

use crate::model::{InconclusiveReason, OpKind, Standing, Trait};
use crate::report::{Accepted, Logs, Report, Streams, not_tried};

/// A label of at most ten letters, and what it says.
pub(super) type Field = (&'static str, String);

/// What was tested, and what that allows to say.
pub(super) fn tested(report: &Report) -> Vec<Field> {
    let mut fields = Vec::new();
    if !report.lab_faults.is_empty() {
        fields.push(("lab fault", report.lab_faults.join(", ")));
    }
    if !report.lab_quirks.is_empty() {
        fields.push(("lab quirk", report.lab_quirks.join(", ")));
    }
    if let Some(profile) = &report.lab_profile {
        fields.push(("lab", format!("as {profile}")));
    }
    fields.push(("bound", bound(report)));
    fields.push((
        "exposure",
        format!(
            "{}, peak {}; control found {}/{}",
            count_of(report.exposure.pairs, "cross-user overlap"),
            count_of(report.exposure.peak_users, "user"),
            report.control.found,
            report.control.planted
        ),
    ));
    fields.push(("traits", traits(report)));
    fields.extend(not_looked_for(report).map(|text| ("", text)));
    fields.extend(trespass(report).map(|text| ("trespass", text)));
    fields.push(("read back", read_back(report)));
    if report.read_back.unsteady_sessions > 0 {
        let sessions = count_of(report.read_back.unsteady_sessions, "session");
        fields.push((
            "order",
            format!("not compared: the store listed {sessions} in another order each time"),
        ));
    }
    fields.extend(report.logs.as_ref().map(|seen| ("logs", logs(seen))));
    fields
}

fn bound(report: &Report) -> String {
    let bound = &report.bound;
    if bound.n == 0 {
        return format!("none: 0 {} were judged", bound.unit);
    }
    format!(
        "{} of {} {} crossed; below {} (95 %, this load)",
        count(bound.crossed),
        count(bound.n),
        bound.unit,
        percent_up(bound.upper_95)
    )
}

/// How many operations had each trait.
fn traits(report: &Report) -> String {
    let tried: Vec<String> = report
        .traits
        .iter()
        .filter(|(_, ops)| **ops > 0)
        .map(|(held, ops)| glued(&format!("{} {}", words(*held), count(*ops))))
        .collect();
    match tried.as_slice() {
        [] => "none".to_owned(),
        tried => tried.join(", "),
    }
}

/// The traits that no operation had: classes of bugs that were not looked for. What those classes
/// are is in the JSON report.
fn not_looked_for(report: &Report) -> Option<String> {
    let untried: Vec<String> = not_tried(&report.traits)
        .iter()
        .map(|untried| glued(&words(untried.name)))
        .collect();
    (!untried.is_empty()).then(|| format!("{} {}", glued("not looked for:"), untried.join(", ")))
}

/// What became of attempts at sessions, a route after the other, and who did not try.
fn trespass(report: &Report) -> Option<String> {
    let routes = report.routes.iter().map(|(route, tried)| {
        let attempts = tried.refused + tried.answered + tried.unknown;
        let through = match (tried.provable, tried.proved) {
            (0, _) => "not provable".to_owned(),
            (_, 0) if tried.provable < tried.sessions => {
                let unsure = count(tried.sessions.saturating_sub(tried.provable));
                format!("0 of {} through, {unsure} not provable", count(attempts))
            }
            (_, proved) => format!("{} of {} through", count(proved), count(attempts)),
        };
        glued(&format!("{route} {through}"))
    });
    let routes: Vec<String> = routes.collect();
    let untried: BTreeSet<Standing> = report
        .routes
        .values()
        .flat_map(|tried| tried.not_tried.iter().copied())
        .collect();
    let untried: Vec<String> = untried
        .iter()
        .map(|standing| match standing {
            Standing::Founder => "the own user",
            Standing::OtherUser => "another user",
            Standing::Expired => "an expired credential",
            Standing::Nobody => "no credential",
        })
        .map(glued)
        .collect();
    let mut text = routes.join(", ");
    if !untried.is_empty() {
        text = format!("{text}; not tried: {}", untried.join(", "));
    }
    (!routes.is_empty()).then_some(text)
}

fn read_back(report: &Report) -> String {
    let read = &report.read_back;
    if read.scans == 0 {
        return "nothing: the store was not read".to_owned();
    }
    let records = &report.records;
    let complete = match (&read.incomplete_reason, read.complete) {
        (_, true) => "complete".to_owned(),
        (None, false) => "incomplete".to_owned(),
        (Some(reason), false) => format!("incomplete ({reason})"),
    };
    let settled = match (read.settled, read.settled_after_ms) {
        (true, Some(ms)) => format!("settled in {}", duration_ms(ms)),
        (true, None) => "settled".to_owned(),
        (false, _) => format!("not settled after {}", count_of(read.scans, "scan")),
    };
    let odd = match records.unattributable {
        0 => String::new(),
        number => format!(", {} unattributable", count(number)),
    };
    format!(
        "{}, {}, {}{odd}; {complete}, {settled}",
        count_of(records.sessions, "session"),
        count_of(records.messages, "message"),
        count_of(records.facts, "fact"),
    )
}

/// How much of the logs was seen. Absence means something only where nearly all ids were.
fn logs(logs: &Logs) -> String {
    let mut text = if logs.supported {
        let seen = match logs.ok {
            0 => "none were sent".to_owned(),
            ok => format!("{} %", logs.ids_seen.saturating_mul(100) / ok),
        };
        format!(
            "{}, {}; request ids seen: {seen}",
            count_of(logs.lines, "line"),
            count_of(logs.task_lines, "task line"),
        )
    } else {
        format!(
            "{}, none about background tasks: unsupported by this target",
            count_of(logs.lines, "line")
        )
    };
    if logs.nameless > 0 {
        text.push_str("; ");
        text.push_str(&count_of(logs.nameless, "task line"));
        text.push_str(" without request id and user");
    }
    for problem in &logs.problems {
        text.push_str("; ");
        text.push_str(problem);
    }
    text
}

/// What was accepted, how the generator did, what is left, and where everything lies.
pub(super) fn rest(report: &Report) -> Vec<Field> {
    let mut fields = Vec::new();
    fields.extend(report.streams.map(|streams| ("chunks", chunks(&streams))));
    if report.accepted.is_empty() {
        fields.push((
            "accepted",
            format!("none         generator  {}", generator(report)),
        ));
    } else {
        for accepted in &report.accepted {
            fields.push(("accepted", entry(accepted)));
        }
        fields.push(("generator", generator(report)));
    }
    let unseen = uploads_unseen(report);
    if report.left.sessions > 0 || report.left.facts > 0 || unseen > 0 {
        let mut text = format!(
            "{}, {} on {}",
            count_of(report.left.sessions, "session"),
            count_of(report.left.facts, "fact"),
            host(&report.memory)
        );
        if unseen > 0 {
            text.push_str("; what is left of ");
            text.push_str(&count_of(unseen, "upload"));
            text.push_str(" cannot be seen there");
        }
        fields.push(("left", text));
        fields.push(("clean up", format!("crosswire clean {}", report.run_id)));
    }
    fields.push(("report", report.run_folder.clone()));
    fields
}

/// Uploads to a store that does not show what became of them.
fn uploads_unseen(report: &Report) -> u64 {
    let reasons = &report.inconclusive_reasons;
    // An embedded lab, which is gone, shows none only as one of its profiles.
    let is_kept = report.memory != "none" && report.lab_profile.is_none();
    let is_unseen = is_kept && reasons.contains(&InconclusiveReason::NoReadBack);
    let uploads = report.ops.get(&OpKind::Upload).filter(|_| is_unseen);
    uploads.map_or(0, |uploads| uploads.ok)
}

/// When the first chunk came, and how evenly the others did.
fn chunks(streams: &Streams) -> String {
    let (first, gap) = (&streams.first_chunk_us, &streams.chunk_gap_us);
    let between = match gap.samples {
        0 => String::new(),
        _ => format!(
            "; gap p95 {}, longest {}",
            duration_us(gap.p95),
            duration_us(gap.max)
        ),
    };
    format!(
        "first p50 {}, p95 {}{between}",
        duration_us(first.p50),
        duration_us(first.p95)
    )
}

/// What became of one entry of `[[accept]]`. One that accepts nothing any more is said to.
fn entry(accepted: &Accepted) -> String {
    let until = accepted.until.as_deref();
    let state = if accepted.expired {
        format!("WARNING expired on {}", until.unwrap_or("an unknown day"))
    } else if accepted.roots == 0 {
        "WARNING matched nothing".to_owned()
    } else {
        let counts = format!(
            "{}, {}, not failed",
            count_of(accepted.roots, "root"),
            count_of(accepted.records, "record")
        );
        match until {
            Some(until) => format!("{counts}, until {until}"),
            None => counts,
        }
    };
    let channel = accepted
        .channel
        .map_or(String::new(), |kind| format!(" {kind}"));
    let kind = accepted
        .kind
        .map_or(String::new(), |kind| format!(" {kind}"));
    let owner = accepted.owner.as_deref();
    let owner = owner.map_or(String::new(), |owner| format!(" owner {owner}"));
    format!(
        "{}{kind}{channel}{owner}: {state}: {}",
        accepted.code, accepted.reason
    )
}

fn generator(report: &Report) -> String {
    let lag = duration_us(report.generator.schedule_lag_us.p99);
    let health = if report.generator.saturated {
        "saturated"
    } else {
        "healthy"
    };
    format!("{health}, start lag p99 {lag}")
}

/// A trait's name in words.
fn words(held: Trait) -> String {
    if matches!(held, Trait::Relogin | Trait::HandOver) {
        // These are one word each.
        held.name().to_owned()
    } else {
        held.name().replace('-', " ")
    }
}

fn host(url: &str) -> String {
    Url::parse(url)
        .ok()
        .and_then(|url| {
            let host = url.host_str()?.to_owned();
            Some(
                url.port()
                    .map_or(host.clone(), |port| format!("{host}:{port}")),
            )
        })
        .unwrap_or_else(|| url.to_owned())
}
