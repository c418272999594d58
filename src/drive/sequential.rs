//! One operation at a time: the control arm of an experiment whose other arm is the load.
//!
//! A few sessions are open at once, so that their users take turns from step to step; but only one
//! operation is in flight, and the next begins when somebody outside has seen what became of it.

#![expect(clippy::disallowed_methods, reason = "sessions are tasks")]

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{Semaphore, mpsc};

use super::engine::{Engine, NobodyListens};
use super::executor::{Alive, Life};
use super::session::{self, Start};
use crate::clock::RunClock;
use crate::model::{Micros, OpId, SessionIx};
use crate::stop::{Stop, StopLevel};

/// Sessions whose users take turns.
const SESSIONS_OPEN_MAX: usize = 4;

/// What is sent one at a time, and who says when the next may begin.
#[derive(Debug)]
pub struct OneByOne {
    /// The sessions, in the order in which they begin. Neighbours should be of different users.
    pub sessions: Vec<SessionIx>,
    /// Each operation that has ended is answered here, once the next may begin. When nobody can
    /// answer any more, operations follow each other at once.
    pub go_on: mpsc::Receiver<OpId>,
    /// From here on no operation is started.
    pub until: Micros,
}

/// The place in which an operation is in flight.
pub(super) struct Turns {
    place: Semaphore,
    go_on: tokio::sync::Mutex<mpsc::Receiver<OpId>>,
    halt: Stop,
}

impl Turns {
    pub(super) fn new(go_on: mpsc::Receiver<OpId>, halt: Stop) -> Self {
        Self {
            place: Semaphore::new(1),
            go_on: tokio::sync::Mutex::new(go_on),
            halt,
        }
    }

    /// Waits until nothing is in flight and the last operation was seen.
    ///
    /// # Errors
    /// Nothing more is to be started.
    pub(super) async fn take(&self) -> Result<(), NobodyListens> {
        let mut halt = self.halt.clone();
        tokio::select! {
            biased;
            () = halt.reached(StopLevel::Drain) => Err(NobodyListens),
            place = self.place.acquire() => {
                // Given back by hand, when the operation was seen.
                place.map(tokio::sync::SemaphorePermit::forget).map_err(|_| NobodyListens)
            }
        }
    }

    /// Waits until the operation that has ended was seen, and lets the next one begin.
    pub(super) async fn give_back(&self, op: OpId) {
        let mut halt = self.halt.clone();
        let seen = async {
            let mut go_on = self.go_on.lock().await;
            while go_on.recv().await.is_some_and(|seen| seen != op) {}
        };
        tokio::select! {
            () = seen => {}
            () = halt.reached(StopLevel::Drain) => {}
        }
        self.place.add_permits(1);
    }
}

/// Starts as many sessions as may be open; each that ends is followed by the next.
pub(super) fn start(engine: &Arc<Engine>, sessions: Vec<SessionIx>, until: Micros) -> Alive {
    let (life, alive) = Alive::new();
    let waiting = Arc::new(Mutex::new(VecDeque::from(sessions)));
    for _ in 0..SESSIONS_OPEN_MAX {
        let (engine, waiting) = (Arc::clone(engine), Arc::clone(&waiting));
        tokio::spawn(take_turns(engine, waiting, until, life.clone()));
    }
    alive
}

async fn take_turns(
    engine: Arc<Engine>,
    waiting: Arc<Mutex<VecDeque<SessionIx>>>,
    until: Micros,
    life: Life,
) {
    let mut halt = engine.halt.clone();
    while let Some(session) = next(&waiting)
        && may_begin(&engine.halt, engine.clock, until)
    {
        let start = Start {
            session,
            planned: engine.clock.now(),
            cutoff: until,
            gate: None,
        };
        tokio::select! {
            _ = session::run(&engine, start) => {}
            () = halt.reached(StopLevel::Leave) => break,
        }
    }
    drop(engine);
    drop(life);
}

fn next(waiting: &Mutex<VecDeque<SessionIx>>) -> Option<SessionIx> {
    waiting
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .pop_front()
}

fn may_begin(halt: &Stop, clock: RunClock, until: Micros) -> bool {
    halt.level() == StopLevel::Run && clock.now() < until
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::stop::stop_pair;

    fn op(seq: u16) -> OpId {
        OpId {
            session: SessionIx(1),
            seq,
        }
    }

    #[tokio::test]
    async fn the_next_begins_when_the_one_before_was_seen() {
        let (answer, go_on) = mpsc::channel(4);
        let (_stopper, halt) = stop_pair();
        let turns = Arc::new(Turns::new(go_on, halt));
        assert!(turns.take().await.is_ok());
        let second = tokio::spawn({
            let turns = Arc::clone(&turns);
            async move { turns.take().await.is_ok() }
        });
        let ending = tokio::spawn({
            let turns = Arc::clone(&turns);
            async move { turns.give_back(op(1)).await }
        });
        answer.send(op(0)).await.unwrap();
        tokio::task::yield_now().await;
        assert!(!second.is_finished() && !ending.is_finished());
        answer.send(op(1)).await.unwrap();
        assert!(second.await.unwrap());
    }

    #[tokio::test]
    async fn a_halt_waits_for_nobody() {
        let (_answer, go_on) = mpsc::channel(4);
        let (stopper, halt) = stop_pair();
        let turns = Turns::new(go_on, halt);
        assert!(turns.take().await.is_ok());
        stopper.ask(StopLevel::Drain);
        let limit = Duration::from_mins(1);
        tokio::time::timeout(limit, turns.give_back(op(0)))
            .await
            .unwrap();
        assert!(turns.take().await.is_err());
    }
}
