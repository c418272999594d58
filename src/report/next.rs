//! The last line of a screen: what to do next.

use super::Report;
use crate::model::{InconclusiveReason, Verdict};

/// What to do next, by verdict: words, a colon and a command that this version has, or words
/// alone. Reads everything of the report but `next` itself.
pub fn next_step(report: &Report) -> String {
    let run = report.run_id;
    match report.verdict {
        Verdict::Fail => format!("every record: crosswire report {run} --report json=-"),
        Verdict::Inconclusive => inconclusive(report),
        Verdict::Pass if !report.anomalies.is_empty() => {
            format!("what was found: crosswire report {run} --report json=-")
        }
        Verdict::Pass if !on_lab(report) => {
            format!("every figure: crosswire report {run} --report json=-")
        }
        Verdict::Pass => match report.lab_faults.first() {
            None => "watch it catch one: crosswire run --lab-fault late-binding".to_owned(),
            Some(fault) => {
                format!(
                    "the fault did not strike; more load: crosswire run mixed --lab-fault {fault}"
                )
            }
        },
    }
}

fn inconclusive(report: &Report) -> String {
    let run = report.run_id;
    let scenario = &report.scenario;
    let Some(reason) = report.inconclusive_reasons.first() else {
        return format!("judge again: crosswire reconcile {run}");
    };
    match reason {
        InconclusiveReason::NoEvidence => {
            format!("see the outcomes: crosswire report {run} --report json=-")
        }
        InconclusiveReason::NoOverlap | InconclusiveReason::GeneratorSaturated => {
            format!("see what to change: crosswire scenario show {scenario}")
        }
        InconclusiveReason::ControlMissed
        | InconclusiveReason::LedgerGap
        | InconclusiveReason::CheckerError => {
            format!("judge again, to be sure: crosswire reconcile {run}")
        }
        InconclusiveReason::ReadBackIncomplete
        | InconclusiveReason::NotSettled
        | InconclusiveReason::TargetLost => read_again(report),
        InconclusiveReason::Interrupted => run_again(report, ""),
        InconclusiveReason::NoReadBack => run_again(report, " --memory URL"),
    }
}

/// A store that is still there is read again; the embedded lab is gone with its run.
fn read_again(report: &Report) -> String {
    if on_lab(report) {
        run_again(report, "")
    } else {
        format!("read the store again: crosswire observe {}", report.run_id)
    }
}

fn run_again(report: &Report, more: &str) -> String {
    let scenario = &report.scenario;
    let target = if on_lab(report) {
        String::new()
    } else {
        format!(" --target {}", report.target)
    };
    let memory = match report.memory.as_str() {
        "lab" | "none" => String::new(),
        url => format!(" --memory {url}"),
    };
    let seed = report.seed;
    format!("run again: crosswire run {scenario}{target}{memory}{more} --seed {seed}")
}

fn on_lab(report: &Report) -> bool {
    report.target == "lab"
}
