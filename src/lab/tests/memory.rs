//! Memory through the backend: each user's own.

use reqwest::Method;
use serde_json::json;

use super::bench::{Bench, canary};
use crate::model::CanaryKind;

#[tokio::test]
async fn users_read_back_their_own_memory_and_nobody_elses() {
    let bench = Bench::with(&[]).await;
    // Requests of `ask` are from user a.
    bench.chat("a", Some("sa"), "red apples").await.unwrap();
    bench.chat("b", Some("sb"), "red bricks").await.unwrap();
    bench.upload("b", "red cars").await.unwrap();
    let body = json!({"content": "red doors", "metadata": {"k": 1}});
    let (_, added) = bench.ask(Method::POST, "/api/v1/memory/facts", body).await;
    assert_eq!(added["success"], true);
    let body = json!({"text": "red eggs", "session_id": "sa"});
    let (_, enriched) = bench.ask(Method::POST, "/api/v1/memory/enrich", body).await;
    assert_eq!(
        (&enriched["success"], &enriched["session_id"]),
        (&json!(true), &json!("sa"))
    );
    bench.settled().await;

    let body = json!({"query": "red"});
    let (status, found) = bench.ask(Method::POST, "/api/v1/memory/search", body).await;
    assert_eq!(status, 200);
    let results = found["results"].as_array().unwrap();
    let mut texts: Vec<_> = results
        .iter()
        .map(|hit| hit["content"].as_str().unwrap())
        .collect();
    texts.sort_unstable();
    assert_eq!(texts, ["red apples", "red doors", "red eggs"]);
    assert_eq!(found["total_count"], 3);
    let body = json!({"query": "red", "include_facts": false, "limit": 1});
    let (_, found) = bench.ask(Method::POST, "/api/v1/memory/search", body).await;
    assert_eq!(found["total_count"], 1);

    let (_, list) = bench
        .ask(Method::GET, "/api/v1/memory/episodes", json!({}))
        .await;
    assert_eq!(list["episodes"].as_array().unwrap().len(), 1);
    assert_eq!(list["episodes"][0]["id"], "sa");
    assert_eq!(list["episodes"][0]["agent_id"], "elena");
    for query in ["limit=0", "limit=101", "offset=x"] {
        let path = format!("/api/v1/memory/episodes?{query}");
        assert_eq!(
            bench.ask(Method::GET, &path, json!({})).await.0,
            422,
            "{query}"
        );
    }
    for (session, turns) in [("sa", 3), ("sb", 0), ("none", 0)] {
        let path = format!("/api/v1/memory/episodes/{session}");
        let (status, episode) = bench.ask(Method::GET, &path, json!({})).await;
        assert_eq!(status, 200);
        assert_eq!(
            episode["transcript"].as_array().unwrap().len(),
            turns,
            "{session}"
        );
    }
    let (_, graph) = bench
        .ask(Method::GET, "/api/v1/memory/graph?query=doors", json!({}))
        .await;
    assert_eq!(graph["nodes"][0]["content"], "red doors");
    let (_, graph) = bench
        .ask(Method::GET, "/api/v1/memory/graph?query=cars", json!({}))
        .await;
    assert_eq!(graph["nodes"][0]["id"], "fact-sample");
}

#[tokio::test]
async fn what_is_not_yours_is_not_enriched() {
    let bench = Bench::with(&[]).await;
    bench.chat("b", Some("sb"), "hello").await.unwrap();
    bench.settled().await;
    let body = json!({"text": "mine", "session_id": "sb"});
    let (status, enriched) = bench.ask(Method::POST, "/api/v1/memory/enrich", body).await;
    assert_eq!((status, &enriched["success"]), (200, &json!(false)));
    assert_eq!(bench.stored("/sessions/sb/messages").await.len(), 2);
    let (_, made) = bench
        .ask(Method::POST, "/api/v1/memory/enrich", json!({"text": "x"}))
        .await;
    assert!(made["session_id"].as_str().unwrap().starts_with("voice-"));
    for path in ["search", "facts", "enrich"] {
        let path = format!("/api/v1/memory/{path}");
        assert_eq!(
            bench.ask(Method::POST, &path, json!({})).await.0,
            422,
            "{path}"
        );
    }
}

/// User a reaches for what user b told in session `sb`. Is a canary of it in the answer?
async fn reached(bench: &Bench, route: &str, word: &str) -> (u16, bool) {
    let (method, path, body) = match route {
        "transcript" => (Method::GET, "/api/v1/memory/episodes/sb", json!({})),
        "episodes" => (Method::GET, "/api/v1/memory/episodes", json!({})),
        "search" => (
            Method::POST,
            "/api/v1/memory/search",
            json!({"query": "remember"}),
        ),
        _ => (Method::DELETE, "/api/v1/chat/session/sb", json!({})),
    };
    let (status, answer) = bench.ask(method, path, body).await;
    let answer = answer.to_string();
    let is_shown = answer.contains(word) || route == "episodes" && answer.contains("\"sb\"");
    (status, is_shown)
}

#[tokio::test]
async fn only_the_route_that_is_open_lets_others_in_and_the_truth_says_so() {
    let word = canary(1, 1, 0, CanaryKind::Turn);
    for open in ["none", "transcript", "episodes", "search", "chat", "delete"] {
        let fault = format!("open-route:route={open}");
        let faults: &[&str] = if open == "none" { &[] } else { &[&fault] };
        let bench = Bench::with(faults).await;
        bench
            .chat("b", Some("sb"), &format!("remember {word}"))
            .await
            .unwrap();
        bench.settled().await;
        for route in ["transcript", "episodes", "search"] {
            let (status, is_shown) = reached(&bench, route, &word).await;
            assert_eq!((status, is_shown), (200, route == open), "{route}, {open}");
        }
        let guest = canary(0, 1, 4, CanaryKind::Turn);
        bench.chat("a", Some("sb"), &guest).await.unwrap();
        bench.settled().await;
        let messages = bench.stored("/sessions/sb/messages").await;
        assert_eq!(messages.len() == 4, open == "chat", "{open}");
        let (status, _) = reached(&bench, "delete", &word).await;
        assert_eq!(status == 200, open == "delete", "{open}");
        let gone = bench.stored("/sessions").await;
        let gone = gone.iter().all(|session| session["session_id"] != "sb");
        assert_eq!(gone, open == "delete", "{open}");
        let left = bench.stopped().await;
        let told = left.truth.iter().filter(|line| line["code"] == "trespass");
        // Both messages of a turn; of a list only sessions that say whose they are.
        let lines = match open {
            "transcript" | "search" | "delete" => 1,
            "chat" => 2,
            _ => 0,
        };
        assert_eq!((told.count(), left.truth.len()), (lines, lines), "{open}");
    }
}
