//! When the store counts as settled, and what to do next until then. Decisions only: the scans,
//! the time and the number of missing records come from outside.

use std::time::Duration;

use crate::model::{Micros, Scan};
use crate::scenario::Settle;

/// Scans in a row that must be complete and equal.
const EQUAL_SCANS_MIN: usize = 3;
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
    /// The 99.9th percentile of the persistence lag seen, zero without samples.
    pub lag_p999: Duration,
}

/// What to do after a scan.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// Nothing changes any more, and what is missing now is missing for good.
    Settled,
    /// It has lasted too long.
    GiveUp(String),
    /// Scan again after this time.
    Again(Duration),
}

/// How long the store must stay unchanged.
pub(super) fn span(settle: &Settle, lag_p999: Duration) -> Duration {
    let task_limit = settle.task_limit.saturating_mul(3) / 2;
    task_limit.max(lag_p999.saturating_mul(3))
}

/// Are the last scans complete, equal and far enough apart? The time counts from the end of the
/// first of them to the beginning of the last: so long has each record surely been unchanged.
pub(super) fn is_settled(scans: &[Scan], span: Duration) -> bool {
    let Some(last) = scans.last() else {
        return false;
    };
    let equal = scans
        .iter()
        .rev()
        .take_while(|scan| scan.complete && scan.digest == last.digest);
    let first = equal.clone().last();
    equal.count() >= EQUAL_SCANS_MIN
        && first.is_some_and(|first| last.started.since(first.ended) >= span)
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
    let settled = is_settled(scans, span(settle, plan.lag_p999));
    let begun_after_due = scans.last().is_some_and(|last| last.started >= due);
    if settled && (missing == 0 || begun_after_due) {
        return Next::Settled;
    }
    if now >= end && scans.len() >= SCANS_BEFORE_END {
        return Next::GiveUp(give_up_reason(scans));
    }
    if settled {
        // Only the deadline is waited for, so the store is asked ever less often.
        let waited = settle.pause.max(now.since(plan.last_completed) / 4);
        return Next::Again(waited.min(due.since(now)));
    }
    Next::Again(settle.pause)
}

fn give_up_reason(scans: &[Scan]) -> String {
    let last_fault = scans.last().and_then(|scan| scan.incomplete_reason.clone());
    last_fault.unwrap_or_else(|| "the store was still changing at the deadline".to_owned())
}
