//! What the findings' place in time tells: hints about the cause, which are marked as hints and from
//! which nothing follows, and the other user's operation.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::limits::CAPSULES_PER_CODE_MAX;
use crate::model::{Code, Hint, Micros, OpId, UserIx};

use super::draft::Draft;

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

/// What else the run did, of which a bucket knows nothing.
pub trait Surroundings {
    /// The operations that began next to a time: up to [`NEIGHBOURS_EACH_SIDE`] last at or before
    /// it, and as many first after it, in the order of their beginning.
    fn around(&mut self, time: Micros) -> Vec<Neighbour>;

    /// The operation of a user that began nearest to a time.
    fn nearest_of(&mut self, user: UserIx, time: Micros) -> Option<OpId>;
}

/// Puts hints on records that are under another synthetic user.
pub(crate) fn hint(drafts: &mut [Draft], surroundings: &mut dyn Surroundings) {
    let crossed: Vec<&Draft> = drafts.iter().filter(|draft| is_crossed(draft)).collect();
    let latched = latched_owners(&crossed);
    let swaps = swapped(&crossed);
    // Late binding makes pairs by accident, so few of them are no sign.
    let mostly_swaps = swaps.len() * 2 > crossed.len();
    let mut late = Late::default();
    let mut looked_at = 0;
    let crossed = drafts.iter_mut().filter(|draft| is_crossed(draft));
    for draft in crossed {
        let (Some(sender), Some(owner)) = (draft.finding.sender, draft.finding.found_under) else {
            continue;
        };
        if let Some((since, senders)) = latched.get(&owner) {
            draft.finding.hint = Some(Hint::Latch {
                owner,
                since: *since,
                senders: *senders,
            });
        } else if let Some(op) = swaps.get(&(sender, owner)).filter(|_| mostly_swaps) {
            draft.finding.hint = Some(Hint::Swap {
                op: *op,
                record_id: None,
            });
        }
        let unexplained = draft.finding.hint.is_none();
        if let Some((_, ended)) = draft.span.filter(|_| looked_at < CAPSULES_PER_CODE_MAX) {
            looked_at += 1;
            if unexplained {
                // Background tasks read what they need after the answer, so its time counts.
                let beside = surroundings.around(ended);
                late.note(sender, owner, &beside);
            }
        }
    }
    // One cause is enough: what is left over beside it is most likely chance.
    if latched.is_empty() && !mostly_swaps && late.is_more_than_chance() {
        for draft in drafts.iter_mut().filter(|draft| is_crossed(draft)) {
            let (finding, span) = (&mut draft.finding, draft.span);
            let pair = finding.sender.zip(finding.found_under);
            let next = pair.and_then(|pair| late.hits.get(&pair));
            if let (None, Some(next), Some((invoked, _))) = (&finding.hint, next, span) {
                let micros = |time: Micros| i64::try_from(time.0).unwrap_or(i64::MAX);
                finding.hint = Some(Hint::LateBinding {
                    op: next.op,
                    apart_us: micros(next.invoked) - micros(invoked),
                });
            }
        }
    }
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
                draft.other = surroundings.nearest_of(other, invoked);
            }
        }
    }
}

/// Whether owners are found among the requests next to the answer more often than by chance.
#[derive(Debug, Default)]
struct Late {
    /// Sender and owner, where the owner's request was next to the answer.
    hits: BTreeMap<(UserIx, UserIx), Neighbour>,
    hit_count: usize,
    looked_at: usize,
    /// Other users next to an answer, summed up.
    beside: usize,
    /// All users that were next to any answer.
    users: BTreeSet<UserIx>,
}

impl Late {
    fn note(&mut self, sender: UserIx, owner: UserIx, beside: &[Neighbour]) {
        let users: BTreeSet<UserIx> = beside.iter().map(|other| other.user).collect();
        self.looked_at += 1;
        self.beside += users.iter().filter(|user| **user != sender).count();
        self.users.extend(users);
        if let Some(next) = beside.iter().rfind(|other| other.user == owner) {
            self.hit_count += 1;
            self.hits.insert((sender, owner), *next);
        }
    }

    /// At least a third, and twice as many as if owners were drawn from all users.
    fn is_more_than_chance(&self) -> bool {
        let others = self.users.len().saturating_sub(1);
        self.hit_count > 0
            && self.hit_count * 3 >= self.looked_at
            && self.hit_count * others >= 2 * self.beside
    }
}

fn is_crossed(draft: &Draft) -> bool {
    draft.finding.code == Code::WrongOwner
}

