//! Real races: each strikes with a window and two users, does no harm to one user alone, and the
//! truth names exactly what is stored wrong.

use std::time::Duration;

use futures_util::future::join_all;
use serde_json::{Value, json};
use tokio::time::sleep;

use super::bench::{Bench, canary};
use super::comparison::wrong_records;
use super::faults::told;
use super::workload::{Sent, everything};
use crate::model::CanaryKind;

/// The truth of a fault and a comparison agree for many users, and for one alone there is none.
async fn check(fault: &str, codes: &[&str]) {
    for (users, codes) in [(8, codes), (1, &[][..])] {
        let bench = Bench::with(&[fault]).await;
        let sent: Vec<Sent> = everything(&bench, users).await;
        bench.settled().await;
        let found = wrong_records(&bench, &sent).await;
        let left = bench.stopped().await;
        assert_eq!(told(&left.truth), found, "{fault}");
        let mut found_codes: Vec<&str> = found.iter().map(|(code, _)| code.as_str()).collect();
        found_codes.dedup();
        assert_eq!(found_codes, codes, "{fault}, {users} users");
    }
}

#[tokio::test]
async fn reused_object() {
    check("reused-object:window=10ms", &["wrong-owner"]).await;
}

#[tokio::test]
async fn shared_file() {
    check(
        "shared-file:window=50ms",
        &["partial-ingest", "wrong-owner"],
    )
    .await;
}

/// Everybody begins a session of the server's making, and goes on in it.
async fn begin(bench: &Bench, user: u32) -> String {
    let name = super::workload::user_name(user);
    let mut session = None;
    for item in 0..2 {
        let word = canary(user, user, item, CanaryKind::Turn);
        let text = format!("My word is {word}, end with {word}.");
        let answer = bench.chat(&name, session.as_deref(), &text).await;
        let (_, answer) = answer.unwrap();
        let named = answer["session_id"].as_str().unwrap().to_owned();
        assert!(session.is_none_or(|session| session == named));
        session = Some(named);
    }
    session.unwrap()
}

#[tokio::test]
async fn colliding_ids() {
    for (users, collides) in [(6_u32, true), (1, false)] {
        let bench = Bench::with(&["colliding-ids:window=10s"]).await;
        let sessions = join_all((0..users).map(|user| begin(&bench, user))).await;
        bench.settled().await;
        let stored = bench.stored("/sessions").await;
        let first = &stored[0];
        assert_eq!(stored.len(), 1, "the ids repeat");
        assert!(sessions.iter().all(|s| first["session_id"] == s.as_str()));
        let owner = first["user_id"].as_str().unwrap();
        let messages = bench
            .stored(&format!("/sessions/{}/messages", sessions[0]))
            .await;
        let own = canary_owner(&messages, owner);
        let left = bench.stopped().await;
        let mut wrong: Vec<String> = own.iter().map(|m| m["uuid"].to_string()).collect();
        if collides {
            wrong.push(first["session_id"].to_string());
        }
        wrong.sort();
        let mut named: Vec<String> = left
            .truth
            .iter()
            .map(|l| l["record_id"].to_string())
            .collect();
        named.sort();
        named.dedup();
        assert_eq!(named, wrong);
        assert_eq!(collides, !named.is_empty());
        assert!(left.truth.iter().all(|line| line["code"] == "wrong-owner"));
    }
}

/// The messages that hold a canary of anybody but the owner.
fn canary_owner<'a>(messages: &'a [Value], owner: &str) -> Vec<&'a Value> {
    let of_owner = |message: &Value| {
        (0..8)
            .filter(|user| super::workload::owner(*user) == owner)
            .any(|user| {
                let words = (0..2).map(|item| canary(user, user, item, CanaryKind::Turn));
                let text = message["content"].as_str().unwrap();
                words.into_iter().any(|word| text.contains(&word))
            })
    };
    messages
        .iter()
        .filter(|message| !of_owner(message))
        .collect()
}

#[tokio::test]
async fn stale_connection() {
    let bench = Bench::with(&["stale-connection:window=60ms"]).await;
    let word = |user: u32, item| canary(user, user, item, CanaryKind::Turn);
    let ask = async |user: u32, item| {
        let text = format!("Please finish with the reference word {}", word(user, item));
        let (name, session) = (super::workload::user_name(user), user.to_string());
        let (_, answer) = bench.chat(&name, Some(&session), &text).await.unwrap();
        answer["content"].as_str().unwrap().to_owned()
    };
    assert!(ask(0, 0).await.ends_with(&word(0, 0)));
    // The first user hangs up between request and answer.
    let hung_up = tokio::time::timeout(Duration::from_millis(30), ask(0, 1)).await;
    assert!(hung_up.is_err());
    sleep(Duration::from_millis(100)).await;
    for (item, before) in [(0, word(0, 1)), (1, word(1, 0)), (2, word(1, 1))] {
        assert!(ask(1, item).await.ends_with(&before), "one answer behind");
    }
    bench.settled().await;
    // What is stored is right: only the answers are shifted.
    let messages = bench.stored("/sessions/1/messages").await;
    let texts: Vec<&str> = messages
        .iter()
        .map(|m| m["content"].as_str().unwrap())
        .collect();
    assert!(
        texts
            .iter()
            .all(|text| (0..3).any(|item| text.contains(&word(1, item))))
    );
    let left = bench.stopped().await;
    assert_eq!(left.truth.len(), 1, "of the own answers none is another's");
    let line = &left.truth[0];
    assert_eq!(
        (&line["fault"], &line["code"]),
        (&json!("stale-connection"), &json!("response-bleed"))
    );
    assert_eq!(
        (&line["canary"], &line["record_id"]),
        (&json!(word(0, 1)), &json!("1"))
    );
}
