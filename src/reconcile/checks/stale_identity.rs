//! `stale-identity`: after a session changed hands, still stored under the user before.

use crate::model::{Code, UserIx};

use super::super::owner::Owner;
use super::super::{Draft, Evidence, misowned};
use super::Check;

#[derive(Debug)]
pub(crate) struct StaleIdentity;

impl Check for StaleIdentity {
    fn code(&self) -> Code {
        Code::StaleIdentity
    }

    fn definition(&self) -> &'static str {
        "After another user took a session over, what this user sent is stored under the user before."
    }

    fn explanation(&self) -> &'static str {
        "Somebody who sits down at a machine after another one speaks in that one's name, and \
         leaves their words there. The usual cause is an identity that is looked up once and then \
         kept by the session's id or its connection, whatever credential comes later. Only \
         sessions that are handed over show it. A target may refuse the second user, or answer \
         with another session; both are right."
    }

    fn check(&self, evidence: &Evidence<'_>) -> Vec<Draft> {
        misowned::drafts(evidence, Code::StaleIdentity, fits)
    }
}

fn fits(owner: Owner<'_>, sender: UserIx) -> bool {
    matches!(owner, Owner::User(owner) if owner != sender)
}

#[cfg(test)]
mod tests {
    use super::super::super::testing::{History, canary, check, exact, owner, session_name};
    use crate::model::{CanaryKind, Outcome, Trait, UserIx};

    /// User 1 sends the second turn of the session that user 0 founded. A healthy server puts
    /// it into a session of its own making, and says so.
    fn hand_over(history: &mut History, change: Trait) {
        let op = history.op(0, 1);
        op.invocation.user = UserIx(1);
        op.invocation.traits = op.invocation.traits.with(change);
        history.end(0, 1).server_session = Some("made-1".to_owned());
        let mut made = history.record(&session_name(0)).clone();
        made.record_id = "made-1".to_owned();
        made.session = Some("made-1".to_owned());
        made.owner = Some(owner(1));
        history.sightings.push(made);
        for id in ["m0.1u", "m0.1a"] {
            let record = history.record(id);
            record.canaries = vec![exact(canary(1, 0, 1, CanaryKind::Turn))];
            record.session = Some("made-1".to_owned());
            record.owner = Some(owner(1));
        }
    }

    /// The server that does not look at who sends.
    fn keep(history: &mut History) {
        history.end(0, 1).server_session = None;
        history
            .sightings
            .retain(|sighting| sighting.record_id != "made-1");
        for id in ["m0.1u", "m0.1a"] {
            history.record(id).session = Some(session_name(0));
            history.record(id).owner = Some(owner(0));
        }
    }

    #[test]
    fn a_second_user_in_a_session_of_their_own_is_right() {
        for change in [Trait::HandOver, Trait::SharedSession] {
            check(|history| hand_over(history, change), &[]);
            check(
                |history| {
                    hand_over(history, change);
                    history.op(0, 1).completion = None;
                },
                &[],
            );
            check(
                |history| {
                    hand_over(history, change);
                    history.end(0, 1).outcome = Outcome::Refused;
                    history
                        .sightings
                        .retain(|sighting| sighting.session.as_deref() != Some("made-1"));
                },
                &[],
            );
        }
    }

    #[test]
    fn whoever_came_first_owns_the_session_that_both_named() {
        // User 1 was first, and user 0 got a session of the server's making.
        check(
            |history| {
                hand_over(history, Trait::SharedSession);
                for (old, new) in [("made-1", "x"), (&session_name(0), "made-0")] {
                    for sighting in &mut history.sightings {
                        if sighting.record_id == old {
                            sighting.record_id = new.to_owned();
                        }
                        if sighting.session.as_deref() == Some(old) {
                            sighting.session = Some(new.to_owned());
                        }
                    }
                }
                let name = session_name(0);
                for sighting in &mut history.sightings {
                    if sighting.record_id == "x" {
                        sighting.record_id.clone_from(&name);
                    }
                    if sighting.session.as_deref() == Some("x") {
                        sighting.session = Some(name.clone());
                    }
                }
                history.end(0, 0).server_session = Some("made-0".to_owned());
                history.end(0, 1).server_session = None;
            },
            &[],
        );
    }

    #[test]
    fn under_the_user_before_it_is_stale_or_if_they_share_wrong() {
        for (change, code) in [
            (Trait::HandOver, "stale-identity"),
            (Trait::Relogin, "stale-identity"),
            (Trait::SharedSession, "wrong-owner"),
        ] {
            check(
                |history| {
                    hand_over(history, change);
                    keep(history);
                },
                &[&format!("{code}: m0.1u m0.1a")],
            );
        }
        // A third user is simply wrong.
        check(
            |history| {
                hand_over(history, Trait::HandOver);
                for id in ["made-1", "m0.1u", "m0.1a"] {
                    history.record(id).owner = Some(owner(2));
                }
            },
            &["wrong-owner: made-1 m0.1u m0.1a"],
        );
    }
}
