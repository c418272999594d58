//! The voice socket as the contract has it.

use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Error;

use super::bench::{Bench, Spoken, canary};
use crate::model::CanaryKind;

#[tokio::test]
async fn frames_come_in_the_order_of_the_contract_and_the_turn_is_stored() {
    let bench = Bench::with(&[]).await;
    let canary = canary(0, 0, 0, CanaryKind::Turn);
    let mut call = bench.call("a", "s").await;
    call.speak(&canary).await;
    let mut frames = Vec::new();
    while frames.len() < 7 {
        frames.push(call.hear().await.unwrap());
    }
    let answer = frames[6]["text"].as_str().unwrap().to_owned();
    assert!(answer.ends_with(&canary));
    let transcript = |speaker: &str, status: &str, text: &str| json!({"type": "transcription", "speaker": speaker, "status": status, "text": text});
    let sound = frames[5].clone();
    assert_eq!(
        (&sound["type"], &sound["format"]),
        (&json!("audio"), &json!("audio/pcm16"))
    );
    assert_eq!(
        frames,
        [
            json!({"type": "transcription", "status": "listening"}),
            json!({"type": "transcription", "status": "processing"}),
            transcript("user", "processing", &canary),
            transcript("user", "complete", &canary),
            transcript("assistant", "processing", &answer),
            sound,
            transcript("assistant", "complete", &answer),
        ]
    );
    bench.settled().await;
    let session = &bench.stored("/sessions").await[0];
    assert_eq!(session["user_id"], "dev-oid-a");
    assert_eq!(session["metadata"]["channel"], "voice");
    let messages = bench.stored("/sessions/s/messages").await;
    let texts: Vec<_> = messages
        .iter()
        .map(|m| m["content"].as_str().unwrap())
        .collect();
    assert_eq!(texts, [canary.as_str(), answer.as_str()]);
    assert_eq!(
        bench.stopped().await.log,
        [
            "INFO: Background task started: persisting voice conversation for user: dev-oid-a",
            "INFO: Background task completed: voice conversation persisted for user: dev-oid-a",
        ]
    );
}

#[tokio::test]
async fn turns_that_follow_each_other_at_once_are_all_answered() {
    let bench = Bench::with(&[]).await;
    let canaries: Vec<_> = (0..4).map(|n| canary(0, 0, n, CanaryKind::Turn)).collect();
    let mut call = bench.call("a", "s").await;
    for canary in &canaries {
        call.speak(canary).await;
    }
    let mut answers = Vec::new();
    while answers.len() < canaries.len() {
        let frame = call.hear().await.unwrap();
        if frame["speaker"] == "assistant" && frame["status"] == "complete" {
            answers.push(frame["text"].as_str().unwrap().to_owned());
        }
    }
    assert!(
        answers
            .iter()
            .zip(&canaries)
            .all(|(answer, canary)| answer.ends_with(canary))
    );
    bench.settled().await;
    assert_eq!(bench.stored("/sessions/s/messages").await.len(), 8);
}

#[tokio::test]
async fn a_socket_needs_a_credential() {
    let bench = Bench::with(&[]).await;
    for token in [None, Some("Bearer eyJ"), Some("Basic x")] {
        let mut request = bench.voice_request("s");
        if let Some(token) = token {
            request
                .headers_mut()
                .insert("authorization", token.parse().unwrap());
        }
        match tokio_tungstenite::connect_async(request).await {
            Err(Error::Http(response)) => assert_eq!(response.status(), 401),
            other => panic!("{other:?}"),
        }
    }
    let mut request = bench.voice_request("s");
    request
        .headers_mut()
        .insert("x-dev-token", "dev_a_analyst".parse().unwrap());
    tokio_tungstenite::connect_async(request).await.unwrap();
    assert!(bench.stored("/sessions").await.is_empty());
}

#[tokio::test]
async fn agents_are_switched_and_odd_frames_answered() {
    let bench = Bench::with(&[]).await;
    let mut call = bench.call("a", "s").await;
    for agent in ["marcus", "nobody"] {
        call.send(json!({"type": "agent", "agent_id": agent})).await;
        let switched = json!({"type": "agent_switched", "agent_id": agent});
        assert_eq!(call.hear().await, Some(switched));
    }
    call.send(json!({"type": "unknown"})).await;
    call.send(json!({"type": "cancel"})).await;
    assert_eq!(call.hear().await.unwrap()["type"], "error");
    let canary = canary(0, 0, 0, CanaryKind::Turn);
    assert!(matches!(call.turn(&canary).await, Spoken::Answered { .. }));
    for bad in [
        json!({"type": "audio", "data": "abc"}),
        Value::String("{".to_owned()),
    ] {
        let mut call = bench.call("a", "t").await;
        call.send(bad).await;
        let complaint = call.hear().await.unwrap()["message"]
            .as_str()
            .unwrap()
            .to_owned();
        assert!(
            complaint.starts_with("VoiceLive connection failed: "),
            "{complaint}"
        );
        assert_eq!(call.hear().await, None);
    }
}
