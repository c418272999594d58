//! What came back in one turn, chunk by chunk, and what that makes of it.

use std::collections::BTreeSet;
use std::time::Duration;

use serde::Deserialize;

use crate::drive::answer::{Bleed, Judged, Reader, short};
use crate::model::limits::CHUNK_GAPS_MAX;
use crate::model::{CanaryId, ChunkTimes, Echo, Exactness, Micros, OpId, Outcome, Promise};
use crate::wire::Fault;

/// Kinds of unknown frames that are named.
const OTHERS_NAMED_MAX: usize = 4;
/// Characters of the name of a kind.
const OTHER_CHARS_MAX: usize = 40;

/// A frame from the target, as far as it matters.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Frame {
    /// The agent has begun to think.
    Typing,
    /// A piece of the answer.
    Chunk(String),
    /// The answer is complete.
    Complete,
    /// The target reports an error.
    Error(String),
    /// JSON of a kind that is not known.
    Other(String),
    /// Not JSON, or without a kind.
    Bad(String),
}

/// Everything heard in one turn.
#[derive(Debug, Default)]
pub(super) struct Hearing {
    /// When the turn began.
    pub(super) begun: Micros,
    /// Did any frame come at all?
    pub(super) anything: bool,
    /// Chunks that were meant for another user.
    pub(super) bleed: Vec<Bleed>,
    /// The chunks in the order in which they came.
    text: String,
    chunks: u32,
    first: Option<Duration>,
    last: Option<Micros>,
    gaps: Vec<Duration>,
    complete: bool,
    error: Option<String>,
    bad: Option<String>,
    others: BTreeSet<String>,
}

#[derive(Deserialize)]
struct RawFrame {
    #[serde(rename = "type")]
    kind: String,
    content: Option<String>,
    message: Option<String>,
}

impl Frame {
    /// Reads a frame.
    pub(super) fn read(text: &str) -> Self {
        let raw: RawFrame = match serde_json::from_str(text) {
            Ok(raw) => raw,
            Err(error) => {
                return Self::Bad(format!("a frame is not as promised ({error}): {text}"));
            }
        };
        match (raw.kind.as_str(), raw.content) {
            ("typing", _) => Self::Typing,
            ("chunk", Some(content)) => Self::Chunk(content),
            ("chunk", None) => Self::Bad(format!("a chunk without content: {text}")),
            ("complete", _) => Self::Complete,
            ("error", _) => Self::Error(raw.message.unwrap_or_default()),
            (_, _) => Self::Other(raw.kind),
        }
    }
}

impl Hearing {
    /// Takes one frame, which came at this time.
    pub(super) fn take(&mut self, reader: &Reader<'_>, frame: Frame, now: Micros) {
        self.anything = true;
        match frame {
            Frame::Chunk(text) => self.chunk(reader, &text, now),
            Frame::Complete => self.complete = true,
            Frame::Error(message) => {
                self.bleed.extend(reader.look(&message).bleed);
                self.error.get_or_insert(message);
            }
            Frame::Bad(what) => {
                self.bleed.extend(reader.look(&what).bleed);
                self.bad.get_or_insert_with(|| short(&what));
            }
            Frame::Other(kind) => {
                if self.others.len() < OTHERS_NAMED_MAX {
                    self.others
                        .insert(kind.chars().take(OTHER_CHARS_MAX).collect());
                }
            }
            Frame::Typing => {}
        }
    }

    /// Is there nothing more to wait for?
    pub(super) fn is_over(&self) -> bool {
        self.complete || self.error.is_some()
    }

    /// Bytes of the answer so far.
    pub(super) fn bytes(&self) -> usize {
        self.text.len()
    }

    /// When the chunks came; `None` if none did.
    pub(super) fn times(self, op: OpId) -> Option<ChunkTimes> {
        Some(ChunkTimes {
            op,
            first: self.first?,
            chunks: self.chunks,
            gaps: self.gaps,
        })
    }

    /// What the turn came to, given how it ended.
    pub(super) fn judge(
        &mut self,
        reader: &Reader<'_>,
        end: Result<(), Fault>,
        sent: bool,
    ) -> Judged {
        let seen = reader.look(&self.text);
        let apology = reader.apology(&self.text).then(|| self.text.clone());
        let (outcome, detail) = match (end, self.error.take(), self.bad.take(), apology) {
            (Err(fault), ..) if !sent => (Outcome::Unsent, Some(fault.to_string())),
            (_, Some(error), ..) => (Outcome::SoftFail, Some(error)),
            (Err(fault), ..) => (Outcome::Unknown, Some(fault.to_string())),
            (Ok(()), None, Some(bad), _) => (Outcome::Unknown, Some(bad)),
            (Ok(()), None, None, Some(apology)) => (Outcome::SoftFail, Some(apology)),
            (Ok(()), None, None, None) => (Outcome::Ok, self.passed_over()),
        };
        // A canary may have come in pieces.
        let known: BTreeSet<CanaryId> = exact(&self.bleed).collect();
        let pieced = seen.bleed.filter(|bleed| {
            exact(std::slice::from_ref(bleed))
                .any(|id| id.user != reader.own.user && !known.contains(&id))
        });
        self.bleed.extend(pieced);
        let promise = match outcome {
            Outcome::Ok => Promise {
                user_message: true,
                assistant_message: seen.own,
                blocks: 0,
            },
            Outcome::SoftFail | Outcome::Refused | Outcome::Unsent | Outcome::Unknown => {
                Promise::NONE
            }
        };
        let echo = match (self.bleed.is_empty(), seen.own) {
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
            bleed: std::mem::take(&mut self.bleed),
        }
    }

    /// Each chunk is looked at by itself: what stands in one was written at once, and beside it the
    /// own answer may go on.
    fn chunk(&mut self, reader: &Reader<'_>, text: &str, now: Micros) {
        self.bleed.extend(reader.look(text).bleed);
        self.text.push_str(text);
        self.chunks = self.chunks.saturating_add(1);
        match self.last.replace(now) {
            None => self.first = Some(now.since(self.begun)),
            Some(before) if self.gaps.len() < CHUNK_GAPS_MAX => self.gaps.push(now.since(before)),
            Some(_) => {}
        }
    }

    /// Frames that are not understood and end nothing.
    fn passed_over(&self) -> Option<String> {
        let kinds: Vec<&str> = self.others.iter().map(String::as_str).collect();
        let told = || format!("passed over frames of kind {}", kinds.join(", "));
        (!kinds.is_empty()).then(told)
    }
}

fn exact(bleed: &[Bleed]) -> impl Iterator<Item = CanaryId> {
    let seen = bleed.iter().flat_map(|bleed| &bleed.canaries);
    let exact = seen.filter(|seen| seen.exactness == Exactness::Exact);
    exact.map(|seen| seen.id)
}
