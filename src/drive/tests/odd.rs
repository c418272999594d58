//! Odd answers of a target, on every channel: each is a recorded outcome, promises nothing and
//! proves nothing.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::{scenario_of, start_with};
use crate::drive::{DriveEnd, preflight};
use crate::model::{Echo, OpKind, Outcome, Promise};
use crate::wire::fake::{Fake, Reply};

/// One operation of each kind.
const ONE_OF_EACH: &str = r#"
[target.timeouts]
connect = "2s"
chat = "400ms"
upload = "400ms"
voice = "400ms"
[load.chat]
executor = "per-vu-iterations"
session = "chat"
vus = 1
[load.upload]
executor = "per-vu-iterations"
session = "upload"
vus = 1
[load.voice]
executor = "per-vu-iterations"
session = "voice"
vus = 1
[sessions.chat]
kind = "chat"
words = 5
[sessions.upload]
kind = "upload"
characters = 300
[sessions.voice]
kind = "voice"
speed = 100
"#;

/// Longer than an answer may be.
const LONG_LINE_BYTES: usize = 5 << 20;

/// How an answer looks, and what a chat turn, an upload and a spoken turn come to by it.
type Odd = (&'static str, Reply, [Outcome; 3]);

fn answer(status: u16, kind: &'static str, body: impl Into<String>) -> Reply {
    Reply::Answer(status, kind, body.into())
}

fn odd_answers() -> Vec<Odd> {
    use Outcome::{Ok, Refused, Unknown};
    let fine = r#"{"content":"fine","success":true}"#;
    let raw = |head: &str| Reply::Raw(format!("HTTP/1.1 {head}\r\n\r\n").into_bytes());
    let html = "<!DOCTYPE html><title>Not here</title>";
    vec![
        ("HTML 404", answer(404, "text/html", html), [Refused; 3]),
        (
            "two JSON documents",
            answer(200, "application/json", format!("{fine}{fine}")),
            [Unknown; 3],
        ),
        ("OK as text", answer(200, "text/plain", "OK"), [Unknown; 3]),
        ("no body", answer(200, "application/json", ""), [Unknown; 3]),
        (
            "half of a JSON document",
            answer(200, "application/json", &fine[..12]),
            [Unknown; 3],
        ),
        (
            "a line of 5 MB",
            answer(200, "application/json", "x".repeat(LONG_LINE_BYTES)),
            [Unknown; 3],
        ),
        (
            "another content type",
            answer(200, "image/png", fine),
            [Ok, Ok, Unknown],
        ),
        (
            "a redirect",
            raw("302 Found\r\nLocation: /elsewhere\r\nContent-Length: 0"),
            [Unknown; 3],
        ),
        (
            "429",
            raw("429 Slow\r\nRetry-After: 7\r\nContent-Length: 0"),
            [Refused; 3],
        ),
        (
            "a slow drip",
            Reply::Drip(fine.into(), Duration::from_millis(50)),
            [Unknown; 3],
        ),
        (
            "not HTTP",
            Reply::Raw(b"220 hello\r\n\r\n".to_vec()),
            [Unknown; 3],
        ),
        ("nothing", Reply::Raw(Vec::new()), [Unknown; 3]),
    ]
}

#[tokio::test]
async fn each_is_an_outcome_and_proves_nothing() {
    let current = Arc::new(Mutex::new(Reply::Raw(Vec::new())));
    let paths = Arc::new(Mutex::new(Vec::new()));
    let (asked, script) = (Arc::clone(&paths), Arc::clone(&current));
    let fake = Fake::start(move |request| {
        asked.lock().unwrap().push(request.line.clone());
        script.lock().unwrap().clone()
    })
    .await;
    for (name, reply, outcomes) in odd_answers() {
        *current.lock().unwrap() = reply;
        let driven = start_with(&fake.url, scenario_of(ONE_OF_EACH), |_| {})
            .end()
            .await;
        let completions = driven.completions();
        assert_eq!(driven.invocations().len(), 3, "{name}");
        assert_eq!(driven.sightings().len(), 0, "{name}");
        assert_eq!(driven.report.broken_sessions, 0, "{name}");
        for invocation in driven.invocations() {
            let completion = completions[&invocation.op];
            let kind = OpKind::ALL.iter().position(|kind| *kind == invocation.kind);
            let expect = outcomes[kind.unwrap()];
            assert_eq!(completion.outcome, expect, "{name}: {completion:?}");
            assert_ne!(completion.echo, Echo::Foreign, "{name}");
            if expect != Outcome::Ok {
                assert_eq!(completion.promise, Promise::NONE, "{name}");
                assert!(completion.detail.is_some(), "{name}: {completion:?}");
            }
        }
        let end = match name {
            "nothing" => DriveEnd::TargetLost,
            _ => DriveEnd::Finished,
        };
        assert_eq!(driven.report.end, end, "{name}");
        let ready = preflight(&fake.url, "/health", Duration::from_millis(400)).await;
        assert_eq!(ready.is_ok(), is_up(name), "{name}: {ready:?}");
    }
    let asked = paths.lock().unwrap();
    assert!(!asked.iter().any(|line| line.contains("elsewhere")));
}

/// Whatever a health check says, with success it says it whole.
fn is_up(name: &str) -> bool {
    matches!(
        name,
        "two JSON documents"
            | "OK as text"
            | "no body"
            | "half of a JSON document"
            | "another content type"
    )
}
