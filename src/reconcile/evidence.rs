//! One bucket's rows, joined: which operation planted a canary, where it was found, whose a
//! session is.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::{Bound, Range};

use crate::model::{
    CanaryId, CanaryKind, Micros, OpId, OpKind, OpRow, Outcome, RecordType, RunId, SessionIx,
    Sighting, Trait, UserIx,
};

use super::reading::{Record, read_records};
use super::{Context, ReadBack};

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

    /// Did any answer to one of the bucket's users give a session this id?
    pub(crate) fn is_given(&self, session_id: &str) -> bool {
        self.claims.contains_key(session_id)
    }

    /// The names that a session goes by in the store.
    pub(crate) fn names_of(&self, session: SessionIx) -> Vec<String> {
        let Some(info) = self.sessions.get(&session) else {
            return Vec::new();
        };
        let own = self.context.run.session_name(info.user, session);
        let given = info.server_names.iter().map(|name| (*name).to_owned());
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
}

/// When an operation was at work; a point if it never ended.
pub(crate) fn span(op: &OpRow) -> (Micros, Micros) {
    let invoked = op.invocation.invoked;
    let ended = op.completion.as_ref().map_or(invoked, |end| end.completed);
    (invoked, ended.max(invoked))
}
