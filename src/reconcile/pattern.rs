//! Hints about the cause, from how the findings lie in time. They are marked as hints, and
//! nothing follows from them.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::limits::CAPSULES_PER_CODE_MAX;
use crate::model::{Code, Micros, OpId, Pattern, UserIx};

use super::draft::{Draft, STORY_OPS_MAX};

/// Operations on either side of a time that hints are drawn from.
pub const NEIGHBOURS_EACH_SIDE: usize = 8;

/// Senders under one wrong owner from which on it looks like one identity that stuck.
const LATCH_SENDERS_MIN: usize = 3;

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

/// Puts hints on records that are under another synthetic user, and names the other user's
/// operation that was nearest in time.
pub(crate) fn hint(drafts: &mut [Draft], neighbours: &mut dyn FnMut(Micros) -> Vec<Neighbour>) {
    let crossed: Vec<&Draft> = drafts.iter().filter(|draft| is_crossed(draft)).collect();
    let latched = latched_owners(&crossed);
    let swaps = swapped(&crossed);
    // Late binding makes pairs by accident, so few of them are no sign.
    let mostly_swaps = swaps.len() * 2 > crossed.len();
    let mut late: Vec<usize> = Vec::new();
    let shown = drafts
        .iter_mut()
        .enumerate()
        .filter(|(_, draft)| is_crossed(draft))
        .take(CAPSULES_PER_CODE_MAX);
    let mut looked_at = 0;
    for (place, draft) in shown {
        looked_at += 1;
        let (Some(sender), Some(owner), Some(span)) =
            (draft.finding.sender, draft.finding.found_under, draft.span)
        else {
            continue;
        };
        let beside = Beside::new(sender, owner, span, neighbours);
        if let Some(op) = beside.op.filter(|op| !draft.finding.ops.contains(op)) {
            draft.finding.ops.truncate(STORY_OPS_MAX - 1);
            draft.finding.ops.push(op);
        }
        if latched.contains(&owner) {
            draft.finding.pattern = Some(Pattern::Latch);
        } else if mostly_swaps && swaps.contains(&(sender, owner)) {
            draft.finding.pattern = Some(Pattern::Swap);
        } else if beside.next_or_previous {
            late.push(place);
        }
    }
    // A neighbour is easily met by chance; most of them are not.
    if late.len() * 2 > looked_at {
        for place in late {
            if let Some(draft) = drafts.get_mut(place) {
                draft.finding.pattern = Some(Pattern::LateBinding);
            }
        }
    }
}

fn is_crossed(draft: &Draft) -> bool {
    draft.finding.code == Code::WrongOwner
}

/// Owners under which three or more senders are, when they are most of all that is wrong.
fn latched_owners(crossed: &[&Draft]) -> BTreeSet<UserIx> {
    let mut senders: BTreeMap<UserIx, (BTreeSet<UserIx>, usize)> = BTreeMap::new();
    for draft in crossed {
        if let (Some(sender), Some(owner)) = (draft.finding.sender, draft.finding.found_under) {
            let entry = senders.entry(owner).or_default();
            entry.0.insert(sender);
            entry.1 += 1;
        }
    }
    senders
        .into_iter()
        .filter(|(_, (senders, findings))| {
            senders.len() >= LATCH_SENDERS_MIN && findings * 2 > crossed.len()
        })
        .map(|(owner, _)| owner)
        .collect()
}

/// Pairs of users whose overlapping operations are each under the other one.
fn swapped(crossed: &[&Draft]) -> BTreeSet<(UserIx, UserIx)> {
    let mut spans: BTreeMap<(UserIx, UserIx), Vec<(Micros, Micros)>> = BTreeMap::new();
    for draft in crossed {
        let pair = draft.finding.sender.zip(draft.finding.found_under);
        if let (Some(pair), Some(span)) = (pair, draft.span) {
            spans.entry(pair).or_default().push(span);
        }
    }
    let overlap = |a: &(Micros, Micros), b: &(Micros, Micros)| a.0 <= b.1 && b.0 <= a.1;
    spans
        .iter()
        .filter(|((sender, owner), mine)| {
            let theirs = spans.get(&(*owner, *sender));
            theirs.is_some_and(|theirs| mine.iter().any(|a| theirs.iter().any(|b| overlap(a, b))))
        })
        .map(|(pair, _)| *pair)
        .collect()
}

