//! `partial-ingest`: an acknowledged upload of which blocks are missing.

use crate::model::{Affected, CanaryId, Code, OpKind, OpRow, Proof, RecordType};

use super::super::draft::proof;
use super::super::evidence::{Absence, Evidence};
use super::super::missing::{self, Missing};
use super::super::owner::Owner;
use super::super::{Draft, wording};
use super::Check;

/// Blocks that a piece on either side must hold before one block missing between them is more
/// likely cut in two than lost: a whole lost piece would miss about as many blocks as they hold.
const BLOCKS_OF_FULL_PIECE_MIN: usize = 3;

#[derive(Debug)]
pub(crate) struct PartialIngest;

impl Check for PartialIngest {
    fn code(&self) -> Code {
        Code::PartialIngest
    }

    fn definition(&self) -> &'static str {
        "An upload was accepted, and part of the document is nowhere in the store."
    }

    fn explanation(&self) -> &'static str {
        "The person will get answers from a document with holes. The usual cause is a piece that \
         the store refused or that failed and was skipped, while the whole was reported as done. \
         A document carries a numbered canary in every block; blocks whose canary is in no \
         record are missing, under the same conditions as for text that is lost. The number of \
         pieces is not compared, as stores may merge and cut. One block alone between two full \
         pieces, or at the end beside a scrap without canary, may have been cut in two, and only \
         suggests."
    }

    fn check(&self, evidence: &Evidence<'_>) -> Vec<Draft> {
        evidence
            .own_ops()
            .filter(|op| op.invocation.kind == OpKind::Upload)
            .filter(|op| evidence.absence(op) == Absence::Proved)
            .filter_map(|op| match missing::of_op(evidence, op) {
                Missing::Blocks(blocks) => Some(draft(evidence, op, &blocks)),
                Missing::Nothing | Missing::Turn { .. } | Missing::Document => None,
            })
            .collect()
    }
}

fn draft(evidence: &Evidence<'_>, op: &OpRow, missing: &[CanaryId]) -> Draft {
    let (id, sender) = (op.invocation.op, op.invocation.user);
    let (cut, gone): (Vec<CanaryId>, Vec<CanaryId>) = missing
        .iter()
        .copied()
        .partition(|block| perhaps_cut(evidence, op, missing, *block));
    let proof = proof(!gone.is_empty() && !evidence.beside_unknown(id));
    let listed = if gone.is_empty() { cut } else { gone };
    let because = match proof {
        Proof::Proved => "their canaries are in no record of the store",
        Proof::Suggested => {
            "their canaries are in no record of the store, though the text may be there"
        }
    };
    let sent = wording::counted(op.invocation.item_count, "block", "blocks");
    let affected: Vec<Affected> = listed.iter().map(|block| absent(*block, op)).collect();
    let lacking = wording::len(&affected);
    Draft::new(evidence, Code::PartialIngest, proof, sender, affected).saying(
        format!(
            "of {}'s accepted document, {lacking} of {sent} are not stored",
            wording::user(sender)
        ),
        format!("operation {id} was accepted whole, and {because}"),
    )
}

fn absent(block: CanaryId, op: &OpRow) -> Affected {
    Affected {
        code: Code::PartialIngest,
        record_type: RecordType::Fact,
        record_id: None,
        canary: Some(block),
        op: Some(op.invocation.op),
        owner: None,
        session: None,
        excerpt: None,
    }
}

/// Where a piece ends inside a canary, the canary is gone and the text is not.
fn perhaps_cut(evidence: &Evidence<'_>, op: &OpRow, missing: &[CanaryId], block: CanaryId) -> bool {
    let neighbour = |item: Option<u16>| item.map(|item| CanaryId { item, ..block });
    let in_document = |next: &CanaryId| op.has_item(next.item);
    let before = neighbour(block.item.checked_sub(1)).filter(in_document);
    let after = neighbour(block.item.checked_add(1)).filter(in_document);
    // Missing blocks are in item order.
    let is_missing = |canary: Option<CanaryId>| {
        canary.is_some_and(|canary| missing.binary_search(&canary).is_ok())
    };
    if is_missing(before) || is_missing(after) {
        return false;
    }
    let full = |canary: Option<CanaryId>| {
        let pieces = canary
            .into_iter()
            .flat_map(|canary| evidence.stored(canary));
        let sizes = pieces.map(|piece| piece.canaries.len());
        sizes
            .max()
            .is_some_and(|size| size >= BLOCKS_OF_FULL_PIECE_MIN)
    };
    match (before, after) {
        (Some(_), Some(_)) => full(before) && full(after),
        (Some(_), None) => evidence.records.iter().any(|record| {
            record.sighting.record_type == RecordType::Fact
                && record.owner == Owner::User(block.user)
                && record.canaries.is_empty()
        }),
        (None, _) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::testing::{check, sighting};
    use crate::model::RecordType;

    #[test]
    fn missing_blocks_of_a_document_are_one_root() {
        check(
            |history| drop(history.remove("f1.1")),
            &["partial-ingest: no s1.3 no s1.4 no s1.5"],
        );
        check(
            |history| {
                history.remove("f1.0");
                history.record("f1.2").canaries.pop();
            },
            &["partial-ingest: no s1.0 no s1.1 no s1.2 no s1.8"],
        );
    }

    #[test]
    fn one_block_that_may_have_been_cut_in_two_only_suggests() {
        // Between two full pieces.
        check(
            |history| {
                let last = history.record("f1.2").canaries.remove(0);
                history.record("f1.1").canaries.push(last);
                history.record("f1.1").canaries.remove(0);
            },
            &["partial-ingest?: no s1.3"],
        );
        // At the end, beside a scrap.
        check(
            |history| {
                history.record("f1.2").canaries.pop();
                history
                    .sightings
                    .push(sighting(RecordType::Fact, "scrap", 0));
            },
            &["partial-ingest?: no s1.8"],
        );
        // At the end, with nothing beside it.
        check(
            |history| history.record("f1.2").canaries.truncate(2),
            &["partial-ingest: no s1.8"],
        );
    }
}
