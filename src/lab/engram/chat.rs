//! REST chat: one turn a request.
#![expect(
    clippy::disallowed_methods,
    reason = "a turn runs in a task of its own, so that a hang-up does not stop it"
)]

use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use tokio::time::Instant;

use super::echo::Agent;
use super::hearing::{Hearing, Told, hearing};
use super::persist::Turn;
use super::{Handle, identity, persist, problem};
use crate::lab::faults::FaultKind;
use crate::lab::queue::Place;
use crate::lab::races::Failure;
use crate::lab::stamp::Stamp;
use crate::model::OpKind;

/// What a turn says that no agent could answer. Nothing is stored for it.
const APOLOGY: &str = "I apologize, but I encountered an issue processing your request. Please \
                       try again.";

struct Question {
    content: String,
    agent_id: Option<String>,
    session: Option<String>,
}

/// A question in its place.
struct Arrived {
    user: Arc<str>,
    session: Arc<str>,
    place: Place,
    content: String,
    agent_id: Option<String>,
}

pub(super) async fn chat(
    State(engram): State<Handle>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let Ok(user) = identity::of_rest(&headers) else {
        return problem::unauthorized("Token validation failed");
    };
    let question = match question(&body) {
        Ok(question) => question,
        Err(complaint) => return *complaint,
    };
    // Both are taken before anything waits: turns of one session stand in the order of arrival.
    let session = engram.admit(&user, question.session);
    let place = engram.queues.join(&session);
    let arrived = Arrived {
        user,
        session,
        place,
        content: question.content,
        agent_id: question.agent_id,
    };
    let (telling, hearing) = hearing();
    // A task of its own: the turn is completed and stored even if the client hangs up.
    match tokio::spawn(turn(engram, arrived, hearing)).await {
        Ok((response, told)) => {
            telling.tell(told);
            response
        }
        Err(_) => problem::detail(StatusCode::INTERNAL_SERVER_ERROR, "Internal Server Error"),
    }
}

/// Forgets the context of a session, of which the lab keeps none.
pub(super) async fn clear(Path(session_id): Path<String>) -> Response {
    let message = format!("Session {session_id} cleared");
    Json(json!({"success": true, "message": message})).into_response()
}

async fn turn(engram: Handle, arrived: Arrived, hearing: Hearing) -> (Response, Told) {
    let started = Instant::now();
    let Arrived {
        user,
        session,
        place,
        content,
        agent_id,
    } = arrived;
    let in_flight = engram.faults.enter(&user);
    engram.think().await;
    let Some(agent) = Agent::of_id(agent_id.as_deref()) else {
        persist::pass(&engram, place);
        let apology = answer(&engram, started, Agent::Elena, &session, APOLOGY);
        return (apology, Told::Accepted);
    };
    let reply = engram.reply(&session, &user, &content);
    engram.faults.answered(&user, &reply.text);
    let hits = engram.faults.strike(OpKind::Chat);
    let failure = hits
        .has(FaultKind::StoreThenFail)
        .then(|| engram.faults.next_failure());
    drop(in_flight);
    let response = answer(&engram, started, agent, &session, &reply.text);
    let turn = Turn {
        kind: OpKind::Chat,
        author: user,
        session,
        question: content,
        reply,
        agent,
        hearing: failure.map_or(hearing, |failure| Hearing::of(Told::by(failure))),
    };
    let task = persist::start(&engram, turn, place, hits);
    match failure {
        None => (response, Told::Accepted),
        Some(failure) => {
            // Only a task that breaks off is not waited for to its end.
            let _ = task.await;
            (denial(failure), Told::by(failure))
        }
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
    agent: Agent,
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
