//! `response-bleed`: an answer that holds another user's canary.

use std::collections::BTreeSet;

use crate::model::{CanaryId, Code, OpId, RecordType, RunId, UserIx};

use super::super::draft::Group;
use super::super::evidence::Evidence;
use super::super::owner::Owner;
use super::super::reading::Record;
use super::super::{Draft, wording};
use super::Check;

#[derive(Debug)]
pub(crate) struct ResponseBleed;

impl Check for ResponseBleed {
    fn code(&self) -> Code {
        Code::ResponseBleed
    }

    fn definition(&self) -> &'static str {
        "An answer to one synthetic user holds the canary of another one."
    }

    fn explanation(&self) -> &'static str {
        "One person has been shown what another one wrote. The usual causes are answers that \
         are delivered to the wrong connection, a cache that is keyed without the user, and a \
         search through everybody's memories; the last happens without any load too. The \
         answer's own bytes are the proof. That the answer lacks the asking user's canary \
         proves nothing and is not looked at."
    }

    fn check(&self, evidence: &Evidence<'_>) -> Vec<Draft> {
        let mut seen = BTreeSet::new();
        evidence
            .records
            .iter()
            .filter(|record| record.sighting.record_type == RecordType::Answer)
            .filter_map(|record| {
                let asker = asker(evidence, record)?;
                let mut canaries = record.canaries.iter().copied();
                let foreign = canaries.find(|canary| canary.user != asker)?;
                let id = record.sighting.record_id.as_str();
                let ours = evidence.has(foreign.user) && seen.insert((id, foreign));
                ours.then(|| draft(evidence, record, asker, foreign))
            })
            .collect()
    }
}

/// The user whom the answer was given to.
fn asker(evidence: &Evidence<'_>, record: &Record<'_>) -> Option<UserIx> {
    if let Owner::User(asker) = record.owner {
        return Some(asker);
    }
    let (run, asker, _) = RunId::parse_session_name(record.sighting.session.as_deref()?)?;
    (run == evidence.context.run).then_some(asker)
}

fn draft(evidence: &Evidence<'_>, record: &Record<'_>, asker: UserIx, foreign: CanaryId) -> Draft {
    let group = Group {
        members: vec![(record, Some(foreign))],
    };
    let affected = group.affected(evidence, Code::ResponseBleed);
    let (sender, reader) = (wording::user(foreign.user), wording::user(asker));
    let mut draft = Draft::new(
        evidence,
        Code::ResponseBleed,
        group.proof(),
        foreign.user,
        affected,
    )
    .saying(
        format!(
            "{sender}'s text was shown to {reader}, in an {}",
            wording::record(record)
        ),
        format!("the bytes of an answer to {reader} hold an exact canary that only {sender} sent"),
    );
    draft.finding.found_under = Some(asker);
    draft.other = asked_by(evidence, record, asker);
    // Beside the right answer it is a quotation, not another answer in its place.
    draft.explained |= record.users().any(|user| user == asker);
    draft
}

/// The operation that was answered, if the session's name says which: an answer's position is
/// that of its operation.
fn asked_by(evidence: &Evidence<'_>, record: &Record<'_>, asker: UserIx) -> Option<OpId> {
    let sighting = record.sighting;
    let (run, user, session) = RunId::parse_session_name(sighting.session.as_deref()?)?;
    let seq = u16::try_from(sighting.position).ok()?;
    (run == evidence.context.run && user == asker).then_some(OpId { session, seq })
}
