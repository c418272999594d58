//! `split-identity`: one session under two or more owners.

use std::collections::BTreeMap;

use crate::model::{Code, RecordType, UserIx};

use super::super::draft::{Draft, Group, Groups};
use super::super::evidence::Evidence;
use super::super::identity::{self, Part};
use super::super::owner::Owner;
use super::super::wording;
use super::Check;

#[derive(Debug)]
pub(crate) struct SplitIdentity;

impl Check for SplitIdentity {
    fn code(&self) -> Code {
        Code::SplitIdentity
    }

    fn definition(&self) -> &'static str {
        "What one user sent in one session is stored there under two or more owners."
    }

    fn explanation(&self) -> &'static str {
        "One conversation is torn apart: part of it belongs to somebody else, who can read it, \
         and its own user lacks it. The usual cause is an identity that is looked up anew for \
         every write, in some tasks from the request and in others from shared state. It is \
         proved by canaries of one session in one place of the store whose owners differ; the \
         session's id counts as the same where the store lists it a second time with an ending \
         after `~`. A session that is under one wrong owner as a whole is not split."
    }

    fn check(&self, evidence: &Evidence<'_>) -> Vec<Draft> {
        if evidence.splits().is_empty() {
            return Vec::new();
        }
        let mut roots: Groups<'_, '_, Part<'_>> = BTreeMap::new();
        for record in &evidence.records {
            for (part, canary) in parts(evidence, record) {
                if evidence.splits().contains(&part) && is_astray(record.owner, part.0) {
                    let group = roots.entry(part).or_default();
                    group.members.push((record, canary));
                }
            }
        }
        roots
            .into_iter()
            .filter(|((sender, ..), _)| evidence.has(*sender))
            .map(|(part, group)| draft(evidence, part, group))
            .collect()
    }
}

/// Whose part of which session a record is: a message by its canary, a session by its name.
fn parts<'a>(
    evidence: &Evidence<'_>,
    record: &super::super::reading::Record<'a>,
) -> Vec<(Part<'a>, Option<crate::model::CanaryId>)> {
    match record.sighting.record_type {
        RecordType::Session if record.newest => {
            let id = record.sighting.record_id.as_str();
            let senders = evidence.senders_of_session(id).into_iter();
            let parts = senders.map(|(user, session)| ((user, session, id), None));
            parts.collect()
        }
        RecordType::Message => record
            .canaries
            .first()
            .and_then(|canary| {
                let part = identity::part(evidence, record, *canary)?;
                Some((part, Some(*canary)))
            })
            .into_iter()
            .collect(),
        RecordType::Session | RecordType::Fact | RecordType::Answer | RecordType::Log => Vec::new(),
    }
}

/// Is this owner another one than the sender, and one that this anomaly speaks of?
fn is_astray(owner: Owner<'_>, sender: UserIx) -> bool {
    match owner {
        Owner::User(owner) => owner != sender,
        Owner::Placeholder(_) => true,
        Owner::Nobody | Owner::Foreign(_) => false,
    }
}

fn draft(evidence: &Evidence<'_>, (sender, _, place): Part<'_>, mut group: Group<'_, '_>) -> Draft {
    group.sort();
    let whose = wording::user(sender);
    let affected = group.affected(evidence, Code::SplitIdentity);
    let root = group.root().map(|(record, _)| record.owner);
    let under = root.map_or_else(String::new, wording::under);
    let count = wording::counted(wording::len(&affected), "record is", "records are");
    let proof = group.proof();
    let mut draft = Draft::new(evidence, Code::SplitIdentity, proof, sender, affected).saying(
        format!(
            "{whose}'s session {} is split over owners: part of it is stored {under}",
            wording::plain(place)
        ),
        format!(
            "the canaries prove that {whose} sent all of it in one session, yet {count} not \
             under the owner of the rest"
        ),
    );
    if let Some(Owner::User(owner)) = root {
        draft.finding.found_under = Some(owner);
    }
    draft
}

#[cfg(test)]
mod tests {
    use super::super::super::testing::{History, check, owner, session_name, spoilt, told};
    use crate::model::{RecordType, UserIx};

    /// A second listing of a session for another owner, with the records of one turn.
    fn split(history: &mut History, ids: &[&str], to: &str) {
        let name = format!("{}~2", session_name(0));
        let mut listing = history.record(&session_name(0)).clone();
        listing.record_id.clone_from(&name);
        listing.session = Some(name.clone());
        listing.owner = Some(to.to_owned());
        history.sightings.push(listing);
        for id in ids {
            history.record(id).session = Some(name.clone());
            history.record(id).owner = Some(to.to_owned());
        }
    }

    #[test]
    fn a_session_listed_twice_for_two_owners_is_split() {
        let history = spoilt(|history| split(history, &["m0.1u", "m0.1a"], &owner(2)));
        let findings = history.findings();
        assert_eq!(told(&findings), ["split-identity: m0.1u m0.1a"]);
        assert_eq!(
            (findings[0].sender, findings[0].found_under),
            (Some(UserIx(0)), Some(UserIx(2)))
        );
        for width in 1..3 {
            let judged = history.judge_sharded(&history.context(), width);
            assert_eq!(judged.findings, findings);
        }
        // A stand-in splits as well.
        check(
            |history| split(history, &["m0.1u", "m0.1a"], "poc-user"),
            &["split-identity: m0.1u m0.1a"],
        );
    }

    #[test]
    fn owners_of_single_messages_split_a_session_too() {
        check(
            |history| {
                history.record("m0.0u").owner = Some(owner(1));
                history.record("m0.1u").owner = Some(owner(2));
                history.record("m0.1a").owner = None;
            },
            &["split-identity: m0.0u m0.1u", "missing-owner: m0.1a"],
        );
    }

    #[test]
    fn a_whole_session_under_one_owner_is_not_split() {
        let name = session_name(0);
        check(
            |history| history.own_session(0, Some(&owner(1))),
            &[&format!("wrong-owner: {name} m0.0u m0.0a m0.1u m0.1a")],
        );
        // Neither is one that was read once under another owner.
        check(
            |history| {
                history.record("m0.1u").owner = Some(owner(1));
                history.record("m0.1u").reads = 1;
            },
            &["wrong-owner?: m0.1u"],
        );
        // Nor one of which a turn went into another user's session.
        check(
            |history| {
                history.record("m0.1u").owner = Some(owner(1));
                history.record("m0.1u").session = Some(session_name(3));
            },
            &["wrong-owner: m0.1u"],
        );
    }

    #[test]
    fn its_outcome_does_not_matter() {
        check(
            |history| {
                split(history, &["m0.1u", "m0.1a"], &owner(2));
                history.op(0, 1).completion = None;
                history
                    .sightings
                    .retain(|s| s.record_type != RecordType::Session);
            },
            &["split-identity: m0.1u m0.1a"],
        );
    }
}
