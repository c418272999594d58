//! Voice: what is spoken, and what each way of answering comes to.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::server::{ErrorResponse, Request, Response};
use tokio_tungstenite::{WebSocketStream, accept_hdr_async};

use super::{Driven, RUN, foreign_canary, play, run, scenario_of};
use crate::canary::tone;
use crate::model::{Echo, Outcome, UserIx};
use crate::plan::Disturbance;
use crate::wire::fake::{Fake, nobody};

const CALL: &str = r#"
[load.call]
executor = "per-vu-iterations"
session = "call"
vus = 1
iterations = 1
max_duration = "20s"
[sessions.call]
kind = "voice"
turns = 2
think = "20ms"
speed = 200
[target.timeouts]
voice = "700ms"
"#;

/// How long after its answer a target hangs up.
const HANG_UP_PAUSE: Duration = Duration::from_millis(300);
/// Silence that ends a turn, samples.
const TURN_SILENCE: usize = 12_000;

type Headers = Arc<Mutex<Vec<HashMap<String, String>>>>;

/// What the target does when a turn has been heard.
type Script = fn(turn: usize, canary: Option<String>) -> Vec<Value>;

fn complete(speaker: &str, text: impl Into<String>) -> Value {
    let text: String = text.into();
    json!({"type": "transcription", "speaker": speaker, "status": "complete", "text": text})
}

fn echo(_turn: usize, canary: Option<String>) -> Vec<Value> {
    let canary = canary.unwrap();
    vec![
        json!({"type": "transcription", "status": "listening"}),
        complete("user", canary.clone()),
        json!({"type": "audio", "data": "AAAA", "format": "audio/pcm16"}),
        complete("assistant", format!("Noted, the word is {canary}.")),
    ]
}

/// A target that listens to tones. An empty frame list, or a null, closes the socket.
async fn target(script: Script) -> (Fake, Headers) {
    let headers = Headers::default();
    let log = Arc::clone(&headers);
    let fake = Fake::serve(move |stream, _| {
        let log = Arc::clone(&log);
        async move {
            serve(stream, script, &log).await;
        }
    })
    .await;
    (fake, headers)
}

async fn serve(stream: TcpStream, script: Script, headers: &Headers) {
    #[expect(clippy::result_large_err, reason = "the library's signature")]
    let take_headers = |request: &Request, response: Response| -> Result<Response, ErrorResponse> {
        let mut taken: HashMap<String, String> = request
            .headers()
            .iter()
            .map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()))
            .collect();
        taken.insert("path".to_owned(), request.uri().to_string());
        headers.lock().unwrap().push(taken);
        Ok(response)
    };
    let Ok(mut socket) = accept_hdr_async(stream, take_headers).await else {
        return;
    };
    let ready = json!({"type": "agent_switched", "agent_id": "elena"});
    socket.send(Message::text(ready.to_string())).await.unwrap();
    let mut turn = 0;
    while let Some(samples) = hear_turn(&mut socket).await {
        let frames = script(turn, tone::listen(&samples));
        turn += 1;
        if frames.is_empty() {
            return;
        }
        for frame in frames {
            if frame.is_null() {
                hang_up(socket).await;
                return;
            }
            if socket.send(Message::text(frame.to_string())).await.is_err() {
                return;
            }
        }
    }
}

/// Closes a socket once the turn is over for the client too, and reads on: what is dropped with
/// unread bytes is reset, and the answer may be lost with it.
async fn hang_up(mut socket: WebSocketStream<TcpStream>) {
    tokio::time::sleep(HANG_UP_PAUSE).await;
    let _ = socket.close(None).await;
    while let Some(Ok(_)) = socket.next().await {}
}

