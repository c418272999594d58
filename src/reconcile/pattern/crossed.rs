//! Records under another synthetic user: one owner that stuck, pairs that were exchanged, or the
//! user of a neighbouring request.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::limits::CAPSULES_PER_CODE_MAX;
use crate::model::{Code, Hint, Micros, OpId, RecordType, UserIx};

use super::super::draft::Draft;
use super::chance::{at_least, real};
use super::{Surroundings, late};

/// Senders under one wrong owner from which on it looks like one identity that stuck.
const LATCH_SENDERS_MIN: usize = 3;
/// How likely chance may make a latch or a swap that is named.
const CHANCE_MAX: f64 = 1e-3;
/// Late binding makes so large a share of pairs by accident among few users, and less the more
/// there are: 18 % among 2, 8 % among 20, 1.6 % among 100 (simulated).
const PAIRS_BY_ACCIDENT_MAX: f64 = 0.25;
/// Over the number of users, the share of pairs that late binding makes by accident.
const PAIRS_BY_ACCIDENT: f64 = 2.0;
/// Background tasks go on after the answer, so that operations this far apart may still meet.
const TASKS_OUTLIVE: Micros = Micros(50_000);

/// One finding whose place in time may tell something.
#[derive(Debug, Clone)]
pub(super) struct Crossed {
    /// Its place among the findings.
    pub place: usize,
    pub sender: UserIx,
    pub owner: UserIx,
    pub op: OpId,
    pub invoked: Micros,
    pub ended: Micros,
    record_id: Option<String>,
    session: Option<String>,
}

/// Puts hints on records that are under another synthetic user.
pub(super) fn hint(drafts: &mut [Draft], surroundings: &mut dyn Surroundings) {
    let wrong = |draft: &&Draft| draft.finding.code == Code::WrongOwner;
    let all = drafts.iter().filter(wrong).count();
    let mut crossed = crossed(drafts);
    drop_shared_sessions(&mut crossed, surroundings);
    // Where something else explains most of what is wrong, the rest is its side effect.
    if crossed.len() * 2 <= all {
        return;
    }
    let users = surroundings.users();
    let latched = latched(&crossed, users);
    if !latched.is_empty() {
        for one in &crossed {
            if let (Some(hint), Some(draft)) = (latched.get(&one.owner), drafts.get_mut(one.place))
            {
                draft.finding.hint = Some(hint.clone());
            }
        }
        return;
    }
    let pairs = pairs(&crossed);
    // Either half of a pair follows from the other.
    let (exchanged, halves) = (pairs.len() / 2, crossed.len().div_ceil(2));
    let accident = (PAIRS_BY_ACCIDENT / f64::from(users.max(1))).min(PAIRS_BY_ACCIDENT_MAX);
    if exchanged * 2 > halves && at_least(exchanged, halves, accident) <= CHANCE_MAX {
        for (one, other) in pairs {
            let (Some(one), Some(other)) = (crossed.get(one), crossed.get(other)) else {
                continue;
            };
            if let Some(draft) = drafts.get_mut(one.place) {
                draft.finding.hint = Some(Hint::Swap {
                    op: other.op,
                    record_id: other.record_id.clone(),
                });
            }
        }
        return;
    }
    for (place, hint) in late::hints(drafts, &crossed, surroundings) {
        if let Some(draft) = drafts.get_mut(place) {
            draft.finding.hint = Some(hint);
        }
    }
}

fn crossed(drafts: &[Draft]) -> Vec<Crossed> {
    let eligible =
        |(_, draft): &(usize, &Draft)| draft.finding.code == Code::WrongOwner && !draft.explained;
    let drafts = drafts.iter().enumerate().filter(eligible);
    drafts
        .filter_map(|(place, draft)| {
            let finding = &draft.finding;
            let root = finding.affected.first()?;
            let (invoked, ended) = draft.span?;
            let session = match root.record_type {
                RecordType::Session => root.record_id.clone(),
                RecordType::Message | RecordType::Fact | RecordType::Answer | RecordType::Log => {
                    root.session.clone()
                }
            };
            Some(Crossed {
                place,
                sender: finding.sender?,
                owner: finding.found_under?,
                op: *finding.ops.first()?,
                invoked,
                ended,
                record_id: root.record_id.clone(),
                session,
            })
        })
        .collect()
}