/// Owners under which three or more senders are, when they are most of all that is wrong, with the
/// first time and the number of senders.
fn latched_owners(crossed: &[&Draft]) -> BTreeMap<UserIx, (Micros, u32)> {
    let mut senders: BTreeMap<UserIx, (BTreeSet<UserIx>, usize, Micros)> = BTreeMap::new();
    for draft in crossed {
        if let (Some(sender), Some(owner)) = (draft.finding.sender, draft.finding.found_under) {
            let begun = draft.span.map_or(Micros(u64::MAX), |span| span.0);
            let (who, findings, since) =
                senders
                    .entry(owner)
                    .or_insert((BTreeSet::new(), 0, Micros(u64::MAX)));
            who.insert(sender);
            *findings += 1;
            *since = begun.min(*since);
        }
    }
    senders
        .into_iter()
        .filter(|(_, (senders, findings, _))| {
            senders.len() >= LATCH_SENDERS_MIN && findings * 2 > crossed.len()
        })
        .map(|(owner, (senders, _, since))| {
            let senders = u32::try_from(senders.len()).unwrap_or(u32::MAX);
            (owner, (since, senders))
        })
        .collect()
}

/// Pairs of users whose overlapping operations are each under the other one, with the other's
/// operation.
fn swapped(crossed: &[&Draft]) -> BTreeMap<(UserIx, UserIx), OpId> {
    type Spans = Vec<((Micros, Micros), OpId)>;
    let mut spans: BTreeMap<(UserIx, UserIx), Spans> = BTreeMap::new();
    for draft in crossed {
        let pair = draft.finding.sender.zip(draft.finding.found_under);
        let op = draft.finding.ops.first().copied();
        if let (Some(pair), Some(span), Some(op)) = (pair, draft.span, op) {
            spans.entry(pair).or_default().push((span, op));
        }
    }
    let overlap = |a: &(Micros, Micros), b: &(Micros, Micros)| a.0 <= b.1 && b.0 <= a.1;
    spans
        .iter()
        .filter_map(|((sender, owner), mine)| {
            let theirs = spans.get(&(*owner, *sender))?;
            let other = theirs
                .iter()
                .find(|(b, _)| mine.iter().any(|(a, _)| overlap(a, b)))?;
            Some(((*sender, *owner), other.1))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::testing::{History, SESSIONS_EACH, owner};
    use super::*;
    use crate::model::{Finding, Pattern};

    fn patterns(history: &History) -> Vec<Option<Pattern>> {
        let findings = history.findings();
        findings.iter().map(Finding::pattern).collect()
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
    fn owners_next_to_the_answer_look_like_late_binding() {
        // A hundred users, one request a second each 10 ms apart, answered after half a second.
        let mut history = History::new(100, 1);
        for op in &mut history.ops {
            let user = u64::from(op.invocation.user.0);
            op.invocation.invoked = Micros(user * 10_000);
            if let Some(end) = op.completion.as_mut() {
                end.completed = Micros(user * 10_000 + 500_000);
            }
        }
        for user in 0..20 {
            history.own_session(user * SESSIONS_EACH, Some(&owner(user + 51)));
        }
        assert_eq!(patterns(&history), [Some(Pattern::LateBinding); 20]);
        for user in 0..20 {
            history.own_session(user * SESSIONS_EACH, Some(&owner((user * 37 + 7) % 100)));
        }
        assert_eq!(patterns(&history), [None; 20]);
    }

    #[test]
    fn the_other_users_operation_is_second_in_the_story() {
        // Both turns of the sender's session are affected, and either user has only two.
        let mut history = History::new(8, 2);
        history.own_session(SESSIONS_EACH, Some(&owner(4)));
        let findings = history.findings();
        let users: Vec<u32> = findings[0]
            .ops
            .iter()
            .map(|op| op.session.0 / SESSIONS_EACH)
            .collect();
        assert_eq!(users, [1, 4, 1]);
    }

    #[test]
    fn among_few_users_anybody_is_next_by_chance() {
        assert_eq!(patterns(&under(&[(1, 2), (4, 5)])), [None; 2]);
    }

    #[test]
    fn one_owner_for_many_looks_latched() {
        let history = under(&[(1, 7), (3, 7), (5, 7)]);
        assert_eq!(patterns(&history), [Some(Pattern::Latch); 3]);
    }

    #[test]
    fn exchanged_users_look_swapped() {
        let swapped = under(&[(1, 6), (6, 1)]);
        assert_eq!(patterns(&swapped), [Some(Pattern::Swap); 2]);
    }
}
