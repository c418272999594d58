//! Drives the plan against the target: one task a session, every operation told as an event.
//!
//! What an operation did is decided here, once, from what came back; what it means is decided
//! later from the ledger. Nothing is kept for an operation that has ended, so a run may be of any
//! length.
#![expect(clippy::disallowed_methods, reason = "sessions are tasks")]

mod answer;
mod breaker;
mod budget;
mod collector;
mod door;
mod engine;
mod executor;
mod gate;
mod identity;
mod preflight;
mod pulse;
mod resources;
mod sequential;
mod session;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};
use url::Url;

pub use budget::Spent;
pub use collector::{Collector, CollectorHandle, CollectorReport};
pub use door::{VoiceDoor, try_voice_door};
pub use preflight::{PreflightError, preflight};
pub use sequential::OneByOne;

use crate::auth::TokenSource;
use crate::clock::RunClock;
use crate::event::Event;
use crate::model::{Cap, Micros, RunId};
use crate::plan::Plan;
use crate::stop::{Stop, StopLevel, Stopper, stop_pair};
use engine::Engine;
use executor::Alive;
use sequential::Turns;

/// How long operations in flight may go on once the run was asked to stop.
const DRAIN_LIMIT: Duration = Duration::from_secs(10);
/// How long operations in flight may go on once the target is lost.
const LOST_LIMIT: Duration = Duration::from_secs(2);
/// How long tasks that were told to leave may take to do so.
const LEAVE_LIMIT: Duration = Duration::from_secs(1);

/// How often the generator measures itself.
const SAMPLE_EVERY: Duration = Duration::from_secs(1);

/// What a drive needs beside its plan.
#[derive(Debug, Clone)]
pub struct DriveConfig {
    /// The run: names users and sessions, is planted in every canary.
    pub run: RunId,
    /// Base URL of the target.
    pub target: Url,
    /// The run's clock.
    pub clock: RunClock,
    /// Where credentials come from.
    pub tokens: TokenSource,
    /// Was the target started for this run, so that the first operation is its very first?
    pub target_just_started: bool,
    /// Asks for an end where what happens can no longer be recorded.
    pub unrecorded: Stop,
    /// What was spent of the run's bounds before.
    pub spent: Spent,
}

/// How a drive ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DriveReport {
    /// Why it ended.
    pub end: DriveEnd,
    /// Arrivals of open-model groups that did not start because `max_vus` sessions were running.
    pub dropped_arrivals: u64,
    /// Tasks of the driver's own that panicked: the plan is done without the rest of theirs.
    pub broken_sessions: u64,
    /// When it ended.
    pub ended_at: Micros,
    /// What was spent of the run's bounds, with what was spent before.
    pub spent: Spent,
}

/// Why a drive ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DriveEnd {
    /// The plan is done.
    Finished,
    /// It was asked to stop before the plan was done.
    Interrupted,
    /// The target can no longer be reached.
    TargetLost,
    /// The target turned away more than a fifth of what it was sent within ten seconds.
    TargetThrottled,
    /// It has reached a bound that the user had set.
    Capped(Cap),
}

/// Carries out a plan and tells everything that happens.
///
/// At [`StopLevel::Drain`] nothing new is started and what is in flight may end, for at most ten
/// seconds, as also where nothing can be recorded any more, or the target turns too much away; at [`StopLevel::Leave`] it returns at once. Operations that are cut off then have no
/// `Completed` event.
pub async fn drive(
    plan: Arc<Plan>,
    config: DriveConfig,
    events: mpsc::Sender<Event>,
    stop: Stop,
) -> DriveReport {
    let (halter, halt) = stop_pair();
    match Engine::new(plan, &config, events, halt) {
        Ok(engine) => carry_out(engine, &executor::start, &halter, (stop, config.unrecorded)).await,
        Err(_) => nowhere_to_go(&config),
    }
}

/// Carries out sessions of a plan one operation at a time: the control arm of a load. Otherwise as
/// [`drive`].
pub async fn drive_one_by_one(
    plan: Arc<Plan>,
    config: DriveConfig,
    one_by_one: OneByOne,
    events: mpsc::Sender<Event>,
    stop: Stop,
) -> DriveReport {
    let (halter, halt) = stop_pair();
    let OneByOne {
        sessions,
        go_on,
        until,
    } = one_by_one;
    let turns = Turns::new(go_on, halt.clone());
    match Engine::new(plan, &config, events, halt) {
        Ok(engine) => {
            let start = |engine: &Arc<Engine>| sequential::start(engine, sessions.clone(), until);
            carry_out(
                engine.in_turns(turns),
                &start,
                &halter,
                (stop, config.unrecorded),
            )
            .await
        }
        Err(_) => nowhere_to_go(&config),
    }
}

/// The target's URL can be no target.
fn nowhere_to_go(config: &DriveConfig) -> DriveReport {
    DriveReport {
        end: DriveEnd::TargetLost,
        dropped_arrivals: 0,
        broken_sessions: 0,
        ended_at: config.clock.now(),
        spent: config.spent,
    }
}

async fn carry_out(
    engine: Engine,
    start: &(dyn Fn(&Arc<Engine>) -> Alive + Sync),
    halter: &Stopper,
    (mut stop, mut unrecorded): (Stop, Stop),
) -> DriveReport {
    let clock = engine.clock;
    let engine = Arc::new(engine);
    engine.sample().await;
    let sampler = tokio::spawn(sample_every_second(Arc::clone(&engine)));
    let mut alive = start(&engine);
    let end = tokio::select! {
        () = alive.ended() => DriveEnd::Finished,
        end = engine.given_up() => end,
        () = stop.reached(StopLevel::Drain) => DriveEnd::Interrupted,
        () = unrecorded.reached(StopLevel::Drain) => DriveEnd::Interrupted,
    };
    let end = match end {
        DriveEnd::Finished => tokio::select! {
            gone = engine.target_gone() => {
                if gone { DriveEnd::TargetLost } else { engine.end_of_all() }
            }
            () = stop.reached(StopLevel::Leave) => DriveEnd::Finished,
        },
        DriveEnd::Interrupted | DriveEnd::TargetThrottled | DriveEnd::Capped(_) => {
            wind_down(&mut alive, halter, &mut stop, DRAIN_LIMIT).await;
            end
        }
        DriveEnd::TargetLost => {
            wind_down(&mut alive, halter, &mut stop, LOST_LIMIT).await;
            end
        }
    };
    sampler.abort();
    // Once it is gone, nobody but this function can send an event.
    sampler.await.ok();
    engine.sample().await;
    DriveReport {
        end,
        dropped_arrivals: engine.dropped_arrivals(),
        broken_sessions: alive.broken(),
        ended_at: clock.now(),
        spent: engine.spent(),
    }
}

async fn sample_every_second(engine: Arc<Engine>) {
    loop {
        sleep(SAMPLE_EVERY).await;
        engine.sample().await;
    }
}

/// Lets operations in flight end within `limit`, then cuts them off.
async fn wind_down(alive: &mut Alive, halter: &Stopper, stop: &mut Stop, limit: Duration) {
    halter.ask(StopLevel::Drain);
    tokio::select! {
        _ = timeout(limit, alive.ended()) => {}
        () = stop.reached(StopLevel::Leave) => {}
    }
    halter.ask(StopLevel::Leave);
    // A task that does not leave in time holds no evidence that is not in the ledger.
    timeout(LEAVE_LIMIT, alive.ended()).await.ok();
}
