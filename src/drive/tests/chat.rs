//! Chat: what is sent, and what each kind of answer comes to.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};

use super::{RUN, foreign_canary, run};
use crate::canary;
use crate::drive::DriveEnd;
use crate::event::Event;
use crate::model::limits::ANSWER_BYTES_MAX;
use crate::model::{Echo, Outcome, Promise, RecordType, RunId};
use crate::wire::fake::{self, Fake, Reply, Request};

/// One user, one session, one turn.
const ONE: &str = r#"
[load.chat]
executor = "per-vu-iterations"
session = "chat"
vus = 1
iterations = 1
max_duration = "20s"
[sessions.chat]
kind = "chat"
turns = 1
think = "0ms"
words = 5
[target.timeouts]
chat = "400ms"
"#;

/// The canary that a chat request carries.
pub(super) fn canary_of(request: &Request) -> String {
    let body: Value = serde_json::from_slice(&request.body).unwrap();
    let content = body["content"].as_str().unwrap();
    let found = canary::find(&canary::normalise(content));
    assert_eq!(found.len(), 1, "one canary a prompt: {content}");
    canary::plant(found[0].id, &[])
}

/// Says the canary and names the session.
pub(super) fn echo(request: &Request) -> Reply {
    let body: Value = serde_json::from_slice(&request.body).unwrap();
    let session = body["session_id"].as_str().unwrap_or("made-by-server");
    let content = format!("Noted, the word is {}.", canary_of(request));
    fake::json(json!({"content": content, "session_id": session}).to_string())
}

#[tokio::test]
async fn interleaved_sessions_are_told_from_begin_to_end() {
    let requests = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&requests);
    let fake = Fake::start(move |request| {
        log.lock().unwrap().push(request.clone());
        echo(request)
    })
    .await;
    let scenario = ONE
        .replace("vus = 1", "vus = 4")
        .replace("iterations = 1", "iterations = 3")
        .replace("turns = 1", "turns = 2")
        .replace("400ms", "10s");
    let driven = run(&fake.url, &scenario).await;
    assert_eq!(driven.report.end, DriveEnd::Finished);
    let completions = driven.completions();
    let requests = requests.lock().unwrap();
    assert_eq!((completions.len(), requests.len()), (24, 24));
    for invocation in driven.invocations() {
        let completion = completions[&invocation.op];
        assert_eq!(completion.outcome, Outcome::Ok, "{completion:?}");
        assert_eq!(completion.echo, Echo::Own);
        assert_eq!(
            completion.promise,
            Promise {
                user_message: true,
                assistant_message: true,
                blocks: 0
            }
        );
        assert_eq!(completion.server_session, None);
        assert!(invocation.intended <= invocation.invoked);
        assert!(invocation.invoked <= completion.sent.unwrap());
        assert!(completion.sent.unwrap() <= completion.completed);
        let id = format!("{:016x}", invocation.request_id);
        let request = requests.iter().find(|r| r.headers["x-request-id"] == id);
        let Request { line, headers, .. } = request.unwrap();
        assert_eq!(line, "POST /api/v1/chat HTTP/1.1");
        assert!(headers["traceparent"].contains(&id));
        let name = RUN.user_name(invocation.user);
        assert_eq!(
            headers["authorization"],
            format!("Bearer dev_{name}_analyst")
        );
    }
    begun_before_ended(&driven.events);
}

/// A target with other names for everything: what it was sent, and what each turn came to.
#[tokio::test]
async fn a_target_with_other_names_is_spoken_to_as_the_scenario_says() {
    let bodies = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&bodies);
    let fake = Fake::start(move |request| {
        let body: Value = serde_json::from_slice(&request.body).unwrap();
        let text = body["input"]["message"].as_str().unwrap().to_owned();
        let found = canary::find(&canary::normalise(&text));
        let word = canary::plant(found[0].id, &[]);
        let turn = log.lock().unwrap().len();
        log.lock().unwrap().push(body);
        let reply = json!({"reply": format!("The word is {word}."), "thread_id": "t-1"});
        match turn {
            2 => fake::json(json!({"content": "in another place"}).to_string()),
            _ => fake::json(json!({ "data": reply }).to_string()),
        }
    })
    .await;
    let names = r#"
