//! Keeps the writes of one session in the order of its answers, and lets sessions pass each
//! other.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

/// The sessions that have writes waiting.
#[derive(Debug, Default)]
pub(super) struct SessionQueues(Mutex<Queues>);

#[derive(Debug, Default)]
struct Queues {
    /// The last place of each session's queue.
    tails: HashMap<Arc<str>, Tail>,
    places: u64,
}

#[derive(Debug)]
struct Tail {
    number: u64,
    left: oneshot::Receiver<()>,
}

/// A place in a session's queue. The next may go when this is dropped, so it must not be dropped
/// before it has waited for its turn.
#[derive(Debug)]
pub(super) struct Place {
    queues: Arc<SessionQueues>,
    session: Arc<str>,
    number: u64,
    before: Option<oneshot::Receiver<()>>,
    /// Tells the next by being dropped.
    _leaving: oneshot::Sender<()>,
}

impl SessionQueues {
    /// Takes the next place in a session's queue.
    pub(super) fn join(self: &Arc<Self>, session: &Arc<str>) -> Place {
        let mut queues = self.lock();
        queues.places += 1;
        let number = queues.places;
        let (leaving, left) = oneshot::channel();
        let before = queues
            .tails
            .insert(Arc::clone(session), Tail { number, left });
        Place {
            queues: Arc::clone(self),
            session: Arc::clone(session),
            number,
            before: before.map(|tail| tail.left),
            _leaving: leaving,
        }
    }

    fn lock(&self) -> MutexGuard<'_, Queues> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Place {
    /// Waits until everybody before has left.
    pub(super) async fn turn(&mut self) {
        if let Some(before) = self.before.take() {
            // The sender says nothing: it is dropped.
            let _ = before.await;
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut queues = self.queues.lock();
        let last = queues.tails.get(&self.session).map(|tail| tail.number);
        if last == Some(self.number) {
            queues.tails.remove(&self.session);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn one_session_keeps_its_order_and_another_passes() {
        let queues = Arc::new(SessionQueues::default());
        let (s, t): (Arc<str>, Arc<str>) = ("s".into(), "t".into());
        let order = Arc::new(Mutex::new(Vec::new()));
        let mut first = queues.join(&s);
        let tasks: Vec<_> = (1..50)
            .map(|n| {
                let (mut place, order) = (queues.join(&s), Arc::clone(&order));
                tokio::spawn(async move {
                    place.turn().await;
                    order.lock().unwrap().push(n);
                })
            })
            .collect();
        queues.join(&t).turn().await;
        first.turn().await;
        assert!(order.lock().unwrap().is_empty());
        drop(first);
        for task in tasks {
            task.await.unwrap();
        }
        assert!(order.lock().unwrap().iter().copied().eq(1..50));
        assert!(queues.lock().tails.is_empty());
    }
}
