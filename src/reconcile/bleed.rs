//! How another user's text came into an answer: what the operations of both tell.
//!
//! Only what they show is named, and what it rests on stands in the finding. A text of which
//! nothing tells how it came there is of a kind untold, never guessed.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::{
    BleedKind, CanaryId, Echo, Micros, OpId, OpKind, OpRow, Outcome, Trait, UserIx,
};

use super::draft::Draft;
use super::evidence::{Evidence, span};
use super::pattern::Surroundings;
use super::wording;

/// Users who were shown the same answer to the same words, from which on it was kept somewhere.
const SHOWN_MIN: usize = 3;

/// What the sender's operations tell of a text that somebody else was shown.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Trail {
    /// The text's canary.
    canary: CanaryId,
    /// What became of the answer to the operation that sent it.
    own_answer: OwnAnswer,
    /// When the sender first asked in everybody's words for what the text holds.
    asked: Option<Micros>,
    /// Was the sender answered so?
    recalled: bool,
    /// Does the asking user's own canary stand in the same text?
    beside_own: bool,
}

/// What became of the answer to an operation whose text was shown to somebody else.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum OwnAnswer {
    /// Its sender was given it.
    Given,
    /// Its sender never had it: another one's came instead, or none.
    Missing,
    /// Its sender was given a stream of chunks without its word.
    Cut,
    /// It holds no text that could be shown.
    Textless,
    /// Nobody can tell.
    Unclear,
}

/// What the operations of both users tell.
enum Told {
    Kind(BleedKind, String),
    /// The sender had been answered so in the same words, which may be why.
    Repeated,
}

/// Follows a text back to its sender's operations, as far as the sender's bucket knows.
pub(crate) fn trail(evidence: &Evidence<'_>, canary: CanaryId, beside_own: bool) -> Trail {
    let sent = evidence.op_of(canary);
    let questions = || {
        let later = sent.map_or(u16::MAX, |op| op.invocation.op.seq);
        let place = |seq| OpId {
            session: canary.session,
            seq,
        };
        let all = evidence.ops.range(place(later)..=place(u16::MAX));
        let all = all.map(|(_, op)| *op);
        all.filter(move |op| {
            let asked = &op.invocation;
            asked.user == canary.user
                && asked.op.seq > later
                && is_question(op)
                && op.outcome() != Outcome::Unsent
        })
    };
    Trail {
        canary,
        own_answer: sent.map_or(OwnAnswer::Unclear, own_answer),
        asked: questions().map(|op| op.invocation.invoked).min(),
        recalled: questions().any(|op| op.completion.as_ref().is_some_and(|e| e.echo == Echo::Own)),
        beside_own,
    }
}

/// Names the kind of each answer that holds another user's text, and says what it rests on.
pub(crate) fn name_kinds(drafts: &mut [Draft], surroundings: &mut dyn Surroundings) {
    let mut told: Vec<(usize, Told)> = Vec::new();
    let mut shown: BTreeMap<CanaryId, BTreeSet<Option<UserIx>>> = BTreeMap::new();
    let mut looked_up = false;
    for (place, draft) in drafts.iter().enumerate() {
        let Some(trail) = &draft.trail else {
            continue;
        };
        let answered = draft.other.and_then(|op| surroundings.op(op));
        let question = answered.as_ref().is_some_and(is_question);
        let one = tell(draft, trail, answered.as_ref());
        match &one {
            Told::Repeated => {
                let askers = shown.entry(trail.canary).or_default();
                askers.insert(draft.finding.found_under);
            }
            Told::Kind(kind, _) => looked_up |= question && *kind == BleedKind::Retrieval,
        }
        told.push((place, one));
    }
    for (place, one) in told {
        let Some(draft) = drafts.get_mut(place) else {
            continue;
        };
        let askers = draft.trail.and_then(|trail| shown.get(&trail.canary));
        let (kind, why) = match one {
            Told::Kind(kind, why) => (kind, why),
            Told::Repeated => repeated(draft, askers.map_or(0, BTreeSet::len), looked_up),
        };
        let finding = &mut draft.finding;
        finding.kind = Some(kind);
        finding.because = format!("{}; {kind}: {why}", finding.because);
    }
}

