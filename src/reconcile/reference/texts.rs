//! Each anomaly of a text by its definition: other words, words of nobody, turns out of order.

use crate::model::{Code, Likeness, Micros, Outcome, RecordType, Role, RunId};

use super::super::testing::RUN;
use super::state::{Own, State, is_phantom};
use super::world::{World, server_session};

impl World<'_> {
    /// A text that is not the one that was sent, or that nobody of this run can have sent.
    pub(super) fn texts(&mut self) {
        let mut told = Vec::new();
        for state in self.states.iter().filter(|state| state.newest) {
            let text = state.is(RecordType::Message) || state.is(RecordType::Fact);
            if is_own_words(state) {
                let code = match state.seen.likeness {
                    Likeness::Torn { .. } => Some(Code::Torn),
                    Likeness::Altered => Some(Code::Altered),
                    Likeness::Unjudged | Likeness::Same => None,
                };
                told.extend(code.map(|code| (code, state.what(), state.proved)));
            }
            if text && state.seen.older_run.is_some() && self.is_somebodys(state) {
                told.push((Code::Resurrected, state.what(), state.proved));
            }
            if is_phantom(state) && self.is_somebodys(state) {
                told.push((Code::Phantom, state.what(), state.proved));
            }
            let ours = state.seen.canaries.iter().any(|seen| seen.id.run == RUN);
            let unsound = state.exact.is_empty() && (ours || state.seen.damaged);
            if text && unsound && self.is_somebodys(state) {
                told.push((Code::Unattributable, state.what(), false));
                self.suggested.insert((Code::Unattributable, state.what()));
            }
        }
        self.tell(told);
    }

    /// Does anything tie it to a user of this run: a canary, its session's name, an answer that
    /// named its session, or its owner?
    fn is_somebodys(&self, state: &State<'_>) -> bool {
        let session = state.seen.session.as_deref();
        let named = session.and_then(RunId::parse_session_name);
        let given = |op| session.is_some() && server_session(op) == session;
        state.seen.canaries.iter().any(|seen| seen.id.run == RUN)
            || named.is_some_and(|(run, ..)| run == RUN)
            || self.ops.iter().any(given)
            || matches!(state.own, Own::User(_))
    }

    /// Behind a turn of the same session that was sent only when this one had been answered. Of
    /// copies of a turn the first counts; turns beside one with an unknown end are not compared.
    pub(super) fn turns(&mut self) {
        let placed: Vec<Placed<'_, '_>> =
            self.states.iter().filter_map(|s| self.placed(s)).collect();
        let first = |turn: &Placed<'_, '_>| {
            let copies = placed.iter().filter(|other| other.whose() == turn.whose());
            let key = |turn: &&Placed<'_, '_>| {
                (turn.state.seen.position, turn.state.seen.record_id.clone())
            };
            copies.min_by_key(key).map(|first| first.state.what()) == Some(turn.state.what())
        };
        let firsts: Vec<&Placed<'_, '_>> = placed.iter().filter(|turn| first(turn)).collect();
        let mut told = Vec::new();
        for turn in &firsts {
            let overtaken = firsts.iter().any(|later| {
                later.place() == turn.place()
                    && turn.answered < later.sent
                    && later.state.seen.position < turn.state.seen.position
            });
            if overtaken {
                told.push((Code::Reordered, turn.state.what(), true));
            }
        }
        self.tell(told);
    }

    fn placed<'e, 'a>(&self, state: &'e State<'a>) -> Option<Placed<'e, 'a>> {
        let session = state.seen.session.as_deref()?;
        if !is_own_words(state) || !state.newest || !state.proved {
            return None;
        }
        let canary = *state.exact.first()?;
        let op = self.op_of(canary)?;
        let id = op.invocation.op;
        let unknown_before = self.ops.iter().filter(|other| {
            let before = other.invocation.op;
            before.session == id.session
                && before.seq < id.seq
                && other.outcome() == Outcome::Unknown
        });
        let placed = Placed {
            state,
            session,
            op: (id.session.0, id.seq),
            user: canary.user.0,
            unknown_before: unknown_before.count(),
            sent: op.invocation.invoked,
            answered: op.completion.as_ref()?.completed,
        };
        let sound = op.outcome() == Outcome::Ok && self.sent_in(canary, session) == Some(true);
        sound.then_some(placed)
    }
}

/// A user's turn in its place.
struct Placed<'e, 'a> {
    state: &'e State<'a>,
    session: &'e str,
    op: (u32, u16),
    user: u32,
    unknown_before: usize,
    sent: Micros,
    answered: Micros,
}

impl Placed<'_, '_> {
    /// Turns of one place are compared with each other.
    fn place(&self) -> (u32, u32, &str, usize) {
        (self.user, self.op.0, self.session, self.unknown_before)
    }

    /// Copies of one turn in one place.
    fn whose(&self) -> (u32, (u32, u16), &str) {
        (self.user, self.op, self.session)
    }
}

/// Is it what one user said in one turn, under their name?
fn is_own_words(state: &State<'_>) -> bool {
    let [canary] = state.exact.as_slice() else {
        return false;
    };
    state.is(RecordType::Message)
        && state.seen.role == Role::User
        && state.own == Own::User(canary.user)
}
