//! A small store in the test's own process, with knobs for what real ones get wrong.
#![expect(
    clippy::disallowed_methods,
    reason = "the store runs on a thread of its own, so that it can be gone at once"
)]

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use axum::Router;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use serde_json::json;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot};
use url::Url;

use super::baseline::Baseline;
use super::scan::ScanContext;
use super::store::{StoreClient, StoreKey};
use super::strangers::Strangers;
use crate::canary;
use crate::clock::RunClock;
use crate::event::Event;
use crate::model::{
    CanaryId, CanaryKind, Completion, Echo, GroupIx, Invocation, Micros, OpId, OpKind, Outcome,
    Promise, RunId, Scan, SessionIx, Sighting, TraitSet, UserIx,
};
use crate::scenario::{
    AuthKind, Disturbances, Memory, OwnerTemplate, Paths, PerChannel, Scenario, Settle, Store,
    Target, Timeouts,
};

pub(super) const RUN: RunId = RunId(0x0012_abcd);
const HTML: &str = "<!DOCTYPE html><html><body>Not here</body></html>";
pub(super) const OTHER_RUN: RunId = RunId(0x0012_abce);

/// What the store holds and how it behaves.
#[derive(Debug, Default)]
pub(super) struct Content {
    pub(super) sessions: Vec<FakeSession>,
    pub(super) users: Vec<String>,
    /// User, fact id, owner named by the fact itself, text.
    pub(super) facts: Vec<(String, String, Option<String>, String)>,
    pub(super) quirks: Vec<Quirk>,
    /// Sessions that are added when messages are read for the first time.
    pub(super) appearing: Vec<FakeSession>,
    /// How often the beginning of the session list was read.
    pub(super) lists: usize,
    /// Requests until the store is gone.
    pub(super) dies_after: Option<usize>,
    /// Requests answered.
    pub(super) requests: usize,
    /// Requests among them that came with a key.
    pub(super) keys: usize,
    /// Requests for messages among them.
    pub(super) message_requests: usize,
}

impl Content {
    fn has(&self, quirk: Quirk) -> bool {
        self.quirks.contains(&quirk)
    }
}

/// What the store gets wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Quirk {
    NotHealthy,
    WantsCredential,
    WithoutSessions,
    WithoutMessages,
    WithoutFacts,
    ShufflesPages,
    /// This page of messages is always empty.
    LosesPage(usize),
    /// A message is added to the first session whenever sessions are listed.
    NeverQuiet,
    RefusesMessages,
    /// Messages are refused with 503.
    Overloaded,
    /// Messages are answered only after the client's time limit.
    Frozen,
}

/// A session with its messages.
#[derive(Debug, Default, Clone)]
pub(super) struct FakeSession {
    pub(super) id: String,
    pub(super) owner: Option<String>,
    /// Message id, role, text.
    pub(super) messages: Vec<(String, &'static str, String)>,
    /// Listed only from this reading of the list on.
    pub(super) from_list: usize,
}

/// The running store.
#[derive(Debug)]
pub(super) struct FakeStore {
    pub(super) url: Url,
    content: Arc<Mutex<Content>>,
    kill: Arc<Mutex<Option<oneshot::Sender<()>>>>,
}

#[derive(Clone)]
struct Shared {
    content: Arc<Mutex<Content>>,
    kill: Arc<Mutex<Option<oneshot::Sender<()>>>>,
}

impl FakeStore {
    pub(super) fn start(content: Content) -> Self {
        let (kill, killed) = oneshot::channel();
        let shared = Shared {
            content: Arc::new(Mutex::new(content)),
            kill: Arc::new(Mutex::new(Some(kill))),
        };
        let (address, listening) = std::sync::mpsc::channel();
        let router = router(shared.clone());
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            runtime.block_on(async {
                let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
                address.send(listener.local_addr().unwrap()).unwrap();
                tokio::select! {
                    served = axum::serve(listener, router) => served.unwrap(),
                    _ = killed => {}
                }
            });
        });
        let address = listening.recv().unwrap();
        Self {
            url: Url::parse(&format!("http://{address}/")).unwrap(),
            content: shared.content,
            kill: shared.kill,
        }
    }

    pub(super) fn content(&self) -> MutexGuard<'_, Content> {
        self.content.lock().unwrap()
    }

    pub(super) async fn connect(&self, context: &ScanContext) -> StoreClient {
        StoreClient::connect(&self.url, &StoreKey::None, &context.scenario.memory)
            .await
            .unwrap()
    }
}

