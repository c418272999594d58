//! The voice socket: turns of speech in, transcripts and sound out.

use std::borrow::Cow;
use std::future::pending;
use std::pin::Pin;
use std::sync::{Arc, LazyLock};

use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::admission::Admission;
use super::ear::{Ear, Heard};
use super::echo::Agent;
use super::hearing::{Hearing, Telling, Told, hearing};
use super::persist::Turn;
use super::{Handle, echo, identity, persist, problem};
use crate::canary::tone;
use crate::lab::exchange::Meeting;
use crate::lab::faults::FaultKind;
use crate::lab::log::Named;
use crate::lab::races::Failure;
use crate::lab::truth::{VOICE_PLACEHOLDER, Wrong};
use crate::model::{Code, OpKind, RecordType};

/// Bytes of a frame.
const FRAME_BYTES_MAX: usize = 1 << 20;
/// Bytes that one socket reads ahead and holds back.
const SOCKET_BUFFER_BYTES: usize = 4 * 1024;
/// What a turn is written down as in which nothing was understood.
const NOT_UNDERSTOOD: &str = "(not understood)";

/// A short, silent answer: 20 ms at 24 kHz.
static ANSWER_SOUND: LazyLock<String> = LazyLock::new(|| STANDARD.encode([0; 960]));

pub(super) async fn voice(
    State(engram): State<Handle>,
    Path(session): Path<String>,
    headers: HeaderMap,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Response {
    let Ok(user) = identity::of_socket(&headers, engram.profile, &engram.keys, VOICE_PLACEHOLDER)
    else {
        return problem::unauthorized("Missing or invalid authentication token");
    };
    let upgrade = match upgrade {
        Ok(upgrade) => upgrade,
        Err(rejection) => return rejection.into_response(),
    };
    let session: Arc<str> = session.into();
    // No frame could name a session that is used instead.
    let founder = engram.founder(&session, &user);
    if founder != user && !engram.profile.is_snapshot() {
        return problem::detail(StatusCode::FORBIDDEN, "The session is somebody else's");
    }
    let named = Named::by(&headers);
    upgrade
        .read_buffer_size(SOCKET_BUFFER_BYTES)
        .write_buffer_size(0)
        .max_message_size(FRAME_BYTES_MAX)
        .max_frame_size(FRAME_BYTES_MAX)
        .on_upgrade(move |socket| async move {
            let call = Call {
                engram,
                named,
                user,
                session,
                agent: Agent::default(),
                ear: Ear::default(),
                answering: None,
                waiting: Vec::new(),
            };
            if call.engram.profile.is_snapshot() {
                // The original does this beside the call; but here people may speak many times as
                // fast, and would have ended their first turn before.
                call.engram
                    .enrich(&call.session, &call.user, OpKind::Voice)
                    .await;
            }
            // A socket that breaks off is the client's business.
            let _ = call.talk(socket).await;
        })
}

/// The socket cannot be written any more, or is to be given up.
struct Gone;

/// One socket.
struct Call {
    engram: Handle,
    /// What its upgrade request calls itself.
    named: Named,
    user: Arc<str>,
    session: Arc<str>,
    agent: Agent,
    ear: Ear,
    answering: Option<Pin<Box<dyn Future<Output = Spoken> + Send>>>,
    /// Questions that wait until the one before is answered, the next at the end.
    waiting: Vec<String>,
}

/// What the client hears.
struct Spoken {
    text: String,
    /// Whose answer it is, if it is not this user's.
    of_another: Option<Arc<str>>,
    failure: Option<Failure>,
    telling: Telling,
}

#[derive(Deserialize)]
struct Frame<'a> {
    #[serde(rename = "type", borrow)]
    kind: Cow<'a, str>,
    #[serde(default, borrow)]
    data: Cow<'a, str>,
    #[serde(default)]
    agent_id: Option<String>,
}

impl Call {
    async fn talk(mut self, mut socket: WebSocket) -> Result<(), Gone> {
        say(&mut socket, switched(self.agent.id())).await?;
        loop {
            let answering = self.answering.as_mut();
            let reply = async {
                match answering {
                    Some(answering) => answering.await,
                    None => pending().await,
                }
            };
            tokio::select! {
                message = socket.recv() => match message {
                    Some(Ok(Message::Text(text))) => {
                        self.take(&mut socket, text.as_str()).await?;
                    }
                    Some(Ok(Message::Binary(_) | Message::Ping(_) | Message::Pong(_))) => {}
                    Some(Ok(Message::Close(_)) | Err(_)) | None => return Ok(()),
                },
                reply = reply => {
                    self.answering = None;
                    self.give(&mut socket, reply).await?;
                    self.next_question();
                }
            }
        }
    }

