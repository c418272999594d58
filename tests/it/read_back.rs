//! Reading back what the lab's store holds, through its HTTP API only.
#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot go on says so by panicking"
)]

use std::collections::BTreeSet;
use std::sync::Arc;

use crosswire::canary;
use crosswire::clock::RunClock;
use crosswire::event::Event;
use crosswire::lab::{self, Lab, LabConfig, LogTarget};
use crosswire::model::{
    CanaryId, CanaryKind, Micros, RecordType, RunId, SessionIx, Sighting, UserIx,
};
use crosswire::observe::{ScanContext, SettlePlan, StoreClient, StoreKey, Strangers};
use crosswire::scenario::{embedded, parse};
use crosswire::stop::stop_pair;
use serde_json::{Value, json};
use tokio::sync::mpsc;
use url::Url;

const RUN: RunId = RunId(0x0012_abcd);
const USERS: u32 = 4;
/// More than one page of messages.
const LONG_TURNS: u16 = 300;

async fn start_lab(folder: &std::path::Path) -> Lab {
    let config = LabConfig {
        log: LogTarget::Path(folder.join("lab.log")),
        ..LabConfig::default()
    };
    lab::start(config).await.unwrap()
}

fn context() -> ScanContext {
    let (name, text) = embedded()
        .iter()
        .find(|(name, _)| *name == "quick")
        .unwrap();
    ScanContext {
        run: RUN,
        scenario: Arc::new(parse(name, text, name).unwrap()),
        baseline: crosswire::observe::Baseline::default(),
        clock: RunClock::start(),
        strangers: Strangers::new([7; 32]),
        users: USERS,
        plan: None,
    }
}

fn owner(user: u32) -> String {
    format!("dev-oid-{}", RUN.user_name(UserIx(user)))
}

fn text(user: u32, session: u32, item: u16, kind: CanaryKind) -> String {
    let id = CanaryId {
        run: RUN,
        user: UserIx(user),
        session: SessionIx(session),
        item,
        kind,
    };
    format!("some words {} and some more", canary::plant(id, &[]))
}

/// Writes to the store as a backend does.
struct Writer {
    http: reqwest::Client,
    base: String,
}

impl Writer {
    async fn post(&self, path: &str, body: Value) {
        let url = format!("{}/api/v1/{path}", self.base);
        let answer = self.http.post(url).json(&body).send().await.unwrap();
        assert!(answer.status().is_success(), "{path}: {}", answer.status());
    }

    async fn session(&self, id: &str, owner: Option<&str>, messages: &[String]) {
        if let Some(owner) = owner {
            self.post("sessions", json!({"session_id": id, "user_id": owner}))
                .await;
        }
        let messages: Vec<_> = messages
            .iter()
            .map(|text| json!({"role_type": "user", "content": text}))
            .collect();
        self.post(
            &format!("sessions/{id}/memory"),
            json!({"messages": messages}),
        )
        .await;
    }
}

async fn settle(store: &StoreClient, context: &ScanContext) -> (bool, u32, Vec<Sighting>) {
    let (sender, mut receiver) = mpsc::channel(100_000);
    let (_stopper, mut stop) = stop_pair();
    let plan = SettlePlan {
        first_scan: 1,
        last_completed: Micros(0),
        lag_p999: std::time::Duration::ZERO,
    };
    let observed = store.settle(context, plan, &sender, || 0, &mut stop).await;
    drop(sender);
    let mut seen = Vec::new();
    while let Some(event) = receiver.recv().await {
        if let Event::Sighted(sighting) = event {
            seen.push(sighting);
        }
    }
    let last = observed.scans;
    seen.retain(|sighting| sighting.scan == last && !sighting.control);
    (observed.settled && observed.complete, last, seen)
}

#[tokio::test]
async fn what_stands_in_the_labs_store_is_read_back_whole() {
    let folder = tempfile::tempdir().unwrap();
    let lab = start_lab(folder.path()).await;
    let writer = Writer {
        http: reqwest::Client::new(),
        base: lab.memory_url.clone(),
    };
    writer
        .session("annas", Some("anna"), &["her own words".into()])
        .await;
    let mut context = context();
    let url = Url::parse(&lab.memory_url).unwrap();
    let store = StoreClient::connect(&url, &StoreKey::None, &context.scenario.memory)
        .await
        .unwrap();
    assert!(store.can_list_facts());
    context.baseline = store.baseline(RUN, &context.scenario).await.unwrap();
    assert!(context.baseline.has_session("annas") && context.baseline.has_user("anna"));

    let turn = CanaryKind::Turn;
    for part in 0..LONG_TURNS {
        let texts = [text(0, 0, 2 * part, turn), text(0, 0, 2 * part + 1, turn)];
        let first = (part == 0).then(|| owner(0));
        writer
            .session(
                &RUN.session_name(UserIx(0), SessionIx(0)),
                first.as_deref(),
                &texts,
            )
            .await;
    }
    writer
        .session("nobodys", None, &[text(1, 1, 0, turn)])
        .await;
    writer.session("annas", None, &[text(2, 2, 0, turn)]).await;
    for (user, fact) in [
        (owner(3), text(3, 3, 0, CanaryKind::Block)),
        ("anna".to_owned(), text(3, 3, 1, CanaryKind::Block)),
        ("anna".to_owned(), "her own fact".to_owned()),
    ] {
        writer
            .post(&format!("users/{user}/facts"), json!({"fact": fact}))
            .await;
    }

    let (settled, scans, seen) = settle(&store, &context).await;
    assert!(settled);
    assert!(scans >= 3);
    let of = |kind| seen.iter().filter(move |s| s.record_type == kind);
    let shown = |name: &str| match name.strip_prefix("stranger-") {
        Some(hash) => format!("stranger of {} digits", hash.len()),
        None => name.to_owned(),
    };
    let sessions: BTreeSet<_> = of(RecordType::Session)
        .map(|s| (shown(&s.record_id), s.owner.as_deref().map(shown)))
        .collect();
    let stranger = || "stranger of 8 digits".to_owned();
    assert_eq!(
        sessions,
        BTreeSet::from([
            (stranger(), Some(stranger())),
            (stranger(), None),
            ("cw-0012abcd-u0-s0".into(), Some(owner(0))),
        ])
    );
    let expected = usize::from(2 * LONG_TURNS) + 2;
    assert_eq!(of(RecordType::Message).count(), expected);
    let facts = of(RecordType::Fact).map(|s| s.owner.as_deref().map(shown));
    let facts: BTreeSet<_> = facts.collect();
    assert_eq!(facts, BTreeSet::from([Some(owner(3)), Some(stranger())]));
    assert!(!format!("{seen:?}").contains("anna"));
    let quoted = seen.iter().filter(|s| s.excerpt.is_some()).count();
    assert_eq!(quoted, 3, "only what stands under a wrong owner is quoted");
}
