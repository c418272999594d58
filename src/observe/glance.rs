//! Glances at the store while the load runs: a page of sessions at a time, with the messages of
//! those that were spoken in, so that what is proved can be told long before the end.
//!
//! A glance is no scan: it says nothing of what is absent, and the store is not settled by it. It
//! has a number all the same, so that a record counts as confirmed after a second reading.
#![expect(
    clippy::disallowed_methods,
    reason = "the store is looked at by a task beside the run"
)]

use std::collections::{HashMap, HashSet, VecDeque};
use std::io;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

use super::budget::{ReadsLeft, Share};
use super::scan::{Reading, ScanContext};
use super::sight::expected_owner;
use super::store::StoreClient;
use super::texts::Texts;
use crate::dialect::{ListPlace, SessionRecord};
use crate::event::{Event, Sink};
use crate::model::{Completion, Invocation, OpId, OpKind, Outcome};

/// Pause between two glances.
const PAUSE: Duration = Duration::from_millis(250);
/// Sessions whose messages are read in one glance.
const SESSIONS_EACH_MAX: usize = 16;
/// Places that may wait to be looked at; with more, some are let go.
const WAITING_MAX: usize = 4_096;
/// Glances in a row that may fail before the store is let alone until the load is over.
const FAILURES_MAX: u32 = 8;

/// Tells the task, from the run's events, where something was said.
#[derive(Debug)]
pub struct StoreSampler {
    context: ScanContext,
    can_list_facts: bool,
    open: HashMap<OpId, Invocation>,
    reads_left: ReadsLeft,
    wanted: mpsc::Sender<Place>,
}

/// The task that looks.
#[derive(Debug)]
pub struct StoreWatch {
    end: oneshot::Sender<()>,
    task: JoinHandle<u32>,
}

/// Where something was said.
#[derive(Debug)]
enum Place {
    Session(String),
    FactsOf(String),
}

/// Starts looking. The sampler must be told all events of the run; what is read goes to `events`,
/// which is not kept open by it. The reads have half of the budget.
pub fn watch_store(
    store: &StoreClient,
    context: &ScanContext,
    events: &mpsc::Sender<Event>,
) -> (StoreSampler, StoreWatch) {
    let (wanted, places) = mpsc::channel(WAITING_MAX);
    let (end, ended) = oneshot::channel();
    let sampler = StoreSampler {
        context: context.clone(),
        can_list_facts: store.can_list_facts(),
        open: HashMap::new(),
        reads_left: ReadsLeft::new(Share::Half),
        wanted,
    };
    let glances = Glances {
        store: store.clone(),
        context: context.clone(),
        reads_left: sampler.reads_left.clone(),
        texts: Texts::of(context.plan.as_ref()),
        number: 0,
        sessions: HashSet::new(),
        users: VecDeque::new(),
        from: ListPlace::START,
        at: ListPlace::START,
        again: false,
        failures: 0,
    };
    let task = tokio::spawn(glances.run(places, ended, events.downgrade()));
    (sampler, StoreWatch { end, task })
}

impl StoreWatch {
    /// Ends looking. Gives the number of the last glance; scans count on from there.
    pub async fn finish(self) -> u32 {
        // A task that is gone already has nothing left to end.
        let _ = self.end.send(());
        self.task.await.unwrap_or_default()
    }
}

impl Sink for StoreSampler {
    fn event(&mut self, event: &Event) -> io::Result<()> {
        match event {
            Event::Invoked(invocation) => {
                self.reads_left.operation_began();
                self.open.insert(invocation.op, invocation.clone());
            }
            Event::Completed(completion) => self.completed(completion),
            Event::Sighted(_)
            | Event::Scanned(_)
            | Event::Sampled(_)
            | Event::Lagged(_)
            | Event::Streamed(_)
            | Event::Logged(_) => {}
        }
        Ok(())
    }

    fn finish(self: Box<Self>) -> io::Result<()> {
        Ok(())
    }
}

impl StoreSampler {
    fn completed(&mut self, completion: &Completion) {
        let Some(invocation) = self.open.remove(&completion.op) else {
            return;
        };
        if let Some(named) = &completion.server_session {
            self.context.strangers.answer_named(named);
        }
        if completion.outcome != Outcome::Ok {
            return;
        }
        let place = match invocation.kind {
            OpKind::Chat | OpKind::Voice | OpKind::Stream | OpKind::Turn => {
                let (founder, session) = (invocation.founder, completion.op.session);
                let by_client = || self.context.run.session_name(founder, session);
                Place::Session(completion.server_session.clone().unwrap_or_else(by_client))
            }
            OpKind::Upload if self.can_list_facts => Place::FactsOf(expected_owner(
                &self.context,
                invocation.user,
                OpKind::Upload,
            )),
            OpKind::Upload => return,
        };
        // With enough places waiting already, this one is let go.
        let _ = self.wanted.try_send(place);
    }
}

