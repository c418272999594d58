//! `chunk-mix`: one stored record that holds canaries of two users.

use crate::model::{CanaryId, Code, UserIx};

use super::super::draft::Group;
use super::super::evidence::Evidence;
use super::super::owner::Owner;
use super::super::reading::Record;
use super::super::{Draft, wording};
use super::Check;

#[derive(Debug)]
pub(crate) struct ChunkMix;

impl Check for ChunkMix {
    fn code(&self) -> Code {
        Code::ChunkMix
    }

    fn definition(&self) -> &'static str {
        "One stored fact, or one stored message of a user, holds text of two synthetic users."
    }

    fn explanation(&self) -> &'static str {
        "Whoever owns the record reads what somebody else wrote in it. The usual cause is a \
         buffer or a temporary file that two uploads share. Each prompt and each document is \
         sent with canaries of one user only, so two users' canaries in one piece of verbatim \
         text cannot have been sent. Answers are not judged so: they may quote."
    }

    fn check(&self, evidence: &Evidence<'_>) -> Vec<Draft> {
        // A record may be mixed in several states, in other buckets too: folding keeps one.
        let mixed = evidence.records.iter().filter(|record| record.mixed());
        mixed
            .filter_map(|record| {
                let intruder = intruder(record).filter(|canary| evidence.has(canary.user))?;
                Some(draft(evidence, record, intruder))
            })
            .collect()
    }
}

/// The first canary that should not be there: of another user than the owner.
fn intruder(record: &Record<'_>) -> Option<CanaryId> {
    let mut canaries = record.canaries.iter().copied();
    canaries.find(|canary| record.owner != Owner::User(canary.user))
}

fn draft(evidence: &Evidence<'_>, record: &Record<'_>, intruder: CanaryId) -> Draft {
    let group = Group {
        members: vec![(record, Some(intruder))],
    };
    let mut users: Vec<UserIx> = record.users().collect();
    users.dedup();
    let named: Vec<String> = users.iter().map(|user| wording::user(*user)).collect();
    let named = named.join(" and ");
    let affected = group.affected(evidence, Code::ChunkMix);
    let proof = group.proof();
    let mut draft = Draft::new(evidence, Code::ChunkMix, proof, intruder.user, affected).saying(
        format!(
            "text of {named} is mixed in {}, stored {}",
            wording::record(record),
            wording::under(record.owner)
        ),
        format!("the record holds exact canaries of {named}, and nobody sent both"),
    );
    if let Owner::User(owner) = record.owner {
        draft.finding.found_under = Some(owner);
    }
    draft
}

#[cfg(test)]
mod tests {
    use super::super::super::testing::{canary, check, exact, spoilt, told};
    use crate::model::{CanaryKind, UserIx};

    #[test]
    fn two_users_in_one_piece_are_mixed_and_nothing_more() {
        let history = spoilt(|history| {
            let foreign = canary(2, 7, 4, CanaryKind::Block);
            history.record("f1.1").canaries.push(exact(foreign));
        });
        let findings = history.findings();
        assert_eq!(told(&findings), ["chunk-mix: f1.1"]);
        assert_eq!(
            (findings[0].sender, findings[0].found_under),
            (Some(UserIx(2)), Some(UserIx(0)))
        );
        assert_eq!(
            findings[0].affected[0].canary,
            Some(canary(2, 7, 4, CanaryKind::Block))
        );
        // Both operations tell the story, from whatever buckets, the sender's first.
        let sessions: Vec<u32> = findings[0].ops.iter().map(|op| op.session.0).collect();
        assert_eq!(sessions, [7, 1]);
        assert_eq!(history.judge().crossed_sessions, 1);
        // An answer that holds both is judged by whose session it is in.
        check(
            |history| {
                let foreign = canary(2, 6, 0, CanaryKind::Turn);
                history.record("m0.1a").canaries.push(exact(foreign));
            },
            &["wrong-owner: m0.1a"],
        );
    }

    #[test]
    fn the_best_proved_state_of_a_mixed_record_counts_and_it_is_found_once() {
        // First seen once with another user's text, then for good with a third one's.
        let history = spoilt(|history| {
            let mut glimpse = history.record("f1.1").clone();
            glimpse.reads = 1;
            glimpse.scan = 1;
            glimpse
                .canaries
                .push(exact(canary(1, 4, 4, CanaryKind::Block)));
            history.sightings.push(glimpse);
            let foreign = canary(2, 7, 4, CanaryKind::Block);
            history.record("f1.1").canaries.push(exact(foreign));
        });
        assert_eq!(told(&history.findings()), ["chunk-mix: f1.1"]);
        for width in 1..3 {
            let sharded = history.judge_sharded(&history.context(), width);
            assert_eq!(sharded, history.judge());
        }
    }
}
