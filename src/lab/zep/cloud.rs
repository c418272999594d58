//! The hosted API's routes with threads, below `/api/v2`, as far as its clients show them. There
//! is no source: where nothing is documented, the gentlest behaviour was taken.

use std::collections::HashMap;
use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::middleware::from_fn;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::{Value, json};

use super::path::decoded;
use super::record::{Fact, Message, MessagePage, Metadata, NewMessage, NewSession, Session};
use super::refused::{Refused, page, read, shown, with_key};
use super::reply::Shared;
use super::store::Store;
use super::v2::{UserBody, number};

/// Messages of one request.
const MESSAGES_EACH_MAX: usize = 30;
/// Records on a page at most, whatever is asked for.
const PAGE_RECORDS_MAX: usize = 100;
/// Records on a page if nothing is asked for.
const PAGE_RECORDS_DEFAULT: usize = 10;
/// The id of the only project there is.
const PROJECT: &str = "00000000-0000-0000-0000-000000000000";

type Params = Query<HashMap<String, String>>;
type Answer = Result<Response, Refused>;

pub(super) fn routes() -> Router<Arc<Store>> {
    Router::new()
        .route("/users", post(create_user))
        .route("/users-ordered", get(users_ordered))
        .route("/users/{id}", get(user).delete(delete_user))
        .route("/users/{id}/threads", get(threads_of_user))
        .route("/threads", get(list_threads).post(create_thread))
        .route("/threads/{id}", axum::routing::delete(delete_thread))
        .route("/threads/{id}/messages", get(messages).post(add_messages))
        .route("/graph/edge/user/{id}", post(edges))
        .route("/graph/edge/{uuid}", get(edge).delete(delete_edge))
        .fallback(async || Refused::not_found())
        .layer(from_fn(with_key))
}

fn ok(status: StatusCode, body: Value) -> Response {
    (status, Json(body)).into_response()
}

fn done() -> Response {
    ok(StatusCode::OK, json!({"message": "OK"}))
}

fn thread_shown(session: &Session) -> Value {
    json!({
        "uuid": session.uuid, "thread_id": session.name, "user_id": session.user_id,
        "project_uuid": PROJECT, "created_at": session.created_at,
    })
}

fn message_shown(message: &Message) -> Value {
    let role = message.role_type.as_deref().filter(|role| !role.is_empty());
    json!({
        "uuid": message.uuid, "created_at": message.created_at,
        "role": role.unwrap_or(&message.role), "content": message.content,
        "metadata": message.metadata, "processed": true,
    })
}

fn edge_shown(fact: &Fact) -> Value {
    json!({
        "uuid": fact.uuid, "fact": fact.text, "name": "SAID", "created_at": fact.created_at,
        "valid_at": null, "invalid_at": null, "expired_at": null, "episodes": [],
        "source_node_uuid": fact.uuid, "target_node_uuid": fact.uuid,
    })
}

/// The page and its size.
fn numbered(
    params: &HashMap<String, String>,
    (number_key, size_key): (&str, &str),
) -> Result<(usize, usize), Refused> {
    let at = usize::try_from(number(params, number_key)?.unwrap_or(1)).unwrap_or(1);
    let size = number(params, size_key)?.map(usize::try_from);
    let size = size.and_then(Result::ok).unwrap_or(PAGE_RECORDS_DEFAULT);
    Ok((at.max(1), size.clamp(1, PAGE_RECORDS_MAX)))
}

async fn create_user(State(store): Shared, body: Bytes) -> Answer {
    let mut body: UserBody = read(&body)?;
    let id = body.user_id.take().unwrap_or_default();
    let user = store.create_user(&id, body.fields())?;
    Ok(ok(StatusCode::CREATED, shown(&user, Value::Null)))
}

async fn user(State(store): Shared, Path(id): Path<String>) -> Answer {
    let user = store.user(&decoded(&id)).ok_or_else(Refused::not_found)?;
    Ok(ok(StatusCode::OK, shown(&user, Value::Null)))
}

async fn delete_user(State(store): Shared, Path(id): Path<String>) -> Answer {
    if store.delete_user(&decoded(&id)) {
        Ok(done())
    } else {
        Err(Refused::not_found())
    }
}

async fn users_ordered(State(store): Shared, Query(params): Params) -> Answer {
    let users = store.users(0, usize::MAX);
    let total = users.len();
    let (number, size) = numbered(&params, ("pageNumber", "pageSize"))?;
    let users = page(users, number, size);
    let users: Vec<Value> = users.iter().map(|user| shown(user, Value::Null)).collect();
    let count = users.len();
    let page = json!({"users": users, "total_count": total, "row_count": count});
    Ok(ok(StatusCode::OK, page))
}

#[derive(Deserialize)]
struct ThreadBody {
    #[serde(default)]
    thread_id: String,
    #[serde(default)]
    user_id: String,
}

