//! Reading the store until nothing changes any more.

use tokio::sync::mpsc;

use super::scan::{Reach, ScanContext};
use super::settled::{Next, SettlePlan, next_step};
use super::sight::control_sightings;
use super::store::StoreClient;
use super::texts::Texts;
use crate::event::Event;
use crate::model::Scan;
use crate::stop::{Stop, StopLevel};

/// How reading back ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Observation {
    /// Did the store stop changing in time?
    pub settled: bool,
    /// Was the last scan complete?
    pub complete: bool,
    /// Scans that were made.
    pub scans: u32,
    /// Why it is not settled or not complete, where it is not.
    pub reason: Option<String>,
}

impl StoreClient {
    /// Scans until the store is settled, its time is up, it is gone, or leaving is asked.
    ///
    /// `missing` says how many promised records no scan has shown so far; it is asked after each
    /// scan, and while it is above 0 scans go on until one has begun after twice the deadline:
    /// what was not there at the deadline and comes later is late, not lost. It may lag behind
    /// the events told. The positive control is told after the last scan, also where
    /// leaving was asked.
    pub async fn settle(
        &self,
        context: &ScanContext,
        plan: SettlePlan,
        events: &mpsc::Sender<Event>,
        mut missing: impl FnMut() -> u64,
        stop: &mut Stop,
    ) -> Observation {
        let settle = &context.scenario.memory.settle;
        // A slow store must also be given the time for which it has to stand still, once more
        // if something came at the last moment.
        let begun = context.clock.now().max(plan.last_completed);
        let patience = settle.deadline.saturating_mul(2);
        let hold = settle.hold(plan.lag_p999).saturating_mul(2);
        let end = begun + patience.saturating_add(hold);
        let due = plan.last_completed + settle.deadline;
        let mut reach = Reach::New;
        let mut texts = Texts::of(context.plan.as_ref());
        let mut scans: Vec<Scan> = Vec::new();
        let mut number = plan.first_scan;
        loop {
            let scanned = tokio::select! {
                biased;
                () = stop.reached(StopLevel::Leave) => {
                    plant_control(context, number, events).await;
                    return observed(&scans, Some("reading back was stopped".to_owned()));
                }
                scanned = self.scan_once(context, (number, reach), events, &mut texts) => scanned,
            };
            let gone = scanned.store_gone;
            scans.push(scanned.scan);
            let (missing, now) = (missing(), context.clock.now());
            if missing > 0 && now >= due {
                reach = Reach::Whole;
            }
            let next = next_step(&scans, (settle, &plan, end), missing, now);
            let reason = match next {
                _ if gone => Some(last_reason(&scans)),
                Next::Settled => None,
                Next::GiveUp(reason) => Some(reason),
                Next::Again(pause) => {
                    tokio::select! {
                        biased;
                        () = stop.reached(StopLevel::Leave) => {}
                        () = tokio::time::sleep(pause) => {}
                    }
                    number = number.saturating_add(1);
                    continue;
                }
            };
            plant_control(context, number, events).await;
            return observed(&scans, reason);
        }
    }
}

/// However reading ends, what was read is judged, so the judge must be controlled.
async fn plant_control(context: &ScanContext, number: u32, events: &mpsc::Sender<Event>) {
    for sighting in control_sightings(context, number) {
        // Whether anybody still listens is for the caller to know.
        let _ = events.send(Event::Sighted(sighting)).await;
    }
}

fn last_reason(scans: &[Scan]) -> String {
    scans
        .last()
        .and_then(|scan| scan.incomplete_reason.clone())
        .unwrap_or_else(|| "the store is gone".to_owned())
}

