//! Each anomaly of place and number by its definition, over all operations and all records.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::{
    CanaryId, Code, OpRow, Outcome, RecordType, Role, RunId, SessionIx, Trait, UserIx,
};

use super::super::Context;
use super::super::testing::{History, RUN};
use super::state::{Own, State, is_phantom, misowned_by, states};
use super::{Set, What};

/// The whole history.
pub(super) struct World<'a> {
    pub(super) context: Context<'a>,
    pub(super) ops: &'a [OpRow],
    pub(super) states: Vec<State<'a>>,
    /// Surely so.
    pub(super) certain: Set,
    /// So by definition, but perhaps only suggested: read once, or not proof by itself.
    pub(super) possible: Set,
    /// So by definition, and to be told, although it is never proof by itself.
    pub(super) suggested: Set,
}

impl<'a> World<'a> {
    pub(super) fn new(history: &'a History) -> Self {
        let mut world = Self {
            context: history.context(),
            ops: &history.ops,
            states: states(history),
            certain: Set::new(),
            possible: Set::new(),
            suggested: Set::new(),
        };
        world.misowned();
        world.bleeds();
        world.absences();
        world.duplicates();
        world.ghosts();
        world.texts();
        world.turns();
        world
    }

    pub(super) fn tell(&mut self, told: Vec<(Code, What, bool)>) {
        for (code, what, certain) in told {
            self.possible.insert((code, what.clone()));
            if certain {
                self.certain.insert((code, what));
            }
        }
    }

    /// Under another user, a stand-in, nobody or a stranger, and text of two users in one record.
    fn misowned(&mut self) {
        let mut told = Vec::new();
        for state in &self.states {
            if state.mixed() {
                told.push((Code::ChunkMix, state.what(), state.proved));
                continue;
            }
            match state.seen.record_type {
                RecordType::Session => {
                    let id = &state.seen.record_id;
                    for (sender, session) in self.senders_of_session(id) {
                        let code = self.session_misowned_by(state, sender, session);
                        told.extend(code.map(|code| {
                            let proved = state.proved && code != Code::SplitIdentity;
                            (code, state.what(), proved)
                        }));
                    }
                }
                RecordType::Message | RecordType::Fact => {
                    for canary in &state.exact {
                        let code = self.text_misowned_by(state, *canary);
                        told.extend(code.map(|code| (code, state.what(), state.proved)));
                    }
                }
                RecordType::Answer | RecordType::Log => continue,
            }
            // A text that names nobody shares its session's fate.
            let session = state.seen.session.as_deref().unwrap_or_default();
            let nameless = state.exact.is_empty() && !state.is(RecordType::Session);
            if nameless && state.seen.older_run.is_none() && !is_phantom(state) {
                for (sender, ix) in self.senders_of_session(session) {
                    let of_sender = state
                        .seen
                        .canaries
                        .iter()
                        .all(|seen| seen.id.user == sender);
                    let shared = of_sender
                        && self.states.iter().any(|other| {
                            other.is(RecordType::Session)
                                && other.seen.record_id == session
                                && other.own == state.own
                                && self.session_misowned_by(other, sender, ix)
                                    == misowned_by(state, sender)
                        });
                    let code = misowned_by(state, sender).filter(|_| shared);
                    told.extend(code.map(|code| (code, state.what(), state.proved)));
                }
            }
        }
        self.tell(told);
    }

    /// What a session is. One that is split over owners is told by its messages, and may stand
    /// beside them.
    fn session_misowned_by(
        &self,
        state: &State<'_>,
        sender: UserIx,
        session: SessionIx,
    ) -> Option<Code> {
        let known = matches!(state.own, Own::User(_) | Own::Placeholder(_));
        let split = known && self.is_split(sender, session, &state.seen.record_id);
        let code = misowned_by(state, sender)?;
        // Whoever sends in a session may own it.
        let own = matches!(state.own, Own::User(owner) if self.takes_part(owner, session));
        if own && !split {
            return None;
        }
        Some(if split { Code::SplitIdentity } else { code })
    }

    /// What a text with a canary is: part of a session that is split over owners, or else
    /// misowned by itself.
    fn text_misowned_by(&self, state: &State<'_>, canary: CanaryId) -> Option<Code> {
        let code = misowned_by(state, canary.user)?;
        let known = matches!(state.own, Own::User(_) | Own::Placeholder(_));
        let place = state.seen.session.as_deref().unwrap_or_default();
        let split = known
            && self.is_at_home(state, canary)
            && self.is_split(canary.user, canary.session, place);
        let kept = self.is_stale(state, canary);
        Some(if split {
            Code::SplitIdentity
        } else if kept {
            Code::StaleIdentity
        } else {
            code
        })
    }

    /// Sent after another user took the session over, and stored under the user before.
    fn is_stale(&self, state: &State<'_>, canary: CanaryId) -> bool {
        self.op_of(canary).is_some_and(|op| {
            let begun = &op.invocation;
            let changed = begun.traits.has(Trait::HandOver) || begun.traits.has(Trait::Relogin);
            changed && begun.founder != canary.user && state.own == Own::User(begun.founder)
        })
    }

