//! Reading the memory store back: everything in it, again and again, until it is settled.
//!
//! `store.rs` asks one question, `detect.rs` finds out what the store speaks, `pages.rs` walks a whole list, `scan.rs` reads the store once,
//! `settle.rs` reads it until nothing changes, `lag.rs` watches single records and `glance.rs`
//! places while the load runs, within the budget of `budget.rs`, `visible.rs` every record where
//! they come one at a time, `logs` the target's logs. What a record means is decided in `sight.rs`, how its text compares
//! with the one that was sent in `texts.rs`, what of other people's names may be kept in
//! `strangers.rs`, and nowhere else. `traces.rs` tells what a run has left, and is alone in deleting;
//! `users.rs` is alone in writing, before a run and where that is asked for. Nothing here judges.

mod baseline;
mod budget;
mod detect;
mod error;
#[cfg(test)]
mod fake;
mod glance;
mod lag;
mod logs;
#[cfg(test)]
mod odd_tests;
mod pages;
mod scan;
mod settle;
mod settled;
mod sight;
mod store;
mod strangers;
mod texts;
mod traces;
mod users;
mod visible;

pub use baseline::{Baseline, BaselineCounts};
pub use budget::Share;
pub use error::StoreError;
pub use glance::{StoreSampler, StoreWatch, watch_store};
pub use lag::{LagSampler, LagWatch, watch_lag};
pub use logs::{LogContext, LogError, LogSource, LogTally, LogWatch, Reading, watch_logs};
pub use scan::ScanContext;
pub use settle::Observation;
pub use settled::SettlePlan;
pub use sight::{control_sightings, is_suspicious};
pub use store::{StoreClient, StoreKey};
pub use strangers::Strangers;
pub use traces::{Kept, Named, Traces};
pub use visible::{Follower, follow};
