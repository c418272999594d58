//! The exit codes: an interface that scripts rely on.

use std::process::ExitCode;

use crate::model::Verdict;

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Exit {
    /// Nothing was found and everything was read (0); also any command that has no verdict.
    Pass,
    /// Something was proved (1).
    Fail,
    /// Bad flags or an invalid scenario (2).
    Usage,
    /// The pre-flight failed; nothing was sent (3).
    Preflight,
    /// Neither proved nor cleared (4).
    Inconclusive,
    /// A fault of Crosswire's own (70, `EX_SOFTWARE` of sysexits.h).
    Internal,
    /// Left at once on the second Ctrl-C (130, 128 + SIGINT).
    LeftByInterrupt,
    /// Left at once on the second SIGTERM (143, 128 + SIGTERM).
    LeftByTerminate,
}

impl Exit {
    /// The number that the process ends with.
    pub(super) fn code(self) -> u8 {
        match self {
            Self::Pass => 0,
            Self::Fail => 1,
            Self::Usage => 2,
            Self::Preflight => 3,
            Self::Inconclusive => 4,
            Self::Internal => 70,
            Self::LeftByInterrupt => 130,
            Self::LeftByTerminate => 143,
        }
    }
}

impl From<Verdict> for Exit {
    fn from(verdict: Verdict) -> Self {
        match verdict {
            Verdict::Pass => Self::Pass,
            Verdict::Inconclusive => Self::Inconclusive,
            Verdict::Fail => Self::Fail,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

/// A failure with the exit code that belongs to it.
#[derive(Debug)]
pub(super) struct Failure {
    /// How the process ends.
    pub exit: Exit,
    /// What is said on stderr.
    pub error: anyhow::Error,
}

impl Failure {
    /// The user asked for something that cannot be (exit 2).
    pub(super) fn usage(error: impl Into<anyhow::Error>) -> Self {
        Self {
            exit: Exit::Usage,
            error: error.into(),
        }
    }

    /// Something that must be there before the first byte is not (exit 3).
    pub(super) fn preflight(error: impl Into<anyhow::Error>) -> Self {
        Self {
            exit: Exit::Preflight,
            error: error.into(),
        }
    }
}

/// Everything that is not said to be the user's or the target's doing is our own (exit 70).
impl<E: Into<anyhow::Error>> From<E> for Failure {
    fn from(error: E) -> Self {
        Self {
            exit: Exit::Internal,
            error: error.into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_verdict_decides_the_code() {
        assert_eq!(Exit::from(Verdict::Pass).code(), 0);
        assert_eq!(Exit::from(Verdict::Fail).code(), 1);
        assert_eq!(Exit::from(Verdict::Inconclusive).code(), 4);
    }
}
