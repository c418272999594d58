//! One bucket's rows, joined: which operation planted a canary, where it was found, whose a
//! session is.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use crate::model::{
    CanaryId, CanaryKind, Likeness, Micros, OpId, OpKind, OpRow, Outcome, RecordType, RunId,
    SessionIx, Sighting, Trait, UserIx,
};

use super::identity::{self, Splits};
use super::owner::Owner;
use super::reading::{Record, read_records};
use super::{Context, ReadBack};
use crate::canary;
use crate::plan::{Attempts, RECALL_QUESTION};

/// Everything that is known of one bucket of users.
#[derive(Debug)]
pub struct Evidence<'a> {
    pub(crate) context: &'a Context<'a>,
    pub(crate) ops: BTreeMap<OpId, &'a OpRow>,
    pub(crate) sessions: BTreeMap<SessionIx, SessionInfo<'a>>,
    /// Readings of stored records and answers, in a total order that is a function of them.
    pub(crate) records: Vec<Record<'a>>,
    /// The same of what attempts to trespass have written; nothing else is judged by it.
    pub(crate) attempted: Vec<Record<'a>>,
    /// Which operations are such attempts.
    pub(crate) attempts: Attempts,
    users: Range<u32>,
    /// Operations by session and first canary item, sorted; each of the two once.
    items: Vec<((SessionIx, u16), &'a OpRow)>,
    /// Who was given a session by this id, and which.
    claims: BTreeMap<&'a str, BTreeSet<(UserIx, SessionIx)>>,
    /// Stored records with each of their canaries, exact or corrected: places in `records`, sorted.
    places: Vec<(CanaryKey, usize)>,
    /// What of which user is stored under two or more owners in one place.
    splits: Splits<'a>,
    /// Hash of the question that carries no canary.
    question: u64,
}

/// A session as its operations tell.
#[derive(Debug)]
pub(crate) struct SessionInfo<'a> {
    /// The user whose name it bears.
    pub founder: UserIx,
    /// What its operations do.
    pub kind: OpKind,
    /// Its first operation.
    pub first_op: OpId,
    /// Has it an `ok` operation?
    pub ok: bool,
    /// All who sent in it: its founder, and after a hand-over or where it is shared another user.
    members: BTreeMap<UserIx, Member<'a>>,
    first_unknown: Option<u16>,
    last_seq: u16,
}

/// One user's part in a session.
#[derive(Debug, Default)]
struct Member<'a> {
    /// Ids that answers to this user gave it.
    server_names: BTreeSet<&'a str>,
    /// May the server put this user's turns under an id of its own making?
    server_named: bool,
}

/// Can absence be proved for one operation?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Absence {
    /// There is no store to look into, or it does not show what the operation promised.
    NotLooked,
    /// Not yet: not settled, not complete, or before the deadline.
    Pending,
    /// What is absent now is lost.
    Proved,
}

impl<'a> Evidence<'a> {
    /// Joins the rows of one bucket.
    pub(crate) fn new(
        context: &'a Context<'a>,
        users: Range<u32>,
        ops: &'a [OpRow],
        sightings: impl Iterator<Item = &'a Sighting>,
    ) -> Self {
        let mut evidence = Self {
            context,
            users,
            ops: ops.iter().map(|op| (op.invocation.op, op)).collect(),
            sessions: BTreeMap::new(),
            records: read_records(context, sightings),
            attempted: Vec::new(),
            attempts: Attempts::of(context.scenario),
            items: items(ops),
            claims: BTreeMap::new(),
            places: Vec::new(),
            splits: Splits::new(),
            question: canary::body_hash(&canary::normalise(RECALL_QUESTION)),
        };
        for op in ops {
            if evidence.attempts.at(op.invocation.op).is_none() {
                evidence.add_op(op);
            }
        }
        evidence.set_attempted_apart();
        let mut records = std::mem::take(&mut evidence.records);
        for record in &mut records {
            record.sent_here = evidence.sent_here(record);
        }
        evidence.places = places(&records);
        evidence.records = records;
        evidence.splits = identity::splits(&evidence);
        evidence
    }

    /// Is this user in the bucket?
    pub(crate) fn has(&self, user: UserIx) -> bool {
        self.users.contains(&user.0)
    }

    /// The operations of the bucket's users, in order, but for attempts to trespass.
    pub(crate) fn own_ops(&self) -> impl Iterator<Item = &'a OpRow> + '_ {
        self.ops
            .values()
            .copied()
            .filter(|op| self.has(op.invocation.user))
            .filter(|op| self.attempts.at(op.invocation.op).is_none())
    }

