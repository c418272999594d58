//! Connections that are kept alive between two requests of one user.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use crate::model::{Micros, UserIx};

/// Connections kept for one user; further ones are closed.
const IDLE_PER_USER_MAX: usize = 8;
/// How long a connection is kept. Common servers close one after 5 s, and a request that crosses
/// such a close on the wire has an unknown fate, so it must be dropped before.
pub(super) const IDLE_MAX: Duration = Duration::from_secs(4);

/// Idle connections, each under the user who opened it.
#[derive(Debug)]
pub(super) struct Pool<C> {
    by_user: HashMap<UserIx, Vec<Idle<C>>>,
    /// All of `by_user`, longest idle first. May hold entries that were taken since.
    order: VecDeque<(UserIx, u64)>,
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
            by_user: HashMap::new(),
            order: VecDeque::new(),
            count: 0,
            next_serial: 0,
        }
    }

    /// The connection of this user that was used last, if it is young enough.
    pub(super) fn take(&mut self, user: UserIx, now: Micros) -> Option<C> {
        let idle = self.by_user.get_mut(&user)?;
        let newest = idle.pop();
        if idle.is_empty() {
            self.by_user.remove(&user);
        }
        let newest = newest?;
        self.count -= 1;
        (now.since(newest.since) < IDLE_MAX).then_some(newest.connection)
    }

    /// Keeps a connection, and closes what has been idle for too long.
    pub(super) fn put(&mut self, user: UserIx, connection: C, now: Micros) {
        self.drop_expired(now);
        let idle = self.by_user.entry(user).or_default();
        if idle.len() >= IDLE_PER_USER_MAX {
            return;
        }
        let serial = self.next_serial;
        self.next_serial += 1;
        idle.push(Idle {
            connection,
            since: now,
            serial,
        });
        self.count += 1;
        self.order.push_back((user, serial));
        if self.order.len() > 2 * self.count + 64 {
            self.forget_taken();
        }
    }

    /// Closes the connection that has been idle longest, to make room; `false` if there is none.
    pub(super) fn evict(&mut self) -> bool {
        while let Some((user, serial)) = self.order.pop_front() {
            if self.remove(user, serial) {
                return true;
            }
        }
        false
    }

    fn drop_expired(&mut self, now: Micros) {
        while let Some((user, serial)) = self.order.front().copied() {
            match self.since(user, serial) {
                Some(since) if now.since(since) < IDLE_MAX => return,
                Some(_) => {
                    self.remove(user, serial);
                }
                None => {}
            }
            self.order.pop_front();
        }
    }

    fn since(&self, user: UserIx, serial: u64) -> Option<Micros> {
        let idle = self.by_user.get(&user)?;
        idle.iter().find(|c| c.serial == serial).map(|c| c.since)
    }

    fn remove(&mut self, user: UserIx, serial: u64) -> bool {
        let Some(idle) = self.by_user.get_mut(&user) else {
            return false;
        };
        let Some(place) = idle.iter().position(|c| c.serial == serial) else {
            return false;
        };
        idle.remove(place);
        if idle.is_empty() {
            self.by_user.remove(&user);
        }
        self.count -= 1;
        true
    }

    fn forget_taken(&mut self) {
        let by_user = &self.by_user;
        self.order.retain(|(user, serial)| {
            by_user
                .get(user)
                .is_some_and(|idle| idle.iter().any(|c| c.serial == *serial))
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: UserIx = UserIx(1);
    const B: UserIx = UserIx(2);

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
    fn an_old_connection_is_not_used_again() {
        let mut pool = Pool::new();
        pool.put(A, 'a', at(0));
        assert_eq!(pool.take(A, at(4_000)), None);
        pool.put(A, 'b', at(5_000));
        pool.put(B, 'c', at(9_000));
        assert_eq!((pool.count, pool.by_user.len()), (1, 1), "b has expired");
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