/// What the other user did around an operation.
struct Beside {
    /// The other user's operation nearest to its beginning.
    op: Option<OpId>,
    /// Was the other user's request the next or the previous one, seen from the operation's
    /// beginning or from its end?
    next_or_previous: bool,
}

impl Beside {
    fn new(
        sender: UserIx,
        owner: UserIx,
        (invoked, ended): (Micros, Micros),
        neighbours: &mut dyn FnMut(Micros) -> Vec<Neighbour>,
    ) -> Self {
        let mut next_or_previous = false;
        let mut nearest: Option<(u64, OpId)> = None;
        for at in [invoked, ended] {
            let mut others = neighbours(at);
            others.retain(|other| other.user != sender);
            let before = others.iter().rev().find(|other| other.invoked <= at);
            let after = others.iter().find(|other| other.invoked > at);
            next_or_previous |= [before, after]
                .into_iter()
                .flatten()
                .any(|other| other.user == owner);
            let of_owner = others.iter().filter(|other| other.user == owner);
            let distances = of_owner.map(|other| (other.invoked.0.abs_diff(invoked.0), other.op));
            nearest = nearest.into_iter().chain(distances).min();
        }
        Self {
            op: nearest.map(|(_, op)| op),
            next_or_previous,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{History, SESSIONS_EACH, owner};
    use super::super::{Control, combine, judge_users};
    use super::*;
    use crate::model::Finding;

    /// Judges with the history's own operations as neighbours.
    fn findings(history: &History) -> Vec<Finding> {
        let context = history.context();
        let users = 0..history.users;
        let bucket = judge_users(&context, users, &history.ops, &history.sightings);
        let mut all: Vec<Neighbour> = history
            .ops
            .iter()
            .map(|op| Neighbour {
                op: op.invocation.op,
                user: op.invocation.user,
                invoked: op.invocation.invoked,
            })
            .collect();
        all.sort_by_key(|neighbour| (neighbour.invoked, neighbour.op));
        let mut near = |at: Micros| {
            let after = all.partition_point(|neighbour| neighbour.invoked <= at);
            let from = after.saturating_sub(NEIGHBOURS_EACH_SIDE);
            let to = all.len().min(after + NEIGHBOURS_EACH_SIDE);
            all[from..to].to_vec()
        };
        combine([bucket], Control::default(), &mut near).findings
    }

    fn patterns(history: &History) -> Vec<Option<Pattern>> {
        let findings = findings(history);
        findings.iter().map(|finding| finding.pattern).collect()
    }

    /// Puts the chat session of each user under another one.
    fn under(owners: &[(u32, u32)]) -> History {
        let mut history = History::new(8, 1);
        for (user, stored_under) in owners {
            history.own_session(user * SESSIONS_EACH, Some(&owner(*stored_under)));
        }
        history
    }

    #[test]
    fn the_next_users_request_looks_like_late_binding() {
        let history = under(&[(1, 2), (4, 5)]);
        assert_eq!(patterns(&history), [Some(Pattern::LateBinding); 2]);
        // The other user's operation is part of the story.
        let story = &findings(&history)[0].ops;
        assert_eq!(story.len(), 2);
        assert_eq!(story[1].session.0 / SESSIONS_EACH, 2);
    }

    #[test]
    fn one_owner_for_many_looks_latched() {
        let history = under(&[(1, 7), (3, 7), (5, 7)]);
        assert_eq!(patterns(&history), [Some(Pattern::Latch); 3]);
    }

    #[test]
    fn exchanged_users_look_swapped_and_others_like_nothing() {
        assert_eq!(
            patterns(&under(&[(1, 6), (6, 1)])),
            [Some(Pattern::Swap); 2]
        );
        assert_eq!(patterns(&under(&[(0, 4), (2, 6)])), [None; 2]);
    }
}