/// A text with which its sender had been answered in the same words: kept, if it is shown again and
/// again, and if no such answer of the run held anything that had not been an answer yet.
fn repeated(draft: &Draft, askers: usize, looked_up: bool) -> (BleedKind, String) {
    let sender = sender(draft);
    if askers >= SHOWN_MIN && !looked_up {
        let why = format!(
            "{askers} users who asked in the same words were shown it, none of them before {sender} \
             had asked so and been answered with it"
        );
        return (BleedKind::Cached, why);
    }
    let why = format!(
        "{sender} had asked in the same words and been answered with it, so the answer may have \
         been kept, or the text looked up"
    );
    (BleedKind::Untold, why)
}

fn tell(draft: &Draft, trail: &Trail, answered: Option<&OpRow>) -> Told {
    let sender = sender(draft);
    let untold = |why: &str| Told::Kind(BleedKind::Untold, why.to_owned());
    let retrieval = |why: String| Told::Kind(BleedKind::Retrieval, why);
    if trail.own_answer == OwnAnswer::Textless {
        return retrieval("no answer repeats it to its sender, so it was looked up".to_owned());
    }
    let Some(answered) = answered else {
        return untold("it is not known which operation it was the answer to");
    };
    let ended = span(answered).1;
    let own_came = answered.promise().assistant_message;
    let on_socket = |kind| {
        answered.invocation.kind == kind
            && own_came
            && !trail.beside_own
            && overlap(draft, answered)
    };
    match trail.own_answer {
        OwnAnswer::Unclear | OwnAnswer::Textless => {
            untold("it is not known what became of its sender's own answer")
        }
        OwnAnswer::Missing if is_question(answered) || trail.beside_own => untold(
            "its sender never had the own answer, so that may have gone astray, or the text been \
             looked up",
        ),
        OwnAnswer::Missing | OwnAnswer::Given if on_socket(OpKind::Voice) => {
            let why = "it came on the socket beside the own answer, while its sender's was given";
            Told::Kind(BleedKind::Streamed, why.to_owned())
        }
        OwnAnswer::Missing | OwnAnswer::Cut if on_socket(OpKind::Stream) => {
            let why = "a chunk of it came on the socket beside the own answer, while its sender was \
                       being answered, who never had it";
            Told::Kind(BleedKind::Streamed, why.to_owned())
        }
        OwnAnswer::Cut => untold(
            "its sender's answer came in chunks without its word, which may have gone astray or not \
             been said",
        ),
        OwnAnswer::Missing => {
            let why = format!("{sender} never had the answer to that operation: it went astray");
            Told::Kind(BleedKind::Transport, why)
        }
        OwnAnswer::Given if is_question(answered) => match trail.asked {
            Some(asked) if asked < ended && trail.recalled => Told::Repeated,
            Some(asked) if asked < ended => untold(
                "its sender was asking in the same words, and how that was answered is not known",
            ),
            Some(_) | None => retrieval(format!(
                "{sender} had the own answer, and had not yet asked for it in these words, so it was \
                 looked up"
            )),
        },
        OwnAnswer::Given if trail.beside_own => retrieval(format!(
            "{sender} had the own answer, and this one has the asking user's own word too, so it \
             was looked up and quoted"
        )),
        OwnAnswer::Given => {
            untold("its sender had the own answer, and this one has nothing of the asking user's")
        }
    }
}

