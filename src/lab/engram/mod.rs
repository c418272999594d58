//! The backend's side: what a client of Engram sees, with background tasks behind the answers.
//!
//! It reaches the store through a handle in the process, not over HTTP. Every operation captures
//! its user by value; only a planted fault looks anywhere else.

mod admission;
mod chat;
mod chunk;
mod diary;
mod ear;
mod echo;
mod enrich;
mod files;
mod hearing;
mod identity;
mod index;
mod ingest;
mod judge;
mod keep;
mod logins;
mod memory;
mod oddities;
mod open;
mod order;
mod overlap;
mod persist;
mod problem;
mod recall;
mod said;
mod sessions;
mod spoil;
mod stream;
mod upstream;
mod voice;

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get, post};
use serde_json::json;
use tokio::sync::watch;
use tokio::time::Instant;

pub(super) use self::identity::Keys;

use self::chat::Done;
use self::enrich::StoreCalls;
use self::files::Files;
use self::logins::Logins;
use self::order::Order;
use self::overlap::Contexts;
use self::recall::{Memories, Reply};
use self::sessions::Sessions;
use self::upstream::Upstream;
use super::faults::{FaultKind, FaultSpec};
use super::log::{Log, Named};
use super::profile::Profile;
use super::queue::SessionQueues;
use super::quirks::{QuirkKind, Quirks};
use super::races::Faults;
use super::stamp::{Dice, Stamp};
use super::truth::Truth;
use super::zep::Store;

/// How long the model thinks.
const MODEL_DELAY: [Duration; 2] = [Duration::from_millis(2), Duration::from_millis(8)];
/// How long the store takes for one write.
const STORE_DELAY: [Duration; 2] = [Duration::from_millis(1), Duration::from_millis(5)];
/// Bytes of a request's body, an upload's apart.
const BODY_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Bytes of an upload's body.
const UPLOAD_BYTES_MAX: usize = 32 * 1024 * 1024;

/// The backend.
#[derive(Debug)]
pub(super) struct Engram {
    pub(super) store: Arc<Store>,
    pub(super) dice: Arc<Dice>,
    pub(super) log: Log,
    pub(super) truth: Truth,
    answer_status: Option<StatusCode>,
    quirks: Quirks,
    profile: Profile,
    keys: Keys,
    /// Tells the lab's sockets to close once.
    restart: watch::Sender<u32>,
    /// API requests that came.
    requests: AtomicU64,
    store_calls: StoreCalls,
    queues: Arc<SessionQueues>,
    sessions: Sessions,
    logins: Logins,
    memories: Memories,
    contexts: Contexts,
    order: Order,
    files: Files,
    upstream: Upstream<Done>,
    started: Instant,
    faults: Faults<persist::Context>,
    /// Sessions that a fault has given a wrong owner, and which fault.
    misowned: Mutex<HashMap<Arc<str>, FaultKind>>,
    background: AtomicUsize,
}

/// What the backend is made from.
#[derive(Debug)]
pub(super) struct Parts {
    pub(super) store: Arc<Store>,
    pub(super) dice: Arc<Dice>,
    pub(super) log: Log,
    pub(super) truth: Truth,
    pub(super) faults: Vec<FaultSpec>,
    pub(super) quirks: Quirks,
    pub(super) profile: Profile,
    pub(super) restart: watch::Sender<u32>,
    pub(super) answer_status: Option<StatusCode>,
    pub(super) keys: Keys,
}

/// The handle that every handler and task holds.
type Handle = Arc<Engram>;

impl Engram {
    pub(super) fn new(parts: Parts) -> Self {
        Self {
            store: parts.store,
            faults: Faults::new(parts.faults, Arc::clone(&parts.dice)),
            dice: parts.dice,
            log: parts.log,
            truth: parts.truth,
            answer_status: parts.answer_status,
            quirks: parts.quirks,
            profile: parts.profile,
            keys: parts.keys,
            restart: parts.restart,
            requests: AtomicU64::new(0),
            store_calls: StoreCalls::default(),
            queues: Arc::default(),
            sessions: Sessions::default(),
            logins: Logins::default(),
            memories: Memories::default(),
            contexts: Contexts::default(),
            order: Order::default(),
            files: Files::default(),
            upstream: Upstream::default(),
            started: Instant::now(),
            misowned: Mutex::default(),
            background: AtomicUsize::new(0),
        }
    }