/// The task's own.
struct Glances {
    store: StoreClient,
    context: ScanContext,
    reads_left: ReadsLeft,
    texts: Texts,
    /// Of the last glance.
    number: u32,
    /// Sessions that were spoken in since their messages were read.
    sessions: HashSet<String>,
    /// Users whose facts are read, one after another.
    users: VecDeque<String>,
    /// Before this place there is nothing but what was there before the run.
    from: ListPlace,
    /// Where the next page begins.
    at: ListPlace,
    /// Is this page read a second time, because something on it is misplaced?
    again: bool,
    failures: u32,
}

impl Glances {
    async fn run(
        mut self,
        mut places: mpsc::Receiver<Place>,
        mut ended: oneshot::Receiver<()>,
        events: mpsc::WeakSender<Event>,
    ) -> u32 {
        self.users
            .extend(self.context.scenario.target.placeholders.iter().cloned());
        loop {
            tokio::select! {
                biased;
                _ = &mut ended => return self.number,
                () = tokio::time::sleep(PAUSE) => {}
            }
            while let Ok(place) = places.try_recv() {
                self.note(place);
            }
            let Some(events) = events.upgrade() else {
                return self.number;
            };
            if self.failures >= FAILURES_MAX || !self.reads_left.any() {
                continue;
            }
            self.number = self.number.saturating_add(1);
            tokio::select! {
                biased;
                _ = &mut ended => return self.number,
                () = self.glance(&events) => {}
            }
        }
    }

    fn note(&mut self, place: Place) {
        match place {
            Place::Session(name) if self.sessions.len() < WAITING_MAX => {
                self.sessions.insert(name);
            }
            Place::FactsOf(user) if self.users.len() < WAITING_MAX => {
                if !self.users.contains(&user) {
                    self.users.push_front(user);
                }
            }
            Place::Session(_) | Place::FactsOf(_) => {}
        }
    }

    async fn glance(&mut self, events: &mpsc::Sender<Event>) {
        self.reads_left.read();
        let Ok((page, next)) = self.store.sessions_page(self.at).await else {
            self.failures += 1;
            return;
        };
        self.failures = 0;
        let new: Vec<&SessionRecord> = page
            .iter()
            .filter(|session| !self.context.baseline.has_session(&session.id))
            .collect();
        let mut texts = std::mem::take(&mut self.texts);
        let mut reading = Reading::of(
            (&self.store, &self.context),
            events,
            &mut texts,
            self.number,
        );
        let (mut misplaced, mut messages_of) = (false, Vec::new());
        for session in new {
            let is_wanted = self.sessions.contains(&session.id);
            if is_wanted && messages_of.len() < SESSIONS_EACH_MAX {
                messages_of.push(session);
            } else {
                reading.take_session_row(session).await;
            }
        }
        misplaced |= reading.take_suspicious();
        for session in messages_of {
            if !self.reads_left.any() {
                break;
            }
            self.reads_left.read();
            let walk = self.store.list_messages(&session.id).await;
            reading.take_session(session, &walk).await;
            let is_odd = reading.take_suspicious();
            misplaced |= is_odd;
            // What is odd is read a second time in the next glance.
            if !is_odd || self.again {
                self.sessions.remove(&session.id);
            }
        }
        if let Some(user) = self
            .users
            .pop_front()
            .filter(|_| self.store.can_list_facts())
        {
            if self.reads_left.any() {
                self.reads_left.read();
                let walk = self.store.list_facts(&user).await;
                reading.take_facts(&user, &walk).await;
            }
            if reading.take_suspicious() && !self.again {
                misplaced = true;
                self.users.push_front(user);
            } else {
                self.users.push_back(user);
            }
        }
        drop(reading);
        self.texts = texts;
        self.turn_page(&page, next, misplaced);
    }

    /// A page on which something is misplaced is read twice; then comes the next one, and behind
    /// the last the first.
    fn turn_page(&mut self, page: &[SessionRecord], next: Option<ListPlace>, misplaced: bool) {
        if misplaced && !self.again {
            self.again = true;
            return;
        }
        self.again = false;
        let Some(next) = next else {
            self.at = self.from;
            return;
        };
        let all_old = page
            .iter()
            .all(|session| self.context.baseline.has_session(&session.id));
        if all_old && self.at == self.from {
            self.from = next;
        }
        self.at = next;
    }
}

#[cfg(test)]
mod tests {
    use super::super::fake::{
        Content, FakeStore, block, completed, context, invoked, owner, session_name, text, turn,
    };
    use super::*;
    use crate::model::{Sighting, UserIx};

