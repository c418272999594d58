//! When the store counts as settled, and what to do next until then. Decisions only: the scans,
//! the time and the number of missing records come from outside.

use std::time::Duration;

use crate::model::{Micros, Scan};
use crate::scenario::Settle;

/// Scans that are made before the hard end counts, so that a large store, which takes longer to
/// read than the deadline, can still settle.
const SCANS_BEFORE_END: usize = 6;

/// What settling starts from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SettlePlan {
    /// The number of the first scan, at least 1; later processes go on counting.
    pub first_scan: u32,
    /// When the last operation of the run ended.
    pub last_completed: Micros,
    /// The 99.9th percentile of the persistence lag seen, zero without samples; or the longest,
    /// which is never below it.
    pub lag_p999: Duration,
}

/// What to do after a scan.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// Nothing changes any more, and what is missing now is missing for good: what was not there
    /// at the deadline was watched for until twice the deadline, so that slow is not taken for
    /// lost.
    Settled,
    /// It has lasted too long.
    GiveUp(String),
    /// Scan again after this time.
    Again(Duration),
}

/// Decides after a scan. `missing` counts promised records that no scan has shown; `end` is the
/// moment after which settling is given up.
pub(super) fn next_step(
    scans: &[Scan],
    (settle, plan, end): (&Settle, &SettlePlan, Micros),
    missing: u64,
    now: Micros,
) -> Next {
    let due = plan.last_completed + settle.deadline;
    let last_due = due + settle.deadline;
    let settled = settle.is_settled(scans, plan.lag_p999);
    let watched_out = scans.last().is_some_and(|last| last.started >= last_due);
    if settled && (missing == 0 || watched_out) {
        return Next::Settled;
    }
    if now >= end && scans.len() >= SCANS_BEFORE_END {
        return Next::GiveUp(give_up_reason(scans));
    }
    if settled {
        // Only what is missing is waited for, so the store is asked ever less often; but once at
        // each of the two moments that count.
        let waited = settle.pause.max(now.since(plan.last_completed) / 4);
        let next_due = if now < due { due } else { last_due };
        return Next::Again(waited.min(next_due.since(now)));
    }
    Next::Again(settle.pause)
}

fn give_up_reason(scans: &[Scan]) -> String {
    let last_fault = scans.last().and_then(|scan| scan.incomplete_reason.clone());
    last_fault.unwrap_or_else(|| "the store was still changing at the deadline".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: u64 = 1_000;

    fn settle() -> Settle {
        Settle {
            task_limit: Duration::from_millis(200),
            deadline: Duration::from_secs(5),
            pause: Duration::from_millis(100),
        }
    }

    fn plan() -> SettlePlan {
        SettlePlan {
            first_scan: 1,
            last_completed: Micros(0),
            lag_p999: Duration::ZERO,
        }
    }

    /// Scans of 10 ms each: when they began, in milliseconds, and what they saw; `!` is
    /// incomplete.
    fn scans(told: &[(u64, &str)]) -> Vec<Scan> {
        let scan = |(number, (started, digest)): (u32, &(u64, &str))| Scan {
            scan: number,
            started: Micros(started * MS),
            ended: Micros((started + 10) * MS),
            digest: digest.trim_end_matches('!').to_owned(),
            sessions: 0,
            messages: 0,
            facts: 0,
            unattributable: 0,
            complete: !digest.ends_with('!'),
            incomplete_reason: digest
                .ends_with('!')
                .then(|| "a page is missing".to_owned()),
        };
        (1..).zip(told).map(scan).collect()
    }

    #[test]
    fn what_is_missing_is_waited_for_until_twice_its_deadline() {
        let quiet = [(0, "a"), (150, "a"), (310, "a")];
        let at_due = [(0, "a"), (150, "a"), (5_000, "a")];
        let late_enough = [(0, "a"), (5_000, "a"), (10_000, "a")];
        let moving = [
            (9_000, "a"),
            (9_100, "b"),
            (9_200, "c"),
            (9_300, "d"),
            (9_400, "e"),
        ];
        let mut moving_long = moving.to_vec();
        moving_long.push((10_001, "f"));
        let pause = settle().pause;
        for (told, missing, now, next) in [
            (&quiet[..], 0, 320, Next::Settled),
            (&quiet[..], 1, 320, Next::Again(pause)),
            (
                &quiet[..],
                1,
                2_000,
                Next::Again(Duration::from_millis(500)),
            ),
            (&quiet[..], 1, 4_999, Next::Again(Duration::from_millis(1))),
            (
                &at_due[..],
                1,
                5_010,
                Next::Again(Duration::from_micros(1_252_500)),
            ),
            (&at_due[..], 0, 5_010, Next::Settled),
            (
                &at_due[..],
                1,
                9_990,
                Next::Again(Duration::from_millis(10)),
            ),
            (&late_enough[..], 1, 10_010, Next::Settled),
            (&moving[..], 0, 9_410, Next::Again(pause)),
            (&moving[..], 0, 10_100, Next::Again(pause)),
            (
                &moving_long[..],
                0,
                10_100,
                Next::GiveUp("the store was still changing at the deadline".into()),
            ),
        ] {
            let end = Micros(10_000 * MS);
            let decided = next_step(
                &scans(told),
                (&settle(), &plan(), end),
                missing,
                Micros(now * MS),
            );
            assert_eq!(decided, next, "{told:?} {missing} {now}");
        }
    }

    #[test]
    fn giving_up_names_the_last_fault() {
        let told: Vec<_> = (0..6).map(|n| (n * 2_000, "a!")).collect();
        let end = Micros(10_000 * MS);
        let now = Micros(10_010 * MS);
        assert_eq!(
            next_step(&scans(&told), (&settle(), &plan(), end), 0, now),
            Next::GiveUp("a page is missing".into())
        );
    }
}