fn own_answer(sent: &OpRow) -> OwnAnswer {
    if matches!(sent.invocation.kind, OpKind::Upload | OpKind::Turn) {
        return OwnAnswer::Textless;
    }
    // Of two answers to one operation only one is known.
    if sent.invocation.traits.has(Trait::DoubleSubmits) {
        return OwnAnswer::Unclear;
    }
    let end = sent.completion.as_ref();
    let echo = end.map(|end| end.echo);
    match (sent.outcome(), echo) {
        (Outcome::Ok, _) if sent.promise().assistant_message => OwnAnswer::Given,
        (Outcome::Unknown, _) | (Outcome::Ok, Some(Echo::Foreign)) => OwnAnswer::Missing,
        (Outcome::Ok, Some(Echo::Own)) => OwnAnswer::Given,
        (Outcome::Ok, Some(Echo::None)) if sent.invocation.kind == OpKind::Stream => OwnAnswer::Cut,
        (Outcome::Ok, Some(Echo::None | Echo::NotExpected) | None)
        | (Outcome::SoftFail | Outcome::Refused | Outcome::Unsent, _) => OwnAnswer::Unclear,
    }
}

/// Is it the question that everybody asks in the same words?
fn is_question(op: &OpRow) -> bool {
    op.invocation.traits.has(Trait::SameWords) && op.invocation.item_count == 0
}

/// Was the sender's operation at work at the same time?
fn overlap(draft: &Draft, answered: &OpRow) -> bool {
    let (begun, ended) = span(answered);
    draft
        .span
        .is_some_and(|(from, to)| from <= ended && begun <= to)
}

fn sender(draft: &Draft) -> String {
    draft
        .finding
        .sender
        .map_or_else(|| "its sender".to_owned(), wording::user)
}

#[cfg(test)]
mod tests {
    use super::super::testing::{History, answer, canary, op_at, owner, spoilt};
    use super::*;
    use crate::model::{CanaryKind, Code, Finding, SessionIx, TraitSet};

    const SECOND: u64 = 1_000_000;

    /// A question of a user in a session of the own, its place there, its time in seconds, and
    /// whether the answer held a word of the same user.
    fn ask(history: &mut History, (user, session, seq): (u32, u32, u16), at: u64, own: bool) {
        let from = Micros(at * SECOND);
        let mut op = op_at(user, session, from, Some(Micros(from.0 + SECOND / 10)));
        op.invocation.op.seq = seq;
        op.invocation.traits = TraitSet::default().with(Trait::SameWords);
        op.invocation.item_first = seq;
        op.invocation.item_count = 0;
        if let Some(end) = op.completion.as_mut() {
            end.op.seq = seq;
            end.promise = crate::model::Promise::NONE;
            end.echo = if own { Echo::Own } else { Echo::Foreign };
        }
        history.ops.push(op);
    }

    /// What a user was shown, in answer to an operation in a session of theirs.
    fn show(history: &mut History, (user, session, seq): (u32, u32, u16), text: CanaryId) {
        let mut shown = answer(user, session, text);
        shown.owner = Some(owner(user));
        shown.position = u32::from(seq);
        history.sightings.push(shown);
    }

    fn kinds(history: &History) -> Vec<BleedKind> {
        let mut told: Vec<Finding> = history.findings();
        for width in [1, 2] {
            let judgement = history.judge_sharded(&history.context(), width);
            assert_eq!(judgement.findings, told);
        }
        told.retain(|finding| finding.code == Code::ResponseBleed);
        assert!(told.iter().all(|finding| {
            let kind = finding.kind.unwrap();
            finding.because.contains(&format!("; {kind}: "))
        }));
        told.iter().filter_map(|finding| finding.kind).collect()
    }

    #[test]
    fn an_answer_that_its_sender_never_had_went_astray() {
        let text = canary(0, 0, 0, CanaryKind::Turn);
        let mut history = spoilt(|history| show(history, (1, 3, 0), text));
        assert_eq!(kinds(&history), [BleedKind::Untold], "both had an answer");
        history.end(0, 0).echo = Echo::Foreign;
        history.end(0, 0).promise.assistant_message = false;
        assert_eq!(kinds(&history), [BleedKind::Transport]);
    }

