//! Connections that are kept alive between two requests, of one user or of those who share them.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use crate::model::{GroupIx, Micros, UserIx};

/// Over which connections a request goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Lane {
    /// The user's own, as a browser has them.
    Own(UserIx),
    /// Those that the users of a load group take turns on, as a gateway has them.
    Shared(GroupIx),
}

/// Connections kept for one user; further ones are closed.
const IDLE_PER_USER_MAX: usize = 8;
/// How long a connection is kept. Common servers close one after 5 s, and a request that crosses
/// such a close on the wire has an unknown fate, so it must be dropped before.
pub(super) const IDLE_MAX: Duration = Duration::from_secs(4);

/// Idle connections, each under the lane that it was opened for.
#[derive(Debug)]
pub(super) struct Pool<C> {
    /// Longest idle first.
    by_lane: HashMap<Lane, VecDeque<Idle<C>>>,
    /// All of `by_lane`, longest idle first. May hold entries that were taken since.
    order: VecDeque<(Lane, u64)>,
    count: usize,
    next_serial: u64,
}

#[derive(Debug)]
struct Idle<C> {
    connection: C,
    since: Micros,
    serial: u64,
}

impl<C> Pool<C> {
    pub(super) fn new() -> Self {
        Self {
            by_lane: HashMap::new(),
            order: VecDeque::new(),
            count: 0,
            next_serial: 0,
        }
    }

    /// A user's connection that was used last, of shared ones the one whose turn it is; if it is
    /// young enough.
    pub(super) fn take(&mut self, lane: Lane, now: Micros) -> Option<C> {
        let idle = self.by_lane.get_mut(&lane)?;
        let next = match lane {
            Lane::Own(_) => idle.pop_back(),
            Lane::Shared(_) => idle.pop_front(),
        };
        if idle.is_empty() {
            self.by_lane.remove(&lane);
        }
        let next = next?;
        self.count -= 1;
        (now.since(next.since) < IDLE_MAX).then_some(next.connection)
    }

    /// Keeps a connection, and closes what has been idle for too long.
    pub(super) fn put(&mut self, lane: Lane, connection: C, now: Micros) {
        self.drop_expired(now);
        let idle = self.by_lane.entry(lane).or_default();
        // Shared ones are bounded by how many may be in use at once.
        if matches!(lane, Lane::Own(_)) && idle.len() >= IDLE_PER_USER_MAX {
            return;
        }
        let serial = self.next_serial;
        self.next_serial += 1;
        idle.push_back(Idle {
            connection,
            since: now,
            serial,
        });
        self.count += 1;
        self.order.push_back((lane, serial));
        if self.order.len() > 2 * self.count + 64 {
            self.forget_taken();
        }
    }

    /// Closes the connection that has been idle longest, to make room; `false` if there is none.
    pub(super) fn evict(&mut self) -> bool {
        while let Some((lane, serial)) = self.order.pop_front() {
            if self.remove(lane, serial) {
                return true;
            }
        }
        false
    }

    fn drop_expired(&mut self, now: Micros) {
        while let Some((lane, serial)) = self.order.front().copied() {
            match self.since(lane, serial) {
                Some(since) if now.since(since) < IDLE_MAX => return,
                Some(_) => {
                    self.remove(lane, serial);
                }
                None => {}
            }
            self.order.pop_front();
        }
    }

    fn since(&self, lane: Lane, serial: u64) -> Option<Micros> {
        let idle = self.by_lane.get(&lane)?;
        idle.iter().find(|c| c.serial == serial).map(|c| c.since)
    }

    fn remove(&mut self, lane: Lane, serial: u64) -> bool {
        let Some(idle) = self.by_lane.get_mut(&lane) else {
            return false;
        };
        let Some(place) = idle.iter().position(|c| c.serial == serial) else {
            return false;
        };
        idle.remove(place);
        if idle.is_empty() {
            self.by_lane.remove(&lane);
        }
        self.count -= 1;
        true
    }

    fn forget_taken(&mut self) {
        let by_lane = &self.by_lane;
        self.order.retain(|(lane, serial)| {
            by_lane
                .get(lane)
                .is_some_and(|idle| idle.iter().any(|c| c.serial == *serial))
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: Lane = Lane::Own(UserIx(1));
    const B: Lane = Lane::Own(UserIx(2));
    const ALL: Lane = Lane::Shared(GroupIx(0));

    fn at(ms: u64) -> Micros {
        Micros(ms * 1_000)
    }

    #[test]
    fn a_connection_is_used_again_by_its_user_only() {
        let mut pool = Pool::new();
        pool.put(A, 'a', at(0));
        assert_eq!(pool.take(B, at(1)), None);
        assert_eq!(pool.take(A, at(1)), Some('a'));
        assert_eq!(pool.take(A, at(1)), None);
    }

    #[test]
    fn shared_connections_are_used_in_turn() {
        let mut pool = Pool::new();
        for (number, connection) in ('a'..='z').enumerate() {
            pool.put(ALL, connection, at(u64::try_from(number).unwrap()));
        }
        assert_eq!(pool.take(A, at(30)), None);
        for connection in 'a'..='z' {
            assert_eq!(pool.take(ALL, at(30)), Some(connection));
        }
    }

    #[test]
    fn an_old_connection_is_not_used_again() {
        let mut pool = Pool::new();
        pool.put(A, 'a', at(0));
        assert_eq!(pool.take(A, at(4_000)), None);
        pool.put(A, 'b', at(5_000));
        pool.put(B, 'c', at(9_000));
        assert_eq!((pool.count, pool.by_lane.len()), (1, 1), "b has expired");
    }

    #[test]
    fn the_longest_idle_makes_room() {
        let mut pool = Pool::new();
        pool.put(A, 'a', at(0));
        pool.put(B, 'b', at(1));
        assert!(pool.evict());
        assert_eq!(pool.take(A, at(2)), None);
        assert_eq!(pool.take(B, at(2)), Some('b'));
        assert!(!pool.evict());
    }

    #[test]
    fn what_is_kept_stays_bounded() {
        let mut pool = Pool::new();
        for round in 0..10_000 {
            pool.put(A, 'a', at(round));
            assert_eq!(pool.take(A, at(round)), Some('a'));
        }
        assert!(pool.order.len() <= 66, "{}", pool.order.len());
        for _ in 0..100 {
            pool.put(A, 'a', at(20_000));
        }
        assert_eq!(pool.count, IDLE_PER_USER_MAX);
    }
}
