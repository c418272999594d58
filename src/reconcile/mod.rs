//! The judge: joins what was promised with what was found, and says what contradicts what.
//!
//! Everything here is a function of ledger rows, so any run can be judged again, offline. One
//! bucket of users is judged at a time ([`judge_users`]); [`combine`] folds the buckets into one
//! [`Judgement`]; [`verdict::verdict`] draws the conclusion. Any order of the rows and any
//! division into buckets gives the same judgement. There is no way to the network or the disk
//! from here, and no knowledge of the lab.

use std::collections::BTreeMap;
use std::ops::Range;

use crate::model::{
    Cap, Code, LogCoverage, LogLine, Micros, OpKind, OpRow, RunId, Scan, Sighting, UsersAsked,
};
use crate::scenario::Scenario;

mod accept;
pub mod arms;
mod bleed;
pub mod checks;
mod control;
mod counts;
mod draft;
mod evidence;
mod fold;
pub mod generator;
pub mod guide;
mod identity;
mod judgement;
mod misowned;
mod missing;
mod owner;
mod pattern;
mod reading;
#[cfg(test)]
mod reference;
pub mod settle;
mod stall;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
pub mod timeline;
mod trespass;
mod verbatim;
pub mod verdict;
mod wording;

pub use accept::{Matched, accept};
pub use control::{Control, control};
pub use counts::SLOW_STORE;
pub use draft::Draft;
pub use evidence::Evidence;
pub use judgement::{Judgement, combine};
pub use pattern::{NEIGHBOURS_EACH_SIDE, Neighbour, NoSurroundings, Surroundings};
pub use trespass::RouteTally;

/// How a run ended, as the ledger tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RunEnd {
    /// Its plan was done.
    Finished,
    /// It was told to stop.
    Interrupted,
    /// It stopped at the first proved finding, as it was asked to.
    StoppedAtFinding,
    /// The target stopped answering.
    TargetLost,
    /// The target asked for less load.
    TargetThrottled,
    /// It has reached a bound that the user had set.
    Capped(Cap),
    /// The ledger has no end: the tester itself was killed.
    Crashed,
}

/// How far the store was read back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReadBack {
    /// Not at all: there is no store to read.
    None,
    /// It was read at least once, or should have been.
    Some {
        /// Did it stand still for long enough ([`settle::settled`])?
        settled: bool,
        /// Was the last scan complete?
        complete: bool,
        /// When the last complete scan began; zero if there is none.
        read_from: Micros,
    },
}

/// What a judgement needs to know beside the rows.
#[derive(Debug, Clone, Copy)]
pub struct Context<'a> {
    /// The run that is judged.
    pub run: RunId,
    /// What it was meant to do.
    pub scenario: &'a Scenario,
    /// How it ended.
    pub ended: RunEnd,
    /// How far the store was read back.
    pub read_back: ReadBack,
    /// Could the store list facts? If not, nothing is known of what became of uploads.
    pub facts_listed: bool,
    /// Does a store that refuses sessions of users it does not know, know the run's? `None` where
    /// it takes everybody's, or could not be asked.
    pub users_asked: Option<UsersAsked>,
    /// All scans of the store, in order.
    pub scans: &'a [Scan],
    /// Lines of the target's log about operations and users of the bucket, in any order; further
    /// ones do no harm.
    pub log_lines: &'a [LogLine],
    /// How much of the log was seen.
    pub log_coverage: LogCoverage,
}

/// What the judge makes of one bucket of users; input of [`combine`].
#[derive(Debug, Clone, Default)]
pub struct Bucket {
    pub(crate) drafts: Vec<Draft>,
    pub(crate) recovered: BTreeMap<OpKind, u64>,
    pub(crate) counts: counts::Counts,
    pub(crate) tallies: fold::Tallies,
    pub(crate) mixers: fold::Mixers,
    pub(crate) pending: u64,
    pub(crate) checker_errors: Vec<Code>,
}

/// Judges one bucket: the users whose numbers are in `users`.
///
/// `ops` are all operations of all sessions in which one of these users takes part, so with two
/// users in a session also those of the other one. `sightings` are all those that belong to one of them:
/// a sighting belongs to every user that its canaries name, exact or corrected; without any, to
/// the user in its session's name; else to the users whose answers gave its session's id; else to
/// the user that is its owner. Further sightings do no harm. A finding is made in the bucket of
/// the user who sent what was found (the smallest, where there are several), so a sighting that
/// is given to two buckets is reported once. Sightings of the planted control are passed over.
pub fn judge_users(
    context: &Context<'_>,
    users: Range<u32>,
    ops: &[OpRow],
    sightings: &[Sighting],
) -> Bucket {
    let stored = sightings.iter().filter(|sighting| !sighting.control);
    let evidence = Evidence::new(context, users, ops, stored);
    let mut bucket = Bucket {
        recovered: evidence.recovered(),
        counts: evidence.counts(),
        tallies: fold::tally(&evidence),
        mixers: evidence.mixers(),
        pending: missing::pending(&evidence),
        ..Bucket::default()
    };
    for check in checks::ALL {
        match checks::run(*check, &evidence) {
            Ok(drafts) => bucket.drafts.extend(drafts),
            Err(code) => bucket.checker_errors.push(code),
        }
    }
    bucket
}