/// A session id that the server gave to both users needs no race between their tasks: whoever came
/// first owns it. As many are looked up as are shown.
fn drop_shared_sessions(crossed: &mut Vec<Crossed>, surroundings: &mut dyn Surroundings) {
    let looked_at = crossed.len().min(CAPSULES_PER_CODE_MAX);
    let mut shared = BTreeSet::new();
    for one in crossed.iter().take(looked_at) {
        if let Some(session) = &one.session {
            let users = surroundings.users_of_session(session);
            if users.contains(&one.owner) && users.contains(&one.sender) {
                shared.insert(one.place);
            }
        }
    }
    if shared.len() * 2 > looked_at {
        crossed.clear();
    } else {
        crossed.retain(|one| !shared.contains(&one.place));
    }
}

/// Owners under which more is than chance would put there, of three or more users, if they are
/// most of all that is wrong.
fn latched(crossed: &[Crossed], users: u32) -> BTreeMap<UserIx, Hint> {
    let mut by_owner: BTreeMap<UserIx, Vec<&Crossed>> = BTreeMap::new();
    for one in crossed {
        by_owner.entry(one.owner).or_default().push(one);
    }
    let others = f64::from(users.saturating_sub(1).max(1));
    by_owner.retain(|_, under| {
        let senders: BTreeSet<UserIx> = under.iter().map(|one| one.sender).collect();
        let by_chance = at_least(under.len(), crossed.len(), 1.0 / others) * f64::from(users);
        senders.len() >= LATCH_SENDERS_MIN && by_chance <= CHANCE_MAX
    });
    let explained: usize = by_owner.values().map(Vec::len).sum();
    if explained * 2 <= crossed.len() {
        return BTreeMap::new();
    }
    let hints = by_owner.into_iter().filter_map(|(owner, under)| {
        let senders: BTreeSet<UserIx> = under.iter().map(|one| one.sender).collect();
        let hint = Hint::Latch {
            owner,
            since: under.iter().map(|one| one.invoked).min()?,
            senders: u32::try_from(senders.len()).unwrap_or(u32::MAX),
        };
        Some((owner, hint))
    });
    hints.collect()
}

/// Each that has a counterpart, with it: the owner's own operation, at work at the same time,
/// under the sender. Nothing is in two pairs.
fn pairs(crossed: &[Crossed]) -> BTreeMap<usize, usize> {
    let mut of_pair: BTreeMap<(UserIx, UserIx), Vec<usize>> = BTreeMap::new();
    for (ix, one) in crossed.iter().enumerate() {
        of_pair.entry((one.sender, one.owner)).or_default().push(ix);
    }
    let mut pairs = BTreeMap::new();
    for (ix, one) in crossed.iter().enumerate() {
        if pairs.contains_key(&ix) {
            continue;
        }
        let theirs = of_pair.get(&(one.owner, one.sender)).into_iter().flatten();
        let met = theirs
            .filter(|other| !pairs.contains_key(*other))
            .filter_map(|other| Some((*other, crossed.get(*other)?)))
            .filter(|(_, other)| may_meet(one, other))
            .min_by_key(|(_, other)| one.invoked.0.abs_diff(other.invoked.0));
        if let Some((other, _)) = met {
            pairs.insert(ix, other);
            pairs.insert(other, ix);
        }
    }
    pairs
}

fn may_meet(one: &Crossed, other: &Crossed) -> bool {
    let until = |end: Micros| Micros(end.0.saturating_add(TASKS_OUTLIVE.0));
    one.invoked <= until(other.ended) && other.invoked <= until(one.ended)
}

/// The share of `part` in `whole`; 0 of nothing.
pub(super) fn share(part: usize, whole: usize) -> f64 {
    if whole == 0 {
        0.0
    } else {
        real(part) / real(whole)
    }
}
