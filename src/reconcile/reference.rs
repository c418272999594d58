//! The judge again, slow and obvious: each anomaly by its definition, over all operations and all
//! records, without index, bucket or folding. Random histories are judged by both.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::testing::{History, RUN, SESSIONS_EACH, answer, canary, exact, owner, session_name};
use super::{Context, Judgement, ReadBack};
use crate::model::{
    CanaryId, CanaryKind, Code, Exactness, OpKind, OpRow, Outcome, Proof, RecordType, Role, RunId,
    SessionIx, Sighting, Trait, UserIx,
};

/// The anomalies that are defined here.
const DEFINED: [Code; 12] = [
    Code::WrongOwner,
    Code::SplitIdentity,
    Code::PlaceholderOwner,
    Code::MissingOwner,
    Code::ForeignOwner,
    Code::SessionBleed,
    Code::ResponseBleed,
    Code::ChunkMix,
    Code::Lost,
    Code::PartialIngest,
    Code::Duplicate,
    Code::Ghost,
];

/// What an anomaly is about.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum What {
    Record(RecordType, String),
    Absent(Option<CanaryId>),
}

/// Anomalies, each with what it is about.
type Set = BTreeSet<(Code, What)>;

/// Whom the store names.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Own {
    User(UserIx),
    Placeholder(String),
    Nobody,
    Foreign(String),
}

/// A record in one state.
#[derive(Debug, Clone)]
struct State<'a> {
    seen: &'a Sighting,
    own: Own,
    /// Exact canaries, sorted.
    exact: Vec<CanaryId>,
    /// Read at least twice, or an answer.
    proved: bool,
    /// The last that the record was seen in.
    newest: bool,
    /// The scan in which the record was first read.
    first_scan: u32,
}

impl State<'_> {
    fn is(&self, record_type: RecordType) -> bool {
        self.seen.record_type == record_type
    }

    fn what(&self) -> What {
        What::Record(self.seen.record_type, self.seen.record_id.clone())
    }

    fn users(&self) -> BTreeSet<UserIx> {
        self.exact.iter().map(|canary| canary.user).collect()
    }

    /// Verbatim text of two users: what a user sent, or a piece of a document.
    fn mixed(&self) -> bool {
        let verbatim = self.is(RecordType::Fact)
            || self.is(RecordType::Message) && self.seen.role == Role::User;
        verbatim && self.users().len() > 1
    }

    /// Holds a canary, if only after correction.
    fn names(&self, canary: CanaryId) -> bool {
        self.seen.canaries.iter().any(|seen| seen.id == canary)
    }
}

/// The whole history.
struct World<'a> {
    context: Context<'a>,
    ops: &'a [OpRow],
    states: Vec<State<'a>>,
    /// Surely so.
    certain: Set,
    /// So by definition, but perhaps only suggested: read once, or not proof by itself.
    possible: Set,
}

impl<'a> World<'a> {
    fn new(history: &'a History) -> Self {
        let mut world = Self {
            context: history.context(),
            ops: &history.ops,
            states: states(&history.sightings),
            certain: Set::new(),
            possible: Set::new(),
        };
        world.misowned();
        world.bleeds();
        world.absences();
        world.duplicates();
        world.ghosts();
        world
    }

    fn tell(&mut self, told: Vec<(Code, What, bool)>) {
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
                RecordType::Answer => continue,
            }
            // A text that names nobody shares its session's fate.
            let session = state.seen.session.as_deref().unwrap_or_default();
            let nameless = state.exact.is_empty() && !state.is(RecordType::Session);
            if nameless && !is_phantom(state) {
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
        Some(if split { Code::SplitIdentity } else { code })
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
        let named = RunId::parse_session_name(session);
        let mut of_session = self.ops.iter().filter(|op| {
            op.invocation.op.session == canary.session && op.invocation.user == canary.user
        });
        state.is(RecordType::Message)
            && state.newest
            && state.users() == BTreeSet::from([canary.user])
            && (named == Some((RUN, canary.user, canary.session))
                || of_session.any(|op| server_session(op) == Some(session)))
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
            && self.sent_elsewhere(*canary, session)
    }

