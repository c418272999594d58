//! Which session has which number, when it starts and whose it is.
//!
//! All groups share one space of session numbers, dealt out in turn: with G groups the session
//! that a group counts as its n-th has the number n * G + the group's place. So a number says
//! which group it belongs to, and no group has to know how many sessions another one starts.

use std::time::Duration;

use crate::model::limits::SESSIONS_MAX;
use crate::model::{GroupIx, Seed, SessionIx, UserIx};
use crate::scenario::Executor;

use super::stream::{self, lap_key};

/// Where a session stands within its group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// The n-th session of a virtual user.
    Closed {
        /// The virtual user, from 0.
        vu: u32,
        /// Its session, from 0.
        iteration: u32,
    },
    /// The n-th arrival of the group.
    Open {
        /// From 0.
        number: u32,
    },
}

/// Sessions that an executor starts if the target keeps up; `None` where it goes on as fast as
/// the target answers.
pub(super) fn session_count(executor: &Executor) -> Option<u32> {
    match *executor {
        Executor::ConstantVus { .. } => None,
        Executor::PerVuIterations {
            vus, iterations, ..
        } => Some(vus.saturating_mul(iterations)),
        Executor::ConstantArrivalRate {
            rate,
            time_unit,
            duration,
            ..
        } => {
            let unit = time_unit.as_nanos().max(1);
            let arrivals = duration
                .as_nanos()
                .saturating_mul(u128::from(rate))
                .div_ceil(unit);
            Some(u32::try_from(arrivals).unwrap_or(u32::MAX))
        }
    }
}

/// The group's own number of a session; `None` where the executor starts no such session.
pub(super) fn local_number(executor: &Executor, place: Place) -> Option<u32> {
    match (executor, place) {
        (
            Executor::ConstantVus { vus, .. } | Executor::PerVuIterations { vus, .. },
            Place::Closed { vu, iteration },
        ) => {
            let local = iteration.checked_mul(*vus)?.checked_add(vu)?;
            let is_started = session_count(executor).is_none_or(|count| local < count);
            (vu < *vus && is_started).then_some(local)
        }
        (Executor::ConstantArrivalRate { .. }, Place::Open { number }) => {
            (number < session_count(executor)?).then_some(number)
        }
        (Executor::ConstantVus { .. } | Executor::PerVuIterations { .. }, Place::Open { .. })
        | (Executor::ConstantArrivalRate { .. }, Place::Closed { .. }) => None,
    }
}

/// The inverse of [`local_number`].
pub(super) fn place(executor: &Executor, local: u32) -> Option<Place> {
    let is_started = session_count(executor).is_none_or(|count| local < count);
    let place = match executor {
        Executor::ConstantVus { vus, .. } | Executor::PerVuIterations { vus, .. } => {
            Place::Closed {
                vu: local.checked_rem(*vus)?,
                iteration: local.checked_div(*vus)?,
            }
        }
        Executor::ConstantArrivalRate { .. } => Place::Open { number: local },
    };
    is_started.then_some(place)
}

/// The run's number for the session that a group counts as its n-th; `None` when the numbers are
/// used up.
pub(super) fn session(group: GroupIx, local: u32, group_count: u32) -> Option<SessionIx> {
    let number = local
        .checked_mul(group_count)?
        .checked_add(u32::from(group.0))?;
    SessionIx::new(number).ok()
}

/// The inverse of [`session`].
pub(super) fn group_of(session: SessionIx, group_count: u32) -> Option<(GroupIx, u32)> {
    let SessionIx(number) = SessionIx::new(session.0).ok()?;
    let group = u16::try_from(number.checked_rem(group_count)?).ok()?;
    Some((GroupIx(group), number / group_count))
}

/// How many session numbers a group has.
pub(super) fn numbers_of(group: GroupIx, group_count: u32) -> u32 {
    SESSIONS_MAX
        .saturating_sub(u32::from(group.0))
        .div_ceil(group_count.max(1))
}

/// When the n-th arrival starts, from the group's start. Zero in the closed model.
pub(super) fn offset(executor: &Executor, number: u32) -> Duration {
    match executor {
        Executor::ConstantVus { .. } | Executor::PerVuIterations { .. } => Duration::ZERO,
        Executor::ConstantArrivalRate {
            rate, time_unit, ..
        } => {
            let units = time_unit.as_nanos().saturating_mul(u128::from(number));
            let nanos = units / u128::from((*rate).max(1));
            u64::try_from(nanos).map_or(Duration::MAX, Duration::from_nanos)
        }
    }
}

