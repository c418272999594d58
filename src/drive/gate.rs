//! Where the virtual users of a group wait for each other, so that their sessions begin at one
//! moment: starts that are a few milliseconds apart hide most collisions.
//!
//! Nobody waits for ever: who has ended is not waited for, and who is late is not either.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, timeout_at};

use crate::clock::RunClock;
use crate::model::Micros;

/// How long the first who came waits for the others.
pub(super) const LATE_MAX: Duration = Duration::from_secs(10);

/// A gate for so many members.
struct Gate {
    clock: RunClock,
    late_max: Duration,
    state: Mutex<State>,
    opened: watch::Sender<Opened>,
}

struct State {
    /// Members that have not ended.
    members: u32,
    /// Of them, those who stand at the gate.
    waiting: u32,
    /// Times that it was opened.
    round: u64,
    /// When it opens whoever is there.
    deadline: Instant,
}

/// The last time that it was opened.
#[derive(Clone, Copy)]
struct Opened {
    rounds: u64,
    at: Micros,
}

/// One who waits at a gate from time to time. Dropping it leaves the group.
pub(super) struct Member(Arc<Gate>);

/// The members of a gate that is opened as soon as all of them stand at it, or the first of them
/// has waited for `late_max`.
pub(super) fn members(clock: RunClock, count: u32, late_max: Duration) -> Vec<Member> {
    let (opened, _) = watch::channel(Opened {
        rounds: 0,
        at: clock.now(),
    });
    let gate = Arc::new(Gate {
        clock,
        late_max,
        state: Mutex::new(State {
            members: count,
            waiting: 0,
            round: 0,
            deadline: Instant::from_std(clock.instant(clock.now())),
        }),
        opened,
    });
    (0..count).map(|_| Member(Arc::clone(&gate))).collect()
}

impl Member {
    /// Waits until the gate is opened, and returns when that was. Whoever gives up waiting must
    /// leave the group.
    pub(super) async fn wait(&self) -> Micros {
        let gate = &self.0;
        let mut opened = gate.opened.subscribe();
        let (round, deadline) = gate.arrive();
        let opening = opened.wait_for(|opened| opened.rounds > round);
        if timeout_at(deadline, opening).await.is_err() {
            gate.open(&mut gate.state(), round);
        }
        opened.borrow().at
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        let mut state = self.0.state();
        state.members = state.members.saturating_sub(1);
        self.0.open_if_all_wait(&mut state);
    }
}

impl Gate {
    fn arrive(&self) -> (u64, Instant) {
        let mut state = self.state();
        if state.waiting == 0 {
            let late = self.clock.now() + self.late_max;
            state.deadline = Instant::from_std(self.clock.instant(late));
        }
        state.waiting += 1;
        let (round, deadline) = (state.round, state.deadline);
        self.open_if_all_wait(&mut state);
        (round, deadline)
    }

    fn open_if_all_wait(&self, state: &mut State) {
        if state.waiting > 0 && state.waiting >= state.members {
            let round = state.round;
            self.open(state, round);
        }
    }

    /// Opens the gate for those of a round, unless that was done.
    fn open(&self, state: &mut State, round: u64) {
        if state.round != round {
            return;
        }
        state.round += 1;
        state.waiting = 0;
        self.opened.send_replace(Opened {
            rounds: state.round,
            at: self.clock.now(),
        });
    }

    /// Each change is whole before anything can panic, so a poisoned lock is as good as any.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::disallowed_methods, reason = "members are tasks")]

    use tokio::task::JoinHandle;

    use super::*;

    const NEVER: Duration = Duration::from_mins(10);

    fn wait(member: Member) -> JoinHandle<(Member, Micros)> {
        tokio::spawn(async move {
            let at = member.wait().await;
            (member, at)
        })
    }

    #[tokio::test]
    async fn all_are_let_go_at_one_moment_round_after_round() {
        let mut waiting: Vec<_> = members(RunClock::start(), 20, NEVER);
        let mut before = Micros(0);
        for _ in 0..5 {
            let last = waiting.pop().unwrap();
            let others: Vec<_> = waiting.into_iter().map(wait).collect();
            tokio::task::yield_now().await;
            assert!(others.iter().all(|other| !other.is_finished()));
            let (last, at) = wait(last).await.unwrap();
            assert!(at >= before);
            before = at;
            waiting = vec![last];
            for other in others {
                let (other, released) = other.await.unwrap();
                assert_eq!(released, at);
                waiting.push(other);
            }
        }
    }

    #[tokio::test]
    async fn who_has_left_is_not_waited_for() {
        let mut all = members(RunClock::start(), 3, NEVER);
        let (gone, later) = (all.pop().unwrap(), all.pop().unwrap());
        drop(gone);
        let one = wait(all.pop().unwrap());
        tokio::task::yield_now().await;
        assert!(!one.is_finished());
        drop(later);
        let (alone, _) = one.await.unwrap();
        alone.wait().await;
    }

    #[tokio::test]
    async fn who_is_late_is_not_waited_for_and_belongs_to_the_next_round() {
        let mut all = members(RunClock::start(), 3, Duration::from_millis(30));
        let late = all.pop().unwrap();
        let early: Vec<_> = all.into_iter().map(wait).collect();
        let mut released = Vec::new();
        for one in early {
            released.push(one.await.unwrap());
        }
        assert_eq!(released[0].1, released[1].1);
        assert!(late.wait().await > released[0].1);
    }
}
