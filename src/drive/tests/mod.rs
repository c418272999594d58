//! Whole drives against targets that behave well and badly.
#![expect(clippy::disallowed_methods, reason = "tests start tasks")]

mod chat;
mod ends;
mod upload;
mod voice;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::timeout;
use url::Url;

use super::{DriveConfig, DriveReport, drive};
use crate::auth::TokenSource;
use crate::canary;
use crate::clock::RunClock;
use crate::event::Event;
use crate::model::{
    CanaryId, CanaryKind, Completion, Invocation, OpId, RunId, Seed, SessionIx, Sighting, UserIx,
};
use crate::plan::Plan;
use crate::scenario;
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

fn plan(scenario: &str) -> Arc<Plan> {
    let text = format!("version = 1\n{scenario}");
    let scenario = scenario::parse("test", &text, "test.toml").unwrap();
    Arc::new(Plan::new(scenario, Seed(7)))
}

/// Starts a drive of one group.
fn start(target: &Url, scenario: &str) -> Driving {
    let (stopper, stop): (Stopper, Stop) = stop_pair();
    let (sender, events) = mpsc::channel(1 << 14);
    let config = DriveConfig {
        run: RUN,
        target: target.clone(),
        clock: RunClock::start(),
        tokens: TokenSource::Dev,
    };
    let task = tokio::spawn(drive(plan(scenario), config, sender, stop));
    Driving {
        task,
        events,
        seen: Vec::new(),
        stopper,
    }
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
