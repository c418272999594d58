//! The chat socket: one message at a time, answered in chunks.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use futures_util::FutureExt as _;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::admission::Admission;
use super::chat::APOLOGY;
use super::echo::Agent;
use super::hearing::{Hearing, Telling, Told, hearing};
use super::persist::Turn;
use super::{Handle, echo, identity, persist, problem};
use crate::lab::exchange::Meeting;
use crate::lab::faults::FaultKind;
use crate::lab::log::Named;
use crate::lab::quirks::QuirkKind;
use crate::lab::races::{Failure, Hits};
use crate::lab::truth::{STREAM_PLACEHOLDER, Wrong};
use crate::model::{Code, OpKind, RecordType};

/// Bytes of a frame.
const FRAME_BYTES_MAX: usize = 1 << 20;
/// Bytes that one socket reads ahead and holds back.
const SOCKET_BUFFER_BYTES: usize = 4 * 1024;
/// Words of a chunk.
const CHUNK_WORDS: usize = 5;
/// How long the model takes for a chunk.
const CHUNK_DELAY: [Duration; 2] = [Duration::ZERO, Duration::from_millis(3)];

pub(super) async fn stream(
    State(engram): State<Handle>,
    Path(session): Path<String>,
    headers: HeaderMap,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Response {
    let (profile, keys) = (engram.profile, &engram.keys);
    let Ok(user) = identity::of_socket(&headers, profile, keys, STREAM_PLACEHOLDER) else {
        return problem::unauthorized("Missing or invalid authentication token");
    };
    let upgrade = match upgrade {
        Ok(upgrade) => upgrade,
        Err(rejection) => return rejection.into_response(),
    };
    let session: Arc<str> = session.into();
    // No frame could name a session that is used instead.
    let founder = engram.founder(&session, &user);
    if founder != user && !profile.is_snapshot() {
        return problem::detail(StatusCode::FORBIDDEN, "The session is somebody else's");
    }
    let named = Named::by(&headers);
    upgrade
        .read_buffer_size(SOCKET_BUFFER_BYTES)
        .write_buffer_size(0)
        .max_message_size(FRAME_BYTES_MAX)
        .max_frame_size(FRAME_BYTES_MAX)
        .on_upgrade(move |socket| async move {
            let talk = Talk {
                engram,
                named,
                user,
                session,
            };
            // A socket that breaks off is the client's business.
            let _ = talk.serve(socket).await;
        })
}

/// The socket cannot be written any more, or is to be given up.
struct Gone;

/// One socket.
struct Talk {
    engram: Handle,
    /// What its upgrade request calls itself.
    named: Named,
    user: Arc<str>,
    session: Arc<str>,
}

/// What the client is sent.
struct Answer {
    agent: Agent,
    text: String,
    hits: Hits,
    failure: Option<Failure>,
    telling: Option<Telling>,
}

#[derive(Deserialize)]
struct Frame<'a> {
    #[serde(rename = "type", borrow)]
    kind: Cow<'a, str>,
    #[serde(default)]
    content: String,
    #[serde(default)]
    agent_id: Option<String>,
}

