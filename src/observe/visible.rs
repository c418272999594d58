//! When an operation has become visible, one operation after another: what lets the next one
//! begin where only one may be in flight.
#![expect(
    clippy::disallowed_methods,
    reason = "operations are watched by a task beside the run"
)]

use std::collections::HashMap;
use std::io;
use std::time::Duration;

use tokio::sync::mpsc;

use super::scan::ScanContext;
use super::sight::expected_owner;
use super::store::StoreClient;
use crate::canary;
use crate::event::{Event, Sink};
use crate::model::{
    CanaryId, CanaryKind, Completion, Exactness, Invocation, OpId, OpKind, Outcome, SeenCanary,
};

/// Operations that may wait for being looked for; there is one at a time.
const QUEUE_MAX: usize = 64;
/// Pause between two looks.
const PAUSE: Duration = Duration::from_millis(10);

/// Hears of every operation and looks for what it left.
#[derive(Debug)]
pub struct Follower {
    begun: HashMap<OpId, Invocation>,
    ended: mpsc::Sender<Ended>,
}

#[derive(Debug)]
struct Ended {
    invocation: Invocation,
    completion: Completion,
}

/// Follows operations: each that has ended is told once its records are visible, or once it has
/// waited so long that they will never be: as long as the store must stand still to count as
/// settled, and never longer than the deadline. The follower must be told all events.
pub fn follow(store: &StoreClient, context: &ScanContext) -> (Follower, mpsc::Receiver<OpId>) {
    let (ended, queue) = mpsc::channel(QUEUE_MAX);
    let (seen, told) = mpsc::channel(QUEUE_MAX);
    let watcher = Watcher {
        store: store.clone(),
        context: context.clone(),
        longest: Duration::ZERO,
    };
    tokio::spawn(watcher.watch(queue, seen));
    let begun = HashMap::new();
    (Follower { begun, ended }, told)
}

impl Sink for Follower {
    fn event(&mut self, event: &Event) -> io::Result<()> {
        match event {
            Event::Invoked(invocation) => {
                self.begun.insert(invocation.op, invocation.clone());
            }
            Event::Completed(completion) => {
                if let Some(invocation) = self.begun.remove(&completion.op) {
                    let completion = completion.clone();
                    // With one operation in flight there is room; without, nobody waits for it.
                    let _ = self.ended.try_send(Ended {
                        invocation,
                        completion,
                    });
                }
            }
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

struct Watcher {
    store: StoreClient,
    context: ScanContext,
    /// The longest that a record took to become visible.
    longest: Duration,
}

impl Watcher {
    async fn watch(mut self, mut queue: mpsc::Receiver<Ended>, seen: mpsc::Sender<OpId>) {
        while let Some(ended) = queue.recv().await {
            let op = ended.invocation.op;
            if ended.completion.outcome != Outcome::Unsent {
                self.wait_for(&ended).await;
            }
            if seen.send(op).await.is_err() {
                return;
            }
        }
    }

    /// The first and the last of what was sent: a document is stored piece by piece.
    async fn wait_for(&mut self, ended: &Ended) {
        let settle = &self.context.scenario.memory.settle;
        let hold = settle.hold(self.longest).min(settle.deadline);
        let due = ended.completion.completed + hold;
        let Invocation {
            item_first,
            item_count,
            ..
        } = ended.invocation;
        let last = item_first.saturating_add(item_count.saturating_sub(1));
        for item in [item_first, last] {
            loop {
                if item_count > 0 && self.is_visible(ended, item).await {
                    break;
                }
                if self.context.clock.now() >= due {
                    return;
                }
                tokio::time::sleep(PAUSE).await;
            }
        }
        let took = self.context.clock.now().since(ended.completion.completed);
        self.longest = self.longest.max(took);
    }

    async fn is_visible(&self, ended: &Ended, item: u16) -> bool {
        let Invocation {
            op,
            user,
            founder,
            kind,
            ..
        } = ended.invocation;
        let canary = SeenCanary {
            id: CanaryId {
                run: self.context.run,
                user,
                session: op.session,
                item,
                kind: match kind {
                    OpKind::Chat | OpKind::Voice | OpKind::Stream | OpKind::Turn => {
                        CanaryKind::Turn
                    }
                    OpKind::Upload => CanaryKind::Block,
                },
            },
            exactness: Exactness::Exact,
        };
        let holds = |body: &str| canary::find(&canary::normalise(body)).contains(&canary);
        match kind {
            OpKind::Chat | OpKind::Voice | OpKind::Stream | OpKind::Turn => {
                let by_client = || self.context.run.session_name(founder, op.session);
                let by_server = ended.completion.server_session.clone();
                let session = by_server.unwrap_or_else(by_client);
                let walk = self.store.list_messages(&session).await;
                walk.records.iter().any(|message| holds(&message.body))
            }
            OpKind::Upload => {
                let own = expected_owner(&self.context, user, kind);
                // What a stand-in has got is visible too.
                let stand_ins = self.context.scenario.target.placeholders.iter().cloned();
                for owner in std::iter::once(own).chain(stand_ins) {
                    let walk = self.store.list_facts(&owner).await;
                    if walk.records.iter().any(|fact| holds(&fact.body)) {
                        return true;
                    }
                }
                false
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::fake::{
        Content, FakeStore, block, completed, context, invoked, op, owner, turn,
    };
    use super::*;

    /// Tells the follower of a whole operation.
    fn tell(follower: &mut Follower, kind: OpKind, session: u32, outcome: Outcome) {
        follower.event(&invoked(kind, session)).unwrap();
        follower.event(&completed(session, outcome, None)).unwrap();
    }

    #[tokio::test]
    async fn each_operation_is_told_in_its_order_whether_seen_or_not() {
        let store = FakeStore::start(Content {
            sessions: vec![turn(0, 0)],
            facts: vec![(owner(1), "f1".into(), None, block(1, 1, 0))],
            ..Content::default()
        });
        let context = context();
        let client = store.connect(&context).await;
        let (mut follower, mut told) = follow(&client, &context);
        tell(&mut follower, OpKind::Chat, 0, Outcome::Ok);
        tell(&mut follower, OpKind::Upload, 1, Outcome::Ok);
        tell(&mut follower, OpKind::Chat, 2, Outcome::Unsent);
        tell(&mut follower, OpKind::Chat, 3, Outcome::Ok);
        for session in 0..4 {
            let seen = tokio::time::timeout(Duration::from_mins(1), told.recv());
            assert_eq!(seen.await.unwrap(), Some(op(session)));
        }
        drop(follower);
        assert_eq!(told.recv().await, None);
    }
}
