//! What came back in one turn, and what that makes of it.

use std::borrow::Cow;

use serde::Deserialize;

use crate::drive::answer::{Bleed, Judged, Reader, Seen, short};
use crate::model::{Echo, Outcome, Promise};
use crate::wire::Fault;

/// A frame from the target, as far as it matters.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Frame {
    /// An agent listens.
    Agent(String),
    /// A final transcript.
    Complete { speaker: Speaker, text: String },
    /// The target reports an error.
    Error(String),
    /// Anything else: partial transcripts, audio, what is not understood.
    Other,
}

/// Whose words a transcript holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Speaker {
    User,
    Assistant,
}

/// Everything heard in one turn.
#[derive(Debug, Default)]
pub(super) struct Hearing {
    /// Did any frame come at all?
    pub(super) anything: bool,
    /// Texts that were meant for another user.
    pub(super) bleed: Vec<Bleed>,
    user: Heard,
    assistant: Heard,
    apology: Option<String>,
    error: Option<String>,
}

#[derive(Debug, Default)]
struct Heard {
    complete: bool,
    own: bool,
}

#[derive(Deserialize)]
struct RawFrame<'a> {
    #[serde(rename = "type", borrow)]
    kind: Cow<'a, str>,
    #[serde(default)]
    agent_id: Option<String>,
    #[serde(default)]
    speaker: Option<String>,
    #[serde(default)]
    status: Option<String>,
    #[serde(default)]
    text: Option<String>,
    #[serde(default)]
    message: Option<String>,
}

impl Frame {
    /// Reads a frame; what is not JSON of the expected form is [`Frame::Other`], because a target
    /// may have frames of its own.
    pub(super) fn read(text: &str) -> Self {
        let Ok(raw) = serde_json::from_str::<RawFrame<'_>>(text) else {
            return Self::Other;
        };
        match raw.kind.as_ref() {
            "agent_switched" => Self::Agent(raw.agent_id.unwrap_or_default()),
            "error" => Self::Error(raw.message.unwrap_or_default()),
            "transcription" if raw.status.as_deref() == Some("complete") => {
                let speaker = match raw.speaker.as_deref() {
                    Some("user") => Speaker::User,
                    Some("assistant") => Speaker::Assistant,
                    Some(_) | None => return Self::Other,
                };
                Self::Complete {
                    speaker,
                    text: raw.text.unwrap_or_default(),
                }
            }
            _ => Self::Other,
        }
    }
}

impl Hearing {
    /// Takes one frame.
    pub(super) fn take(&mut self, reader: &Reader<'_>, frame: &Frame) {
        self.anything = true;
        match frame {
            Frame::Complete { speaker, text } => self.complete(reader, *speaker, text),
            Frame::Error(message) => {
                self.error.get_or_insert_with(|| message.clone());
            }
            Frame::Agent(_) | Frame::Other => {}
        }
    }

    /// Is there nothing more to wait for? The target's side may be complete before the silence
    /// is all sent; but words that are not this turn's do not cut its speech short.
    pub(super) fn turn_is_over(&self, all_said: bool) -> bool {
        let answered = self.user.complete && self.assistant.complete;
        (answered && (all_said || self.user.own)) || (self.error.is_some() && all_said)
    }

    /// What the turn came to, given how the conversation ended.
    pub(super) fn judge(self, end: Result<(), Fault>, sent: bool) -> Judged {
        let (outcome, detail) = match (end, self.error, self.apology) {
            (Ok(()), None, None) => (Outcome::Ok, None),
            (Err(fault), _, _) if !sent => (Outcome::Unsent, Some(fault.to_string())),
            (_, Some(error), _) => (Outcome::SoftFail, Some(error)),
            (Err(fault), None, _) => (Outcome::Unknown, Some(fault.to_string())),
            (Ok(()), None, Some(apology)) => (Outcome::SoftFail, Some(apology)),
        };
        let promise = match outcome {
            Outcome::Ok => Promise {
                user_message: self.user.own,
                assistant_message: self.assistant.own,
                blocks: 0,
            },
            Outcome::SoftFail | Outcome::Refused | Outcome::Unsent | Outcome::Unknown => {
                Promise::NONE
            }
        };
        let echo = match (self.bleed.is_empty(), self.assistant.own) {
            (false, _) => Echo::Foreign,
            (true, true) => Echo::Own,
            (true, false) => Echo::None,
        };
        Judged {
            outcome,
            promise,
            echo,
            server_session: None,
            detail: detail.as_deref().map(short),
            bleed: self.bleed,
        }
    }

    fn complete(&mut self, reader: &Reader<'_>, speaker: Speaker, text: &str) {
        let Seen {
            own,
            other_op,
            bleed,
        } = reader.look(text);
        let is_stray = other_op && !own && bleed.is_none();
        if is_stray {
            // The end of a turn before: it ends nothing here.
            return;
        }
        self.bleed.extend(bleed);
        let heard = match speaker {
            Speaker::User => &mut self.user,
            Speaker::Assistant => {
                if reader.apology(text) {
                    self.apology = Some(text.to_owned());
                }
                &mut self.assistant
            }
        };
        heard.complete = true;
        heard.own |= own;
    }
}
