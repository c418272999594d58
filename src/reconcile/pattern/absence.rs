//! What was accepted and is not stored: lost in silence one by one, or all of it from some moment
//! on. Where what is lost has something else in common, that is no silence: it tells the cause.

use std::collections::BTreeSet;

use crate::model::{Code, Hint, Micros, Trait, UserIx};

use super::super::draft::Draft;
use super::Surroundings;

/// How likely chance may make it that everything lost has one trait.
const TRAIT_CHANCE_MAX: f64 = 1e-4;
/// How likely chance may make it that everything is lost from some moment on.
const STALL_CHANCE_MAX: f64 = 1e-6;
/// Users who must be affected before a store has stalled for all of them.
const STALL_USERS_MIN: usize = 3;

/// Tells a stall from single losses, and takes back the hint of silence where a trait explains it.
pub(super) fn hint(drafts: &mut [Draft], surroundings: &mut dyn Surroundings) {
    let lost = lost(drafts);
    if lost.is_empty() {
        return;
    }
    let all = surroundings.promised(Micros(0), None);
    if let Some(hint) = stall(drafts, &lost, all, surroundings) {
        let since = match hint {
            Hint::Stall { since, .. } => since,
            Hint::Latch { .. }
            | Hint::LateBinding { .. }
            | Hint::Swap { .. }
            | Hint::FixedOwner
            | Hint::Silent
            | Hint::Shift { .. } => return,
        };
        // A task that was at work at that moment may not have come to the store in time either,
        // though one of an operation that began later did.
        let at_work = |draft: &&mut Draft| draft.span.is_some_and(|(_, ended)| ended >= since);
        for (_, place) in lost {
            if let Some(draft) = drafts.get_mut(place).filter(at_work) {
                draft.finding.hint = Some(hint.clone());
            }
        }
        return;
    }
    if explained_by_trait(drafts, &lost, all, surroundings) {
        for (_, place) in lost {
            if let Some(draft) = drafts.get_mut(place) {
                draft.finding.hint = None;
            }
        }
    }
}

/// Places of operations of which nothing is stored, in the order of their beginning.
fn lost(drafts: &[Draft]) -> Vec<(Micros, usize)> {
    let silent = |(_, draft): &(usize, &Draft)| {
        draft.finding.code == Code::Lost && draft.finding.hint == Some(Hint::Silent)
    };
    let silent = drafts.iter().enumerate().filter(silent);
    let mut lost: Vec<(Micros, usize)> = silent
        .filter_map(|(place, draft)| Some((draft.span?.0, place)))
        .collect();
    lost.sort_unstable();
    lost
}

/// The first moment from which on everything is lost, if it was not so all the time and is more
/// than chance makes of single losses.
fn stall(
    drafts: &[Draft],
    lost: &[(Micros, usize)],
    all: u64,
    surroundings: &mut dyn Surroundings,
) -> Option<Hint> {
    // If all is lost from some moment on, it is from any later one.
    let mut whole = |since: Micros| {
        let gone = lost.len() - lost.partition_point(|(begun, _)| *begun < since);
        u64::try_from(gone).is_ok_and(|gone| surroundings.promised(since, None) == gone)
    };
    let from = lost.partition_point(|(begun, _)| !whole(*begun));
    let (since, _) = *lost.get(from)?;
    let gone = lost.get(from..)?;
    let senders = gone
        .iter()
        .filter_map(|(_, place)| drafts.get(*place)?.finding.sender);
    let senders: BTreeSet<UserIx> = senders.collect();
    let count = u32::try_from(gone.len()).ok()?;
    let before = u32::try_from(all.checked_sub(u64::from(count))?).ok()?;
    let lost_before = u32::try_from(from).ok()?;
    let rate = f64::from(lost_before + 1) / f64::from(before.saturating_add(2));
    let by_chance = rate.powf(f64::from(count));
    let is_stall =
        before > lost_before && senders.len() >= STALL_USERS_MIN && by_chance <= STALL_CHANCE_MAX;
    is_stall.then_some(Hint::Stall {
        since,
        operations: count,
    })
}

/// Has everything that is lost a trait that the run's operations seldom have?
fn explained_by_trait(
    drafts: &[Draft],
    lost: &[(Micros, usize)],
    all: u64,
    surroundings: &mut dyn Surroundings,
) -> bool {
    let count = f64::from(u32::try_from(lost.len()).unwrap_or(u32::MAX));
    let all = f64::from(u32::try_from(all).unwrap_or(u32::MAX)).max(1.0);
    Trait::ALL.into_iter().any(|common| {
        let has = |place: usize| {
            let draft = drafts.get(place);
            draft.is_some_and(|draft| draft.traits.has(common))
        };
        if !lost.iter().all(|(_, place)| has(*place)) {
            return false;
        }
        let having = surroundings.promised(Micros(0), Some(common));
        let share = f64::from(u32::try_from(having).unwrap_or(u32::MAX)) / all;
        share < 1.0 && share.powf(count) <= TRAIT_CHANCE_MAX
    })
}
