//! Answers that are not successes, in the shapes of `FastAPI`.

use axum::Json;
use axum::body::Body;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

/// An error with one text.
pub(super) fn detail(status: StatusCode, text: &str) -> Response {
    (status, Json(json!({"detail": text}))).into_response()
}

/// 401, as for a missing or bad credential.
pub(super) fn unauthorized(text: &str) -> Response {
    let challenge = [(header::WWW_AUTHENTICATE, "Bearer")];
    (
        StatusCode::UNAUTHORIZED,
        challenge,
        Json(json!({"detail": text})),
    )
        .into_response()
}

/// 422 with one complaint about one field.
pub(super) fn unprocessable(kind: &str, field: &str, complaint: &str, input: &Value) -> Response {
    let loc = if field.is_empty() {
        json!(["body"])
    } else {
        json!(["body", field])
    };
    let body = json!({"detail": [{"type": kind, "loc": loc, "msg": complaint, "input": input}]});
    (StatusCode::UNPROCESSABLE_ENTITY, Json(body)).into_response()
}

/// A success of which the client never sees the end: the connection breaks off in its body.
pub(super) fn broken_off() -> Response {
    let cut = futures_util::stream::once(async {
        Err::<axum::body::Bytes, _>(std::io::Error::from(std::io::ErrorKind::ConnectionReset))
    });
    let promised = [(header::CONTENT_LENGTH, "512")];
    (StatusCode::OK, promised, Body::from_stream(cut)).into_response()
}

/// Unknown paths.
pub(super) async fn not_found() -> Response {
    detail(StatusCode::NOT_FOUND, "Not Found")
}

/// Known paths, other methods.
pub(super) async fn method_not_allowed() -> Response {
    detail(StatusCode::METHOD_NOT_ALLOWED, "Method Not Allowed")
}
