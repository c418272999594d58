//! Odd answers of a store: none is taken for a list that is empty, and none makes what was seen
//! before go away.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::json;
use tokio::sync::mpsc;

use super::fake::{context, ids, owner, session_name, sightings, text};
use super::scan::ScanContext;
use super::store::{StoreClient, StoreKey};
use crate::model::{Scan, Sighting};
use crate::wire::fake::{Fake, Reply, Request};

/// More than one answer may be long, and far less than a page may.
const LONG_LINE_BYTES: usize = 5 << 20;

/// How the list of sessions is asked for what stands behind the two that there are.
const SECOND_PAGE: &str = "cursor=2";

/// What the answers to some path are.
type Script = Arc<Mutex<Option<(&'static str, Reply)>>>;

/// How an answer looks, and whether all that it should say can be read out of it; `None` where
/// either is right, as long as it is said.
type Odd = (&'static str, fn(&str) -> Reply, Option<bool>);

fn odd_answers() -> Vec<Odd> {
    fn answer(status: u16, kind: &'static str, body: impl Into<String>) -> Reply {
        Reply::Answer(status, kind, body.into())
    }
    fn raw(text: &str) -> Reply {
        Reply::Raw(format!("HTTP/1.1 {text}\r\n\r\n").into_bytes())
    }
    vec![
        (
            "HTML 404",
            |_| answer(404, "text/html", "<!DOCTYPE html>"),
            Some(false),
        ),
        (
            "two JSON documents",
            |fine| {
                answer(
                    200,
                    "application/json",
                    format!("{fine}{{\"message\":\"x\"}}"),
                )
            },
            None,
        ),
        (
            "OK as text",
            |_| answer(200, "text/plain", "OK"),
            Some(false),
        ),
        (
            "no body",
            |_| answer(200, "application/json", ""),
            Some(false),
        ),
        (
            "half of a JSON document",
            |fine| answer(200, "application/json", &fine[..fine.len() / 2]),
            Some(false),
        ),
        (
            "a line of 5 MB",
            |_| answer(200, "application/json", "x".repeat(LONG_LINE_BYTES)),
            Some(false),
        ),
        (
            "another content type",
            |fine| answer(200, "image/png", fine),
            Some(true),
        ),
        (
            "a redirect",
            |_| raw("302 Found\r\nLocation: /elsewhere\r\nContent-Length: 0"),
            Some(false),
        ),
        (
            "429",
            |_| raw("429 Slow\r\nRetry-After: 7\r\nContent-Length: 0"),
            Some(false),
        ),
        (
            "a slow drip",
            |fine| Reply::Drip(fine.into(), Duration::from_millis(50)),
            Some(false),
        ),
        (
            "not HTTP",
            |_| Reply::Raw(b"220 hello\r\n\r\n".to_vec()),
            Some(false),
        ),
        ("nothing", |_| Reply::Raw(Vec::new()), Some(false)),
    ]
}

/// What a healthy store of two sessions and one fact answers.
fn fine(path: &str) -> Option<String> {
    let session = |user| json!({"id": user + 1, "session_id": session_name(user, user), "user_id": owner(user)});
    let parts: Vec<&str> = path.split(['/', '?']).collect();
    Some(match parts.as_slice() {
        ["", "healthz", ..] => ".".to_owned(),
        ["", "api", "v1", "sessions", query] if query.ends_with(SECOND_PAGE) => "[]".to_owned(),
        ["", "api", "v1", "sessions", _] => json!([session(0), session(1)]).to_string(),
        ["", "api", "v1", "sessions", id, "messages", ..] => {
            let user = (0..2).find(|user| session_name(*user, *user) == *id);
            let rows = user.map(|user| json!({"uuid": format!("m{user}"), "role": "user", "role_type": "user", "content": text(user, user, 0)}));
            let rows: Vec<_> = rows.into_iter().collect();
            json!({"messages": rows, "total_count": rows.len(), "row_count": rows.len()})
                .to_string()
        }
        ["", "api", "v1", "user", ..] | ["", "api", "v1", "users", _, "facts", ..] => {
            "[]".to_owned()
        }
        _ => return None,
    })
}

async fn store(script: Script) -> Fake {
    Fake::start(move |request: &Request| {
        let path = request.line.split(' ').nth(1).unwrap_or_default();
        if let Some((part, reply)) = &*script.lock().unwrap()
            && path.contains(part)
            && !path.ends_with(SECOND_PAGE)
        {
            return reply.clone();
        }
        match fine(path) {
            Some(body) => Reply::Answer(200, "application/json", body),
            None => Reply::Answer(404, "text/html", "<!DOCTYPE html>".to_owned()),
        }
    })
    .await
}

async fn scan(client: &StoreClient, context: &ScanContext) -> (Scan, Vec<Sighting>) {
    let (sender, receiver) = mpsc::channel(1_000);
    let scan = client.scan(context, 1, &sender).await;
    drop(sender);
    (scan, sightings(receiver))
}

fn context_of_little_patience() -> ScanContext {
    let mut context = context();
    let mut scenario = (*context.scenario).clone();
    scenario.memory.read_timeout = Duration::from_millis(300);
    context.scenario = Arc::new(scenario);
    context
}

#[tokio::test]
async fn a_list_that_cannot_be_read_is_not_an_empty_one() {
    let script: Script = Arc::default();
    let fake = store(Arc::clone(&script)).await;
    let context = context_of_little_patience();
    let client = StoreClient::connect(&fake.url, &StoreKey::None, &context.scenario.memory)
        .await
        .unwrap();
    let (whole, all) = scan(&client, &context).await;
    assert!(whole.complete, "{:?}", whole.incomplete_reason);
    assert_eq!(ids(&all).len(), 4, "two sessions with a message each");
    let sessions = "/api/v1/sessions?".to_owned();
    let messages = format!("/api/v1/sessions/{}/messages", session_name(1, 1));
    for path in [sessions, messages] {
        let full = format!("{path}?limit=500&cursor=1");
        let fine = fine(if path.ends_with('?') { &path } else { &full }).unwrap();
        let path: &'static str = path.leak();
        for (name, odd, readable) in odd_answers() {
            *script.lock().unwrap() = Some((path, odd(&fine)));
            let (scan, seen) = scan(&client, &context).await;
            let is_read = readable.unwrap_or(scan.complete);
            assert_eq!(scan.complete, is_read, "{name} for {path}: {scan:?}");
            assert_eq!(scan.incomplete_reason.is_none(), is_read, "{name}");
            if !path.ends_with('?') {
                // The other session is seen whatever becomes of this one.
                assert!(ids(&seen).contains("m0"), "{name}: {seen:?}");
            }
            *script.lock().unwrap() = None;
        }
    }
    let (again, seen) = scan(&client, &context).await;
    assert!(again.complete);
    assert_eq!(ids(&seen), ids(&all));
}

#[tokio::test]
async fn a_store_that_is_odd_from_the_beginning_is_refused_with_its_address() {
    let script: Script = Arc::default();
    let fake = store(Arc::clone(&script)).await;
    let context = context_of_little_patience();
    for path in ["/healthz", "/api/v1/sessions?"] {
        for (name, odd, readable) in odd_answers() {
            *script.lock().unwrap() = Some((path, odd(&fine(path).unwrap())));
            match StoreClient::connect(&fake.url, &StoreKey::None, &context.scenario.memory).await {
                Ok(_) => assert_ne!(readable, Some(false), "{name} for {path}"),
                Err(error) => {
                    let said = error.to_string();
                    assert!(said.contains(fake.url.as_str()), "{name}: {said}");
                }
            }
        }
    }
}