async fn create_thread(State(store): Shared, body: Bytes) -> Answer {
    let body: ThreadBody = read(&body)?;
    let session = store.create_session(NewSession {
        session_id: body.thread_id,
        user_id: Some(body.user_id),
        metadata: None,
    })?;
    Ok(ok(StatusCode::CREATED, thread_shown(&session)))
}

async fn list_threads(State(store): Shared, Query(params): Params) -> Answer {
    let mut sessions = store.sessions(0, usize::MAX);
    if params.get("asc").is_none_or(|asc| asc != "true") {
        sessions.reverse();
    }
    let total = sessions.len();
    let (number, size) = numbered(&params, ("page_number", "page_size"))?;
    let threads: Vec<Value> = page(sessions, number, size)
        .iter()
        .map(thread_shown)
        .collect();
    let count = threads.len();
    let page = json!({"threads": threads, "total_count": total, "response_count": count});
    Ok(ok(StatusCode::OK, page))
}

async fn threads_of_user(State(store): Shared, Path(id): Path<String>) -> Response {
    let threads = store.sessions_of(&decoded(&id), usize::MAX);
    let threads = threads.iter().map(thread_shown).collect();
    ok(StatusCode::OK, Value::Array(threads))
}

async fn delete_thread(State(store): Shared, Path(id): Path<String>) -> Answer {
    if store.delete_session(&decoded(&id)) {
        Ok(done())
    } else {
        Err(Refused::not_found())
    }
}

#[derive(Deserialize)]
struct MessagesBody {
    messages: Vec<MessageBody>,
}

#[derive(Deserialize)]
struct MessageBody {
    role: String,
    content: String,
    #[serde(default)]
    metadata: Option<Metadata>,
}

async fn add_messages(State(store): Shared, Path(id): Path<String>, body: Bytes) -> Answer {
    let body: MessagesBody = read(&body)?;
    if body.messages.len() > MESSAGES_EACH_MAX {
        return Err(Refused::bad("too many messages"));
    }
    let messages = body.messages.into_iter().map(|message| NewMessage {
        role_type: Some(message.role),
        content: message.content,
        metadata: message.metadata,
        ..NewMessage::default()
    });
    let appended = store.append(&decoded(&id), messages.collect())?;
    let uuids = json!({"message_uuids": appended.uuids, "context": null});
    Ok(ok(StatusCode::OK, uuids))
}

/// The owner comes with the messages.
async fn messages(State(store): Shared, Path(id): Path<String>, Query(params): Params) -> Answer {
    let id = decoded(&id);
    let session = store.session(&id).ok_or_else(Refused::not_found)?;
    let (number, limit) = numbered(&params, ("cursor", "limit"))?;
    let (mut messages, total) = store.messages(&id, MessagePage::Page { limit, number });
    if store.lacks_page(&id) {
        messages.clear();
    }
    let messages = store.listed_messages(messages);
    let messages: Vec<Value> = messages.iter().map(message_shown).collect();
    let count = messages.len();
    let page = json!({
        "messages": messages, "total_count": total, "row_count": count,
        "thread_created_at": session.created_at, "user_id": session.user_id,
    });
    Ok(ok(StatusCode::OK, page))
}

#[derive(Deserialize)]
struct EdgesBody {
    #[serde(default)]
    limit: Option<usize>,
    #[serde(default)]
    uuid_cursor: Option<String>,
}

/// The facts behind the one that is named.
async fn edges(State(store): Shared, Path(id): Path<String>, body: Bytes) -> Answer {
    let body: EdgesBody = read(&body)?;
    let id = decoded(&id);
    if store.user(&id).is_none() {
        return Err(Refused::not_found());
    }
    let limit = body
        .limit
        .unwrap_or(PAGE_RECORDS_DEFAULT)
        .clamp(1, PAGE_RECORDS_MAX);
    let facts = store.facts(&id, usize::MAX, "");
    let behind = body.uuid_cursor.and_then(|cursor| {
        facts
            .iter()
            .position(|fact| fact.uuid.to_string() == cursor)
    });
    let first = behind.map_or(0, |place| place + 1);
    let edges = facts.iter().skip(first).take(limit).map(edge_shown);
    Ok(ok(StatusCode::OK, Value::Array(edges.collect())))
}

async fn edge(State(store): Shared, Path(uuid): Path<String>) -> Answer {
    let uuid = uuid.parse().map_err(|_| Refused::not_found())?;
    let fact = store.fact(uuid).ok_or_else(Refused::not_found)?;
    Ok(ok(StatusCode::OK, edge_shown(&fact)))
}

async fn delete_edge(State(store): Shared, Path(uuid): Path<String>) -> Answer {
    let uuid = uuid.parse().map_err(|_| Refused::not_found())?;
    if store.delete_fact(uuid) {
        Ok(done())
    } else {
        Err(Refused::not_found())
    }
}
