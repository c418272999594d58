//! Operations: what was asked, when, and how it ended.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::name::UnknownName;
use super::{GroupIx, Micros, OpId, TraitSet, UserIx};

/// What an operation does, and so over which channel it goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OpKind {
    /// One chat turn over REST.
    Chat,
    /// One document over multipart.
    Upload,
    /// One spoken turn over the voice socket.
    Voice,
    /// One chat turn over the chat socket, answered in chunks.
    Stream,
    /// One turn that is told to be kept, and not answered.
    Turn,
}

impl OpKind {
    /// All kinds, in the order in which reports list them.
    pub const ALL: [Self; 5] = [
        Self::Chat,
        Self::Upload,
        Self::Voice,
        Self::Stream,
        Self::Turn,
    ];

    /// The name used in files, tables and reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Chat => "chat",
            Self::Upload => "upload",
            Self::Voice => "voice",
            Self::Stream => "stream",
            Self::Turn => "turn",
        }
    }

    /// Do its turns go over one WebSocket a session, so that they share its upgrade request?
    pub fn has_socket(self) -> bool {
        match self {
            Self::Voice | Self::Stream => true,
            Self::Chat | Self::Upload | Self::Turn => false,
        }
    }

    /// The inverse of [`OpKind::name`].
    ///
    /// # Errors
    /// No kind has this name.
    pub fn from_name(name: &str) -> Result<Self, UnknownName> {
        UnknownName::look_up("operation kind", &Self::ALL, Self::name, name)
    }
}

impl fmt::Display for OpKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// How an operation ended. A planned operation that never began has no outcome.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Answered as promised; its promises must be kept.
    Ok,
    /// A success status whose body is an error: an apology, `success: false`.
    SoftFail,
    /// A 4xx or 5xx: a claimed failure.
    Refused,
    /// Not one byte of the request was written: the only definite failure.
    Unsent,
    /// Anything else: the target may or may not have done it.
    Unknown,
}

impl Outcome {
    /// All outcomes, in the order in which reports list them.
    pub const ALL: [Self; 5] = [
        Self::Ok,
        Self::SoftFail,
        Self::Refused,
        Self::Unsent,
        Self::Unknown,
    ];

    /// The name used in files, tables and reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::SoftFail => "soft_fail",
            Self::Refused => "refused",
            Self::Unsent => "unsent",
            Self::Unknown => "unknown",
        }
    }

    /// The inverse of [`Outcome::name`].
    ///
    /// # Errors
    /// No outcome has this name.
    pub fn from_name(name: &str) -> Result<Self, UnknownName> {
        UnknownName::look_up("outcome", &Self::ALL, Self::name, name)
    }
}

/// Whose canary an answer carried.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Echo {
    /// The operation's own: the right answer.
    Own,
    /// No canary: no information.
    None,
    /// At least one of another user.
    Foreign,
    /// The operation has no answer text that could carry one (an upload).
    NotExpected,
}

impl Echo {
    /// All values, in ledger order.
    pub const ALL: [Self; 4] = [Self::Own, Self::None, Self::Foreign, Self::NotExpected];

    /// The name used in the ledger.
    pub fn name(self) -> &'static str {
        match self {
            Self::Own => "own",
            Self::None => "none",
            Self::Foreign => "foreign",
            Self::NotExpected => "not-expected",
        }
    }

    /// The inverse of [`Echo::name`].
    ///
    /// # Errors
    /// No value has this name.
    pub fn from_name(name: &str) -> Result<Self, UnknownName> {
        UnknownName::look_up("echo", &Self::ALL, Self::name, name)
    }
}

/// Which records an answer promised will be found in the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub struct Promise {
    /// The user's own turn, verbatim, once.
    pub user_message: bool,
    /// The assistant's turn, with this operation's canary in it.
    pub assistant_message: bool,
    /// Blocks of the document that must each be found in some fact.
    pub blocks: u16,
}

impl Promise {
    /// Nothing was promised.
    pub const NONE: Self = Self {
        user_message: false,
        assistant_message: false,
        blocks: 0,
    };

