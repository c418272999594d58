//! The Community Edition's routes, below `/api/v2`.
//!
//! Facts are kept, as its graph would keep them, and cannot be listed. What its graph makes of
//! messages, and its failing, is left out.

use std::collections::HashMap;
use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::middleware::from_fn;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::{Value, json};

use super::path::decoded;
use super::record::{Fact, MessagePage, Metadata, NewMessage, NewSession, Session, UserFields};
use super::refused::{Refused, page, read, shown, with_key};
use super::reply::{Shared, count};
use super::store::Store;

/// Messages of one request that are answered with a success. More are stored all the same.
const MESSAGES_EACH_MAX: usize = 30;
/// Messages in the memory view.
const MESSAGE_WINDOW: usize = 6;
/// The limit taken for one that is not a number.
const MESSAGES_LIMIT_FALLBACK: usize = 100;
/// Facts that a search gives without a limit.
const SEARCH_LIMIT_DEFAULT: usize = 10;
/// The roles that a message may have.
const ROLES: [&str; 6] = ["norole", "system", "assistant", "user", "function", "tool"];
/// The id of the only project there is.
const PROJECT: &str = "00000000-0000-0000-0000-000000000000";

type Params = Query<HashMap<String, String>>;
type Answer = Result<Response, Refused>;

pub(super) fn routes() -> Router<Arc<Store>> {
    Router::new()
        .route("/sessions", get(list_sessions).post(create_session))
        .route("/sessions-ordered", get(sessions_ordered))
        .route("/sessions/search", axum::routing::post(search))
        .route("/sessions/{id}", get(session).patch(patch_session))
        .route(
            "/sessions/{id}/memory",
            get(memory).post(add_messages).delete(delete_session),
        )
        .route("/sessions/{id}/messages", get(messages))
        .route("/sessions/{id}/messages/{uuid}", get(message))
        .route("/facts/{uuid}", get(fact).delete(delete_fact))
        .route("/users", get(list_users).post(create_user))
        .route("/users-ordered", get(users_ordered))
        .route(
            "/users/{id}",
            get(user).patch(patch_user).delete(delete_user),
        )
        .route("/users/{id}/sessions", get(sessions_of_user))
        .fallback(async || (StatusCode::NOT_FOUND, "404 page not found\n"))
        .layer(from_fn(with_key))
}

fn ok(status: StatusCode, body: Value) -> Response {
    (status, Json(body)).into_response()
}

fn done() -> Response {
    ok(StatusCode::OK, json!({"message": "OK"}))
}

fn session_shown(session: &Session) -> Value {
    shown(session, json!({"ended_at": null, "project_uuid": PROJECT}))
}

fn user_shown(user: &impl serde::Serialize) -> Value {
    shown(user, json!({"project_uuid": PROJECT}))
}

fn fact_shown(fact: &Fact) -> Value {
    json!({"uuid": fact.uuid, "created_at": fact.created_at, "fact": fact.text})
}

#[derive(Deserialize)]
struct SessionBody {
    #[serde(default)]
    session_id: Option<String>,
    #[serde(default)]
    user_id: Option<String>,
    #[serde(default)]
    metadata: Option<Metadata>,
}

async fn create_session(State(store): Shared, body: Bytes) -> Answer {
    let body: SessionBody = read(&body)?;
    let session = store.create_session(NewSession {
        session_id: body.session_id.unwrap_or_default(),
        user_id: body.user_id,
        metadata: body.metadata,
    })?;
    Ok(ok(StatusCode::CREATED, session_shown(&session)))
}

async fn session(State(store): Shared, Path(id): Path<String>) -> Answer {
    let session = store
        .session(&decoded(&id))
        .ok_or_else(Refused::not_found)?;
    Ok(ok(StatusCode::OK, session_shown(&session)))
}

