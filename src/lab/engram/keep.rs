//! Turns that are told to be kept: stored as they are, and not answered.

use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::admission::Admission;
use super::chat;
use super::echo::{self, Agent};
use super::hearing::{Hearing, Told, hearing};
use super::persist::Turn;
use super::{Handle, Reply, identity, persist, problem};
use crate::lab::faults::FaultKind;
use crate::lab::log::Named;
use crate::lab::truth::VOICE_PLACEHOLDER;
use crate::lab::zep::{NewMessage, NewSession};
use crate::model::OpKind;

#[derive(Deserialize)]
struct Kept {
    session_id: String,
    agent_id: String,
    role: String,
    content: String,
}

/// Stores one message.
pub(super) async fn keep(
    State(engram): State<Handle>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let (profile, keys) = (engram.profile, &engram.keys);
    let Ok(user) = identity::of_socket(&headers, profile, keys, VOICE_PLACEHOLDER) else {
        return problem::unauthorized("Missing or invalid authentication token");
    };
    let kept: Kept = match serde_json::from_slice(&body) {
        Ok(kept) => kept,
        Err(error) => {
            let complaint = error.to_string();
            return problem::unprocessable("value_error", "", &complaint, &Value::Null);
        }
    };
    let session: Arc<str> = kept.session_id.as_str().into();
    if profile.is_snapshot() {
        engram.enrich(&session, &user, OpKind::Turn).await;
        write(&engram, &session, kept);
        return persisted();
    }
    if engram.founder(&session, &user) != user {
        return problem::detail(StatusCode::FORBIDDEN, "The session is somebody else's");
    }
    if kept.role == "user" {
        return keep_own(&engram, &user, session, kept, Named::by(&headers)).await;
    }
    // Somebody else may have made it meanwhile: then it is taken as it is.
    let _ = engram.store.open_session(NewSession {
        session_id: session.as_ref().to_owned(),
        user_id: Some(user.as_ref().to_owned()),
        metadata: None,
    });
    write(&engram, &session, kept);
    persisted()
}

/// Stores what a user has said, as what is chatted is stored; the answer waits for it. A planted
/// fault lets the answer go before, as what becomes of its task may depend on who was told.
async fn keep_own(
    engram: &Handle,
    user: &Arc<str>,
    session: Arc<str>,
    kept: Kept,
    named: Named,
) -> Response {
    let arrived = Instant::now();
    let in_flight = engram.faults.enter(user);
    let hits = engram.faults.strike(&in_flight, OpKind::Turn);
    let place = engram.queues.join(&session);
    engram.store_delay().await;
    let fails = hits.has(FaultKind::StoreThenFail);
    let failure = fails.then(|| engram.faults.next_failure());
    drop(in_flight);
    let (telling, hearing) = hearing();
    let turn = Turn {
        kind: OpKind::Turn,
        named,
        admission: Admission {
            session_user: Arc::clone(user),
            writer: Arc::clone(user),
            session,
            cause: None,
        },
        author: Arc::clone(user),
        reply: Reply {
            text: String::new(),
            asked: echo::reference_word(&kept.content),
            word: None,
        },
        question: kept.content,
        agent: Agent::of_id(Some(&kept.agent_id)).unwrap_or_default(),
        hearing: failure.map_or(hearing, |failure| Hearing::of(Told::by(failure))),
        arrived,
        answered: Instant::now(),
        context: None,
    };
    let task = persist::start(engram, turn, place, hits);
    if failure.is_some() || engram.faults.none_planted() {
        // Only a task that breaks off is not waited for to its end.
        let _ = task.await;
    }
    if let Some(failure) = failure {
        return chat::denial(failure);
    }
    telling.tell(Told::Accepted);
    persisted()
}

fn write(engram: &Handle, session: &Arc<str>, kept: Kept) {
    let role = if kept.role == "user" {
        "user"
    } else {
        "assistant"
    };
    let message = NewMessage {
        role_type: Some(role.to_owned()),
        content: kept.content,
        ..NewMessage::default()
    };
    // What the store refuses is not told.
    let _ = engram.store.append(session, vec![message]);
}

fn persisted() -> Response {
    Json(json!({"status": "success", "message": "Turn persisted"})).into_response()
}
