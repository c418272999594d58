//! `trespass`: what a session holds was reached without the right to it.

use std::collections::BTreeSet;

use crate::model::{Affected, Code, OpId, RecordType, Route, Standing};

use super::super::draft::{self, Trespassed, proof};
use super::super::evidence::Evidence;
use super::super::trespass::{self, Through, Tried};
use super::super::{Draft, wording};
use super::Check;

#[derive(Debug)]
pub(crate) struct Trespass;

impl Check for Trespass {
    fn code(&self) -> Code {
        Code::Trespass
    }

    fn definition(&self) -> &'static str {
        "A session was read, written or deleted with another user's credential, with one that has \
         ended, or with none."
    }

    fn explanation(&self) -> &'static str {
        "Whoever knows a session's id, or merely asks, reaches what another person said. The usual \
         cause is a route that asks who somebody is and not whose the session is, or that asks \
         nothing at all. Only trespass sessions show it: their user tells something, and then each \
         route is tried. It takes no load. Of a route that reads, the session's own text in the answer is \
         the proof; of a turn that is written, the record that stands under the session's user; of a \
         deletion, that the text was to be seen before, and then neither by its user nor in the store. \
         To be turned away is right, and an answer that shows nothing of the session proves nothing. A \
         route is judged only where the session's own user gets through and a session that nobody has \
         shows nothing; elsewhere what is found is only suggested, and the report says that the route \
         could not be judged. All sessions that one route gives away are one finding. It covers what \
         comes of the attempts, such as a turn that a deletion lost."
    }

    fn check(&self, evidence: &Evidence<'_>) -> Vec<Draft> {
        let all = trespass::all(evidence);
        all.iter()
            .flat_map(|tried| drafts(evidence, tried))
            .collect()
    }
}

/// One for whoever sent what shows it: the session's user, or whoever wrote into it.
fn drafts(evidence: &Evidence<'_>, tried: &Tried<'_, '_>) -> Vec<Draft> {
    let senders: BTreeSet<_> = tried
        .through
        .iter()
        .map(|through| tried.sender(through))
        .filter(|sender| evidence.has(*sender))
        .collect();
    let of = |sender| {
        let through = tried.through.iter();
        let through: Vec<&Through<'_, '_>> = through
            .filter(|through| tried.sender(through) == sender)
            .collect();
        (sender, through)
    };
    senders
        .into_iter()
        .map(of)
        .map(|(sender, through)| {
            let affected: Vec<Affected> = through
                .iter()
                .flat_map(|through| affected(evidence, tried, through))
                .collect();
            let sure = through
                .iter()
                .any(|through| through.records.first().is_none_or(|record| record.proved()));
            let proved = proof(tried.provable && sure);
            let mut draft = Draft::new(evidence, Code::Trespass, proved, sender, affected);
            let told = OpId {
                session: tried.session,
                seq: 0,
            };
            draft.finding.ops.insert(0, told);
            draft.finding.ops.truncate(draft::STORY_OPS_MAX);
            let other = through
                .iter()
                .find(|through| through.standing == Standing::OtherUser);
            let guest = other.map(|through| through.op.invocation.user);
            draft.finding.found_under = if sender == tried.founder {
                guest
            } else {
                Some(tried.founder)
            };
            draft.explained = true;
            draft.trespassed = Some(Trespassed {
                route: tried.route,
                standings: through.iter().map(|through| through.standing).collect(),
                sessions: BTreeSet::from([tried.session]),
            });
            let name = evidence
                .context
                .run
                .session_name(tried.founder, tried.session);
            draft.saying(
                format!(
                    "{} of {}, session {name}, {}",
                    wording::route(tried.route),
                    wording::user(tried.founder),
                    wording::reached(tried.route, &standings(&through)),
                ),
                because(tried).to_owned(),
            )
        })
        .collect()
}

fn standings(through: &[&Through<'_, '_>]) -> BTreeSet<Standing> {
    through.iter().map(|through| through.standing).collect()
}

fn affected(
    evidence: &Evidence<'_>,
    tried: &Tried<'_, '_>,
    through: &Through<'_, '_>,
) -> Vec<Affected> {
    let id = through.op.invocation.op;
    if !through.records.is_empty() {
        let canary = evidence.canaries_of(through.op).next();
        let records = through.records.iter().map(|record| Affected {
            op: Some(id),
            ..draft::affected(evidence, Code::Trespass, record, canary)
        });
        return records.collect();
    }
    let session = evidence
        .context
        .run
        .session_name(tried.founder, tried.session);
    let is_gone = tried.route == Route::Delete;
    let reader = (through.standing == Standing::OtherUser).then(|| {
        let scenario = evidence.context.scenario;
        let name = scenario.user_name(evidence.context.run, through.op.invocation.user);
        let template = scenario
            .target
            .expected_owner
            .get(through.op.invocation.kind);
        template.owner(&name)
    });
    vec![Affected {
        code: Code::Trespass,
        record_type: if is_gone {
            RecordType::Message
        } else {
            RecordType::Answer
        },
        record_id: (!is_gone).then(|| session.clone()),
        canary: Some(trespass::told(evidence, tried.session, tried.founder)),
        op: Some(id),
        owner: reader.filter(|_| !is_gone),
        session: Some(session),
        excerpt: None,
    }]
}

