//! What `torn` and `altered` have in common: a user's own words, compared with those that were
//! sent.

use crate::model::{Code, Likeness, RecordType, Role};

use super::draft::{Draft, Group};
use super::evidence::Evidence;
use super::owner::Owner;
use super::wording;

/// The words of a claim for one text.
#[derive(Debug)]
pub(crate) struct Sent {
    /// Who sent it.
    pub user: String,
    /// What is stored.
    pub record: String,
}

/// Finds the messages whose likeness `tells` of something; one root each. A wrong owner weighs
/// more than a wrong text, and is told of instead.
pub(crate) fn drafts(
    evidence: &Evidence<'_>,
    code: Code,
    tells: fn(Likeness, &Sent) -> Option<(String, String)>,
) -> Vec<Draft> {
    let of_users = evidence.records.iter().filter(|record| {
        let sighting = record.sighting;
        let users_own = sighting.record_type == RecordType::Message && sighting.role == Role::User;
        users_own && record.newest
    });
    of_users
        .filter_map(|record| {
            let [canary] = record.canaries[..] else {
                return None;
            };
            if !evidence.has(canary.user) || record.owner != Owner::User(canary.user) {
                return None;
            }
            // Nearly all are the same; nothing is worded for them.
            match record.sighting.likeness {
                Likeness::Same | Likeness::Unjudged => return None,
                Likeness::Torn { .. } | Likeness::Altered => {}
            }
            let sent = Sent {
                user: wording::user(canary.user),
                record: wording::record(record),
            };
            let (claim, because) = tells(record.sighting.likeness, &sent)?;
            let group = Group {
                members: vec![(record, Some(canary))],
            };
            let affected = group.affected(evidence, code);
            let draft = Draft::new(evidence, code, group.proof(), canary.user, affected);
            Some(draft.saying(claim, because))
        })
        .collect()
}
