//! The chat socket: what is sent, and what each way of answering in chunks comes to.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::server::{ErrorResponse, Request, Response};
use tokio_tungstenite::{WebSocketStream, accept_hdr_async};

use super::{Driven, RUN, foreign_canary, play, run, scenario_of};
use crate::event::Event;
use crate::model::{ChunkTimes, Echo, Outcome, UserIx};
use crate::plan::Disturbance;
use crate::wire::fake::{Fake, Reply, nobody};

const TALK: &str = r#"
[load.talk]
executor = "per-vu-iterations"
session = "talk"
vus = 1
iterations = 1
max_duration = "20s"
[sessions.talk]
kind = "stream"
turns = 2
think = "20ms"
[target.timeouts]
stream = "10s"
"#;

/// The paths that sockets were opened at, with the credential.
type Opened = Arc<Mutex<Vec<(String, String)>>>;

/// The frames with which a turn is answered, as they are sent.
type Script = fn(canary: &str) -> Vec<String>;

fn chunk(text: impl Into<String>) -> String {
    json!({"type": "chunk", "content": text.into(), "agent_id": "elena"}).to_string()
}

fn kind(kind: &str) -> String {
    json!({"type": kind, "agent_id": "elena"}).to_string()
}

fn echo(canary: &str) -> Vec<String> {
    vec![
        kind("typing"),
        chunk("I have noted that. As "),
        chunk(format!("the word {canary} ")),
        kind("complete"),
    ]
}

/// A target that answers each message by a script. Without a frame it closes the socket.
async fn target(script: Script) -> (Fake, Opened) {
    let opened = Opened::default();
    let log = Arc::clone(&opened);
    let fake = Fake::serve(move |stream, _| {
        let log = Arc::clone(&log);
        async move {
            serve(stream, script, &log).await;
        }
    })
    .await;
    (fake, opened)
}

async fn serve(stream: TcpStream, script: Script, opened: &Opened) {
    #[expect(clippy::result_large_err, reason = "the library's signature")]
    let note = |request: &Request, response: Response| -> Result<Response, ErrorResponse> {
        let credential = request.headers()["authorization"].to_str().unwrap();
        let place = (request.uri().to_string(), credential.to_owned());
        opened.lock().unwrap().push(place);
        Ok(response)
    };
    let Ok(mut socket) = accept_hdr_async(stream, note).await else {
        return;
    };
    while let Some(Ok(Message::Text(text))) = socket.next().await {
        let message: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(message["type"], "message");
        assert_eq!(message["agent_id"], "elena");
        let content = message["content"].as_str().unwrap();
        let mut words = content.split(|c: char| !c.is_ascii_lowercase());
        let canary = words.find(|word| word.len() == 42 && word.starts_with("zq"));
        let frames = script(canary.unwrap());
        if frames.is_empty() {
            return hang_up(socket).await;
        }
        for frame in frames {
            if socket.send(Message::text(frame)).await.is_err() {
                return;
            }
        }
    }
}

/// Closes a socket, and reads on: what is dropped with unread bytes is reset.
async fn hang_up(mut socket: WebSocketStream<TcpStream>) {
    let _ = socket.close(None).await;
    while let Some(Ok(_)) = socket.next().await {}
}

/// Of all turns in order.
fn outcomes(driven: &Driven) -> Vec<(Outcome, Echo)> {
    let mut completions: Vec<_> = driven.completions().into_values().collect();
    completions.sort_by_key(|completion| completion.op);
    completions
        .iter()
        .map(|completion| (completion.outcome, completion.echo))
        .collect()
}

fn times(driven: &Driven) -> Vec<&ChunkTimes> {
    let times = driven.events.iter().filter_map(|event| match event {
        Event::Streamed(times) => Some(times),
        Event::Invoked(_)
        | Event::Completed(_)
        | Event::Sighted(_)
        | Event::Scanned(_)
        | Event::Sampled(_)
        | Event::Lagged(_)
        | Event::Logged(_) => None,
    });
    times.collect()
}

#[tokio::test]
async fn turns_are_answered_in_chunks_on_one_socket() {
    let (fake, opened) = target(echo).await;
    let driven = run(&fake.url, TALK).await;
    assert_eq!(outcomes(&driven), [(Outcome::Ok, Echo::Own); 2]);
    assert_eq!(fake.connections(), 1);
    for completion in driven.completions().values() {
        assert!(completion.promise.user_message && completion.promise.assistant_message);
        assert!(completion.sent.is_some());
        assert_eq!(completion.detail, None);
    }
    let invocations = driven.invocations();
    let name = RUN.user_name(invocations[0].user);
    let session = RUN.session_name(invocations[0].user, invocations[0].op.session);
    let opened = opened.lock().unwrap();
    assert_eq!(
        *opened,
        [(
            format!("/api/v1/chat/ws/{session}"),
            format!("Bearer dev_{name}_analyst")
        )]
    );
    assert_eq!(invocations[0].request_id, invocations[1].request_id);
    let times = times(&driven);
    assert_eq!(times.len(), 2);
    assert!(times.iter().all(|t| t.chunks == 2 && t.gaps.len() == 1));
}

