//! Whether what was found is a race: the load and its control arm side by side.

use super::coverage::Field;
use super::text::{count, count_of};
use crate::model::{Code, Proof};
use crate::reconcile::arms::{ArmsVerdict, Compared, Rate};
use crate::report::Report;

/// Probabilities below this are not written out.
const P_SHOWN_MIN: f64 = 0.001;

/// A line for each anomaly and channel; without a control arm, how to have one.
pub(super) fn fields(report: &Report) -> Vec<Field> {
    let Some(arm) = &report.control_arm else {
        // A route that asks nobody is open without any load.
        let fails = |f: &crate::report::FindingDetail| {
            f.proof == Proof::Proved && f.code.fails() && f.code != Code::Trespass
        };
        return if report.findings.iter().any(fails) {
            vec![("race?", "unknown; run again with --control".to_owned())]
        } else {
            Vec::new()
        };
    };
    if arm.compared.is_empty() {
        let sessions: u64 = arm.sessions.values().sum();
        let text = format!(
            "nothing failed, under load or in {} one at a time",
            count_of(sessions, "session")
        );
        return vec![("control", text)];
    }
    arm.compared
        .iter()
        .map(|one| ("race?", compared(one)))
        .collect()
}

fn compared(one: &Compared) -> String {
    let Compared {
        code,
        channel,
        load,
        control,
        p,
        verdict,
        rounds_wanting,
    } = one;
    let wanting = match (verdict, rounds_wanting) {
        (ArmsVerdict::Undecided, Some(more)) => {
            format!("; {} more one at a time would tell", count(*more))
        }
        (ArmsVerdict::Undecided, None) => "; more rounds would not tell".to_owned(),
        (ArmsVerdict::Race | ArmsVerdict::Deterministic | ArmsVerdict::Mixed, _) => String::new(),
    };
    format!(
        "{}: {code} in {channel}, {} sessions under load, {} one at a time, {}{wanting}",
        verdict.name(),
        rate(load),
        rate(control),
        probability(*p),
    )
}

fn rate(rate: &Rate) -> String {
    format!("{} of {}", count(rate.k), count(rate.n))
}

fn probability(p: f64) -> String {
    if p < P_SHOWN_MIN {
        format!("p < {P_SHOWN_MIN}")
    } else {
        format!("p = {p:.3}")
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::model::{Code, OpKind, RunId};
    use crate::reconcile::arms::{ControlArm, Failed, Rounds};
    use crate::report::{ControlArmDetail, sample};

    fn arm(failed: u64, sessions: u64) -> Rounds {
        let one = Failed {
            code: Code::WrongOwner,
            channel: OpKind::Chat,
            sessions: failed,
        };
        Rounds {
            sessions: BTreeMap::from([(OpKind::Chat, sessions)]),
            failed: if failed == 0 { Vec::new() } else { vec![one] },
        }
    }

    fn told(load: (u64, u64), control: (u64, u64)) -> String {
        let mut report = sample::failed();
        let control = ControlArm {
            run: RunId(9),
            rounds: arm(control.0, control.1),
        };
        report.control_arm = Some(ControlArmDetail::new(&arm(load.0, load.1), &control));
        let fields = fields(&report);
        assert_eq!(fields.len(), 1);
        // Numbers are glued to what they count.
        fields[0].1.replace('\u{a0}', " ")
    }

    #[test]
    fn both_rates_stand_beside_the_verdict() {
        assert_eq!(
            told((41, 480), (0, 96)),
            "race: wrong-owner in chat, 41 of 480 sessions under load, 0 of 96 one at a time, \
             p < 0.001"
        );
        assert_eq!(
            told((4, 100), (0, 100)),
            "undecided: wrong-owner in chat, 4 of 100 sessions under load, 0 of 100 one at a \
             time, p = 0.061; 10 more one at a time would tell"
        );
        assert_eq!(
            told((0, 100), (0, 96)),
            "nothing failed, under load or in 96 sessions one at a time"
        );
        let none = fields(&sample::failed());
        assert_eq!(
            none,
            [("race?", "unknown; run again with --control".to_owned())]
        );
        assert!(fields(&sample::passed()).is_empty());
    }

    #[test]
    fn what_only_the_control_shows_is_noticed() {
        for (load, control, more) in [
            ((0, 9), (1, 9), true),
            ((1, 9), (1, 9), false),
            ((1, 9), (0, 9), false),
        ] {
            let control = ControlArm {
                run: RunId(9),
                rounds: arm(control.0, control.1),
            };
            let detail = ControlArmDetail::new(&arm(load.0, load.1), &control);
            assert_eq!(detail.shows_more(), more);
        }
    }
}
