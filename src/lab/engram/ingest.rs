//! Uploads: one document a request, accepted before anything of it is stored.
#![expect(
    clippy::disallowed_methods,
    reason = "an upload runs in a task of its own, so that a hang-up does not stop it"
)]

use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::multipart::MultipartRejection;
use axum::extract::{Multipart, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use super::chat::denial;
use super::chunk::{self, Markup};
use super::files::Taken;
use super::hearing::{Hearing, Told, hearing};
use super::index::{self, Document};
use super::{Handle, identity, problem};
use crate::lab::faults::FaultKind;
use crate::lab::log::Named;
use crate::model::OpKind;

/// Name of the part that holds the document.
const PART: &str = "file";

/// A document as it came.
struct Upload {
    file: String,
    content_type: String,
    bytes: Bytes,
}

pub(super) async fn ingest(
    State(engram): State<Handle>,
    headers: HeaderMap,
    multipart: Result<Multipart, MultipartRejection>,
) -> Response {
    let Ok(user) = identity::of_rest(&headers, &engram.keys) else {
        return problem::unauthorized("Token validation failed");
    };
    let upload = match multipart {
        Ok(multipart) => document_part(multipart).await,
        Err(_) => Err(Box::new(missing_part())),
    };
    match upload {
        Ok(upload) => accepted(engram, user, Named::by(&headers), upload).await,
        Err(response) => *response,
    }
}

async fn accepted(engram: Handle, user: Arc<str>, named: Named, upload: Upload) -> Response {
    let (telling, hearing) = hearing();
    match tokio::spawn(accept(engram, (user, named), upload, hearing)).await {
        Ok(response) => {
            // A refusal needs no telling: of that nothing is promised.
            telling.tell(Told::Accepted);
            response
        }
        Err(_) => problem::detail(StatusCode::INTERNAL_SERVER_ERROR, "Internal Server Error"),
    }
}

async fn accept(
    engram: Handle,
    (author, named): (Arc<str>, Named),
    upload: Upload,
    hearing: Hearing,
) -> Response {
    let in_flight = engram.faults.enter(&author);
    engram.think().await;
    let markup = match upload.content_type.as_str() {
        "text/markdown" | "text/x-markdown" => Markup::Markdown,
        "text/plain" => Markup::Plain,
        other => {
            let why = format!("File type {other} is not supported");
            return problem::detail(StatusCode::INTERNAL_SERVER_ERROR, &why);
        }
    };
    let chunks = chunk::chunks(&String::from_utf8_lossy(&upload.bytes), markup);
    if chunks.is_empty() {
        let why = "No text content extracted from fule";
        return problem::detail(StatusCode::BAD_REQUEST, why);
    }
    let count = chunks.len();
    let hits = engram.faults.strike(&in_flight, OpKind::Upload);
    let failure = hits
        .has(FaultKind::StoreThenFail)
        .then(|| engram.faults.next_failure());
    drop(in_flight);
    let document = Document {
        named,
        author,
        file: upload.file.clone(),
        file_type: upload.content_type,
        chunks: Arc::new(chunks),
        taken: Taken::default(),
        hearing: failure.map_or(hearing, |failure| Hearing::of(Told::by(failure))),
    };
    let task = index::start(&engram, document, hits);
    if let Some(failure) = failure {
        // Only a task that breaks off is not waited for to its end.
        let _ = task.await;
        return denial(failure);
    }
    let message = format!("Document accepted. Processing {count} chunks in background.");
    let body = json!({
        "success": true, "filename": upload.file, "chunks_processed": count, "message": message,
    });
    Json(body).into_response()
}

/// Reads the part that holds the document; other parts are passed over.
async fn document_part(mut multipart: Multipart) -> Result<Upload, Box<Response>> {
    let broken = |error: axum::extract::multipart::MultipartError| {
        Box::new(problem::detail(error.status(), &error.body_text()))
    };
    while let Some(field) = multipart.next_field().await.map_err(broken)? {
        if field.name() != Some(PART) {
            continue;
        }
        let Some(file) = field.file_name().map(without_controls) else {
            break;
        };
        let content_type = field.content_type().unwrap_or("application/octet-stream");
        let content_type = content_type.split(';').next().unwrap_or_default();
        return Ok(Upload {
            file,
            content_type: content_type.trim().to_ascii_lowercase(),
            bytes: field.bytes().await.map_err(broken)?,
        });
    }
    Err(Box::new(missing_part()))
}

fn missing_part() -> Response {
    problem::unprocessable("missing", PART, "Field required", &Value::Null)
}

/// A file's name goes into log lines, which must stay lines.
fn without_controls(name: &str) -> String {
    name.chars().filter(|letter| !letter.is_control()).collect()
}