    /// The operation that planted a canary, if the ledger has it.
    pub(crate) fn op_of(&self, canary: CanaryId) -> Option<&'a OpRow> {
        let place = (canary.session, canary.item);
        let behind = self.items.partition_point(|(first, _)| *first <= place);
        let ((session, _), op) = self.items.get(behind.checked_sub(1)?)?;
        let owned = op.invocation.user == canary.user && op.has_item(canary.item);
        (owned && *session == canary.session).then_some(*op)
    }

    /// The id of the operation that planted a canary; a turn's can be told without the ledger.
    /// To be asked only for users of the bucket, as others' documents are unknown here.
    pub(crate) fn op_id_of(&self, canary: CanaryId) -> Option<OpId> {
        let from_turn = (canary.kind == CanaryKind::Turn).then_some(OpId {
            session: canary.session,
            seq: canary.item,
        });
        self.op_of(canary).map(|op| op.invocation.op).or(from_turn)
    }

    /// The stored records that hold a canary, exact or corrected.
    pub(crate) fn stored(&self, canary: CanaryId) -> impl Iterator<Item = &Record<'a>> + '_ {
        let key = key_of(canary);
        let from = self.places.partition_point(|(held, _)| *held < key);
        let places = self.places.get(from..).unwrap_or_default();
        places
            .iter()
            .take_while(move |(held, _)| *held == key)
            .filter_map(|(_, place)| self.records.get(*place))
    }

    /// The stored records that hold the same canary as another one, exact or corrected: those of
    /// each such canary together, in the order of the records.
    pub(crate) fn sharing(&self) -> impl Iterator<Item = Vec<&Record<'a>>> + '_ {
        let same_canary = |a: &(CanaryKey, usize), b: &(CanaryKey, usize)| a.0 == b.0;
        let shared = self.places.chunk_by(same_canary);
        shared.filter(|places| places.len() > 1).map(|places| {
            let mut places: Vec<usize> = places.iter().map(|(_, place)| *place).collect();
            places.dedup();
            let records = places.into_iter();
            records.filter_map(|at| self.records.get(at)).collect()
        })
    }

    /// The canaries of an operation, in item order.
    pub(crate) fn canaries_of(&self, op: &OpRow) -> impl Iterator<Item = CanaryId> + use<> {
        let (run, invocation) = (self.context.run, &op.invocation);
        let (user, session) = (invocation.user, invocation.op.session);
        let kind = match invocation.kind {
            OpKind::Chat | OpKind::Voice | OpKind::Stream | OpKind::Turn => CanaryKind::Turn,
            OpKind::Upload => CanaryKind::Block,
        };
        let first = invocation.item_first;
        (0..invocation.item_count)
            .map_while(move |offset| first.checked_add(offset))
            .map(move |item| CanaryId {
                run,
                user,
                session,
                item,
                kind,
            })
    }

    /// The bucket's users that a stored session belongs to: the one that its name says, else
    /// those whose answers gave its id. With each, the session's number.
    pub(crate) fn senders_of_session(&self, id: &str) -> Vec<(UserIx, SessionIx)> {
        let mut senders = match RunId::parse_session_name(id) {
            Some((run, user, session)) if run == self.context.run => vec![(user, session)],
            Some(_) | None => self.claims.get(id).into_iter().flatten().copied().collect(),
        };
        senders.retain(|(user, _)| self.has(*user));
        senders.sort_unstable();
        senders.dedup_by_key(|(user, _)| *user);
        senders
    }

    /// Is a stored session the one that a canary was sent in? `None` where that cannot be told:
    /// the server may have named the session, and its answer never came.
    pub(crate) fn sent_in(&self, canary: CanaryId, session_id: &str) -> Option<bool> {
        let info = self.sessions.get(&canary.session);
        let founder = info.map_or(canary.user, |info| info.founder);
        let named = RunId::parse_session_name(session_id);
        if named == Some((canary.run, founder, canary.session)) {
            return Some(true);
        }
        let info = info?;
        let member = info.members.get(&canary.user)?;
        if member.server_names.contains(session_id) {
            return Some(true);
        }
        let op = self.op_of(canary)?;
        // Only one of the two answers to a double submit is told, and each may name a session.
        let twice = op.invocation.traits.has(Trait::DoubleSubmits);
        let answered = op.outcome() == Outcome::Ok && !twice;
        // Of one session id that two users send, a healthy server makes two sessions.
        let server_named = member.server_named || info.members.len() > 1;
        let names_known = !server_named || (answered && !member.server_names.is_empty());
        names_known.then_some(false)
    }

    /// The same of a message and its first canary.
    fn sent_here(&self, record: &Record<'_>) -> Option<bool> {
        let sighting = record.sighting;
        if sighting.record_type != RecordType::Message {
            return None;
        }
        let canary = record.canaries.first()?;
        self.sent_in(*canary, sighting.session.as_deref()?)
    }

    /// Does this user send in a session? Whoever does may own it, if another founded it.
    pub(crate) fn takes_part(&self, user: UserIx, session: SessionIx) -> bool {
        let info = self.sessions.get(&session);
        info.is_some_and(|info| info.founder == user || info.members.contains_key(&user))
    }

    /// What is stored under two or more owners in one place.
    pub(crate) fn splits(&self) -> &Splits<'a> {
        &self.splits
    }

    /// Is it the question that all users ask in the same words, and that carries no canary?
    pub(crate) fn is_question(&self, record: &Record<'_>) -> bool {
        let sighting = record.sighting;
        let restyled = sighting.canaries.is_empty() && sighting.likeness == Likeness::Same;
        sighting.body_hash == self.question || restyled
    }

    /// The user to whom a text without any exact canary is reckoned, if it is one of the
    /// bucket's: the first that a corrected canary names, else the one in its session's name,
    /// else the first whose answers named its session, else its owner.
    pub(crate) fn reckoned_to(&self, record: &Record<'_>) -> Option<UserIx> {
        let run = self.context.run;
        let canaries = record.sighting.canaries.iter().map(|seen| seen.id);
        let by_canary = canaries.filter(|id| id.run == run).map(|id| id.user).min();
        let session = record.sighting.session.as_deref().unwrap_or_default();
        let by_name = || {
            let named = RunId::parse_session_name(session);
            named
                .filter(|(named, ..)| *named == run)
                .map(|(_, user, _)| user)
        };
        let given = || {
            let mut users = self.claims.get(session)?.iter().map(|(user, _)| *user);
            users.find(|user| self.has(*user))
        };
        let by_owner = || match record.owner {
            Owner::User(owner) => Some(owner),
            Owner::Placeholder(_) | Owner::Nobody | Owner::Foreign(_) => None,
        };
        let user = by_canary.or_else(by_name).or_else(given).or_else(by_owner);
        user.filter(|user| self.has(*user))
    }

    /// Did any answer to one of the bucket's users give a session this id?
    pub(crate) fn is_given(&self, session_id: &str) -> bool {
        self.claims.contains_key(session_id)
    }

    /// The names that a session goes by in the store.
    pub(crate) fn names_of(&self, session: SessionIx) -> Vec<String> {
        let Some(info) = self.sessions.get(&session) else {
            return Vec::new();
        };
        let own = self.context.run.session_name(info.founder, session);
        let given = info
            .members
            .values()
            .flat_map(|member| &member.server_names);
        let given = given.map(|name| (*name).to_owned());
        std::iter::once(own).chain(given).collect()
    }

    /// Was anything sent in this operation's session while an unknown operation, this one or an
    /// earlier one, may still have been at work? Then its copies prove nothing: overlapping
    /// turns of one session may overwrite each other without any race between users.
    pub(crate) fn beside_unknown(&self, op: OpId) -> bool {
        self.sessions.get(&op.session).is_some_and(|info| {
            info.first_unknown
                .is_some_and(|unknown| unknown <= op.seq && unknown < info.last_seq)
        })
    }

    /// Did any operation of the session with an unknown end begin before this one?
    pub(crate) fn has_unknown_before(&self, op: OpId) -> bool {
        let info = self.sessions.get(&op.session);
        let first_unknown = info.and_then(|info| info.first_unknown);
        first_unknown.is_some_and(|unknown| unknown < op.seq)
    }

    /// Can it be proved that something of this operation is absent?
    pub(crate) fn absence(&self, op: &OpRow) -> Absence {
        let completed = op.completion.as_ref().map(|end| end.completed);
        let deadline = self.context.scenario.memory.settle.deadline;
        if op.invocation.kind == OpKind::Upload && !self.context.facts_listed {
            return Absence::NotLooked;
        }
        match self.context.read_back {
            ReadBack::None => Absence::NotLooked,
            ReadBack::Some {
                settled: true,
                complete: true,
                read_from,
            } if completed.is_some_and(|completed| read_from >= completed + deadline) => {
                Absence::Proved
            }
            ReadBack::Some { .. } => Absence::Pending,
        }
    }

    /// The first complete scan that should have shown all that an operation promised.
    pub(crate) fn due_scan(&self, op: &OpRow) -> Option<u32> {
        let completed = op.completion.as_ref()?.completed;
        let due = completed + self.context.scenario.memory.settle.deadline;
        let mut scans = self.context.scans.iter();
        scans
            .find(|scan| scan.complete && scan.started >= due)
            .map(|scan| scan.scan)
    }

    /// Was this scan a complete one?
    pub(crate) fn is_complete(&self, scan: u32) -> bool {
        let mut scans = self.context.scans.iter();
        scans.any(|one| one.scan == scan && one.complete)
    }

    /// Has a complete scan since lacked this record?
    pub(crate) fn is_gone(&self, record: &Record<'_>) -> bool {
        let mut later = self.context.scans.iter().rev();
        later.any(|scan| scan.complete && scan.scan > record.last_scan)
    }

    /// What an attempt has written is no text of an ordinary session, and its sender has no
    /// claim to it.
    fn set_attempted_apart(&mut self) {
        if self.attempts.is_empty() {
            return;
        }
        let is_attempted = |record: &Record<'_>| {
            let stored = record.sighting.record_type != RecordType::Answer;
            let mut canaries = record.sighting.canaries.iter();
            stored
                && canaries.any(|seen| {
                    let op = OpId {
                        session: seen.id.session,
                        seq: seen.id.item,
                    };
                    seen.id.run == self.context.run
                        && seen.id.kind == CanaryKind::Turn
                        && self.attempts.at(op).is_some()
                })
        };
        let records = std::mem::take(&mut self.records).into_iter();
        let (attempted, records) = records.partition(is_attempted);
        self.attempted = attempted;
        self.records = records;
    }

    fn add_op(&mut self, op: &'a OpRow) {
        let invocation = &op.invocation;
        let OpId { session, seq } = invocation.op;
        let server_name = op
            .completion
            .as_ref()
            .and_then(|end| end.server_session.as_deref());
        let info = self.sessions.entry(session).or_insert_with(|| SessionInfo {
            founder: invocation.founder,
            kind: invocation.kind,
            first_op: invocation.op,
            ok: false,
            members: BTreeMap::new(),
            first_unknown: None,
            last_seq: seq,
        });
        info.first_op = info.first_op.min(invocation.op);
        info.last_seq = info.last_seq.max(seq);
        info.ok |= op.outcome() == Outcome::Ok;
        if op.outcome() == Outcome::Unknown {
            let first = info.first_unknown.map_or(seq, |unknown| unknown.min(seq));
            info.first_unknown = Some(first);
        }
        let member = info.members.entry(invocation.user).or_default();
        let guest = invocation.user != invocation.founder;
        member.server_named |= guest
            || server_name.is_some()
            || [Trait::ServerIds, Trait::SharedSession]
                .into_iter()
                .any(|asked| invocation.traits.has(asked));
        if let Some(name) = server_name {
            member.server_names.insert(name);
            let claims = self.claims.entry(name).or_default();
            claims.insert((invocation.user, session));
        }
    }
}

