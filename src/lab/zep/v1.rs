//! The `v1` routes: sessions, messages, users.
//!
//! Where a limit is absent or 0, everything is returned. A cursor is a numeric id for sessions
//! and users and a page number for messages.

use std::collections::HashMap;
use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::{get, post};
use serde::Deserialize;
use serde_json::json;

use super::path::Segments;
use super::record::{MessagePage, Metadata, NewMessage, NewSession, Session, UserFields};
use super::reply::{Refusal, Shared, clean_metadata, count, json, number, ok, read};
use super::store::Store;
use super::tables::clean;

/// Messages in the memory view when none has been summarised.
const MESSAGE_WINDOW: usize = 12;
/// The limit taken for one that is not a number.
const MESSAGES_LIMIT_FALLBACK: usize = 100;

type Params = Query<HashMap<String, String>>;

pub(super) fn routes() -> Router<Arc<Store>> {
    Router::new()
        .route("/api/v1/sessions", get(list_sessions).post(create_session))
        .route("/api/v1/sessions/{id}", get(session).patch(patch_session))
        .route(
            "/api/v1/sessions/{id}/memory",
            get(memory).post(add_messages).delete(delete_session),
        )
        .route("/api/v1/sessions/{id}/messages", get(messages))
        .route(
            "/api/v1/sessions/{id}/messages/{uuid}",
            get(message).patch(patch_message),
        )
        .route("/api/v1/sessions/{id}/search", post(search_session))
        .route("/api/v1/user", get(list_users).post(create_user))
        .route(
            "/api/v1/user/{id}",
            get(user).patch(patch_user).delete(delete_user),
        )
        .route("/api/v1/user/{id}/sessions", get(sessions_of_user))
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

async fn create_session(State(store): Shared, body: Bytes) -> Result<Response, Refusal> {
    let body: SessionBody = read(&body)?;
    let session = store.create_session(NewSession {
        session_id: clean(body.session_id.unwrap_or_default()),
        user_id: body.user_id.map(clean),
        metadata: body.metadata.map(clean_metadata),
    })?;
    Ok(json(StatusCode::CREATED, &session))
}

async fn session(State(store): Shared, path: Segments) -> Result<Response, Refusal> {
    let session = store.session(path.at(1)).ok_or(Refusal::NotFound)?;
    Ok(json(StatusCode::OK, &session))
}

async fn list_sessions(State(store): Shared, Query(params): Params) -> Result<Response, Refusal> {
    let (after, limit) = cursor_and_limit(&params)?;
    let sessions = store.listed(store.sessions(after, limit));
    Ok(json(StatusCode::OK, &sessions))
}

async fn patch_session(
    State(store): Shared,
    path: Segments,
    body: Bytes,
) -> Result<Response, Refusal> {
    let body: SessionBody = read(&body)?;
    if body.metadata.as_ref().is_some_and(Metadata::is_empty) {
        return Err(Refusal::Internal("metadata is empty".to_owned()));
    }
    let metadata = body.metadata.map(clean_metadata);
    let session = store.patch_session(path.at(1), metadata);
    Ok(json(StatusCode::OK, &session.ok_or(Refusal::NotFound)?))
}

async fn delete_session(State(store): Shared, path: Segments) -> Result<Response, Refusal> {
    if store.delete_session(path.at(1)) {
        Ok(ok())
    } else {
        Err(Refusal::NotFound)
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
    created_at: Option<String>,
    #[serde(default)]
    role: Option<String>,
    #[serde(default)]
    role_type: Option<String>,
    #[serde(default)]
    content: Option<String>,
    #[serde(default)]
    metadata: Option<Metadata>,
    #[serde(default)]
    token_count: Option<i64>,
}

async fn add_messages(
    State(store): Shared,
    path: Segments,
    body: Bytes,
) -> Result<Response, Refusal> {
    let body: MemoryBody = read(&body)?;
    let messages = body.messages.unwrap_or_default();
    let messages = messages.into_iter().map(new_message);
    store.append(path.at(1), messages.collect::<Result<_, _>>()?)?;
    Ok(ok())
}

fn new_message(body: MessageBody) -> Result<NewMessage, Refusal> {
    if let Some(at) = body.created_at {
        humantime::parse_rfc3339(&at)
            .map_err(|_| Refusal::Bad(format!("created_at is not RFC 3339: {at}")))?;
    }
    let uuid = match body.uuid {
        Some(text) => Some(
            text.parse()
                .map_err(|_| Refusal::Bad(format!("not a uuid: {text}")))?,
        ),
        None => None,
    };
    Ok(NewMessage {
        uuid,
        role: clean(body.role.unwrap_or_default()),
        role_type: body.role_type.map(clean),
        content: body.content.unwrap_or_default(),
        metadata: body.metadata.map(clean_metadata),
        token_count: body.token_count.unwrap_or_default(),
    })
}

async fn memory(
    State(store): Shared,
    path: Segments,
    Query(params): Params,
) -> Result<Response, Refusal> {
    let lastn = number(params.get("lastn"))?.unwrap_or(0);
    let lastn = usize::try_from(lastn)
        .map_err(|_| Refusal::Internal("lastn cannot be negative".to_owned()))?;
    let count = if lastn == 0 { MESSAGE_WINDOW } else { lastn };
    let messages = store.newest_messages(path.at(1), count);
    let nobody = "00000000-0000-0000-0000-000000000000";
    let view = json!({
        "messages": messages,
        "summary": {
            "uuid": nobody, "created_at": "0001-01-01T00:00:00Z", "content": "",
            "recent_message_uuid": nobody, "token_count": 0,
        },
    });
    Ok(json(StatusCode::OK, &view))
}

async fn messages(State(store): Shared, path: Segments, Query(params): Params) -> Response {
    let (mut messages, total) = store.messages(path.at(1), message_page(&params));
    if store.lacks_page(path.at(1)) {
        messages.clear();
    }
    let messages = store.listed_messages(messages);
    let row_count = messages.len();
    let page = json!({"messages": messages, "total_count": total, "row_count": row_count});
    json(StatusCode::OK, &page)
}

/// The page asked for: without a limit the cursor is ignored, what is not a number falls back.
fn message_page(params: &HashMap<String, String>) -> MessagePage {
    let Some(limit) = params.get("limit") else {
        return MessagePage::All;
    };
    let number = params.get("cursor").and_then(|n| n.parse().ok());
    let limit = match limit.parse::<i64>() {
        Ok(0) => return MessagePage::All,
        Ok(limit) => usize::try_from(limit).ok(),
        Err(_) => Some(MESSAGES_LIMIT_FALLBACK),
    };
    match limit {
        Some(limit) => MessagePage::Page {
            limit,
            number: number.unwrap_or(1),
        },
        None => MessagePage::AllButOldest,
    }
}

async fn message(State(store): Shared, path: Segments) -> Result<Response, Refusal> {
    let uuid = uuid_in(&path)?;
    let message = store.message(path.at(1), uuid);
    // The original looks into an empty list here.
    let message = message.ok_or_else(|| Refusal::Internal("internal server error".to_owned()))?;
    Ok(json(StatusCode::OK, &message))
}

async fn patch_message(
    State(store): Shared,
    path: Segments,
    body: Bytes,
) -> Result<Response, Refusal> {
    let uuid = uuid_in(&path)?;
    let body: MessageBody = read(&body)?;
    let patched = match body.metadata {
        Some(metadata) => store
            .patch_message(path.at(1), uuid, clean_metadata(metadata))
            .ok_or(Refusal::NotFound)?,
        None => store
            .message(path.at(1), uuid)
            .ok_or_else(|| Refusal::Internal("internal server error".to_owned()))?,
    };
    Ok(json(StatusCode::OK, &patched))
}

fn uuid_in(path: &Segments) -> Result<crate::lab::stamp::Uuid, Refusal> {
    let text = path.at(3);
    text.parse()
        .map_err(|_| Refusal::Bad(format!("not a uuid: {text}")))
}

#[derive(Deserialize)]
struct SearchBody {
    #[serde(default)]
    text: Option<String>,
    #[serde(default)]
    metadata: Option<Metadata>,
}

/// Finds nothing: only embedded messages are searched, and nothing embeds them here.
async fn search_session(body: Bytes) -> Result<Response, Refusal> {
    let body: SearchBody = read(&body)?;
    if body.text.unwrap_or_default().is_empty() && body.metadata.unwrap_or_default().is_empty() {
        return Err(Refusal::Internal("empty query".to_owned()));
    }
    Ok(json(StatusCode::OK, &json!([])))
}

#[derive(Deserialize)]
struct UserBody {
    #[serde(default)]
    user_id: Option<String>,
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
    fn fields(self) -> UserFields {
        UserFields {
            email: self.email.map(clean),
            first_name: self.first_name.map(clean),
            last_name: self.last_name.map(clean),
            metadata: self.metadata.map(clean_metadata),
        }
    }
}

async fn create_user(State(store): Shared, body: Bytes) -> Result<Response, Refusal> {
    let mut body: UserBody = read(&body)?;
    let user_id = clean(body.user_id.take().unwrap_or_default());
    let user = store.create_user(&user_id, body.fields())?;
    Ok(json(StatusCode::CREATED, &user))
}

async fn user(State(store): Shared, path: Segments) -> Result<Response, Refusal> {
    let user = store.user(path.at(1)).ok_or(Refusal::NotFound)?;
    Ok(json(StatusCode::OK, &user))
}

async fn list_users(State(store): Shared, Query(params): Params) -> Result<Response, Refusal> {
    let (after, limit) = cursor_and_limit(&params)?;
    let users = store.listed(store.users(after, limit));
    Ok(json(StatusCode::OK, &users))
}

async fn patch_user(
    State(store): Shared,
    path: Segments,
    body: Bytes,
) -> Result<Response, Refusal> {
    let body: UserBody = read(&body)?;
    let user = store.patch_user(path.at(1), body.fields());
    Ok(json(StatusCode::OK, &user.ok_or(Refusal::NotFound)?))
}

async fn delete_user(State(store): Shared, path: Segments) -> Result<Response, Refusal> {
    if store.delete_user(path.at(1)) {
        Ok(ok())
    } else {
        Err(Refusal::NotFound)
    }
}

/// Here every numeric id is 0, so it is no cursor.
async fn sessions_of_user(State(store): Shared, path: Segments) -> Response {
    let sessions = store.sessions_of(path.at(1), usize::MAX).into_iter();
    let sessions: Vec<_> = sessions.map(|s| Session { id: 0, ..s }).collect();
    json(StatusCode::OK, &sessions)
}

fn cursor_and_limit(params: &HashMap<String, String>) -> Result<(u64, usize), Refusal> {
    let after = number(params.get("cursor"))?.unwrap_or(0);
    let limit = number(params.get("limit"))?;
    Ok((u64::try_from(after).unwrap_or(0), count(limit)))
}
