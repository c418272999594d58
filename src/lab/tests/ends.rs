//! How a lab begins and ends.

use reqwest::Method;
use serde_json::json;

use super::bench::{Bench, canary, config};
use crate::lab::{LabConfig, LabError, LogTarget, start};
use crate::model::CanaryKind;

#[tokio::test]
async fn a_lab_that_is_asked_to_fail_answers_with_that_status_and_is_healthy() {
    let folder = tempfile::tempdir().unwrap();
    let config = LabConfig {
        answer_status: Some(503),
        ..config(&folder, &[])
    };
    let bench = Bench::of(start(config).await.unwrap(), folder);
    for path in [
        "/api/v1/chat",
        "/api/v1/etl/ingest",
        "/api/v1/memory/search",
    ] {
        let (status, body) = bench.ask(Method::POST, path, json!({"content": "x"})).await;
        assert_eq!(status, 503, "{path}");
        assert!(body["detail"].is_string());
    }
    let path = "/api/v1/voice/voicelive/s";
    assert_eq!(bench.ask(Method::GET, path, json!({})).await.0, 503);
    for path in ["/health", "/api/v1/health", "/ready"] {
        assert_eq!(
            bench.ask(Method::GET, path, json!({})).await.0,
            200,
            "{path}"
        );
    }
}

#[tokio::test]
async fn what_was_answered_is_stored_before_the_lab_ends() {
    let bench = Bench::with(&["double-write"]).await;
    for n in 0..20 {
        let text = format!("Please note {}", canary(0, n, 0, CanaryKind::Turn));
        let session = format!("s{n}");
        bench.chat("a", Some(&session), &text).await.unwrap();
    }
    let left = bench.stopped().await;
    assert_eq!(left.truth.len(), 40);
    assert_eq!(left.log.len(), 40);
    assert!(left.truth.iter().all(|line| line["canary"].is_string()));
    let at = left.truth[0]["at"].as_str().unwrap();
    assert!(humantime::parse_rfc3339(at).is_ok());
}

#[tokio::test]
async fn bad_settings_are_told() {
    let folder = tempfile::tempdir().unwrap();
    let with = |change: fn(&mut LabConfig)| {
        let mut config = config(&folder, &[]);
        change(&mut config);
        async { start(config).await.unwrap_err().to_string() }
    };
    let no_room = with(|config| config.port = Some(65_535)).await;
    assert!(no_room.contains("choose a port below 65535"), "{no_room}");
    let status = with(|config| config.answer_status = Some(7)).await;
    assert!(status.contains("answer with status 7"), "{status}");
    let log = with(|config| config.log = LogTarget::Path("/".into())).await;
    assert!(log.starts_with("open log file /: "), "{log}");
    let truth = with(|config| config.truth = Some("/".into())).await;
    assert!(truth.starts_with("open truth file /: "), "{truth}");
}

#[tokio::test]
async fn a_taken_port_is_told_and_a_free_pair_is_taken() {
    let folder = tempfile::tempdir().unwrap();
    let taken = Bench::with(&[]).await;
    let port: u16 = taken
        .lab
        .target_url
        .rsplit(':')
        .next()
        .unwrap()
        .parse()
        .unwrap();
    let at = |port| LabConfig {
        port: Some(port),
        ..config(&folder, &[])
    };
    let error = start(at(port)).await.unwrap_err();
    assert!(matches!(error, LabError::Listen { .. }), "{error}");
    assert!(
        error.to_string().contains(&format!("127.0.0.1:{port}")),
        "{error}"
    );
    // Some pair of neighbours is free; others may take ports at the same time.
    for port in (20_000..60_000).step_by(1_007) {
        if let Ok(lab) = start(at(port)).await {
            assert_eq!(lab.target_url, format!("http://127.0.0.1:{port}"));
            assert_eq!(lab.memory_url, format!("http://127.0.0.1:{}", port + 1));
            return;
        }
    }
    panic!("no free pair of ports");
}
