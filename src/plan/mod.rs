//! Who does what, when, with which words: computed from scenario and seed, before the first byte.
//!
//! A session's script can be computed on its own, so nothing is held for sessions that are not
//! running. Texts never contain the run id: the canary is put into its slot when planting, so
//! equal seeds give equal plans whatever the run.
//!
//! `arrival.rs` numbers sessions and names their users, `cast.rs` says who sends which turn,
//! `disturb.rs` what goes wrong, `traits.rs` what that tests; `stream.rs` holds the randomness,
//! `workload/` one file for each kind of session, `words.rs` the prose, `digest.rs` the plan's
//! identity.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use crate::canary::{self, CANARY_LETTERS};
use crate::model::{
    Attempt, CanaryId, CanaryKind, GroupIx, OpId, OpKind, Seed, SessionIx, TraitSet, UserIx,
};
use crate::scenario::{Connections, Group, Scenario, SessionSpec};

mod arrival;
mod attempts;
mod cast;
mod cost;
mod digest;
mod disturb;
mod document;
mod stream;
mod traits;
mod words;
mod workload;

pub use attempts::Attempts;
pub use cost::{Amount, Cost};
pub use document::{Document, Piece};

use arrival::Place;
use cast::Cast;
use stream::Streams;
use words::Vocabulary;

/// What everybody asks in a recall session, in these very words.
pub const RECALL_QUESTION: &str = "What was the reference word that I gave you last time?";

/// What the file is called that an operation of a scenario uploads; `None` if it uploads none.
pub fn file_name(scenario: &Scenario, op: OpId) -> Option<String> {
    let groups = u32::try_from(scenario.groups.len()).ok()?;
    let (group, _) = arrival::group_of(op.session, groups)?;
    let group = scenario.groups.get(usize::from(group.0))?;
    workload::file_name(&group.session, op)
}

/// What one session does.
#[derive(Debug, Clone, PartialEq)]
pub struct Script {
    /// The session.
    pub session: SessionIx,
    /// Who begins it; its name bears this user.
    pub user: UserIx,
    /// The load group it is started by.
    pub group: GroupIx,
    /// The kind of its operations.
    pub kind: OpKind,
    /// Over which connections it goes.
    pub connections: Connections,
    /// Its operations in order; at least one.
    pub steps: Vec<Step>,
}

/// One operation of a script.
#[derive(Debug, Clone, PartialEq)]
pub struct Step {
    /// Its id.
    pub op: OpId,
    /// Who sends it: the session's user, but for sessions that two users send in.
    pub user: UserIx,
    /// Traits that it has.
    pub traits: TraitSet,
    /// With which of the user's credentials it is sent: 0 the first, 1 the next.
    pub login: u8,
    /// Does it begin as soon as its pause is over, even while earlier ones are in flight? One
    /// that does not begins only when all earlier ones have ended.
    pub overlaps: bool,
    /// What goes wrong on purpose.
    pub disturbance: Option<Disturbance>,
    /// Think time, up to the intended start of this step. For the first it counts from the
    /// session's start, for one that overlaps from the actual beginning of the step before, for
    /// any other from the moment at which all steps before it have ended. Zero for the first step
    /// of an arrival and of a virtual user's first session.
    pub pause: Duration,
    /// First canary item (`CanaryId::item`).
    pub item_first: u16,
    /// Number of canary items: 1 for a turn, the number of blocks for a document.
    pub item_count: u16,
    /// Hash of everything it sends, with empty canary slots.
    pub text_hash: u64,
    /// What is sent.
    pub action: Action,
}

/// What a step sends.
#[derive(Debug, Clone, PartialEq)]
pub enum Action {
    /// A chat turn, over whichever channel.
    Chat(ChatTurn),
    /// A question in everybody's same words, without a canary.
    Ask(Question),
    /// A document.
    Upload(Document),
    /// A spoken turn: the tones of its canary and nothing else.
    Voice(VoiceTurn),
    /// An attempt at what the session holds.
    Trespass(Trespass),
}

/// A chat turn: text with two slots for its canary, near its beginning and near its end, so that
/// a text that was cut at either end still says whose it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChatTurn {
    /// The text before the first canary.
    pub before: String,
    /// The text between the two.
    pub between: String,
    /// The text after the second.
    pub after: String,
    /// The agent that is asked.
    pub agent: String,
}

impl ChatTurn {
    /// The text to send, with its canary.
    pub fn text(&self, canary: &str) -> String {
        let Self {
            before,
            between,
            after,
            ..
        } = self;
        format!("{before}{canary}{between}{canary}{after}")
    }

