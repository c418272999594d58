//! Chat sessions, streamed and kept ones too: turns of a few sentences, each with a canary in its beginning and at its end,
//! which the answer should end in.

use std::ops::RangeInclusive;

use crate::model::{SessionIx, TraitSet, UserIx};
use crate::plan::stream::{Purpose, Streams};
use crate::plan::words::Vocabulary;
use crate::plan::{Action, ChatTurn, Step};
use crate::scenario::TalkSpec;

use super::{paced, text_hash};

/// Bytes of the sentences between the canaries. Stores refuse messages over 2 500 characters.
const SENTENCES_BYTES_MAX: usize = 1_800;

pub(super) fn steps(
    spec: &TalkSpec,
    session: SessionIx,
    ops: u16,
    streams: &Streams<'_>,
    vocabulary: &Vocabulary,
) -> Vec<Step> {
    let steps = paced(session, ops, spec.think, streams).map(|(op, pause)| {
        let turn = turn(&spec.words, &spec.agent, op.seq, streams, vocabulary);
        let parts = [&turn.before, &turn.between, &turn.after, &turn.agent].map(String::as_bytes);
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

/// One turn of a session.
pub(super) fn turn(
    words: &RangeInclusive<u16>,
    agent: &str,
    seq: u16,
    streams: &Streams<'_>,
    vocabulary: &Vocabulary,
) -> ChatTurn {
    let words = u32::from(*words.start())..=u32::from(*words.end());
    let words = streams.one_of(Purpose::Size, seq, &words).max(1);
    let mut rng = streams.rng(Purpose::Text, seq);
    let (before, opened) = vocabulary.opening();
    let (asking, after) = vocabulary.frame();
    let sentences = vocabulary.sentences(&mut rng, words, SENTENCES_BYTES_MAX);
    ChatTurn {
        before: before.to_owned(),
        between: format!("{opened}{sentences} {asking}"),
        after: after.to_owned(),
        agent: agent.to_owned(),
    }
}
