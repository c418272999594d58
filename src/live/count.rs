//! Counts over the event stream, for showing only.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use super::Planned;
use crate::event::Event;
use crate::model::{Micros, OpId, OpKind, Outcome, Scan, UserIx};

/// What became of the operations of one kind so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct KindCount {
    /// In the plan; `None` where that depends on the target's speed.
    pub(super) planned: Option<u64>,
    /// Ended `ok`.
    pub(super) ok: u64,
    /// Ended otherwise.
    pub(super) failed: u64,
    /// Begun and not ended.
    pub(super) in_flight: u64,
}

/// All counts. Its memory grows with the operations in flight, not with those that ended.
#[derive(Debug, Default)]
pub(super) struct Counts {
    kinds: BTreeMap<OpKind, KindCount>,
    open: HashMap<OpId, (OpKind, UserIx)>,
    users: HashMap<UserIx, u32>,
    /// Sightings since the last scan ended.
    records: u64,
    last_scan: Option<Scan>,
    now: Micros,
    shown: Micros,
    news: bool,
}

impl Counts {
    pub(super) fn new(planned: &Planned) -> Self {
        let kinds = planned.iter().map(|(kind, planned)| {
            let count = KindCount {
                planned: *planned,
                ..KindCount::default()
            };
            (*kind, count)
        });
        Self {
            kinds: kinds.collect(),
            ..Self::default()
        }
    }

    /// Takes one event. Is it time to show again, with so much time between two shows?
    pub(super) fn take(&mut self, event: &Event, pause: Duration) -> bool {
        let at = self.count(event);
        // Events of different tasks come slightly out of order; time does not go back.
        self.now = self.now.max(at);
        let due = self.now.since(self.shown) >= pause;
        self.news = !due;
        if due {
            self.shown = self.now;
        }
        due
    }

    /// Has anything come since it was last time to show?
    pub(super) fn has_news(&self) -> bool {
        self.news
    }

    /// The latest time that an event bore.
    pub(super) fn now(&self) -> Micros {
        self.now
    }

    pub(super) fn kinds(&self) -> &BTreeMap<OpKind, KindCount> {
        &self.kinds
    }

    /// Users with at least one operation in flight.
    pub(super) fn users_in_flight(&self) -> usize {
        self.users.len()
    }

    /// What is known of the read-back, once there is something.
    pub(super) fn read_back(&self) -> Option<String> {
        match &self.last_scan {
            Some(scan) => {
                let complete = if scan.complete { "" } else { ", incomplete" };
                Some(format!(
                    "scan {}: {} sessions, {} messages, {} facts{complete}",
                    scan.scan, scan.sessions, scan.messages, scan.facts
                ))
            }
            None if self.records > 0 => Some(format!("{} records", self.records)),
            None => None,
        }
    }

    fn count(&mut self, event: &Event) -> Micros {
        match event {
            Event::Invoked(invocation) => {
                let opened = (invocation.kind, invocation.user);
                if self.open.insert(invocation.op, opened).is_none() {
                    self.kinds.entry(invocation.kind).or_default().in_flight += 1;
                    *self.users.entry(invocation.user).or_default() += 1;
                }
                invocation.invoked
            }
            Event::Completed(completion) => {
                if let Some((kind, user)) = self.open.remove(&completion.op) {
                    self.close(kind, user, completion.outcome);
                }
                completion.completed
            }
            Event::Sighted(sighting) => {
                self.records += 1;
                sighting.seen_at
            }
            Event::Scanned(scan) => {
                self.records = 0;
                self.last_scan = Some(scan.clone());
                scan.ended
            }
            Event::Sampled(sample) => sample.at,
            Event::Lagged(_) | Event::Streamed(_) => self.now,
            Event::Logged(line) => line.seen_at,
        }
    }

