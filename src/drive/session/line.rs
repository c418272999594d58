//! The socket of a session that has one: how it is opened, as whom, and how it ends.

use super::sender::Sender;
use super::{Context, Done};
use crate::drive::answer::{Judged, sign_of_fault};
use crate::drive::identity;
use crate::drive::pulse::Sign;
use crate::model::{Micros, Outcome};
use crate::plan::Step;
use crate::wire::{Fault, OpenError, Socket};

/// Why there is no socket to use.
pub(super) enum NotOpen {
    Credential(Done),
    Upgrade(OpenError),
    Ready(Fault),
    Error(String),
}

/// Opens the session's socket at a path below the target, as the sender of this step.
pub(super) async fn open(
    context: &Context<'_>,
    step: &Step,
    path: &str,
    request_id: u64,
) -> Result<Socket, NotOpen> {
    let engine = context.engine;
    let limit = engine.target().timeouts.connect;
    let path = path.replace("{session}", &context.session_name);
    context.renew(step).await.map_err(NotOpen::Credential)?;
    let credential = context.sender(step).and_then(Sender::credential);
    let mut opening = identity::opening(engine.target(), &path, credential.as_ref());
    identity::name_request(&mut opening.headers, engine.run, request_id);
    engine.http.make_room();
    let opened = Socket::open(&engine.dialer, &opening.path, opening.headers, limit).await;
    let mut socket = opened.map_err(NotOpen::Upgrade)?;
    if let Some(frame) = opening.first_frame {
        socket.feed(frame.into()).await.map_err(NotOpen::Ready)?;
        socket.flush().await.map_err(NotOpen::Ready)?;
    }
    Ok(socket)
}

/// A turn for which there was no socket any more.
pub(super) fn not_begun(context: &Context<'_>, fault: &Fault) -> Done {
    let detail = format!("between two turns, {fault}");
    Done {
        completed: context.engine.clock.now(),
        sent: None,
        status: None,
        judged: Judged::failed(Outcome::Unsent, detail),
        sign: sign_of_fault(fault),
    }
}

/// Closes a socket early: half of them with a word, half of them without.
pub(super) async fn hang_up(step: &Step, socket: Socket) {
    if (step.op.session.0 + u32::from(step.op.seq)).is_multiple_of(2) {
        socket.close().await;
    } else {
        drop(socket);
    }
}

impl NotOpen {
    /// The turn itself was not begun, but the target may have begun a session.
    pub(super) fn done(self, completed: Micros) -> Done {
        let (outcome, status, sign, detail) = match self {
            Self::Credential(unsent) => return unsent,
            Self::Upgrade(
                error @ (OpenError::Dial(_) | OpenError::Address(_) | OpenError::Request(_)),
            ) => (Outcome::Unsent, None, Sign::Gone, error.to_string()),
            Self::Upgrade(error @ OpenError::Refused { status }) => {
                let outcome = match status {
                    400..=599 => Outcome::Refused,
                    _ => Outcome::Unknown,
                };
                (outcome, Some(status), Sign::Answered, error.to_string())
            }
            Self::Upgrade(error @ OpenError::Broken(_)) => {
                (Outcome::Unknown, None, Sign::Gone, error.to_string())
            }
            Self::Upgrade(error @ OpenError::Timeout(_)) => {
                (Outcome::Unknown, None, Sign::Silent, error.to_string())
            }
            Self::Ready(fault) => {
                let detail = format!("no agent listens: {fault}");
                (Outcome::Unknown, None, sign_of_fault(&fault), detail)
            }
            Self::Error(message) => (Outcome::Refused, None, Sign::Answered, message),
        };
        Done {
            completed,
            sent: None,
            status,
            judged: Judged::failed(outcome, detail),
            sign,
        }
    }
}
