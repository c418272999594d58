//! REST chat: one turn a request.
#![expect(
    clippy::disallowed_methods,
    reason = "a turn runs in a task of its own, so that a hang-up does not stop it"
)]

use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::{ConnectInfo, Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use tokio::time::Instant;

use super::admission::Admission;
use super::echo::Agent;
use super::hearing::{Hearing, Told, hearing};
use super::logins::Caller;
use super::overlap::Index;
use super::persist::Turn;
use super::recall::{Reply, Shown};
use super::upstream::Aborted;
use super::{Handle, echo, identity, persist, problem};
use crate::lab::doors::ConnectionIx;
use crate::lab::faults::FaultKind;
use crate::lab::log::Named;
use crate::lab::queue::Place;
use crate::lab::quirks::QuirkKind;
use crate::lab::races::{Failure, Hits, InFlight};
use crate::lab::stamp::Stamp;
use crate::model::{OpKind, Route};

/// What a turn says that no agent could answer. Nothing is stored for it.
pub(super) const APOLOGY: &str = "I apologize, but I encountered an issue processing your request. Please \
                       try again.";

struct Question {
    content: String,
    agent_id: Option<String>,
    session: Option<String>,
}

/// A question in its place.
struct Arrived {
    named: Named,
    user: Arc<str>,
    admission: Admission,
    place: Place,
    content: String,
    agent_id: Option<String>,
    hearing: Hearing,
    at: Instant,
}

/// What comes of a question.
#[derive(Debug)]
pub(super) struct Done {
    shown: Shown,
    agent: Agent,
    failure: Option<Failure>,
}

pub(super) async fn chat(
    State(engram): State<Handle>,
    ConnectInfo(connection): ConnectInfo<ConnectionIx>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let Some(user) = engram.reader(&headers, Route::Chat) else {
        return problem::unauthorized("Token validation failed");
    };
    let question = match question(&body) {
        Ok(question) => question,
        Err(complaint) => return *complaint,
    };
    // All of this is done before anything waits: turns of one session stand in the order of their
    // arrival.
    let in_flight = engram.faults.enter(&user);
    let hits = engram.faults.strike(&in_flight, OpKind::Chat);
    let caller = Caller {
        user: &user,
        connection,
        login: identity::login_of(&headers),
    };
    let admission = engram.admit_caller(caller, question.session, &hits);
    let place = engram.queues.join(&admission.session);
    let (telling, hearing) = hearing();
    let session = Arc::clone(&admission.session);
    let asked = echo::reference_word(&question.content);
    let arrived = Arrived {
        named: Named::by(&headers),
        user: Arc::clone(&user),
        admission,
        place,
        content: question.content,
        agent_id: question.agent_id,
        hearing,
        at: Instant::now(),
    };
    let started = arrived.at;
    let Some(done) = ask(&engram, arrived, in_flight, hits).await else {
        let why = "Internal Server Error";
        return problem::detail(StatusCode::INTERNAL_SERVER_ERROR, why);
    };
    if let Some(failure) = done.failure {
        return denial(failure);
    }
    telling.tell(Told::Accepted);
    engram.judge_answer(&session, &user, asked.as_deref(), &done.shown);
    answer(&engram, started, &done.agent, &session, &done.shown.text)
}

/// Forgets the context of a session, of which the lab keeps none. Only its own user may ask; the
/// snapshot does it for anybody.
pub(super) async fn clear(
    State(engram): State<Handle>,
    Path(session_id): Path<String>,
    headers: HeaderMap,
) -> Response {
    let Some(user) = engram.reader(&headers, Route::Delete) else {
        return problem::unauthorized("Token validation failed");
    };
    if engram.faults.opens(Route::Delete) {
        engram.delete_for(&session_id, &user);
    } else if !engram.profile.is_snapshot() && engram.is_anothers(&session_id, &user) {
        return problem::detail(StatusCode::NOT_FOUND, "Session not found");
    }
    let message = format!("Session {session_id} cleared");
    Json(json!({"success": true, "message": message})).into_response()
}

/// Has the agent answer. `None` if it broke off.
async fn ask(engram: &Handle, arrived: Arrived, in_flight: InFlight, hits: Hits) -> Option<Done> {
    let aborted = if hits.has(FaultKind::StaleConnection) {
        Aborted::Reused
    } else {
        Aborted::Discarded
    };
    let work = turn(Arc::clone(engram), arrived, in_flight, hits);
    match engram.faults.spec(FaultKind::StaleConnection) {
        // A task of its own: the turn is completed and stored even if the client hangs up.
        None => tokio::spawn(work).await.ok(),
        Some(spec) => engram.upstream.ask(work, spec.window, aborted).await,
    }
}

async fn turn(engram: Handle, arrived: Arrived, in_flight: InFlight, hits: Hits) -> Done {
    let session = Arc::clone(&arrived.admission.session);
    let (user, content) = (arrived.user, arrived.content);
    let asked_at = engram.keep_question(&session, &content, &hits);
    if engram.profile.is_snapshot() {
        let writer = &arrived.admission.writer;
        engram.enrich(&session, writer, OpKind::Chat).await;
    }
    engram.think().await;
    let done = |shown, agent| Done {
        shown,
        agent,
        failure: None,
    };
    let Some(agent) = Agent::of_id(arrived.agent_id.as_deref()) else {
        persist::pass(&engram, arrived.place);
        return done(Shown::plain(&user, APOLOGY), Agent::default());
    };
    if engram.meets(QuirkKind::Apologies) {
        persist::pass(&engram, arrived.place);
        return done(Shown::plain(&user, APOLOGY), agent);
    }
    if let Some(cached) = engram.cached(&content, &hits) {
        // What the cache answers reaches neither agent nor store.
        persist::pass(&engram, arrived.place);
        return done(cached, agent);
    }
    let reply = engram.reply(&session, &user, &content);
    let shown = engram.shown((&user, agent.id()), &reply, &hits);
    engram.cache(&content, &reply, &shown, &hits);
    engram.faults.answered(&user, &reply.text);
    let failure = hits
        .has(FaultKind::StoreThenFail)
        .then(|| engram.faults.next_failure());
    drop(in_flight);
    let answered_at = asked_at.map(|asked| [asked, engram.keep_answer(&session, &reply)]);
    let turn = Turn {
        kind: OpKind::Chat,
        named: arrived.named,
        author: user,
        admission: arrived.admission,
        question: content,
        reply,
        agent: agent.clone(),
        hearing: failure.map_or(arrived.hearing, |f| Hearing::of(Told::by(f))),
        arrived: arrived.at,
        answered: Instant::now(),
        context: answered_at,
    };
    let task = persist::start(&engram, turn, arrived.place, hits);
    if failure.is_some() {
        // Only a task that breaks off is not waited for to its end.
        let _ = task.await;
    }
    Done {
        failure,
        ..done(shown, agent)
    }
}

impl super::Engram {
    /// Adds a question to its session's context, where a planted fault makes turns share one.
    fn keep_question(&self, session: &Arc<str>, question: &str, hits: &Hits) -> Option<Index> {
        let snapshot = self.profile.is_snapshot();
        if !snapshot && !self.faults.planted(FaultKind::LastTwoTurns) {
            return None;
        }
        if snapshot || hits.has(FaultKind::LastTwoTurns) {
            self.contexts.share(session);
        }
        let word = echo::reference_word(question);
        Some(
            self.contexts
                .push(session, "user", question, word.as_deref()),
        )
    }

    fn keep_answer(&self, session: &Arc<str>, reply: &Reply) -> Index {
        let word = reply.word.as_deref();
        self.contexts.push(session, "assistant", &reply.text, word)
    }
}

/// How a stored operation is denied to the client.
pub(super) fn denial(failure: Failure) -> Response {
    match failure {
        Failure::Internal => {
            problem::detail(StatusCode::INTERNAL_SERVER_ERROR, "Internal Server Error")
        }
        Failure::BadRequest => problem::detail(StatusCode::BAD_REQUEST, "Bad Request"),
        Failure::Broken => problem::broken_off(),
    }
}

fn answer(
    engram: &Handle,
    started: Instant,
    agent: &Agent,
    session: &str,
    content: &str,
) -> Response {
    let body = json!({
        "message_id": engram.dice.uuid(), "content": content, "agent_id": agent.id(),
        "agent_name": agent.name(), "timestamp": Stamp::now(), "tokens_used": 0,
        "latency_ms": started.elapsed().as_secs_f64() * 1_000.0, "session_id": session,
    });
    Json(body).into_response()
}

/// Reads a request; the complaint is in the shape of the original's validator.
fn question(body: &Bytes) -> Result<Question, Box<Response>> {
    let complain = |kind, field, complaint, input: &Value| {
        Box::new(problem::unprocessable(kind, field, complaint, input))
    };
    let not_text = "Input should be a valid string";
    let body: Value = serde_json::from_slice(body)
        .map_err(|_| complain("json_invalid", "", "JSON decode error", &json!({})))?;
    let Value::Object(mut fields) = body else {
        let complaint = "Input should be a valid dictionary or object to extract fields from";
        return Err(complain("model_attributes_type", "", complaint, &body));
    };
    let content = match fields.remove("content") {
        Some(Value::String(content)) if !content.is_empty() => content,
        Some(empty @ Value::String(_)) => {
            let complaint = "String should have at least 1 character";
            return Err(complain("string_too_short", "content", complaint, &empty));
        }
        Some(other) => return Err(complain("string_type", "content", not_text, &other)),
        None => {
            let input = Value::Object(fields);
            return Err(complain("missing", "content", "Field required", &input));
        }
    };
    let mut optional = |field| match fields.remove(field) {
        Some(Value::String(text)) => Ok(Some(text)),
        None | Some(Value::Null) => Ok(None),
        Some(other) => Err(complain("string_type", field, not_text, &other)),
    };
    let agent_id = optional("agent_id")?;
    let session = optional("session_id")?.filter(|session| !session.is_empty());
    Ok(Question {
        content,
        agent_id,
        session,
    })
}
