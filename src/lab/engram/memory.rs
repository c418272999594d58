//! Reading memory back through the backend: only ever the caller's own.

use std::collections::HashMap;
use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, Query, State};
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Handle, identity, problem};
use crate::lab::stamp::Stamp;
use crate::lab::zep::{MessagePage, Metadata, NewMessage, NewSession, Session};
use crate::model::Route;

/// Sessions that a search looks at, and an episode list can show.
const EPISODES_MAX: usize = 100;
/// Messages of a session that a search looks at.
const SEARCH_MESSAGES_MAX: usize = 20;
/// Messages of a transcript: the oldest.
const TRANSCRIPT_MESSAGES: usize = 100;
/// Characters of a graph's query.
const GRAPH_QUERY_CHARS_MAX: usize = 200;

fn yes() -> bool {
    true
}

fn ten() -> usize {
    10
}

#[derive(Deserialize)]
struct Search {
    query: String,
    #[serde(default = "ten")]
    limit: usize,
    #[serde(default = "yes")]
    include_episodes: bool,
    #[serde(default = "yes")]
    include_facts: bool,
}

pub(super) async fn search(
    State(engram): State<Handle>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let (user, search) = match asked::<Search>(&engram, (&headers, Route::Search), &body) {
        Ok(asked) => asked,
        Err(response) => return *response,
    };
    let mut results = Vec::new();
    if search.include_facts {
        let facts = engram.store.facts(&user, search.limit, &search.query);
        results.extend(facts.into_iter().map(|fact| {
            json!({
                "id": fact.uuid, "content": fact.text, "node_type": "fact", "confidence": 1.0,
                "created_at": Stamp::now(), "metadata": fact.metadata,
            })
        }));
    }
    if search.include_episodes {
        let sessions = if engram.profile.is_snapshot() || engram.faults.opens(Route::Search) {
            // Everybody's: the search knows no owner.
            engram.store.sessions(0, EPISODES_MAX)
        } else {
            engram.store.sessions_of(&user, EPISODES_MAX)
        };
        let hits = sessions.iter().flat_map(|session| {
            let messages = engram
                .store
                .newest_messages(&session.name, SEARCH_MESSAGES_MAX);
            messages.into_iter().map(|message| (&session.name, message))
        });
        let query = search.query.to_lowercase();
        let hits = hits.filter(|(_, message)| message.content.to_lowercase().contains(&query));
        let hits: Vec<_> = hits.take(search.limit).collect();
        for (session, message) in &hits {
            engram.tell_shown(session, &user, [message.content.as_str()]);
        }
        results.extend(hits.into_iter().map(|(session, message)| {
            json!({
                "id": session, "content": message.content, "node_type": "episode",
                "confidence": 1.0, "created_at": Stamp::now(), "metadata": message.metadata,
            })
        }));
    }
    results.truncate(search.limit);
    let total_count = results.len();
    Json(json!({"results": results, "total_count": total_count, "query_time_ms": 0.1}))
        .into_response()
}

pub(super) async fn graph(
    State(engram): State<Handle>,
    headers: HeaderMap,
    Query(params): Query<HashMap<String, String>>,
) -> Response {
    let Ok(user) = identity::of_rest(&headers, &engram.keys) else {
        return problem::unauthorized("Token validation failed");
    };
    let query = params.get("query").map_or("", String::as_str);
    if query.chars().count() > GRAPH_QUERY_CHARS_MAX {
        let complaint = "String should have at most 200 characters";
        return problem::unprocessable("string_too_long", "query", complaint, &json!(query));
    }
    let node = |id: Value, content: String, metadata: Value| {
        json!({
            "id": id, "content": content, "node_type": "fact", "degree": 0, "metadata": metadata,
        })
    };
    let facts = engram.store.facts(&user, EPISODES_MAX, query);
    let mut nodes: Vec<Value> = facts
        .into_iter()
        .map(|fact| node(json!(fact.uuid), fact.text, json!(fact.metadata)))
        .collect();
    if nodes.is_empty() {
        nodes.push(node(
            json!("fact-sample"),
            "No facts yet".to_owned(),
            json!({}),
        ));
    }
    Json(json!({"nodes": nodes, "edges": []})).into_response()
}

pub(super) async fn episodes(
    State(engram): State<Handle>,
    headers: HeaderMap,
    Query(params): Query<HashMap<String, String>>,
) -> Response {
    let Some(user) = engram.reader(&headers, Route::Episodes) else {
        return problem::unauthorized("Token validation failed");
    };
    let number = |key, default: usize| match params.get(key) {
        Some(text) => text.parse().ok(),
        None => Some(default),
    };
    let limit = number("limit", 20).filter(|limit| (1..=EPISODES_MAX).contains(limit));
    let (Some(limit), Some(offset)) = (limit, number("offset", 0)) else {
        let complaint = "limit should be from 1 to 100, offset 0 or more";
        return problem::unprocessable("int_parsing", "limit", complaint, &json!(params));
    };
    let most = offset.saturating_add(limit);
    let sessions = if engram.faults.opens(Route::Episodes) {
        let sessions = engram.store.sessions(0, most);
        for session in sessions.iter().skip(offset) {
            engram.tell_listed(&session.name, &user);
        }
        sessions
    } else {
        engram.store.sessions_of(&user, most)
    };
    let episodes: Vec<Value> = sessions.iter().skip(offset).map(episode).collect();
    let total_count = episodes.len();
    Json(json!({"episodes": episodes, "total_count": total_count})).into_response()
}

