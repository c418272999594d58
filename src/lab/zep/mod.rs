//! The store's HTTP side: what all profiles share, and which profile is served.
//!
//! A product is a file of routes. Engram's own is `v1` and the routes that Engram assumes. What a
//! product refuses whoever asks is in `world.rs`.

mod cloud;
mod engram;
mod listing;
mod path;
mod record;
mod refused;
mod reply;
mod store;
mod tables;
mod v1;
mod v2;
mod world;

use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::{HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware::map_response;
use axum::response::{Html, IntoResponse, Response};
use axum::routing::any;

pub(super) use record::{Appended, Fact, MessagePage, Metadata, NewMessage, NewSession, Session};
pub(super) use store::{Store, StoreError};
pub(super) use world::World;

/// Bytes of a request's body, as shipped by the original.
const BODY_BYTES_MAX: usize = 5 * 1024 * 1024;
/// The version that the dialect was read from; clients expect a dash and a build after it.
const VERSION: HeaderValue = HeaderValue::from_static("0.27.2-lab");

/// The routes of the product that the store stands for.
pub(super) fn router(store: Arc<Store>) -> Router {
    let limit = DefaultBodyLimit::max(BODY_BYTES_MAX);
    match store.world {
        World::Extended => of_v1(v1::routes().merge(engram::routes()), store),
        World::Strict => of_v1(v1::routes(), store),
        World::V2 => Router::new()
            .nest("/api/v2", v2::routes())
            .with_state(store)
            .route("/healthz", any(health))
            .fallback(async || (StatusCode::NOT_FOUND, "404 page not found\n"))
            .layer(limit),
        World::Cloud => Router::new()
            .nest("/api/v2", cloud::routes())
            .with_state(store)
            .fallback(async || refused::Refused::not_found())
            .layer(limit),
    }
}

fn of_v1(routes: Router<Arc<Store>>, store: Arc<Store>) -> Router {
    routes
        .with_state(store)
        .route("/healthz", any(health))
        .fallback(unknown_route)
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .layer(map_response(with_version))
}

/// Says only that the process is up.
async fn health(method: Method) -> Response {
    if method == Method::GET || method == Method::HEAD {
        ([(header::CONTENT_TYPE, "text/plain")], ".").into_response()
    } else {
        unknown_route().await
    }
}

/// The original serves its web page here: clients must not feed it to a JSON parser.
async fn unknown_route() -> Response {
    let page = Html("<!DOCTYPE html><html><body><h1>404</h1>page not found</body></html>\n");
    (StatusCode::NOT_FOUND, page).into_response()
}

async fn with_version(mut response: Response) -> Response {
    let name = HeaderName::from_static("x-zep-version");
    response.headers_mut().insert(name, VERSION);
    response
}

#[cfg(test)]
mod tests;