    /// Characters of the text to send, with its canaries.
    fn characters(&self) -> usize {
        let parts = [&self.before, &self.between, &self.after];
        let own: usize = parts.iter().map(|part| part.chars().count()).sum();
        own + 2 * CANARY_LETTERS
    }
}

/// A question in everybody's same words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    /// The words.
    pub text: String,
    /// The agent that is asked.
    pub agent: String,
    /// Is it asked before its user has told anything? Then no canary is the right answer.
    pub before_telling: bool,
}

/// An attempt at what a session holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trespass {
    /// Which route, with whose credential, and what for.
    pub attempt: Attempt,
    /// The turn that is written, where one is.
    pub turn: Option<ChatTurn>,
    /// Words that the session was told, to search for.
    pub query: String,
    /// The session that is named in the place of the own one.
    pub elsewhere: Option<String>,
}

/// What goes wrong with an operation on the client's side, on purpose.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Disturbance {
    /// The client hangs up so long after it began.
    Cancel {
        /// From the operation's beginning.
        after: Duration,
    },
    /// The upload breaks off after this share of its body.
    Drop {
        /// Thousandths of the body that are sent.
        sent_per_mille: u16,
    },
    /// The voice socket is closed after the speech and before its answer.
    CloseEarly,
    /// The request is sent twice at once.
    SubmitTwice,
    /// The reader waits between the answer's head and its body.
    ReadSlowly {
        /// How long.
        pause: Duration,
    },
}

/// A spoken turn.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VoiceTurn {
    /// The agent that is spoken to.
    pub agent: String,
}

/// What a run will do: a function of scenario and seed.
#[derive(Debug, Clone)]
pub struct Plan {
    scenario: Scenario,
    seed: Seed,
    vocabulary: Arc<Vocabulary>,
}

impl Plan {
    /// The plan of a scenario for a seed.
    pub fn new(scenario: Scenario, seed: Seed) -> Self {
        let vocabulary = Arc::new(Vocabulary::without(&scenario.target.trigger_words));
        Self {
            scenario,
            seed,
            vocabulary,
        }
    }

    /// The scenario it was made from.
    pub fn scenario(&self) -> &Scenario {
        &self.scenario
    }

    /// The seed it was made from.
    pub fn seed(&self) -> Seed {
        self.seed
    }

    /// Identifies the plan: 32 hexadecimal digits over version, users, groups, trigger words, seed
    /// and scripts. URLs, time limits and the run id have no part in it.
    ///
    /// Of each group the first 4 000 scripts count, of one that has no last session the first
    /// 256; later ones follow from the same inputs.
    pub fn digest(&self) -> String {
        digest::digest(self)
    }

    /// Operations planned of each kind in the scenario; `None` where the number depends on the
    /// target's speed. Where the number varies from session to session it costs one hash for each
    /// session of the group: ask once and keep the answer.
    pub fn planned_ops(&self) -> BTreeMap<OpKind, Option<u64>> {
        let mut planned = BTreeMap::new();
        for group in &self.scenario.groups {
            let ops = self.group_ops(group);
            planned
                .entry(group.session.kind())
                .and_modify(|sum: &mut Option<u64>| *sum = sum.zip(ops).map(|(a, b)| a + b))
                .or_insert(ops);
        }
        planned
    }

    /// How many sessions a group starts at most; `None` where that depends on the target's speed,
    /// and for a group that the scenario does not have.
    pub fn session_count(&self, group: GroupIx) -> Option<u32> {
        let executor = &self.group(group)?.executor;
        let numbers = arrival::numbers_of(group, self.group_count());
        arrival::session_count(executor).map(|count| count.min(numbers))
    }

    /// The session that a virtual user of a closed-model group runs as its n-th, counted from 0;
    /// `None` behind its last, and when the run has no session numbers left.
    pub fn closed_session(&self, group: GroupIx, vu: u32, iteration: u32) -> Option<SessionIx> {
        let place = Place::Closed { vu, iteration };
        let local = arrival::local_number(&self.group(group)?.executor, place)?;
        arrival::session(group, local, self.group_count())
    }

    /// Is it the first session of a virtual user? Those of a group all start at one moment.
    pub fn is_first_of_vu(&self, session: SessionIx) -> bool {
        let place = arrival::group_of(session, self.group_count())
            .and_then(|(group, local)| arrival::place(&self.group(group)?.executor, local));
        matches!(place, Some(Place::Closed { iteration: 0, .. }))
    }