    fn takes_part(&self, user: UserIx, session: SessionIx) -> bool {
        self.ops.iter().map(|op| &op.invocation).any(|begun| {
            begun.op.session == session && (begun.user == user || begun.founder == user)
        })
    }

    /// Are messages of a user that were sent in a session stored in one place of it under two or
    /// more owners?
    fn is_split(&self, user: UserIx, session: SessionIx, place: &str) -> bool {
        let there = self.states.iter().filter(|state| {
            let first = state.exact.first();
            state.proved
                && state.seen.session.as_deref() == Some(place)
                && first.is_some_and(|canary| {
                    (canary.user, canary.session) == (user, session)
                        && self.is_at_home(state, *canary)
                })
        });
        let owners: Vec<&Own> = there
            .map(|state| &state.own)
            .filter(|own| matches!(own, Own::User(_) | Own::Placeholder(_)))
            .collect();
        owners.iter().any(|own| *own != owners[0])
    }

    /// Is it a message of one user, as last seen, in the session that its canary was sent in?
    fn is_at_home(&self, state: &State<'_>, canary: CanaryId) -> bool {
        let Some(session) = state.seen.session.as_deref() else {
            return false;
        };
        state.is(RecordType::Message)
            && state.newest
            && state.users() == BTreeSet::from([canary.user])
            && self.sent_in(canary, session) == Some(true)
    }

    /// In another session of its user, or in an answer to another user.
    fn bleeds(&mut self) {
        let mut told = Vec::new();
        for state in &self.states {
            if state.is(RecordType::Answer) {
                let named = state
                    .seen
                    .session
                    .as_deref()
                    .and_then(RunId::parse_session_name);
                let asker = match (&state.own, named) {
                    (Own::User(asker), _) => Some(*asker),
                    (_, Some((RUN, asker, _))) => Some(asker),
                    _ => None,
                };
                if asker.is_some_and(|asker| state.users().iter().any(|user| *user != asker)) {
                    told.push((Code::ResponseBleed, state.what(), true));
                }
            }
            if self.is_stray(state) {
                let told_of = |role: Role| {
                    self.states.iter().any(|other| {
                        self.is_stray(other)
                            && other.exact == state.exact
                            && other.seen.session == state.seen.session
                            && other.seen.role == role
                    })
                };
                // An agent may quote; the user's own words beside it prove.
                if told_of(Role::User) || told_of(Role::Other) {
                    let certain = state.proved && told_of(Role::User);
                    told.push((Code::SessionBleed, state.what(), certain));
                }
            }
        }
        self.tell(told);
    }

    fn is_stray(&self, state: &State<'_>) -> bool {
        let ([canary], Some(session)) = (state.exact.as_slice(), state.seen.session.as_deref())
        else {
            return false;
        };
        state.is(RecordType::Message)
            && state.newest
            && state.own == Own::User(canary.user)
            && self.sent_in(*canary, session) == Some(false)
    }

    /// Was it sent in this session? `None` where that cannot be told: the server may have named
    /// the session, and no answer told how.
    pub(super) fn sent_in(&self, canary: CanaryId, session: &str) -> Option<bool> {
        let of_session = || {
            let ops = self.ops.iter();
            ops.filter(|op| op.invocation.op.session == canary.session)
        };
        let of_user = || of_session().filter(|op| op.invocation.user == canary.user);
        let founder = of_session().next().map(|op| op.invocation.founder);
        let by_name = (RUN, founder.unwrap_or(canary.user), canary.session);
        if RunId::parse_session_name(session) == Some(by_name)
            || of_user().any(|op| server_session(op) == Some(session))
        {
            return Some(true);
        }
        let op = of_user().find(|op| op.has_item(canary.item))?;
        let given = || of_user().any(|op| server_session(op).is_some());
        let asked = of_user().any(|op| {
            let traits = op.invocation.traits;
            traits.has(Trait::ServerIds) || traits.has(Trait::SharedSession)
        });
        let shared = of_session()
            .any(|op| op.invocation.user != canary.user || op.invocation.founder != canary.user);
        // Of the two answers to a double submit only one is told.
        let told = op.outcome() == Outcome::Ok
            && !op.invocation.traits.has(Trait::DoubleSubmits)
            && given();
        (told || !(asked || given() || shared)).then_some(false)
    }

    pub(super) fn op_of(&self, canary: CanaryId) -> Option<&'a OpRow> {
        self.ops.iter().find(|op| {
            op.invocation.op.session == canary.session
                && op.invocation.user == canary.user
                && op.has_item(canary.item)
        })
    }

    /// The user in a session's name, else those whose answers gave its id, each with the first of
    /// these sessions.
    pub(super) fn senders_of_session(&self, id: &str) -> BTreeMap<UserIx, SessionIx> {
        if let Some((RUN, user, session)) = RunId::parse_session_name(id) {
            return BTreeMap::from([(user, session)]);
        }
        let given = self.ops.iter().filter(|op| server_session(op) == Some(id));
        let mut senders = BTreeMap::new();
        for begun in given.map(|op| &op.invocation) {
            let first = senders.entry(begun.user).or_insert(begun.op.session);
            *first = begun.op.session.min(*first);
        }
        senders
    }
}

pub(super) fn server_session(op: &OpRow) -> Option<&str> {
    op.completion.as_ref()?.server_session.as_deref()
}
