//! One bucket's rows, joined: which operation planted a canary, where it was found, whose a
//! session is.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::{Bound, Range};

use crate::model::{
    CanaryId, CanaryKind, Exactness, Micros, OpId, OpKind, OpRow, Outcome, RecordType, RunId,
    SessionIx, Sighting, Trait, UserIx,
};

use super::owner::{self, Owner};
use super::{Context, ReadBack};

/// Reads after which a record is beyond doubt: once could be a glimpse of something in motion.
pub(crate) const READS_PROVED_MIN: u32 = 2;

/// Everything that is known of one bucket of users.
#[derive(Debug)]
pub struct Evidence<'a> {
    pub(crate) context: &'a Context<'a>,
    pub(crate) ops: BTreeMap<OpId, &'a OpRow>,
    pub(crate) sessions: BTreeMap<SessionIx, SessionInfo<'a>>,
    /// Readings of stored records and answers, in a total order that is a function of them.
    pub(crate) records: Vec<Record<'a>>,
    users: Range<u32>,
    /// Operations by session and first canary item.
    items: BTreeMap<(SessionIx, u16), &'a OpRow>,
    /// Sessions by the id that the server gave them.
    claims: BTreeMap<&'a str, BTreeSet<SessionIx>>,
    /// Places in `records` of stored records, by canary, exact or corrected.
    places: BTreeMap<CanaryId, Vec<usize>>,
}

/// One record in one state: the readings that agree on owner, session and canaries.
#[derive(Debug)]
pub(crate) struct Record<'a> {
    /// The newest of these readings.
    pub sighting: &'a Sighting,
    /// In how many scans it was read so.
    pub reads: u32,
    /// Is this the last state that the record was seen in?
    pub newest: bool,
    /// Whom the store names.
    pub owner: Owner<'a>,
    /// Exact canaries of this run, sorted.
    pub canaries: Vec<CanaryId>,
}

impl Record<'_> {
    /// Is it beyond doubt? Answers are kept as raw bytes and need no second read.
    pub(crate) fn proved(&self) -> bool {
        self.sighting.record_type == RecordType::Answer || self.reads >= READS_PROVED_MIN
    }

    /// The users whose exact canaries it holds, in order, possibly repeated.
    pub(crate) fn users(&self) -> impl Iterator<Item = UserIx> + '_ {
        self.canaries.iter().map(|canary| canary.user)
    }

    /// Does one stored text hold canaries of two users? An answer may quote; what a user sent
    /// may not.
    pub(crate) fn mixed(&self) -> bool {
        let verbatim = match self.sighting.record_type {
            RecordType::Fact => true,
            RecordType::Message => self.sighting.role == crate::model::Role::User,
            RecordType::Session | RecordType::Answer => false,
        };
        let first = self.users().next();
        verbatim && self.users().any(|user| Some(user) != first)
    }
}

/// A session as its operations tell.
#[derive(Debug)]
pub(crate) struct SessionInfo<'a> {
    /// Whose it is.
    pub user: UserIx,
    /// What its operations do.
    pub kind: OpKind,
    /// Its first operation.
    pub first_op: OpId,
    /// Has it an `ok` operation?
    pub ok: bool,
    /// Ids that answers gave it.
    server_names: BTreeSet<&'a str>,
    /// Does the server name it?
    server_named: bool,
    first_unknown: Option<u16>,
    last_seq: u16,
}

/// Can absence be proved for one operation?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Absence {
    /// There is no store to look into.
    NotLooked,
    /// Not yet: not settled, not complete, or before the deadline.
    Pending,
    /// What is absent now is lost.
    Proved,
}