/// The user of an arrival. Users come in laps: in each, every user has one arrival, in an order of
/// the lap's own.
pub(super) fn open_user(seed: Seed, group: &str, users: u32, number: u32) -> UserIx {
    let users = users.max(1);
    let key = lap_key(seed, group, number / users);
    let bits_of_half = (u32::BITS - (users - 1).leading_zeros()).div_ceil(2);
    // A permutation of a power of four that holds all users. Followed from a user on, it must
    // come back to one, at the latest to the same.
    let mut user = number % users;
    loop {
        user = permuted(user, bits_of_half, key);
        if user < users {
            return UserIx(user);
        }
    }
}

/// A Feistel network over numbers of twice as many bits.
fn permuted(number: u32, bits_of_half: u32, key: u64) -> u32 {
    const ROUNDS: u64 = 4;
    let mask = (1 << bits_of_half) - 1;
    let (mut left, mut right) = (number >> bits_of_half, number & mask);
    for round in 0..ROUNDS {
        let mixed = stream::mix(key ^ (round << 32) ^ u64::from(right));
        (left, right) = (right, left ^ (mixed & mask));
    }
    (left << bits_of_half) | right
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn open(rate: u32, time_unit: Duration, duration: Duration) -> Executor {
        Executor::ConstantArrivalRate {
            rate,
            time_unit,
            duration,
            max_vus: 1,
        }
    }

    #[test]
    fn arrivals_are_spread_evenly_and_end_with_the_duration() {
        let third = Duration::from_nanos(333_333_333);
        for (executor, count, second_start) in [
            (open(1, SECOND, 3 * SECOND), 3, SECOND),
            (open(3, SECOND, SECOND), 3, third),
            (open(3, SECOND, SECOND + third), 4, third),
            (open(3, SECOND, SECOND + 2 * third), 5, third),
            (open(1, 60 * SECOND, SECOND), 1, 60 * SECOND),
            (open(5, SECOND, Duration::ZERO), 0, SECOND / 5),
        ] {
            assert_eq!(session_count(&executor), Some(count), "{executor:?}");
            assert_eq!(offset(&executor, 1), second_start, "{executor:?}");
        }
    }

    #[test]
    fn senseless_executors_start_nothing_and_do_not_panic() {
        let none = Executor::ConstantVus {
            vus: 0,
            duration: SECOND,
        };
        assert_eq!(place(&none, 0), None);
        let never = open(0, Duration::ZERO, Duration::MAX);
        assert_eq!(place(&never, 0), None);
        let endless = open(u32::MAX, Duration::ZERO, Duration::MAX);
        assert_eq!(session_count(&endless), Some(u32::MAX));
        let _ = offset(&endless, u32::MAX);
        assert_eq!(group_of(SessionIx(0), 0), None);
        assert_eq!(group_of(SessionIx(SESSIONS_MAX), 1), None);
        assert_eq!(open_user(Seed(1), "chat", 0, 7), UserIx(0));
    }

    proptest! {
        #[test]
        fn numbers_and_places_are_inverse(
            vus in 1..5_000_u32, group_count in 1..9_u32, group in 0..9_u16, number in 0..SESSIONS_MAX,
        ) {
            let executor = Executor::ConstantVus { vus, duration: SECOND };
            let (own, local) = group_of(SessionIx(number), group_count).unwrap();
            prop_assert_eq!(session(own, local, group_count), Some(SessionIx(number)));
            prop_assert!(local < numbers_of(own, group_count));
            let there = place(&executor, local).unwrap();
            prop_assert_eq!(local_number(&executor, there), Some(local));
            let group = GroupIx(group % u16::try_from(group_count).unwrap());
            let last = numbers_of(group, group_count) - 1;
            prop_assert!(session(group, last, group_count).is_some());
            prop_assert_eq!(session(group, last + 1, group_count), None);
        }

        #[test]
        fn each_lap_serves_every_user_once(users in 1..300_u32, lap in 0..5_u32, seed in any::<u64>()) {
            let lap = lap * users..(lap + 1) * users;
            let served: BTreeSet<UserIx> =
                lap.map(|number| open_user(Seed(seed), "chat", users, number)).collect();
            prop_assert_eq!(served, (0..users).map(UserIx).collect());
        }
    }

    #[test]
    fn laps_seeds_and_groups_have_orders_of_their_own() {
        let order = |seed, group: &str, lap: u32| -> Vec<UserIx> {
            let numbers = lap * 50..(lap + 1) * 50;
            numbers
                .map(|number| open_user(Seed(seed), group, 50, number))
                .collect()
        };
        let orders: BTreeSet<_> = [
            order(1, "chat", 0),
            order(1, "chat", 1),
            order(2, "chat", 0),
            order(1, "voice", 0),
            (0..50).map(UserIx).collect(),
        ]
        .into();
        assert_eq!(orders.len(), 5);
    }
}
