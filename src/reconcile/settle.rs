//! When a store stands still: a function of its scans, so that it can be asked again offline.

use std::time::Duration;

use crate::model::{Micros, Scan};
use crate::scenario::Settle;

use super::ReadBack;

/// Equal scans in a row that make a store settled.
pub const EQUAL_SCANS_MIN: usize = 3;

/// The time for which a store must stand still: one and a half of the target's own time limit
/// for background work, and three times the 99.9th percentile of the delay that was seen.
pub fn hold(settle: &Settle, lag_p999: Duration) -> Duration {
    let limit = settle.task_limit.saturating_add(settle.task_limit / 2);
    limit.max(lag_p999.saturating_mul(3))
}

/// What a run's scans, in order, say of its read-back. Without any, the store could not be read
/// at all and the read-back is incomplete; a run without a store has [`ReadBack::None`].
///
/// It is settled if its last scans, at least three, are complete and equal, with at least
/// [`hold`] from the end of the first of these to the beginning of the last: so long has every
/// record surely been as it is.
pub fn settled(scans: &[Scan], settle: &Settle, lag_p999: Duration) -> ReadBack {
    let last = scans.last();
    let equal = scans
        .iter()
        .rev()
        .take_while(|scan| scan.complete && Some(&scan.digest) == last.map(|last| &last.digest));
    let equal: Vec<&Scan> = equal.collect();
    let stood_still = match (equal.last(), last) {
        (Some(first), Some(last)) => last.started.since(first.ended),
        (None | Some(_), _) => Duration::ZERO,
    };
    let last_complete = scans.iter().rev().find(|scan| scan.complete);
    ReadBack::Some {
        settled: equal.len() >= EQUAL_SCANS_MIN && stood_still >= hold(settle, lag_p999),
        complete: last.is_some_and(|scan| scan.complete),
        read_from: last_complete.map_or(Micros(0), |scan| scan.started),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settle() -> Settle {
        Settle {
            task_limit: Duration::from_millis(200),
            deadline: Duration::from_secs(5),
            pause: Duration::from_millis(100),
        }
    }

    /// One letter a scan, 100 ms apart: its digest, `!` for an incomplete one.
    fn scans(digests: &str) -> Vec<Scan> {
        digests
            .chars()
            .zip(1_u32..)
            .map(|(digest, scan)| Scan {
                scan,
                started: Micros(u64::from(scan) * 100_000),
                ended: Micros(u64::from(scan) * 100_000 + 10_000),
                digest: digest.to_string(),
                sessions: 1,
                messages: 2,
                facts: 0,
                unattributable: 0,
                complete: digest != '!',
                incomplete_reason: None,
            })
            .collect()
    }

    #[test]
    fn three_equal_complete_scans_over_the_hold_are_settled() {
        // The hold is 300 ms. Scans begin 100 ms apart and last 10 ms, so five are needed.
        let table = [
            ("", false, false, 0),
            ("aaaa", false, true, 4),
            ("aaaaa", true, true, 5),
            ("baaaaa", true, true, 6),
            ("aaaaab", false, true, 6),
            ("aaabaaa", false, true, 7),
            ("aaa!aaa", false, true, 7),
            ("aaaaa!", false, false, 5),
            ("!!!!!", false, false, 0),
        ];
        for (digests, settled_, complete, read_from) in table {
            assert_eq!(
                settled(&scans(digests), &settle(), Duration::ZERO),
                ReadBack::Some {
                    settled: settled_,
                    complete,
                    read_from: Micros(read_from * 100_000),
                },
                "{digests}"
            );
        }
    }

    #[test]
    fn a_slow_store_is_watched_for_longer() {
        assert_eq!(hold(&settle(), Duration::ZERO), Duration::from_millis(300));
        assert_eq!(
            hold(&settle(), Duration::from_secs(1)),
            Duration::from_secs(3)
        );
        let scans = scans("aaaaaaaaaa");
        let lag = Duration::from_millis(301);
        assert!(matches!(
            settled(&scans, &settle(), lag),
            ReadBack::Some { settled: false, .. }
        ));
    }

    #[test]
    fn two_far_apart_are_not_enough() {
        let mut two = scans("aa");
        two[1].started = Micros(60_000_000);
        assert!(matches!(
            settled(&two, &settle(), Duration::ZERO),
            ReadBack::Some { settled: false, .. }
        ));
    }
}