    #[test]
    fn what_stands_beside_the_own_word_is_a_quotation() {
        let history = spoilt(|history| {
            show(history, (1, 3, 0), canary(0, 0, 0, CanaryKind::Turn));
            let own = super::super::testing::exact(canary(1, 3, 0, CanaryKind::Turn));
            history.sightings.last_mut().unwrap().canaries.push(own);
        });
        assert_eq!(kinds(&history), [BleedKind::Retrieval]);
    }

    #[test]
    fn a_document_is_looked_up() {
        let history = spoilt(|history| {
            show(history, (1, 3, 0), canary(0, 1, 4, CanaryKind::Block));
        });
        assert_eq!(kinds(&history), [BleedKind::Retrieval]);
    }

    #[test]
    fn a_word_that_was_no_answer_yet_is_looked_up() {
        let text = canary(0, 0, 0, CanaryKind::Turn);
        let told = |asked_at: Option<u64>| {
            kinds(&spoilt(|history| {
                ask(history, (1, 3, 7), 20, false);
                show(history, (1, 3, 7), text);
                if let Some(at) = asked_at {
                    ask(history, (0, 0, 9), at, true);
                }
            }))
        };
        assert_eq!(told(None), [BleedKind::Retrieval]);
        assert_eq!(told(Some(30)), [BleedKind::Retrieval]);
        assert_eq!(told(Some(10)), [BleedKind::Untold], "one asker only");
    }

    #[test]
    fn the_same_answer_for_many_is_kept() {
        let text = canary(0, 0, 0, CanaryKind::Turn);
        let mut history = History::new(5, 2);
        ask(&mut history, (0, 0, 9), 10, true);
        for asker in 1..4 {
            let place = (asker, asker * 3, 7);
            ask(&mut history, place, 20 + u64::from(asker), false);
            show(&mut history, place, text);
        }
        assert_eq!(kinds(&history), [BleedKind::Cached; 3]);
        // Somebody was shown what was no answer yet: memories are searched here.
        ask(&mut history, (0, 0, 11), 30, false);
        show(&mut history, (0, 0, 11), canary(4, 12, 0, CanaryKind::Turn));
        let mut all = kinds(&history);
        all.sort_unstable();
        let untold = BleedKind::Untold;
        assert_eq!(all, [BleedKind::Retrieval, untold, untold, untold]);
    }

    #[test]
    fn a_chunk_that_comes_on_another_chat_socket_was_streamed() {
        let text = canary(0, 2, 0, CanaryKind::Turn);
        let told = |own_echo: Echo, from: [u64; 2]| {
            let mut history = spoilt(|history| show(history, (1, 5, 0), text));
            for (session, from) in [2, 5].into_iter().zip(from) {
                let op = history.op(session, 0);
                op.invocation.kind = OpKind::Stream;
                op.invocation.invoked = Micros(from * SECOND);
                op.completion.as_mut().unwrap().completed = Micros((from + 1) * SECOND);
            }
            let sender = history.end(2, 0);
            sender.echo = own_echo;
            sender.promise.assistant_message = own_echo == Echo::Own;
            kinds(&history)
        };
        assert_eq!(told(Echo::None, [50, 50]), [BleedKind::Streamed]);
        // Whose own answer is whole may have been quoted, and who was not there then has told it.
        assert_eq!(told(Echo::Own, [50, 50]), [BleedKind::Untold]);
        assert_eq!(told(Echo::None, [50, 60]), [BleedKind::Untold]);
    }

    #[test]
    fn what_comes_on_a_socket_beside_the_own_answer_was_streamed() {
        // The third session of each user is a spoken one.
        let text = canary(0, 2, 0, CanaryKind::Turn);
        let mut history = spoilt(|history| show(history, (1, 5, 0), text));
        let (from, to) = (Micros(50 * SECOND), Micros(51 * SECOND));
        for op in &mut history.ops {
            if [SessionIx(2), SessionIx(5)].contains(&op.invocation.op.session) {
                op.invocation.invoked = from;
                op.completion.as_mut().unwrap().completed = to;
            }
        }
        assert_eq!(kinds(&history), [BleedKind::Streamed]);
    }
}
