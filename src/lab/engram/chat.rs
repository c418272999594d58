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
use super::persist::{Told, Turn};
use super::{Handle, echo, identity, persist, problem};
use crate::lab::faults::FaultKind;
use crate::lab::races::Failure;
use crate::lab::stamp::Stamp;
use crate::model::OpKind;

/// What a turn says that no agent could answer. Nothing is stored for it.
const APOLOGY: &str = "I apologize, but I encountered an issue processing your request. Please \
                       try again.";

struct Question {
    content: String,
    agent_id: Option<String>,
    session: Arc<str>,
}

pub(super) async fn chat(
    State(engram): State<Handle>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let Ok(user) = identity::of_rest(&headers) else {
        return problem::unauthorized("Token validation failed");
    };
    let question = match question(&engram, &body) {
        Ok(question) => question,
        Err(complaint) => return *complaint,
    };
    // A task of its own: the turn is completed and stored even if the client hangs up.
    match tokio::spawn(turn(engram, user, question)).await {
        Ok(response) => response,
        Err(_) => problem::detail(StatusCode::INTERNAL_SERVER_ERROR, "Internal Server Error"),
    }
}

/// Forgets the context of a session, of which the lab keeps none.
pub(super) async fn clear(Path(session_id): Path<String>) -> Response {
    let message = format!("Session {session_id} cleared");
    Json(json!({"success": true, "message": message})).into_response()
}

async fn turn(engram: Handle, user: Arc<str>, question: Question) -> Response {
    let started = Instant::now();
    let in_flight = engram.faults.enter(&user);
    engram.think().await;
    let Some(agent) = Agent::of_id(question.agent_id.as_deref()) else {
        return answer(&engram, started, Agent::Elena, &question.session, APOLOGY);
    };
    let canary = echo::reference_word(&question.content);
    let text = echo::answer(canary.as_deref());
    engram.faults.answered(&user, &text);
    let hits = engram.faults.strike(OpKind::Chat);
    let failure = hits
        .has(FaultKind::StoreThenFail)
        .then(|| engram.faults.next_failure());
    drop(in_flight);
    let task = persist::start(
        &engram,
        Turn {
            kind: OpKind::Chat,
            author: user,
            session: Arc::clone(&question.session),
            question: question.content,
            answer: text.clone(),
            canary,
            agent,
            told: Told::by(failure),
        },
        hits,
    );
    match failure {
        None => answer(&engram, started, agent, &question.session, &text),
        Some(failure) => {
            // Only a task that breaks off is not waited for to its end.
            let _ = task.await;
            denial(failure)
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
fn question(engram: &Handle, body: &Bytes) -> Result<Question, Box<Response>> {
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
    let session = session.unwrap_or_else(|| engram.dice.uuid().to_string());
    Ok(Question {
        content,
        agent_id,
        session: session.into(),
    })
}