    /// Was it surely not sent in this session?
    fn sent_elsewhere(&self, canary: CanaryId, session: &str) -> bool {
        let of_session = || {
            self.ops
                .iter()
                .filter(|op| op.invocation.op.session == canary.session)
        };
        let given = |op: &&OpRow| server_session(op).is_some();
        let by_name =
            RunId::parse_session_name(session) == Some((RUN, canary.user, canary.session));
        let by_answer = of_session().any(|op| server_session(op) == Some(session));
        let Some(op) =
            of_session().find(|op| op.invocation.user == canary.user && op.has_item(canary.item))
        else {
            return false;
        };
        let server_names =
            of_session().any(|op| op.invocation.traits.has(Trait::ServerIds) || given(&op));
        let known =
            !server_names || op.outcome() == Outcome::Ok && of_session().any(|op| given(&op));
        !by_name && !by_answer && known
    }

    /// Promised, and nowhere.
    fn absences(&mut self) {
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
    fn duplicates(&mut self) {
        let mut told = Vec::new();
        for state in self.states.iter().filter(|state| is_copy_candidate(state)) {
            let mut place: Vec<&State<'_>> = self
                .states
                .iter()
                .filter(|other| is_copy_candidate(other) && same_place(state, other))
                .collect();
            place.sort_by_key(|other| {
                (
                    other.seen.body_hash,
                    other.first_scan,
                    other.seen.position,
                    &other.seen.record_id,
                )
            });
            place.dedup_by_key(|other| &other.seen.record_id);
            let bodies: BTreeSet<u64> = place.iter().map(|other| other.seen.body_hash).collect();
            let no_role = state.is(RecordType::Message) && state.seen.role == Role::Other;
            let promised = if no_role && bodies.len() == 1 { 2 } else { 1 };
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
                state.proved && verbatim && !unknown,
            ));
        }
        self.tell(told);
    }

    fn op_of(&self, canary: CanaryId) -> Option<&'a OpRow> {
        self.ops.iter().find(|op| {
            op.invocation.op.session == canary.session
                && op.invocation.user == canary.user
                && op.has_item(canary.item)
        })
    }

    /// Refused, yet stored.
    fn ghosts(&mut self) {
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

    /// The user in a session's name, else those whose answers gave its id, each with the first of
    /// these sessions.
    fn senders_of_session(&self, id: &str) -> BTreeMap<UserIx, SessionIx> {
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

/// A text of a user that nobody sent: an anomaly of its own.
fn is_phantom(state: &State<'_>) -> bool {
    state.newest
        && state.is(RecordType::Message)
        && state.seen.role == Role::User
        && state.seen.canaries.is_empty()
}

fn states(sightings: &[Sighting]) -> Vec<State<'_>> {
    let mut distinct: Vec<&Sighting> = Vec::new();
    for sighting in sightings.iter().filter(|sighting| !sighting.control) {
        if !distinct.contains(&sighting) {
            distinct.push(sighting);
        }
    }
    let same_record =
        |a: &Sighting, b: &Sighting| (a.record_type, &a.record_id) == (b.record_type, &b.record_id);
    let same_state = |a: &Sighting, b: &Sighting| {
        same_record(a, b)
            && (&a.owner, &a.session, &a.canaries) == (&b.owner, &b.session, &b.canaries)
    };
    let last =
        |readings: &mut dyn Iterator<Item = &&Sighting>| readings.map(|reading| reading.scan).max();
    let latest = |sighting: &Sighting| {
        // Of one state the latest reading counts.
        let readings = distinct.iter().filter(|other| same_state(other, sighting));
        let newest = readings.max_by_key(|reading| {
            (
                reading.scan,
                reading.seen_at,
                reading.position,
                reading.role,
                reading.body_hash,
                reading.reads,
            )
        });
        newest.is_some_and(|newest| std::ptr::eq(*newest, sighting))
    };
    distinct
        .iter()
        .filter(|sighting| latest(sighting))
        .map(|sighting| {
            let of_state = || distinct.iter().filter(|other| same_state(other, sighting));
            let of_record = || distinct.iter().filter(|other| same_record(other, sighting));
            let reads: u32 = of_state().map(|reading| reading.reads).sum();
            let exact: BTreeSet<CanaryId> = sighting
                .canaries
                .iter()
                .filter(|seen| seen.exactness == Exactness::Exact && seen.id.run == RUN)
                .map(|seen| seen.id)
                .collect();
            State {
                seen: sighting,
                own: own(sighting.owner.as_deref()),
                exact: exact.into_iter().collect(),
                proved: reads >= 2 || sighting.record_type == RecordType::Answer,
                newest: last(&mut of_state()) == last(&mut of_record()),
                first_scan: of_record()
                    .map(|reading| reading.first_scan)
                    .min()
                    .unwrap_or_default(),
            }
        })
        .collect()
}

fn own(owner: Option<&str>) -> Own {
    let Some(owner) = owner.filter(|owner| !owner.trim().is_empty()) else {
        return Own::Nobody;
    };
    let name = owner.strip_prefix("dev-oid-");
    match name.and_then(RunId::parse_user_name) {
        Some((RUN, user)) => Own::User(user),
        _ if ["poc-user", "voice-user", "dev-oid-"].contains(&owner) => {
            Own::Placeholder(owner.to_owned())
        }
        _ => Own::Foreign(owner.to_owned()),
    }
}

/// What a state under its owner is, if it is a certain user's. Identity that was lost counts as
/// the store has it last.
fn misowned_by(state: &State<'_>, sender: UserIx) -> Option<Code> {
    match &state.own {
        Own::User(owner) if *owner == sender => None,
        Own::User(_) => Some(Code::WrongOwner),
        Own::Placeholder(_) => state.newest.then_some(Code::PlaceholderOwner),
        Own::Nobody => state.newest.then_some(Code::MissingOwner),
        Own::Foreign(_) => Some(Code::ForeignOwner),
    }
}

fn is_copy_candidate(state: &State<'_>) -> bool {
    state.newest
        && !state.exact.is_empty()
        && (state.is(RecordType::Message) || state.is(RecordType::Fact))
        && !matches!(state.own, Own::User(owner) if !state.users().contains(&owner))
}

fn same_place(a: &State<'_>, b: &State<'_>) -> bool {
    let container = |state: &State<'_>| match state.seen.record_type {
        RecordType::Fact => state.seen.owner.clone(),
        RecordType::Session | RecordType::Message | RecordType::Answer => {
            state.seen.session.clone()
        }
    };
    a.seen.record_type == b.seen.record_type
        && a.seen.role == b.seen.role
        && a.exact == b.exact
        && container(a) == container(b)
}