    /// Background tasks that have not ended.
    pub(super) fn background(&self) -> usize {
        self.background.load(Ordering::Acquire)
    }

    /// Should somebody have used it before any run?
    pub(super) fn is_warmed_up(&self) -> bool {
        self.quirks.has(QuirkKind::WarmedUp)
    }

    /// How long its worker takes to start.
    pub(super) fn starting(&self) -> Duration {
        let spec = self.faults.spec(FaultKind::ColdStart);
        spec.map_or(Duration::ZERO, |spec| spec.window)
    }

    fn misowned(&self) -> MutexGuard<'_, HashMap<Arc<str>, FaultKind>> {
        self.misowned.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn think(&self) {
        let [from, to] = MODEL_DELAY;
        tokio::time::sleep(self.dice.delay(from, to)).await;
    }

    async fn store_delay(&self) {
        let [from, to] = STORE_DELAY;
        tokio::time::sleep(self.dice.delay(from, to)).await;
    }
}

/// The routes of the backend.
pub(super) fn router(engram: Handle) -> Router {
    Router::new()
        .route("/api/v1/voice/conversation/turn", post(keep::keep))
        .route("/api/v1/chat", post(chat::chat))
        .route("/api/v1/chat/ws/{session}", get(stream::stream))
        .route("/api/v1/chat/session/{id}", delete(chat::clear))
        .route("/api/v1/memory/search", post(memory::search))
        .route("/api/v1/memory/graph", get(memory::graph))
        .route("/api/v1/memory/episodes", get(memory::episodes))
        .route("/api/v1/memory/episodes/{id}", get(memory::transcript))
        .route("/api/v1/memory/facts", post(memory::add_fact))
        .route("/api/v1/memory/enrich", post(memory::enrich))
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .route(
            "/api/v1/etl/ingest",
            post(ingest::ingest).layer(DefaultBodyLimit::max(UPLOAD_BYTES_MAX)),
        )
        .route("/api/v1/voice/voicelive/{session}", get(voice::voice))
        .route("/health", get(health))
        .route("/api/v1/health", get(health))
        .route("/ready", get(ready))
        .route("/api/v1/ready", get(ready))
        .fallback(problem::not_found)
        .method_not_allowed_fallback(problem::method_not_allowed)
        .layer(from_fn_with_state(Arc::clone(&engram), around))
        .with_state(engram)
}

async fn health() -> Response {
    let body = json!({
        "status": "healthy", "timestamp": Stamp::now(), "version": "0.1.0",
        "environment": "development",
    });
    axum::Json(body).into_response()
}

async fn ready() -> Response {
    let checks = json!({"api": true, "database": false, "zep": false, "temporal": false});
    axum::Json(json!({"status": "degraded", "checks": checks})).into_response()
}

/// What happens around every request: its id comes back, its time is told, and a lab that is
/// asked to fail answers with that status.
async fn around(State(engram): State<Handle>, request: Request<Body>, next: Next) -> Response {
    let started = Instant::now();
    let request_id = HeaderName::from_static("x-request-id");
    let id = request.headers().get(&request_id).cloned();
    let path = request.uri().path();
    let is_api = path.starts_with("/api/v1/") && !path.ends_with("/health");
    let (method, told) = (request.method().clone(), path.to_owned());
    let named = Named::by(request.headers());
    let mut response = match engram.answer_status {
        Some(status) if is_api && !path.ends_with("/ready") => {
            problem::detail(status, "the lab was asked to answer so")
        }
        Some(_) | None => engram.pass_on(is_api, request, next).await,
    };
    let status = response.status().as_u16();
    engram.log.request(&named, method.as_str(), &told, status);
    let headers = response.headers_mut();
    let made = || HeaderValue::try_from(engram.dice.uuid().to_string()).ok();
    if let Some(id) = id.or_else(made) {
        headers.insert(request_id, id);
    }
    let took_ms = started.elapsed().as_secs_f64() * 1_000.0;
    if let Ok(took) = HeaderValue::try_from(format!("{took_ms:.2}")) {
        headers.insert(HeaderName::from_static("x-response-time-ms"), took);
    }
    response
}
