//! What the newer products share: errors in JSON, a key before everything, ids decoded twice.

use axum::Json;
use axum::body::Bytes;
use axum::extract::Request;
use axum::http::{StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

use super::store::StoreError;
use crate::model::LAB_STORE_KEY;

/// A request that is not answered as wished: a status and a reason, as JSON.
#[derive(Debug)]
pub(super) struct Refused(pub(super) StatusCode, pub(super) String);

impl Refused {
    pub(super) fn bad(why: impl Into<String>) -> Self {
        Self(StatusCode::BAD_REQUEST, why.into())
    }

    pub(super) fn not_found() -> Self {
        Self(StatusCode::NOT_FOUND, "not found".to_owned())
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        (self.0, Json(json!({"message": self.1}))).into_response()
    }
}

impl From<StoreError> for Refused {
    fn from(error: StoreError) -> Self {
        let why = error.to_string();
        match error {
            StoreError::NoSuchUser(_) => Self::bad("user not found"),
            StoreError::UuidTaken(_) => Self::bad("message_uuid already exists"),
            StoreError::NoSuchSession(_) => Self::not_found(),
            StoreError::SessionExists(_)
            | StoreError::UserExists(_)
            | StoreError::EmptySessionId
            | StoreError::TooLong(_) => Self::bad(format!("bad request: {why}")),
        }
    }
}

/// Reads a body; unknown fields are ignored.
pub(super) fn read<T: DeserializeOwned>(body: &Bytes) -> Result<T, Refused> {
    serde_json::from_slice(body).map_err(|error| Refused::bad(format!("bad request: {error}")))
}

/// Lets only those through who show the lab's key. It says nothing of who they are.
pub(super) async fn with_key(request: Request, next: Next) -> Response {
    let shown = request.headers().get(header::AUTHORIZATION);
    let expected = format!("Api-Key {LAB_STORE_KEY}");
    if shown.is_some_and(|shown| shown == &expected) {
        next.run(request).await
    } else {
        (StatusCode::UNAUTHORIZED, "unauthorized").into_response()
    }
}

/// A record as it is shown, with other keys beside its own.
pub(super) fn shown(record: &impl serde::Serialize, beside: Value) -> Value {
    let mut all = match serde_json::to_value(record) {
        Ok(Value::Object(all)) => all,
        Ok(_) | Err(_) => Map::new(),
    };
    if let Value::Object(beside) = beside {
        all.extend(beside);
    }
    Value::Object(all)
}

/// A page with a number, from 1, of all rows; without a size, all of them.
pub(super) fn page<T>(rows: Vec<T>, number: usize, size: usize) -> Vec<T> {
    let skipped = number.saturating_sub(1).saturating_mul(size);
    rows.into_iter().skip(skipped).take(size).collect()
}
