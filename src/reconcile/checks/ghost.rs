//! `ghost`: refused, yet stored.

use crate::model::{Code, OpRow, Outcome};

use super::super::counts::count;
use super::super::draft::Group;
use super::super::evidence::Evidence;
use super::super::{Draft, wording};
use super::Check;

#[derive(Debug)]
pub(crate) struct Ghost;

impl Check for Ghost {
    fn code(&self) -> Code {
        Code::Ghost
    }

    fn definition(&self) -> &'static str {
        "An operation was refused, or answered with an apology, and is stored all the same."
    }

    fn explanation(&self) -> &'static str {
        "A client that trusts the refusal will send it again, and it will be there twice. The \
         usual cause is an error that is raised after the write. Many servers do not promise \
         that a refusal means nothing was done, so this is shown and counted and does not fail \
         a run."
    }

    fn check(&self, evidence: &Evidence<'_>) -> Vec<Draft> {
        evidence
            .own_ops()
            .filter(|op| matches!(op.outcome(), Outcome::Refused | Outcome::SoftFail))
            .filter_map(|op| draft(evidence, op))
            .collect()
    }
}

fn draft(evidence: &Evidence<'_>, op: &OpRow) -> Option<Draft> {
    let exact = evidence.canaries_of(op).flat_map(|canary| {
        let holds = evidence.stored(canary);
        holds
            .filter(move |record| record.newest && record.canaries.contains(&canary))
            .map(move |record| (record, Some(canary)))
    });
    let mut group = Group {
        members: exact.collect(),
    };
    group.sort();
    let (root, _) = group.root()?;
    let id = op.invocation.op;
    let end = match (op.outcome(), op.completion.as_ref().and_then(|c| c.status)) {
        (Outcome::SoftFail, _) => "answered as failed".to_owned(),
        (_, Some(status)) => format!("refused with status {status}"),
        (_, None) => "refused".to_owned(),
    };
    let records = count(&group.members);
    let draft = Draft::new(
        evidence,
        Code::Ghost,
        group.proof(),
        op.invocation.user,
        group.affected(evidence, Code::Ghost),
    );
    Some(draft.saying(
        format!(
            "{}'s operation was {end}, and is stored: {}",
            wording::user(op.invocation.user),
            wording::record(root)
        ),
        format!(
            "operation {id} was {end}, yet its canary is in {}",
            wording::counted(records, "record", "records")
        ),
    ))
}

#[cfg(test)]
mod tests {
    use super::super::super::testing::{check, spoilt};
    use crate::model::Outcome;

    #[test]
    fn refused_and_stored_is_a_ghost_and_unsent_is_our_own_fault() {
        for outcome in [Outcome::Refused, Outcome::SoftFail] {
            check(
                |history| history.end(0, 1).outcome = outcome,
                &["ghost: m0.1u m0.1a"],
            );
        }
        let history = spoilt(|history| history.end(0, 1).outcome = Outcome::Unsent);
        let judgement = history.judge();
        assert_eq!((judgement.findings.len(), judgement.ledger_gap), (0, 1));
    }
}