/// Plain counts over one bucket.
#[derive(Debug, Clone, Default)]
pub(crate) struct Counts {
    /// Sessions with at least one `ok` operation.
    pub sessions: u64,
    /// Of these, sessions of which something was stored under or shown to another user.
    pub crossed: u64,
    /// Exact canaries that the ledger cannot account for.
    pub ledger_gap: u64,
    /// Records that name one of our users but hold no exact canary.
    pub unattributable: u64,
    /// The same, where only a session id from an answer tells whose they are. By id, because
    /// two buckets may know the same one.
    pub unnamed: BTreeSet<String>,
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
            items: BTreeMap::new(),
            claims: BTreeMap::new(),
            places: BTreeMap::new(),
        };
        for op in ops {
            evidence.add_op(op);
        }
        for (place, record) in evidence.records.iter().enumerate() {
            if record.sighting.record_type != RecordType::Answer {
                for seen in &record.sighting.canaries {
                    evidence.places.entry(seen.id).or_default().push(place);
                }
            }
        }
        evidence
    }

    /// Is this user in the bucket?
    pub(crate) fn has(&self, user: UserIx) -> bool {
        self.users.contains(&user.0)
    }

    /// The operations of the bucket's users, in order.
    pub(crate) fn own_ops(&self) -> impl Iterator<Item = &'a OpRow> + '_ {
        self.ops
            .values()
            .copied()
            .filter(|op| self.has(op.invocation.user))
    }

    /// The operation that planted a canary, if the ledger has it.
    pub(crate) fn op_of(&self, canary: CanaryId) -> Option<&'a OpRow> {
        let from = (canary.session, 0);
        let to = (canary.session, canary.item);
        let (_, op) = self
            .items
            .range((Bound::Included(from), Bound::Included(to)))
            .next_back()?;
        let owned = op.invocation.user == canary.user && op.has_item(canary.item);
        owned.then_some(*op)
    }

    /// The id of the operation that planted a canary; a turn's can be told without the ledger.
    pub(crate) fn op_id_of(&self, canary: CanaryId) -> Option<OpId> {
        let from_turn = (canary.kind == CanaryKind::Turn).then_some(OpId {
            session: canary.session,
            seq: canary.item,
        });
        self.op_of(canary).map(|op| op.invocation.op).or(from_turn)
    }

    /// The stored records that hold a canary, exact or corrected.
    pub(crate) fn stored(&self, canary: CanaryId) -> impl Iterator<Item = &Record<'a>> + '_ {
        let places = self.places.get(&canary).map_or(&[][..], Vec::as_slice);
        places.iter().filter_map(|place| self.records.get(*place))
    }

    /// The canaries of an operation, in item order.
    pub(crate) fn canaries_of(&self, op: &OpRow) -> impl Iterator<Item = CanaryId> + use<> {
        let (run, invocation) = (self.context.run, &op.invocation);
        let (user, session) = (invocation.user, invocation.op.session);
        let kind = match invocation.kind {
            OpKind::Chat | OpKind::Voice => CanaryKind::Turn,
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
            Some(_) | None => self
                .claims
                .get(id)
                .into_iter()
                .flatten()
                .filter_map(|ix| Some((self.sessions.get(ix)?.user, *ix)))
                .collect(),
        };
        senders.retain(|(user, _)| self.has(*user));
        senders.sort_unstable();
        senders.dedup_by_key(|(user, _)| *user);
        senders
    }

    /// Is a stored session the one that a canary was sent in? `None` where that cannot be told:
    /// the server names the session and its answer never came.
    pub(crate) fn sent_in(&self, canary: CanaryId, session_id: &str) -> Option<bool> {
        let named = RunId::parse_session_name(session_id);
        if named == Some((canary.run, canary.user, canary.session)) {
            return Some(true);
        }
        let info = self.sessions.get(&canary.session)?;
        if info.server_names.contains(session_id) {
            return Some(true);
        }
        let answered = self.op_of(canary)?.outcome() == Outcome::Ok;
        let names_known = !info.server_named || (answered && !info.server_names.is_empty());
        names_known.then_some(false)
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

    /// Can it be proved that something of this operation is absent?
    pub(crate) fn absence(&self, op: &OpRow) -> Absence {
        let completed = op.completion.as_ref().map(|end| end.completed);
        let deadline = self.context.scenario.memory.settle.deadline;
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

    /// Unknown operations of which something was stored after all, by kind.
    pub(crate) fn recovered(&self) -> BTreeMap<OpKind, u64> {
        let mut recovered = BTreeMap::new();
        let unknown = self
            .own_ops()
            .filter(|op| op.outcome() == Outcome::Unknown)
            .filter(|op| self.is_stored(op));
        for op in unknown {
            *recovered.entry(op.invocation.kind).or_default() += 1;
        }
        recovered
    }

    /// Sessions, gaps and coverage of the bucket.
    pub(crate) fn counts(&self) -> Counts {
        let own = |ix: &SessionIx| self.sessions.get(ix).filter(|info| self.has(info.user));
        let mut counts = Counts {
            sessions: count(self.sessions.keys().filter_map(own).filter(|info| info.ok)),
            ledger_gap: self.ledger_gap(),
            ..Counts::default()
        };
        let crossed: BTreeSet<SessionIx> =
            self.records.iter().flat_map(|r| self.crossed(r)).collect();
        counts.crossed = count(crossed.iter().filter_map(own).filter(|info| info.ok));
        let mut counted = BTreeSet::new();
        for record in self.records.iter().filter(|record| record.newest) {
            let sighting = record.sighting;
            let text = matches!(sighting.record_type, RecordType::Message | RecordType::Fact);
            if !text || !record.canaries.is_empty() {
                continue;
            }
            let session = sighting.session.as_deref().unwrap_or_default();
            match self.smallest_named(record) {
                Some(user) if self.has(user) => {
                    counted.insert((sighting.record_type, sighting.record_id.as_str()));
                }
                None if !self.senders_of_session(session).is_empty() => {
                    counts.unnamed.insert(sighting.record_id.clone());
                }
                Some(_) | None => {}
            }
        }
        counts.unattributable = count(counted);
        counts
    }

    fn add_op(&mut self, op: &'a OpRow) {
        let invocation = &op.invocation;
        let OpId { session, seq } = invocation.op;
        self.items.insert((session, invocation.item_first), op);
        let server_name = op
            .completion
            .as_ref()
            .and_then(|end| end.server_session.as_deref());
        let info = self.sessions.entry(session).or_insert_with(|| SessionInfo {
            user: invocation.user,
            kind: invocation.kind,
            first_op: invocation.op,
            ok: false,
            server_names: BTreeSet::new(),
            server_named: false,
            first_unknown: None,
            last_seq: seq,
        });
        info.first_op = info.first_op.min(invocation.op);
        info.last_seq = info.last_seq.max(seq);
        info.ok |= op.outcome() == Outcome::Ok;
        info.server_named |= invocation.traits.has(Trait::ServerIds) || server_name.is_some();
        if op.outcome() == Outcome::Unknown {
            let first = info.first_unknown.map_or(seq, |unknown| unknown.min(seq));
            info.first_unknown = Some(first);
        }
        if let Some(name) = server_name {
            info.server_names.insert(name);
            self.claims.entry(name).or_default().insert(session);
        }
    }

    fn is_stored(&self, op: &OpRow) -> bool {
        self.canaries_of(op)
            .any(|canary| self.stored(canary).next().is_some())
    }

    /// Exact canaries of the bucket's users that no row explains: the operation is missing, or
    /// it claims that not one byte of it was sent.
    fn ledger_gap(&self) -> u64 {
        let seen: BTreeSet<CanaryId> = self
            .records
            .iter()
            .flat_map(|record| record.canaries.iter().copied())
            .filter(|canary| self.has(canary.user) && canary.kind != CanaryKind::Control)
            .collect();
        count(seen.into_iter().filter(|canary| {
            self.op_of(*canary)
                .is_none_or(|op| op.outcome() == Outcome::Unsent)
        }))
    }

    /// The sessions of which this record shows something to somebody else.
    fn crossed(&self, record: &Record<'a>) -> Vec<SessionIx> {
        let elsewhere = |sender: UserIx| match record.owner {
            Owner::User(owner) => owner != sender,
            Owner::Foreign(_) => true,
            Owner::Placeholder(_) | Owner::Nobody => record.mixed(),
        };
        if !record.proved() {
            return Vec::new();
        }
        let by_canary = record
            .canaries
            .iter()
            .map(|canary| (canary.user, canary.session));
        let by_id = match record.sighting.record_type {
            RecordType::Session => self.senders_of_session(&record.sighting.record_id),
            RecordType::Message | RecordType::Fact | RecordType::Answer => Vec::new(),
        };
        by_canary
            .chain(by_id)
            .filter(|(user, _)| self.has(*user) && elsewhere(*user))
            .map(|(_, session)| session)
            .collect()
    }

    /// The smallest user that a record itself names: by a corrected canary, by its session's
    /// name, or as its owner.
    fn smallest_named(&self, record: &Record<'a>) -> Option<UserIx> {
        let run = self.context.run;
        let canaries = record.sighting.canaries.iter().map(|seen| seen.id);
        let by_canary = canaries.filter(|id| id.run == run).map(|id| id.user);
        let session = record.sighting.session.as_deref().unwrap_or_default();
        let by_session = RunId::parse_session_name(session)
            .filter(|(named, ..)| *named == run)
            .map(|(_, user, _)| user);
        let by_owner = match record.owner {
            Owner::User(user) => Some(user),
            Owner::Placeholder(_) | Owner::Nobody | Owner::Foreign(_) => None,
        };
        by_canary.chain(by_session).chain(by_owner).min()
    }
}

/// Counts an iterator's items.
pub(crate) fn count(items: impl IntoIterator) -> u64 {
    items.into_iter().fold(0, |sum, _| sum + 1)
}

/// When an operation was at work; a point if it never ended.
pub(crate) fn span(op: &OpRow) -> (Micros, Micros) {
    let invoked = op.invocation.invoked;
    let ended = op.completion.as_ref().map_or(invoked, |end| end.completed);
    (invoked, ended.max(invoked))
}

/// Merges readings that agree in what matters here, and finds each record's last state.
fn read_records<'a>(
    context: &Context<'_>,
    sightings: impl Iterator<Item = &'a Sighting>,
) -> Vec<Record<'a>> {
    let mut sightings: Vec<&Sighting> = sightings.collect();
    sightings.sort_by_cached_key(|sighting| order_key(sighting));
    sightings.dedup();
    let mut records: Vec<Record<'a>> = Vec::with_capacity(sightings.len());
    for sighting in sightings {
        match records.last_mut() {
            Some(last) if same_state(last.sighting, sighting) => {
                last.reads = last.reads.saturating_add(sighting.reads);
                last.sighting = sighting;
            }
            Some(_) | None => records.push(Record {
                sighting,
                reads: sighting.reads,
                newest: false,
                owner: owner::classify(context, sighting.owner.as_deref()),
                canaries: exact_canaries(context.run, sighting),
            }),
        }
    }
    let same_record = |a: &Record<'_>, b: &Record<'_>| id_key(a.sighting) == id_key(b.sighting);
    for states in records.chunk_by_mut(same_record) {
        let last = states.iter().map(|record| record.sighting.scan).max();
        for record in states {
            record.newest = Some(record.sighting.scan) == last;
        }
    }
    records
}

