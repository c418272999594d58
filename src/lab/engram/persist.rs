//! Background tasks that store a turn, and what planted faults make of them.
//!
//! A task is started after the answer is decided and holds its own copy of everything it needs.
//! It waits for its place in the session's queue, makes sure that the session exists with its
//! owner, and appends both messages.
#![expect(
    clippy::disallowed_methods,
    reason = "background tasks are what this file is about"
)]

use std::sync::Arc;
use std::sync::atomic::Ordering;

use serde_json::json;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout};

use super::admission::Admission;
use super::diary::Diary;
use super::echo::Agent;
use super::enrich::PERSISTENCE_LIMIT;
use super::hearing::{Hearing, Told};
use super::order::Released;
use super::overlap::Index;
use super::said::{self, Said};
use super::{Handle, Reply, judge};
use crate::lab::exchange::Meeting;
use crate::lab::faults::FaultKind;
use crate::lab::log::Named;
use crate::lab::profile::Profile;
use crate::lab::queue::Place;
use crate::lab::races::Hits;
use crate::lab::truth::{REST_PLACEHOLDER, STREAM_PLACEHOLDER, VOICE_PLACEHOLDER};
use crate::lab::zep::{Metadata, NewSession, StoreError};
use crate::model::OpKind;

/// Sessions of a user among which another one is chosen.
const OTHER_SESSIONS_MAX: usize = 64;
/// Ends the id of a session that is listed a second time.
const SECOND_LISTING: &str = "~2";

/// A turn that has an answer.
#[derive(Debug)]
pub(super) struct Turn {
    pub(super) kind: OpKind,
    /// What its request calls itself.
    pub(super) named: Named,
    /// Who sent it.
    pub(super) author: Arc<str>,
    /// Where it belongs, or where a fault lets it go.
    pub(super) admission: Admission,
    pub(super) question: String,
    pub(super) reply: Reply,
    pub(super) agent: Agent,
    /// What its client is told.
    pub(super) hearing: Hearing,
    pub(super) arrived: Instant,
    pub(super) answered: Instant,
    /// Where question and answer stand in the session's context, where one is kept.
    pub(super) context: Option<[Index; 2]>,
}

/// For whom and where a task writes.
#[derive(Debug)]
pub(super) struct Context {
    /// As whom it writes.
    pub(super) user: Arc<str>,
    pub(super) session: Arc<str>,
    /// Whose session this is.
    pub(super) session_user: Arc<str>,
    /// Its place in the session's queue; none while it is held back.
    place: Option<Place>,
}

impl Context {
    async fn turn(&mut self) {
        if let Some(place) = &mut self.place {
            place.turn().await;
        }
    }
}

/// A fault that has changed a task's context.
pub(super) type Cause = Option<FaultKind>;

/// Why a turn is not in the store.
#[derive(Debug)]
enum Unstored {
    /// The store refused it.
    Refused(StoreError),
    /// The task took too long, and was given up.
    TimedOut,
    /// It never got there, and nobody noticed.
    Swallowed(FaultKind),
}

/// Starts the task that stores a turn when its place in the session's queue is reached.
pub(super) fn start(engram: &Handle, turn: Turn, place: Place, hits: Hits) -> JoinHandle<()> {
    let context = Context {
        user: Arc::clone(&turn.admission.writer),
        session: Arc::clone(&turn.admission.session),
        session_user: Arc::clone(&turn.admission.session_user),
        place: Some(place),
    };
    let running = Running::new(engram);
    tokio::spawn(async move { persist(&running.0, &turn, context, &hits).await })
}

/// Leaves a place of which nothing comes, when it is reached: those behind must not overtake
/// those before.
pub(super) fn pass(engram: &Handle, mut place: Place) {
    let running = Running::new(engram);
    tokio::spawn(async move {
        place.turn().await;
        drop(running);
    });
}

/// A background task that has not ended.
pub(super) struct Running(pub(super) Handle);

impl Running {
    pub(super) fn new(engram: &Handle) -> Self {
        engram.background.fetch_add(1, Ordering::AcqRel);
        Self(Arc::clone(engram))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.0.background.fetch_sub(1, Ordering::AcqRel);
    }
}

