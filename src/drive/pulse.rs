//! Is the target still there? Counted from how operations end, so that it costs nothing.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use crate::model::Micros;

/// Operations in a row, over all sessions, that must have found nobody.
const LOST_STREAK: u32 = 20;
/// The same where a fresh connection is refused, too: small runs have few operations.
const LOST_STREAK_SMALL: u32 = 3;
/// How long nobody must have answered.
const LOST_AFTER: Duration = Duration::from_secs(2);

/// What one operation says about the target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sign {
    /// It answered, whatever it said.
    Answered,
    /// No connection, or the connection broke.
    Gone,
    /// Nothing was heard in time, which may be slowness.
    Silent,
}

/// The suspicion that the target is lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Suspicion {
    /// It answers, or nothing is known.
    None,
    /// Ask for a connection: if there is none, it is lost.
    Ask,
    /// It is lost.
    Certain,
}

/// Counts signs. Shared by all sessions.
#[derive(Debug)]
pub(super) struct Pulse {
    gone_in_a_row: AtomicU32,
    answered_us: AtomicU64,
    answered_ever: AtomicU32,
}

impl Pulse {
    /// Nothing is known yet.
    pub(super) fn new(now: Micros) -> Self {
        Self {
            gone_in_a_row: AtomicU32::new(0),
            answered_us: AtomicU64::new(now.0),
            answered_ever: AtomicU32::new(0),
        }
    }

    /// An operation ended at `now`.
    pub(super) fn note(&self, sign: Sign, now: Micros) {
        match sign {
            Sign::Answered => {
                self.answered_us.fetch_max(now.0, Ordering::Relaxed);
                // Writing what is there already would bounce the cache line between all threads.
                if self.answered_ever.load(Ordering::Relaxed) == 0 {
                    self.answered_ever.store(1, Ordering::Relaxed);
                }
                if self.gone_in_a_row.load(Ordering::Relaxed) != 0 {
                    self.gone_in_a_row.store(0, Ordering::Relaxed);
                }
            }
            Sign::Gone => {
                // More than this would only risk to wrap.
                if self.gone_in_a_row.load(Ordering::Relaxed) < LOST_STREAK {
                    self.gone_in_a_row.fetch_add(1, Ordering::Relaxed);
                }
            }
            Sign::Silent => {}
        }
    }

    /// While operations are going on.
    pub(super) fn suspicion(&self, now: Micros) -> Suspicion {
        let streak = self.gone_in_a_row.load(Ordering::Relaxed);
        let answered = Micros(self.answered_us.load(Ordering::Relaxed));
        if streak < LOST_STREAK_SMALL || now.since(answered) < LOST_AFTER {
            Suspicion::None
        } else if streak < LOST_STREAK {
            Suspicion::Ask
        } else {
            Suspicion::Certain
        }
    }

    /// Once all operations have ended: a single broken one at the end is worth a question.
    pub(super) fn suspicion_at_end(&self) -> Suspicion {
        if self.gone_in_a_row.load(Ordering::Relaxed) == 0 {
            Suspicion::None
        } else if self.answered_ever.load(Ordering::Relaxed) == 0 {
            Suspicion::Certain
        } else {
            Suspicion::Ask
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Sign::{Answered, Gone, Silent};
    use super::*;

    const T0: Micros = Micros(0);

    fn after(signs: &[Sign]) -> Pulse {
        let pulse = Pulse::new(T0);
        for sign in signs {
            pulse.note(*sign, T0);
        }
        pulse
    }

    #[test]
    fn a_long_silence_after_broken_connections_is_a_lost_target() {
        let late = T0 + LOST_AFTER;
        for (signs, expect) in [
            (vec![], Suspicion::None),
            (vec![Gone; 2], Suspicion::None),
            (vec![Gone; 3], Suspicion::Ask),
            (vec![Gone; 19], Suspicion::Ask),
            (vec![Gone; 20], Suspicion::Certain),
            (vec![Gone; 2_000], Suspicion::Certain),
            ([vec![Gone; 20], vec![Answered]].concat(), Suspicion::None),
            (
                [vec![Silent; 9], vec![Gone; 20]].concat(),
                Suspicion::Certain,
            ),
            (vec![Silent; 99], Suspicion::None),
        ] {
            assert_eq!(after(&signs).suspicion(late), expect, "{signs:?}");
        }
    }

    #[test]
    fn nothing_is_suspected_while_somebody_answers() {
        assert_eq!(after(&[Gone; 50]).suspicion(Micros(1)), Suspicion::None);
    }

    #[test]
    fn at_the_end_one_broken_operation_is_enough_to_ask() {
        for (signs, expect) in [
            (vec![], Suspicion::None),
            (vec![Gone], Suspicion::Certain),
            (vec![Answered, Gone], Suspicion::Ask),
            (vec![Gone, Answered], Suspicion::None),
            (vec![Silent], Suspicion::None),
        ] {
            assert_eq!(after(&signs).suspicion_at_end(), expect, "{signs:?}");
        }
    }
}