impl Talk {
    async fn serve(self, mut socket: WebSocket) -> Result<(), Gone> {
        let mut early = None;
        loop {
            let next = match early.take() {
                Some(message) => Some(Ok(message)),
                None => socket.recv().await,
            };
            match next {
                Some(Ok(Message::Text(text))) => {
                    // What is not JSON ends the socket without a word.
                    let Ok(frame) = serde_json::from_str::<Frame<'_>>(text.as_str()) else {
                        return Ok(());
                    };
                    if frame.kind == "message" {
                        early = self
                            .message(&mut socket, frame.content, frame.agent_id)
                            .await?;
                    }
                }
                Some(Ok(Message::Binary(_) | Message::Ping(_) | Message::Pong(_))) => {}
                Some(Ok(Message::Close(_)) | Err(_)) | None => return Ok(()),
            }
        }
    }

    /// Answers a message. Returns what has come meanwhile.
    async fn message(
        &self,
        socket: &mut WebSocket,
        question: String,
        agent_id: Option<String>,
    ) -> Result<Option<Message>, Gone> {
        let begun = Instant::now();
        let agent_id = agent_id.unwrap_or_else(|| Agent::default().id().to_owned());
        let typing = json!({"type": "typing", "agent_id": agent_id});
        // A client that is gone has asked all the same.
        let seen = say(socket, typing).await;
        let asked = echo::reference_word(&question);
        let answer = self.answer(question, &agent_id).await;
        seen?;
        match answer.failure {
            Some(Failure::Broken) => return Err(Gone),
            Some(Failure::Internal | Failure::BadRequest) => {
                let complaint = "Failed to process message";
                say(socket, json!({"type": "error", "message": complaint})).await?;
                return Ok(None);
            }
            None => {}
        }
        self.give(socket, &answer, asked.as_deref()).await?;
        let complete = json!({
            "type": "complete", "message_id": self.engram.dice.uuid(),
            "agent_id": answer.agent.id(), "tokens_used": 0,
            "latency_ms": begun.elapsed().as_secs_f64() * 1_000.0,
        });
        say(socket, complete).await?;
        // A client that has hung up was told nothing, though all of it could be sent.
        let early = match socket.recv().now_or_never() {
            Some(Some(Ok(Message::Close(_)) | Err(_)) | None) => return Err(Gone),
            Some(Some(Ok(message))) => Some(message),
            None => None,
        };
        if let Some(telling) = answer.telling {
            telling.tell(Told::Accepted);
        }
        Ok(early)
    }

    /// Decides the answer to a question and starts the task that stores both.
    async fn answer(&self, question: String, agent_id: &str) -> Answer {
        let Self {
            engram,
            user,
            session,
            ..
        } = self;
        let arrived = Instant::now();
        let in_flight = engram.faults.enter(user);
        let hits = engram.faults.strike(&in_flight, OpKind::Stream);
        let place = engram.queues.join(session);
        if engram.profile.is_snapshot() {
            engram.enrich(session, user, OpKind::Stream).await;
        }
        engram.think().await;
        let agent = Agent::of_id(Some(agent_id));
        let apologises = engram.meets(QuirkKind::Apologies);
        let Some(agent) = agent.filter(|_| !apologises) else {
            persist::pass(engram, place);
            return Answer {
                agent: Agent::default(),
                text: APOLOGY.to_owned(),
                hits: Hits::default(),
                failure: None,
                telling: None,
            };
        };
        let reply = engram.reply(session, user, &question);
        let text = reply.text.clone();
        engram.faults.answered(user, &text);
        let fails = hits.has(FaultKind::StoreThenFail);
        let failure = fails.then(|| engram.faults.next_failure());
        drop(in_flight);
        let (telling, hearing) = hearing();
        let turn = Turn {
            kind: OpKind::Stream,
            named: self.named.clone(),
            admission: Admission {
                session_user: Arc::clone(user),
                writer: Arc::clone(user),
                session: Arc::clone(session),
                cause: None,
            },
            author: Arc::clone(user),
            question,
            reply,
            agent: agent.clone(),
            hearing: failure.map_or(hearing, |failure| Hearing::of(Told::by(failure))),
            arrived,
            answered: Instant::now(),
            context: None,
        };
        let task = persist::start(engram, turn, place, hits.clone());
        if failure.is_some() {
            // Only a task that breaks off is not waited for to its end.
            let _ = task.await;
        }
        Answer {
            agent,
            text,
            hits,
            failure,
            telling: Some(telling),
        }
    }

    /// Sends an answer in chunks. The last one meets another's where a planted fault has both
    /// written through one buffer: it comes out at the other socket.
    async fn give(
        &self,
        socket: &mut WebSocket,
        answer: &Answer,
        asked: Option<&str>,
    ) -> Result<(), Gone> {
        let chunks = chunks(&answer.text);
        let agent_id = answer.agent.id();
        for (number, text) in (1..).zip(&chunks) {
            let [from, to] = CHUNK_DELAY;
            tokio::time::sleep(self.engram.dice.delay(from, to)).await;
            let window = answer.hits.window(FaultKind::StreamMix);
            let Some(window) = window.filter(|_| number == chunks.len()) else {
                say(socket, chunk(text, agent_id)).await?;
                continue;
            };
            let own = (Arc::clone(&self.user), text.clone());
            match self
                .engram
                .faults
                .streams
                .meet(&self.user, own, window)
                .await
            {
                Meeting::Alone((_, own)) => say(socket, chunk(&own, agent_id)).await?,
                Meeting::Waited((another, theirs)) => {
                    say(socket, chunk(text, agent_id)).await?;
                    say(socket, chunk(&theirs, agent_id)).await?;
                    self.tell_mixed(&another, &theirs, asked);
                }
                Meeting::Came(_) => {}
            }
        }
        Ok(())
    }

    fn tell_mixed(&self, another: &Arc<str>, theirs: &str, asked: Option<&str>) {
        if let Some(canary) = echo::reference_word(theirs) {
            self.engram.truth.tell(Wrong {
                fault: FaultKind::StreamMix,
                code: Code::ResponseBleed,
                record_type: RecordType::Answer,
                record_id: Some(self.session.as_ref().to_owned()),
                canary: Some(&canary),
                true_user: another,
                stored_owner: Some(&self.user),
                session: None,
                asked,
            });
        }
    }
}

/// A text in chunks of a few words, each with a blank behind.
fn chunks(text: &str) -> Vec<String> {
    let words: Vec<&str> = text.split_whitespace().collect();
    let chunks = words.chunks(CHUNK_WORDS);
    chunks
        .map(|words| format!("{} ", words.join(" ")))
        .collect()
}

fn chunk(content: &str, agent_id: &str) -> Value {
    json!({"type": "chunk", "content": content, "agent_id": agent_id})
}

async fn say(socket: &mut WebSocket, frame: Value) -> Result<(), Gone> {
    let sent = socket.send(Message::Text(frame.to_string().into())).await;
    sent.map_err(|_| Gone)
}
