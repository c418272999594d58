//! `wrong-owner`: a record of one synthetic user under another.

use crate::model::{Code, UserIx};

use super::super::owner::Owner;
use super::super::{Draft, Evidence, misowned};
use super::Check;

#[derive(Debug)]
pub(crate) struct WrongOwner;

impl Check for WrongOwner {
    fn code(&self) -> Code {
        Code::WrongOwner
    }

    fn definition(&self) -> &'static str {
        "A session, message or fact of one synthetic user is stored under another one."
    }

    fn explanation(&self) -> &'static str {
        "What one person said can be read, and will be used, as if another one had said it. \
         The usual cause is an identity that is read when it is no longer the right one: a \
         background task that looks at shared state after the request has ended, a pooled object \
         that keeps its last user, a global current user. It holds whatever the operation's \
         outcome was, because the canary says who wrote the text and the store says who owns \
         it. It does not say which of the two requests was served wrongly."
    }

    fn check(&self, evidence: &Evidence<'_>) -> Vec<Draft> {
        misowned::drafts(evidence, Code::WrongOwner, fits)
    }
}

fn fits(owner: Owner<'_>, sender: UserIx) -> bool {
    matches!(owner, Owner::User(owner) if owner != sender)
}

#[cfg(test)]
mod tests {
    use super::super::super::testing::{
        History, SESSIONS_EACH, answer, canary, check, owner, session_name, spoilt, told,
    };
    use crate::model::{CanaryKind, Exactness, Severity, UserIx};

    #[test]
    fn a_session_under_another_user_is_one_root_with_its_messages() {
        let history = spoilt(|history| history.own_session(0, Some(&owner(1))));
        let findings = history.findings();
        let session = session_name(0);
        assert_eq!(
            told(&findings),
            [format!("wrong-owner: {session} m0.0u m0.0a m0.1u m0.1a")]
        );
        let finding = &findings[0];
        assert_eq!(
            (finding.sender, finding.found_under),
            (Some(UserIx(0)), Some(UserIx(1)))
        );
        assert_eq!(finding.severity, Severity::S1);
        assert_eq!(
            finding.claim,
            format!("user 0's session {session} is stored under user 1")
        );
        assert_eq!(
            finding.because,
            "its id belongs to user 0, yet the store names user 1 as its owner, in 3 reads"
        );
        assert_eq!(history.judge().crossed_sessions, 1);
    }

    #[test]
    fn a_turn_in_another_users_session_is_one_root() {
        // What two tasks that exchange their contexts leave behind, one half of it.
        let to = |history: &mut History, id: &str, session: u32| {
            let record = history.record(id);
            record.session = Some(session_name(session));
            record.owner = Some(owner(session / SESSIONS_EACH));
        };
        check(
            |history| {
                to(history, "m0.1u", 3);
                to(history, "m0.1a", 3);
            },
            &["wrong-owner: m0.1u m0.1a"],
        );
    }

    #[test]
    fn pieces_of_one_upload_under_one_owner_are_one_root() {
        check(
            |history| {
                for id in ["f1.0", "f1.2"] {
                    history.record(id).owner = Some(owner(2));
                }
                history.record("f1.1").owner = Some(owner(1));
            },
            &["wrong-owner: f1.0 f1.2", "wrong-owner: f1.1"],
        );
    }

    #[test]
    fn once_is_a_glimpse_and_an_answer_is_proof() {
        check(
            |history| {
                history.own_session(0, Some(&owner(1)));
                history
                    .sightings
                    .iter_mut()
                    .for_each(|sighting| sighting.reads = 1);
            },
            &[&format!(
                "wrong-owner?: {} m0.0u m0.0a m0.1u m0.1a",
                session_name(0)
            )],
        );
        let history = spoilt(|history| {
            history
                .sightings
                .push(answer(2, 6, canary(0, 0, 1, CanaryKind::Turn)));
        });
        let findings = history.findings();
        assert_eq!(
            told(&findings),
            [format!("response-bleed: {}", session_name(6))]
        );
        assert_eq!(
            (findings[0].sender, findings[0].found_under),
            (Some(UserIx(0)), Some(UserIx(2)))
        );
        // The operation that was answered is second in the story.
        let ops: Vec<(u32, u16)> = findings[0]
            .ops
            .iter()
            .map(|op| (op.session.0, op.seq))
            .collect();
        assert_eq!(ops, [(0, 1), (6, 0)]);
        assert_eq!(history.judge().crossed_sessions, 1);
    }

    #[test]
    fn a_corrected_canary_accuses_nobody_and_excuses_absence() {
        check(
            |history| {
                let record = history.record("f1.1");
                record.owner = Some(owner(2));
                for seen in &mut record.canaries {
                    seen.exactness = Exactness::Corrected;
                }
            },
            &["unattributable?: f1.1"],
        );
    }
}