/// Samples up to a silence that ends a turn; silence before it is passed over.
async fn hear_turn(socket: &mut WebSocketStream<TcpStream>) -> Option<Vec<i16>> {
    let mut samples: Vec<i16> = Vec::new();
    loop {
        let message = socket.next().await?.ok()?;
        let Message::Text(text) = message else {
            continue;
        };
        let frame: Value = serde_json::from_str(&text).unwrap();
        if frame["type"] == "agent" {
            let switched = json!({"type": "agent_switched", "agent_id": frame["agent_id"]});
            socket
                .send(Message::text(switched.to_string()))
                .await
                .ok()?;
            continue;
        }
        let pcm = STANDARD.decode(frame["data"].as_str().unwrap()).unwrap();
        assert_eq!(pcm.len(), 8_192);
        let pairs = pcm.as_chunks::<2>().0;
        samples.extend(pairs.iter().map(|pair| i16::from_le_bytes(*pair)));
        let silence = samples
            .iter()
            .rev()
            .take_while(|sample| **sample == 0)
            .count();
        if silence == samples.len() {
            samples.clear();
        } else if silence >= TURN_SILENCE {
            return Some(samples);
        }
    }
}

/// Of all turns in order.
type Outcomes = Vec<(Outcome, Echo)>;

fn outcomes(driven: &Driven) -> Outcomes {
    let mut completions: Vec<_> = driven.completions().into_values().collect();
    completions.sort_by_key(|completion| completion.op);
    completions
        .iter()
        .map(|completion| (completion.outcome, completion.echo))
        .collect()
}

#[tokio::test]
async fn turns_are_heard_and_answered_on_one_socket() {
    let (fake, headers) = target(echo).await;
    let driven = run(&fake.url, &CALL.replace("700ms", "10s")).await;
    assert_eq!(outcomes(&driven), [(Outcome::Ok, Echo::Own); 2]);
    assert_eq!(fake.connections(), 1);
    for completion in driven.completions().values() {
        assert!(completion.promise.user_message && completion.promise.assistant_message);
        assert!(completion.sent.is_some());
    }
    let headers = headers.lock().unwrap();
    let invocations = driven.invocations();
    let name = RUN.user_name(invocations[0].user);
    assert_eq!(
        headers[0]["authorization"],
        format!("Bearer dev_{name}_analyst")
    );
    let session = RUN.session_name(invocations[0].user, invocations[0].op.session);
    assert!(headers[0]["path"].ends_with(&session));
    for invocation in invocations {
        let id = format!("{:016x}", invocation.request_id);
        assert_eq!(headers[0]["x-request-id"], id);
        assert!(headers[0]["traceparent"].contains(&id));
    }
}

#[tokio::test]
async fn each_way_of_answering_has_its_outcome() {
    let error = |_, _| vec![json!({"type": "error", "message": "no voice today"})];
    let apology = |_, canary: Option<String>| {
        let sorry = "I apologize, but I encountered an issue.";
        vec![
            complete("user", canary.unwrap()),
            complete("assistant", sorry),
        ]
    };
    let half = |_, canary: Option<String>| vec![complete("user", canary.unwrap())];
    let deaf = |_, _| vec![complete("user", "what?"), complete("assistant", "Pardon?")];
    let cases: [(&str, Script, Outcomes); 5] = [
        ("error", error, vec![(Outcome::SoftFail, Echo::None); 2]),
        ("apology", apology, vec![(Outcome::SoftFail, Echo::None); 2]),
        ("half", half, vec![(Outcome::Unknown, Echo::None)]),
        (
            "close",
            |_, _| Vec::new(),
            vec![(Outcome::Unknown, Echo::None)],
        ),
        ("deaf", deaf, vec![(Outcome::Ok, Echo::None); 2]),
    ];
    for (shown, script, expect) in cases {
        let (fake, _) = target(script).await;
        let driven = run(&fake.url, CALL).await;
        assert_eq!(outcomes(&driven), expect, "{shown}");
        for completion in driven.completions().values() {
            assert!(!completion.promise.user_message, "{shown}");
            assert!(!completion.promise.assistant_message, "{shown}");
        }
    }
}

