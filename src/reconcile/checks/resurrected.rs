//! `resurrected`: a text of an older run that came back.

use crate::model::{Code, RecordType, Severity};

use super::super::draft::Group;
use super::super::evidence::Evidence;
use super::super::owner::Owner;
use super::super::reading::Record;
use super::super::{Draft, wording};
use super::Check;

#[derive(Debug)]
pub(crate) struct Resurrected;

impl Check for Resurrected {
    fn code(&self) -> Code {
        Code::Resurrected
    }

    fn definition(&self) -> &'static str {
        "A text of an older run stands in a session or under a user of this run, and was not there before it."
    }

    fn explanation(&self) -> &'static str {
        "Something that was said long ago, by somebody else, is stored as if it had been said \
         now. The usual causes are a queue that is read again from its beginning after a restart, \
         and a cache or a pool that outlives its users. The run is named by the canary in the \
         text. Under one of this run's users it is graver, because that user never was the one \
         who wrote it. Texts of other runs elsewhere in the store are not looked at."
    }

    fn check(&self, evidence: &Evidence<'_>) -> Vec<Draft> {
        let records = evidence.records.iter();
        records
            .filter_map(|record| draft(evidence, record))
            .collect()
    }
}

fn draft(evidence: &Evidence<'_>, record: &Record<'_>) -> Option<Draft> {
    let sighting = record.sighting;
    let stored = matches!(sighting.record_type, RecordType::Message | RecordType::Fact);
    let older = sighting.older_run.filter(|_| stored && record.newest)?;
    let user = evidence.reckoned_to(record)?;
    let group = Group {
        members: vec![(record, None)],
    };
    let affected = group.affected(evidence, Code::Resurrected);
    let proof = group.proof();
    let mut draft = Draft::new(evidence, Code::Resurrected, proof, user, affected).saying(
        format!(
            "a text of run {older} has come back: {}, stored {}",
            wording::record(record),
            wording::under(record.owner)
        ),
        format!("it holds an exact canary of run {older} and was not there when this run began"),
    );
    if let Owner::User(owner) = record.owner {
        draft.finding.found_under = Some(owner);
        draft.finding.severity = Severity::S1;
    }
    Some(draft)
}

#[cfg(test)]
mod tests {
    use super::super::super::testing::{check, session_name, sighting, spoilt, told};
    use crate::model::{RecordType, Role, RunId, Severity, UserIx};

    #[test]
    fn what_an_older_run_sent_has_come_back() {
        for (owner, severity, under) in [
            (None, Severity::S1, Some(UserIx(1))),
            (Some("poc-user"), Severity::S3, None),
        ] {
            let history = spoilt(|history| {
                let mut message = sighting(RecordType::Message, "old", 1);
                message.session = Some(session_name(3));
                message.role = Role::User;
                message.older_run = Some(RunId(7));
                if let Some(owner) = owner {
                    message.owner = Some(owner.to_owned());
                }
                history.sightings.push(message);
            });
            let findings = history.findings();
            assert_eq!(told(&findings), ["resurrected: old"]);
            assert_eq!(
                (findings[0].severity, findings[0].found_under),
                (severity, under)
            );
            assert!(findings[0].claim.contains("run 00000007"));
        }
    }

    #[test]
    fn elsewhere_it_is_no_concern_of_ours_and_once_is_a_glimpse() {
        for (session, owner, reads, expected) in [
            ("theirs", "alice", 3, vec![]),
            ("theirs", "poc-user", 3, vec![]),
            (
                session_name(3).as_str(),
                "poc-user",
                1,
                vec!["resurrected?: old"],
            ),
        ] {
            check(
                |history| {
                    let mut fact = sighting(RecordType::Fact, "old", 1);
                    fact.session = Some(session.to_owned());
                    fact.owner = Some(owner.to_owned());
                    fact.older_run = Some(RunId(7));
                    fact.reads = reads;
                    history.sightings.push(fact);
                },
                &expected,
            );
        }
    }
}
