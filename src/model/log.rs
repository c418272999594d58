//! Log lines of the target, as far as they speak of this run.

use serde::{Deserialize, Serialize};

use super::{Micros, OpId, OpKind, UnknownName};

/// What a log line says of a background task.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LogStep {
    /// It has begun.
    Started,
    /// It has done its work.
    Completed,
    /// It has given up.
    Failed,
    /// Nothing: the line is of a request, not of a task.
    Mentioned,
}

impl LogStep {
    /// All steps, in ledger order.
    pub const ALL: [Self; 4] = [
        Self::Started,
        Self::Completed,
        Self::Failed,
        Self::Mentioned,
    ];

    /// The name used in files and reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Started => "started",
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Mentioned => "mentioned",
        }
    }

    /// The inverse of [`LogStep::name`].
    ///
    /// # Errors
    /// No step has this name.
    pub fn from_name(name: &str) -> Result<Self, UnknownName> {
        UnknownName::look_up("step of a task", &Self::ALL, Self::name, name)
    }
}

/// One line of the target's log that speaks of this run: it bears a request or trace id of one of
/// its operations, or names one of its users.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct LogLine {
    /// The source it was read from, counted from 0.
    pub source: u16,
    /// How many lines of the same words, about the same operation, were read before it. Two
    /// readings of one log number them alike.
    pub occurrence: u32,
    /// The operation that its request or trace id names; for a voice turn, the first one of its
    /// socket.
    pub op: Option<OpId>,
    /// What kind of task it is about; `None` for a line about a request.
    pub kind: Option<OpKind>,
    /// What it says of the task.
    pub step: LogStep,
    /// The user that it names.
    pub user: Option<String>,
    /// The file that it names.
    pub file: Option<String>,
    /// The words about the task, without what stands before them; empty for a line about a
    /// request.
    pub text: String,
    /// When it was written by the target's clock, in microseconds since 1970; only where the line
    /// names its zone.
    pub logged_unix_us: Option<i64>,
    /// When it was read.
    pub seen_at: Micros,
}

/// How much of what should be in the logs was seen there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct LogCoverage {
    /// Operations that ended `ok`.
    pub ok: u64,
    /// Of these, the ones whose request or trace id was seen.
    pub ids_seen: u64,
    /// Of these, the ones of whose task a line was seen that says that it ended.
    pub ended: u64,
    /// Of those that ended, the ones whose start was seen too.
    pub started: u64,
    /// Lines about tasks of this run.
    pub task_lines: u64,
}

/// Of a hundred request ids, so many must be seen before absence in a log means anything.
const PERCENT_TELLING: u64 = 99;

impl LogCoverage {
    /// Does the absence of a line mean anything? Ids must be seen, and starts of the tasks that
    /// are known to have ended: lines that go missing take both with them.
    pub fn is_telling(self) -> bool {
        let nearly_all = |part: u64, whole: u64| {
            part > 0 && part.saturating_mul(100) >= whole.saturating_mul(PERCENT_TELLING)
        };
        nearly_all(self.ids_seen, self.ok) && nearly_all(self.started, self.ended)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn absence_needs_nearly_all_ids_and_starts() {
        let whole = LogCoverage {
            ok: 1_000,
            ids_seen: 990,
            ended: 900,
            started: 900,
            task_lines: 1_800,
        };
        assert!(whole.is_telling());
        for change in [
            |c: &mut LogCoverage| c.ids_seen = 989,
            |c: &mut LogCoverage| c.started = 890,
            |c: &mut LogCoverage| (c.started, c.ended) = (0, 0),
            |c: &mut LogCoverage| *c = LogCoverage::default(),
        ] {
            let mut less = whole;
            change(&mut less);
            assert!(!less.is_telling(), "{less:?}");
        }
    }

    #[test]
    fn steps_read_back() {
        for step in LogStep::ALL {
            assert_eq!(LogStep::from_name(step.name()), Ok(step));
        }
    }
}