async fn persist(engram: &Handle, turn: &Turn, mut context: Context, hits: &Hits) {
    let (doing, done) = match turn.kind {
        OpKind::Chat | OpKind::Upload | OpKind::Stream | OpKind::Turn => {
            ("persisting conversation", "conversation persisted")
        }
        OpKind::Voice => (
            "persisting voice conversation",
            "voice conversation persisted",
        ),
    };
    let about = (None, turn.reply.asked.as_deref());
    let diary = Diary::new(engram, (&turn.named, hits), &turn.author, about);
    diary.started(doing, &context.user);
    if hits.has(FaultKind::LogCompletedNotStored) {
        context.turn().await;
        diary.completed(done, &context.user);
        return judge::lost_in_log(engram, turn, &diary).await;
    }
    if hits.has(FaultKind::DropAfterAck) {
        // Its place is left in its turn: those behind must not overtake those before.
        context.turn().await;
        return judge::lost(engram, turn, FaultKind::DropAfterAck).await;
    }
    let (mut context, cause) = misbind(engram, turn, context, hits).await;
    context.turn().await;
    let (mut context, held) = held_back(engram, context, hits).await;
    let cause = misplace(engram, turn, &mut context, hits).or(cause);
    let begun = Instant::now();
    engram.dawdle(turn.answered).await;
    let stored = match engram.profile {
        Profile::Engram | Profile::StrictV1 | Profile::V2 | Profile::Cloud => {
            store(engram, turn, &context, cause, hits).await
        }
        Profile::F878ddb => within_limit(engram, turn, &context, cause, hits).await,
    };
    let stored = match stored {
        Ok(()) => once_more(engram, turn, &context, hits, begun).await,
        Err(unstored) => Err(unstored),
    };
    match stored {
        Ok(()) => diary.completed(done, &context.user),
        Err(Unstored::Refused(error)) => diary.failed(doing, &context.user, &error),
        Err(Unstored::TimedOut) => engram.log.warn("Memory persistence timed out (background)"),
        Err(Unstored::Swallowed(fault)) => judge::lost(engram, turn, fault).await,
    }
    if engram.faults.planted(FaultKind::ReorderWrites) {
        if turn.hearing.told().await == Told::Accepted {
            engram.order.stored(&context.session, turn.arrived);
        }
        if held.is_none() {
            engram.order.release(&context.session).await;
        }
    }
}

/// Stores a turn as the snapshot does: it makes no session, and takes no longer than its limit.
async fn within_limit(
    engram: &Handle,
    turn: &Turn,
    context: &Context,
    cause: Cause,
    hits: &Hits,
) -> Result<(), Unstored> {
    let write = async {
        engram.store_calls.write().await;
        append(engram, turn, context, cause, hits).await
    };
    let written = timeout(PERSISTENCE_LIMIT, write).await;
    written.unwrap_or(Err(Unstored::TimedOut))
}

/// Lets the planted faults change for whom a task writes.
async fn misbind(
    engram: &Handle,
    turn: &Turn,
    mut context: Context,
    hits: &Hits,
) -> (Context, Cause) {
    let mut cause = turn.admission.cause;
    if let Some((user, fault)) = misbound_user(engram, turn.kind, &turn.author, hits).await {
        context.user = user;
        cause = Some(fault);
    }
    if let Some(window) = hits.window(FaultKind::CrossedTasks) {
        // The whole context goes over, its place in the queue too; the texts stay.
        let tasks = &engram.faults.tasks;
        context = match tasks.meet(&turn.author, context, window).await {
            Meeting::Alone(own) => own,
            Meeting::Waited(other) | Meeting::Came(other) => {
                cause = Some(FaultKind::CrossedTasks);
                other
            }
        };
    }
    (context, cause)
}

/// The user that a task takes for its own, if a planted fault makes it look in a wrong place.
pub(super) async fn misbound_user(
    engram: &Handle,
    kind: OpKind,
    author: &Arc<str>,
    hits: &Hits,
) -> Option<(Arc<str>, FaultKind)> {
    if hits.has(FaultKind::AuthFallback) {
        let placeholder = match kind {
            OpKind::Chat | OpKind::Upload => REST_PLACEHOLDER,
            OpKind::Voice | OpKind::Turn => VOICE_PLACEHOLDER,
            OpKind::Stream => STREAM_PLACEHOLDER,
        };
        return Some((placeholder.into(), FaultKind::AuthFallback));
    }
    if hits.has(FaultKind::InheritedContext) {
        let worker = engram.faults.worker_user(author);
        return Some((worker, FaultKind::InheritedContext));
    }
    if let Some(window) = hits.window(FaultKind::ColdStart) {
        return Some((engram.faults.starter(window)?, FaultKind::ColdStart));
    }
    if let Some(window) = hits.window(FaultKind::GlobalUser) {
        tokio::time::sleep(window).await;
        return Some((engram.faults.latched_user()?, FaultKind::GlobalUser));
    }
    if let Some(window) = hits.window(FaultKind::ReusedObject) {
        tokio::time::sleep(window).await;
        return Some((hits.object.as_ref()?.user(), FaultKind::ReusedObject));
    }
    let window = hits.window(FaultKind::LateBinding)?;
    tokio::time::sleep(window).await;
    Some((engram.faults.current_user()?, FaultKind::LateBinding))
}

/// Holds a turn back until the next one is stored. `Some`: that one keeps the queue waiting until
/// this is dropped.
async fn held_back(
    engram: &Handle,
    mut context: Context,
    hits: &Hits,
) -> (Context, Option<Released>) {
    let Some(spec) = hits.of(FaultKind::ReorderWrites) else {
        return (context, None);
    };
    let Some(held) = engram.order.hold(&context.session) else {
        return (context, None);
    };
    // The place is left, so that the next turn is stored now.
    context.place = None;
    let order = &engram.order;
    let released = order.wait(&context.session, held, spec.delay).await;
    if released.is_none() {
        context.place = Some(engram.queues.join(&context.session));
        context.turn().await;
    }
    (context, released)
}

