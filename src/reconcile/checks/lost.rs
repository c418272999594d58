//! `lost`: acknowledged and never stored.

use std::collections::BTreeMap;

use crate::model::{Affected, Code, OpKind, OpRow, Pattern, RecordType, Role, SessionIx, UserIx};

use super::super::draft::proof;
use super::super::evidence::{Absence, Evidence, Record};
use super::super::missing::{self, Missing};
use super::super::{Draft, wording};
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
         Nothing is said of operations whose answer never came."
    }

    fn check(&self, evidence: &Evidence<'_>) -> Vec<Draft> {
        let mut strangers = Strangers::default();
        evidence
            .own_ops()
            .filter(|op| evidence.absence(op) == Absence::Proved)
            .filter_map(|op| match missing::of_op(evidence, op) {
                Missing::Turn {
                    user,
                    assistant,
                    all,
                } => Some(turn(evidence, op, &mut strangers, (user, assistant, all))),
                Missing::Document => Some(document(evidence, op)),
                Missing::Nothing | Missing::Blocks(_) => None,
            })
            .collect()
    }
}

/// Messages of other users in the sessions of ours, by session and role: each may stand where
/// one of ours is missing, once.
#[derive(Debug, Default)]
struct Strangers<'a> {
    left: BTreeMap<SessionIx, Vec<&'a str>>,
    listed: bool,
}

impl<'a> Strangers<'a> {
    fn take(&mut self, evidence: &Evidence<'a>, session: SessionIx) -> Option<String> {
        if !self.listed {
            self.listed = true;
            self.left = list_strangers(evidence);
        }
        self.left.get_mut(&session)?.pop().map(str::to_owned)
    }
}

fn list_strangers<'a>(evidence: &Evidence<'a>) -> BTreeMap<SessionIx, Vec<&'a str>> {
    let mut found: BTreeMap<SessionIx, Vec<&Record<'a>>> = BTreeMap::new();
    for record in evidence.records.iter().filter(|record| stands_in(record)) {
        let id = record.sighting.session.as_deref().unwrap_or_default();
        for (user, session) in evidence.senders_of_session(id) {
            if record.users().all(|sender| sender != user) {
                found.entry(session).or_default().push(record);
            }
        }
    }
    let in_order = |mut records: Vec<&Record<'a>>| {
        // The first in the store is taken first, and taking is from the end.
        records.sort_by_key(|record| (record.sighting.position, &record.sighting.record_id));
        records.dedup_by_key(|record| &record.sighting.record_id);
        records.reverse();
        records
            .into_iter()
            .map(|record| record.sighting.record_id.as_str())
            .collect()
    };
    found
        .into_iter()
        .map(|(session, records)| (session, in_order(records)))
        .collect()
}

fn stands_in(record: &Record<'_>) -> bool {
    record.sighting.record_type == RecordType::Message
        && record.sighting.role != Role::User
        && record.proved()
        && !record.canaries.is_empty()
}

fn turn<'a>(
    evidence: &Evidence<'a>,
    op: &OpRow,
    strangers: &mut Strangers<'a>,
    (user, assistant, all): (bool, bool, bool),
) -> Draft {
    let what = match (user, assistant) {
        (true, true) => "turn and the answer to it are",
        (false, true) => "answer is",
        (true | false, false) => "own text of a turn is",
    };
    let mut draft = draft(evidence, op, RecordType::Message, what);
    if all {
        draft.finding.pattern = Some(Pattern::Silent);
    }
    if assistant && !user {
        draft.explained_by = strangers.take(evidence, op.invocation.op.session);
    }
    draft
}

fn document(evidence: &Evidence<'_>, op: &OpRow) -> Draft {
    let mut draft = draft(evidence, op, RecordType::Fact, "uploaded document is");
    draft.finding.pattern = Some(Pattern::Silent);
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
    };
    let deadline = evidence.context.scenario.memory.settle.deadline;
    Draft::new(evidence, Code::Lost, proof, sender, vec![absent]).saying(
        format!("{}'s {what} lost", wording::user(sender)),
        format!(
            "operation {id} was {answered}, and its canary is in no record of the store, which \
             was read completely, stood still, and was read later than {deadline:?} after the \
             answer"
        ),
    )
}