[target.paths]
chat = "/v2/messages"
[target.bodies]
chat = '{"input": {"message": "{text}", "thread": "{session}"}, "by": "{user} to {agent}"}'
[target.answers]
text = "/data/reply"
session = "/data/thread_id"
"#;
    let scenario = ONE
        .replace("turns = 1", "turns = 3\nsession_ids = \"server\"")
        .replace("400ms", "10s");
    let driven = run(&fake.url, &format!("{scenario}{names}")).await;
    let mut completions: Vec<_> = driven.completions().into_values().collect();
    completions.sort_by_key(|completion| completion.op);
    let told: Vec<_> = completions
        .iter()
        .map(|c| (c.outcome, c.echo, c.server_session.as_deref()))
        .collect();
    let expect = [
        (Outcome::Ok, Echo::Own, Some("t-1")),
        (Outcome::Ok, Echo::Own, None),
        (Outcome::SoftFail, Echo::None, None),
    ];
    assert_eq!(told, expect);
    let detail = completions[2].detail.as_deref().unwrap();
    assert!(detail.contains("no text at /data/reply"), "{detail}");
    let bodies = bodies.lock().unwrap();
    assert_eq!(bodies[0]["input"]["thread"], Value::Null);
    assert_eq!(bodies[1]["input"]["thread"], "t-1");
    let name = RUN.user_name(driven.invocations()[0].user);
    assert_eq!(bodies[0]["by"], format!("{name} to elena"));
}

