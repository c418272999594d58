//! The positive control of a run: records with swapped owners, planted between reading and
//! judging. If the judge is blind to them, it may be blind to others.

use std::collections::BTreeSet;

use crate::model::limits::{CONTROL_USERS, USERS_MAX};
use crate::model::{Proof, Sighting};

use super::checks::{Check, WrongOwner};
use super::{Context, Evidence};

/// What became of the control.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Control {
    /// Records that were planted.
    pub planted: u64,
    /// Of these, records that the check for wrong owners proved to be wrong.
    pub found: u64,
}

/// Runs the very check for wrong owners over the planted records, which the ledger keeps apart.
/// They need to have been read as often as real ones, or else the control is missed.
pub fn control(context: &Context<'_>, sightings: &[Sighting]) -> Control {
    let planted = || sightings.iter().filter(|sighting| sighting.control);
    let ids: BTreeSet<_> = planted()
        .map(|sighting| (sighting.record_type, &sighting.record_id))
        .collect();
    let evidence = Evidence::new(context, CONTROL_USERS[0]..USERS_MAX, &[], planted());
    let found: BTreeSet<_> = WrongOwner
        .check(&evidence)
        .into_iter()
        .filter(|draft| draft.finding.proof == Proof::Proved)
        .flat_map(|draft| draft.finding.affected)
        .map(|record| (record.record_type, record.record_id))
        .collect();
    Control {
        planted: super::evidence::count(ids),
        found: super::evidence::count(found),
    }
}
