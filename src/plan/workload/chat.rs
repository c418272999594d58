//! Chat sessions: turns of a few sentences, each with one canary that the answer should end in.

use crate::model::{SessionIx, TraitSet, UserIx};
use crate::plan::stream::{Purpose, Streams};
use crate::plan::words::Vocabulary;
use crate::plan::{Action, ChatTurn, Step};
use crate::scenario::ChatSpec;

use super::{paced, text_hash};

/// Characters of the sentences before the frame. Stores refuse messages over 2 500.
const SENTENCES_CHARS_MAX: usize = 1_800;

pub(super) fn steps(
    spec: &ChatSpec,
    session: SessionIx,
    ops: u16,
    streams: &Streams<'_>,
    vocabulary: &Vocabulary,
) -> Vec<Step> {
    let words = u32::from(*spec.words.start())..=u32::from(*spec.words.end());
    let (frame_before, frame_after) = vocabulary.frame();
    let steps = paced(session, ops, spec.think, streams).map(|(op, pause)| {
        let words = streams.one_of(Purpose::Size, op.seq, &words).max(1);
        let mut rng = streams.rng(Purpose::Text, op.seq);
        let mut before = vocabulary.sentences(&mut rng, words, SENTENCES_CHARS_MAX);
        before.push(' ');
        before.push_str(frame_before);
        let turn = ChatTurn {
            before,
            after: frame_after.to_owned(),
            agent: spec.agent.clone(),
        };
        let parts = [&turn.before, &turn.after, &turn.agent].map(String::as_bytes);
        Step {
            op,
            user: UserIx(0),
            traits: TraitSet::default(),
            login: 0,
            overlaps: false,
            disturbance: None,
            pause,
            item_first: op.seq,
            item_count: 1,
            text_hash: text_hash(&parts),
            action: Action::Chat(turn),
        }
    });
    steps.collect()
}
