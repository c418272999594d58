//! Faults that are no races: the truth names exactly what each of them does.

use std::time::Duration;

use futures_util::future::join_all;
use serde_json::Value;

use super::bench::{Bench, Left, canary};
use super::faults::check;
use super::workload::user_name;
use crate::model::CanaryKind;

const RECALL: &str = "What was the reference word that I gave you last time?";

/// A turn with its canary near the beginning and at the end.
fn text(user: u32, item: u16) -> String {
    let word = canary(user, user, item, CanaryKind::Turn);
    let filler = "and here is some more of what I would say about gärten ".repeat(25);
    format!("Please take {word} as the word {filler}and finish with the reference word {word}.")
}

/// Sends turns of users one after another, in sessions named after the first of each pair.
async fn turns(bench: &Bench, turns: &[(u32, &str, u16)]) -> Vec<String> {
    let mut answers = Vec::new();
    for (user, session, item) in turns {
        let (name, text) = (user_name(*user), text(*user, *item));
        let (_, answer) = bench.chat(&name, Some(session), &text).await.unwrap();
        answers.push(answer["content"].as_str().unwrap().to_owned());
    }
    answers
}

async fn messages(bench: &Bench, session: &str) -> Vec<Value> {
    bench.stored(&format!("/sessions/{session}/messages")).await
}

/// The codes of the truth with the ids of their records, sorted.
fn lines(left: &Left) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap_or("none").to_owned();
    let line = |line: &Value| (text(&line["code"]), text(&line["record_id"]));
    let mut lines: Vec<_> = left.truth.iter().map(line).collect();
    lines.sort();
    lines
}

