//! What an `ok` answer promised and the store does not hold: shared by `lost` and
//! `partial-ingest`.

use std::collections::BTreeSet;

use crate::model::{CanaryId, OpKind, OpRow, RecordType, Role};

use super::counts::count;
use super::evidence::{Absence, Evidence};
use super::reading::Record;

/// What is missing of one operation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Missing {
    /// Nothing.
    Nothing,
    /// Messages of a turn; at least one of the two.
    Turn {
        /// The user's own text.
        user: bool,
        /// The agent's answer.
        assistant: bool,
        /// Is there no record at all that holds the turn's canary?
        all: bool,
    },
    /// Every block of a document.
    Document,
    /// Some blocks of a document, in item order.
    Blocks(Vec<CanaryId>),
}

/// Looks for everything that one operation promised. Whatever owner or session a record has,
/// what is there is not missing; and a canary that is damaged but likely ours counts too.
pub(crate) fn of_op(evidence: &Evidence<'_>, op: &OpRow) -> Missing {
    match op.invocation.kind {
        OpKind::Chat | OpKind::Voice | OpKind::Stream | OpKind::Turn => of_turn(evidence, op),
        OpKind::Upload => of_document(evidence, op),
    }
}

/// Operations of the bucket that miss something which is not late enough to be lost.
pub(crate) fn pending(evidence: &Evidence<'_>) -> u64 {
    count(
        evidence
            .own_ops()
            .filter(|op| evidence.absence(op) == Absence::Pending)
            .filter(|op| of_op(evidence, op) != Missing::Nothing),
    )
}

/// A record with the right role keeps a promise. Where a store loses the roles, any two
/// different records with the canary keep both promises, but one that was written anew under
/// another id keeps one only: what is gone is not there.
fn of_turn(evidence: &Evidence<'_>, op: &OpRow) -> Missing {
    let promise = op.promise();
    let stored: Vec<&Record<'_>> = evidence
        .canaries_of(op)
        .flat_map(|canary| evidence.stored(canary))
        .filter(|record| record.newest && record.sighting.record_type != RecordType::Session)
        .filter(|record| !evidence.is_gone(record))
        .collect();
    let has = |role| stored.iter().any(|record| record.sighting.role == role);
    let user_kept = promise.user_message && has(Role::User);
    let assistant_kept = promise.assistant_message && has(Role::Assistant);
    if promise.user_message == user_kept && promise.assistant_message == assistant_kept {
        return Missing::Nothing;
    }
    let different: BTreeSet<_> = stored.iter().map(|record| identity(record)).collect();
    let mut spare = different
        .len()
        .saturating_sub(usize::from(user_kept) + usize::from(assistant_kept));
    let mut is_missing = |promised: bool, kept: bool| {
        let missing = promised && !kept && spare == 0;
        if promised && !kept && spare > 0 {
            spare -= 1;
        }
        missing
    };
    let user = is_missing(promise.user_message, user_kept);
    let assistant = is_missing(promise.assistant_message, assistant_kept);
    if user || assistant {
        let all = stored.is_empty();
        Missing::Turn {
            user,
            assistant,
            all,
        }
    } else {
        Missing::Nothing
    }
}

/// Copies of one text are one record; without a role, question and answer may be equal texts.
fn identity<'r>(record: &'r Record<'_>) -> (Role, u64, Option<&'r str>) {
    let sighting = record.sighting;
    match sighting.role {
        Role::User | Role::Assistant => (sighting.role, sighting.body_hash, None),
        Role::Other => (Role::Other, 0, Some(&sighting.record_id)),
    }
}

fn of_document(evidence: &Evidence<'_>, op: &OpRow) -> Missing {
    let promised = usize::from(op.promise().blocks);
    let blocks: Vec<CanaryId> = evidence.canaries_of(op).take(promised).collect();
    let missing: Vec<CanaryId> = blocks
        .iter()
        .copied()
        .filter(|block| {
            evidence
                .stored(*block)
                .all(|record| evidence.is_gone(record))
        })
        .collect();
    if missing.is_empty() {
        Missing::Nothing
    } else if missing.len() == blocks.len() {
        Missing::Document
    } else {
        Missing::Blocks(missing)
    }
}
