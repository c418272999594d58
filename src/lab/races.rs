//! Who is in flight, which faults strike, and the shared places through which users get mixed
//! up when they do.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::oneshot;

use super::faults::{FaultKind, FaultSpec};
use super::stamp::Dice;
use crate::model::OpKind;

/// Recent answers that are kept for confusing them.
const RECENT_ANSWERS_MAX: usize = 8;

/// The faults of a lab and what they share.
#[derive(Debug)]
pub(super) struct Faults<T> {
    specs: Vec<FaultSpec>,
    dice: Arc<Dice>,
    in_flight: AtomicU32,
    begun: AtomicU64,
    /// The user of the request that came in last.
    current_user: Mutex<Option<Arc<str>>>,
    /// The user that was current when somebody first asked, for good.
    latched_user: Mutex<Option<Arc<str>>>,
    recent_answers: Mutex<VecDeque<(Arc<str>, String)>>,
    fails: AtomicU32,
    /// Where the contexts of two turns' tasks meet.
    pub(super) tasks: Exchange<T>,
    /// Where the users of two uploads' tasks meet.
    pub(super) uploads: Exchange<Arc<str>>,
    /// Where two authors' chunks meet.
    pub(super) chunks: Exchange<(Arc<str>, String)>,
    /// Where two sockets' answers meet, with those whom they are for.
    pub(super) sockets: Exchange<(Arc<str>, String)>,
}

/// An operation in flight; it ends when this is dropped.
#[derive(Debug)]
pub(super) struct InFlight<'a>(&'a AtomicU32);

/// The faults that strike one operation, with their windows.
#[derive(Debug, Clone, Default)]
pub(super) struct Hits(Vec<(FaultKind, Duration)>);

/// How a stored operation is denied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Failure {
    /// 500.
    Internal,
    /// 400.
    BadRequest,
    /// The connection breaks off.
    Broken,
}

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

impl<T> Faults<T> {
    pub(super) fn new(specs: Vec<FaultSpec>, dice: Arc<Dice>) -> Self {
        Self {
            specs,
            dice,
            in_flight: AtomicU32::new(0),
            begun: AtomicU64::new(0),
            current_user: Mutex::default(),
            latched_user: Mutex::default(),
            recent_answers: Mutex::default(),
            fails: AtomicU32::new(0),
            tasks: Exchange(Mutex::new(None)),
            uploads: Exchange(Mutex::new(None)),
            chunks: Exchange(Mutex::new(None)),
            sockets: Exchange(Mutex::new(None)),
        }
    }

    /// An operation of this user begins.
    pub(super) fn enter(&self, user: &Arc<str>) -> InFlight<'_> {
        self.begun.fetch_add(1, Ordering::Relaxed);
        self.in_flight.fetch_add(1, Ordering::Relaxed);
        if !self.specs.is_empty() {
            *lock(&self.current_user) = Some(Arc::clone(user));
        }
        InFlight(&self.in_flight)
    }

    /// Which faults strike an operation that is in flight now.
    pub(super) fn strike(&self, kind: OpKind) -> Hits {
        let in_flight = self.in_flight.load(Ordering::Relaxed);
        let begun = self.begun.load(Ordering::Relaxed);
        let strikes = |spec: &&FaultSpec| {
            spec.kind.touches(kind)
                && in_flight >= spec.from
                && begun > spec.after
                && self.dice.chance(spec.rate)
        };
        let struck = self.specs.iter().filter(strikes);
        Hits(struck.map(|spec| (spec.kind, spec.window)).collect())
    }

    /// The user of the request that came in last.
    pub(super) fn current_user(&self) -> Option<Arc<str>> {
        lock(&self.current_user).clone()
    }

    /// The user that was current when this was first asked.
    pub(super) fn latched_user(&self) -> Option<Arc<str>> {
        let current = self.current_user();
        let mut latched = lock(&self.latched_user);
        if latched.is_none() {
            *latched = current;
        }
        latched.clone()
    }

    /// Keeps an answer for confusing it.
    pub(super) fn answered(&self, user: &Arc<str>, answer: &str) {
        if self
            .specs
            .iter()
            .any(|s| s.kind == FaultKind::ForeignAnswer)
        {
            let mut recent = lock(&self.recent_answers);
            recent.push_front((Arc::clone(user), answer.to_owned()));
            recent.truncate(RECENT_ANSWERS_MAX);
        }
    }

    /// The newest answer to anybody else, and whose it is.
    pub(super) fn answer_of_another(&self, user: &Arc<str>) -> Option<(Arc<str>, String)> {
        let recent = lock(&self.recent_answers);
        recent.iter().find(|(whose, _)| whose != user).cloned()
    }

    /// How the next stored operation is denied: each way in turn.
    pub(super) fn next_failure(&self) -> Failure {
        match self.fails.fetch_add(1, Ordering::Relaxed) % 3 {
            0 => Failure::Internal,
            1 => Failure::BadRequest,
            _ => Failure::Broken,
        }
    }
}

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Hits {
    /// Does this fault strike?
    pub(super) fn has(&self, kind: FaultKind) -> bool {
        self.window(kind).is_some()
    }

    /// The window of this fault, if it strikes.
    pub(super) fn window(&self, kind: FaultKind) -> Option<Duration> {
        let hit = self.0.iter().find(|(struck, _)| *struck == kind);
        hit.map(|(_, window)| *window)
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

    fn faults(spec: &str) -> Faults<()> {
        Faults::new(vec![spec.parse().unwrap()], Arc::new(Dice::new()))
    }

    #[test]
    fn a_fault_strikes_from_its_concurrency_and_after_its_operations() {
        let user: Arc<str> = "a".into();
        let struck = |faults: &Faults<()>| {
            let hits = faults.strike(OpKind::Chat);
            hits.has(FaultKind::LateBinding)
        };
        let faults = faults("late-binding:from=2:after=2");
        let first = faults.enter(&user);
        assert!(!struck(&faults));
        let second = faults.enter(&user);
        assert!(!struck(&faults), "two in flight, but only two begun");
        drop(first);
        let third = faults.enter(&user);
        assert!(struck(&faults));
        drop((second, third));
        let _fourth = faults.enter(&user);
        assert!(!struck(&faults), "one in flight");
    }

    #[test]
    fn a_latched_user_stays() {
        let faults = faults("global-user");
        drop(faults.enter(&"a".into()));
        assert_eq!(faults.latched_user().as_deref(), Some("a"));
        drop(faults.enter(&"b".into()));
        assert_eq!(faults.latched_user().as_deref(), Some("a"));
        assert_eq!(faults.current_user().as_deref(), Some("b"));
    }

    #[tokio::test]
    async fn two_users_exchange_and_one_does_not() {
        let place = Arc::new(Exchange(Mutex::new(None)));
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
