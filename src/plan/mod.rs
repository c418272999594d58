//! Who does what, when, with which words: computed from scenario and seed, before the first byte.
//!
//! A session's script can be computed on its own, so nothing is held for sessions that are not
//! running. Texts never contain the run id: the canary is put into its slot when planting, so
//! equal seeds give equal plans whatever the run.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::model::{GroupIx, OpId, OpKind, Seed, SessionIx, TraitSet, UserIx};
use crate::scenario::Scenario;

/// What one session does.
#[derive(Debug, Clone, PartialEq)]
pub struct Script {
    /// The session.
    pub session: SessionIx,
    /// Who it belongs to.
    pub user: UserIx,
    /// The load group it is started by.
    pub group: GroupIx,
    /// The kind of its operations.
    pub kind: OpKind,
    /// Traits that its operations have.
    pub traits: TraitSet,
    /// Its operations in order; at least one.
    pub steps: Vec<Step>,
}

/// One operation of a script.
#[derive(Debug, Clone, PartialEq)]
pub struct Step {
    /// Its id.
    pub op: OpId,
    /// Think time: from the end of the step before (for the first step: the session's start) to
    /// the intended start of this one.
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
    /// A chat turn.
    Chat(ChatTurn),
    /// A document.
    Upload(Document),
    /// A spoken turn: the tones of its canary and nothing else.
    Voice(VoiceTurn),
}

/// A chat turn: text with one slot for its canary.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChatTurn {
    /// The text before the canary.
    pub before: String,
    /// The text after it.
    pub after: String,
    /// The agent that is asked.
    pub agent: String,
}

impl ChatTurn {
    /// The text to send, with its canary.
    pub fn text(&self, canary: &str) -> String {
        format!("{}{canary}{}", self.before, self.after)
    }
}

/// A spoken turn.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VoiceTurn {
    /// The agent that is spoken to.
    pub agent: String,
}

/// A document, generated block by block and never held whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Document {
    /// What the file is called.
    pub file_name: String,
    /// Number of block canaries: the document is canary, filler, canary, … , canary.
    pub blocks: u16,
    /// Characters of filler between two canaries, blanks included.
    pub filler_chars: u16,
    /// Key of the random stream from which the filler's words are drawn.
    pub words_key: [u8; 32],
}

/// A piece of a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Piece {
    /// The canary of this block, counted from 0 within the document.
    Canary(u16),
    /// Words between two canaries, with the blanks around them.
    Filler(String),
}

impl Document {
    /// The pieces in order. Needs memory for one piece at a time.
    pub fn pieces(&self) -> impl Iterator<Item = Piece> + use<> {
        std::iter::empty()
    }

    /// Exact length in bytes, given the length of one planted canary.
    pub fn byte_len(&self, canary_bytes: usize) -> u64 {
        let _ = canary_bytes;
        unimplemented!()
    }
}

/// What a run will do: a function of scenario and seed.
#[derive(Debug, Clone)]
pub struct Plan {
    scenario: Scenario,
    seed: Seed,
}

impl Plan {
    /// The plan of a scenario for a seed.
    pub fn new(scenario: Scenario, seed: Seed) -> Self {
        Self { scenario, seed }
    }

    /// The scenario it was made from.
    pub fn scenario(&self) -> &Scenario {
        &self.scenario
    }

    /// The seed it was made from.
    pub fn seed(&self) -> Seed {
        self.seed
    }

    /// Identifies the plan: 32 hexadecimal digits over version, scenario, seed and scripts.
    pub fn digest(&self) -> String {
        unimplemented!()
    }

    /// Operations planned of each kind in the scenario; `None` where the number depends on the
    /// target's speed.
    pub fn planned_ops(&self) -> BTreeMap<OpKind, Option<u64>> {
        unimplemented!()
    }

    /// The session that a virtual user of a closed-model group runs as its n-th, counted from 0;
    /// `None` when the run has no session numbers left.
    pub fn closed_session(&self, group: GroupIx, vu: u32, iteration: u32) -> Option<SessionIx> {
        let _ = (group, vu, iteration);
        unimplemented!()
    }

    /// The n-th arrival of an open-model group, counted from 0, with its start as an offset from
    /// the run's start; `None` behind the last.
    pub fn arrival(&self, group: GroupIx, number: u32) -> Option<(SessionIx, Duration)> {
        let _ = (group, number);
        unimplemented!()
    }

    /// The script of a session; `None` if the number belongs to no group of this plan.
    pub fn script(&self, session: SessionIx) -> Option<Script> {
        let _ = session;
        unimplemented!()
    }
}