fn server_session(op: &OpRow) -> Option<&str> {
    op.completion.as_ref()?.server_session.as_deref()
}

fn canaries_of(op: &OpRow) -> Vec<CanaryId> {
    let kind = match op.invocation.kind {
        OpKind::Chat | OpKind::Voice => CanaryKind::Turn,
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

/// What the judge says of the anomalies that are defined here: what is proved, and all.
fn judged(judgement: &Judgement) -> (Set, Set) {
    let (mut proved, mut all) = (Set::new(), Set::new());
    for finding in &judgement.findings {
        for record in finding
            .affected
            .iter()
            .filter(|record| DEFINED.contains(&record.code))
        {
            let what = match &record.record_id {
                Some(id) => What::Record(record.record_type, id.clone()),
                None => What::Absent(record.canary),
            };
            if finding.proof == Proof::Proved {
                proved.insert((record.code, what.clone()));
            }
            all.insert((record.code, what));
        }
    }
    (proved, all)
}

/// Users of a history that is spoilt, each with three sessions.
const USERS: u32 = 3;
const TURNS: u16 = 3;

/// One thing that goes wrong: what, with which row, and how.
type Spoil = (u8, usize, u32);

fn spoil(history: &mut History, (what, place, how): Spoil) {
    let (user, session) = (how % USERS, how % (USERS * SESSIONS_EACH));
    let (records, ops) = (history.sightings.len(), history.ops.len());
    if records == 0 {
        return;
    }
    let place_of_op = place % ops;
    let (place, other) = (place % records, how as usize % records);
    let record = &mut history.sightings[place];
    match what % 18 {
        0 => record.owner = Some(owner(user)),
        1 => record.owner = [None, Some(" ".to_owned())][how as usize % 2].clone(),
        2 => {
            record.owner =
                Some(["poc-user", "voice-user", "dev-oid-"][how as usize % 3].to_owned());
        }
        3 => record.owner = Some("alice".to_owned()),
        4 => put_in(record, session_name(session)),
        5 => record.reads = 1,
        6 => record.role = Role::ALL[how as usize % 3],
        7 if record.record_type != RecordType::Session => {
            let kind = [CanaryKind::Turn, CanaryKind::Block][how as usize % 2];
            let item = u16::try_from(how % 4).unwrap();
            record
                .canaries
                .push(exact(canary(user, session, item, kind)));
            record.canaries.sort();
            record.canaries.dedup();
        }
        8 => record.canaries.clear(),
        // A copy, or another state of the same record.
        9 => {
            let mut copy = record.clone();
            copy.record_id = format!("copy-{place}-{how}");
            copy.scan = 2 + how % 3;
            copy.position += how % 2;
            history.sightings.push(copy);
        }
        10 => {
            let mut later = record.clone();
            later.scan = 2 + how % 3;
            later.reads = 1 + how % 2;
            later.owner = [Some(owner(user)), None, later.owner][how as usize % 3].clone();
            history.sightings.push(later);
        }
        11 => drop(history.sightings.remove(place)),
        12 => {
            let asked = canary(user, user * SESSIONS_EACH, 1, CanaryKind::Turn);
            let mut answered = answer(session / SESSIONS_EACH, session, asked);
            answered.record_id = format!("answer-{session}-{how}");
            history.sightings.push(answered);
        }
        13 => end(history, place_of_op, |end| {
            end.outcome = Outcome::ALL[how as usize % 5];
        }),
        14 => history.ops[place_of_op].completion = None,
        15 => {
            for seen in &mut record.canaries {
                seen.exactness = Exactness::Corrected;
            }
        }
        16 => swap(history, place, other),
        _ => {
            let name = format!("server-{}", how % 3);
            put_in(record, name.clone());
            let op = &mut history.ops[place_of_op];
            op.invocation.traits = op.invocation.traits.with(Trait::ServerIds);
            end(history, place_of_op, |end| end.server_session = Some(name));
        }
    }
}

/// Two records change places.
fn swap(history: &mut History, place: usize, other: usize) {
    let (a, b) = (
        history.sightings[place].clone(),
        history.sightings[other].clone(),
    );
    let put = |into: &mut Sighting, from: &Sighting| {
        into.owner.clone_from(&from.owner);
        if into.record_type == RecordType::Message && from.session.is_some() {
            into.session.clone_from(&from.session);
        }
    };
    put(&mut history.sightings[place], &b);
    put(&mut history.sightings[other], &a);
}

fn end(history: &mut History, op: usize, change: impl FnOnce(&mut crate::model::Completion)) {
    if let Some(end) = history.ops[op].completion.as_mut() {
        change(end);
    }
}

fn put_in(record: &mut Sighting, session: String) {
    if record.record_type == RecordType::Session {
        record.record_id.clone_from(&session);
    }
    record.session = Some(session);
}

/// Compares the two, and says how they differ.
fn compare(history: &History) -> Result<(), TestCaseError> {
    let world = World::new(history);
    let judgement = history.judge();
    let (proved, all) = judged(&judgement);
    let missed: Vec<_> = world.certain.difference(&proved).collect();
    prop_assert!(missed.is_empty(), "missed: {missed:?}");
    let invented: Vec<_> = all.difference(&world.possible).collect();
    prop_assert!(invented.is_empty(), "false: {invented:?}");
    for finding in &judgement.findings {
        let (own, _) = judged(&Judgement {
            findings: vec![finding.clone()],
            ..Judgement::default()
        });
        let exempt = finding.proof == Proof::Suggested || !DEFINED.contains(&finding.code);
        prop_assert!(
            exempt || !own.is_disjoint(&world.certain),
            "not proved: {} {:?}",
            finding.claim,
            own
        );
    }
    Ok(())
}

#[test]
fn a_clean_history_is_clean_by_definition() {
    let history = History::new(USERS, TURNS);
    let world = World::new(&history);
    assert_eq!(world.possible, Set::new());
}

#[test]
fn every_anomaly_that_is_defined_here_occurs() {
    let mut occurred: BTreeSet<Code> = BTreeSet::new();
    for place in 0..40 {
        for (what, how) in [
            (0, 1),
            (1, 0),
            (2, 0),
            (3, 0),
            (4, 2),
            (7, 4),
            (9, 1),
            (11, 0),
            (12, 5),
            (13, 2),
        ] {
            let mut history = History::new(USERS, TURNS);
            spoil(&mut history, (what, place, how));
            occurred.extend(World::new(&history).certain.iter().map(|(code, _)| *code));
            compare(&history).unwrap();
        }
    }
    assert_eq!(occurred, BTreeSet::from(DEFINED));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn the_judge_finds_what_the_definitions_say(
        spoils in proptest::collection::vec((any::<u8>(), any::<usize>(), any::<u32>()), 0..16),
    ) {
        let mut history = History::new(USERS, TURNS);
        for one in spoils {
            spoil(&mut history, one);
        }
        compare(&history)?;
    }
}
