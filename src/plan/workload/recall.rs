//! Recall sessions: everybody asks in the same words for what only their own session was told,
//! before it was told anything and after.

use crate::model::{SessionIx, Trait, TraitSet, UserIx};
use crate::plan::stream::Streams;
use crate::plan::words::Vocabulary;
use crate::plan::{Action, Question, RECALL_QUESTION, Step};
use crate::scenario::{RecallSpec, TalkSpec};

use super::{chat, paced, text_hash};

/// Questions of a session: one before it is told anything, one after.
pub(super) const QUESTIONS: u16 = 2;

pub(super) fn steps(
    spec: &RecallSpec,
    session: SessionIx,
    ops: u16,
    streams: &Streams<'_>,
    vocabulary: &Vocabulary,
) -> Vec<Step> {
    let mut steps = chat::steps(&telling(spec), session, ops, streams, vocabulary);
    let last = ops.saturating_sub(1);
    for (op, pause) in paced(session, ops, spec.think, streams) {
        let before_telling = op.seq == 0;
        if !before_telling && op.seq != last {
            continue;
        }
        let mut traits = TraitSet::default().with(Trait::SameWords);
        if before_telling {
            traits = traits.with(Trait::AskBeforeTelling);
        }
        let question = Question {
            text: RECALL_QUESTION.to_owned(),
            agent: spec.agent.clone(),
            before_telling,
        };
        if let Some(step) = steps.get_mut(usize::from(op.seq)) {
            *step = Step {
                op,
                user: UserIx(0),
                traits,
                login: 0,
                overlaps: false,
                disturbance: None,
                pause,
                item_first: op.seq,
                item_count: 0,
                text_hash: text_hash(&[question.text.as_bytes(), question.agent.as_bytes()]),
                action: Action::Ask(question),
            };
        }
    }
    steps
}

/// The turns between the questions.
fn telling(spec: &RecallSpec) -> TalkSpec {
    TalkSpec {
        turns: spec.turns.clone(),
        think: spec.think,
        words: spec.words.clone(),
        agent: spec.agent.clone(),
    }
}
