use std::sync::Arc;

use super::super::fake::{
    Content, FakeSession, FakeStore, OTHER_RUN, RUN, context, ids, owner, scan, session_name, text,
    text_of,
};
use super::super::scan::ScanContext;
use super::*;
use crate::model::{CanaryKind, SessionIx};

/// A run of pooled users `anna` and `bob`, whom the store knows.
fn pooled() -> ScanContext {
    let mut context = context();
    let mut scenario = (*context.scenario).clone();
    scenario.pool = vec!["anna".to_owned(), "bob".to_owned(), "carl".to_owned()];
    scenario.users = 2;
    context.users = 2;
    context.scenario = Arc::new(scenario);
    context
}

fn older(user: u32) -> String {
    text_of(OTHER_RUN, (user, 0, 0), CanaryKind::Turn)
}

fn session(id: &str, owner: &str, messages: &[(&str, String)]) -> FakeSession {
    let messages = messages.iter();
    FakeSession {
        id: id.to_owned(),
        owner: Some(owner.to_owned()),
        messages: messages
            .map(|(id, text)| ((*id).to_owned(), "user", text.clone()))
            .collect(),
        from_list: 0,
    }
}

fn fact(user: &str, id: &str, text: String) -> (String, String, Option<String>, String) {
    (user.to_owned(), id.to_owned(), None, text)
}

/// Anna's last run, and words of her own; carl is in the pool, and no user of this run.
fn before() -> Content {
    let anna = "dev-oid-anna";
    let last_run = OTHER_RUN.session_name(UserIx(0), SessionIx(0));
    Content {
        sessions: vec![
            session(&last_run, anna, &[("o1", older(0)), ("o2", older(0))]),
            session("talk-1", anna, &[("t1", "her own words".to_owned())]),
            session("talk-2", "dev-oid-carl", &[("t2", older(0))]),
        ],
        users: vec![anna.to_owned()],
        facts: vec![
            fact(anna, "f1", "she likes tea".to_owned()),
            fact(anna, "f2", older(0)),
        ],
        ..Content::default()
    }
}

#[tokio::test]
async fn what_pooled_users_had_is_counted_and_never_told() {
    let store = FakeStore::start(before());
    let mut context = pooled();
    let client = store.connect(&context).await;
    let baseline = client.baseline(RUN, &context.scenario).await.unwrap();
    let counts = BaselineCounts {
        records: 5,
        of_older_runs: 3,
    };
    assert_eq!((baseline.counts(), baseline.len()), (counts, 4));
    assert!(baseline.has_message("talk-1", "t1") && !baseline.has_message("talk-2", "t2"));
    assert!(!baseline.has_message("talk-1", "t2") && !baseline.has_fact("t1"));
    assert!(baseline.has_fact("f1") && baseline.has_fact("f2"));
    let restored = Baseline::from_hashes(baseline.hashes(), counts);
    assert_eq!(restored, baseline);
    context.baseline = baseline;
    let (found, seen) = scan(&store, &context).await;
    assert!(found.complete, "{:?}", found.incomplete_reason);
    assert_eq!(ids(&seen), HashSet::new());
}

#[tokio::test]
async fn what_is_new_under_pooled_users_is_told() {
    let store = FakeStore::start(before());
    let mut context = pooled();
    let client = store.connect(&context).await;
    context.baseline = client.baseline(RUN, &context.scenario).await.unwrap();
    let named = |user, session| RUN.session_name(UserIx(user), SessionIx(session));
    let mut all = before();
    all.sessions[1].messages.extend([
        ("n1".to_owned(), "user", text(0, 0, 0)),
        ("n2".to_owned(), "user", "nobody said so".to_owned()),
        ("n3".to_owned(), "user", older(1)),
    ]);
    let mine = [("n4", text(1, 1, 0)), ("n5", older(0))];
    all.sessions
        .push(session(&named(1, 1), "dev-oid-bob", &mine));
    // A colleague's run with the same pool, at the same time.
    let theirs = OTHER_RUN.session_name(UserIx(1), SessionIx(9));
    let words = [("c1", older(1)), ("c2", "as you asked".to_owned())];
    all.sessions.push(session(&theirs, "dev-oid-bob", &words));
    let anna = "dev-oid-anna";
    all.facts.push(fact(anna, "n6", older(0)));
    all.facts.push(fact(anna, "n7", "a new fact".to_owned()));
    *store.content() = all;
    let (_, seen) = scan(&store, &context).await;
    let records = seen.iter().filter(|s| s.record_id.starts_with(['n', 'c']));
    let told: Vec<_> = records
        .map(|s| (s.record_id.as_str(), s.older_run.is_some()))
        .filter(|(id, _)| id.len() == 2)
        .collect();
    assert_eq!(
        told,
        [
            ("n1", false),
            ("n2", false),
            ("n3", true),
            ("n4", false),
            ("n5", true),
            ("n6", true),
            ("n7", false)
        ]
    );
}

#[tokio::test]
async fn a_store_that_holds_something_of_this_run_is_refused() {
    let anna = "dev-oid-anna";
    let ours = session(&session_name(0, 0), anna, &[]);
    for (content, is_pooled) in [
        (
            Content {
                sessions: vec![ours.clone()],
                ..Content::default()
            },
            false,
        ),
        (
            Content {
                sessions: vec![ours],
                ..Content::default()
            },
            true,
        ),
        (
            Content {
                sessions: vec![session("x", &owner(1), &[])],
                ..Content::default()
            },
            false,
        ),
        (
            Content {
                users: vec![owner(1)],
                ..Content::default()
            },
            false,
        ),
        (
            Content {
                sessions: vec![session("x", anna, &[("m", text(0, 0, 0))])],
                ..Content::default()
            },
            true,
        ),
        (
            Content {
                facts: vec![fact(anna, "f", text(0, 0, 0))],
                ..Content::default()
            },
            true,
        ),
    ] {
        let store = FakeStore::start(content);
        let context = if is_pooled { pooled() } else { context() };
        let client = store.connect(&context).await;
        let error = client.baseline(RUN, &context.scenario).await.unwrap_err();
        let message = error.to_string();
        for part in [RUN.to_string().as_str(), "begin again", "canaries"] {
            assert!(message.contains(part), "{message}");
        }
        // Of another run it says nothing.
        let baseline = client
            .baseline(crate::model::RunId(1), &context.scenario)
            .await;
        assert!(baseline.is_ok(), "{baseline:?}");
    }
}
