//! REST chat as the contract has it.

use reqwest::Method;
use serde_json::{Value, json};

use super::bench::{Bench, canary};
use crate::model::CanaryKind;

#[tokio::test]
async fn a_turn_is_answered_and_then_stored_with_its_log_lines() {
    let bench = Bench::with(&[]).await;
    let canary = canary(0, 0, 0, CanaryKind::Turn);
    let text = format!("Finish with the reference word {canary}, please.");
    let (status, answer) = bench.chat("a", Some("s"), &text).await.unwrap();
    assert_eq!(status, 200);
    assert!(answer["content"].as_str().unwrap().ends_with(&canary));
    assert_eq!(answer["agent_id"], "elena");
    assert_eq!(answer["agent_name"], "Dr. Elena Vasquez");
    assert_eq!(answer["session_id"], "s");
    assert_eq!(answer["tokens_used"], 0);
    assert_eq!(answer["message_id"].as_str().unwrap().len(), 36);
    assert!(answer["timestamp"].as_str().unwrap().ends_with('Z'));
    assert!(answer["latency_ms"].is_number());

    bench.settled().await;
    let sessions = bench.stored("/sessions").await;
    assert_eq!(sessions[0]["user_id"], "dev-oid-a");
    assert_eq!(sessions[0]["metadata"]["tenant_id"], "dev-tenant");
    let messages = bench.stored("/sessions/s/messages").await;
    assert_eq!(messages[0]["content"], text);
    assert_eq!(messages[1]["content"], answer["content"]);
    assert_eq!(messages[0]["role_type"], "user");
    assert_eq!(messages[1]["role_type"], "assistant");
    assert_eq!(messages[1]["metadata"]["agent_id"], "elena");
    assert_eq!(
        bench.stopped().await.log,
        [
            "INFO: Background task started: persisting conversation for user: dev-oid-a",
            "INFO: Background task completed: conversation persisted for user: dev-oid-a",
        ]
    );
}

#[tokio::test]
async fn the_server_names_a_session_that_the_client_does_not() {
    let bench = Bench::with(&[]).await;
    let (_, first) = bench.chat("a", None, "hello").await.unwrap();
    let (_, second) = bench.chat("a", Some(""), "hello").await.unwrap();
    assert_ne!(first["session_id"], second["session_id"]);
    bench.settled().await;
    let sessions = bench.stored("/sessions").await;
    assert_eq!(sessions.len(), 2);
    let named = |answer: &Value| {
        sessions
            .iter()
            .any(|s| s["session_id"] == answer["session_id"])
    };
    assert!(named(&first) && named(&second));
}

#[tokio::test]
async fn bad_requests_get_the_validators_complaint() {
    let bench = Bench::with(&[]).await;
    for (body, kind, loc) in [
        (json!({}), "missing", json!(["body", "content"])),
        (
            json!({"content": ""}),
            "string_too_short",
            json!(["body", "content"]),
        ),
        (
            json!({"content": 7}),
            "string_type",
            json!(["body", "content"]),
        ),
        (
            json!({"content": null}),
            "string_type",
            json!(["body", "content"]),
        ),
        (
            json!({"content": "x", "agent_id": 1}),
            "string_type",
            json!(["body", "agent_id"]),
        ),
        (
            json!({"content": "x", "session_id": []}),
            "string_type",
            json!(["body", "session_id"]),
        ),
        (json!([]), "model_attributes_type", json!(["body"])),
    ] {
        let (status, answer) = bench.ask(Method::POST, "/api/v1/chat", body.clone()).await;
        assert_eq!(status, 422, "{body}");
        assert_eq!(answer["detail"][0]["type"], kind, "{body}");
        assert_eq!(answer["detail"][0]["loc"], loc, "{body}");
    }
    let url = format!("{}/api/v1/chat", bench.lab.target_url);
    let response = bench.client.post(url).body("{").send().await.unwrap();
    assert_eq!(response.status(), 422);
    assert_eq!(
        bench.ask(Method::GET, "/api/v1/chat", json!({})).await.0,
        405
    );
    assert_eq!(
        bench.ask(Method::POST, "/api/v1/chat/", json!({})).await.0,
        404
    );
    bench.settled().await;
    assert!(bench.stored("/sessions").await.is_empty());
}