async fn list_sessions(State(store): Shared, Query(params): Params) -> Answer {
    let (after, limit) = cursor_and_limit(&params)?;
    let sessions = store.listed(store.sessions(after, limit));
    let sessions = sessions.iter().map(session_shown).collect();
    Ok(ok(StatusCode::OK, Value::Array(sessions)))
}

/// The newest first, unless it is asked for otherwise.
async fn sessions_ordered(State(store): Shared, Query(params): Params) -> Answer {
    let mut sessions = store.sessions(0, usize::MAX);
    if params.get("asc").is_none_or(|asc| asc != "true") {
        sessions.reverse();
    }
    let total = sessions.len();
    let (number, size) = numbered(&params)?;
    let sessions: Vec<Value> = page(sessions, number, size)
        .iter()
        .map(session_shown)
        .collect();
    let count = sessions.len();
    let page = json!({"sessions": sessions, "total_count": total, "response_count": count});
    Ok(ok(StatusCode::OK, page))
}

async fn patch_session(State(store): Shared, Path(id): Path<String>, body: Bytes) -> Answer {
    let body: SessionBody = read(&body)?;
    let session = store.patch_session(&decoded(&id), body.metadata);
    let session = session.ok_or_else(Refused::not_found)?;
    Ok(ok(StatusCode::OK, session_shown(&session)))
}

async fn delete_session(State(store): Shared, Path(id): Path<String>) -> Answer {
    if store.delete_session(&decoded(&id)) {
        Ok(done())
    } else {
        Err(Refused::not_found())
    }
}

#[derive(Deserialize)]
struct MemoryBody {
    #[serde(default)]
    messages: Option<Vec<MessageBody>>,
}

#[derive(Deserialize)]
struct MessageBody {
    #[serde(default)]
    uuid: Option<String>,
    #[serde(default)]
    role: Option<String>,
    #[serde(default)]
    role_type: Option<String>,
    #[serde(default)]
    content: Option<String>,
    #[serde(default)]
    metadata: Option<Metadata>,
}

/// More messages than are allowed are stored all the same, and the answer is two documents: the
/// original writes the error and goes on.
async fn add_messages(State(store): Shared, Path(id): Path<String>, body: Bytes) -> Answer {
    let body: MemoryBody = read(&body)?;
    let messages = body
        .messages
        .ok_or_else(|| Refused::bad("messages is required"))?;
    let is_roleless =
        |message: &MessageBody| message.role_type.as_deref().is_none_or(str::is_empty);
    if messages.iter().any(is_roleless) {
        return Err(Refused::bad("role_type is required"));
    }
    let id = decoded(&id);
    let is_known = |message: &MessageBody| {
        let role = message.role_type.as_deref().unwrap_or_default();
        ROLES.contains(&role)
    };
    if !messages.iter().all(is_known) {
        store.append(&id, Vec::new())?;
        let why = "unknown role_type".to_owned();
        return Err(Refused(StatusCode::INTERNAL_SERVER_ERROR, why));
    }
    let is_too_many = messages.len() > MESSAGES_EACH_MAX;
    let messages = messages.into_iter().map(new_message);
    store.append(&id, messages.collect::<Result<_, _>>()?)?;
    if is_too_many {
        let twice = "{\"message\":\"too many messages\"}\n{\"message\":\"OK\"}\n";
        return Ok((StatusCode::BAD_REQUEST, twice).into_response());
    }
    Ok(ok(StatusCode::CREATED, json!({"message": "OK"})))
}

fn new_message(body: MessageBody) -> Result<NewMessage, Refused> {
    let uuid = match body.uuid.filter(|uuid| !uuid.is_empty()) {
        Some(text) => Some(text.parse().map_err(|_| Refused::bad("not a uuid"))?),
        None => None,
    };
    Ok(NewMessage {
        uuid,
        role: body.role.unwrap_or_default(),
        role_type: body.role_type,
        content: body.content.unwrap_or_default(),
        metadata: body.metadata,
        token_count: 0,
    })
}

