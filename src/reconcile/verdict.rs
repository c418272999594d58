//! The conclusion: pass, fail, or what is missing for either.

use std::collections::BTreeMap;

use crate::model::{GeneratorHealth, InconclusiveReason, OpKind, Proof, Severity, Verdict};

use super::timeline::Exposure;
use super::{Context, Judgement, ReadBack, RunEnd};

/// What a verdict needs to know beside the judgement.
#[derive(Debug, Clone, Copy)]
pub struct Facts<'a> {
    /// The kinds of operations that the scenario plans.
    pub planned: &'a [OpKind],
    /// `ok` operations of each kind; a kind without any may be absent.
    pub ok: &'a BTreeMap<OpKind, u64>,
    /// How much the users met.
    pub exposure: Exposure,
    /// How the tester itself did.
    pub generator: &'a GeneratorHealth,
    /// Tasks of the tester that broke: what they should have done was not done.
    pub broken_sessions: u64,
    /// Events that contradicted what the ledger had been told before.
    pub ledger_conflicts: u64,
}

/// Of so many texts read back, one may hold damaged canaries only.
const TEXTS_PER_UNATTRIBUTABLE_MIN: u64 = 1_000;

/// Draws the conclusion. The reasons say what a pass would have needed, in report order; a
/// proved failure stands whatever is missing, and then the reasons say what else may be there.
pub fn verdict(
    context: &Context<'_>,
    judgement: &Judgement,
    facts: &Facts<'_>,
) -> (Verdict, Vec<InconclusiveReason>) {
    let failed = judgement.findings.iter().any(|finding| {
        finding.proof == Proof::Proved
            && finding.severity <= Severity::S3
            && finding.code.fails()
            && finding.accepted.is_none()
    });
    // Whoever asks to stop at a finding and has one misses nothing.
    let for_nothing = context.ended == RunEnd::StoppedAtFinding && !failed;
    let reasons: Vec<InconclusiveReason> = InconclusiveReason::ALL
        .into_iter()
        .filter(|reason| {
            let interrupted = *reason == InconclusiveReason::Interrupted && for_nothing;
            interrupted || holds(*reason, context, judgement, facts)
        })
        .collect();
    let of_findings = if failed { Verdict::Fail } else { Verdict::Pass };
    let of_reasons = if reasons.is_empty() {
        Verdict::Pass
    } else {
        Verdict::Inconclusive
    };
    (of_findings.max(of_reasons), reasons)
}

