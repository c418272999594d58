//! Upload sessions: documents whose blocks are numbered over the whole session.

use std::sync::Arc;

use crate::model::{OpId, SessionIx, TraitSet, UserIx};
use crate::plan::document::{Document, layout};
use crate::plan::stream::{Purpose, Streams};
use crate::plan::words::Vocabulary;
use crate::plan::{Action, Step};
use crate::scenario::{FileName, UploadSpec};

use super::{paced, text_hash};

/// Blocks of all documents of a session: their count must fit in the 16 bits of an item count.
const BLOCKS_PER_SESSION_MAX: u16 = u16::MAX;

pub(super) fn steps(
    spec: &UploadSpec,
    session: SessionIx,
    ops: u16,
    streams: &Streams<'_>,
    vocabulary: &Arc<Vocabulary>,
) -> Vec<Step> {
    let blocks_max = BLOCKS_PER_SESSION_MAX / ops.max(1);
    let mut item_next = 0;
    let mut steps = Vec::with_capacity(usize::from(ops));
    for (op, pause) in paced(session, ops, spec.think, streams) {
        let characters = streams.one_of(Purpose::Size, op.seq, &spec.characters);
        let (blocks, filler_chars) = layout(characters, blocks_max);
        let document = Document {
            file_name: file_name(spec, op),
            blocks,
            filler_chars,
            words_key: streams.key(Purpose::Text, op.seq),
            vocabulary: Arc::clone(vocabulary),
        };
        steps.push(Step {
            op,
            user: UserIx(0),
            traits: TraitSet::default(),
            login: 0,
            overlaps: false,
            disturbance: None,
            pause,
            item_first: item_next,
            item_count: blocks,
            text_hash: document_hash(&document),
            action: Action::Upload(document),
        });
        item_next += blocks;
    }
    steps
}

/// What the file of an upload is called.
pub(in crate::plan) fn file_name(spec: &UploadSpec, op: OpId) -> String {
    match &spec.file_name {
        FileName::Unique => format!("notes-{}-{}.txt", op.session.0, op.seq),
        FileName::Same(name) => name.clone(),
    }
}

/// Hash of what determines a document, so that it need not be written to be hashed.
fn document_hash(document: &Document) -> u64 {
    text_hash(&[
        document.file_name.as_bytes(),
        &document.blocks.to_le_bytes(),
        &document.filler_chars.to_le_bytes(),
        &document.words_key,
    ])
}