fn because(tried: &Tried<'_, '_>) -> &'static str {
    match (tried.provable, tried.route) {
        (false, _) => {
            "there are signs of it, but the session's own user did not get through there, or a \
             session that nobody has was shown, so that they prove nothing"
        }
        (true, Route::Transcript | Route::Facts | Route::Search) => {
            "the answer holds the exact canary that only this session was told; its own user got \
             through, too, and a session that nobody has shows nothing"
        }
        (true, Route::Episodes) => {
            "the answer names the session, which bears its user's name; its own user got through, too"
        }
        (true, Route::Chat) => {
            "what was sent without the right to the session stands under its user, or was answered \
             with what only this session was told"
        }
        (true, Route::Delete) => {
            "what was told was to be seen before, the deletion was answered as done, and then it was \
             neither shown to its own user nor in the store"
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::testing::{
        History, RUN, canary, exact, op_at, owner, session_name, told,
    };
    use super::*;
    use crate::model::{
        CanaryKind, Echo, GroupIx, Micros, OpKind, Outcome, Part, Promise, Proof, SessionIx, UserIx,
    };
    use crate::plan::Attempts;
    use crate::scenario::{Pause, SessionSpec, TrespassSpec};

    /// The session at which others try: it is user 1's.
    const SESSION: u32 = 3;

    /// Four users with a turn each. At the sessions of two of them others try, and are kept out.
    fn kept_out(routes: &[Route]) -> History {
        let mut history = History::new(4, 1);
        let mut group = history.scenario.groups[0].clone();
        group.ix = GroupIx(1);
        group.session = SessionSpec::Trespass(TrespassSpec {
            routes: routes.to_vec(),
            standings: vec![Standing::OtherUser, Standing::Nobody],
            think: Pause {
                min: std::time::Duration::ZERO,
                max: std::time::Duration::ZERO,
            },
            words: 8..=8,
            agent: "elena".to_owned(),
        });
        history.scenario.groups.push(group);
        history.scenario.users = 4;
        let attempts = Attempts::of(&history.scenario);
        for (session, founder, guest) in [(SESSION, 1, 2), (9, 3, 0)] {
            for seq in 1.. {
                let op = OpId {
                    session: SessionIx(session),
                    seq,
                };
                let Some(attempt) = attempts.at(op) else {
                    break;
                };
                let begun = Micros(2_000_000 + u64::from(seq) * 1_000_000);
                let is_guests = attempt.standing == Standing::OtherUser;
                let user = if is_guests { guest } else { founder };
                let mut row = op_at(user, session, begun, Some(begun));
                row.invocation.op = op;
                row.invocation.founder = UserIx(founder);
                row.invocation.item_first = seq;
                row.invocation.item_count = u16::from(attempt.route == Route::Chat);
                let end = row.completion.as_mut().unwrap();
                end.op = op;
                end.promise = Promise::NONE;
                (end.outcome, end.echo) = match attempt.part {
                    Part::Control | Part::Afterwards => (Outcome::Ok, Echo::Own),
                    Part::NegativeControl => (Outcome::Ok, Echo::None),
                    Part::Trial => (Outcome::Refused, Echo::None),
                };
                history.ops.push(row);
            }
        }
        history
    }

    /// The number of an operation of a session.
    fn seq(history: &History, route: Route, part: Part, standing: Standing) -> u16 {
        let attempts = Attempts::of(&history.scenario);
        let found = (1..100).find(|seq| {
            let attempt = attempts.at(OpId {
                session: SessionIx(SESSION),
                seq: *seq,
            });
            attempt
                .is_some_and(|one| (one.route, one.part, one.standing) == (route, part, standing))
        });
        found.unwrap()
    }

    /// An attempt is answered, and shows what was told.
    fn shown(history: &mut History, session: u32, route: Route, standing: Standing) {
        let seq = seq(history, route, Part::Trial, standing);
        let end = history.end(session, seq);
        (end.outcome, end.echo) = (Outcome::Ok, Echo::Foreign);
    }

    #[track_caller]
    fn check(history: &History, expected: &[&str]) {
        let whole = history.judge();
        assert_eq!(told(&whole.findings), expected);
        for width in [1, 2, 3] {
            let sharded = history.judge_sharded(&history.context(), width);
            assert_eq!(sharded, whole, "{width}");
        }
    }

    #[test]
    fn who_is_turned_away_or_shown_nothing_has_not_trespassed() {
        let mut history = kept_out(&Route::ALL);
        check(&history, &[]);
        let standing = Standing::OtherUser;
        for route in Route::ALL {
            let seq = seq(&history, route, Part::Trial, standing);
            history.end(SESSION, seq).outcome = Outcome::Ok;
        }
        check(&history, &[]);
        let judgement = history.judge();
        for (route, tally) in &judgement.routes {
            assert_eq!((tally.sessions, tally.provable), (2, 2), "{route}");
            assert_eq!((tally.refused, tally.answered), (3, 1), "{route}");
            assert_eq!((tally.proved, tally.unknown), (0, 0), "{route}");
        }
        assert_eq!(judgement.routes.len(), Route::ALL.len());
        assert_eq!(judgement.crossed_sessions, 0);
    }

    #[test]
    fn what_was_told_in_an_answer_to_somebody_else_is_one_root_a_route() {
        let mut history = kept_out(&Route::ALL);
        let name = session_name(SESSION);
        for standing in [Standing::OtherUser, Standing::Nobody] {
            shown(&mut history, SESSION, Route::Transcript, standing);
        }
        check(&history, &[&format!("trespass: {name} {name}")]);
        let finding = history.findings().remove(0);
        assert_eq!(finding.proof, Proof::Proved);
        assert_eq!(finding.sender, Some(UserIx(1)));
        assert_eq!(finding.found_under, Some(UserIx(2)));
        assert_eq!(finding.ops[0].seq, 0);
        assert!(
            finding
                .claim
                .contains("another user's credential and without any")
        );
        // All sessions of the route are one root; another route is another.
        shown(&mut history, 9, Route::Transcript, Standing::Nobody);
        shown(&mut history, 9, Route::Search, Standing::Nobody);
        let findings = history.findings();
        assert_eq!(findings.len(), 2);
        assert!(
            findings[0]
                .claim
                .starts_with("the transcript of 2 sessions")
        );
        assert_eq!(history.judge().crossed_sessions, 2);
    }

    #[test]
    fn without_its_controls_a_route_proves_nothing() {
        for (part, echo) in [
            (Part::Control, Echo::None),
            (Part::NegativeControl, Echo::Foreign),
        ] {
            let mut history = kept_out(&[Route::Transcript]);
            shown(&mut history, SESSION, Route::Transcript, Standing::Nobody);
            let seq = seq(&history, Route::Transcript, part, Standing::Founder);
            history.end(SESSION, seq).echo = echo;
            check(
                &history,
                &[&format!("trespass?: {}", session_name(SESSION))],
            );
            let judgement = history.judge();
            let tally = &judgement.routes[&Route::Transcript];
            assert_eq!((tally.sessions, tally.provable, tally.proved), (2, 1, 0));
            assert_eq!(judgement.crossed_sessions, 0);
        }
    }

    #[test]
    fn a_turn_that_stands_under_the_sessions_user_was_let_in_and_no_other() {
        for (owned_by, found) in [
            (owner(1), true),
            (owner(2), false),
            ("poc-user".into(), false),
        ] {
            for standing in [Standing::OtherUser, Standing::Nobody] {
                let mut history = kept_out(&Route::ALL);
                let seq = seq(&history, Route::Chat, Part::Trial, standing);
                let op = history.op(SESSION, seq).clone();
                let user = op.invocation.user.0;
                // Also one that was claimed to be refused.
                for id in ["m3.0u", "m3.0a"] {
                    let mut written = history.record(id).clone();
                    written.record_id = written.record_id.replace("3.0", "3.x");
                    written.canaries = vec![exact(canary(user, SESSION, seq, CanaryKind::Turn))];
                    written.owner = Some(owned_by.clone());
                    if !found {
                        written.session = Some("made-by-server".to_owned());
                    }
                    history.sightings.push(written);
                }
                let expected = "trespass: m3.xa m3.xu";
                let expected = [expected];
                let expected: &[&str] = if found { &expected } else { &[] };
                check(&history, expected);
            }
        }
    }

    #[test]
    fn what_another_deleted_is_gone_for_its_user_and_from_the_store_and_not_lost_beside() {
        let routes = [Route::Delete];
        let gone = |echo, outcome| {
            let mut history = kept_out(&routes);
            for id in ["m3.0u", "m3.0a"] {
                history.remove(id);
            }
            let looked = seq(
                &history,
                Route::Transcript,
                Part::Afterwards,
                Standing::Founder,
            );
            history.end(SESSION, looked).echo = echo;
            let tried = seq(&history, Route::Delete, Part::Trial, Standing::OtherUser);
            history.end(SESSION, tried).outcome = outcome;
            history
        };
        check(&gone(Echo::None, Outcome::Ok), &["trespass: no s3.0"]);
        check(&gone(Echo::None, Outcome::Refused), &["lost: no s3.0"]);
        check(&gone(Echo::Own, Outcome::Ok), &["lost: no s3.0"]);
        // Still in the store: only its user does not see it.
        let mut there = kept_out(&routes);
        let looked = seq(
            &there,
            Route::Transcript,
            Part::Afterwards,
            Standing::Founder,
        );
        there.end(SESSION, looked).echo = Echo::None;
        let tried = seq(&there, Route::Delete, Part::Trial, Standing::OtherUser);
        there.end(SESSION, tried).outcome = Outcome::Ok;
        check(&there, &[]);
        assert_eq!(
            RUN.session_name(UserIx(1), SessionIx(SESSION)),
            session_name(SESSION)
        );
        assert_eq!(there.op(SESSION, 0).invocation.kind, OpKind::Chat);
    }
}