fn exact_canaries(run: RunId, sighting: &Sighting) -> Vec<CanaryId> {
    let exact = sighting
        .canaries
        .iter()
        .filter(|seen| seen.exactness == Exactness::Exact && seen.id.run == run);
    let ids: BTreeSet<CanaryId> = exact.map(|seen| seen.id).collect();
    ids.into_iter().collect()
}

fn id_key(sighting: &Sighting) -> (RecordType, &str) {
    (sighting.record_type, &sighting.record_id)
}

fn same_state(a: &Sighting, b: &Sighting) -> bool {
    id_key(a) == id_key(b)
        && a.owner == b.owner
        && a.session == b.session
        && a.canaries == b.canaries
}

/// A total order in which readings of one state of one record stand together, oldest first.
fn order_key(sighting: &Sighting) -> impl Ord + use<'_> {
    let canaries: Vec<(CanaryId, bool)> = sighting
        .canaries
        .iter()
        .map(|seen| (seen.id, seen.exactness == Exactness::Exact))
        .collect();
    (
        id_key(sighting),
        (&sighting.owner, &sighting.session, canaries),
        (sighting.scan, sighting.seen_at, sighting.position),
        (sighting.role, sighting.body_hash, sighting.reads),
        &sighting.excerpt,
    )
}