/// Drives against a target that answers so: what each turn comes to, of how many, and what is told.
async fn check(script: Script, expect: (Outcome, Echo), turns: usize, told: Option<&str>) {
    let (fake, _) = target(script).await;
    let driven = run(&fake.url, TALK).await;
    assert_eq!(outcomes(&driven), vec![expect; turns], "{told:?}");
    for completion in driven.completions().values() {
        let detail = completion.detail.as_deref();
        let is_told = match told {
            Some(told) => detail.is_some_and(|detail| detail.starts_with(told)),
            None => detail.is_none(),
        };
        assert!(is_told, "{told:?}: {detail:?}");
        let is_ok = completion.outcome == Outcome::Ok;
        assert_eq!(completion.promise.user_message, is_ok, "{told:?}");
    }
}

/// The answer with a frame before its chunks.
fn with(frame: String, canary: &str) -> Vec<String> {
    let mut frames = echo(canary);
    frames.insert(1, frame);
    frames
}

#[tokio::test]
async fn each_way_of_failing_has_its_outcome() {
    let error: Script =
        |_| vec![json!({"type": "error", "message": "Failed to process message"}).to_string()];
    let told = Some("Failed to process message");
    check(error, (Outcome::SoftFail, Echo::None), 2, told).await;
    let apology: Script = |_| {
        let apology = ["I apologize, but ", "I encountered an issue."].map(chunk);
        apology.into_iter().chain([kind("complete")]).collect()
    };
    let told = Some("I apologize, but I encountered an issue.");
    check(apology, (Outcome::SoftFail, Echo::None), 2, told).await;
    let unknown = (Outcome::Unknown, Echo::Own);
    let told = Some("the connection broke: closed by the target");
    check(|_| Vec::new(), (Outcome::Unknown, Echo::None), 1, told).await;
    let told = Some("a frame is not as promised");
    check(|own| with("<html>".to_owned(), own), unknown, 1, told).await;
    let told = Some("a chunk without content");
    check(|own| with(kind("chunk"), own), unknown, 1, told).await;
}

#[tokio::test]
async fn odd_answers_are_answers() {
    let own = (Outcome::Ok, Echo::Own);
    let told = Some("passed over frames of kind status");
    check(|canary| with(kind("status"), canary), own, 2, told).await;
    let pieces: Script = |canary| {
        let (before, behind) = canary.split_at(20);
        vec![chunk(before), chunk(behind), kind("complete")]
    };
    check(pieces, own, 2, None).await;
    let nothing = (Outcome::Ok, Echo::None);
    check(|_| vec![kind("complete")], nothing, 2, None).await;
}

#[tokio::test]
async fn a_stream_that_stands_still_is_given_up() {
    let (fake, _) = target(|canary| echo(canary)[..3].to_vec()).await;
    let driven = run(&fake.url, &TALK.replace("10s", "200ms")).await;
    assert_eq!(outcomes(&driven), [(Outcome::Unknown, Echo::Own)]);
    assert_eq!(times(&driven)[0].chunks, 2);
}

#[tokio::test]
async fn chunks_for_another_user_are_sighted_alone_beside_the_own_answer() {
    let (fake, _) = target(|canary| {
        let mut frames = echo(canary);
        frames.insert(2, chunk(format!("the word {} ", foreign_canary())));
        frames
    })
    .await;
    let driven = run(&fake.url, TALK).await;
    assert_eq!(outcomes(&driven), [(Outcome::Ok, Echo::Foreign); 2]);
    let sightings = driven.sightings();
    assert_eq!(sightings.len(), 2);
    for sighting in sightings {
        assert_eq!(sighting.canaries.len(), 1);
        assert_eq!(sighting.canaries[0].id.user, UserIx(99));
    }
    let promises = driven.completions().into_values().map(|c| c.promise);
    assert!(promises.into_iter().all(|p| p.assistant_message));
}

#[tokio::test]
async fn another_users_canary_in_pieces_is_sighted_with_the_whole_answer() {
    let (fake, _) = target(|_| {
        let other = foreign_canary();
        vec![chunk(&other[..7]), chunk(&other[7..]), kind("complete")]
    })
    .await;
    let driven = run(&fake.url, TALK).await;
    assert_eq!(outcomes(&driven), [(Outcome::Ok, Echo::Foreign); 2]);
    assert_eq!(driven.sightings().len(), 2);
}

#[tokio::test]
async fn who_hangs_up_in_the_middle_comes_back_with_a_new_socket() {
    let (fake, opened) = target(|canary| echo(canary)[..2].to_vec()).await;
    let scenario = scenario_of(&TALK.replace("10s", "500ms"));
    let driven = play(&fake.url, scenario, |script| {
        let after = Duration::from_millis(50);
        script.steps[0].disturbance = Some(Disturbance::Cancel { after });
    })
    .await;
    assert_eq!(outcomes(&driven), [(Outcome::Unknown, Echo::None); 2]);
    assert_eq!(opened.lock().unwrap().len(), 2);
    let invocations = driven.invocations();
    assert_ne!(invocations[0].request_id, invocations[1].request_id);
}

#[tokio::test]
async fn a_socket_that_cannot_be_opened_ends_its_session() {
    let driven = run(&nobody().await, TALK).await;
    assert_eq!(outcomes(&driven), [(Outcome::Unsent, Echo::None)]);
    let refuses = |_: &_| Reply::Answer(404, "application/json", "{}".to_owned());
    let fake = Fake::start(refuses).await;
    let driven = run(&fake.url, TALK).await;
    assert_eq!(outcomes(&driven), [(Outcome::Refused, Echo::None)]);
    assert_eq!(driven.only().status, Some(404));
}
