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

use super::echo::{self, Agent};
use super::hearing::{Hearing, Told};
use super::{Handle, Reply};
use crate::lab::faults::FaultKind;
use crate::lab::queue::Place;
use crate::lab::races::{Hits, Meeting};
use crate::lab::stamp::Stamp;
use crate::lab::truth::{REST_PLACEHOLDER, VOICE_PLACEHOLDER, Wrong, owner_code};
use crate::lab::zep::{Appended, Metadata, NewMessage, NewSession, StoreError};
use crate::model::{Code, OpKind, RecordType};

/// Sessions of a user among which another one is chosen.
const OTHER_SESSIONS_MAX: usize = 64;

/// A turn that has an answer.
#[derive(Debug)]
pub(super) struct Turn {
    pub(super) kind: OpKind,
    /// Who sent it.
    pub(super) author: Arc<str>,
    /// The session it was sent in.
    pub(super) session: Arc<str>,
    pub(super) question: String,
    pub(super) reply: Reply,
    pub(super) agent: Agent,
    pub(super) hearing: Hearing,
}

/// For whom and where a task writes.
#[derive(Debug)]
pub(super) struct Context {
    /// As whom it writes.
    user: Arc<str>,
    session: Arc<str>,
    /// Whose session this is.
    session_user: Arc<str>,
    place: Place,
}

/// A fault that has changed a task's context.
type Cause = Option<FaultKind>;

/// Starts the task that stores a turn when its place in the session's queue is reached.
pub(super) fn start(engram: &Handle, turn: Turn, place: Place, hits: Hits) -> JoinHandle<()> {
    let context = Context {
        user: Arc::clone(&turn.author),
        session: Arc::clone(&turn.session),
        session_user: Arc::clone(&turn.author),
        place,
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
        OpKind::Chat | OpKind::Upload => ("persisting conversation", "conversation persisted"),
        OpKind::Voice => (
            "persisting voice conversation",
            "voice conversation persisted",
        ),
    };
    engram.info("started", doing, &context.user);
    if hits.has(FaultKind::DropAfterAck) {
        // Its place is left in its turn: those behind must not overtake those before.
        context.place.turn().await;
        return lost(engram, turn).await;
    }
    let (mut context, mut cause) = misbind(engram, turn, context, hits).await;
    context.place.turn().await;
    if hits.has(FaultKind::WrongSession)
        && let Some(other) = another_session(engram, turn)
    {
        context.session = other;
        cause = Some(FaultKind::WrongSession);
    }
    match store(engram, turn, &context, cause, hits).await {
        Ok(()) => engram.info("completed", done, &context.user),
        Err(error) => engram.failed(doing, &context.user, &error),
    }
}