fn observed(scans: &[Scan], reason: Option<String>) -> Observation {
    Observation {
        settled: reason.is_none(),
        complete: scans.last().is_some_and(|scan| scan.complete),
        scans: u32::try_from(scans.len()).unwrap_or(u32::MAX),
        reason,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::sync::Arc;
    use std::time::Duration;

    use super::super::fake::{Content, FakeSession, FakeStore, Quirk, context, sightings, turn};
    use super::*;
    use crate::model::Micros;
    use crate::stop::stop_pair;

    fn plan(context: &ScanContext) -> SettlePlan {
        SettlePlan {
            first_scan: 1,
            last_completed: context.clock.now(),
            lag_p999: Duration::ZERO,
        }
    }

    /// Settles with nothing missing and nobody stopping.
    async fn settle(store: &FakeStore, context: &ScanContext) -> (Observation, Vec<Scan>) {
        let client = store.connect(context).await;
        let (sender, mut receiver) = mpsc::channel(100_000);
        let (_stopper, mut stop) = stop_pair();
        let observed = client
            .settle(context, plan(context), &sender, || 0, &mut stop)
            .await;
        let mut scans = Vec::new();
        while let Ok(event) = receiver.try_recv() {
            if let Event::Scanned(scan) = event {
                scans.push(scan);
            }
        }
        (observed, scans)
    }

    #[tokio::test]
    async fn an_empty_store_settles() {
        let store = FakeStore::start(Content::default());
        let (observed, scans) = settle(&store, &context()).await;
        assert_eq!((observed.settled, observed.complete), (true, true));
        assert_eq!(observed.reason, None);
        assert!(observed.scans >= 3);
        assert_eq!(scans.len(), observed.scans as usize);
        assert_eq!(scans.last().unwrap().digest, "0".repeat(32));
    }

    #[tokio::test]
    async fn a_slow_store_is_waited_for() {
        let late = FakeSession {
            from_list: 8,
            ..turn(1, 1)
        };
        let store = FakeStore::start(Content {
            sessions: vec![turn(0, 0), late],
            ..Content::default()
        });
        let mut context = context();
        let mut scenario = (*context.scenario).clone();
        scenario.memory.settle.deadline = Duration::from_mins(1);
        context.scenario = Arc::new(scenario);
        let client = store.connect(&context).await;
        let (sender, mut receiver) = mpsc::channel(100_000);
        let (_stopper, mut stop) = stop_pair();
        let mut seen = HashSet::new();
        let missing = move || {
            while let Ok(event) = receiver.try_recv() {
                if let Event::Sighted(sighting) = event {
                    seen.insert(sighting.record_id);
                }
            }
            6 - seen.len().min(6) as u64
        };
        let observed = client
            .settle(&context, plan(&context), &sender, missing, &mut stop)
            .await;
        assert!(observed.settled && observed.complete, "{observed:?}");
        assert!(observed.scans >= 6, "{observed:?}");
    }

    #[tokio::test]
    async fn what_never_comes_is_waited_for_until_a_scan_began_after_twice_the_deadline() {
        let store = FakeStore::start(Content {
            sessions: vec![turn(0, 0)],
            ..Content::default()
        });
        let context = context();
        let client = store.connect(&context).await;
        let (sender, mut receiver) = mpsc::channel(100_000);
        let (_stopper, mut stop) = stop_pair();
        let plan = plan(&context);
        let observed = client
            .settle(&context, plan, &sender, || 1, &mut stop)
            .await;
        assert!(observed.settled && observed.complete, "{observed:?}");
        let mut last = Micros(0);
        while let Ok(event) = receiver.try_recv() {
            if let Event::Scanned(scan) = event {
                last = scan.started;
            }
        }
        let deadline = context.scenario.memory.settle.deadline;
        assert!(last >= plan.last_completed + deadline * 2);
    }

    #[tokio::test]
    async fn a_store_that_never_settles_is_given_up() {
        let store = FakeStore::start(Content {
            sessions: vec![turn(0, 0)],
            quirks: vec![Quirk::NeverQuiet],
            ..Content::default()
        });
        let (observed, scans) = settle(&store, &context()).await;
        assert!(!observed.settled);
        assert!(observed.complete);
        let reason = observed.reason.unwrap();
        assert!(reason.contains("still changing"), "{reason}");
        assert!(scans.len() >= 6);
    }

    #[tokio::test]
    async fn a_store_that_always_loses_a_page_is_given_up_as_incomplete() {
        let store = FakeStore::start(Content {
            sessions: vec![turn(0, 0)],
            quirks: vec![Quirk::LosesPage(1)],
            ..Content::default()
        });
        let (observed, _) = settle(&store, &context()).await;
        assert_eq!((observed.settled, observed.complete), (false, false));
        assert!(observed.reason.unwrap().contains("announced 2"));
    }

    #[tokio::test]
    async fn a_store_that_is_gone_ends_it_at_once() {
        let store = FakeStore::start(Content {
            sessions: (0..40).map(|n| turn(n, n)).collect(),
            dies_after: Some(20),
            ..Content::default()
        });
        let (observed, scans) = settle(&store, &context()).await;
        assert_eq!((observed.settled, observed.complete), (false, false));
        assert_eq!(scans.len(), 1);
        assert!(observed.reason.is_some());
    }

    #[tokio::test]
    async fn leaving_is_not_delayed() {
        let store = FakeStore::start(Content {
            sessions: vec![turn(0, 0)],
            ..Content::default()
        });
        let context = context();
        let client = store.connect(&context).await;
        store.content().quirks.push(Quirk::Frozen);
        let (sender, receiver) = mpsc::channel(100);
        let (stopper, mut stop) = stop_pair();
        stopper.ask(StopLevel::Leave);
        let observed = client
            .settle(&context, plan(&context), &sender, || 0, &mut stop)
            .await;
        assert_eq!((observed.settled, observed.scans), (false, 0));
        let told = sightings(receiver);
        assert_eq!(told.iter().filter(|s| s.control).count(), 4, "{told:?}");
    }

    #[tokio::test]
    async fn the_control_is_told_with_the_last_scan() {
        let store = FakeStore::start(Content::default());
        let context = context();
        let client = store.connect(&context).await;
        let (sender, receiver) = mpsc::channel(1_000);
        let (_stopper, mut stop) = stop_pair();
        let observed = client
            .settle(&context, plan(&context), &sender, || 0, &mut stop)
            .await;
        let told = sightings(receiver);
        let control: Vec<_> = told.iter().filter(|s| s.control).collect();
        assert_eq!(control.len(), 4);
        assert_eq!(control.iter().map(|s| s.scan).max(), Some(observed.scans));
    }
}