    fn close(&mut self, kind: OpKind, user: UserIx, outcome: Outcome) {
        let count = self.kinds.entry(kind).or_default();
        count.in_flight = count.in_flight.saturating_sub(1);
        match outcome {
            Outcome::Ok => count.ok += 1,
            Outcome::SoftFail | Outcome::Refused | Outcome::Unsent | Outcome::Unknown => {
                count.failed += 1;
            }
        }
        if let Some(open) = self.users.get_mut(&user) {
            *open -= 1;
            if *open == 0 {
                self.users.remove(&user);
            }
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::model::{
        Completion, Echo, GroupIx, Invocation, Promise, ResourceSample, SessionIx, TraitSet,
    };

    pub(in crate::live) fn began(user: u32, seq: u16, at_ms: u64) -> Event {
        Event::Invoked(Invocation {
            op: op(user, seq),
            user: UserIx(user),
            founder: UserIx(user),
            kind: OpKind::Chat,
            group: GroupIx(0),
            intended: Micros(at_ms * 1_000),
            invoked: Micros(at_ms * 1_000),
            text_hash: 0,
            item_first: seq,
            item_count: 1,
            request_id: 0,
            traits: TraitSet::default(),
        })
    }

    pub(in crate::live) fn ended(user: u32, seq: u16, at_ms: u64, outcome: Outcome) -> Event {
        Event::Completed(Completion {
            op: op(user, seq),
            completed: Micros(at_ms * 1_000),
            sent: None,
            outcome,
            status: None,
            promise: Promise::NONE,
            echo: Echo::None,
            server_session: None,
            detail: None,
        })
    }

    pub(in crate::live) fn scanned(number: u32, at_ms: u64, complete: bool) -> Event {
        Event::Scanned(Scan {
            scan: number,
            started: Micros(at_ms * 1_000),
            ended: Micros(at_ms * 1_000),
            digest: String::new(),
            sessions: 240,
            messages: 2_160,
            facts: 360,
            unattributable: 0,
            complete,
            incomplete_reason: None,
        })
    }

    fn op(user: u32, seq: u16) -> OpId {
        OpId {
            session: SessionIx(user),
            seq,
        }
    }

    const PAUSE: Duration = Duration::from_millis(100);

    #[test]
    fn operations_and_users_are_counted_until_they_end() {
        let mut counts = Counts::new(&Planned::from([(OpKind::Chat, Some(9))]));
        for event in [
            began(1, 0, 10),
            began(1, 1, 11),
            began(2, 0, 12),
            ended(1, 0, 13, Outcome::Ok),
            ended(2, 0, 14, Outcome::Unknown),
            // An end without a beginning, as after a lost event, counts nothing.
            ended(7, 0, 15, Outcome::Ok),
        ] {
            counts.take(&event, PAUSE);
        }
        let expect = KindCount {
            planned: Some(9),
            ok: 1,
            failed: 1,
            in_flight: 1,
        };
        assert_eq!(counts.kinds()[&OpKind::Chat], expect);
        assert_eq!(counts.users_in_flight(), 1);
        counts.take(&ended(1, 1, 16, Outcome::Refused), PAUSE);
        assert_eq!(counts.users_in_flight(), 0);
    }

    #[test]
    fn it_shows_by_the_time_of_the_events() {
        let mut counts = Counts::new(&Planned::new());
        let due: Vec<bool> = [0, 50, 100, 120, 90, 199, 200, 1_000]
            .iter()
            .map(|ms| {
                let sample = ResourceSample {
                    at: Micros(ms * 1_000),
                    cpu: Duration::ZERO,
                    rss_bytes: 0,
                    in_flight: 0,
                };
                counts.take(&Event::Sampled(sample), PAUSE)
            })
            .collect();
        assert_eq!(due, [false, false, true, false, false, false, true, true]);
    }

    #[test]
    fn the_last_scan_is_told() {
        let mut counts = Counts::new(&Planned::new());
        assert_eq!(counts.read_back(), None);
        counts.take(&scanned(2, 10, false), PAUSE);
        assert_eq!(
            counts.read_back().as_deref(),
            Some("scan 2: 240 sessions, 2160 messages, 360 facts, incomplete")
        );
    }
}
