//! Which quirks there are: oddities of honest backends and stores that no tester may take for a
//! mix-up.
//!
//! What a quirk does stands where it does it. None of them writes truth: nothing is wrong.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use crate::model::UnknownName;

/// An oddity that a healthy target may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum QuirkKind {
    /// A share of the writes is visible only seconds after its answer.
    SlowWrites,
    /// The store lists records twice, messages on two pages.
    DoubleListing,
    /// Texts are stored in another style: markdown, HTML, other Unicode forms, case.
    RestyledText,
    /// Summaries and facts, with their words in them, are written beside the turns.
    Summariser,
    /// Two chunks of a document are stored as one.
    MergedChunks,
    /// A share of the turns is answered with an apology, and not stored.
    Apologies,
    /// A share of the answers breaks off after the work was accepted.
    LostAnswers,
    /// A share of the requests breaks off before anything was done.
    LostRequests,
    /// The store's clock is minutes ahead.
    ClockOff,
    /// The store lists the records of a page in another order on each read.
    ShuffledPages,
    /// Texts of other runs come into sessions of other people.
    OtherRuns,
    /// Answers never hold the reference word.
    EchoRefused,
    /// All connections break off once, and new ones are refused for a moment.
    Restart,
    /// Another run with users of its own writes into the same store.
    Colleague,
    /// Somebody has used it before the run.
    WarmedUp,
}

/// How far the store's clock is ahead.
pub(super) const CLOCK_AHEAD: Duration = Duration::from_mins(5);
/// When a slow write is done, counted from its answer: below the shortest deadline of a scenario.
pub(super) const SLOW_WRITE: Duration = Duration::from_secs(3);
/// The share of the operations that is slow, apologised for, or breaks off.
pub(super) const SOME: f64 = 0.05;
/// The share of the turns after which the summariser writes.
pub(super) const SUMMARISED: f64 = 0.2;
/// API requests after which the lab restarts: with any of the scenarios in the middle of the run.
pub(super) const RESTART_AFTER: u64 = 300;
/// How long a lab that restarts takes no connections.
pub(super) const RESTART_PAUSE: Duration = Duration::from_millis(300);

impl QuirkKind {
    /// All quirks, in the order in which messages list them.
    pub const ALL: [Self; 15] = [
        Self::SlowWrites,
        Self::DoubleListing,
        Self::RestyledText,
        Self::Summariser,
        Self::MergedChunks,
        Self::Apologies,
        Self::LostAnswers,
        Self::LostRequests,
        Self::ClockOff,
        Self::ShuffledPages,
        Self::OtherRuns,
        Self::EchoRefused,
        Self::Restart,
        Self::Colleague,
        Self::WarmedUp,
    ];

    /// The name used on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::SlowWrites => "slow-writes",
            Self::DoubleListing => "double-listing",
            Self::RestyledText => "restyled-text",
            Self::Summariser => "summariser",
            Self::MergedChunks => "merged-chunks",
            Self::Apologies => "apologies",
            Self::LostAnswers => "lost-answers",
            Self::LostRequests => "lost-requests",
            Self::ClockOff => "clock-off",
            Self::ShuffledPages => "shuffled-pages",
            Self::OtherRuns => "other-runs",
            Self::EchoRefused => "echo-refused",
            Self::Restart => "restart",
            Self::Colleague => "colleague",
            Self::WarmedUp => "warmed-up",
        }
    }
}

impl fmt::Display for QuirkKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for QuirkKind {
    type Err = UnknownName;

    fn from_str(text: &str) -> Result<Self, UnknownName> {
        UnknownName::look_up("quirk", &Self::ALL, Self::name, text)
    }
}

/// The quirks of one lab.
#[derive(Debug, Clone, Default)]
pub(super) struct Quirks(pub(super) Vec<QuirkKind>);

impl Quirks {
    /// Has the lab this one?
    pub(super) fn has(&self, kind: QuirkKind) -> bool {
        self.0.contains(&kind)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_and_mistakes_named() {
        for kind in QuirkKind::ALL {
            assert_eq!(kind.name().parse(), Ok(kind));
        }
        let error = "sumariser".parse::<QuirkKind>().unwrap_err().to_string();
        assert!(error.starts_with(
            "unknown quirk `sumariser`; did you mean `summariser`? One of slow-writes, "
        ));
    }
}