fn episode(session: &Session) -> Value {
    let metadata = session.metadata.as_ref();
    let metadata = metadata.and_then(|m| serde_json::from_str::<Metadata>(m.get()).ok());
    let agent_id = metadata.and_then(|m| m.get("agent_id").cloned());
    json!({
        "id": session.name, "summary": "", "turn_count": 0,
        "agent_id": agent_id.unwrap_or_else(|| json!("unknown")),
        "started_at": session.created_at, "ended_at": session.updated_at, "topics": [],
    })
}

/// Somebody else's session has an empty transcript, as one that does not exist.
pub(super) async fn transcript(
    State(engram): State<Handle>,
    Path(session_id): Path<String>,
    headers: HeaderMap,
) -> Response {
    let Some(user) = engram.reader(&headers, Route::Transcript) else {
        return problem::unauthorized("Token validation failed");
    };
    let page = MessagePage::Page {
        limit: TRANSCRIPT_MESSAGES,
        number: 1,
    };
    let is_open = engram.profile.is_snapshot() || engram.faults.opens(Route::Transcript);
    let is_shown = is_open || engram.owns(&session_id, &user);
    let messages = is_shown.then(|| engram.store.messages(&session_id, page).0);
    let messages = messages.unwrap_or_default();
    let texts = messages.iter().map(|message| message.content.as_str());
    engram.tell_shown(&session_id, &user, texts);
    let transcript: Vec<Value> = messages
        .into_iter()
        .map(|message| {
            let role = message.role_type.unwrap_or(message.role);
            json!({"role": role, "content": message.content, "metadata": message.metadata})
        })
        .collect();
    Json(json!({"id": session_id, "transcript": transcript})).into_response()
}

#[derive(Deserialize)]
struct NewFact {
    content: String,
    #[serde(default)]
    metadata: Metadata,
}

pub(super) async fn add_fact(
    State(engram): State<Handle>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let (user, new) = match asked::<NewFact>(&engram, (&headers, Route::Facts), &body) {
        Ok(asked) => asked,
        Err(response) => return *response,
    };
    engram.store_delay().await;
    let fact = engram.store.add_fact(&user, new.content, &new.metadata);
    Json(json!({"success": true, "node_id": fact.uuid, "message": "Fact added"})).into_response()
}

#[derive(Deserialize)]
struct Enrich {
    text: String,
    #[serde(default)]
    session_id: Option<String>,
    #[serde(default)]
    speaker: Option<String>,
}

/// Stores one message at once, with the caller as the owner of a session that is new.
pub(super) async fn enrich(
    State(engram): State<Handle>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let (user, said) = match asked::<Enrich>(&engram, (&headers, Route::Facts), &body) {
        Ok(asked) => asked,
        Err(response) => return *response,
    };
    let session_id = said.session_id.filter(|id| !id.is_empty());
    let session_id = session_id.unwrap_or_else(|| format!("voice-{}", engram.dice.uuid()));
    let mut place = engram.queues.join(&Arc::from(session_id.as_str()));
    place.turn().await;
    engram.store_delay().await;
    // One that exists is taken as it is, if it is the caller's.
    let _ = engram.store.open_session(NewSession {
        session_id: session_id.clone(),
        user_id: Some(user.as_ref().to_owned()),
        metadata: None,
    });
    let session = engram.store.session(&session_id);
    let is_own = session.is_some_and(|s| s.user_id.as_deref() == Some(&*user));
    let message = NewMessage {
        role_type: Some(said.speaker.unwrap_or_else(|| "user".to_owned())),
        content: said.text,
        ..NewMessage::default()
    };
    let stored = is_own && engram.store.append(&session_id, vec![message]).is_ok();
    let message = if stored {
        "Memory enriched"
    } else {
        "Memory was not enriched"
    };
    Json(json!({"success": stored, "session_id": session_id, "message": message})).into_response()
}

/// Who asks, and what.
fn asked<T: for<'a> Deserialize<'a>>(
    engram: &Handle,
    (headers, route): (&HeaderMap, Route),
    body: &Bytes,
) -> Result<(Arc<str>, T), Box<Response>> {
    let user = engram
        .reader(headers, route)
        .ok_or_else(|| Box::new(problem::unauthorized("Token validation failed")))?;
    let asked = serde_json::from_slice(body).map_err(|error| {
        let complaint = error.to_string();
        Box::new(problem::unprocessable(
            "value_error",
            "",
            &complaint,
            &Value::Null,
        ))
    })?;
    Ok((user, asked))
}