    /// What is told until a sighting fits, which must be within a minute.
    async fn told_until(
        receiver: &mut mpsc::Receiver<Event>,
        fits: impl Fn(&[Sighting]) -> bool,
    ) -> Vec<Sighting> {
        let mut told = Vec::new();
        let limit = tokio::time::timeout(Duration::from_mins(1), async {
            while !fits(&told) {
                if let Some(Event::Sighted(sighting)) = receiver.recv().await {
                    told.push(sighting);
                }
            }
        });
        assert!(limit.await.is_ok(), "{told:?}");
        told
    }

    /// Many operations, so that there are reads to spend.
    fn tell(sampler: &mut StoreSampler, kind: OpKind, session: u32, named: Option<&str>) {
        for _ in 0..200 {
            sampler.event(&invoked(kind, session)).unwrap();
            let ended = completed(session, Outcome::Ok, named);
            sampler.event(&ended).unwrap();
        }
    }

    #[tokio::test]
    async fn what_is_misplaced_is_read_twice_while_the_load_runs() {
        let mut wrong = turn(0, 0);
        wrong.owner = Some(owner(1));
        let store = FakeStore::start(Content {
            sessions: vec![wrong],
            facts: vec![(owner(2), "f1".into(), None, block(3, 2, 0))],
            ..Content::default()
        });
        let context = context();
        let client = store.connect(&context).await;
        let (events, mut receiver) = mpsc::channel(10_000);
        let (mut sampler, watch) = watch_store(&client, &context, &events);
        tell(&mut sampler, OpKind::Chat, 0, None);
        tell(&mut sampler, OpKind::Upload, 2, None);
        let question = format!("{}-q", session_name(0, 0));
        let scans = |told: &[Sighting], id: &str| -> HashSet<u32> {
            let of = told.iter().filter(|s| s.record_id == id);
            of.map(|s| s.scan).collect()
        };
        let told = told_until(&mut receiver, |told| {
            scans(told, &question).len() >= 2 && scans(told, "f1").len() >= 2
        })
        .await;
        let last = watch.finish().await;
        assert!(told.iter().all(|s| (1..=last).contains(&s.scan)));
    }

    #[tokio::test]
    async fn a_session_that_an_answer_named_is_looked_at_and_named_in_clear() {
        let mut server = turn(0, 0);
        server.id = "server-1".to_owned();
        server.owner = Some("anna".to_owned());
        let mut annas = turn(1, 1);
        annas.id = "annas-talk".to_owned();
        annas.owner = Some("anna".to_owned());
        annas.messages = vec![("a1".to_owned(), "user", text(1, 1, 0))];
        let store = FakeStore::start(Content {
            sessions: vec![annas, server],
            ..Content::default()
        });
        let context = context();
        let client = store.connect(&context).await;
        let (events, mut receiver) = mpsc::channel(10_000);
        let (mut sampler, watch) = watch_store(&client, &context, &events);
        tell(&mut sampler, OpKind::Chat, 0, Some("server-1"));
        let told = told_until(&mut receiver, |told| told.len() >= 3).await;
        watch.finish().await;
        assert!(
            told.iter()
                .all(|s| s.session.as_deref() == Some("server-1"))
        );
        assert!(
            told.iter()
                .any(|s| s.canaries.iter().any(|c| c.id.user == UserIx(0)))
        );
        assert!(!format!("{told:?}").contains("anna"), "{told:?}");
    }

    /// Looks at a store until nothing more is asked of it.
    const QUIET_TRIES: usize = 20;

    #[tokio::test]
    async fn old_sessions_are_passed_over_and_without_operations_nothing_is_read() {
        let store = FakeStore::start(Content {
            sessions: vec![turn(0, 0)],
            ..Content::default()
        });
        let mut context = context();
        let client = store.connect(&context).await;
        let other_run = crate::model::RunId(1);
        let taken = client.baseline(other_run, &context.scenario).await;
        context.baseline = taken.unwrap();
        let (events, mut receiver) = mpsc::channel(10_000);
        let (mut sampler, watch) = watch_store(&client, &context, &events);
        // What was asked while connecting may still arrive.
        let mut before = store.content().requests;
        for _ in 0..QUIET_TRIES {
            tokio::time::sleep(PAUSE * 2).await;
            let asked = store.content().requests;
            if asked == before {
                break;
            }
            before = asked;
        }
        tokio::time::sleep(PAUSE * 2).await;
        assert_eq!(store.content().requests, before, "no operation, no read");
        tell(&mut sampler, OpKind::Chat, 0, None);
        while store.content().requests == before {
            tokio::time::sleep(PAUSE).await;
        }
        watch.finish().await;
        assert!(receiver.try_recv().is_err(), "it is no session of the run");
    }
}
