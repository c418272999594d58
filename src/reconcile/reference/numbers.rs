//! Each anomaly of number by its definition: promised and nowhere, there too often, refused and
//! there.

use std::collections::BTreeSet;

use crate::model::{CanaryId, CanaryKind, Code, OpKind, OpRow, Outcome, RecordType, Role, Trait};

use super::super::ReadBack;
use super::super::testing::{RUN, canary};
use super::What;
use super::state::{Own, State};
use super::world::{World, server_session};

impl World<'_> {
    /// Promised, and nowhere.
    pub(super) fn absences(&mut self) {
        let mut told = Vec::new();
        for op in self.ops.iter().filter(|op| self.is_overdue(op)) {
            let certain = !self.beside_unknown(op);
            let canaries = canaries_of(op);
            let first = What::Absent(canaries.first().copied());
            if op.invocation.kind == OpKind::Upload {
                let blocks: Vec<CanaryId> = canaries
                    .into_iter()
                    .take(usize::from(op.promise().blocks))
                    .collect();
                let missing: Vec<CanaryId> = blocks
                    .iter()
                    .copied()
                    .filter(|block| !self.is_stored(*block))
                    .collect();
                if missing.len() == blocks.len() && !blocks.is_empty() {
                    told.push((Code::Lost, first, certain));
                } else {
                    for block in missing {
                        let gone = certain && !self.perhaps_cut(op, block);
                        told.push((Code::PartialIngest, What::Absent(Some(block)), gone));
                    }
                }
            } else if self.different_records(&canaries) < promised_messages(op) {
                let certain = certain && !self.perhaps_damaged(op, &canaries);
                told.push((Code::Lost, first, certain));
            }
        }
        self.tell(told);
    }

    /// The store was read completely, stood still, and was read late enough.
    fn is_overdue(&self, op: &OpRow) -> bool {
        let ReadBack::Some {
            settled: true,
            complete: true,
            read_from,
        } = self.context.read_back
        else {
            return false;
        };
        let deadline = self.context.scenario.memory.settle.deadline;
        let looked = op.invocation.kind != OpKind::Upload || self.context.facts_listed;
        let ended = op.completion.as_ref().map(|end| end.completed);
        looked && ended.is_some_and(|ended| read_from >= ended + deadline)
    }

    /// An unknown turn of the session, this one or an earlier one, may have been at work beside
    /// a later one.
    fn beside_unknown(&self, op: &OpRow) -> bool {
        let id = op.invocation.op;
        self.ops.iter().any(|unknown| {
            let other = unknown.invocation.op;
            let later = |op: &OpRow| {
                op.invocation.op.session == id.session && op.invocation.op.seq > other.seq
            };
            unknown.outcome() == Outcome::Unknown
                && other.session == id.session
                && other.seq <= id.seq
                && self.ops.iter().any(later)
        })
    }

    fn is_stored(&self, canary: CanaryId) -> bool {
        self.states
            .iter()
            .any(|state| !state.is(RecordType::Answer) && state.names(canary))
    }

    /// Different texts that hold one of the canaries. Without a role, question and answer may be
    /// equal texts.
    fn different_records(&self, canaries: &[CanaryId]) -> usize {
        let stored = self.states.iter().filter(|state| {
            state.newest
                && (state.is(RecordType::Message) || state.is(RecordType::Fact))
                && canaries.iter().any(|canary| state.names(*canary))
        });
        let texts: BTreeSet<(Role, u64, &str)> = stored
            .map(|state| match state.seen.role {
                Role::Other => (Role::Other, 0, state.seen.record_id.as_str()),
                role @ (Role::User | Role::Assistant) => (role, state.seen.body_hash, ""),
            })
            .collect();
        texts.len()
    }

    /// A user's text whose canary is damaged may be the one that is missing from its session.
    fn perhaps_damaged(&self, op: &OpRow, canaries: &[CanaryId]) -> bool {
        let begun = &op.invocation;
        let names: Vec<String> = self
            .ops
            .iter()
            .filter(|other| other.invocation.op.session == begun.op.session)
            .filter_map(|other| server_session(other).map(str::to_owned))
            .chain([RUN.session_name(begun.founder, begun.op.session)])
            .collect();
        let texts = || {
            let newest = self.states.iter().filter(|state| state.newest);
            newest.filter(|state| state.seen.role != Role::Assistant)
        };
        let stored = texts().any(|state| {
            let text = state.is(RecordType::Message) || state.is(RecordType::Fact);
            text && canaries.iter().any(|canary| state.names(*canary))
        });
        let damaged = texts().any(|state| {
            let session = state.seen.session.as_ref();
            let there = session.is_some_and(|session| names.contains(session));
            state.is(RecordType::Message) && state.seen.damaged && state.exact.is_empty() && there
        });
        op.promise().user_message && !stored && damaged
    }

    /// One missing block between two full pieces, or the last one where a piece without canary is
    /// there, may have been cut in two.
    fn perhaps_cut(&self, op: &OpRow, block: CanaryId) -> bool {
        let promised = usize::from(op.promise().blocks);
        let in_document: Vec<CanaryId> = canaries_of(op);
        let at = |item: Option<u16>| {
            let item = item?;
            in_document
                .iter()
                .copied()
                .find(|canary| canary.item == item)
        };
        let there = |canary: CanaryId| {
            let place = in_document.iter().position(|other| *other == canary);
            self.is_stored(canary) || place >= Some(promised)
        };
        let in_full_piece = |canary: CanaryId| {
            self.states.iter().any(|state| {
                !state.is(RecordType::Answer) && state.names(canary) && state.exact.len() >= 3
            })
        };
        match (at(block.item.checked_sub(1)), at(block.item.checked_add(1))) {
            (Some(before), Some(after)) => {
                there(before) && there(after) && in_full_piece(before) && in_full_piece(after)
            }
            (Some(before), None) => {
                there(before)
                    && self.states.iter().any(|state| {
                        state.is(RecordType::Fact)
                            && state.own == Own::User(block.user)
                            && state.exact.is_empty()
                    })
            }
            (None, _) => false,
        }
    }

    /// More copies in one place than were promised.
    pub(super) fn duplicates(&mut self) {
        let mut told = Vec::new();
        for state in self.states.iter().filter(|state| is_copy_candidate(state)) {
            let mut place: Vec<&State<'_>> = self
                .states
                .iter()
                .filter(|other| is_copy_candidate(other) && same_place(state, other))
                .collect();
            // A record counts once, in its best proved state.
            let text = |other: &State<'_>| (other.seen.record_id.clone(), other.seen.body_hash);
            place.sort_by_key(|other| {
                let first = (other.first_scan, other.seen.position);
                (text(other), !other.proved, first)
            });
            place.dedup_by_key(|other| text(other));
            place.sort_by_key(|other| {
                let first = (other.first_scan, other.seen.position);
                (other.seen.body_hash, first, &other.seen.record_id)
            });
            let proved = place
                .iter()
                .any(|other| text(other) == text(state) && other.proved);
            let bodies: BTreeSet<u64> = place.iter().map(|other| other.seen.body_hash).collect();
            let no_role = state.is(RecordType::Message) && state.seen.role == Role::Other;
            let equal_texts = if no_role && bodies.len() == 1 { 2 } else { 1 };
            let sent_twice = state.exact.iter().any(|canary| {
                self.op_of(*canary)
                    .is_some_and(|op| op.invocation.traits.has(Trait::DoubleSubmits))
            });
            let promised = if sent_twice { 2 } else { 1 } * equal_texts;
            let copies_of = |hash: u64| {
                let copies = place
                    .iter()
                    .filter(move |other| other.seen.body_hash == hash);
                copies
                    .map(|other| &other.seen.record_id)
                    .collect::<Vec<_>>()
            };
            let before = copies_of(state.seen.body_hash)
                .iter()
                .position(|id| **id == state.seen.record_id);
            if before < Some(promised) {
                continue;
            }
            let verbatim = match state.seen.role {
                Role::Assistant if state.is(RecordType::Message) => false,
                Role::Other if no_role => {
                    bodies.len() > 1 && bodies.iter().all(|hash| copies_of(*hash).len() > promised)
                }
                Role::User | Role::Assistant | Role::Other => true,
            };
            let unknown = state.exact.first().and_then(|canary| self.op_of(*canary));
            let unknown = unknown.is_some_and(|op| self.beside_unknown(op));
            told.push((
                Code::Duplicate,
                state.what(),
                proved && verbatim && !unknown,
            ));
        }
        self.tell(told);
    }

    /// Refused, yet stored.
    pub(super) fn ghosts(&mut self) {
        let mut told = Vec::new();
        for op in self.ops {
            if !matches!(op.outcome(), Outcome::Refused | Outcome::SoftFail) {
                continue;
            }
            for state in self.states.iter().filter(|state| state.newest) {
                let stored = !state.is(RecordType::Answer);
                if stored
                    && canaries_of(op)
                        .iter()
                        .any(|canary| state.exact.contains(canary))
                {
                    told.push((Code::Ghost, state.what(), state.proved));
                }
            }
        }
        self.tell(told);
    }
}

