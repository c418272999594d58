//! The verdict and the reasons for not giving one.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::name::UnknownName;

/// What a run has shown. Verdicts are combined by maximum.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// Nothing was found, everything was read, and a bound can be stated.
    Pass,
    /// Nothing was proved, but something that a pass needs is missing.
    Inconclusive,
    /// At least one finding of severity S1 to S3 was proved.
    Fail,
}

impl Verdict {
    /// The name used in reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Inconclusive => "inconclusive",
            Self::Fail => "fail",
        }
    }
}

/// Why a run proves nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum InconclusiveReason {
    /// A planned operation kind has not one `ok` operation.
    NoEvidence,
    /// No two operations of different users overlapped in time.
    NoOverlap,
    /// The planted control was not found.
    ControlMissed,
    /// Part of the store could not be read.
    ReadBackIncomplete,
    /// The store was still changing at the deadline.
    NotSettled,
    /// The tester itself was the limit.
    GeneratorSaturated,
    /// The store holds canaries that the ledger does not know.
    LedgerGap,
    /// The target stopped answering in mid-run.
    TargetLost,
    /// The run was stopped before its plan was done.
    Interrupted,
    /// A check failed to run.
    CheckerError,
    /// No store was given, or one that cannot list what was sent.
    NoReadBack,
    /// The target asked for less load, so the plan was not carried out.
    TargetThrottled,
    /// Something that the checks rely on does not hold for this target.
    AssumptionFailed,
}

impl InconclusiveReason {
    /// All reasons, in report order.
    pub const ALL: [Self; 13] = [
        Self::NoEvidence,
        Self::NoOverlap,
        Self::ControlMissed,
        Self::ReadBackIncomplete,
        Self::NotSettled,
        Self::GeneratorSaturated,
        Self::LedgerGap,
        Self::TargetLost,
        Self::Interrupted,
        Self::CheckerError,
        Self::NoReadBack,
        Self::TargetThrottled,
        Self::AssumptionFailed,
    ];

    /// The name used in files and reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::NoEvidence => "no-evidence",
            Self::NoOverlap => "no-overlap",
            Self::ControlMissed => "control-missed",
            Self::ReadBackIncomplete => "read-back-incomplete",
            Self::NotSettled => "not-settled",
            Self::GeneratorSaturated => "generator-saturated",
            Self::LedgerGap => "ledger-gap",
            Self::TargetLost => "target-lost",
            Self::Interrupted => "interrupted",
            Self::CheckerError => "checker-error",
            Self::NoReadBack => "no-read-back",
            Self::TargetThrottled => "target-throttled",
            Self::AssumptionFailed => "assumption-failed",
        }
    }

    /// The inverse of [`InconclusiveReason::name`].
    ///
    /// # Errors
    /// No reason has this name.
    pub fn from_name(name: &str) -> Result<Self, UnknownName> {
        UnknownName::look_up("inconclusive reason", &Self::ALL, Self::name, name)
    }

    /// What it means and what to do, one sentence each.
    pub fn advice(self) -> &'static str {
        match self {
            Self::NoEvidence => {
                "No operation of one planned kind succeeded, so nothing of that kind was tested. \
                 Look at the outcomes and mend the target or the credentials first."
            }
            Self::NoOverlap => {
                "No two users were active at the same time, so no race could happen. Raise the \
                 number of users."
            }
            Self::ControlMissed => {
                "The planted mix-up was not found, so the checker cannot be trusted on this run. \
                 Please report it with the run folder."
            }
            Self::ReadBackIncomplete => {
                "Part of the store could not be read, so absence proves nothing. Mend the store \
                 and run `crosswire observe` on this run."
            }
            Self::NotSettled => {
                "The store was still changing when the deadline came. Raise \
                 `memory.settle.deadline` and run `crosswire observe` on this run."
            }
            Self::GeneratorSaturated => {
                "This machine could not keep the planned schedule. Lower the load or use a larger \
                 machine."
            }
            Self::LedgerGap => {
                "The store holds records of this run that the ledger does not know. Please report \
                 it with the run folder."
            }
            Self::TargetLost => {
                "The target stopped answering in mid-run. Restart it, then run `crosswire \
                 observe` to judge what was stored, or run again."
            }
            Self::Interrupted => {
                "The run was stopped before its plan was done. Run again to the end for a verdict."
            }
            Self::CheckerError => {
                "A check, or a session of the run, broke inside Crosswire itself. Please report it \
                 with the run folder."
            }
            Self::NoReadBack => {
                "No memory store was read, so only answers were checked; or the store cannot list \
                 facts, so uploads were not. Give `--memory URL`, of a store that lists facts."
            }
            Self::TargetThrottled => {
                "The target refused work or apologised for so much of it that the plan was stopped. \
                 Lower the load, or raise the target's limits."
            }
            Self::AssumptionFailed => {
                "Too many records hold damaged canaries, so the store changes what is sent and \
                 whose they are cannot be told. Look at what the target does with texts."
            }
        }
    }
}

impl fmt::Display for InconclusiveReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::Verdict::{Fail, Inconclusive, Pass};

    #[test]
    fn the_gravest_verdict_wins() {
        assert_eq!(Pass.max(Inconclusive), Inconclusive);
        assert_eq!(Inconclusive.max(Fail), Fail);
        assert_eq!(Pass.max(Pass), Pass);
    }
}