fn holds(
    reason: InconclusiveReason,
    context: &Context<'_>,
    judgement: &Judgement,
    facts: &Facts<'_>,
) -> bool {
    let control = judgement.control;
    let (read, complete, settled) = match context.read_back {
        ReadBack::None => (false, false, false),
        ReadBack::Some {
            settled, complete, ..
        } => (true, complete, settled),
    };
    match reason {
        InconclusiveReason::NoEvidence => {
            let ok = |kind| facts.ok.get(kind).copied().unwrap_or(0);
            facts.planned.is_empty() || facts.planned.iter().any(|kind| ok(kind) == 0)
        }
        InconclusiveReason::NoOverlap => facts.exposure.pairs == 0,
        // Where nothing could be read, there was no path to control.
        InconclusiveReason::ControlMissed => {
            control.found < control.planted || (complete && control.planted == 0)
        }
        InconclusiveReason::ReadBackIncomplete => read && !complete,
        InconclusiveReason::NotSettled => complete && (!settled || judgement.pending > 0),
        InconclusiveReason::GeneratorSaturated => facts.generator.saturated,
        // A killed tester may have sent what it had not yet written down, but not twice.
        InconclusiveReason::LedgerGap => {
            let unknown = judgement.ledger_gap > 0 && context.ended != RunEnd::Crashed;
            unknown || facts.ledger_conflicts > 0
        }
        InconclusiveReason::TargetLost => context.ended == RunEnd::TargetLost,
        InconclusiveReason::Interrupted => {
            matches!(
                context.ended,
                RunEnd::Interrupted | RunEnd::Capped(_) | RunEnd::Crashed
            )
        }
        InconclusiveReason::CheckerError => {
            !judgement.checker_errors.is_empty() || facts.broken_sessions > 0
        }
        InconclusiveReason::TargetThrottled => context.ended == RunEnd::TargetThrottled,
        InconclusiveReason::AssumptionFailed => {
            let allowed = judgement.texts / TEXTS_PER_UNATTRIBUTABLE_MIN;
            judgement.unattributable > allowed
        }
        InconclusiveReason::NoReadBack => {
            !read || (!context.facts_listed && facts.planned.contains(&OpKind::Upload))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{History, owner};
    use super::super::{Control, Micros};
    use super::*;
    use crate::model::{Exactness, Outcome, RecordType};

    type Change = fn(&mut Case);

    struct Case {
        history: History,
        ended: RunEnd,
        read_back: ReadBack,
        facts_listed: bool,
        control: Control,
        ok: BTreeMap<OpKind, u64>,
        pairs: u64,
        saturated: bool,
        broken_sessions: u64,
        ledger_conflicts: u64,
    }

    impl Case {
        fn clean() -> Self {
            let history = History::new(3, 2);
            Self {
                ended: RunEnd::Finished,
                read_back: history.context().read_back,
                facts_listed: true,
                control: Control {
                    planted: 2,
                    found: 2,
                },
                ok: OpKind::ALL.into_iter().map(|kind| (kind, 1)).collect(),
                pairs: 1,
                saturated: false,
                broken_sessions: 0,
                ledger_conflicts: 0,
                history,
            }
        }

        fn verdict(&self) -> (Verdict, Vec<InconclusiveReason>) {
            let context = Context {
                ended: self.ended,
                read_back: self.read_back,
                facts_listed: self.facts_listed,
                users_asked: None,
                ..self.history.context()
            };
            let mut judgement = self.history.judge_sharded(&context, 2);
            judgement.control = self.control;
            let facts = Facts {
                planned: &OpKind::ALL,
                ok: &self.ok,
                exposure: Exposure {
                    pairs: self.pairs,
                    peak_users: 3,
                },
                generator: &GeneratorHealth {
                    saturated: self.saturated,
                    schedule_lag_us: [0; 3],
                    cpu_seconds: 0.0,
                    rss_max_bytes: 0,
                },
                broken_sessions: self.broken_sessions,
                ledger_conflicts: self.ledger_conflicts,
            };
            verdict(&context, &judgement, &facts)
        }
    }

    fn read_back(settled: bool, complete: bool) -> ReadBack {
        ReadBack::Some {
            settled,
            complete,
            read_from: Micros(100_000_000),
        }
    }

    #[test]
    fn each_reason_alone_makes_a_run_inconclusive() {
        let table: [(&[InconclusiveReason], Change); 15] = [
            (&[], |_| {}),
            (&[InconclusiveReason::NoEvidence], |case| {
                case.ok.remove(&OpKind::Voice);
            }),
            (&[InconclusiveReason::NoOverlap], |case| case.pairs = 0),
            (&[InconclusiveReason::ControlMissed], |case| {
                case.control.found = 1;
            }),
            (&[InconclusiveReason::ControlMissed], |case| {
                case.control = Control::default();
            }),
            (&[InconclusiveReason::ReadBackIncomplete], |case| {
                case.read_back = read_back(false, false);
            }),
            (&[InconclusiveReason::NotSettled], |case| {
                case.read_back = read_back(false, true);
            }),
            (&[InconclusiveReason::GeneratorSaturated], |case| {
                case.saturated = true;
            }),
            (&[InconclusiveReason::LedgerGap], |case| {
                case.history.ops.remove(0);
            }),
            (&[InconclusiveReason::TargetLost], |case| {
                case.ended = RunEnd::TargetLost;
            }),
            (&[InconclusiveReason::Interrupted], |case| {
                case.ended = RunEnd::Interrupted;
            }),
            // What a killed tester had not written down is expected.
            (&[InconclusiveReason::Interrupted], |case| {
                case.ended = RunEnd::Crashed;
                case.history.ops.remove(0);
            }),
            (&[InconclusiveReason::NoReadBack], |case| {
                case.read_back = ReadBack::None;
                case.control = Control::default();
            }),
            (&[InconclusiveReason::NoReadBack], |case| {
                case.facts_listed = false;
            }),
            (&[InconclusiveReason::CheckerError], |case| {
                case.broken_sessions = 1;
            }),
        ];
        assert_verdicts(&table);
    }

    #[test]
    fn reasons_that_take_more_to_reach() {
        let table: [(&[InconclusiveReason], Change); 4] = [
            // Nobody writes an event down twice, not even a killed tester.
            (&[InconclusiveReason::LedgerGap], |case| {
                case.ledger_conflicts = 1;
            }),
            (
                &[
                    InconclusiveReason::LedgerGap,
                    InconclusiveReason::Interrupted,
                ],
                |case| {
                    case.ended = RunEnd::Crashed;
                    case.ledger_conflicts = 1;
                },
            ),
            (&[InconclusiveReason::TargetThrottled], |case| {
                case.ended = RunEnd::TargetThrottled;
            }),
            (&[InconclusiveReason::AssumptionFailed], |case| {
                case.history.record("m0.1u").canaries[0].exactness = Exactness::Corrected;
            }),
        ];
        assert_verdicts(&table);
    }

    #[track_caller]
    fn assert_verdicts(table: &[(&[InconclusiveReason], Change)]) {
        for (reasons, change) in table {
            let mut case = Case::clean();
            change(&mut case);
            let verdict = if reasons.is_empty() {
                Verdict::Pass
            } else {
                Verdict::Inconclusive
            };
            assert_eq!(case.verdict(), (verdict, reasons.to_vec()));
        }
    }

    #[test]
    fn one_unattributable_text_in_a_thousand_is_borne() {
        let case = |turns: u16| {
            let mut case = Case::clean();
            case.history = History::new(1, turns);
            let is_text = |sighting: &&crate::model::Sighting| {
                matches!(sighting.record_type, RecordType::Message | RecordType::Fact)
            };
            let texts = case.history.sightings.iter().filter(is_text).count();
            case.history.record("m0.1u").canaries[0].exactness = Exactness::Corrected;
            (texts, case.verdict().0)
        };
        assert_eq!(case(497), (999, Verdict::Inconclusive));
        assert_eq!(case(498), (1001, Verdict::Pass));
    }

    #[test]
    fn every_reason_can_be_reached() {
        // Each of them stands alone in one of the cases above, but this one.
        let mut case = Case::clean();
        case.ok.clear();
        case.pairs = 0;
        case.control.found = 0;
        case.read_back = read_back(false, false);
        case.saturated = true;
        case.ledger_conflicts = 1;
        case.ended = RunEnd::TargetLost;
        case.broken_sessions = 1;
        case.facts_listed = false;
        case.history.record("m0.1u").canaries[0].exactness = Exactness::Corrected;
        let (_, reasons) = case.verdict();
        let apart = [
            InconclusiveReason::NotSettled,
            InconclusiveReason::Interrupted,
            InconclusiveReason::TargetThrottled,
        ];
        let mut expected = InconclusiveReason::ALL.to_vec();
        expected.retain(|reason| !apart.contains(reason));
        assert_eq!(reasons, expected);
    }

    #[test]
    fn what_may_yet_come_is_not_settled() {
        let mut case = Case::clean();
        case.history.remove("m0.1u");
        case.read_back = ReadBack::Some {
            settled: true,
            complete: true,
            read_from: Micros(1_600_000),
        };
        let (verdict, reasons) = case.verdict();
        assert_eq!(verdict, Verdict::Inconclusive);
        assert_eq!(reasons, [InconclusiveReason::NotSettled]);
    }

    #[test]
    fn what_is_proved_stands_whatever_is_missing() {
        let mut case = Case::clean();
        case.history.own_session(0, Some(&owner(1)));
        assert_eq!(case.verdict(), (Verdict::Fail, vec![]));
        case.ended = RunEnd::TargetLost;
        case.read_back = read_back(false, false);
        assert_eq!(case.verdict().0, Verdict::Fail);
    }

    #[test]
    fn a_run_that_stopped_at_a_finding_needs_one() {
        let mut case = Case::clean();
        case.ended = RunEnd::StoppedAtFinding;
        let interrupted = vec![InconclusiveReason::Interrupted];
        assert_eq!(case.verdict(), (Verdict::Inconclusive, interrupted));
        case.history.own_session(0, Some(&owner(1)));
        assert_eq!(case.verdict(), (Verdict::Fail, vec![]));
    }

    #[test]
    fn suggestions_and_ghosts_do_not_fail() {
        let mut case = Case::clean();
        case.history.own_session(0, Some(&owner(1)));
        for sighting in &mut case.history.sightings {
            sighting.reads = 1;
        }
        assert_eq!(case.verdict().0, Verdict::Pass);
        let mut case = Case::clean();
        case.history.end(0, 1).outcome = Outcome::Refused;
        assert!(!case.history.findings().is_empty());
        assert_eq!(case.verdict(), (Verdict::Pass, vec![]));
    }

    #[test]
    fn a_broken_check_cannot_pass() {
        let case = Case::clean();
        let context = case.history.context();
        let mut judgement = case.history.judge();
        judgement
            .checker_errors
            .insert(crate::model::Code::Duplicate);
        assert!(holds(
            InconclusiveReason::CheckerError,
            &context,
            &judgement,
            &Facts {
                planned: &[],
                ok: &case.ok,
                exposure: Exposure::default(),
                generator: &GeneratorHealth {
                    saturated: false,
                    schedule_lag_us: [0; 3],
                    cpu_seconds: 0.0,
                    rss_max_bytes: 0,
                },
                broken_sessions: 0,
                ledger_conflicts: 0,
            },
        ));
    }
}
