//! Who is in flight, which faults strike, and the shared places through which users get mixed
//! up when they do.

use std::collections::{HashSet, VecDeque};
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::exchange::Exchange;
use super::faults::{FaultKind, FaultSpec};
use super::pool::{Object, Pool, Rented};
use super::stamp::Dice;
use crate::model::{OpKind, Route};

/// Recent answers that are kept for confusing them.
const RECENT_ANSWERS_MAX: usize = 8;

/// The faults of a lab and what they share.
#[derive(Debug)]
pub(super) struct Faults<T> {
    specs: Vec<FaultSpec>,
    dice: Arc<Dice>,
    in_flight: Arc<AtomicU32>,
    begun: AtomicU64,
    /// Who has sent something, where a fault waits for so many.
    seen: Mutex<HashSet<Arc<str>>>,
    /// When an operation began last.
    last_begun: Mutex<Option<Instant>>,
    /// The user of the request that came in last.
    current_user: Mutex<Option<Arc<str>>>,
    /// The user before, who is another one.
    user_before: Mutex<Option<Arc<str>>>,
    /// The user that was current when somebody first asked, for good.
    latched_user: Mutex<Option<Arc<str>>>,
    /// The user of the request that started the worker.
    worker_user: OnceLock<Arc<str>>,
    /// When the first request came, and whose it was.
    first: OnceLock<(Instant, Arc<str>)>,
    /// The objects of requests.
    objects: Pool,
    /// Does nothing reach the store any more?
    wedged: AtomicBool,
    recent_answers: Mutex<VecDeque<(Arc<str>, String)>>,
    fails: AtomicU32,
    /// Where the contexts of two turns' tasks meet.
    pub(super) tasks: Exchange<T>,
    /// Where the users of two uploads' tasks meet.
    pub(super) uploads: Exchange<Arc<str>>,
    /// Where two authors' chunks meet.
    pub(super) chunks: Exchange<(Arc<str>, String)>,
    /// Where chunks of two streamed answers meet, with those whom they are for.
    pub(super) streams: Exchange<(Arc<str>, String)>,
    /// Where two sockets' answers meet, with those whom they are for.
    pub(super) sockets: Exchange<(Arc<str>, String)>,
}

/// An operation in flight; it ends when this is dropped.
#[derive(Debug)]
pub(super) struct InFlight {
    count: Arc<AtomicU32>,
    /// The object of its request.
    object: Option<Rented>,
}

/// The faults that strike one operation.
#[derive(Debug, Clone, Default)]
pub(super) struct Hits {
    struck: Vec<FaultSpec>,
    /// The object of its request.
    pub(super) object: Option<Arc<Object>>,
}

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

impl<T> Faults<T> {
    pub(super) fn new(specs: Vec<FaultSpec>, dice: Arc<Dice>) -> Self {
        Self {
            specs,
            dice,
            in_flight: Arc::default(),
            begun: AtomicU64::new(0),
            seen: Mutex::default(),
            last_begun: Mutex::default(),
            current_user: Mutex::default(),
            user_before: Mutex::default(),
            latched_user: Mutex::default(),
            worker_user: OnceLock::new(),
            first: OnceLock::new(),
            objects: Pool::default(),
            wedged: AtomicBool::new(false),
            recent_answers: Mutex::default(),
            fails: AtomicU32::new(0),
            tasks: Exchange::default(),
            uploads: Exchange::default(),
            chunks: Exchange::default(),
            streams: Exchange::default(),
            sockets: Exchange::default(),
        }
    }

    /// Is there no fault at all?
    pub(super) fn none_planted(&self) -> bool {
        self.specs.is_empty()
    }

    /// Is this fault planted at all?
    pub(super) fn planted(&self, kind: FaultKind) -> bool {
        self.spec(kind).is_some()
    }

    /// The settings of this fault, if it is planted.
    pub(super) fn spec(&self, kind: FaultKind) -> Option<&FaultSpec> {
        self.specs.iter().find(|spec| spec.kind == kind)
    }

    /// Does a fault let anybody in on this route?
    pub(super) fn opens(&self, route: Route) -> bool {
        let mut specs = self.specs.iter();
        specs.any(|spec| spec.route == Some(route))
    }

    /// An operation of this user begins.
    pub(super) fn enter(&self, user: &Arc<str>) -> InFlight {
        self.begun.fetch_add(1, Ordering::Relaxed);
        self.in_flight.fetch_add(1, Ordering::Relaxed);
        if !self.specs.is_empty() {
            self.first
                .get_or_init(|| (Instant::now(), Arc::clone(user)));
            *lock(&self.last_begun) = Some(Instant::now());
            let before = lock(&self.current_user).replace(Arc::clone(user));
            if before.as_ref().is_some_and(|before| before != user) {
                *lock(&self.user_before) = before;
            }
        }
        if self.specs.iter().any(|spec| spec.users > 0) {
            lock(&self.seen).insert(Arc::clone(user));
        }
        let pooled = self.planted(FaultKind::ReusedObject);
        InFlight {
            count: Arc::clone(&self.in_flight),
            object: pooled.then(|| self.objects.rent(user)),
        }
    }

