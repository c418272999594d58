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
        Verdict::Pass if !report.findings.is_empty() => {
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
        InconclusiveReason::NoOverlap
        | InconclusiveReason::GeneratorSaturated
        | InconclusiveReason::TargetThrottled => {
            format!("see what to change: crosswire scenario show {scenario}")
        }
        InconclusiveReason::ControlMissed
        | InconclusiveReason::LedgerGap
        | InconclusiveReason::AssumptionFailed
        | InconclusiveReason::CheckerError => {
            format!("judge again, to be sure: crosswire reconcile {run}")
        }
        InconclusiveReason::NoReadBack if report.memory == "none" => {
            run_again(report, " --memory URL")
        }
        // The store has no facts to list, so reading it again would show no more.
        InconclusiveReason::NoReadBack => {
            format!("leave out its uploads: crosswire scenario show {scenario}")
        }
        InconclusiveReason::ReadBackIncomplete
        | InconclusiveReason::NotSettled
        | InconclusiveReason::TargetLost => read_again(report),
        InconclusiveReason::Interrupted => run_again(report, ""),
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample;

    /// Subcommands that this version has.
    const COMMANDS: [&str; 6] = ["run", "observe", "reconcile", "report", "lab", "scenario"];

    #[test]
    fn a_clean_lab_run_asks_for_a_fault_and_a_faulty_one_for_more_load() {
        let mut report = sample::passed();
        assert_eq!(
            next_step(&report),
            "watch it catch one: crosswire run --lab-fault late-binding"
        );
        report.lab_faults = vec!["swap".to_owned()];
        assert_eq!(
            next_step(&report),
            "the fault did not strike; more load: crosswire run mixed --lab-fault swap"
        );
    }

    #[test]
    fn a_store_that_is_gone_is_not_read_again() {
        let mut report = sample::crashed();
        assert_eq!(
            next_step(&report),
            "read the store again: crosswire observe 000000c4"
        );
        report.target = "lab".to_owned();
        report.memory = "lab".to_owned();
        assert_eq!(
            next_step(&report),
            "run again: crosswire run quick --seed 7"
        );
    }

    #[test]
    fn every_reason_leads_to_a_command_that_exists() {
        for reason in InconclusiveReason::ALL {
            for memory in ["lab", "none", "http://127.0.0.1:8081"] {
                let mut report = sample::crashed();
                report.inconclusive_reasons = vec![reason];
                report.memory = memory.to_owned();
                let next = next_step(&report);
                let command = next.split_once("crosswire ").map(|(_, rest)| rest);
                let verb = command.and_then(|rest| rest.split(' ').next());
                assert!(verb.is_some_and(|verb| COMMANDS.contains(&verb)), "{next}");
            }
        }
    }
}
