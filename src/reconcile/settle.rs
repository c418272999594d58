//! When a store stands still: a function of its scans, so that it can be asked again offline.

use std::time::Duration;

use crate::model::{Micros, Scan};
use crate::scenario::Settle;

use super::ReadBack;

/// What a run's scans, in order, say of its read-back. Without any, the store could not be read
/// at all and the read-back is incomplete; a run without a store has [`ReadBack::None`].
pub fn settled(scans: &[Scan], settle: &Settle, lag_p999: Duration) -> ReadBack {
    let last_complete = scans.iter().rev().find(|scan| scan.complete);
    ReadBack::Some {
        settled: settle.is_settled(scans, lag_p999),
        complete: scans.last().is_some_and(|scan| scan.complete),
        read_from: last_complete.map_or(Micros(0), |scan| scan.started),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::scans;

    fn settle() -> Settle {
        Settle {
            task_limit: Duration::from_millis(200),
            deadline: Duration::from_secs(5),
            pause: Duration::from_millis(100),
        }
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
        assert_eq!(settle().hold(Duration::ZERO), Duration::from_millis(300));
        assert_eq!(
            settle().hold(Duration::from_secs(1)),
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