impl Drop for FakeStore {
    fn drop(&mut self) {
        drop(self.kill.lock().unwrap().take());
    }
}

fn router(shared: Shared) -> Router {
    Router::new()
        .route("/healthz", get(health))
        .route("/api/v1/sessions", get(sessions))
        .route("/api/v1/sessions/{id}/messages", get(messages))
        .route("/api/v1/user", get(users).post(create_user))
        .route("/api/v1/user/{id}", get(user))
        .route("/api/v1/users/{id}/facts", get(facts))
        .fallback(not_found)
        .layer(axum::middleware::from_fn_with_state(
            shared.clone(),
            async |State(shared): State<Shared>,
                   request: axum::extract::Request,
                   next: axum::middleware::Next| {
                let gone = {
                    let mut content = shared.content.lock().unwrap();
                    content.requests += 1;
                    let key = request.headers().get("authorization");
                    content.keys += usize::from(key.is_some());
                    content.dies_after.is_some_and(|n| content.requests > n)
                };
                if gone {
                    drop(shared.kill.lock().unwrap().take());
                    tokio::time::sleep(Duration::from_secs(5)).await;
                }
                next.run(request).await
            },
        ))
        .with_state(shared)
}

async fn health(State(shared): State<Shared>) -> &'static str {
    let content = shared.content.lock().unwrap();
    if content.has(Quirk::NotHealthy) {
        "{\"status\":\"healthy\"}"
    } else {
        "."
    }
}

async fn not_found() -> Response {
    (StatusCode::NOT_FOUND, HTML).into_response()
}

type Params = Query<HashMap<String, String>>;

fn number(params: &Params, key: &str) -> usize {
    params.get(key).unwrap().parse().unwrap()
}

async fn sessions(State(shared): State<Shared>, headers: HeaderMap, params: Params) -> Response {
    let mut content = shared.content.lock().unwrap();
    let key = headers.get("authorization");
    let may_read = key.is_some_and(|key| key == "Bearer open sesame");
    if content.has(Quirk::WantsCredential) && !may_read {
        return (StatusCode::UNAUTHORIZED, "unauthorized").into_response();
    }
    if content.has(Quirk::WithoutSessions) {
        return (StatusCode::NOT_FOUND, HTML).into_response();
    }
    let cursor = number(&params, "cursor");
    if cursor == 0 {
        content.lists += 1;
        if content.has(Quirk::NeverQuiet) {
            let id = format!("noise-{}", content.lists);
            content.sessions[0].messages.push((id, "user", "…".into()));
        }
    }
    let visible = content
        .sessions
        .iter()
        .filter(|s| s.from_list <= content.lists);
    let mut rows: Vec<_> = (1..)
        .zip(visible)
        .skip(cursor)
        .take(number(&params, "limit"))
        .map(
            |(row, s)| json!({"id": row, "session_id": s.id, "user_id": s.owner, "metadata": null}),
        )
        .collect();
    if content.has(Quirk::ShufflesPages) {
        rows.reverse();
    }
    json!(rows).to_string().into_response()
}

async fn messages(
    State(shared): State<Shared>,
    Path(id): Path<String>,
    params: Params,
) -> Response {
    if shared.content.lock().unwrap().has(Quirk::Frozen) {
        tokio::time::sleep(Duration::from_secs(5)).await;
    }
    let mut content = shared.content.lock().unwrap();
    if content.has(Quirk::WithoutMessages) {
        return (StatusCode::NOT_FOUND, HTML).into_response();
    }
    content.message_requests += 1;
    if content.has(Quirk::Overloaded) {
        return (StatusCode::SERVICE_UNAVAILABLE, "try later\n").into_response();
    }
    if content.has(Quirk::RefusesMessages) {
        return (StatusCode::BAD_REQUEST, "bad request\n").into_response();
    }
    let appearing = std::mem::take(&mut content.appearing);
    content.sessions.extend(appearing);
    let session = content.sessions.iter().find(|s| s.id == id);
    let all = session.map(|s| s.messages.clone()).unwrap_or_default();
    let (page, limit) = (number(&params, "cursor").max(1), number(&params, "limit"));
    let mut rows: Vec<_> = all
        .iter()
        .skip((page - 1) * limit)
        .take(limit)
        .map(|(uuid, role, text)| {
            json!({"uuid": uuid, "role": "", "role_type": role, "content": text})
        })
        .collect();
    if content.has(Quirk::LosesPage(page)) {
        rows.clear();
    }
    if content.has(Quirk::ShufflesPages) {
        rows.reverse();
    }
    let total = if rows.is_empty() && page > 1 {
        0
    } else {
        all.len()
    };
    json!({"messages": rows, "total_count": total, "row_count": rows.len()})
        .to_string()
        .into_response()
}