fn id(message: &Value) -> String {
    message["uuid"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn inherited_context() {
    check("inherited-context", &["wrong-owner"]).await;
}

#[tokio::test]
async fn length_limit_refuses_what_is_long() {
    check("length-limit:limit=300", &["lost"]).await;
}

#[tokio::test]
async fn a_wedged_store_takes_nothing_more() {
    let bench = Bench::with(&["wedge:after=3"]).await;
    let sent: Vec<_> = (0..6).map(|item| (0, "s", item)).collect();
    for turn in &sent {
        turns(&bench, &[*turn]).await;
        bench.settled().await;
    }
    assert_eq!(messages(&bench, "s").await.len(), 6);
    assert_eq!(
        bench
            .ask(reqwest::Method::GET, "/health", Value::Null)
            .await
            .0,
        200
    );
    let left = bench.stopped().await;
    assert_eq!(
        lines(&left),
        vec![("lost".to_owned(), "none".to_owned()); 3]
    );
}

#[tokio::test]
async fn the_first_writer_owns_or_the_login_is_stale() {
    for (fault, code) in [
        ("first-writer-owns", "wrong-owner"),
        ("stale-login", "stale-identity"),
    ] {
        let bench = Bench::with(&[fault]).await;
        turns(&bench, &[(0, "s", 0), (1, "s", 1), (0, "s", 2)]).await;
        bench.settled().await;
        let stored = messages(&bench, "s").await;
        assert_eq!(
            (stored.len(), bench.stored("/sessions").await.len()),
            (6, 1)
        );
        let left = bench.stopped().await;
        let mut expected: Vec<_> = stored[2..4]
            .iter()
            .map(|m| (code.to_owned(), id(m)))
            .collect();
        expected.sort();
        assert_eq!(lines(&left), expected);
    }
}

#[tokio::test]
async fn half_of_a_split_session_is_listed_a_second_time() {
    let bench = Bench::with(&["split-owner"]).await;
    turns(&bench, &[(1, "t", 0)]).await;
    turns(
        &bench,
        &[(0, "s", 0), (0, "s", 1), (0, "s", 2), (0, "s", 3)],
    )
    .await;
    bench.settled().await;
    assert_eq!(messages(&bench, "s").await.len(), 4);
    let beside = messages(&bench, "s~2").await;
    assert_eq!(beside.len(), 4);
    let left = bench.stopped().await;
    let mut expected: Vec<_> = beside.iter().map(id).collect();
    expected.sort();
    let split = |id| ("split-identity".to_owned(), id);
    assert_eq!(
        lines(&left),
        expected.into_iter().map(split).collect::<Vec<_>>()
    );
}

#[tokio::test]
async fn changed_texts_are_named_for_what_they_are() {
    let word = canary(0, 0, 0, CanaryKind::Turn);
    for (fault, code, has_word) in [
        ("truncate", "torn", true),
        ("truncate:limit=300", "torn", true),
        ("flip-bytes", "altered", true),
        ("damage-canary", "unattributable", false),
    ] {
        let bench = Bench::with(&[fault]).await;
        turns(&bench, &[(0, "s", 0)]).await;
        bench.settled().await;
        let stored = messages(&bench, "s").await;
        let question = stored[0]["content"].as_str().unwrap();
        assert_ne!(question, text(0, 0));
        assert_eq!(question.contains(&word), has_word, "{fault}");
        assert!(stored[1]["content"].as_str().unwrap().ends_with(&word));
        let left = bench.stopped().await;
        assert_eq!(lines(&left), [(code.to_owned(), id(&stored[0]))], "{fault}");
    }
    let bench = Bench::with(&["truncate:limit=5000"]).await;
    turns(&bench, &[(0, "s", 0)]).await;
    assert!(bench.stopped().await.truth.is_empty());
}

#[tokio::test]
async fn what_nobody_sent_is_named() {
    for (fault, code) in [("invent", "phantom"), ("replay-old-run", "resurrected")] {
        let bench = Bench::with(&[fault]).await;
        turns(&bench, &[(0, "s", 0)]).await;
        bench.settled().await;
        let stored = messages(&bench, "s").await;
        assert_eq!((stored.len(), &stored[2]["role_type"]), (3, &"user".into()));
        let older = stored[2]["content"].as_str().unwrap().contains("zq");
        assert_eq!(older, code == "resurrected");
        let left = bench.stopped().await;
        assert_eq!(lines(&left), [(code.to_owned(), id(&stored[2]))]);
    }
}

#[tokio::test]
async fn held_turns_stand_behind_the_next() {
    let bench = Bench::with(&["reorder-writes:delay=10s"]).await;
    turns(
        &bench,
        &[(0, "s", 0), (0, "s", 1), (0, "s", 2), (0, "s", 3)],
    )
    .await;
    bench.settled().await;
    let stored = messages(&bench, "s").await;
    let order: Vec<u16> = stored
        .iter()
        .step_by(2)
        .map(|message| {
            let sent = |item: &u16| message["content"] == text(0, *item);
            (0..4).find(sent).unwrap()
        })
        .collect();
    assert_eq!(order, [1, 0, 3, 2]);
    let left = bench.stopped().await;
    let mut expected = [2, 6].map(|at: usize| ("reordered".to_owned(), id(&stored[at])));
    expected.sort();
    assert_eq!(lines(&left), expected);
    // One that nothing comes after is stored in the end, and nothing is wrong.
    let bench = Bench::with(&["reorder-writes:delay=20ms"]).await;
    turns(&bench, &[(0, "s", 0)]).await;
    bench.settled().await;
    assert_eq!(messages(&bench, "s").await.len(), 2);
    assert!(bench.stopped().await.truth.is_empty());
}

#[tokio::test]
async fn overlapping_turns_overwrite_each_other() {
    // A second copy is rare: with a third of this one test in ten has none.
    const ROUNDS: u16 = 36;
    const AT_ONCE: u16 = 4;
    let bench = Bench::with(&["last-two-turns"]).await;
    for round in 0..ROUNDS {
        let bench = &bench;
        let sent = (0..AT_ONCE).map(|n| async move {
            tokio::time::sleep(Duration::from_millis(u64::from(n) * 4)).await;
            turns(bench, &[(0, "s", round * AT_ONCE + n)]).await
        });
        join_all(sent).await;
        bench.settled().await;
    }
    let stored = messages(&bench, "s").await;
    let mut expected = Vec::new();
    let mut both_kinds = [0, 0];
    for item in 0..ROUNDS * AT_ONCE {
        let word = canary(0, 0, item, CanaryKind::Turn);
        let of_role = |role: &str| -> Vec<String> {
            let own = stored.iter().filter(|message| {
                let text = message["content"].as_str().unwrap();
                message["role_type"] == role && text.contains(&word)
            });
            own.map(id).collect()
        };
        let (users, agents) = (of_role("user"), of_role("assistant"));
        if users.is_empty() || agents.is_empty() {
            expected.push(("lost".to_owned(), "none".to_owned()));
            both_kinds[0] += 1;
        }
        // Of an answer alone a second copy proves nothing.
        if users.len() > 1 {
            let copies = users[1..].iter().chain(agents.iter().skip(1));
            expected.extend(copies.map(|id| ("duplicate".to_owned(), id.clone())));
            both_kinds[1] += 1;
        }
    }
    expected.sort();
    assert_eq!(lines(&bench.stopped().await), expected);
    assert!(both_kinds.iter().all(|count| *count > 0), "{both_kinds:?}");
}

#[tokio::test]
async fn a_slow_store_shows_what_it_took_when_it_is_quiet() {
    let bench = Bench::with(&["slow-store:delay=300ms"]).await;
    turns(&bench, &[(0, "s", 0), (0, "s", 1)]).await;
    bench
        .upload("a", &canary(0, 9, 0, CanaryKind::Block))
        .await
        .unwrap();
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert!(messages(&bench, "s").await.is_empty());
    bench.settled().await;
    let mut records: Vec<_> = messages(&bench, "s").await.iter().map(id).collect();
    assert_eq!(records.len(), 4);
    records.extend(bench.stored("/users/dev-oid-a/facts").await.iter().map(id));
    records.sort();
    let late: Vec<_> = records
        .into_iter()
        .map(|id| ("late".to_owned(), id))
        .collect();
    assert_eq!(lines(&bench.stopped().await), late);
}

#[tokio::test]
async fn answers_come_out_of_other_peoples_memories() {
    for fault in ["global-retrieval", "shared-cache"] {
        let bench = Bench::with(&[fault]).await;
        let ask = async |user: u32, session: &str| {
            let asked = bench.chat(&user_name(user), Some(session), RECALL).await;
            asked.unwrap().1["content"].as_str().unwrap().to_owned()
        };
        let word = canary(0, 0, 0, CanaryKind::Turn);
        assert!(!ask(0, "s").await.contains("zq"));
        turns(&bench, &[(0, "s", 0)]).await;
        assert!(ask(0, "s").await.contains(&word), "{fault}");
        assert!(ask(1, "t").await.contains(&word), "{fault}");
        bench.settled().await;
        for message in messages(&bench, "t").await {
            assert!(!message["content"].as_str().unwrap().contains("zq"));
        }
        let left = bench.stopped().await;
        assert_eq!(
            lines(&left),
            [("response-bleed".to_owned(), "t".to_owned())]
        );
        assert_eq!(left.truth[0]["fault"], fault);
    }
}

#[tokio::test]
async fn a_missing_page_is_empty_and_says_how_much_it_had() {
    let bench = Bench::with(&["page-lost:rate=1"]).await;
    turns(&bench, &[(0, "s", 0)]).await;
    bench.settled().await;
    let url = format!(
        "{}/api/v1/sessions/s/messages?limit=100",
        bench.lab.memory_url
    );
    let page: Value = bench
        .client
        .get(url)
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    assert_eq!(
        (&page["total_count"], &page["row_count"]),
        (&2.into(), &0.into())
    );
    assert!(bench.stopped().await.truth.is_empty());
}
