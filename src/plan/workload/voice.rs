//! Voice sessions: spoken turns that say nothing but their canary.

use crate::model::{SessionIx, TraitSet, UserIx};
use crate::plan::stream::Streams;
use crate::plan::{Action, Step, VoiceTurn};
use crate::scenario::VoiceSpec;

use super::{paced, text_hash};

pub(super) fn steps(
    spec: &VoiceSpec,
    session: SessionIx,
    ops: u16,
    streams: &Streams<'_>,
) -> Vec<Step> {
    let steps = paced(session, ops, spec.think, streams).map(|(op, pause)| Step {
        op,
        user: UserIx(0),
        traits: TraitSet::default(),
        login: 0,
        overlaps: false,
        disturbance: None,
        pause,
        item_first: op.seq,
        item_count: 1,
        text_hash: text_hash(&[b"voice", spec.agent.as_bytes()]),
        action: Action::Voice(VoiceTurn {
            agent: spec.agent.clone(),
        }),
    });
    steps.collect()
}
