//! What sessions do: one file for each kind.

use std::borrow::Cow;
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use crate::model::{OpId, SessionIx, UserIx};
use crate::scenario::{AGENT_USER, ChatSpec, Pause, SessionSpec, TalkSpec};

use super::arrival::Place;
use super::stream::{Purpose, Streams};
use super::words::Vocabulary;
use super::{ChatTurn, Step};

mod chat;
mod recall;
mod trespass;
mod upload;
mod voice;

pub(super) use trespass::{layout as trespass_layout, model_calls as trespass_model_calls};

/// Key of the hashes over what operations send.
const TEXT_KEY: &[u8; 32] = b"crosswire text to send, version1";

/// What the file of an operation is called; `None` if it sends none.
pub(super) fn file_name(spec: &SessionSpec, op: OpId) -> Option<String> {
    match spec {
        SessionSpec::Upload(spec) => Some(upload::file_name(spec, op)),
        SessionSpec::Chat(_)
        | SessionSpec::Voice(_)
        | SessionSpec::Recall(_)
        | SessionSpec::Stream(_)
        | SessionSpec::Turn(_)
        | SessionSpec::Trespass(_) => None,
    }
}

/// The steps of a session.
pub(super) fn steps(
    spec: &SessionSpec,
    session: SessionIx,
    streams: &Streams<'_>,
    vocabulary: &Arc<Vocabulary>,
) -> Vec<Step> {
    let ops = op_count(spec, streams);
    match spec {
        SessionSpec::Chat(spec) => chat::steps(&talk(spec), session, ops, streams, vocabulary),
        SessionSpec::Stream(spec) | SessionSpec::Turn(spec) => {
            chat::steps(spec, session, ops, streams, vocabulary)
        }
        SessionSpec::Upload(spec) => upload::steps(spec, session, ops, streams, vocabulary),
        SessionSpec::Voice(spec) => voice::steps(spec, session, ops, streams),
        SessionSpec::Recall(spec) => recall::steps(spec, session, ops, streams, vocabulary),
        SessionSpec::Trespass(spec) => trespass::steps(spec, session, streams, vocabulary),
    }
}

/// The turns of a chat session, without what is beside.
fn talk(spec: &ChatSpec) -> TalkSpec {
    TalkSpec {
        turns: spec.turns.clone(),
        think: spec.think,
        words: spec.words.clone(),
        agent: spec.agent.clone(),
    }
}

/// A kind of session as this user has it: where each has an agent of their own, with that one.
pub(super) fn with_own_agent(spec: &SessionSpec, user: UserIx) -> Cow<'_, SessionSpec> {
    let own = |agent: &mut String| *agent = agent.replace(AGENT_USER, &format!("u{}", user.0));
    if !spec.agent().is_some_and(|agent| agent.contains(AGENT_USER)) {
        return Cow::Borrowed(spec);
    }
    let mut spec = spec.clone();
    match &mut spec {
        SessionSpec::Chat(spec) => own(&mut spec.agent),
        SessionSpec::Voice(spec) => own(&mut spec.agent),
        SessionSpec::Recall(spec) => own(&mut spec.agent),
        SessionSpec::Stream(spec) | SessionSpec::Turn(spec) => own(&mut spec.agent),
        SessionSpec::Trespass(spec) => own(&mut spec.agent),
        SessionSpec::Upload(_) => {}
    }
    Cow::Owned(spec)
}

/// The chat turn at a place of a session; `None` where there is none.
pub(super) fn chat_turn(
    spec: &SessionSpec,
    seq: u16,
    streams: &Streams<'_>,
    vocabulary: &Vocabulary,
) -> Option<ChatTurn> {
    let ops = op_count(spec, streams);
    let (turns, words, agent) = match spec {
        SessionSpec::Chat(spec) => (0..ops, &spec.words, &spec.agent),
        SessionSpec::Stream(spec) | SessionSpec::Turn(spec) => (0..ops, &spec.words, &spec.agent),
        SessionSpec::Recall(spec) => (1..ops.saturating_sub(1), &spec.words, &spec.agent),
        SessionSpec::Trespass(spec) => return trespass::turn(spec, seq, streams, vocabulary),
        SessionSpec::Upload(_) | SessionSpec::Voice(_) => return None,
    };
    turns
        .contains(&seq)
        .then(|| chat::turn(words, agent, seq, streams, vocabulary))
}

/// How many operations a session has; at least one.
pub(super) fn op_count(spec: &SessionSpec, streams: &Streams<'_>) -> u16 {
    let counts = op_counts(spec);
    let counts = u32::from(*counts.start())..=u32::from(*counts.end());
    let count = streams.one_of(Purpose::OpCount, 0, &counts);
    u16::try_from(count).unwrap_or(u16::MAX)
}

/// How many operations a session of a kind can have.
pub(super) fn op_counts(spec: &SessionSpec) -> RangeInclusive<u16> {
    let (counts, beside) = match spec {
        SessionSpec::Chat(spec) => (&spec.turns, 0),
        SessionSpec::Upload(spec) => (&spec.uploads, 0),
        SessionSpec::Voice(spec) => (&spec.turns, 0),
        SessionSpec::Recall(spec) => (&spec.turns, recall::QUESTIONS),
        SessionSpec::Stream(spec) | SessionSpec::Turn(spec) => (&spec.turns, 0),
        SessionSpec::Trespass(spec) => {
            let ops = trespass::op_count(spec);
            return ops..=ops;
        }
    };
    let fewest = (*counts.start()).max(1);
    let most = (*counts.end()).max(fewest);
    fewest.saturating_add(beside)..=most.saturating_add(beside)
}

/// The operations of a session with their pauses, in order.
fn paced(
    session: SessionIx,
    ops: u16,
    think: Pause,
    streams: &Streams<'_>,
) -> impl Iterator<Item = (OpId, Duration)> {
    let starts_at_once = match streams.place() {
        Place::Open { .. } => true,
        Place::Closed { iteration, .. } => iteration == 0,
    };
    (0..ops).map(move |seq| {
        let pause = if seq == 0 && starts_at_once {
            Duration::ZERO
        } else {
            streams.pause(seq, think)
        };
        (OpId { session, seq }, pause)
    })
}

/// Hash of the parts of what an operation sends.
fn text_hash(parts: &[&[u8]]) -> u64 {
    let mut hasher = blake3::Hasher::new_keyed(TEXT_KEY);
    for part in parts {
        hasher.update(&u64::try_from(part.len()).unwrap_or(u64::MAX).to_le_bytes());
        hasher.update(part);
    }
    let mut first = [0; 8];
    first.copy_from_slice(&hasher.finalize().as_bytes()[..8]);
    u64::from_le_bytes(first)
}