    /// Which faults strike an operation that is in flight now.
    pub(super) fn strike(&self, op: &InFlight, kind: OpKind) -> Hits {
        let in_flight = self.in_flight.load(Ordering::Relaxed);
        let begun = self.begun.load(Ordering::Relaxed);
        let users = lock(&self.seen).len();
        let strikes = |spec: &&FaultSpec| {
            spec.kind.touches(kind)
                && in_flight >= spec.from
                && begun > spec.after
                && users >= spec.users
                && self.dice.chance(spec.rate)
        };
        let hits = Hits {
            struck: self.specs.iter().filter(strikes).copied().collect(),
            object: op.object.as_ref().map(Rented::object),
        };
        if hits.has(FaultKind::Wedge) {
            self.wedged.store(true, Ordering::Relaxed);
        }
        hits
    }

    /// Does nothing reach the store any more?
    pub(super) fn wedged(&self) -> bool {
        self.wedged.load(Ordering::Relaxed)
    }

    /// Waits until no operation has begun for so long.
    pub(super) async fn quiet(&self, pause: Duration) {
        loop {
            let last = lock(&self.last_begun).unwrap_or_else(Instant::now);
            let until = last + pause;
            if until <= Instant::now() {
                return;
            }
            tokio::time::sleep_until(until).await;
        }
    }

    /// The user of the request that started the worker: this one's, if none was before.
    pub(super) fn worker_user(&self, user: &Arc<str>) -> Arc<str> {
        Arc::clone(self.worker_user.get_or_init(|| Arc::clone(user)))
    }

    /// The user of the first request, as long as the worker that it started is not ready.
    pub(super) fn starter(&self, starting: Duration) -> Option<Arc<str>> {
        let (since, user) = self.first.get()?;
        (since.elapsed() < starting).then(|| Arc::clone(user))
    }

    /// Another user who was active just now.
    pub(super) fn another_user(&self, user: &Arc<str>) -> Option<Arc<str>> {
        let of = |place: &Mutex<Option<Arc<str>>>| lock(place).clone().filter(|u| u != user);
        of(&self.current_user).or_else(|| of(&self.user_before))
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
        if self.planted(FaultKind::ForeignAnswer) {
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

impl Drop for InFlight {
    fn drop(&mut self) {
        self.count.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Hits {
    /// Does this fault strike?
    pub(super) fn has(&self, kind: FaultKind) -> bool {
        self.of(kind).is_some()
    }

    /// This fault's settings, if it strikes.
    pub(super) fn of(&self, kind: FaultKind) -> Option<&FaultSpec> {
        self.struck.iter().find(|spec| spec.kind == kind)
    }

    /// The window of this fault, if it strikes.
    pub(super) fn window(&self, kind: FaultKind) -> Option<Duration> {
        self.of(kind).map(|spec| spec.window)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults(spec: &str) -> Faults<()> {
        Faults::new(vec![spec.parse().unwrap()], Arc::new(Dice::new()))
    }

    #[test]
    fn a_fault_strikes_from_its_concurrency_and_after_its_operations() {
        let user: Arc<str> = "a".into();
        let struck = |faults: &Faults<()>, op: &InFlight| {
            let hits = faults.strike(op, OpKind::Chat);
            hits.has(FaultKind::LateBinding)
        };
        let faults = faults("late-binding:from=2:after=2");
        let first = faults.enter(&user);
        assert!(!struck(&faults, &first));
        let second = faults.enter(&user);
        assert!(
            !struck(&faults, &second),
            "two in flight, but only two begun"
        );
        drop(first);
        let third = faults.enter(&user);
        assert!(struck(&faults, &third));
        drop((second, third));
        let fourth = faults.enter(&user);
        assert!(!struck(&faults, &fourth), "one in flight");
    }

    #[test]
    fn a_fault_strikes_once_so_many_users_have_sent_something() {
        let faults = faults("reused-object:users=2");
        let struck = |user: &str| {
            let op = faults.enter(&user.into());
            let hits = faults.strike(&op, OpKind::Chat);
            hits.has(FaultKind::ReusedObject)
        };
        let struck = ["a", "a", "b", "a"].map(struck);
        assert_eq!(struck, [false, false, true, true]);
    }

    #[test]
    fn a_worker_is_started_by_the_first_and_for_a_while() {
        let faults = faults("cold-start");
        assert_eq!(faults.starter(Duration::MAX), None);
        drop(faults.enter(&"a".into()));
        drop(faults.enter(&"b".into()));
        assert_eq!(faults.starter(Duration::MAX).as_deref(), Some("a"));
        assert_eq!(faults.starter(Duration::ZERO), None);
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
}