/// A turn to keep: what is sent, and what each answer comes to.
#[tokio::test]
async fn a_turn_to_keep_promises_the_users_message() {
    let turn = ONE.replace("kind = \"chat\"", "kind = \"turn\"");
    for (status, answer, outcome) in [
        (200, r#"{"status": "success"}"#, Outcome::Ok),
        (200, r#"{"status": "error"}"#, Outcome::SoftFail),
        (200, r#"{"success": false}"#, Outcome::SoftFail),
        (200, "OK", Outcome::Unknown),
        (500, r#"{"detail": "no"}"#, Outcome::Refused),
    ] {
        let requests = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&requests);
        let fake = Fake::start(move |request| {
            log.lock().unwrap().push(request.clone());
            Reply::Answer(status, "application/json", answer.to_owned())
        })
        .await;
        let driven = run(&fake.url, &turn).await;
        let completion = driven.only();
        assert_eq!(completion.outcome, outcome, "{answer}");
        assert_eq!(completion.echo, Echo::NotExpected, "{answer}");
        let promised = Promise {
            user_message: outcome == Outcome::Ok,
            ..Promise::NONE
        };
        assert_eq!(completion.promise, promised, "{answer}");
        let request = &requests.lock().unwrap()[0];
        assert_eq!(
            request.line,
            "POST /api/v1/voice/conversation/turn HTTP/1.1"
        );
        let body: Value = serde_json::from_slice(&request.body).unwrap();
        let invocation = &driven.invocations()[0];
        let session = RUN.session_name(invocation.user, invocation.op.session);
        assert_eq!(body["session_id"], session);
        assert_eq!(
            (&body["role"], &body["agent_id"]),
            (&json!("user"), &json!("elena"))
        );
        canary_of(request);
    }
}

fn begun_before_ended(events: &[Event]) {
    let mut begun = Vec::new();
    for event in events {
        match event {
            Event::Invoked(invocation) => begun.push(invocation.op),
            Event::Completed(completion) => assert!(begun.contains(&completion.op)),
            Event::Sighted(_)
            | Event::Scanned(_)
            | Event::Sampled(_)
            | Event::Lagged(_)
            | Event::Streamed(_)
            | Event::Logged(_) => {}
        }
    }
}

fn answer(status: u16, kind: &'static str, body: &str) -> Reply {
    Reply::Answer(status, kind, body.to_owned())
}

#[tokio::test]
async fn each_answer_has_its_outcome() {
    let json_kind = "application/json";
    let half = b"HTTP/1.1 200 X\r\nContent-Length: 100\r\n\r\n{\"content\"".to_vec();
    let huge = format!("{{\"content\":\"{}\"}}", "x".repeat(ANSWER_BYTES_MAX));
    let plain = "{\"content\":\"fine\"}";
    let slow = Reply::Late(Duration::from_mins(1), Box::new(fake::json(plain)));
    for (reply, outcome, status) in [
        (answer(200, json_kind, plain), Outcome::Ok, Some(200)),
        (answer(200, "text/html", plain), Outcome::Ok, Some(200)),
        (
            answer(200, "text/html", "<p>hi</p>"),
            Outcome::Unknown,
            Some(200),
        ),
        (
            answer(200, json_kind, "{\"content\":5}"),
            Outcome::SoftFail,
            Some(200),
        ),
        (answer(204, json_kind, ""), Outcome::Unknown, Some(204)),
        (
            answer(
                200,
                json_kind,
                "{\"content\":\"I apologize, but I encountered an issue.\"}",
            ),
            Outcome::SoftFail,
            Some(200),
        ),
        (
            answer(404, "text/html", "<h1>gone</h1>"),
            Outcome::Refused,
            Some(404),
        ),
        (answer(503, json_kind, "{}"), Outcome::Refused, Some(503)),
        (answer(307, json_kind, "{}"), Outcome::Unknown, Some(307)),
        (answer(200, json_kind, &huge), Outcome::Unknown, Some(200)),
        (Reply::Raw(half.clone()), Outcome::Unknown, Some(200)),
        (Reply::RawAndReset(half), Outcome::Unknown, Some(200)),
        (
            Reply::Raw(b"nonsense\r\n\r\n".to_vec()),
            Outcome::Unknown,
            None,
        ),
        (slow, Outcome::Unknown, None),
    ] {
        let shown = format!("{reply:.80?}");
        let fake = Fake::start(move |_| reply.clone()).await;
        let driven = run(&fake.url, ONE).await;
        let completion = driven.only();
        assert_eq!(completion.outcome, outcome, "{shown}: {completion:?}");
        assert_eq!(completion.status, status, "{shown}");
        assert_eq!(completion.echo, Echo::None, "{shown}");
        assert_eq!(
            completion.detail.is_none(),
            outcome == Outcome::Ok,
            "{shown}"
        );
        assert!(completion.sent.is_some(), "{shown}");
        let promise = completion.promise;
        assert_eq!(promise.user_message, outcome == Outcome::Ok, "{shown}");
        assert!(!promise.assistant_message, "{shown}");
    }
}

#[tokio::test]
async fn another_users_canary_is_sighted_whatever_the_status() {
    for (status, expect) in [(200, Outcome::Ok), (503, Outcome::Refused)] {
        let fake = Fake::start(move |request| {
            let content = format!("{} and {}", foreign_canary(), canary_of(request));
            answer(
                status,
                "application/json",
                &json!({ "content": content }).to_string(),
            )
        })
        .await;
        let driven = run(&fake.url, ONE).await;
        let completion = driven.only();
        assert_eq!(
            (completion.outcome, completion.echo),
            (expect, Echo::Foreign)
        );
        assert_eq!(completion.promise.assistant_message, expect == Outcome::Ok);
        let sightings = driven.sightings();
        assert_eq!(sightings.len(), 1);
        let sighting = sightings[0];
        assert_eq!(sighting.record_type, RecordType::Answer);
        let (_, user, _) = RunId::parse_session_name(&sighting.record_id).unwrap();
        let owner = format!("dev-oid-{}", RUN.user_name(user));
        assert_eq!(sighting.owner.as_deref(), Some(owner.as_str()));
        assert_eq!(sighting.canaries.len(), 2);
        assert!(
            sighting
                .excerpt
                .as_ref()
                .unwrap()
                .contains(&foreign_canary()[..10])
        );
    }
}

#[tokio::test]
async fn the_servers_session_is_taken_up() {
    let named = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&named);
    let fake = Fake::start(move |request| {
        let body: Value = serde_json::from_slice(&request.body).unwrap();
        log.lock().unwrap().push(body["session_id"].clone());
        echo(request)
    })
    .await;
    let scenario = ONE
        .replace("turns = 1", "turns = 3")
        .replace("words = 5", "words = 5\nsession_ids = \"server\"");
    let driven = run(&fake.url, &scenario).await;
    assert_eq!(
        *named.lock().unwrap(),
        [
            json!(null),
            json!("made-by-server"),
            json!("made-by-server")
        ]
    );
    let mut completions: Vec<_> = driven.completions().into_values().collect();
    completions.sort_by_key(|completion| completion.op);
    let told: Vec<_> = completions
        .iter()
        .map(|completion| completion.server_session.as_deref())
        .collect();
    assert_eq!(told, [Some("made-by-server"), None, None]);
}

#[tokio::test]
async fn a_session_goes_on_after_an_answer_of_unknown_fate() {
    let fake = Fake::start(|request| {
        if request.connection == 0 {
            Reply::Raw(Vec::new())
        } else {
            echo(request)
        }
    })
    .await;
    let driven = run(&fake.url, &ONE.replace("turns = 1", "turns = 2")).await;
    let mut outcomes: Vec<_> = driven
        .completions()
        .into_values()
        .map(|completion| (completion.op.seq, completion.outcome))
        .collect();
    outcomes.sort_unstable();
    assert_eq!(outcomes, [(0, Outcome::Unknown), (1, Outcome::Ok)]);
    assert_eq!(driven.report.end, DriveEnd::Finished);
}
