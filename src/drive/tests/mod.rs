//! Whole drives against targets that behave well and badly.
#![expect(clippy::disallowed_methods, reason = "tests start tasks")]

mod chat;
mod ends;
mod odd;
mod stream;
mod traits;
mod trespass;
mod upload;
mod voice;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use tokio::sync::mpsc;
use tokio::time::timeout;
use url::Url;

use super::engine::Engine;
use super::session::{self, Start};
use super::{DriveConfig, DriveEnd, DriveReport, Spent, drive};
use crate::auth::TokenSource;
use crate::canary;
use crate::clock::RunClock;
use crate::event::Event;
use crate::model::{
    CanaryId, CanaryKind, Completion, GroupIx, Invocation, OpId, RunId, Seed, SessionIx, Sighting,
    UserIx,
};
use crate::plan::{Plan, Script};
use crate::scenario::{self, Scenario};
use crate::stop::{Stop, Stopper, stop_pair};

const RUN: RunId = RunId(0x0012_abcd);
/// No test waits longer.
const PATIENCE: Duration = Duration::from_secs(30);

/// A drive that has ended.
struct Driven {
    report: DriveReport,
    events: Vec<Event>,
}

/// A drive that goes on.
struct Driving {
    task: tokio::task::JoinHandle<DriveReport>,
    events: mpsc::Receiver<Event>,
    seen: Vec<Event>,
    stopper: Stopper,
}

fn scenario_of(text: &str) -> Scenario {
    let text = format!("version = 1\n{text}");
    scenario::parse("test", &text, "test.toml").unwrap()
}

fn plan(scenario: &str) -> Arc<Plan> {
    Arc::new(Plan::new(scenario_of(scenario), Seed(7)))
}

fn config_of(target: &Url) -> DriveConfig {
    DriveConfig {
        spent: Spent::default(),
        run: RUN,
        target: target.clone(),
        clock: RunClock::start(),
        tokens: TokenSource::Dev,
        target_just_started: false,
        unrecorded: stop_pair().1,
    }
}

/// Starts a drive of one group.
fn start(target: &Url, scenario: &str) -> Driving {
    start_with(target, scenario_of(scenario), |_| {})
}

/// Starts a drive that is set up otherwise than usual.
fn start_with(target: &Url, scenario: Scenario, change: impl FnOnce(&mut DriveConfig)) -> Driving {
    let (stopper, stop): (Stopper, Stop) = stop_pair();
    let (sender, events) = mpsc::channel(1 << 14);
    let mut config = config_of(target);
    change(&mut config);
    let plan = Arc::new(Plan::new(scenario, Seed(7)));
    let task = tokio::spawn(drive(plan, config, sender, stop));
    Driving {
        task,
        events,
        seen: Vec::new(),
        stopper,
    }
}

/// Carries out the first group's scripts, changed by hand, all at once.
async fn play(target: &Url, scenario: Scenario, change: impl Fn(&mut Script)) -> Driven {
    let (sender, mut receiver) = mpsc::channel(1 << 14);
    let plan = Arc::new(Plan::new(scenario, Seed(7)));
    let (_stopper, halt) = stop_pair();
    let engine = Engine::new(Arc::clone(&plan), &config_of(target), sender, halt).unwrap();
    let count = plan.session_count(GroupIx(0)).unwrap();
    let sessions = (0..count).map(|number| {
        let session = plan.closed_session(GroupIx(0), number, 0).unwrap();
        let mut script = plan.script(session).unwrap();
        change(&mut script);
        let start = Start {
            session,
            planned: engine.clock.now(),
            cutoff: engine.clock.now() + PATIENCE,
            gate: None,
        };
        let engine = &engine;
        async move { session::perform(engine, &script, start).await }
    });
    timeout(PATIENCE, join_all(sessions)).await.unwrap();
    let report = DriveReport {
        spent: Spent::default(),
        end: DriveEnd::Finished,
        dropped_arrivals: 0,
        broken_sessions: 0,
        ended_at: engine.clock.now(),
    };
    drop(engine);
    let mut events = Vec::new();
    while let Some(event) = receiver.recv().await {
        events.push(event);
    }
    Driven { report, events }
}

/// Drives to the end.
async fn run(target: &Url, scenario: &str) -> Driven {
    start(target, scenario).end().await
}

impl Driving {
    /// Waits for an event.
    async fn until(&mut self, wanted: impl Fn(&Event) -> bool) {
        let waiting = async {
            while let Some(event) = self.events.recv().await {
                self.seen.push(event);
                if self.seen.last().is_some_and(&wanted) {
                    return true;
                }
            }
            false
        };
        assert!(timeout(PATIENCE, waiting).await.unwrap(), "never seen");
    }

    async fn end(mut self) -> Driven {
        let waiting = async {
            while let Some(event) = self.events.recv().await {
                self.seen.push(event);
            }
            self.task.await.unwrap()
        };
        let report = timeout(PATIENCE, waiting).await.unwrap();
        Driven {
            report,
            events: self.seen,
        }
    }
}

impl Driven {
    fn invocations(&self) -> Vec<&Invocation> {
        self.pick(|event| {
            if let Event::Invoked(invocation) = event {
                Some(invocation)
            } else {
                None
            }
        })
    }

    fn completions(&self) -> HashMap<OpId, &Completion> {
        let completions = self.pick(|event| {
            if let Event::Completed(completion) = event {
                Some((completion.op, completion))
            } else {
                None
            }
        });
        completions.into_iter().collect()
    }

    fn sightings(&self) -> Vec<&Sighting> {
        self.pick(|event| {
            if let Event::Sighted(sighting) = event {
                Some(sighting)
            } else {
                None
            }
        })
    }

    fn pick<'a, T>(&'a self, of_kind: impl Fn(&'a Event) -> Option<T>) -> Vec<T> {
        self.events.iter().filter_map(of_kind).collect()
    }

    /// The only operation's end.
    fn only(&self) -> &Completion {
        let completions = self.completions();
        assert_eq!(completions.len(), 1, "{completions:?}");
        completions.into_values().next().unwrap()
    }
}

/// A canary that user 99 would have planted in this run.
fn foreign_canary() -> String {
    let id = CanaryId {
        run: RUN,
        user: UserIx(99),
        session: SessionIx(5),
        item: 2,
        kind: CanaryKind::Turn,
    };
    canary::plant(id, &[])
}
