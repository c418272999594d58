//! Turns that are held back until the next one of their session is stored.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::{Instant, timeout};

/// The turns that wait, and how far each session has come.
#[derive(Debug, Default)]
pub(super) struct Order {
    held: Mutex<HashMap<Arc<str>, oneshot::Sender<oneshot::Sender<()>>>>,
    /// When the newest turn arrived that a session holds.
    newest: Mutex<HashMap<Arc<str>, Instant>>,
}

/// A turn that is being held back.
#[derive(Debug)]
pub(super) struct Held(oneshot::Receiver<oneshot::Sender<()>>);

/// The next turn has let this one go, and waits until this is dropped.
#[derive(Debug)]
pub(super) struct Released {
    _stored: oneshot::Sender<()>,
}

impl Order {
    /// Begins to hold a turn back; `None` if one of its session is held already.
    pub(super) fn hold(&self, session: &Arc<str>) -> Option<Held> {
        let mut held = lock(&self.held);
        if held.contains_key(session) {
            return None;
        }
        let (release, released) = oneshot::channel();
        held.insert(Arc::clone(session), release);
        Some(Held(released))
    }

    /// Waits until the next turn of the session is stored; `None` if none comes in time.
    pub(super) async fn wait(
        &self,
        session: &Arc<str>,
        held: Held,
        at_most: Duration,
    ) -> Option<Released> {
        let released = timeout(at_most, held.0).await;
        if released.is_err() {
            lock(&self.held).remove(session);
        }
        released
            .ok()
            .and_then(Result::ok)
            .map(|stored| Released { _stored: stored })
    }

    /// Lets the turn go that is held back in a session, and waits until it is stored.
    pub(super) async fn release(&self, session: &Arc<str>) {
        let held = lock(&self.held).remove(session);
        let (stored, wait) = oneshot::channel();
        if held.is_some_and(|held| held.send(stored).is_ok()) {
            // It says nothing: its end is dropped.
            let _ = wait.await;
        }
    }

    /// A turn that arrived then is stored in a session.
    pub(super) fn stored(&self, session: &Arc<str>, arrived: Instant) {
        let mut newest = lock(&self.newest);
        let newest = newest.entry(Arc::clone(session)).or_insert(arrived);
        *newest = arrived.max(*newest);
    }

    /// Does a session hold a turn that arrived after this moment?
    pub(super) fn is_behind(&self, session: &Arc<str>, answered: Instant) -> bool {
        let newest = lock(&self.newest);
        newest.get(session).is_some_and(|newest| *newest > answered)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn one_turn_is_held_until_the_next_lets_it_go() {
        let order = Arc::new(Order::default());
        let s: Arc<str> = "s".into();
        let held = order.hold(&s).unwrap();
        assert!(order.hold(&s).is_none());
        let next = tokio::spawn({
            let (order, s) = (Arc::clone(&order), Arc::clone(&s));
            async move { order.release(&s).await }
        });
        let released = order.wait(&s, held, Duration::from_mins(1)).await;
        assert!(released.is_some() && !next.is_finished());
        drop(released);
        next.await.unwrap();
        let forgotten = order.hold(&s).unwrap();
        let released = order.wait(&s, forgotten, Duration::ZERO).await;
        assert!(released.is_none() && order.hold(&s).is_some());
    }
}
