//! When sessions start: closed-model virtual users and open-model arrivals.
#![expect(
    clippy::disallowed_methods,
    reason = "virtual users are tasks; arrivals are paced by a thread, which wakes up fifty times \
              closer to its time than a timer of the runtime"
)]

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::mpsc;

use super::engine::Engine;
use super::gate::{self, Member};
use super::session::{self, Ended, Start};
use crate::model::{GroupIx, Micros};
use crate::scenario::{Executor, Group};
use crate::stop::StopLevel;

/// Longest sleep of a pacing thread, so that it hears a stop in time.
const PACING_NAP: Duration = Duration::from_millis(20);
/// Pause of a virtual user after a session that found nobody to send to. A target that is away
/// is asked once a second by each user and not as fast as it can refuse.
const UNSENT_PAUSE: Duration = Duration::from_secs(1);

/// Hears when the last task has ended, however it ended.
pub(super) struct Alive {
    lives: mpsc::Receiver<Infallible>,
    broken: Arc<AtomicU64>,
}

/// Held by every task that works for the drive. A panic on the way out is counted.
#[derive(Clone)]
pub(super) struct Life {
    _held: mpsc::Sender<Infallible>,
    broken: Arc<AtomicU64>,
}

/// One virtual user.
#[derive(Clone, Copy)]
struct Vu {
    group: GroupIx,
    number: u32,
    sessions_max: u32,
    start: Micros,
    /// From here on no session is started.
    end: Micros,
    /// From here on no operation is started.
    cutoff: Micros,
}

/// Do the virtual users of a group wait for each other?
#[derive(Clone, Copy)]
enum Starts {
    Together,
    Apart,
}

/// The arrivals of one open-model group.
struct Arrivals {
    group: GroupIx,
    /// Zero of the plan's offsets.
    base: Micros,
    sessions_max: u32,
    cutoff: Micros,
}

/// A running session of an open-model group: counted until it is dropped.
struct Running(Arc<AtomicU32>);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Drop for Life {
    fn drop(&mut self) {
        if thread::panicking() {
            self.broken.fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl Alive {
    pub(super) fn new() -> (Life, Self) {
        let (held, lives) = mpsc::channel(1);
        let broken = Arc::new(AtomicU64::new(0));
        let life = Life {
            _held: held,
            broken: Arc::clone(&broken),
        };
        (life, Self { lives, broken })
    }

    /// Returns once no task is left.
    pub(super) async fn ended(&mut self) {
        // Nothing can be sent, so this returns when the last sender is dropped.
        while self.lives.recv().await.is_some() {}
    }

    /// Tasks that have panicked so far.
    pub(super) fn broken(&self) -> u64 {
        self.broken.load(Ordering::Relaxed)
    }
}

/// Starts all groups.
pub(super) fn start(engine: &Arc<Engine>) -> Alive {
    let (life, alive) = Alive::new();
    let base = engine.clock.now();
    for group in &engine.plan.scenario().groups {
        start_group(engine, group, base, &life);
    }
    alive
}

fn start_group(engine: &Arc<Engine>, group: &Group, base: Micros, life: &Life) {
    let start = base + group.start_time;
    let vu = |end: Duration, sessions_max| Vu {
        group: group.ix,
        number: 0,
        sessions_max,
        start,
        end: start + end,
        cutoff: start + end + group.graceful_stop,
    };
    let starts = if group.starts_together {
        Starts::Together
    } else {
        Starts::Apart
    };
    match group.executor {
        Executor::ConstantVus { vus, duration } => {
            start_vus(engine, vus, vu(duration, u32::MAX), starts, life);
        }
        Executor::PerVuIterations {
            vus,
            iterations,
            max_duration,
        } => start_vus(engine, vus, vu(max_duration, iterations), starts, life),
        Executor::ConstantArrivalRate {
            rate: _,
            time_unit: _,
            duration,
            max_vus,
        } => {
            let arrivals = Arrivals {
                group: group.ix,
                base,
                sessions_max: max_vus,
                cutoff: start + duration + group.graceful_stop,
            };
            let (engine, life) = (Arc::clone(engine), life.clone());
            let runtime = Handle::current();
            thread::spawn(move || pace(&engine, &arrivals, &runtime, &life));
        }
    }
}

fn start_vus(engine: &Arc<Engine>, vus: u32, first: Vu, starts: Starts, life: &Life) {
    let mut members = match starts {
        Starts::Together => gate::members(engine.clock, vus, gate::LATE_MAX),
        Starts::Apart => Vec::new(),
    };
    for number in 0..vus {
        let vu = Vu { number, ..first };
        let member = members.pop();
        let (engine, life) = (Arc::clone(engine), life.clone());
        tokio::spawn(async move {
            let mut halt = engine.halt.clone();
            tokio::select! {
                () = run_vu(&engine, vu, member.as_ref()) => {}
                () = halt.reached(StopLevel::Leave) => {}
            }
            drop(member);
            drop(engine);
            drop(life);
        });
    }
}

async fn run_vu(engine: &Arc<Engine>, vu: Vu, gate: Option<&Member>) {
    let mut start = vu.start;
    for iteration in 0..vu.sessions_max {
        if session::wait(engine, start, vu.end).await.is_err() {
            return;
        }
        let Some(session) = engine.plan.closed_session(vu.group, vu.number, iteration) else {
            return;
        };
        let ended = session::run(
            engine,
            Start {
                session,
                planned: start,
                cutoff: vu.cutoff,
                gate,
            },
        )
        .await;
        start = engine.clock.now();
        match ended {
            Ended::Done => {}
            Ended::Unsent => start = start + UNSENT_PAUSE,
            Ended::Halted => return,
        }
    }
}

/// Starts arrivals at their time, late ones at once.
fn pace(engine: &Arc<Engine>, arrivals: &Arrivals, runtime: &Handle, life: &Life) {
    let running = Arc::new(AtomicU32::new(0));
    for number in 0..u32::MAX {
        let Some((session, offset)) = engine.plan.arrival(arrivals.group, number) else {
            return;
        };
        let planned = arrivals.base + offset;
        if !sleep_until(engine, planned) {
            return;
        }
        if running.load(Ordering::Relaxed) >= arrivals.sessions_max {
            engine.arrival_dropped();
            continue;
        }
        running.fetch_add(1, Ordering::Relaxed);
        let place = Running(Arc::clone(&running));
        let start = Start {
            session,
            planned,
            cutoff: arrivals.cutoff,
            gate: None,
        };
        runtime.spawn(arrive(Arc::clone(engine), start, place, life.clone()));
    }
}

async fn arrive(engine: Arc<Engine>, start: Start<'static>, place: Running, life: Life) {
    let mut halt = engine.halt.clone();
    tokio::select! {
        _ = session::run(&engine, start) => {}
        () = halt.reached(StopLevel::Leave) => {}
    }
    drop(place);
    drop(engine);
    drop(life);
}

/// `false` if the drive was asked to stop before.
fn sleep_until(engine: &Engine, at: Micros) -> bool {
    loop {
        if engine.halt.level() > StopLevel::Run {
            return false;
        }
        let left = at.since(engine.clock.now());
        if left.is_zero() {
            return true;
        }
        thread::sleep(left.min(PACING_NAP));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_task_that_panics_is_counted() {
        let (life, mut alive) = Alive::new();
        for breaks in [true, false] {
            let life = life.clone();
            tokio::spawn(async move {
                assert!(!breaks, "as the test wants");
                drop(life);
            });
        }
        drop(life);
        alive.ended().await;
        assert_eq!(alive.broken(), 1);
    }
}