#[tokio::test]
async fn an_unknown_agent_apologises_and_nothing_is_stored() {
    let bench = Bench::with(&[]).await;
    let body = json!({"content": "hello", "agent_id": "nobody", "session_id": "s"});
    let (status, answer) = bench.ask(Method::POST, "/api/v1/chat", body).await;
    assert_eq!((status, &answer["agent_id"]), (200, &json!("elena")));
    let text = answer["content"].as_str().unwrap();
    assert!(text.starts_with("I apologize, but I encountered an issue"));
    bench.settled().await;
    assert!(bench.stored("/sessions").await.is_empty());
    assert!(bench.stopped().await.log.is_empty());
}

#[tokio::test]
async fn who_sends_a_request_follows_from_its_headers() {
    let bench = Bench::with(&[]).await;
    for (name, value, owner) in [
        ("authorization", "Bearer dev_a_b_c", "dev-oid-a"),
        ("x-dev-token", "carol", "dev-oid-dev-user"),
        ("x-user-id", "a", "dev-user"),
    ] {
        let url = format!("{}/api/v1/chat", bench.lab.target_url);
        let request = bench.client.post(url).header(name, value);
        let body = json!({"content": "hello", "session_id": owner, "user_id": "x"});
        assert_eq!(request.json(&body).send().await.unwrap().status(), 200);
        bench.settled().await;
        let sessions = bench.stored("/sessions").await;
        assert_eq!(sessions.last().unwrap()["user_id"], owner, "{name}");
    }
    let url = format!("{}/api/v1/chat", bench.lab.target_url);
    let request = bench.client.post(url).bearer_auth("eyJhbGciOi");
    let refused = request
        .json(&json!({"content": "hello"}))
        .send()
        .await
        .unwrap();
    assert_eq!(refused.status(), 401);
    assert_eq!(refused.headers()["www-authenticate"], "Bearer");
}

#[tokio::test]
async fn requests_keep_their_id_and_tell_their_time() {
    let bench = Bench::with(&[]).await;
    let url = format!("{}/health", bench.lab.target_url);
    let request = bench.client.get(&url).header("x-request-id", "my-id");
    let response = request.send().await.unwrap();
    assert_eq!(response.headers()["x-request-id"], "my-id");
    let took = response.headers()["x-response-time-ms"].to_str().unwrap();
    assert!(took.parse::<f64>().unwrap() >= 0.0);
    let response = bench.client.get(&url).send().await.unwrap();
    assert!(!response.headers()["x-request-id"].is_empty());

    for path in ["/health", "/api/v1/health"] {
        let (status, health) = bench.ask(Method::GET, path, json!({})).await;
        assert_eq!((status, &health["status"]), (200, &json!("healthy")));
        assert_eq!(health["version"], "0.1.0");
    }
    for path in ["/ready", "/api/v1/ready"] {
        let (status, ready) = bench.ask(Method::GET, path, json!({})).await;
        assert_eq!((status, &ready["status"]), (200, &json!("degraded")));
    }
    let path = "/api/v1/chat/session/s";
    let (status, cleared) = bench.ask(Method::DELETE, path, json!({})).await;
    assert_eq!((status, &cleared["success"]), (200, &json!(true)));
    assert_eq!(cleared["message"], "Session s cleared");
}

#[tokio::test]
async fn a_turn_is_stored_though_the_client_hangs_up() {
    let bench = Bench::with(&[]).await;
    let hung_up = tokio::time::timeout(
        std::time::Duration::from_millis(1),
        bench.chat("a", Some("s"), "hello"),
    );
    // On a slow machine the request may not be out after a millisecond; then there is nothing to
    // be seen, and the next one may be.
    let _ = hung_up.await;
    bench.chat("a", Some("t"), "hello").await.unwrap();
    bench.settled().await;
    for session in bench.stored("/sessions").await {
        let name = session["session_id"].as_str().unwrap();
        let messages = bench.stored(&format!("/sessions/{name}/messages")).await;
        assert_eq!(messages.len(), 2, "{name} is whole or not there");
    }
}
