//! Exposure: how much chance a race had. Streams over the operations and remembers only those
//! in flight.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};

use crate::model::{Micros, OpRow, Outcome, UserIx};

/// How much the users met.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Exposure {
    /// Pairs of operations of different users that overlapped in time.
    pub pairs: u64,
    /// Most users at work at once.
    pub peak_users: u32,
}

/// Takes operations in the order of their beginning and counts what overlaps.
///
/// An operation is at work from its beginning to its end, both included; one that was open when
/// the run ended counts as a point, because nobody knows how long it went on. One of which not a
/// byte was sent never met anybody.
#[derive(Debug, Default)]
pub struct Timeline {
    /// Ends of the operations in flight, earliest first.
    in_flight: BinaryHeap<Reverse<(Micros, UserIx)>>,
    /// Operations in flight of each user who has any.
    by_user: HashMap<UserIx, u64>,
    exposure: Exposure,
}

impl Timeline {
    /// Nothing has happened yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes the next operation, which began no earlier than the one before.
    pub fn push(&mut self, op: &OpRow) {
        if op.outcome() == Outcome::Unsent {
            return;
        }
        let (invoked, ended) = super::evidence::span(op);
        self.retire(invoked);
        let user = op.invocation.user;
        let own = self.by_user.entry(user).or_default();
        let all = u64::try_from(self.in_flight.len()).unwrap_or(u64::MAX);
        self.exposure.pairs = self.exposure.pairs.saturating_add(all.saturating_sub(*own));
        *own += 1;
        self.in_flight.push(Reverse((ended, user)));
        let users = u32::try_from(self.by_user.len()).unwrap_or(u32::MAX);
        self.exposure.peak_users = self.exposure.peak_users.max(users);
    }

    /// What came together.
    pub fn finish(self) -> Exposure {
        self.exposure
    }

    /// Forgets the operations that ended before a time.
    fn retire(&mut self, before: Micros) {
        while let Some(Reverse((ended, user))) = self.in_flight.peek().copied() {
            if ended >= before {
                return;
            }
            self.in_flight.pop();
            if let Some(own) = self.by_user.get_mut(&user) {
                *own -= 1;
                if *own == 0 {
                    self.by_user.remove(&user);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::super::testing;
    use super::*;

    fn op(user: u32, invoked: u64, ended: Option<u64>) -> OpRow {
        testing::op_at(user, 0, Micros(invoked), ended.map(Micros))
    }

    fn exposure(ops: &[OpRow]) -> Exposure {
        let mut timeline = Timeline::new();
        for op in ops {
            timeline.push(op);
        }
        timeline.finish()
    }

    #[test]
    fn only_different_users_meet_and_ends_touch() {
        let table = [
            (vec![], 0, 0),
            (vec![op(1, 0, Some(10)), op(1, 5, Some(15))], 0, 1),
            (vec![op(1, 0, Some(10)), op(2, 5, Some(15))], 1, 2),
            (vec![op(1, 0, Some(10)), op(2, 10, Some(15))], 1, 2),
            (vec![op(1, 0, Some(10)), op(2, 11, Some(15))], 0, 1),
            (vec![op(1, 0, None), op(2, 1, Some(15))], 0, 1),
            (vec![op(1, 0, Some(10)), op(2, 1, None)], 1, 2),
            (
                vec![
                    op(1, 0, Some(9)),
                    op(2, 1, Some(9)),
                    op(1, 2, Some(9)),
                    op(3, 3, Some(9)),
                ],
                5,
                3,
            ),
        ];
        for (ops, pairs, peak_users) in table {
            assert_eq!(exposure(&ops), Exposure { pairs, peak_users }, "{ops:?}");
        }
    }

    #[test]
    fn what_was_never_sent_met_nobody() {
        let mut unsent = op(2, 5, Some(15));
        unsent.completion.as_mut().unwrap().outcome = Outcome::Unsent;
        assert_eq!(exposure(&[op(1, 0, Some(10)), unsent]).pairs, 0);
    }

    proptest! {
        #[test]
        fn it_agrees_with_comparing_all_pairs(
            mut spans in proptest::collection::vec((0_u32..5, 0_u64..40, 0_u64..12), 0..40)
        ) {
            spans.sort_by_key(|(_, invoked, _)| *invoked);
            let ops: Vec<OpRow> = spans.iter().map(|(u, at, len)| op(*u, *at, Some(at + len))).collect();
            let mut pairs = 0;
            for (i, a) in spans.iter().enumerate() {
                for b in &spans[i + 1..] {
                    let meets = a.1 <= b.1 + b.2 && b.1 <= a.1 + a.2;
                    pairs += u64::from(meets && a.0 != b.0);
                }
            }
            let peak = (0_u64..52).map(|t| {
                let at_work = spans.iter().filter(|(_, at, len)| (*at..=at + len).contains(&t));
                at_work.map(|(user, ..)| user).collect::<BTreeSet<_>>().len()
            }).max().unwrap_or(0);
            let peak_users = u32::try_from(peak).unwrap();
            prop_assert_eq!(exposure(&ops), Exposure { pairs, peak_users });
        }
    }
}
