//! How long after its answer a record becomes visible, measured on a few operations while the
//! load runs.
#![expect(
    clippy::disallowed_methods,
    reason = "the records are watched by a task beside the run"
)]

use std::collections::HashMap;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::task::{JoinHandle, JoinSet};

use super::budget::{ReadsLeft, Share};
use super::scan::ScanContext;
use super::sight::expected_owner;
use super::store::StoreClient;
use crate::canary;
use crate::event::{Event, Sink};
use crate::model::{
    CanaryId, CanaryKind, Completion, Exactness, Invocation, LagSample, Micros, OpId, OpKind,
    Outcome, SeenCanary,
};

/// Records that are watched at once.
const WATCHED_MAX: usize = 8;
/// Pause after the first read that does not show the record.
const FIRST_PAUSE: Duration = Duration::from_millis(20);
/// Longest pause between two reads of one record.
const PAUSE_MAX: Duration = Duration::from_secs(1);
/// A record that is first read later than this after its answer is not measured: the time would
/// be the watcher's, not the store's.
const FIRST_READ_WITHIN: Duration = Duration::from_millis(100);
/// How long records that are still watched at the end of the run may keep it waiting.
const LAST_WAIT_MAX: Duration = Duration::from_secs(1);

/// Picks operations to watch from the run's events.
#[derive(Debug)]
pub struct LagSampler {
    every: u32,
    can_list_facts: bool,
    begun: HashMap<OpKind, u32>,
    picked: HashMap<OpId, Invocation>,
    reads_left: ReadsLeft,
    wanted: mpsc::Sender<Wanted>,
}

/// The task that watches them.
#[derive(Debug)]
pub struct LagWatch {
    end: oneshot::Sender<()>,
    task: JoinHandle<Duration>,
}

/// Starts watching one in `memory.lag_sample_every` operations. The sampler must be told all
/// events of the run; what is measured goes to `events`, which is not kept open by it. `share` is
/// the part of the reads' budget that it has.
pub fn watch_lag(
    store: &StoreClient,
    context: &ScanContext,
    share: Share,
    events: &mpsc::Sender<Event>,
) -> (LagSampler, LagWatch) {
    watch_lag_within((FIRST_READ_WITHIN, share), store, context, events)
}

fn watch_lag_within(
    (first_read_within, share): (Duration, Share),
    store: &StoreClient,
    context: &ScanContext,
    events: &mpsc::Sender<Event>,
) -> (LagSampler, LagWatch) {
    let (wanted, picked) = mpsc::channel(WATCHED_MAX);
    let (end, ended) = oneshot::channel();
    let memory = &context.scenario.memory;
    let watcher = Arc::new(Watcher {
        store: store.clone(),
        context: context.clone(),
        first_read_within,
        reads_left: ReadsLeft::new(share),
    });
    let sampler = LagSampler {
        every: memory.lag_sample_every,
        can_list_facts: store.can_list_facts(),
        begun: HashMap::new(),
        picked: HashMap::new(),
        reads_left: watcher.reads_left.clone(),
        wanted,
    };
    let last_wait = memory.settle.task_limit.min(LAST_WAIT_MAX);
    let task = tokio::spawn(watch(watcher, picked, ended, events.downgrade(), last_wait));
    (sampler, LagWatch { end, task })
}

impl LagWatch {
    /// Ends watching, and waits a moment for what is watched just now. Gives the longest lag that
    /// was measured, zero without any.
    pub async fn finish(self) -> Duration {
        // A task that is gone already has nothing left to end.
        let _ = self.end.send(());
        self.task.await.unwrap_or_default()
    }
}

