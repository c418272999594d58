//! The run's ledger: one SQLite file, `run.db`, in the run's own folder.
//!
//! The only interface between the phases: what driving and observing say is written here within
//! milliseconds, and judging reads nothing else, so that a killed run can be judged from what was
//! committed, by another process or on another machine. `docs/LEDGER.md` describes the tables.
//!
//! Rows hold no secret and no body of a record. What is in them is never changed, but for four
//! things: an operation gets its end, an equal reading raises a sighting's count, findings are
//! replaced by a new judgement, notes are replaced by their newest value.

mod chunks;
mod codes;
mod error;
mod folder;
mod insert;
mod judgement;
mod log_lines;
mod manifest;
mod names;
mod reader;
mod rows;
mod writer;

pub use error::LedgerError;
pub use folder::{resolve, run_folder};
pub use manifest::Manifest;
pub use reader::LedgerReader;
pub use writer::Ledger;

/// The ledger's file within a run's folder.
pub const LEDGER_FILE: &str = "run.db";

#[cfg(test)]
mod samples;
#[cfg(test)]
mod tests;
