//! Traits of a workload: what an operation must be like for a class of bugs to show.

use serde::{Deserialize, Serialize};

/// A property of a workload without which a class of bug stays hidden.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Trait {
    /// Users ask in identical words for what only their own session holds.
    SameWords,
    /// Asked in a fresh session before its user has said anything.
    AskBeforeTelling,
    /// The user has more than one short session.
    ManyShortSessions,
    /// Its session was released together with others, at one moment.
    StartsTogether,
    /// The server names the session, the client uses what the answer says.
    ServerIds,
    /// Uploads of different users bear one file name.
    SameFileName,
    /// Different users talk to one agent id.
    SameAgent,
    /// At least fifty users were active in the run.
    ManyUsers,
    /// Sent to a target that was just started, before it had answered anything.
    FirstAfterStart,
    /// The client hung up before the answer.
    Cancels,
    /// Several users' requests went over its connection.
    SharedConnections,
    /// Its text has more than a thousand characters.
    LongTexts,
    /// Its user has a new credential since the session began.
    #[serde(rename = "re-login")]
    Relogin,
    /// The session was another user's before.
    HandOver,
    /// Sent while an earlier turn of its session was in flight.
    SessionOverlap,
    /// Two users send under one session id.
    SharedSession,
    /// The upload broke off in the middle.
    DroppedUploads,
    /// The voice socket was closed before the answer.
    EarlyCloses,
    /// The same request was sent twice at once.
    DoubleSubmits,
    /// The answer was read slowly.
    SlowReaders,
    /// What it wrote was not to be seen in the store for more than a second. Measured afterwards, and
    /// so never in an operation's own set.
    SlowStore,
}

impl Trait {
    /// All traits, in the order in which reports list them.
    pub const ALL: [Self; 21] = [
        Self::SameWords,
        Self::AskBeforeTelling,
        Self::ManyShortSessions,
        Self::StartsTogether,
        Self::ServerIds,
        Self::SameFileName,
        Self::SameAgent,
        Self::ManyUsers,
        Self::FirstAfterStart,
        Self::Cancels,
        Self::SharedConnections,
        Self::LongTexts,
        Self::Relogin,
        Self::HandOver,
        Self::SessionOverlap,
        Self::SharedSession,
        Self::DroppedUploads,
        Self::EarlyCloses,
        Self::DoubleSubmits,
        Self::SlowReaders,
        Self::SlowStore,
    ];

    /// The name used in reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::SameWords => "same-words",
            Self::AskBeforeTelling => "ask-before-telling",
            Self::ManyShortSessions => "many-short-sessions",
            Self::StartsTogether => "starts-together",
            Self::ServerIds => "server-ids",
            Self::SameFileName => "same-file-name",
            Self::SameAgent => "same-agent",
            Self::ManyUsers => "many-users",
            Self::FirstAfterStart => "first-after-start",
            Self::Cancels => "cancels",
            Self::SharedConnections => "shared-connections",
            Self::LongTexts => "long-texts",
            Self::Relogin => "re-login",
            Self::HandOver => "hand-over",
            Self::SessionOverlap => "session-overlap",
            Self::SharedSession => "shared-session",
            Self::DroppedUploads => "dropped-uploads",
            Self::EarlyCloses => "early-closes",
            Self::DoubleSubmits => "double-submits",
            Self::SlowReaders => "slow-readers",
            Self::SlowStore => "slow-store",
        }
    }

    /// The class of bugs that stays hidden without it.
    pub fn shows(self) -> &'static str {
        match self {
            Self::SameWords => "answer caches keyed without the user",
            Self::AskBeforeTelling => "memories kept for an agent or a process, not for a user",
            Self::ManyShortSessions => "stores that fix an owner when a session is made",
            Self::StartsTogether => "ids and globals that collide at the start of sessions",
            Self::ServerIds => "session ids that collide, a default session",
            Self::SameFileName => "temporary files shared by name",
            Self::SameAgent => "agent objects that keep their first user",
            Self::ManyUsers => "identity left behind on pooled connections and objects",
            Self::FirstAfterStart => "workers that inherit the first request's identity",
            Self::Cancels => "upstream connections that stay one answer behind",
            Self::SharedConnections => "identity cached by connection",
            Self::LongTexts => "length limits that cut or drop a text",
            Self::Relogin => "identity cached by credential",
            Self::HandOver => "identity cached by session",
            Self::SessionOverlap => "histories that are read, changed and written back",
            Self::SharedSession => "sessions that belong to whoever came first",
            Self::DroppedUploads => "half a document indexed, under whoever came next",
            Self::EarlyCloses => "transcripts that are saved for the next socket",
            Self::DoubleSubmits => "keys that are made per request, not per submission",
            Self::SlowReaders => "buffers handed on before they were read",
            Self::SlowStore => "retries without an idempotency key",
        }
    }

    fn bit(self) -> u32 {
        1 << match self {
            Self::ServerIds => 0,
            Self::SameFileName => 1,
            Self::SameAgent => 2,
            Self::ManyShortSessions => 3,
            Self::SameWords => 4,
            Self::AskBeforeTelling => 5,
            Self::StartsTogether => 6,
            Self::ManyUsers => 7,
            Self::FirstAfterStart => 8,
            Self::Cancels => 9,
            Self::SharedConnections => 10,
            Self::LongTexts => 11,
            Self::Relogin => 12,
            Self::HandOver => 13,
            Self::SessionOverlap => 14,
            Self::SharedSession => 15,
            Self::DroppedUploads => 16,
            Self::EarlyCloses => 17,
            Self::DoubleSubmits => 18,
            Self::SlowReaders => 19,
            Self::SlowStore => 20,
        }
    }
}

/// The traits that one operation had.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub struct TraitSet(pub u32);

impl TraitSet {
    /// The members of both.
    #[must_use]
    pub fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Adds one.
    #[must_use]
    pub fn with(self, added: Trait) -> Self {
        Self(self.0 | added.bit())
    }

    /// Is it in the set?
    pub fn has(self, asked: Trait) -> bool {
        self.0 & asked.bit() != 0
    }

    /// The members, in report order.
    pub fn iter(self) -> impl Iterator<Item = Trait> {
        Trait::ALL.into_iter().filter(move |t| self.has(*t))
    }
}
