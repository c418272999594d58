//! The `engram` profile: what Engram assumes of its store beyond `v1`.
//!
//! Facts of a user: `limit` absent or 0 returns all, there is no hidden maximum; they come in
//! the order in which they were added. `query` keeps the facts that hold all its words.
//! A search over all sessions looks at the newest sessions and counts words.
//! That an unknown owner is made and `role_type` is kept is the store's own doing.

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
use super::record::Metadata;
use super::reply::{Refusal, Shared, clean_metadata, count, json, number, read};
use super::store::Store;

/// Sessions that one search looks at, newest first.
const SEARCH_SESSIONS_MAX: usize = 1_000;
/// Hits without a `limit`.
const SEARCH_LIMIT_DEFAULT: usize = 10;

pub(super) fn routes() -> Router<Arc<Store>> {
    Router::new()
        .route("/api/v1/users/{id}/facts", get(facts).post(add_fact))
        .route("/api/v1/sessions/search", post(search))
}

async fn facts(
    State(store): Shared,
    path: Segments,
    Query(params): Query<HashMap<String, String>>,
) -> Result<Response, Refusal> {
    let limit = count(number(params.get("limit"))?);
    let query = params.get("query").map_or("", String::as_str);
    let facts = store.listed(store.facts(path.at(1), limit, query));
    Ok(json(StatusCode::OK, &facts))
}

#[derive(Deserialize)]
struct FactBody {
    #[serde(default)]
    fact: String,
    #[serde(default)]
    metadata: Option<Metadata>,
}

async fn add_fact(State(store): Shared, path: Segments, body: Bytes) -> Result<Response, Refusal> {
    let body: FactBody = read(&body)?;
    if body.fact.is_empty() {
        return Err(Refusal::Bad("fact is empty".to_owned()));
    }
    let about = clean_metadata(body.metadata.unwrap_or_default());
    let fact = store.add_fact(path.at(1), body.fact, &about);
    Ok(json(StatusCode::CREATED, &fact))
}

#[derive(Deserialize)]
struct SearchBody {
    #[serde(default)]
    text: String,
    #[serde(default)]
    limit: Option<i64>,
}

async fn search(State(store): Shared, body: Bytes) -> Result<Response, Refusal> {
    let body: SearchBody = read(&body)?;
    let limit = match body.limit {
        None | Some(0) => SEARCH_LIMIT_DEFAULT,
        limit @ Some(_) => count(limit),
    };
    let hits = store.search(&body.text, SEARCH_SESSIONS_MAX, limit);
    let results: Vec<_> = hits
        .into_iter()
        .map(|hit| {
            json!({
                "session_id": hit.session_id, "score": hit.score,
                "message": {"content": hit.message.content, "metadata": hit.message.metadata},
            })
        })
        .collect();
    Ok(json(StatusCode::OK, &json!({"results": results})))
}
