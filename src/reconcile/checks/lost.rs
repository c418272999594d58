//! `lost`: acknowledged and never stored.

use std::collections::BTreeSet;

use crate::model::{Affected, Code, Hint, OpKind, OpRow, RecordType, Role, UserIx};

use super::super::draft::proof;
use super::super::evidence::{Absence, Evidence};
use super::super::missing::{self, Missing};
use super::super::{Draft, trespass, wording};
use super::Check;

#[derive(Debug)]
pub(crate) struct Lost;

impl Check for Lost {
    fn code(&self) -> Code {
        Code::Lost
    }

    fn definition(&self) -> &'static str {
        "An operation was answered as done, and what the answer promised is nowhere in the store."
    }

    fn explanation(&self) -> &'static str {
        "The person was told that it is remembered, and it is not. The usual cause is a \
         background task that fails, is cut off by a time limit, or is forgotten. It is said \
         only when the whole store was read, stood still, and the answer is older than the \
         deadline; text that is found under any other owner or in any other session is not lost. \
         A text with damaged canaries may be the missing one, so that nothing is proved of its session. \
         Nothing is said of operations whose answer never came. Losses are a finding each, but \
         where nothing more is stored from some moment on, for anybody, all of it is one."
    }

    fn check(&self, evidence: &Evidence<'_>) -> Vec<Draft> {
        let damaged = damaged_sessions(evidence);
        let deleted = trespass::deleted(evidence);
        evidence
            .own_ops()
            .filter(|op| evidence.absence(op) == Absence::Proved)
            .filter(|op| !deleted.contains(&op.invocation.op.session))
            .filter_map(|op| match missing::of_op(evidence, op) {
                Missing::Turn {
                    user,
                    assistant,
                    all,
                } => {
                    let mut draft = turn(evidence, op, (user, assistant, all));
                    let names = evidence.names_of(op.invocation.op.session);
                    if user && names.iter().any(|name| damaged.contains(name.as_str())) {
                        draft.finding.proof = proof(false);
                    }
                    Some(draft)
                }
                Missing::Document => Some(document(evidence, op)),
                Missing::Nothing | Missing::Blocks(_) => None,
            })
            .collect()
    }
}

/// Sessions with a text of which nobody can tell whose it is: it may be the one that is missing.
fn damaged_sessions<'a>(evidence: &Evidence<'a>) -> BTreeSet<&'a str> {
    let texts = evidence.records.iter().filter(|record| {
        let sighting = record.sighting;
        let text = sighting.record_type == RecordType::Message && sighting.role != Role::Assistant;
        text && record.newest && sighting.damaged && record.canaries.is_empty()
    });
    texts
        .filter_map(|record| record.sighting.session.as_deref())
        .collect()
}

fn turn(evidence: &Evidence<'_>, op: &OpRow, (user, assistant, all): (bool, bool, bool)) -> Draft {
    let what = match (user, assistant) {
        (true, true) => "turn and the answer to it are",
        (false, true) => "answer is",
        (true | false, false) => "own text of a turn is",
    };
    let mut draft = draft(evidence, op, RecordType::Message, what);
    if all {
        draft.finding.hint = Some(Hint::Silent);
    }
    if assistant && !user {
        draft.gap_in = evidence.names_of(op.invocation.op.session);
    }
    draft
}

fn document(evidence: &Evidence<'_>, op: &OpRow) -> Draft {
    let mut draft = draft(evidence, op, RecordType::Fact, "uploaded document is");
    draft.finding.hint = Some(Hint::Silent);
    draft
}

fn draft(evidence: &Evidence<'_>, op: &OpRow, record_type: RecordType, what: &str) -> Draft {
    let (id, sender): (_, UserIx) = (op.invocation.op, op.invocation.user);
    let absent = Affected {
        code: Code::Lost,
        record_type,
        record_id: None,
        canary: evidence.canaries_of(op).next(),
        op: Some(id),
        owner: None,
        session: None,
        excerpt: None,
    };
    let proof = proof(!evidence.beside_unknown(id));
    let answered = match op.invocation.kind {
        OpKind::Chat => "answered",
        OpKind::Upload => "accepted",
        OpKind::Voice => "answered by voice",
        OpKind::Stream => "answered in chunks",
        OpKind::Turn => "acknowledged",
    };
    let settle = &evidence.context.scenario.memory.settle;
    let deadline = settle.deadline;
    let mut draft = Draft::new(evidence, Code::Lost, proof, sender, vec![absent]);
    // What should have stored it may have been at work for so long after the answer.
    draft.span = draft
        .span
        .map(|(begun, ended)| (begun, ended + settle.task_limit));
    draft.saying(
        format!("{}'s {what} lost", wording::user(sender)),
        format!(
            "operation {id} was {answered}, and its canary is in no record of the store, which \
             was read completely, stood still, and was read later than {deadline:?} after the \
             answer"
        ),
    )
}

#[cfg(test)]
mod tests {
    use super::super::super::testing::{History, canary, check, exact, scans, spoilt, told};
    use super::super::super::{Context, ReadBack};
    use crate::model::{CanaryKind, Micros, Outcome, Pattern, RecordType, Role, Sighting, UserIx};

    #[test]
    fn what_was_promised_and_is_nowhere_is_lost() {
        check(
            |history| {
                history.remove("m0.1u");
                history.remove("m0.1a");
            },
            &["lost: no s0.1"],
        );
        check(|history| drop(history.remove("m0.1a")), &["lost: no s0.1"]);
        check(|history| drop(history.remove("m0.1u")), &["lost: no s0.1"]);
        let history = spoilt(|history| {
            for id in ["f1.0", "f1.1", "f1.2"] {
                history.remove(id);
            }
        });
        assert_eq!(told(&history.findings()), ["lost: no s1.0"]);
        assert_eq!(history.findings()[0].pattern(), Some(Pattern::Silent));
    }

