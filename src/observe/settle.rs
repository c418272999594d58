//! Reading the store until nothing changes any more.

use tokio::sync::mpsc;

use super::scan::ScanContext;
use super::settled::{Next, SettlePlan, next_step};
use super::sight::control_sightings;
use super::store::StoreClient;
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
    /// scan, and while it is above 0 scans go on until one has begun after the deadline. It may
    /// lag behind the events told. The positive control is told after the last scan.
    pub async fn settle(
        &self,
        context: &ScanContext,
        plan: SettlePlan,
        events: &mpsc::Sender<Event>,
        mut missing: impl FnMut() -> u64 + Send,
        stop: &mut Stop,
    ) -> Observation {
        let settle = &context.scenario.memory.settle;
        let begun = context.clock.now().max(plan.last_completed);
        let end = begun + settle.deadline.saturating_mul(2);
        let mut scans: Vec<Scan> = Vec::new();
        let mut number = plan.first_scan;
        loop {
            let scanned = tokio::select! {
                biased;
                () = stop.reached(StopLevel::Leave) => {
                    return observed(&scans, Some("reading back was stopped".to_owned()));
                }
                scanned = self.scan_once(context, number, events) => scanned,
            };
            let gone = scanned.store_gone;
            scans.push(scanned.scan);
            let next = next_step(&scans, (settle, &plan, end), missing(), context.clock.now());
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
            for sighting in control_sightings(context, number) {
                // Whether anybody still listens is for the caller to know.
                let _ = events.send(Event::Sighted(sighting)).await;
            }
            return observed(&scans, reason);
        }
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
