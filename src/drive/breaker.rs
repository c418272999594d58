//! Does the target ask for less load? Then going on would only show that it has limits, and might
//! harm what else it serves.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::model::{Completion, Micros, Outcome};

/// How far back is looked.
const WINDOW: Duration = Duration::from_secs(10);
/// The window is moved in steps of this length.
const SLOT: Duration = Duration::from_secs(1);
/// Operations that must have ended within the window before anything is concluded.
const OPS_MIN: u64 = 20;
/// Per cent of them that may be turned away.
const TURNED_AWAY_PERCENT_MAX: u64 = 20;
/// The status of an answer that asks for less load.
const TOO_MANY_REQUESTS: u16 = 429;

/// Counts how operations end. Shared by all sessions.
#[derive(Debug, Default)]
pub(super) struct Breaker {
    /// The latest last, none older than the window by more than a slot.
    slots: Mutex<VecDeque<Slot>>,
}

#[derive(Debug, Clone, Copy)]
struct Slot {
    number: u64,
    ops: u64,
    turned_away: u64,
}

impl Breaker {
    /// An operation has ended.
    pub(super) fn note(&self, completion: &Completion) {
        let turned_away =
            completion.outcome == Outcome::SoftFail || completion.status == Some(TOO_MANY_REQUESTS);
        self.count(completion.completed, u64::from(turned_away));
    }

    fn count(&self, at: Micros, turned_away: u64) {
        let number = slot_number(at);
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        while slots.front().is_some_and(|slot| is_past(*slot, number)) {
            slots.pop_front();
        }
        // Operations end out of order by little, so the one that is looked for is near the end.
        match slots.iter_mut().rev().find(|slot| slot.number <= number) {
            Some(slot) if slot.number == number => {
                slot.ops += 1;
                slot.turned_away += turned_away;
            }
            Some(_) | None => {
                let place = slots.partition_point(|slot| slot.number < number);
                let slot = Slot {
                    number,
                    ops: 1,
                    turned_away,
                };
                slots.insert(place, slot);
            }
        }
    }

    /// Was too much turned away of what ended lately?
    pub(super) fn is_open(&self, now: Micros) -> bool {
        let number = slot_number(now);
        let slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        let (mut ops, mut turned_away) = (0, 0);
        for slot in slots.iter().filter(|slot| !is_past(**slot, number)) {
            ops += slot.ops;
            turned_away += slot.turned_away;
        }
        ops >= OPS_MIN && turned_away * 100 > ops * TURNED_AWAY_PERCENT_MAX
    }
}

fn slot_number(at: Micros) -> u64 {
    at.duration().as_secs() / SLOT.as_secs()
}

fn is_past(slot: Slot, now_number: u64) -> bool {
    slot.number + WINDOW.as_secs() / SLOT.as_secs() <= now_number
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Micros {
        Micros(seconds * 1_000_000)
    }

    #[test]
    fn a_fifth_may_be_turned_away_and_few_operations_say_nothing() {
        for (ops, turned_away, open) in [
            (0, 0, false),
            (19, 19, false),
            (20, 4, false),
            (20, 5, true),
            (1_000, 200, false),
            (1_000, 201, true),
        ] {
            let breaker = Breaker::default();
            for number in 0..ops {
                breaker.count(at(number % 10), u64::from(number < turned_away));
            }
            assert_eq!(breaker.is_open(at(9)), open, "{turned_away} of {ops}");
        }
    }

    #[test]
    fn what_is_long_past_does_not_count() {
        let breaker = Breaker::default();
        for _ in 0..100 {
            breaker.count(at(5), 1);
        }
        assert!(breaker.is_open(at(14)));
        assert!(!breaker.is_open(at(15)));
        for _ in 0..100 {
            breaker.count(at(16), 0);
        }
        assert!(!breaker.is_open(at(16)));
        assert_eq!(breaker.slots.lock().unwrap().len(), 1);
    }

    #[test]
    fn the_order_of_the_ends_does_not_matter() {
        let breaker = Breaker::default();
        for second in [9, 3, 9, 5, 3, 0, 7] {
            breaker.count(at(second), 0);
        }
        let slots = breaker.slots.lock().unwrap();
        let numbers: Vec<_> = slots.iter().map(|slot| (slot.number, slot.ops)).collect();
        assert_eq!(numbers, [(0, 1), (3, 2), (5, 1), (7, 1), (9, 2)]);
    }
}