    #[test]
    fn what_was_not_promised_is_not_lost() {
        check(
            |history| {
                history.end(0, 1).promise.assistant_message = false;
                history.remove("m0.1a");
            },
            &[],
        );
        for outcome in [
            Outcome::Unknown,
            Outcome::Refused,
            Outcome::SoftFail,
            Outcome::Unsent,
        ] {
            check(
                |history| {
                    history.end(0, 1).outcome = outcome;
                    history.remove("m0.1u");
                    history.remove("m0.1a");
                },
                &[],
            );
        }
    }

    #[test]
    fn a_damaged_text_may_be_the_missing_one() {
        check(
            |history| {
                let record = history.record("m0.1u");
                record.canaries.clear();
                record.damaged = true;
            },
            &["lost?: no s0.1", "unattributable?: m0.1u"],
        );
    }

    #[test]
    fn absence_is_pending_until_it_can_be_proved() {
        let history = spoilt(|history| drop(history.remove("m0.1u")));
        let settled = |settled, complete, read_from| ReadBack::Some {
            settled,
            complete,
            read_from: Micros(read_from),
        };
        // The turn was answered at 1.5 s, and the deadline is 5 s.
        for (read_back, lost, pending) in [
            (ReadBack::None, 0, 0),
            (settled(false, true, 100_000_000), 0, 1),
            (settled(true, false, 100_000_000), 0, 1),
            (settled(true, true, 6_499_999), 0, 1),
            (settled(true, true, 6_500_000), 1, 0),
        ] {
            let context = Context {
                read_back,
                ..history.context()
            };
            let judgement = history.judge_sharded(&context, 3);
            assert_eq!(judgement.findings.len(), lost, "{read_back:?}");
            assert_eq!(judgement.pending, pending, "{read_back:?}");
        }
    }

    #[test]
    fn a_store_that_lists_no_facts_loses_no_document() {
        let mut history = History::new(2, 2);
        let is_fact = |sighting: &Sighting| sighting.record_type == RecordType::Fact;
        history.sightings.retain(|sighting| !is_fact(sighting));
        let judge = |facts_listed| {
            let context = Context {
                facts_listed,
                ..history.context()
            };
            let judgement = history.judge_sharded(&context, 3);
            (judgement.findings.len(), judgement.pending)
        };
        assert_eq!(judge(true), (2, 0), "both users' documents are lost");
        assert_eq!(judge(false), (0, 0), "nobody could look for them");
    }

    #[test]
    fn overlapping_turns_of_one_session_only_suggest() {
        check(
            |history| {
                history.op(0, 0).completion = None;
                history.remove("m0.1u");
            },
            &["lost?: no s0.1"],
        );
        // An unknown turn at the end of a session had nothing beside it.
        check(
            |history| {
                history.op(0, 1).completion = None;
                history.remove("m0.0u");
            },
            &["lost: no s0.0"],
        );
    }

    #[test]
    fn without_roles_any_two_records_keep_both_promises() {
        let blank = |history: &mut History| {
            for sighting in &mut history.sightings {
                sighting.role = Role::Other;
            }
        };
        check(blank, &[]);
        // Question and answer may be the same text.
        let echo = |history: &mut History| {
            for sighting in &mut history.sightings {
                if sighting.record_type == RecordType::Message {
                    sighting.body_hash = u64::from(sighting.position / 2);
                }
            }
        };
        check(
            |history| {
                blank(history);
                echo(history);
            },
            &[],
        );
        check(
            |history| {
                blank(history);
                history.remove("m0.1u");
            },
            &["lost: no s0.1"],
        );
    }

    #[test]
    fn what_was_there_once_and_is_gone_is_lost() {
        let history = spoilt(|history| {
            for id in ["m0.1u", "m0.1a", "f1.1"] {
                history.record(id).scan = 2;
            }
        });
        let judge = |times: &[&str]| {
            let scans = scans(times);
            let context = Context {
                scans: &scans,
                ..history.context()
            };
            told(&history.judge_sharded(&context, 3).findings)
        };
        let lost = ["lost: no s0.1", "partial-ingest: no s1.3 no s1.4 no s1.5"];
        assert_eq!(judge(&["7", "8", "9"]), lost);
        assert!(judge(&["7", "8", "!9"]).is_empty());
    }

    #[test]
    fn without_roles_a_record_that_was_written_anew_keeps_one_promise() {
        let history = spoilt(|history| {
            for sighting in &mut history.sightings {
                sighting.role = Role::Other;
            }
            history.record("m0.1a").scan = 1;
        });
        let scans = scans(&["7", "8", "9"]);
        let context = Context {
            scans: &scans,
            ..history.context()
        };
        let judgement = history.judge_sharded(&context, 3);
        assert_eq!(told(&judgement.findings), ["lost: no s0.1"]);
    }

    #[test]
    fn another_users_answer_explains_the_one_that_is_missing() {
        let history = spoilt(|history| {
            history.record("m0.1a").canaries = vec![exact(canary(2, 6, 0, CanaryKind::Turn))];
        });
        let findings = history.findings();
        assert_eq!(told(&findings), ["wrong-owner: m0.1a +no s0.1"]);
        assert_eq!(
            (findings[0].sender, findings[0].found_under),
            (Some(UserIx(2)), Some(UserIx(0)))
        );
        // It is found from any bucket.
        for width in 1..4 {
            assert_eq!(
                history.judge_sharded(&history.context(), width).findings,
                findings
            );
        }
    }
}
