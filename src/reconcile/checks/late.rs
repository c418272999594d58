//! `late`: visible only after the deadline.

use crate::model::{CanaryId, Code, OpRow, RecordType, Role};

use super::super::draft::{Group, proof};
use super::super::evidence::Evidence;
use super::super::reading::Record;
use super::super::{Draft, wording};
use super::Check;

#[derive(Debug)]
pub(crate) struct Late;

impl Check for Late {
    fn code(&self) -> Code {
        Code::Late
    }

    fn definition(&self) -> &'static str {
        "What an answer promised was not in the store at the deadline, and was there later."
    }

    fn explanation(&self) -> &'static str {
        "Whoever asks in between is answered as if it had not been said. The usual causes are a \
         queue that is longer than the load allows, and a worker that is retried after a pause. \
         A complete reading of the store that was begun after the deadline lacked it, and a \
         later one found it. It is shown and counted and does not fail a run; text that never \
         came is lost, and does."
    }

    fn check(&self, evidence: &Evidence<'_>) -> Vec<Draft> {
        let ops = evidence.own_ops();
        ops.filter_map(|op| draft(evidence, op)).collect()
    }
}

/// The records of an operation that came after the deadline.
pub(crate) fn late_records<'e, 'a>(
    evidence: &'e Evidence<'a>,
    op: &OpRow,
) -> Vec<(&'e Record<'a>, Option<CanaryId>)> {
    let promise = op.promise();
    let Some(due) = evidence.due_scan(op) else {
        return Vec::new();
    };
    let promised = |record: &Record<'_>| match (record.sighting.record_type, record.sighting.role) {
        (RecordType::Message, Role::User) => promise.user_message,
        (RecordType::Message, Role::Assistant) => promise.assistant_message,
        (RecordType::Message, Role::Other) => promise.user_message || promise.assistant_message,
        (RecordType::Fact, _) => promise.blocks > 0,
        (RecordType::Session | RecordType::Answer | RecordType::Log, _) => false,
    };
    let mut found = Vec::new();
    for canary in evidence.canaries_of(op) {
        let records = || evidence.stored(canary).filter(|record| promised(record));
        for record in records().filter(|record| record.newest && record.first_scan > due) {
            // What was there in time, if only for once, makes its copies no latecomers.
            let role = record.sighting.role;
            let in_time = records()
                .filter(|other| other.sighting.role == role)
                .any(|other| other.first_scan <= due);
            if !in_time {
                found.push((record, Some(canary)));
            }
        }
    }
    found
}

fn draft(evidence: &Evidence<'_>, op: &OpRow) -> Option<Draft> {
    let mut group = Group {
        members: late_records(evidence, op),
    };
    group.sort();
    let (root, _) = group.root()?;
    let sender = op.invocation.user;
    let affected = group.affected(evidence, Code::Late);
    let deadline = evidence.context.scenario.memory.settle.deadline;
    let records = wording::counted(wording::len(&affected), "record", "records");
    let draft = Draft::new(evidence, Code::Late, proof(false), sender, affected);
    Some(draft.saying(
        format!(
            "{records} of what {} sent came late: {}",
            wording::user(sender),
            wording::record(root)
        ),
        format!(
            "operation {} was answered, a complete reading of the store more than {deadline:?} \
             later lacked it, and scan {} was the first to find it",
            op.invocation.op, root.first_scan
        ),
    ))
}

#[cfg(test)]
mod tests {
    use super::super::super::Context;
    use super::super::super::testing::{History, scans, spoilt, told};
    use crate::model::Outcome;

    /// The findings where scans began at these times, in seconds, `!` for an incomplete one.
    fn findings(history: &History, times: &[&str]) -> Vec<String> {
        let scans = scans(times);
        let context = Context {
            scans: &scans,
            ..history.context()
        };
        told(&history.judge_sharded(&context, 2).findings)
    }

    #[test]
    fn first_seen_after_a_scan_past_the_deadline_is_late() {
        // The turn was answered at 1.5 s, and the deadline is 5 s.
        let history = spoilt(|history| {
            for id in ["m0.1u", "m0.1a"] {
                history.record(id).first_scan = 3;
            }
        });
        let late = ["late?: m0.1u m0.1a"];
        assert_eq!(findings(&history, &["1", "7", "8"]), late);
        assert_eq!(findings(&history, &["7", "!", "8"]), late);
        let in_time: [&str; 0] = [];
        assert_eq!(findings(&history, &["1", "6.4", "8"]), in_time);
        assert_eq!(findings(&history, &["1", "!7", "8"]), in_time);
        assert_eq!(findings(&history, &[]), in_time);
    }

    #[test]
    fn pieces_of_documents_are_late_and_what_was_not_promised_is_not() {
        let mut history = spoilt(|history| history.record("f1.1").first_scan = 3);
        let times = ["1", "7", "8"];
        assert_eq!(findings(&history, &times), ["late?: f1.1"]);
        history.end(1, 0).outcome = Outcome::Unknown;
        assert!(findings(&history, &times).is_empty());
    }

    #[test]
    fn a_copy_of_what_was_there_is_not_late() {
        let history = spoilt(|history| {
            let mut copy = history.record("m0.1u").clone();
            copy.record_id = "copy".to_owned();
            copy.first_scan = 3;
            history.sightings.push(copy);
        });
        assert_eq!(findings(&history, &["1", "7", "8"]), ["duplicate: copy"]);
    }
}
