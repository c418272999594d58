//! `session-bleed`: the right user, the wrong session.

use std::collections::BTreeMap;

use crate::model::{CanaryId, Code, Proof, RecordType, Role};

use super::super::draft::{Group, Groups, proof};
use super::super::evidence::{Evidence, Record};
use super::super::owner::Owner;
use super::super::{Draft, wording};
use super::Check;

#[derive(Debug)]
pub(crate) struct SessionBleed;

impl Check for SessionBleed {
    fn code(&self) -> Code {
        Code::SessionBleed
    }

    fn definition(&self) -> &'static str {
        "A turn is stored under the user who sent it, but in another session than it was sent in."
    }

    fn explanation(&self) -> &'static str {
        "The person meets words of one conversation in another one. The usual cause is a session \
         id that is read from shared state, or reset on the way. Only the user's own words prove \
         it: an agent may rightly quote in one session what it was told in another one. Facts \
         have no session and are not judged."
    }

    fn check(&self, evidence: &Evidence<'_>) -> Vec<Draft> {
        let mut strays: Groups<'_, '_, (CanaryId, &str)> = BTreeMap::new();
        for record in evidence.records.iter().filter(|record| record.newest) {
            if let Some((canary, session)) = stray(evidence, record) {
                let group = strays.entry((canary, session)).or_default();
                group.members.push((record, Some(canary)));
            }
        }
        strays
            .into_iter()
            .filter_map(|((canary, _), group)| draft(evidence, canary, group))
            .collect()
    }
}

/// The canary and the session of a message that is not where it was sent.
fn stray<'e>(evidence: &Evidence<'_>, record: &Record<'e>) -> Option<(CanaryId, &'e str)> {
    let sighting = record.sighting;
    let session = sighting.session.as_deref()?;
    let canary = *record.canaries.first()?;
    let judged = sighting.record_type == RecordType::Message
        && evidence.has(canary.user)
        && record.owner == Owner::User(canary.user)
        && record.users().all(|user| user == canary.user)
        // A text that holds canaries of more than one of the user's turns is a quotation.
        && record.canaries.len() == 1;
    (judged && evidence.sent_in(canary, session) == Some(false)).then_some((canary, session))
}

/// The user's words prove it, and explain the answer beside them. Words without a role may be a
/// quotation; an answer alone most likely is one, and nothing is said of it.
fn draft(evidence: &Evidence<'_>, canary: CanaryId, mut group: Group<'_, '_>) -> Option<Draft> {
    let has = |role| {
        let mut records = group.members.iter();
        records.any(|(record, _)| record.sighting.role == role)
    };
    let proof = match (has(Role::User), has(Role::Other)) {
        (true, _) => group.proof(),
        (false, true) => proof(false),
        (false, false) => return None,
    };
    // The user's own words are the root.
    group.sort();
    group
        .members
        .sort_by_key(|(record, _)| record.sighting.role != Role::User);
    let (root, _) = group.root()?;
    let affected = group.affected(evidence, Code::SessionBleed);
    let user = wording::user(canary.user);
    let sent_in = evidence
        .context
        .run
        .session_name(canary.user, canary.session);
    let mut draft = Draft::new(evidence, Code::SessionBleed, proof, canary.user, affected).saying(
        format!(
            "{user}'s turn is stored in a session it was not sent in: {}",
            wording::record(root)
        ),
        match proof {
            Proof::Proved => format!("the canary in it was sent in session {sent_in}"),
            Proof::Suggested => format!(
                "the canary in it was sent in session {sent_in}, but the store does not say who \
                 spoke, so it may be a quotation"
            ),
        },
    );
    draft.finding.found_under = Some(canary.user);
    Some(draft)
}
