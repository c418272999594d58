//! Quirks: what a healthy lab may do, seen by its clients. None of it is in the truth.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::Value;

use super::bench::{Bench, Call, Spoken, canary, config};
use crate::lab::start;
use crate::model::CanaryKind;

const TURNS: u16 = 60;

async fn with(quirk: &str) -> Bench {
    let folder = tempfile::tempdir().unwrap();
    let mut config = config(&folder, &[]);
    config.quirks = vec![quirk.parse().unwrap()];
    Bench::of(start(config).await.unwrap(), folder)
}

fn text(item: u16) -> String {
    let word = canary(0, 0, item, CanaryKind::Turn);
    format!("My friend's garden is large. Please end with the reference word {word}.")
}

/// Sends turns of one session; the answers, `None` for those that broke off.
async fn talk(bench: &Bench, turns: u16) -> Vec<Option<String>> {
    let mut answers = Vec::new();
    for item in 0..turns {
        let answer = bench.chat("a", Some("s"), &text(item)).await.ok();
        answers.push(answer.map(|(_, body)| body["content"].as_str().unwrap().to_owned()));
    }
    bench.settled().await;
    answers
}

async fn messages(bench: &Bench) -> Vec<Value> {
    bench.stored("/sessions/s/messages").await
}

fn contents(messages: &[Value]) -> Vec<&str> {
    let content = |message: &'_ Value| message["content"].as_str().map(str::len);
    assert!(messages.iter().all(|message| content(message).is_some()));
    messages
        .iter()
        .filter_map(|m| m["content"].as_str())
        .collect()
}

async fn ended(bench: Bench) {
    assert_eq!(bench.stopped().await.truth, Vec::<Value>::new());
}

#[tokio::test]
async fn texts_are_stored_in_another_style() {
    let bench = with("restyled-text").await;
    talk(&bench, 4).await;
    let stored = messages(&bench).await;
    let sent: Vec<String> = (0..4).map(text).collect();
    for (restyled, sent) in contents(&stored).iter().step_by(2).zip(&sent) {
        assert_ne!(restyled, sent);
        let found = crate::canary::find(&crate::canary::normalise(restyled));
        assert_eq!(found.len(), 1, "{restyled}");
    }
    ended(bench).await;
}

#[tokio::test]
async fn lists_hold_records_twice() {
    let bench = with("double-listing").await;
    talk(&bench, 3).await;
    assert_eq!(bench.stored("/sessions").await.len(), 2);
    let page = async |number: u32| -> Vec<String> {
        let path = format!("/sessions/s/messages?limit=500&cursor={number}");
        let page = bench.stored(&path).await;
        page.iter().map(|m| m["uuid"].to_string()).collect()
    };
    let (first, second) = (page(1).await, page(2).await);
    assert_eq!((first.len(), second.len()), (4, 3));
    assert_eq!(first[3], second[0]);
    let ids: BTreeSet<&String> = first.iter().chain(&second).collect();
    assert_eq!(ids.len(), 6);
    ended(bench).await;
}

#[tokio::test]
async fn lists_come_in_any_order() {
    let bench = with("shuffled-pages").await;
    talk(&bench, 8).await;
    let first = messages(&bench).await;
    let mut differs = false;
    for _ in 0..8 {
        differs |= messages(&bench).await != first;
    }
    assert!(differs);
    ended(bench).await;
}

#[tokio::test]
async fn a_summary_holds_the_words_of_its_session() {
    let bench = with("summariser").await;
    talk(&bench, TURNS).await;
    let stored = messages(&bench).await;
    assert!(stored.len() > usize::from(TURNS) * 2);
    let summaries = contents(&stored);
    let summaries = summaries.iter().filter(|text| text.starts_with("Summary"));
    assert!(summaries.clone().all(|text| text.contains("zq")));
    let facts = bench.stored("/users/dev-oid-a/facts").await;
    assert_eq!(facts.len(), summaries.count());
    ended(bench).await;
}