/// Lets the planted faults change for whom and where a task writes.
async fn misbind(
    engram: &Handle,
    turn: &Turn,
    mut context: Context,
    hits: &Hits,
) -> (Context, Cause) {
    let mut cause = None;
    if let Some((user, fault)) = misbound_user(engram, turn.kind, hits).await {
        context.user = user;
        cause = Some(fault);
    }
    if let Some(window) = hits.window(FaultKind::CrossedTasks) {
        // The whole context goes over, its place in the queue too; the texts stay.
        context = match engram
            .faults
            .tasks
            .meet(&turn.author, context, window)
            .await
        {
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
    hits: &Hits,
) -> Option<(Arc<str>, FaultKind)> {
    if hits.has(FaultKind::AuthFallback) {
        let placeholder = match kind {
            OpKind::Chat | OpKind::Upload => REST_PLACEHOLDER,
            OpKind::Voice => VOICE_PLACEHOLDER,
        };
        return Some((placeholder.into(), FaultKind::AuthFallback));
    }
    if let Some(window) = hits.window(FaultKind::GlobalUser) {
        tokio::time::sleep(window).await;
        return Some((engram.faults.latched_user()?, FaultKind::GlobalUser));
    }
    let window = hits.window(FaultKind::LateBinding)?;
    tokio::time::sleep(window).await;
    Some((engram.faults.current_user()?, FaultKind::LateBinding))
}

/// Another session of the author, where there is one.
fn another_session(engram: &Handle, turn: &Turn) -> Option<Arc<str>> {
    let mut sessions = engram.store.sessions_of(&turn.author, OTHER_SESSIONS_MAX);
    sessions.retain(|session| *session.name != *turn.session);
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
) -> Result<(), StoreError> {
    if !hits.has(FaultKind::NoOwner) && cause != Some(FaultKind::WrongSession) {
        engram.store_delay().await;
        make_session(engram, turn, context, cause)?;
    }
    append(engram, turn, context, cause, hits).await?;
    if hits.has(FaultKind::DoubleWrite) {
        let again = Some(FaultKind::DoubleWrite);
        append(engram, turn, context, again, hits).await?;
    }
    Ok(())
}

/// Makes sure that the session exists, with the owner that the task takes for its user.
fn make_session(
    engram: &Handle,
    turn: &Turn,
    context: &Context,
    cause: Cause,
) -> Result<(), StoreError> {
    if engram.store.session(&context.session).is_some() {
        return Ok(());
    }
    let mut metadata = Metadata::new();
    metadata.insert("tenant_id".to_owned(), json!("dev-tenant"));
    metadata.insert("channel".to_owned(), json!(turn.kind.name()));
    metadata.insert("agent_id".to_owned(), json!(turn.agent.id()));
    let made = engram.store.create_session(NewSession {
        session_id: context.session.as_ref().to_owned(),
        user_id: Some(context.user.as_ref().to_owned()),
        metadata: Some(metadata),
    });
    match made {
        Ok(made) => judge_session(engram, context, made.user_id.as_deref(), cause),
        // Somebody else has made it meanwhile, or it was deleted and the write revives it.
        Err(StoreError::SessionExists(_)) => {}
        Err(error) => return Err(error),
    }
    Ok(())
}

/// A message to be stored, with what the truth knows about it.
struct Said {
    role_type: &'static str,
    author: Arc<str>,
    text: String,
    canary: Option<String>,
}

async fn append(
    engram: &Handle,
    turn: &Turn,
    context: &Context,
    cause: Cause,
    hits: &Hits,
) -> Result<(), StoreError> {
    engram.store_delay().await;
    let said = |role_type, text: &String, canary: &Option<String>| Said {
        role_type,
        author: Arc::clone(&turn.author),
        text: text.clone(),
        canary: canary.clone(),
    };
    let mut all = vec![
        said("user", &turn.question, &turn.reply.asked),
        said("assistant", &turn.reply.text, &turn.reply.word),
    ];
    if hits.has(FaultKind::ForeignAnswer)
        && let Some((author, text)) = engram.faults.answer_of_another(&turn.author)
    {
        all.push(Said {
            role_type: "assistant",
            author,
            canary: echo::reference_word(&text),
            text,
        });
    }
    let at = Stamp::now().to_string();
    let messages = all.iter().map(|said| {
        let mut metadata = Metadata::new();
        let agent_id = (said.role_type == "assistant").then_some(turn.agent.id());
        metadata.insert("agent_id".to_owned(), json!(agent_id));
        metadata.insert("timestamp".to_owned(), json!(at));
        NewMessage {
            role_type: Some(said.role_type.to_owned()),
            content: said.text.clone(),
            metadata: Some(metadata),
            ..NewMessage::default()
        }
    });
    let appended = engram.store.append(&context.session, messages.collect())?;
    if engram.truth.heard() {
        if appended.created && hits.has(FaultKind::NoOwner) {
            judge_session(engram, context, None, Some(FaultKind::NoOwner));
        }
        judge_messages(engram, turn, context, &all, &appended, cause);
    }
    Ok(())
}

/// Tells the truth about a session that was just made, if its owner is not whose it is.
fn judge_session(engram: &Handle, context: &Context, owner: Option<&str>, cause: Cause) {
    let code = owner_code(&context.session_user, owner);
    if let (Some(code), Some(fault)) = (code, cause) {
        let session = Arc::clone(&context.session);
        let mut misowned = engram.misowned();
        misowned.insert(session, fault);
        drop(misowned);
        engram.truth.tell(Wrong {
            fault,
            code,
            record_type: RecordType::Session,
            record_id: Some(context.session.as_ref().to_owned()),
            canary: None,
            true_user: &context.session_user,
            stored_owner: owner,
        });
    }
}

/// Tells the truth about messages that were just stored where they do not belong.
fn judge_messages(
    engram: &Handle,
    turn: &Turn,
    context: &Context,
    all: &[Said],
    appended: &Appended,
    cause: Cause,
) {
    let owner = appended.owner.as_deref();
    let misowned = engram.misowned().get(&context.session).copied();
    for (said, uuid) in all.iter().zip(&appended.uuids) {
        let foreign = (said.author != turn.author).then_some(FaultKind::ForeignAnswer);
        let wrong = if let Some(code) = owner_code(&said.author, owner) {
            foreign.or(misowned).or(cause).map(|fault| (code, fault))
        } else if context.session != turn.session {
            cause.map(|fault| (Code::SessionBleed, fault))
        } else if cause == Some(FaultKind::DoubleWrite) {
            Some((Code::Duplicate, FaultKind::DoubleWrite))
        } else if turn.hearing.refused() {
            Some((Code::Ghost, FaultKind::StoreThenFail))
        } else {
            None
        };
        if let Some((code, fault)) = wrong {
            engram.truth.tell(Wrong {
                fault,
                code,
                record_type: RecordType::Message,
                record_id: Some(uuid.to_string()),
                canary: said.canary.as_deref(),
                true_user: &said.author,
                stored_owner: owner,
            });
        }
    }
}

/// Tells the truth about a turn that has an answer and was never stored.
async fn lost(engram: &Handle, turn: &Turn) {
    let canary = turn.reply.asked.as_deref();
    // A question without a canary promises nothing that could be looked for.
    if canary.is_some() && turn.hearing.told().await == Told::Accepted {
        engram.truth.tell(Wrong {
            fault: FaultKind::DropAfterAck,
            code: Code::Lost,
            record_type: RecordType::Message,
            record_id: None,
            canary,
            true_user: &turn.author,
            stored_owner: None,
        });
    }
}
