//! Findings: one contradiction, with its proof and everything it explains.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::name::UnknownName;
use super::{BleedKind, CanaryId, Hint, OpId, Pattern, RecordType, UserIx};

/// How grave a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Severity {
    /// Disclosure or write across users.
    S1,
    /// Identity or data lost.
    S2,
    /// Integrity within one user.
    S3,
    /// Freshness or evidence; shown, not failed.
    S4,
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::S1 => "S1",
            Self::S2 => "S2",
            Self::S3 => "S3",
            Self::S4 => "S4",
        })
    }
}

/// The anomalies that can be told apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Code {
    /// A record of one synthetic user under another.
    WrongOwner,
    /// A record under a shared stand-in user.
    PlaceholderOwner,
    /// A record under nobody.
    MissingOwner,
    /// A record under a user that is neither synthetic nor a placeholder.
    ForeignOwner,
    /// The right user, the wrong session.
    SessionBleed,
    /// An answer that holds another user's canary.
    ResponseBleed,
    /// What a session holds was reached without the right to it.
    Trespass,
    /// One stored record that holds canaries of two users.
    ChunkMix,
    /// Acknowledged and never stored.
    Lost,
    /// An acknowledged upload of which blocks are missing.
    PartialIngest,
    /// More copies than promised.
    Duplicate,
    /// Refused, yet stored.
    Ghost,
    /// Operations of one session under two or more owners.
    SplitIdentity,
    /// After another user took a session over, still stored under the user before.
    StaleIdentity,
    /// A user's message that nobody sent, in a session or under a user of this run.
    Phantom,
    /// A record of an older run that was not there before this one.
    Resurrected,
    /// Turns of one session stored in another order than they were sent.
    Reordered,
    /// Part of a text is missing: cut off, or with a hole.
    Torn,
    /// The text is another one than was sent.
    Altered,
    /// Visible only after the deadline.
    Late,
    /// The target's log says something else of an operation than its store.
    LogMismatch,
    /// A record whose canary is damaged, so that nobody can tell whose it is.
    Unattributable,
}

impl Code {
    /// All codes, gravest first.
    pub const ALL: [Self; 22] = [
        Self::WrongOwner,
        Self::ForeignOwner,
        Self::SplitIdentity,
        Self::StaleIdentity,
        Self::ResponseBleed,
        Self::Trespass,
        Self::ChunkMix,
        Self::PlaceholderOwner,
        Self::MissingOwner,
        Self::Lost,
        Self::PartialIngest,
        Self::Resurrected,
        Self::SessionBleed,
        Self::Phantom,
        Self::Duplicate,
        Self::Reordered,
        Self::Torn,
        Self::Altered,
        Self::Ghost,
        Self::Late,
        Self::LogMismatch,
        Self::Unattributable,
    ];

    /// The name used in files and reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::WrongOwner => "wrong-owner",
            Self::PlaceholderOwner => "placeholder-owner",
            Self::MissingOwner => "missing-owner",
            Self::ForeignOwner => "foreign-owner",
            Self::SessionBleed => "session-bleed",
            Self::ResponseBleed => "response-bleed",
            Self::Trespass => "trespass",
            Self::ChunkMix => "chunk-mix",
            Self::Lost => "lost",
            Self::PartialIngest => "partial-ingest",
            Self::Duplicate => "duplicate",
            Self::Ghost => "ghost",
            Self::SplitIdentity => "split-identity",
            Self::StaleIdentity => "stale-identity",
            Self::Phantom => "phantom",
            Self::Resurrected => "resurrected",
            Self::Reordered => "reordered",
            Self::Torn => "torn",
            Self::Altered => "altered",
            Self::Late => "late",
            Self::LogMismatch => "log-mismatch",
            Self::Unattributable => "unattributable",
        }
    }

    /// The inverse of [`Code::name`].
    ///
    /// # Errors
    /// No anomaly has this name.
    pub fn from_name(name: &str) -> Result<Self, UnknownName> {
        UnknownName::look_up("anomaly", &Self::ALL, Self::name, name)
    }

    /// May a proved finding of this code fail the run? A ghost and what only tells of freshness or
    /// evidence are shown and counted only; of log lines, only what is graver than S4 fails.
    pub fn fails(self) -> bool {
        !matches!(self, Self::Ghost | Self::Late | Self::Unattributable)
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// How far the evidence goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Proof {
    /// It may be otherwise; never fails a run.
    Suggested,
    /// Exact canary, owner, and a second read; or complete and settled absence.
    Proved,
}

/// One record, or one absence, that a finding is about.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Affected {
    /// The anomaly of this very record: the root's own, or the one that was folded into it.
    pub code: Code,
    /// Its type; for an absence, the type that was promised.
    pub record_type: RecordType,
    /// The store's id; `None` for an absence.
    pub record_id: Option<String>,
    /// The canary it carries, or should have carried; `None` for a session.
    pub canary: Option<CanaryId>,
    /// The operation it belongs to, where known.
    pub op: Option<OpId>,
    /// The owner that the store names.
    pub owner: Option<String>,
    /// The session it was found in.
    pub session: Option<String>,
    /// Text around the canary, where kept.
    pub excerpt: Option<String>,
}

/// One contradiction between what was sent and what was found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// The anomaly.
    pub code: Code,
    /// How grave.
    pub severity: Severity,
    /// How far the evidence goes.
    pub proof: Proof,
    /// One sentence for people.
    pub claim: String,
    /// Why the evidence is a contradiction, one sentence.
    pub because: String,
    /// The user that sent it.
    pub sender: Option<UserIx>,
    /// The synthetic user it was found under or shown to, where there is one.
    pub found_under: Option<UserIx>,
    /// The operations that tell the story, at most three: the sender's first, then the other
    /// user's where it is known.
    pub ops: Vec<OpId>,
    /// Every affected record, the root's own first. Uncapped.
    pub affected: Vec<Affected>,
    /// A hint about the cause.
    pub hint: Option<Hint>,
    /// How another user's text came into an answer; `None` for any other anomaly.
    pub kind: Option<BleedKind>,
    /// Why the scenario accepts it, in the scenario's words; `None` if it does not.
    pub accepted: Option<String>,
}

impl Finding {
    /// The kind of its hint.
    pub fn pattern(&self) -> Option<Pattern> {
        self.hint.as_ref().map(Hint::pattern)
    }

    /// How many further records the root explains.
    pub fn explains(&self) -> usize {
        self.affected.len().saturating_sub(1)
    }
}
