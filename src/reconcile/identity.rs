//! Which of the anomalies of identity a record is: a session that is split over owners, or one
//! that went on under its founder, explains a wrong owner better than the owner alone does.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::{CanaryId, Code, RecordType, SessionIx, Trait, UserIx};

use super::evidence::Evidence;
use super::owner::Owner;
use super::reading::Record;

/// What a store appends to a session's id where it lists the session a second time, for another
/// owner, begins with this.
const SECOND_LISTING: char = '~';

/// One user's part of one session in one place: the id that the store gives it, without the mark
/// of a second listing.
pub(crate) type Part<'a> = (UserIx, SessionIx, &'a str);

/// The parts that are stored under two or more owners.
pub(crate) type Splits<'a> = BTreeSet<Part<'a>>;

/// Finds all parts that are stored under two or more owners, by their messages' canaries. Whole
/// sessions under one wrong owner are not split, nor is a turn that went into another user's
/// session.
pub(crate) fn splits<'a>(evidence: &Evidence<'a>) -> Splits<'a> {
    let mut owners: BTreeMap<Part<'a>, BTreeSet<Owner<'a>>> = BTreeMap::new();
    let parts = || {
        let proved = evidence.records.iter().filter(|record| record.proved());
        proved.filter_map(|record| Some((record, *record.canaries.first()?)))
    };
    // Of two owners one is not the sender, and of most sessions there is none.
    for (record, canary) in parts().filter(|(record, canary)| is_astray(record, *canary)) {
        if let Some(part) = part(evidence, record, canary) {
            owners.entry(part).or_default().insert(record.owner);
        }
    }
    if owners.is_empty() {
        return Splits::new();
    }
    for (record, canary) in parts().filter(|(record, canary)| is_home(record, *canary)) {
        let part = part(evidence, record, canary);
        if let Some(owners) = part.and_then(|part| owners.get_mut(&part)) {
            owners.insert(record.owner);
        }
    }
    owners.retain(|_, owners| owners.len() > 1);
    owners.into_keys().collect()
}

/// Is it under the sender of the canary?
fn is_home(record: &Record<'_>, canary: CanaryId) -> bool {
    record.owner == Owner::User(canary.user)
}

/// Is it under another user or a stand-in?
fn is_astray(record: &Record<'_>, canary: CanaryId) -> bool {
    match record.owner {
        Owner::User(owner) => owner != canary.user,
        Owner::Placeholder(_) => true,
        Owner::Nobody | Owner::Foreign(_) => false,
    }
}

/// The part of a session that a message belongs to by a canary in it.
pub(crate) fn part<'a>(
    evidence: &Evidence<'_>,
    record: &Record<'a>,
    canary: CanaryId,
) -> Option<Part<'a>> {
    let sighting = record.sighting;
    let listed = sighting.session.as_deref()?;
    let place = listed
        .split_once(SECOND_LISTING)
        .map_or(listed, |(plain, _)| plain);
    let one_user = record.users().all(|user| user == canary.user);
    let judged = sighting.record_type == RecordType::Message && record.newest && one_user;
    let as_listed = place == listed && record.canaries.first() == Some(&canary);
    let sent_in = || {
        if as_listed {
            record.sent_here
        } else {
            evidence.sent_in(canary, place)
        }
    };
    let at_home = judged && sent_in() == Some(true);
    at_home.then_some((canary.user, canary.session, place))
}

/// What better explains that a message is not under its sender than its owner alone.
pub(crate) fn explained(
    evidence: &Evidence<'_>,
    record: &Record<'_>,
    canary: CanaryId,
) -> Option<Code> {
    let split = || {
        let part = part(evidence, record, canary)?;
        let stored = matches!(record.owner, Owner::User(_) | Owner::Placeholder(_));
        (stored && evidence.splits().contains(&part)).then_some(Code::SplitIdentity)
    };
    let stale = || is_stale(evidence, record, canary).then_some(Code::StaleIdentity);
    split().or_else(stale)
}

/// Did the session change hands before this was sent, and is it stored under the user before?
fn is_stale(evidence: &Evidence<'_>, record: &Record<'_>, canary: CanaryId) -> bool {
    let Some(sent) = evidence.op_of(canary).map(|op| &op.invocation) else {
        return false;
    };
    let changed = [Trait::HandOver, Trait::Relogin]
        .into_iter()
        .any(|change| sent.traits.has(change));
    let founder = sent.founder;
    changed && founder != canary.user && record.owner == Owner::User(founder)
}