/// A canary as one number, in the order of canaries: comparing it takes one step.
type CanaryKey = u128;

fn key_of(canary: CanaryId) -> CanaryKey {
    let kind: u8 = match canary.kind {
        CanaryKind::Turn => 0,
        CanaryKind::Block => 1,
        CanaryKind::Control => 2,
    };
    let mut key = u128::from(canary.run.0);
    key = (key << 32) | u128::from(canary.user.0);
    key = (key << 32) | u128::from(canary.session.0);
    key = (key << 16) | u128::from(canary.item);
    (key << 8) | u128::from(kind)
}

/// The operations that sent canaries, by session and first item. Of two with the same the last
/// counts.
fn items(ops: &[OpRow]) -> Vec<((SessionIx, u16), &OpRow)> {
    let sent = ops.iter().filter(|op| op.invocation.item_count > 0);
    let place = |op: &OpRow| (op.invocation.op.session, op.invocation.item_first);
    let mut items: Vec<_> = sent.map(|op| (place(op), op)).collect();
    items.reverse();
    items.sort_by_key(|(place, _)| *place);
    items.dedup_by_key(|(place, _)| *place);
    items
}

/// The places of stored records, by the canaries in them.
fn places(records: &[Record<'_>]) -> Vec<(CanaryKey, usize)> {
    let stored = records
        .iter()
        .enumerate()
        .filter(|(_, record)| record.sighting.record_type != RecordType::Answer);
    let mut places: Vec<(CanaryKey, usize)> = stored
        .flat_map(|(place, record)| {
            let canaries = record.sighting.canaries.iter();
            canaries.map(move |seen| (key_of(seen.id), place))
        })
        .collect();
    places.sort_unstable();
    places
}

/// When an operation was at work; a point if it never ended.
pub(crate) fn span(op: &OpRow) -> (Micros, Micros) {
    let invoked = op.invocation.invoked;
    let ended = op.completion.as_ref().map_or(invoked, |end| end.completed);
    (invoked, ended.max(invoked))
}
