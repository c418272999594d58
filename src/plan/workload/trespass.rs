//! Trespass sessions: the session's user tells something in one turn, and then all routes to it are
//! tried: by that user, who must get through, and by those who must not.

use crate::model::{Attempt, Part, Route, SessionIx, Standing, TraitSet, UserIx};
use crate::plan::stream::{Purpose, Streams};
use crate::plan::words::Vocabulary;
use crate::plan::{Action, ChatTurn, Step, Trespass};
use crate::scenario::TrespassSpec;

use super::{chat, paced, text_hash};

/// The turn that tells what is to be kept.
pub(super) const TELLING: u16 = 0;
/// Characters of the told text that are searched for, at most.
const QUERY_CHARS_MAX: usize = 60;

/// What is tried behind the telling turn, in order: the first attempt is operation 1. A function of
/// the scenario alone.
pub(in crate::plan) fn layout(spec: &TrespassSpec) -> Vec<Attempt> {
    let founder = |route, part| Attempt {
        route,
        standing: Standing::Founder,
        part,
    };
    let mut all = Vec::new();
    let deletes = spec.routes.contains(&Route::Delete);
    // Whether something is gone is seen by whether it was to be seen before.
    if deletes && !spec.routes.contains(&Route::Transcript) {
        all.push(founder(Route::Transcript, Part::Control));
    }
    for route in &spec.routes {
        if route.reads() {
            all.push(founder(*route, Part::Control));
        }
        if *route == Route::Transcript {
            all.push(founder(*route, Part::NegativeControl));
        }
        all.extend(spec.standings.iter().map(|standing| Attempt {
            route: *route,
            standing: *standing,
            part: Part::Trial,
        }));
    }
    if deletes {
        all.push(founder(Route::Transcript, Part::Afterwards));
    }
    all
}

/// Operations of a session.
pub(super) fn op_count(spec: &TrespassSpec) -> u16 {
    u16::try_from(layout(spec).len() + 1).unwrap_or(u16::MAX)
}

/// Calls of a language model of a session: those of the turns in it.
pub(in crate::plan) fn model_calls(spec: &TrespassSpec) -> u64 {
    let written = layout(spec);
    let written = written
        .iter()
        .filter(|attempt| attempt.route == Route::Chat);
    u64::try_from(written.count() + 1).unwrap_or(u64::MAX)
}

/// The turn at a place of the session, if one is sent there.
pub(super) fn turn(
    spec: &TrespassSpec,
    seq: u16,
    streams: &Streams<'_>,
    vocabulary: &Vocabulary,
) -> Option<ChatTurn> {
    let attempt = usize::from(seq).checked_sub(1);
    let is_turn = match attempt {
        None => true,
        Some(place) => layout(spec)
            .get(place)
            .is_some_and(|attempt| attempt.route == Route::Chat),
    };
    is_turn.then(|| chat::turn(&spec.words, &spec.agent, seq, streams, vocabulary))
}

pub(super) fn steps(
    spec: &TrespassSpec,
    session: SessionIx,
    streams: &Streams<'_>,
    vocabulary: &Vocabulary,
) -> Vec<Step> {
    let told = chat::turn(&spec.words, &spec.agent, TELLING, streams, vocabulary);
    let query = query(&told, vocabulary);
    let attempts = layout(spec);
    let ops = op_count(spec);
    let steps = paced(session, ops, spec.think, streams).map(|(op, pause)| {
        let place = usize::from(op.seq).checked_sub(1);
        let action = match place.and_then(|place| attempts.get(place)) {
            None => Action::Chat(told.clone()),
            Some(attempt) => Action::Trespass(Trespass {
                attempt: *attempt,
                turn: turn(spec, op.seq, streams, vocabulary),
                query: query.clone(),
                elsewhere: elsewhere(*attempt, op.seq, streams),
            }),
        };
        Step {
            op,
            user: UserIx(0),
            traits: TraitSet::default(),
            login: 0,
            overlaps: false,
            disturbance: None,
            pause,
            item_first: op.seq,
            item_count: u16::from(holds_canary(&action)),
            text_hash: hash(&action),
            action,
        }
    });
    steps.collect()
}

fn holds_canary(action: &Action) -> bool {
    match action {
        Action::Chat(_) => true,
        Action::Trespass(trespass) => trespass.turn.is_some(),
        Action::Ask(_) | Action::Upload(_) | Action::Voice(_) => false,
    }
}

fn hash(action: &Action) -> u64 {
    let of_turn = |turn: &ChatTurn| {
        let parts = [&turn.before, &turn.between, &turn.after, &turn.agent];
        text_hash(&parts.map(String::as_bytes))
    };
    match action {
        Action::Chat(turn) => of_turn(turn),
        Action::Trespass(trespass) => {
            let Attempt {
                route, standing, ..
            } = trespass.attempt;
            let turn = trespass.turn.as_ref().map_or(0, of_turn);
            let elsewhere = trespass.elsewhere.as_deref().unwrap_or_default();
            text_hash(&[
                route.name().as_bytes(),
                standing.name().as_bytes(),
                &turn.to_le_bytes(),
                trespass.query.as_bytes(),
                elsewhere.as_bytes(),
            ])
        }
        Action::Ask(_) | Action::Upload(_) | Action::Voice(_) => 0,
    }
}

/// The name of a session that nobody has.
fn elsewhere(attempt: Attempt, seq: u16, streams: &Streams<'_>) -> Option<String> {
    let key = streams.key(Purpose::Text, seq);
    (attempt.part == Part::NegativeControl).then(|| {
        let digits = key.iter().take(16).map(|byte| format!("{byte:02x}"));
        digits.collect()
    })
}

/// The first words of what was told, without its canary: an answer that repeats what was searched
/// for shows nothing by that.
fn query(told: &ChatTurn, vocabulary: &Vocabulary) -> String {
    let (_, opened) = vocabulary.opening();
    let sentences = told.between.strip_prefix(opened).unwrap_or(&told.between);
    let mut query = String::new();
    for word in sentences.split(' ') {
        let more = usize::from(!query.is_empty()) + word.chars().count();
        if query.chars().count() + more > QUERY_CHARS_MAX {
            break;
        }
        if !query.is_empty() {
            query.push(' ');
        }
        query.push_str(word);
    }
    query
}
