//! What a self-test has shown: how the detector did against labs of which the truth is known.
//!
//! The serde form is the JSON report of `crosswire selftest`; the table is in
//! `render/selftest.rs`.

use serde::{Deserialize, Serialize};

use crate::model::{Code, Pattern};

/// Version of this form, `major.minor`.
pub const SELFTEST_SCHEMA: &str = "1.1";

/// The detector's measured error.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SelfTest {
    /// Version of this form, `major.minor`.
    pub schema_version: String,
    /// Version of the Crosswire that was tested.
    pub tool_version: String,
    /// How much was done: `quick` or `full`.
    pub mode: String,
    /// Runs at once.
    pub jobs: u32,
    /// Processors of the machine.
    pub cpus: u32,
    /// How long it took.
    pub wall_seconds: f64,
    /// What it comes to.
    pub verdict: TrialVerdict,
    /// The exit code that goes with it: 0, 1 or 4.
    pub exit_code: u8,
    /// A row for each thing that was tried, in the order of the matrix.
    pub rows: Vec<SelfTestRow>,
}

/// How the detector did with one fault, one quirk, or nothing wrong at all; all runs added up.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SelfTestRow {
    /// What was tried.
    pub name: String,
    /// What was planted, as on the command line.
    pub planted: Vec<String>,
    /// What it should be called; empty where nothing should be found.
    pub codes: Vec<Code>,
    /// Runs that were made.
    pub runs: u32,
    /// Runs beside these that ended without a verdict, as on a busy machine, and were made again.
    #[serde(default)]
    pub repeated: u32,
    /// Records that were wrong, as the lab tells.
    pub affected: u64,
    /// Wrong records that were wanted, so that the figures mean something.
    pub wanted: u64,
    /// Records in the stores that nothing was wrong with.
    pub clean: u64,
    /// Clean records that were wanted; 0 where it is not about them.
    pub clean_wanted: u64,
    /// Wrong records that were found.
    pub found: u64,
    /// Wrong records that were not.
    pub missed: u64,
    /// Records that were found wrong and are not.
    #[serde(rename = "false")]
    pub extra: u64,
    /// Wrong records that were found and called something else.
    pub miscoded: u64,
    /// Roots that were found; null where they are not counted.
    pub roots_found: Option<u64>,
    /// Roots that there were; null where they are not counted.
    pub roots_injected: Option<u64>,
    /// The hint that should be given; null where none should.
    pub pattern: Option<Pattern>,
    /// Runs with the right hint.
    pub pattern_right: u32,
    /// Runs in which a hint at a race was given where there is none.
    pub pattern_false: u32,
    /// The exit code that each run should have.
    pub exit: u8,
    /// Runs that had it.
    pub exit_right: u32,
    /// What it comes to.
    pub verdict: TrialVerdict,
    /// Why, where it is not right: one sentence each.
    pub reasons: Vec<String>,
}

/// What the trials of a row, or of all rows, come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TrialVerdict {
    /// Everything was as it should be.
    Right,
    /// Too little went wrong, or a run was inconclusive: nothing is known.
    TooFew,
    /// The detector erred.
    Wrong,
}

impl TrialVerdict {
    /// The name used in tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::Right => "right",
            Self::TooFew => "too few",
            Self::Wrong => "WRONG",
        }
    }

    /// The exit code that goes with it.
    pub fn exit_code(self) -> u8 {
        match self {
            Self::Right => 0,
            Self::TooFew => 4,
            Self::Wrong => 1,
        }
    }
}

impl SelfTest {
    /// The gravest verdict of all rows; without any row nothing was tried.
    pub fn verdict_of(rows: &[SelfTestRow]) -> TrialVerdict {
        rows.iter()
            .map(|row| row.verdict)
            .max()
            .unwrap_or(TrialVerdict::TooFew)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_is_graver_than_a_lack() {
        assert!(TrialVerdict::Wrong > TrialVerdict::TooFew);
        assert!(TrialVerdict::TooFew > TrialVerdict::Right);
        assert_eq!(SelfTest::verdict_of(&[]), TrialVerdict::TooFew);
    }
}