/// Lets the planted faults change where a task writes.
fn misplace(engram: &Handle, turn: &Turn, context: &mut Context, hits: &Hits) -> Cause {
    if hits.has(FaultKind::WrongSession)
        && let Some(other) = another_session(engram, turn)
    {
        context.session = other;
        return Some(FaultKind::WrongSession);
    }
    if engram.faults.planted(FaultKind::SplitOwner) {
        let other = engram.faults.another_user(&turn.author);
        let other = other.filter(|_| hits.has(FaultKind::SplitOwner));
        let goes = engram.sessions.beside(&context.session, other.is_some());
        if let Some(other) = other.filter(|_| goes) {
            context.session = format!("{}{SECOND_LISTING}", context.session).into();
            context.user = other;
            return Some(FaultKind::SplitOwner);
        }
    }
    None
}

/// Another session of the author, where there is one.
fn another_session(engram: &Handle, turn: &Turn) -> Option<Arc<str>> {
    let mut sessions = engram.store.sessions_of(&turn.author, OTHER_SESSIONS_MAX);
    sessions.retain(|session| *session.name != *turn.admission.session);
    let chosen = engram.dice.pick(sessions.len());
    let chosen = sessions.get(chosen)?;
    Some(chosen.name.as_str().into())
}

async fn store(
    engram: &Handle,
    turn: &Turn,
    context: &Context,
    cause: Cause,
    hits: &Hits,
) -> Result<(), Unstored> {
    if !hits.has(FaultKind::NoOwner) && cause != Some(FaultKind::WrongSession) {
        engram.store_delay().await;
        make_session(engram, turn, context, cause)?;
    }
    if let Some(spec) = hits.of(FaultKind::SlowStore) {
        engram.faults.quiet(spec.delay).await;
    }
    append(engram, turn, context, cause, hits).await?;
    if hits.has(FaultKind::DoubleWrite) {
        let again = Some(FaultKind::DoubleWrite);
        let second = append(engram, turn, context, again, hits).await;
        if let Err(refused @ Unstored::Refused(_)) = second {
            return Err(refused);
        }
    }
    Ok(())
}

/// Writes a turn again for which the store has taken too long.
async fn once_more(
    engram: &Handle,
    turn: &Turn,
    context: &Context,
    hits: &Hits,
    begun: Instant,
) -> Result<(), Unstored> {
    let patience = hits.of(FaultKind::BlindRetry).map(|spec| spec.delay);
    if patience.is_none_or(|patience| begun.elapsed() < patience) {
        return Ok(());
    }
    append(engram, turn, context, Some(FaultKind::BlindRetry), hits).await
}

/// Makes sure that the session exists, with the owner that the task takes for its user.
fn make_session(
    engram: &Handle,
    turn: &Turn,
    context: &Context,
    cause: Cause,
) -> Result<(), Unstored> {
    if engram.store.session(&context.session).is_some() || engram.faults.wedged() {
        return Ok(());
    }
    let mut metadata = Metadata::new();
    metadata.insert("tenant_id".to_owned(), json!("dev-tenant"));
    metadata.insert("channel".to_owned(), json!(turn.kind.name()));
    metadata.insert("agent_id".to_owned(), json!(turn.agent.id()));
    let made = engram.store.open_session(NewSession {
        session_id: context.session.as_ref().to_owned(),
        user_id: Some(context.user.as_ref().to_owned()),
        metadata: Some(metadata),
    });
    match made {
        Ok(made) => judge::session(engram, context, made.user_id.as_deref(), cause),
        // Somebody else has made it meanwhile, or it was deleted and the write revives it; or the
        // store does not know the user, and the write will make the session without an owner.
        Err(StoreError::SessionExists(_) | StoreError::NoSuchUser(_)) => {}
        Err(error) => return Err(Unstored::Refused(error)),
    }
    Ok(())
}

async fn append(
    engram: &Handle,
    turn: &Turn,
    context: &Context,
    cause: Cause,
    hits: &Hits,
) -> Result<(), Unstored> {
    engram.store_delay().await;
    if engram.faults.wedged() {
        return Err(Unstored::Swallowed(FaultKind::Wedge));
    }
    let all = said::messages(engram, turn, hits, cause);
    if let Some(spec) = hits.of(FaultKind::LengthLimit) {
        let too_long = |said: &Said| said.text.chars().count() > spec.limit;
        if all.iter().any(too_long) {
            return Err(Unstored::Swallowed(FaultKind::LengthLimit));
        }
    }
    let messages = all.iter().map(|said| said.as_new(&turn.agent)).collect();
    let appended = engram.store.append(&context.session, messages);
    let appended = appended.map_err(Unstored::Refused)?;
    engram.summarise(&context.session);
    if engram.truth.heard() {
        if appended.created && hits.has(FaultKind::NoOwner) {
            judge::session(engram, context, None, Some(FaultKind::NoOwner));
        }
        judge::messages(engram, turn, context, &all, &appended, (cause, hits)).await;
    }
    Ok(())
}
