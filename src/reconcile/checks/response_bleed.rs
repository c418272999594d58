//! `response-bleed`: an answer that holds another user's canary.

use std::collections::BTreeSet;

use crate::model::{CanaryId, Code, OpId, RecordType, RunId, UserIx};

use super::super::draft::{Answer, Group};
use super::super::evidence::Evidence;
use super::super::owner::Owner;
use super::super::reading::Record;
use super::super::{Draft, bleed, wording};
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
         proves nothing and is not looked at. The finding's kind says how the text came there, as \
         far as the operations of both tell, and what that rests on. Transport: the answer to the \
         sender's operation, which the sender never had. Retrieval: looked up, for the sender had \
         the own answer, and this one quotes it beside the asking user's word, or held it before \
         it was an answer to the same words, or no answer ever holds it. Cached: shown to three or more \
         users who asked in the same words, and to none before its sender was answered so. \
         Streamed: on a socket beside the own answer. Untold: none of these. Retrieval over one \
         channel can be accepted, where a memory is meant to be shared; no other kind can."
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
    draft.answer = answer(record, asker).filter(|_| draft.other.is_none());
    // Beside the right answer it is a quotation, not another answer in its place.
    let beside_own = record.users().any(|user| user == asker);
    draft.explained |= beside_own;
    draft.trail = Some(bleed::trail(evidence, foreign, beside_own));
    draft
}

/// The operation that was answered, if the session's name says which: an answer's position is
/// that of its operation.
fn asked_by(evidence: &Evidence<'_>, record: &Record<'_>, asker: UserIx) -> Option<OpId> {
    let answer = answer(record, asker)?;
    let (run, user, session) = RunId::parse_session_name(&answer.session)?;
    let seq = answer.seq;
    (run == evidence.context.run && user == asker).then_some(OpId { session, seq })
}

/// The answer, for whoever knows the asker's operations: a session that the server named, or that
/// somebody else founded, does not say which of them it was.
fn answer(record: &Record<'_>, asker: UserIx) -> Option<Answer> {
    let sighting = record.sighting;
    Some(Answer {
        asker,
        session: sighting.session.clone()?,
        seq: u16::try_from(sighting.position).ok()?,
    })
}

#[cfg(test)]
mod tests {
    use super::super::super::testing::{SESSIONS_EACH, answer, canary, op_at, owner, spoilt};
    use crate::model::{CanaryKind, Micros, OpId, SessionIx, UserIx};

    /// An answer to user 2, in a session as this says, that holds what user 0 told; the
    /// operations of the story.
    fn story(named_by_server: bool) -> Vec<OpId> {
        let founded = SESSIONS_EACH;
        let history = spoilt(|history| {
            // The guest's turn, in a session that user 1 founded; it had a turn of its own nearer
            // to that of user 0.
            let mut turn = op_at(2, founded, Micros(8_000_000), Some(Micros(9_000_000)));
            turn.invocation.founder = UserIx(1);
            turn.invocation.op.seq = 7;
            turn.invocation.item_first = 7;
            let end = turn.completion.as_mut().unwrap();
            end.op.seq = 7;
            end.promise = crate::model::Promise::NONE;
            end.server_session = named_by_server.then(|| "made-by-server".to_owned());
            history.ops.push(turn);
            let mut shown = answer(2, founded, canary(0, 0, 0, CanaryKind::Turn));
            shown.owner = Some(owner(2));
            shown.position = 7;
            if named_by_server {
                shown.session = Some("made-by-server".to_owned());
                shown.record_id = "made-by-server".to_owned();
            }
            history.sightings.push(shown);
        });
        let mut findings = history.findings();
        assert_eq!(findings.len(), 1);
        for width in [1, 2] {
            let judgement = history.judge_sharded(&history.context(), width);
            assert_eq!(judgement.findings, findings);
        }
        findings.remove(0).ops
    }

    #[test]
    fn a_guests_answer_is_to_the_guests_operation() {
        let op = |session, seq| OpId {
            session: SessionIx(session),
            seq,
        };
        for named_by_server in [false, true] {
            assert_eq!(story(named_by_server), [op(0, 0), op(SESSIONS_EACH, 7)]);
        }
    }
}