#[tokio::test]
async fn chunks_are_stored_in_pairs() {
    let bench = with("merged-chunks").await;
    let paragraph = "Rain fell on the hills. ".repeat(35);
    let document = format!("{paragraph}\n\n{paragraph}\n\n{paragraph}");
    let (_, answer) = bench.upload("a", &document).await.unwrap();
    bench.settled().await;
    let facts = bench.stored("/users/dev-oid-a/facts").await;
    let accepted = answer["chunks_processed"].as_u64().unwrap();
    assert!(accepted > 1);
    assert_eq!(u64::try_from(facts.len()).unwrap(), accepted.div_ceil(2));
    ended(bench).await;
}

#[tokio::test]
async fn an_apology_stores_nothing() {
    let bench = with("apologies").await;
    let mut answers = talk(&bench, TURNS * 2).await;
    answers.retain(|answer| !answer.as_ref().unwrap().starts_with("I apologize"));
    assert!(answers.len() < usize::from(TURNS) * 2);
    assert_eq!(messages(&bench).await.len(), answers.len() * 2);
    ended(bench).await;
}

#[tokio::test]
async fn what_broke_off_was_done_or_not() {
    for (quirk, done) in [("lost-answers", true), ("lost-requests", false)] {
        let bench = with(quirk).await;
        let answers = talk(&bench, TURNS * 2).await;
        let answered = answers.iter().flatten().count();
        assert!(answered < answers.len());
        let stored = if done { answers.len() } else { answered };
        assert_eq!(messages(&bench).await.len(), stored * 2, "{quirk}");
        ended(bench).await;
    }
}

#[tokio::test]
async fn an_answer_need_not_hold_the_word() {
    let bench = with("echo-refused").await;
    let answers = talk(&bench, 2).await;
    assert!(
        answers
            .iter()
            .flatten()
            .all(|answer| !answer.contains("zq"))
    );
    assert_eq!(messages(&bench).await.len(), 4);
    ended(bench).await;
}

#[tokio::test]
async fn a_slow_write_comes_all_the_same() {
    let bench = with("slow-writes").await;
    talk(&bench, TURNS).await;
    assert_eq!(messages(&bench).await.len(), usize::from(TURNS) * 2);
    ended(bench).await;
}

#[tokio::test]
async fn the_clock_is_ahead() {
    let bench = with("clock-off").await;
    talk(&bench, 1).await;
    let stored = messages(&bench).await;
    let shown = stored[0]["created_at"].as_str().unwrap();
    let shown = humantime::parse_rfc3339(shown).unwrap();
    let now = humantime::format_rfc3339(std::time::SystemTime::now()).to_string();
    let now = humantime::parse_rfc3339(&now).unwrap();
    assert!(shown > now + Duration::from_mins(4));
    ended(bench).await;
}

#[tokio::test]
async fn strangers_write_into_their_own_sessions() {
    for (quirk, name) in [("other-runs", "talk-"), ("colleague", "cw-0c011ea6-")] {
        let bench = with(quirk).await;
        talk(&bench, 1).await;
        let sessions = bench.stored("/sessions").await;
        let of_strangers = |session: &&Value| session["session_id"].as_str() != Some("s");
        assert!(sessions.iter().filter(of_strangers).count() >= 10);
        for session in sessions.iter().filter(of_strangers) {
            assert!(session["session_id"].as_str().unwrap().starts_with(name));
        }
        assert_eq!(messages(&bench).await.len(), 2);
        ended(bench).await;
    }
}

#[tokio::test]
async fn a_restart_cuts_all_connections_and_keeps_what_was_accepted() {
    let bench = with("restart").await;
    let mut call: Call = bench.call("b", "t").await;
    let mut answered = 0;
    let mut broke_off = false;
    for item in 0..400 {
        if bench.chat("a", Some("s"), &text(item)).await.is_ok() {
            answered += 1;
        } else {
            broke_off = true;
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
    assert!(broke_off && answered > 300);
    bench.settled().await;
    let stored = messages(&bench).await.len();
    assert!(stored >= answered * 2, "{stored} of {answered}");
    assert!(call.hear().await.is_none());
    let mut call = bench.call("b", "t").await;
    let word = canary(1, 1, 0, CanaryKind::Turn);
    assert!(matches!(call.turn(&word).await, Spoken::Answered { .. }));
    ended(bench).await;
}
