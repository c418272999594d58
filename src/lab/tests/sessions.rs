//! Whose a session is, what is remembered in it, and what a client's bad manners do to it.

use std::time::Duration;

use futures_util::future::join_all;
use serde_json::Value;
use tokio::io::AsyncWriteExt;
use tokio_tungstenite::tungstenite::Error;

use super::bench::{Bench, canary};
use crate::model::CanaryKind;

async fn texts(bench: &Bench, session: &str) -> Vec<String> {
    let messages = bench.stored(&format!("/sessions/{session}/messages")).await;
    let text = |message: &Value| message["content"].as_str().unwrap().to_owned();
    messages.iter().map(text).collect()
}

async fn owner(bench: &Bench, session: &str) -> Value {
    let sessions = bench.stored("/sessions").await;
    let mut named = sessions.iter().filter(|s| s["session_id"] == session);
    named.next().unwrap()["user_id"].clone()
}

#[tokio::test]
async fn a_session_id_of_somebody_else_stands_for_one_of_the_own() {
    let bench = Bench::with(&[]).await;
    let word = |user, item| canary(user, 0, item, CanaryKind::Turn);
    let mut named = Vec::new();
    for (user, item) in [("a", 0), ("b", 1), ("a", 2), ("b", 3)] {
        let text = format!(
            "My reference word is {}.",
            word(u32::from(user == "b"), item)
        );
        let (status, answer) = bench.chat(user, Some("s"), &text).await.unwrap();
        assert_eq!(status, 200);
        named.push(answer["session_id"].as_str().unwrap().to_owned());
    }
    bench.settled().await;
    assert_eq!((named[0].as_str(), &named[1]), ("s", &named[3]));
    assert_eq!((&named[2], named[1] == "s"), (&named[0], false));
    for (session, user) in [(&named[0], "a"), (&named[1], "b")] {
        assert_eq!(owner(&bench, session).await, format!("dev-oid-{user}"));
        assert_eq!(texts(&bench, session).await.len(), 4);
    }
    let both = texts(&bench, "s").await.concat();
    assert!(both.contains(&word(0, 2)) && !both.contains(&word(1, 1)));
    // A socket could not be told of another session.
    let mut request = bench.voice_request("s");
    let token = "dev_b_analyst".parse().unwrap();
    request.headers_mut().insert("x-dev-token", token);
    match tokio_tungstenite::connect_async(request).await {
        Err(Error::Http(response)) => assert_eq!(response.status(), 403),
        other => panic!("{other:?}"),
    }
    // A new credential of the same user changes nothing.
    let url = format!("{}/api/v1/chat", bench.lab.target_url);
    let body = serde_json::json!({"content": "hello", "session_id": "s"});
    let request = bench
        .client
        .post(url)
        .bearer_auth("dev_a_viewer")
        .json(&body);
    let answer: Value = request.send().await.unwrap().json().await.unwrap();
    assert_eq!(answer["session_id"], "s");
}

#[tokio::test]
async fn a_question_without_a_word_is_answered_from_its_own_session() {
    let bench = Bench::with(&[]).await;
    let ask = async |user: &str, session: &str| {
        let question = "What was the reference word that I gave you last time?";
        let (_, answer) = bench.chat(user, Some(session), question).await.unwrap();
        answer["content"].as_str().unwrap().to_owned()
    };
    let word = canary(0, 0, 0, CanaryKind::Turn);
    assert!(!ask("a", "s").await.contains("zq"));
    // The word stands twice in the question, and once in the answer.
    let told = format!("Take {word} as the word; finish with the reference word {word}.");
    let (_, answer) = bench.chat("a", Some("s"), &told).await.unwrap();
    let answer = answer["content"].as_str().unwrap();
    assert_eq!(answer.matches(&word).count(), 1);
    assert!(ask("a", "s").await.ends_with(&word));
    assert!(!ask("a", "t").await.contains("zq"));
    assert!(!ask("b", "s").await.contains("zq"));
    assert!(!ask("b", "u").await.contains("zq"));
}

#[tokio::test]
async fn turns_in_flight_together_stand_in_the_order_of_their_arrival() {
    let bench = &Bench::with(&[]).await;
    let turns = (0..12_u16).map(|n| async move {
        tokio::time::sleep(Duration::from_millis(u64::from(n) * 10)).await;
        let text = format!("turn {n:02}");
        bench.chat("a", Some("s"), &text).await.unwrap();
    });
    join_all(turns).await;
    // The same request twice at once is two turns.
    let twice = [(); 2].map(|()| bench.chat("a", Some("t"), "hello"));
    join_all(twice).await;
    bench.settled().await;
    let texts_in = texts(bench, "s").await;
    let questions: Vec<_> = texts_in.iter().step_by(2).collect();
    assert_eq!(questions.len(), 12);
    assert!(questions.is_sorted(), "{questions:?}");
    assert_eq!(texts(bench, "t").await.len(), 4);
}

#[tokio::test]
async fn half_a_request_and_a_closed_socket_store_nothing_wrong() {
    let bench = Bench::with(&[]).await;
    let host = bench.lab.target_url.replace("http://", "");
    for path in ["/api/v1/etl/ingest", "/api/v1/chat"] {
        let mut half = tokio::net::TcpStream::connect(&host).await.unwrap();
        let head = format!(
            "POST {path} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer dev_a_analyst\r\n\
             content-type: multipart/form-data; boundary=cut\r\ncontent-length: 9999\r\n\r\n\
             --cut\r\nContent-Disposition: form-data; name=\"file\"; filename=\"n.txt\"\r\n\
             Content-Type: text/plain\r\n\r\nhalf a document"
        );
        half.write_all(head.as_bytes()).await.unwrap();
        tokio::time::sleep(Duration::from_millis(5)).await;
        drop(half);
    }
    let word = canary(0, 0, 0, CanaryKind::Turn);
    let mut call = bench.call("a", "s").await;
    call.speak(&word).await;
    drop(call);
    bench.chat("a", Some("t"), "hello").await.unwrap();
    bench.settled().await;
    assert!(bench.stored("/users/dev-oid-a/facts").await.is_empty());
    let messages = texts(&bench, "s").await;
    assert!(messages.len() == 2 || messages.is_empty(), "{messages:?}");
    assert!(bench.stopped().await.truth.is_empty());
}