    /// The n-th arrival of an open-model group, counted from 0, with its start as an offset from
    /// the run's start; `None` behind the last, and when the run has no session numbers left.
    pub fn arrival(&self, group: GroupIx, number: u32) -> Option<(SessionIx, Duration)> {
        let Group {
            executor,
            start_time,
            ..
        } = self.group(group)?;
        let local = arrival::local_number(executor, Place::Open { number })?;
        let session = arrival::session(group, local, self.group_count())?;
        let offset = arrival::offset(executor, number);
        Some((session, start_time.saturating_add(offset)))
    }

    /// The script of a session; `None` if the number belongs to no group of this plan.
    pub fn script(&self, session: SessionIx) -> Option<Script> {
        let (group_ix, local) = arrival::group_of(session, self.group_count())?;
        let group = self.group(group_ix)?;
        let place = arrival::place(&group.executor, local)?;
        Some(Script {
            session,
            user: self.user(group, place),
            group: group_ix,
            kind: group.session.kind(),
            connections: group.connections,
            steps: self.steps(group, session, place),
        })
    }

    /// The whole text of the chat turn that planted a canary, as it was sent. `None` for a canary
    /// that no chat turn of this plan planted: of a spoken turn (its transcript is the target's),
    /// of a block, in the place of a question, of an unknown session or of another user than the
    /// turn's. Costs the making of this one text, not of the session's others.
    pub fn turn_text(&self, canary: CanaryId) -> Option<String> {
        if canary.kind != CanaryKind::Turn {
            return None;
        }
        let (group_ix, local) = arrival::group_of(canary.session, self.group_count())?;
        let group = self.group(group_ix)?;
        let place = arrival::place(&group.executor, local)?;
        let streams = self.streams(group, place);
        let ops = workload::op_count(&group.session, &streams);
        if self.cast(group, place, ops).sender(canary.item) != canary.user {
            return None;
        }
        let turn = workload::chat_turn(&group.session, canary.item, &streams, &self.vocabulary)?;
        let planted = canary::plant(canary, &self.scenario.target.trigger_words);
        Some(turn.text(&planted))
    }

    fn steps(&self, group: &Group, session: SessionIx, place: Place) -> Vec<Step> {
        let streams = self.streams(group, place);
        let of_group = traits::of_group(&self.scenario, group);
        let spec = workload::with_own_agent(&group.session, self.user(group, place));
        let mut steps = workload::steps(&spec, session, &streams, &self.vocabulary);
        let ops = u16::try_from(steps.len()).unwrap_or(u16::MAX);
        let cast = self.cast(group, place, ops);
        for step in &mut steps {
            let seq = step.op.seq;
            step.user = cast.sender(seq);
            step.login = cast.login(seq);
            step.overlaps = cast.overlaps(seq);
            let rates = &self.scenario.disturbances;
            // What the attempts rest on must be told.
            let is_spared = matches!(group.session, SessionSpec::Trespass(_));
            let kind = group.session.kind();
            step.disturbance = (!is_spared)
                .then(|| disturb::draw(rates, (kind, &step.action), seq, &streams))
                .flatten();
            let own = traits::of_step(step, &cast);
            step.traits = step.traits.union(of_group).union(own);
        }
        steps
    }

    fn cast<'a>(&self, group: &'a Group, place: Place, ops: u16) -> Cast<'a> {
        let streams = self.streams(group, place);
        let founder = self.user(group, place);
        Cast::new(&group.session, founder, self.scenario.users, ops, &streams)
    }

    fn group(&self, group: GroupIx) -> Option<&Group> {
        self.scenario.groups.get(usize::from(group.0))
    }

    fn group_count(&self) -> u32 {
        u32::try_from(self.scenario.groups.len()).unwrap_or(u32::MAX)
    }

    fn streams<'a>(&self, group: &'a Group, place: Place) -> Streams<'a> {
        Streams::new(self.seed, &group.name, place)
    }

    fn user(&self, group: &Group, place: Place) -> UserIx {
        match place {
            Place::Closed { vu, .. } => UserIx(vu % self.scenario.users.max(1)),
            Place::Open { number } => {
                arrival::open_user(self.seed, &group.name, self.scenario.users, number)
            }
        }
    }

    /// All operations of a group, counted without making their texts.
    fn group_ops(&self, group: &Group) -> Option<u64> {
        let sessions = self.session_count(group.ix)?;
        let counts = workload::op_counts(&group.session);
        if counts.start() == counts.end() {
            return Some(u64::from(sessions) * u64::from(*counts.start()));
        }
        let places = (0..sessions).filter_map(|local| arrival::place(&group.executor, local));
        let ops = places.map(|place| {
            u64::from(workload::op_count(
                &group.session,
                &self.streams(group, place),
            ))
        });
        Some(ops.sum())
    }
}

#[cfg(test)]
mod tests;