async fn users(State(shared): State<Shared>, params: Params) -> String {
    let content = shared.content.lock().unwrap();
    let rows: Vec<_> = (1..)
        .zip(&content.users)
        .skip(number(&params, "cursor"))
        .take(number(&params, "limit"))
        .map(|(row, id)| json!({"id": row, "user_id": id}))
        .collect();
    json!(rows).to_string()
}

async fn user(State(shared): State<Shared>, Path(id): Path<String>) -> Response {
    if shared.content.lock().unwrap().users.contains(&id) {
        json!({"id": 1, "user_id": id}).to_string().into_response()
    } else {
        (StatusCode::NOT_FOUND, "not found\n").into_response()
    }
}

async fn create_user(State(shared): State<Shared>, body: String) -> Response {
    let body: serde_json::Value = serde_json::from_str(&body).unwrap();
    let id = body["user_id"].as_str().unwrap().to_owned();
    let mut content = shared.content.lock().unwrap();
    if content.users.contains(&id) {
        return (
            StatusCode::BAD_REQUEST,
            "bad request: user already exists\n",
        )
            .into_response();
    }
    content.users.push(id);
    (StatusCode::CREATED, "{}").into_response()
}

async fn facts(State(shared): State<Shared>, Path(user): Path<String>, params: Params) -> Response {
    let content = shared.content.lock().unwrap();
    if content.has(Quirk::WithoutFacts) {
        return (StatusCode::NOT_FOUND, HTML).into_response();
    }
    let rows: Vec<_> = content
        .facts
        .iter()
        .filter(|(of, ..)| *of == user)
        .take(number(&params, "limit"))
        .map(|(_, uuid, owner, fact)| json!({"uuid": uuid, "user_id": owner, "fact": fact}))
        .collect();
    json!(rows).to_string().into_response()
}

/// The scan context of a small run against a store that was empty before it.
pub(super) fn context() -> ScanContext {
    ScanContext {
        run: RUN,
        scenario: Arc::new(scenario()),
        baseline: Baseline::default(),
        clock: RunClock::start(),
        strangers: Strangers::new([7; 32]),
        users: 4,
        plan: None,
    }
}

fn scenario() -> Scenario {
    let owner = OwnerTemplate {
        before: "dev-oid-".into(),
        after: String::new(),
    };
    Scenario {
        name: "test".into(),
        description: String::new(),
        target: Target {
            url: None,
            paths: Paths {
                chat: "/chat".into(),
                upload: "/upload".into(),
                voice: "/voice/{session}".into(),
                stream: "/stream/{session}".into(),
                turn: "/turn".into(),
                health: "/health".into(),
                memory: "/memory".to_owned(),
                session: "/session/{session}".to_owned(),
            },
            auth: AuthKind::Dev,
            socket_token: crate::scenario::TokenPlace::Header,
            bodies: crate::scenario::Bodies::default(),
            answers: crate::scenario::Answers::default(),
            expected_owner: PerChannel {
                chat: owner.clone(),
                upload: owner.clone(),
                stream: owner.clone(),
                turn: owner.clone(),
                voice: owner,
            },
            placeholders: vec!["poc-user".into()],
            timeouts: Timeouts {
                connect: Duration::from_secs(1),
                chat: Duration::from_secs(1),
                upload: Duration::from_secs(1),
                voice: Duration::from_secs(1),
                stream: Duration::from_secs(1),
                turn: Duration::from_secs(1),
            },
            trigger_words: vec![],
            apologies: vec![],
        },
        memory: Memory {
            store: Store::None,
            settle: Settle {
                task_limit: Duration::from_millis(20),
                deadline: Duration::from_millis(150),
                pause: Duration::from_millis(10),
            },
            read_timeout: Duration::from_secs(5),
            read_concurrency: 4,
            lag_sample_every: 1,
            dialect: None,
            key_env: "ZEP_API_KEY".into(),
            create_users: false,
            also_create: Vec::new(),
        },
        users: 4,
        groups: vec![],
        disturbances: Disturbances::NONE,
        pool: Vec::new(),
        accept: Vec::new(),
        caps: crate::scenario::Caps::default(),
        logs: crate::logs::PatternTexts::default(),
    }
}

