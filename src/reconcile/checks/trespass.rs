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