/// What was sent, and not what the store's model made of a turn: that may say a thing twice.
fn is_copy_candidate(state: &State<'_>) -> bool {
    let quotes = |canary: &CanaryId| canary.kind == CanaryKind::Turn;
    let derived = state.is(RecordType::Fact) && state.exact.iter().any(quotes);
    state.newest
        && !derived
        && !state.exact.is_empty()
        && (state.is(RecordType::Message) || state.is(RecordType::Fact))
        && !matches!(state.own, Own::User(owner) if !state.users().contains(&owner))
}

fn same_place(a: &State<'_>, b: &State<'_>) -> bool {
    let container = |state: &State<'_>| match state.seen.record_type {
        RecordType::Fact => state.seen.owner.clone(),
        RecordType::Session | RecordType::Message | RecordType::Answer | RecordType::Log => {
            state.seen.session.clone()
        }
    };
    a.seen.record_type == b.seen.record_type
        && a.seen.role == b.seen.role
        && a.exact == b.exact
        && container(a) == container(b)
}

fn canaries_of(op: &OpRow) -> Vec<CanaryId> {
    let kind = match op.invocation.kind {
        OpKind::Chat | OpKind::Voice | OpKind::Stream | OpKind::Turn => CanaryKind::Turn,
        OpKind::Upload => CanaryKind::Block,
    };
    let first = op.invocation.item_first;
    let items = first..first + op.invocation.item_count;
    let (user, session) = (op.invocation.user, op.invocation.op.session);
    items
        .map(|item| canary(user.0, session.0, item, kind))
        .collect()
}

fn promised_messages(op: &OpRow) -> usize {
    usize::from(op.promise().user_message) + usize::from(op.promise().assistant_message)
}