pub(super) fn owner(user: u32) -> String {
    format!("dev-oid-{}", RUN.user_name(UserIx(user)))
}

pub(super) fn session_name(user: u32, session: u32) -> String {
    RUN.session_name(UserIx(user), SessionIx(session))
}

/// Text of this run's user, with private words beside the canary.
pub(super) fn text(user: u32, session: u32, item: u16) -> String {
    text_of(RUN, (user, session, item), CanaryKind::Turn)
}

pub(super) fn block(user: u32, session: u32, item: u16) -> String {
    text_of(RUN, (user, session, item), CanaryKind::Block)
}

pub(super) fn text_of(
    run: RunId,
    (user, session, item): (u32, u32, u16),
    kind: CanaryKind,
) -> String {
    let id = CanaryId {
        run,
        user: UserIx(user),
        session: SessionIx(session),
        item,
        kind,
    };
    format!("words before {} and after", canary::plant(id, &[]))
}

/// A user's session with one turn of each side.
pub(super) fn turn(user: u32, session: u32) -> FakeSession {
    let id = session_name(user, session);
    FakeSession {
        owner: Some(owner(user)),
        messages: vec![
            (format!("{id}-q"), "user", text(user, session, 0)),
            (format!("{id}-a"), "assistant", text(user, session, 0)),
        ],
        id,
        from_list: 0,
    }
}

/// Everything that one scan told.
pub(super) async fn scan(store: &FakeStore, context: &ScanContext) -> (Scan, Vec<Sighting>) {
    let client = store.connect(context).await;
    let (sender, receiver) = mpsc::channel(100_000);
    let scan = client.scan(context, 1, &sender).await;
    drop(sender);
    (scan, sightings(receiver))
}

pub(super) fn sightings(mut receiver: mpsc::Receiver<Event>) -> Vec<Sighting> {
    let mut seen = Vec::new();
    while let Ok(event) = receiver.try_recv() {
        if let Event::Sighted(sighting) = event {
            seen.push(sighting);
        }
    }
    seen.sort_by(|a, b| (a.record_type, &a.record_id).cmp(&(b.record_type, &b.record_id)));
    seen
}

/// The ids of sighted records.
pub(super) fn ids(sightings: &[Sighting]) -> HashSet<&str> {
    sightings.iter().map(|s| s.record_id.as_str()).collect()
}

/// The first operation of a session begins; its user has the same number.
pub(super) fn invoked(kind: OpKind, session: u32) -> Event {
    Event::Invoked(Invocation {
        op: op(session),
        user: UserIx(session),
        founder: UserIx(session),
        kind,
        group: GroupIx(0),
        intended: Micros(0),
        invoked: Micros(0),
        text_hash: 0,
        item_first: 0,
        item_count: 1,
        request_id: 0,
        traits: TraitSet::default(),
    })
}

/// It ends.
pub(super) fn completed(session: u32, outcome: Outcome, server_session: Option<&str>) -> Event {
    Event::Completed(Completion {
        op: op(session),
        completed: Micros(1),
        sent: Some(Micros(0)),
        outcome,
        status: Some(200),
        promise: Promise::NONE,
        echo: Echo::Own,
        server_session: server_session.map(str::to_owned),
        detail: None,
    })
}

/// The first operation of a session.
pub(super) fn op(session: u32) -> OpId {
    OpId {
        session: SessionIx(session),
        seq: 0,
    }
}