    async fn take(&mut self, socket: &mut WebSocket, text: &str) -> Result<(), Gone> {
        let Ok(frame) = serde_json::from_str::<Frame<'_>>(text) else {
            return refuse(socket, "the frame is not JSON").await;
        };
        match frame.kind.as_ref() {
            "audio" => match STANDARD.decode(frame.data.as_bytes()) {
                Ok(bytes) => self.listen(socket, &bytes).await,
                Err(error) => refuse(socket, &error.to_string()).await,
            },
            "agent" => {
                let id = frame.agent_id.unwrap_or_default();
                // An unknown agent is confirmed as sent and speaks with the default's voice.
                self.agent = Agent::of_id(Some(&id)).unwrap_or_default();
                say(socket, switched(&id)).await
            }
            "cancel" => {
                if self.answering.take().is_some() {
                    self.next_question();
                    return Ok(());
                }
                let complaint = "Cancellation failed: no active response found";
                say(socket, json!({"type": "error", "message": complaint})).await
            }
            _ => Ok(()),
        }
    }

    async fn listen(&mut self, socket: &mut WebSocket, bytes: &[u8]) -> Result<(), Gone> {
        let (samples, _) = bytes.as_chunks::<2>();
        let heard = self
            .ear
            .hear(samples.iter().map(|s| i16::from_le_bytes(*s)));
        for heard in heard {
            match heard {
                Heard::Began => {
                    say(
                        socket,
                        json!({"type": "transcription", "status": "listening"}),
                    )
                    .await?;
                }
                Heard::Ended(turn) => {
                    say(
                        socket,
                        json!({"type": "transcription", "status": "processing"}),
                    )
                    .await?;
                    let understood = tone::listen(&turn);
                    let text = understood.unwrap_or_else(|| NOT_UNDERSTOOD.to_owned());
                    say(socket, transcript("user", "processing", &text)).await?;
                    say(socket, transcript("user", "complete", &text)).await?;
                    self.waiting.insert(0, text);
                    self.next_question();
                }
            }
        }
        Ok(())
    }

    /// Begins to answer the next question, if none is being answered.
    fn next_question(&mut self) {
        if self.answering.is_none()
            && let Some(question) = self.waiting.pop()
        {
            self.answering = Some(Box::pin(answer(
                (Arc::clone(&self.engram), self.named.clone()),
                Arc::clone(&self.user),
                Arc::clone(&self.session),
                self.agent.clone(),
                question,
            )));
        }
    }

    async fn give(&mut self, socket: &mut WebSocket, reply: Spoken) -> Result<(), Gone> {
        match reply.failure {
            Some(Failure::Broken) => return Err(Gone),
            Some(Failure::Internal | Failure::BadRequest) => {
                let complaint = "The answer could not be completed";
                return say(socket, json!({"type": "error", "message": complaint})).await;
            }
            None => {}
        }
        say(socket, transcript("assistant", "processing", &reply.text)).await?;
        let data = ANSWER_SOUND.as_str();
        let sound = json!({"type": "audio", "data": data, "format": "audio/pcm16"});
        say(socket, sound).await?;
        say(socket, transcript("assistant", "complete", &reply.text)).await?;
        reply.telling.tell(Told::Accepted);
        let canary = reply
            .of_another
            .as_ref()
            .and(echo::reference_word(&reply.text));
        if let (Some(another), Some(canary)) = (reply.of_another, canary) {
            self.engram.truth.tell(Wrong {
                fault: FaultKind::CrossedSockets,
                code: Code::ResponseBleed,
                record_type: RecordType::Answer,
                record_id: Some(self.session.as_ref().to_owned()),
                canary: Some(&canary),
                true_user: &another,
                stored_owner: Some(&self.user),
                session: None,
                asked: None,
            });
        }
        Ok(())
    }
}

/// Decides the answer to a question and starts the task that stores both.
async fn answer(
    (engram, named): (Handle, Named),
    user: Arc<str>,
    session: Arc<str>,
    agent: Agent,
    question: String,
) -> Spoken {
    let arrived = Instant::now();
    let in_flight = engram.faults.enter(&user);
    engram.think().await;
    let reply = engram.reply(&session, &user, &question);
    let text = &reply.text;
    engram.faults.answered(&user, text);
    let hits = engram.faults.strike(&in_flight, OpKind::Voice);
    let (mut shown, mut of_another) = (text.clone(), None);
    if let Some(window) = hits.window(FaultKind::CrossedSockets) {
        let own = (Arc::clone(&user), text.clone());
        match engram.faults.sockets.meet(&user, own, window).await {
            Meeting::Alone(_) => {}
            Meeting::Waited((another, theirs)) | Meeting::Came((another, theirs)) => {
                shown = theirs;
                of_another = Some(another);
            }
        }
    }
    let failure = hits
        .has(FaultKind::StoreThenFail)
        .then(|| engram.faults.next_failure());
    drop(in_flight);
    let (telling, hearing) = hearing();
    let place = engram.queues.join(&session);
    let turn = Turn {
        kind: OpKind::Voice,
        named,
        admission: Admission {
            session_user: Arc::clone(&user),
            writer: Arc::clone(&user),
            session,
            cause: None,
        },
        author: user,
        question,
        reply,
        agent,
        hearing: failure.map_or(hearing, |failure| Hearing::of(Told::by(failure))),
        arrived,
        answered: Instant::now(),
        context: None,
    };
    let task = persist::start(&engram, turn, place, hits);
    if failure.is_some() {
        // Only a task that breaks off is not waited for to its end.
        let _ = task.await;
    }
    Spoken {
        text: shown,
        of_another,
        failure,
        telling,
    }
}

fn switched(agent_id: &str) -> Value {
    json!({"type": "agent_switched", "agent_id": agent_id})
}

fn transcript(speaker: &str, status: &str, text: &str) -> Value {
    json!({"type": "transcription", "speaker": speaker, "status": status, "text": text})
}

/// Complains about what cannot be read, and ends the call.
async fn refuse(socket: &mut WebSocket, why: &str) -> Result<(), Gone> {
    let message = format!("VoiceLive connection failed: {why}");
    say(socket, json!({"type": "error", "message": message})).await?;
    let close = axum::extract::ws::CloseFrame {
        code: axum::extract::ws::close_code::NORMAL,
        reason: "".into(),
    };
    // It is given up either way.
    let _ = socket.send(Message::Close(Some(close))).await;
    Err(Gone)
}

async fn say(socket: &mut WebSocket, frame: Value) -> Result<(), Gone> {
    let sent = socket.send(Message::Text(frame.to_string().into())).await;
    sent.map_err(|_| Gone)
}
