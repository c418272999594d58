//! What the findings' place in time tells: hints about the cause, which are marked as hints and
//! from which nothing follows, and the other user's operation.
//!
//! A race is named only where its signature is more frequent than chance makes it, and never where
//! the evidence has another explanation than the order of events: a session that two users share,
//! an answer that quotes, a text that is stored under its sender as well.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::limits::CAPSULES_PER_CODE_MAX;
use crate::model::{Code, Hint, Micros, OpId, OpKind, OpRow, Trait, UserIx};

use super::draft::Draft;

mod absence;
mod chance;
mod crossed;
mod late;
mod shift;
#[cfg(test)]
mod simulation;

/// Operations on either side of a time that hints are drawn from.
pub const NEIGHBOURS_EACH_SIDE: usize = 8;

/// Users of whom something is under one stand-in, from which on it stands for everybody.
const STAND_IN_SENDERS_MIN: usize = 2;

/// An operation that began near another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Neighbour {
    /// Which one.
    pub op: OpId,
    /// Who sent it.
    pub user: UserIx,
    /// When it began.
    pub invoked: Micros,
}

/// What else the run did, of which a bucket knows nothing.
pub trait Surroundings {
    /// The operations that began next to a time: up to [`NEIGHBOURS_EACH_SIDE`] last at or before
    /// it, and as many first after it, in the order of their beginning.
    fn around(&mut self, time: Micros) -> Vec<Neighbour>;

    /// The operation of a user that began nearest to a time.
    fn nearest_of(&mut self, user: UserIx, time: Micros) -> Option<OpId>;

    /// The operation of a user that was answered in a session of this name, the one with this
    /// number there: the client's name for the session, or the one that the answer gave it.
    fn answered(&mut self, user: UserIx, session: &str, seq: u16) -> Option<OpId>;

    /// An operation by its id.
    fn op(&mut self, op: OpId) -> Option<OpRow>;

    /// How many users the run has.
    fn users(&mut self) -> u32;

    /// Operations that began at or after a time and ended `ok` with a promise; only those with a
    /// trait, where one is named.
    fn promised(&mut self, since: Micros, having: Option<Trait>) -> u64;

    /// Sessions of a channel that were opened in a stretch of time, both ends included, and whose
    /// first operation ended `ok`.
    fn sessions_opened(&mut self, kind: OpKind, within: (Micros, Micros)) -> u64;

    /// The users whose answers named a session.
    fn users_of_session(&mut self, name: &str) -> BTreeSet<UserIx>;
}

/// No surroundings: for judging a part of a run, where hints about causes would mislead, or a run
/// in which nothing is found.
#[derive(Debug, Clone, Copy)]
pub struct NoSurroundings;

impl Surroundings for NoSurroundings {
    fn around(&mut self, _time: Micros) -> Vec<Neighbour> {
        Vec::new()
    }

    fn nearest_of(&mut self, _user: UserIx, _time: Micros) -> Option<OpId> {
        None
    }

    fn answered(&mut self, _user: UserIx, _session: &str, _seq: u16) -> Option<OpId> {
        None
    }

    fn op(&mut self, _op: OpId) -> Option<OpRow> {
        None
    }

    fn users(&mut self) -> u32 {
        0
    }

    fn promised(&mut self, _since: Micros, _having: Option<Trait>) -> u64 {
        0
    }

    fn sessions_opened(&mut self, _kind: OpKind, _within: (Micros, Micros)) -> u64 {
        0
    }

    fn users_of_session(&mut self, _name: &str) -> BTreeSet<UserIx> {
        BTreeSet::new()
    }
}

/// Puts hints on findings.
pub(crate) fn hint(drafts: &mut [Draft], surroundings: &mut dyn Surroundings) {
    for draft in drafts.iter_mut() {
        if let Some(answer) = draft.answer.take().filter(|_| draft.other.is_none()) {
            draft.other = surroundings.answered(answer.asker, &answer.session, answer.seq);
        }
    }
    crossed::hint(drafts, surroundings);
    shift::hint(drafts);
    stand_ins(drafts);
    absence::hint(drafts, surroundings);
}

/// Names the other user's operation that began nearest to the sender's, where it is not known
/// better, for as many findings of each code as are shown.
pub(crate) fn name_others(drafts: &mut [Draft], surroundings: &mut dyn Surroundings) {
    let mut asked: BTreeMap<Code, usize> = BTreeMap::new();
    for draft in drafts.iter_mut().filter(|draft| draft.other.is_none()) {
        let finding = &draft.finding;
        let other = finding
            .found_under
            .filter(|_| finding.found_under != finding.sender);
        if let (Some(other), Some((invoked, _))) = (other, draft.span) {
            let count = asked.entry(finding.code).or_default();
            *count += 1;
            if *count <= CAPSULES_PER_CODE_MAX {
                let of_hint = match finding.hint {
                    Some(Hint::LateBinding { op, .. } | Hint::Swap { op, .. }) => Some(op),
                    Some(
                        Hint::Latch { .. }
                        | Hint::FixedOwner
                        | Hint::Silent
                        | Hint::Shift { .. }
                        | Hint::Stall { .. },
                    )
                    | None => None,
                };
                draft.other = of_hint.or_else(|| surroundings.nearest_of(other, invoked));
            }
        }
    }
}

/// A stand-in that several users share is no accident of one request.
fn stand_ins(drafts: &mut [Draft]) {
    let mut senders: BTreeMap<String, BTreeSet<UserIx>> = BTreeMap::new();
    let owner = |draft: &Draft| {
        let stands_in = draft.finding.code == Code::PlaceholderOwner;
        let record = draft.finding.affected.first().filter(|_| stands_in)?;
        record.owner.clone()
    };
    for draft in drafts.iter() {
        if let (Some(owner), Some(sender)) = (owner(draft), draft.finding.sender) {
            senders.entry(owner).or_default().insert(sender);
        }
    }
    for draft in drafts.iter_mut() {
        let shared = owner(draft).and_then(|owner| senders.get(&owner));
        if shared.is_some_and(|senders| senders.len() >= STAND_IN_SENDERS_MIN) {
            draft.finding.hint.get_or_insert(Hint::FixedOwner);
        }
    }
}