    /// One integer for the ledger: blocks in the low 16 bits, then the two flags.
    pub fn to_i64(self) -> i64 {
        i64::from(self.blocks)
            | (i64::from(self.user_message) << 16)
            | (i64::from(self.assistant_message) << 17)
    }

    /// The inverse of [`Promise::to_i64`]; unknown bits are dropped.
    pub fn from_i64(bits: i64) -> Self {
        Self {
            user_message: bits & (1 << 16) != 0,
            assistant_message: bits & (1 << 17) != 0,
            blocks: u16::try_from(bits & 0xffff).unwrap_or(0),
        }
    }
}

/// An operation has begun: recorded before its first byte leaves.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Invocation {
    /// Which one.
    pub op: OpId,
    /// Who sends it.
    pub user: UserIx,
    /// Whose session it is sent in: that of another user after a hand-over, or where two users
    /// share one session id. The session's name bears this user.
    pub founder: UserIx,
    /// What it does.
    pub kind: OpKind,
    /// The load group it belongs to.
    pub group: GroupIx,
    /// When the plan wanted it to start.
    pub intended: Micros,
    /// When it did start.
    pub invoked: Micros,
    /// Hash of the text before planting, so that equal plans have equal hashes.
    pub text_hash: u64,
    /// First canary item of the operation (`CanaryId::item`).
    pub item_first: u16,
    /// How many items it has: 1 for a turn, the number of blocks for an upload.
    pub item_count: u16,
    /// The value of its `X-Request-ID`; for a turn on a socket, of its upgrade request.
    pub request_id: u64,
    /// Traits of the workload that it had.
    pub traits: TraitSet,
}

/// An operation has ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Completion {
    /// Which one.
    pub op: OpId,
    /// When its answer was complete, or when it was given up.
    pub completed: Micros,
    /// When its first byte was written; `None` if none was.
    pub sent: Option<Micros>,
    /// How it ended.
    pub outcome: Outcome,
    /// The status, where there was one.
    pub status: Option<u16>,
    /// What the answer promised.
    pub promise: Promise,
    /// Whose canary the answer carried.
    pub echo: Echo,
    /// The session id that the answer named, if it is not the one the client sent.
    pub server_session: Option<String>,
    /// A short reason where the outcome is not `ok`. Never a secret.
    pub detail: Option<String>,
}

/// An operation as the ledger holds it. One without a completion was open when the run ended
/// and counts as unknown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpRow {
    /// Its beginning.
    pub invocation: Invocation,
    /// Its end.
    pub completion: Option<Completion>,
}

impl OpRow {
    /// How it ended; an open operation is unknown.
    pub fn outcome(&self) -> Outcome {
        self.completion
            .as_ref()
            .map_or(Outcome::Unknown, |c| c.outcome)
    }

    /// What it promised; nothing unless it ended `ok`.
    pub fn promise(&self) -> Promise {
        match &self.completion {
            Some(completion) if completion.outcome == Outcome::Ok => completion.promise,
            Some(_) | None => Promise::NONE,
        }
    }

    /// Does this operation own a canary item of its session?
    pub fn has_item(&self, item: u16) -> bool {
        let past_first = item.checked_sub(self.invocation.item_first);
        past_first.is_some_and(|offset| offset < self.invocation.item_count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn promises_read_back() {
        for promise in [
            Promise::NONE,
            Promise {
                user_message: true,
                assistant_message: false,
                blocks: 0,
            },
            Promise {
                user_message: true,
                assistant_message: true,
                blocks: u16::MAX,
            },
        ] {
            assert_eq!(Promise::from_i64(promise.to_i64()), promise);
        }
    }

    #[test]
    fn names_read_back_and_unknown_ones_are_told_the_allowed() {
        for kind in OpKind::ALL {
            assert_eq!(OpKind::from_name(kind.name()), Ok(kind));
        }
        let error = OpKind::from_name("chta").unwrap_err();
        assert_eq!(
            error.to_string(),
            "unknown operation kind `chta`; did you mean `chat`? One of chat, upload, voice, stream, turn"
        );
    }
}