#[tokio::test]
async fn words_for_another_user_are_sighted_in_a_turn_and_after_it() {
    let crossed: Script = |turn, canary| {
        let mut frames = echo(turn, canary);
        frames.push(complete(
            "assistant",
            format!("Noted, {}.", foreign_canary()),
        ));
        frames
    };
    let (fake, _) = target(crossed).await;
    let driven = run(
        &fake.url,
        &CALL.replace("think = \"20ms\"", "think = \"200ms\""),
    )
    .await;
    assert!(
        driven
            .completions()
            .values()
            .all(|c| c.outcome == Outcome::Ok)
    );
    let sightings = driven.sightings();
    assert!(!sightings.is_empty());
    for sighting in sightings {
        assert_eq!(sighting.canaries.len(), 1);
        assert_eq!(sighting.canaries[0].id.user, UserIx(99));
    }
    let instead: Script = |_, canary| {
        let other = foreign_canary();
        vec![
            complete("user", canary.unwrap()),
            complete("assistant", other),
        ]
    };
    let (fake, _) = target(instead).await;
    let driven = run(&fake.url, CALL).await;
    assert_eq!(outcomes(&driven), [(Outcome::Ok, Echo::Foreign); 2]);
    for completion in driven.completions().values() {
        assert!(completion.promise.user_message && !completion.promise.assistant_message);
    }
}

#[tokio::test]
async fn the_end_of_a_turn_before_does_not_end_the_next() {
    let stutter: Script = |turn, canary| {
        let mut frames = echo(turn, canary);
        let again = frames.last().unwrap().clone();
        frames.push(again);
        frames
    };
    let (fake, _) = target(stutter).await;
    let driven = run(
        &fake.url,
        &CALL.replace("think = \"20ms\"", "think = \"0ms\""),
    )
    .await;
    assert_eq!(outcomes(&driven), [(Outcome::Ok, Echo::Own); 2]);
}

#[tokio::test]
async fn a_socket_that_cannot_be_opened_ends_its_session() {
    let driven = run(&nobody().await, CALL).await;
    assert_eq!(outcomes(&driven), [(Outcome::Unsent, Echo::None)]);
    let fake =
        Fake::start(|_| crate::wire::fake::Reply::Answer(401, "application/json", "{}".to_owned()))
            .await;
    let driven = run(&fake.url, CALL).await;
    assert_eq!(outcomes(&driven), [(Outcome::Refused, Echo::None)]);
    assert_eq!(driven.only().status, Some(401));
}

#[tokio::test]
async fn a_socket_that_is_closed_between_two_turns_is_told_by_the_next() {
    let hang_up: Script = |turn, canary| {
        let mut frames = echo(turn, canary);
        frames.push(Value::Null);
        frames
    };
    let (fake, _) = target(hang_up).await;
    let scenario = CALL
        .replace("think = \"20ms\"", "think = \"2s\"")
        .replace("voice = \"700ms\"", "voice = \"10s\"")
        .replace("turns = 2", "turns = 3");
    let driven = run(&fake.url, &scenario).await;
    let expect = [(Outcome::Ok, Echo::Own), (Outcome::Unsent, Echo::None)];
    assert_eq!(outcomes(&driven), expect);
    let mut completions = driven.completions().into_values();
    let told = completions.find(|completion| completion.outcome == Outcome::Unsent);
    let detail = told.unwrap().detail.as_deref().unwrap();
    assert!(detail.starts_with("between two turns, "), "{detail}");
}

#[tokio::test]
async fn a_socket_that_is_closed_early_leaves_its_turn_unknown_and_the_rest_undone() {
    let (fake, headers) = target(echo).await;
    let scenario = scenario_of(&CALL.replace("vus = 1", "vus = 2"));
    let driven = play(&fake.url, scenario, |script| {
        script.steps[0].disturbance = Some(Disturbance::CloseEarly);
    })
    .await;
    assert_eq!(outcomes(&driven), [(Outcome::Unknown, Echo::None); 2]);
    assert_eq!(headers.lock().unwrap().len(), 2);
    for completion in driven.completions().values() {
        assert!(completion.sent.is_some());
        let detail = completion.detail.as_deref();
        assert_eq!(detail, Some("the socket was closed before the answer"));
    }
}
