//! The vocabulary: ids, units, limits, outcomes, records, findings, verdicts.
//!
//! Everything here is plain data that the phases hand to each other. This room knows no other
//! room, no clock and no network.

mod attempt;
mod bleed;
mod cap;
mod finding;
mod hint;
mod id;
pub mod limits;
mod log;
mod name;
mod op;
mod record;
mod request;
mod sample;
mod store;
mod time;
mod traits;
mod verdict;

pub use attempt::{Attempt, Part, Route, Standing};
pub use bleed::BleedKind;
pub use cap::Cap;
pub use finding::{Affected, Code, Finding, Proof, Severity};
pub use hint::{Hint, Pattern};
pub use id::{CanaryId, CanaryKind, GroupIx, OpId, OutOfRange, RunId, Seed, SessionIx, UserIx};
pub use log::{LogCoverage, LogLine, LogStep};
pub use name::UnknownName;
pub use op::{Completion, Echo, Invocation, OpKind, OpRow, Outcome, Promise};
#[cfg(test)]
pub(crate) use record::scans;
pub use record::{Exactness, Likeness, RecordType, Role, Scan, SeenCanary, Sighting, standstill};
pub use request::{op_of_request_id, op_of_trace_id, request_id, trace_id};
pub use sample::{ChunkTimes, GeneratorHealth, LagSample, ResourceSample};
pub use store::{LAB_STORE_KEY, StoreDialect, UsersAsked};
pub use time::Micros;
pub use traits::{Trait, TraitSet};
pub use verdict::{InconclusiveReason, Verdict};
