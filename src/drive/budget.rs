//! What may still be sent: the user's bounds on operations, on model calls, on their rate, and on
//! the time in which they begin. Shared by all sessions.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::model::{Cap, Micros};
use crate::scenario::Caps;

/// What was spent of a run's bounds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Spent {
    /// Operations that began.
    pub ops: u64,
    /// Calls of a language model that they cost.
    pub model_calls: u64,
    /// How long operations could begin.
    pub wall: Duration,
}

/// Nothing more may be sent.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Exhausted;

#[derive(Debug)]
pub(super) struct Budget {
    caps: Caps,
    begun: Micros,
    before: Duration,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    ops: u64,
    model_calls: u64,
    reached: Option<Cap>,
    /// From here on the next operation may begin.
    next: Micros,
}

impl Budget {
    /// What is left of these bounds at `now`, after so much was spent.
    pub(super) fn new(caps: Caps, spent: Spent, now: Micros) -> Self {
        Self {
            caps,
            begun: now,
            before: spent.wall,
            state: Mutex::new(State {
                ops: spent.ops,
                model_calls: spent.model_calls,
                reached: None,
                next: now,
            }),
        }
    }

    /// When an operation may begin that is wanted now; `None` for at once.
    pub(super) fn place(&self, now: Micros) -> Option<Micros> {
        let apart = Duration::from_secs(1) / self.caps.rate?.max(1);
        let mut state = self.state();
        let place = state.next.max(now);
        state.next = place + apart;
        (place > now).then_some(place)
    }

    /// Takes what an operation costs.
    ///
    /// # Errors
    /// It would be too much. From then on nothing is left for any other either: the run ends.
    pub(super) fn take(&self, model_calls: u64, now: Micros) -> Result<(), Exhausted> {
        let mut state = self.state();
        let (ops, calls) = (state.ops + 1, state.model_calls + model_calls);
        if state.reached.is_none() {
            state.reached = self.reached_by(ops, calls, now);
        }
        if state.reached.is_some() {
            return Err(Exhausted);
        }
        (state.ops, state.model_calls) = (ops, calls);
        Ok(())
    }

    /// The bound at which the run ends, once it is reached.
    pub(super) fn reached(&self, now: Micros) -> Option<Cap> {
        let mut state = self.state();
        if state.reached.is_none() && self.is_late(now) {
            state.reached = Some(Cap::MaxWall);
        }
        state.reached
    }

    /// The bound that has kept an operation from its beginning.
    pub(super) fn stopped_by(&self) -> Option<Cap> {
        self.state().reached
    }

    /// What was spent, up to now.
    pub(super) fn spent(&self, now: Micros) -> Spent {
        let state = self.state();
        Spent {
            ops: state.ops,
            model_calls: state.model_calls,
            wall: self.wall(now),
        }
    }

    fn reached_by(&self, ops: u64, model_calls: u64, now: Micros) -> Option<Cap> {
        let over = |cap: Option<u64>, number| cap.is_some_and(|cap| number > cap);
        if over(self.caps.ops, ops) {
            Some(Cap::MaxOps)
        } else if over(self.caps.model_calls, model_calls) {
            Some(Cap::MaxModelCalls)
        } else {
            self.is_late(now).then_some(Cap::MaxWall)
        }
    }

    fn is_late(&self, now: Micros) -> bool {
        self.caps.wall.is_some_and(|wall| self.wall(now) >= wall)
    }

    fn wall(&self, now: Micros) -> Duration {
        self.before.saturating_add(now.since(self.begun))
    }

    /// Each change is whole before anything can panic, so a poisoned lock is as good as any.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const T0: Micros = Micros(5_000_000);

    fn budget(caps: Caps) -> Budget {
        Budget::new(caps, Spent::default(), T0)
    }

    #[test]
    fn the_run_ends_at_the_first_bound_and_stays_ended() {
        for (caps, calls, good, cap) in [
            (
                Caps {
                    ops: Some(3),
                    ..Caps::default()
                },
                1,
                3,
                Cap::MaxOps,
            ),
            (
                Caps {
                    model_calls: Some(5),
                    ..Caps::default()
                },
                2,
                2,
                Cap::MaxModelCalls,
            ),
            (
                Caps {
                    ops: Some(0),
                    ..Caps::default()
                },
                0,
                0,
                Cap::MaxOps,
            ),
            (
                Caps {
                    wall: Some(Duration::ZERO),
                    ..Caps::default()
                },
                0,
                0,
                Cap::MaxWall,
            ),
        ] {
            let budget = budget(caps);
            for number in 0..good {
                assert_eq!(budget.take(calls, T0), Ok(()), "{caps:?} {number}");
            }
            assert_eq!(budget.take(calls, T0), Err(Exhausted), "{caps:?}");
            assert_eq!(budget.take(0, T0), Err(Exhausted), "{caps:?}");
            assert_eq!(budget.reached(T0), Some(cap));
            assert_eq!(budget.spent(T0).ops, good);
        }
    }

    #[test]
    fn without_bounds_nothing_ends() {
        let budget = budget(Caps::default());
        for _ in 0..1_000 {
            assert_eq!(budget.take(9, T0), Ok(()));
            assert_eq!(budget.place(T0), None);
        }
        assert_eq!(budget.reached(Micros(u64::MAX)), None);
    }

    #[test]
    fn what_was_spent_before_counts() {
        let caps = Caps {
            ops: Some(10),
            wall: Some(Duration::from_mins(1)),
            ..Caps::default()
        };
        let spent = Spent {
            ops: 9,
            model_calls: 0,
            wall: Duration::from_secs(59),
        };
        let budget = Budget::new(caps, spent, T0);
        assert_eq!(budget.take(1, T0), Ok(()));
        assert_eq!(budget.reached(T0), None);
        assert_eq!(
            budget.reached(T0 + Duration::from_secs(1)),
            Some(Cap::MaxWall)
        );
    }

    #[test]
    fn operations_are_held_apart_and_what_was_not_used_is_not_saved() {
        let budget = budget(Caps {
            rate: Some(4),
            ..Caps::default()
        });
        let after = |millis| T0 + Duration::from_millis(millis);
        for (now, place) in [
            (after(0), None),
            (after(0), Some(after(250))),
            (after(0), Some(after(500))),
            (after(5_000), None),
            (after(5_000), Some(after(5_250))),
        ] {
            assert_eq!(budget.place(now), place);
        }
    }
}