async fn memory(State(store): Shared, Path(id): Path<String>, Query(params): Params) -> Answer {
    let lastn = number(&params, "lastn")?.unwrap_or(0);
    let lastn = usize::try_from(lastn).map_err(|_| Refused::bad("lastn cannot be negative"))?;
    let count = if lastn == 0 { MESSAGE_WINDOW } else { lastn };
    let messages = store.newest_messages(&decoded(&id), count);
    let view = json!({"messages": messages, "relevant_facts": []});
    Ok(ok(StatusCode::OK, view))
}

async fn messages(State(store): Shared, Path(id): Path<String>, Query(params): Params) -> Response {
    let id = decoded(&id);
    let (mut messages, total) = store.messages(&id, message_page(&params));
    if store.lacks_page(&id) {
        messages.clear();
    }
    let messages = store.listed_messages(messages);
    let row_count = messages.len();
    let page = json!({"messages": messages, "total_count": total, "row_count": row_count});
    ok(StatusCode::OK, page)
}

/// The page asked for: without a limit the cursor is ignored, what is not a number falls back.
fn message_page(params: &HashMap<String, String>) -> MessagePage {
    let Some(limit) = params.get("limit") else {
        return MessagePage::All;
    };
    let limit = limit.parse().unwrap_or(MESSAGES_LIMIT_FALLBACK);
    if limit == 0 {
        return MessagePage::All;
    }
    let number = params.get("cursor").and_then(|number| number.parse().ok());
    let number = number.unwrap_or(1);
    MessagePage::Page { limit, number }
}

async fn message(State(store): Shared, Path((id, uuid)): Path<(String, String)>) -> Answer {
    let uuid = uuid.parse().map_err(|_| Refused::bad("not a uuid"))?;
    let message = store.message(&decoded(&id), uuid);
    let message = message.ok_or_else(Refused::not_found)?;
    Ok(ok(StatusCode::OK, shown(&message, Value::Null)))
}

#[derive(Deserialize)]
struct SearchBody {
    #[serde(default)]
    text: Option<String>,
    #[serde(default)]
    user_id: Option<String>,
}

/// Without a user the search is among everybody's facts, as in the original.
async fn search(State(store): Shared, Query(params): Params, body: Bytes) -> Answer {
    let body: SearchBody = read(&body)?;
    let limit = match number(&params, "limit")? {
        None | Some(0) => SEARCH_LIMIT_DEFAULT,
        limit @ Some(_) => count(limit),
    };
    let words = body.text.unwrap_or_default();
    let users = match body.user_id {
        Some(user) => vec![user],
        None => store
            .users(0, usize::MAX)
            .into_iter()
            .map(|user| user.name)
            .collect(),
    };
    let found = users
        .iter()
        .flat_map(|user| store.facts(user, limit, &words));
    let results: Vec<Value> = found
        .take(limit)
        .map(|fact| json!({"fact": fact_shown(&fact)}))
        .collect();
    Ok(ok(StatusCode::OK, json!({"results": results})))
}

/// An id that nobody has is the graph's failure, which is not told apart.
async fn fact(State(store): Shared, Path(uuid): Path<String>) -> Answer {
    let uuid = uuid.parse().map_err(|_| Refused::not_found())?;
    let unknown = || Refused(StatusCode::INTERNAL_SERVER_ERROR, "graph".to_owned());
    let fact = store.fact(uuid).ok_or_else(unknown)?;
    Ok(ok(StatusCode::OK, json!({"fact": fact_shown(&fact)})))
}

/// A success has no body.
async fn delete_fact(State(store): Shared, Path(uuid): Path<String>) -> Answer {
    let uuid = uuid.parse().map_err(|_| Refused::not_found())?;
    if store.delete_fact(uuid) {
        Ok(StatusCode::OK.into_response())
    } else {
        let why = "graph".to_owned();
        Err(Refused(StatusCode::INTERNAL_SERVER_ERROR, why))
    }
}

