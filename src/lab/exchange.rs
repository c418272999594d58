//! A place where the things of two users in flight are exchanged.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::oneshot;

/// A place where two users' things can be exchanged.
#[derive(Debug)]
pub(super) struct Exchange<T>(Mutex<Option<Waiting<T>>>);

#[derive(Debug)]
struct Waiting<T> {
    user: Arc<str>,
    thing: T,
    reply: oneshot::Sender<T>,
}

/// How a meeting went. The one who waited and the one who came hold each other's thing.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Meeting<T> {
    /// Nobody came: one's own thing.
    Alone(T),
    /// Somebody came while one waited.
    Waited(T),
    /// Somebody was waiting.
    Came(T),
}

impl<T> Default for Exchange<T> {
    fn default() -> Self {
        Self(Mutex::new(None))
    }
}

impl<T> Exchange<T> {
    /// Waits at most `window` for somebody else, unless one is waiting already.
    pub(super) async fn meet(&self, user: &Arc<str>, thing: T, window: Duration) -> Meeting<T> {
        let mut reply = match self.come(user, thing) {
            Ok(meeting) => return meeting,
            Err(reply) => reply,
        };
        if let Ok(Ok(theirs)) = tokio::time::timeout(window, &mut reply).await {
            return Meeting::Waited(theirs);
        }
        if let Some(own) = self.leave(&mut reply) {
            return own;
        }
        match reply.await {
            Ok(theirs) => Meeting::Waited(theirs),
            // Cannot be: whoever takes a waiting thing replies under the same lock.
            Err(_) => std::future::pending().await,
        }
    }

    /// Takes what somebody else has left here, or leaves one's own and waits.
    fn come(&self, user: &Arc<str>, thing: T) -> Result<Meeting<T>, oneshot::Receiver<T>> {
        let mut place = lock(&self.0);
        match place.take() {
            Some(other) if other.user != *user => match other.reply.send(thing) {
                Ok(()) => Ok(Meeting::Came(other.thing)),
                // The other was cut off while it waited.
                Err(own) => Ok(Meeting::Alone(own)),
            },
            Some(own_other) => {
                *place = Some(own_other);
                Ok(Meeting::Alone(thing))
            }
            None => {
                let (sender, receiver) = oneshot::channel();
                *place = Some(Waiting {
                    user: Arc::clone(user),
                    thing,
                    reply: sender,
                });
                Err(receiver)
            }
        }
    }

    /// Takes one's own thing back; `None` if somebody has replied meanwhile.
    fn leave(&self, reply: &mut oneshot::Receiver<T>) -> Option<Meeting<T>> {
        let mut place = lock(&self.0);
        if let Ok(theirs) = reply.try_recv() {
            return Some(Meeting::Waited(theirs));
        }
        place.take().map(|waiting| Meeting::Alone(waiting.thing))
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: Duration = Duration::from_secs(30);

    #[tokio::test]
    async fn two_users_exchange_and_one_does_not() {
        let place = Arc::new(Exchange::default());
        let (a, b): (Arc<str>, Arc<str>) = ("a".into(), "b".into());
        assert_eq!(place.meet(&a, 1, Duration::ZERO).await, Meeting::Alone(1));
        let waits = tokio::spawn({
            let (place, a) = (Arc::clone(&place), Arc::clone(&a));
            async move { place.meet(&a, 1, LONG).await }
        });
        while lock(&place.0).is_none() {
            tokio::task::yield_now().await;
        }
        assert_eq!(place.meet(&a, 3, LONG).await, Meeting::Alone(3));
        assert_eq!(place.meet(&b, 2, LONG).await, Meeting::Came(1));
        assert_eq!(waits.await.unwrap(), Meeting::Waited(2));
    }
}