impl Sink for LagSampler {
    fn event(&mut self, event: &Event) -> io::Result<()> {
        match event {
            Event::Invoked(invocation) => self.invoked(invocation),
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

impl LagSampler {
    fn invoked(&mut self, invocation: &Invocation) {
        self.reads_left.operation_began();
        let readable = self.can_list_facts || invocation.kind != OpKind::Upload;
        let begun = self.begun.entry(invocation.kind).or_default();
        if readable && begun.checked_rem(self.every) == Some(0) {
            self.picked.insert(invocation.op, invocation.clone());
        }
        *begun = begun.wrapping_add(1);
    }

    fn completed(&mut self, completion: &Completion) {
        let Some(invocation) = self.picked.remove(&completion.op) else {
            return;
        };
        if completion.outcome != Outcome::Ok || !self.reads_left.any() {
            return;
        }
        let wanted = Wanted {
            invocation,
            completed: completion.completed,
            server_session: completion.server_session.clone(),
        };
        // With enough records being watched already, this one is let go.
        let _ = self.wanted.try_send(wanted);
    }
}

/// An operation whose record is looked for.
#[derive(Debug)]
struct Wanted {
    invocation: Invocation,
    completed: Micros,
    server_session: Option<String>,
}

async fn watch(
    watcher: Arc<Watcher>,
    mut picked: mpsc::Receiver<Wanted>,
    mut ended: oneshot::Receiver<()>,
    events: mpsc::WeakSender<Event>,
    last_wait: Duration,
) -> Duration {
    let mut longest = Duration::ZERO;
    let mut polls = JoinSet::new();
    loop {
        tokio::select! {
            biased;
            _ = &mut ended => break,
            Some(done) = polls.join_next() => {
                longest = longest.max(tell(&events, done.ok().flatten()).await);
            }
            Some(wanted) = picked.recv(), if polls.len() < WATCHED_MAX => {
                let watcher = Arc::clone(&watcher);
                polls.spawn(async move { watcher.lag_of(wanted).await });
            }
            else => break,
        }
    }
    let rest = async {
        while let Some(done) = polls.join_next().await {
            longest = longest.max(tell(&events, done.ok().flatten()).await);
        }
    };
    // What is not visible by then is not measured; dropping the set ends its tasks.
    let _ = tokio::time::timeout(last_wait, rest).await;
    longest
}

async fn tell(events: &mpsc::WeakSender<Event>, sample: Option<LagSample>) -> Duration {
    let Some(sample) = sample else {
        return Duration::ZERO;
    };
    if let Some(events) = events.upgrade() {
        // Whether anybody still listens is for the run to know.
        let _ = events.send(Event::Lagged(sample)).await;
    }
    sample.lag
}

/// Reads one record again and again.
#[derive(Debug)]
struct Watcher {
    store: StoreClient,
    context: ScanContext,
    first_read_within: Duration,
    reads_left: ReadsLeft,
}

impl Watcher {
    /// Waits until the record is visible; `None` if it is not by its deadline, or if watching it
    /// begins too late to say anything.
    async fn lag_of(&self, wanted: Wanted) -> Option<LagSample> {
        if self.context.clock.now().since(wanted.completed) > self.first_read_within {
            return None;
        }
        let due = wanted.completed + self.context.scenario.memory.settle.deadline;
        let mut pause = FIRST_PAUSE;
        loop {
            self.reads_left.read();
            let visible = self.is_visible(&wanted).await?;
            let now = self.context.clock.now();
            if visible {
                return Some(LagSample {
                    op: wanted.invocation.op,
                    kind: wanted.invocation.kind,
                    lag: now.since(wanted.completed),
                });
            }
            if now >= due {
                return None;
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 3 / 2).min(PAUSE_MAX);
        }
    }

    /// Does the store show the operation's first canary where it belongs? `None` if the store
    /// cannot be asked any more.
    async fn is_visible(&self, wanted: &Wanted) -> Option<bool> {
        let Invocation { op, user, kind, .. } = wanted.invocation;
        let canary_kind = match kind {
            OpKind::Chat | OpKind::Voice | OpKind::Stream | OpKind::Turn => CanaryKind::Turn,
            OpKind::Upload => CanaryKind::Block,
        };
        let canary = SeenCanary {
            id: CanaryId {
                run: self.context.run,
                user,
                session: op.session,
                item: wanted.invocation.item_first,
                kind: canary_kind,
            },
            exactness: Exactness::Exact,
        };
        let holds = |body: &str| canary::find(&canary::normalise(body)).contains(&canary);
        let (found, fault) = match kind {
            OpKind::Chat | OpKind::Voice | OpKind::Stream | OpKind::Turn => {
                let by_client = || self.context.run.session_name(user, op.session);
                let session = wanted.server_session.clone().unwrap_or_else(by_client);
                let walk = self.store.list_messages(&session).await;
                (walk.records.iter().any(|m| holds(&m.body)), walk.fault)
            }
            OpKind::Upload => {
                let owner = expected_owner(&self.context, user, kind);
                let walk = self.store.list_facts(&owner).await;
                (walk.records.iter().any(|f| holds(&f.body)), walk.fault)
            }
        };
        match fault {
            Some(fault) if fault.is_gone() && !found => None,
            Some(_) | None => Some(found),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::fake::{
        Content, FakeStore, Quirk, block, completed, context, invoked, op, owner, turn,
    };
    use super::*;

    /// Longer than any machine is busy.
    const PATIENCE: Duration = Duration::from_mins(1);

    /// The context of a run that waits long enough for a busy machine.
    fn patient() -> ScanContext {
        let mut context = context();
        let mut scenario = (*context.scenario).clone();
        scenario.memory.settle.deadline = PATIENCE;
        context.scenario = Arc::new(scenario);
        context
    }

    async fn next_lag(receiver: &mut mpsc::Receiver<Event>) -> (OpId, OpKind) {
        match tokio::time::timeout(PATIENCE, receiver.recv()).await {
            Ok(Some(Event::Lagged(sample))) => (sample.op, sample.kind),
            other => panic!("{other:?}"),
        }
    }

    #[tokio::test]
    async fn a_record_is_watched_until_it_is_visible() {
        let store = FakeStore::start(Content::default());
        let context = patient();
        let client = store.connect(&context).await;
        let (events, mut receiver) = mpsc::channel(10);
        let (mut sampler, watch) =
            watch_lag_within((PATIENCE, Share::Whole), &client, &context, &events);
        sampler.event(&invoked(OpKind::Chat, 0)).unwrap();
        sampler.event(&completed(0, Outcome::Ok, None)).unwrap();
        let before = store.content().requests;
        let seen_three_times = async {
            while store.content().requests < before + 3 {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(PATIENCE, seen_three_times)
            .await
            .unwrap();
        assert!(receiver.try_recv().is_err());
        store.content().sessions.push(turn(0, 0));
        assert_eq!(next_lag(&mut receiver).await, (op(0), OpKind::Chat));

        store
            .content()
            .sessions
            .push(crate::observe::fake::FakeSession {
                id: "named-by-the-server".into(),
                ..turn(1, 1)
            });
        sampler.event(&invoked(OpKind::Chat, 1)).unwrap();
        let named = Some("named-by-the-server");
        sampler.event(&completed(1, Outcome::Ok, named)).unwrap();
        assert_eq!(next_lag(&mut receiver).await, (op(1), OpKind::Chat));

        let fact = (owner(2), "f1".into(), None, block(2, 2, 0));
        store.content().facts.push(fact);
        sampler.event(&invoked(OpKind::Upload, 2)).unwrap();
        sampler.event(&completed(2, Outcome::Ok, None)).unwrap();
        assert_eq!(next_lag(&mut receiver).await, (op(2), OpKind::Upload));

        assert!(watch.finish().await > Duration::ZERO);
        drop(events);
        assert_eq!(
            receiver.recv().await,
            None,
            "the sampler keeps no event channel open"
        );
    }

    #[tokio::test]
    async fn a_record_that_is_first_read_late_is_not_measured() {
        let store = FakeStore::start(Content {
            sessions: vec![turn(0, 0)],
            ..Content::default()
        });
        let context = patient();
        let client = store.connect(&context).await;
        let before = store.content().requests;
        let (events, _receiver) = mpsc::channel(10);
        let (mut sampler, watch) =
            watch_lag_within((Duration::ZERO, Share::Whole), &client, &context, &events);
        sampler.event(&invoked(OpKind::Chat, 0)).unwrap();
        sampler.event(&completed(0, Outcome::Ok, None)).unwrap();
        assert_eq!(watch.finish().await, Duration::ZERO);
        assert_eq!(store.content().requests, before);
    }

    #[tokio::test]
    async fn what_promised_nothing_or_is_not_in_the_sample_is_not_watched() {
        let store = FakeStore::start(Content {
            quirks: vec![Quirk::WithoutFacts],
            ..Content::default()
        });
        let mut context = patient();
        let mut scenario = (*context.scenario).clone();
        scenario.memory.lag_sample_every = 2;
        context.scenario = Arc::new(scenario);
        let client = store.connect(&context).await;
        let before = store.content().requests;
        let (events, _receiver) = mpsc::channel(10);
        let (mut sampler, watch) = watch_lag(&client, &context, Share::Whole, &events);
        for (kind, session, outcome) in [
            (OpKind::Chat, 0, Outcome::Refused),
            (OpKind::Chat, 1, Outcome::Ok),
            (OpKind::Chat, 2, Outcome::Unknown),
            (OpKind::Upload, 3, Outcome::Ok),
        ] {
            sampler.event(&invoked(kind, session)).unwrap();
            sampler.event(&completed(session, outcome, None)).unwrap();
        }
        assert!(sampler.picked.is_empty());
        assert_eq!(watch.finish().await, Duration::ZERO);
        assert_eq!(store.content().requests, before);
    }
}
