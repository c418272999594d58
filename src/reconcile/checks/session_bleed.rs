//! `session-bleed`: the right user, the wrong session.

use std::collections::BTreeMap;

use crate::model::{CanaryId, Code, Proof, RecordType, Role};

use super::super::draft::{Group, Groups, proof};
use super::super::evidence::Evidence;
use super::super::owner::Owner;
use super::super::reading::Record;
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
    (judged && record.sent_here == Some(false)).then_some((canary, session))
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

#[cfg(test)]
mod tests {
    use super::super::super::testing::{History, check, owner, session_name};
    use crate::model::{Role, Trait};

    #[test]
    fn a_turn_in_another_session_of_its_user_bleeds() {
        let to = session_name(2);
        check(
            |history| {
                for id in ["m0.1u", "m0.1a"] {
                    history.record(id).session = Some(to.clone());
                }
            },
            &["session-bleed: m0.1u m0.1a"],
        );
        // An agent may quote.
        check(
            |history| history.record("m0.1a").session = Some(to.clone()),
            &[],
        );
        check(
            |history| {
                history.record("m0.1u").session = Some(to.clone());
                history.record("m0.1u").role = Role::Other;
            },
            &["session-bleed?: m0.1u"],
        );
    }

    #[test]
    fn sessions_named_by_the_server_are_known_by_its_answers() {
        let server_names = |history: &mut History| {
            for seq in 0..2 {
                history.end(0, seq).server_session = Some("9f3c".to_owned());
                let op = history.op(0, seq);
                op.invocation.traits = op.invocation.traits.with(Trait::ServerIds);
            }
            let name = session_name(0);
            for sighting in &mut history.sightings {
                if sighting.record_id == name {
                    sighting.record_id = "9f3c".to_owned();
                }
                if sighting.session.as_deref() == Some(&name) {
                    sighting.session = Some("9f3c".to_owned());
                }
            }
        };
        check(server_names, &[]);
        check(
            |history| {
                server_names(history);
                history.record("9f3c").owner = Some(owner(1));
                for id in ["m0.0u", "m0.0a", "m0.1u", "m0.1a"] {
                    history.record(id).owner = Some(owner(1));
                }
            },
            &["wrong-owner: 9f3c m0.0u m0.0a m0.1u m0.1a"],
        );
        // A turn without an answer may be in a session that we never heard of.
        check(
            |history| {
                server_names(history);
                history.op(0, 0).completion = None;
                history.record("m0.0u").session = Some("77aa".to_owned());
            },
            &[],
        );
        check(
            |history| {
                server_names(history);
                history.record("m0.1u").session = Some("77aa".to_owned());
            },
            &["session-bleed: m0.1u"],
        );
        // Of what is sent twice, each request may get a session of its own.
        check(
            |history| {
                server_names(history);
                let op = history.op(0, 1);
                op.invocation.traits = op.invocation.traits.with(Trait::DoubleSubmits);
                history.record("m0.1u").session = Some("77aa".to_owned());
            },
            &[],
        );
    }
}