#[derive(Deserialize)]
pub(super) struct UserBody {
    #[serde(default)]
    pub(super) user_id: Option<String>,
    #[serde(default)]
    email: Option<String>,
    #[serde(default)]
    first_name: Option<String>,
    #[serde(default)]
    last_name: Option<String>,
    #[serde(default)]
    metadata: Option<Metadata>,
}

impl UserBody {
    pub(super) fn fields(self) -> UserFields {
        UserFields {
            email: self.email,
            first_name: self.first_name,
            last_name: self.last_name,
            metadata: self.metadata,
        }
    }
}

async fn create_user(State(store): Shared, body: Bytes) -> Answer {
    let mut body: UserBody = read(&body)?;
    let id = body.user_id.take().unwrap_or_default();
    let user = store.create_user(&id, body.fields())?;
    Ok(ok(StatusCode::CREATED, user_shown(&user)))
}

async fn user(State(store): Shared, Path(id): Path<String>) -> Answer {
    let user = store.user(&decoded(&id)).ok_or_else(Refused::not_found)?;
    Ok(ok(StatusCode::OK, user_shown(&user)))
}

async fn list_users(State(store): Shared, Query(params): Params) -> Answer {
    let (after, limit) = cursor_and_limit(&params)?;
    let users = store.listed(store.users(after, limit));
    let users = users.iter().map(user_shown).collect();
    Ok(ok(StatusCode::OK, Value::Array(users)))
}

/// The newest first.
async fn users_ordered(State(store): Shared, Query(params): Params) -> Answer {
    let mut users = store.users(0, usize::MAX);
    users.reverse();
    let total = users.len();
    let (number, size) = numbered(&params)?;
    let users: Vec<Value> = page(users, number, size).iter().map(user_shown).collect();
    let count = users.len();
    let page = json!({"users": users, "total_count": total, "row_count": count});
    Ok(ok(StatusCode::OK, page))
}

async fn patch_user(State(store): Shared, Path(id): Path<String>, body: Bytes) -> Answer {
    let body: UserBody = read(&body)?;
    let user = store.patch_user(&decoded(&id), body.fields());
    let user = user.ok_or_else(Refused::not_found)?;
    Ok(ok(StatusCode::OK, user_shown(&user)))
}

async fn delete_user(State(store): Shared, Path(id): Path<String>) -> Answer {
    if store.delete_user(&decoded(&id)) {
        Ok(done())
    } else {
        Err(Refused::not_found())
    }
}

/// Here every numeric id is 0, so it is no cursor.
async fn sessions_of_user(State(store): Shared, Path(id): Path<String>) -> Response {
    let sessions = store.sessions_of(&decoded(&id), usize::MAX).into_iter();
    let sessions = sessions.map(|session| session_shown(&Session { id: 0, ..session }));
    ok(StatusCode::OK, Value::Array(sessions.collect()))
}

/// A number in a query: `None` if it was not given, or given without a value, as the vendor's own
/// client does.
pub(super) fn number(params: &HashMap<String, String>, key: &str) -> Result<Option<i64>, Refused> {
    let parse = |text: &String| {
        text.parse()
            .map_err(|_| Refused::bad(format!("bad request: {key} is not a number")))
    };
    let given = params.get(key).filter(|text| !text.is_empty());
    given.map(parse).transpose()
}

fn cursor_and_limit(params: &HashMap<String, String>) -> Result<(u64, usize), Refused> {
    let after = number(params, "cursor")?.unwrap_or(0);
    Ok((
        u64::try_from(after).unwrap_or(0),
        count(number(params, "limit")?),
    ))
}

/// The page and its size, in the server's own spelling: the client's own is passed over.
fn numbered(params: &HashMap<String, String>) -> Result<(usize, usize), Refused> {
    let number_of = number(params, "pageNumber")?.unwrap_or(1);
    let number_of = usize::try_from(number_of).unwrap_or(1);
    Ok((number_of, count(number(params, "pageSize")?)))
}
