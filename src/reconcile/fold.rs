//! Folding over buckets: a fault of a whole channel is one root, so is a store that gives nobody's
//! sessions an owner, and a message that stands in another one's place explains what is missing
//! there.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};

use crate::model::{
    Affected, Code, Hint, OpId, OpKind, Proof, RecordType, Route, SessionIx, Severity, UserIx,
    UsersAsked,
};

use super::counts::count;
use super::draft::{Draft, STORY_OPS_MAX, Stranger};
use super::evidence::Evidence;
use super::owner::Owner;
use super::reading::Record;
use super::wording;

/// Users from which on a shared fault is one of the channel.
const USERS_SYSTEMIC_MIN: u64 = 2;

/// How the records of a channel are owned, summed over buckets.
#[derive(Debug, Clone, Default)]
pub(crate) struct Tallies {
    /// Sessions (for uploads: facts) of each channel.
    units: BTreeMap<OpKind, u64>,
    /// Of these, the ones under each stand-in or under nobody.
    stood_in: BTreeMap<(OpKind, StandIn), Tally>,
    /// Users of which something is under a stand-in, over all channels.
    sharers: BTreeMap<String, u64>,
    /// Users of which a session or fact is under nobody, over all channels.
    ownerless_users: u64,
    /// What the store said of the run's users; the same in every bucket.
    users_asked: Option<UsersAsked>,
}

/// A stand-in by name, or `None` for nobody at all.
type StandIn = Option<String>;

#[derive(Debug, Clone, Copy, Default)]
struct Tally {
    units: u64,
    users: u64,
}

impl Tallies {
    /// Adds another bucket's. No user is in two buckets, so users add up too.
    pub(crate) fn add(&mut self, other: Self) {
        for (kind, units) in other.units {
            *self.units.entry(kind).or_default() += units;
        }
        for (key, tally) in other.stood_in {
            let sum = self.stood_in.entry(key).or_default();
            sum.units += tally.units;
            sum.users += tally.users;
        }
        for (name, users) in other.sharers {
            *self.sharers.entry(name).or_default() += users;
        }
        self.ownerless_users += other.ownerless_users;
        self.users_asked = self.users_asked.or(other.users_asked);
    }

    /// Is everything of this channel, of at least two users, under this one stand-in?
    fn systemic(&self, kind: OpKind, stand_in: &StandIn) -> Option<Tally> {
        let tally = *self.stood_in.get(&(kind, stand_in.clone()))?;
        let whole = self.units.get(&kind) == Some(&tally.units);
        (whole && tally.users >= USERS_SYSTEMIC_MIN).then_some(tally)
    }

    /// What the fault of this channel and stand-in is a part of, if it is one of more than single
    /// records.
    fn scope(&self, kind: OpKind, stand_in: StandIn) -> Option<(Scope, Tally)> {
        if stand_in.is_none() && self.units.len() > 1 {
            let mut all = Tally {
                units: 0,
                users: self.ownerless_users,
            };
            let whole = self.units.iter().all(|(kind, units)| {
                let ownerless = self.stood_in.get(&(*kind, None));
                all.units += units;
                ownerless.is_some_and(|tally| tally.units == *units)
            });
            if whole && all.users >= USERS_SYSTEMIC_MIN {
                return Some((Scope::Store, all));
            }
        }
        let tally = self.systemic(kind, &stand_in)?;
        Some((Scope::Channel(kind, stand_in), tally))
    }
}

/// What a fault has spoilt altogether.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Scope {
    /// Everything of one channel, under one stand-in.
    Channel(OpKind, StandIn),
    /// Everything of every channel: nothing has an owner.
    Store,
}

/// Counts how one bucket's records are owned.
pub(crate) fn tally(evidence: &Evidence<'_>) -> Tallies {
    let mut tallies = Tallies {
        users_asked: evidence.context.users_asked,
        ..Tallies::default()
    };
    let mut users: BTreeMap<(OpKind, StandIn), BTreeSet<u32>> = BTreeMap::new();
    let mut ownerless: BTreeSet<u32> = BTreeSet::new();
    let mut sharers: BTreeMap<&str, BTreeSet<u32>> = BTreeMap::new();
    // Messages are no units: they tell only who shares a stand-in.
    let told = evidence.records.iter().filter(|record| {
        let is_message = record.sighting.record_type == RecordType::Message;
        record.newest && (!is_message || matches!(record.owner, Owner::Placeholder(_)))
    });
    for record in told {
        for (user, session) in senders(evidence, record) {
            if let Owner::Placeholder(name) = record.owner {
                sharers.entry(name).or_default().insert(user.0);
            }
            let kind = evidence.sessions.get(&session).map(|info| info.kind);
            let Some(unit) = kind.filter(|kind| is_unit(*kind, record.sighting.record_type)) else {
                continue;
            };
            *tallies.units.entry(unit).or_default() += 1;
            let stand_in = match record.owner {
                Owner::Placeholder(name) => Some(name.to_owned()),
                Owner::Nobody => {
                    ownerless.insert(user.0);
                    None
                }
                Owner::User(_) | Owner::Foreign(_) => continue,
            };
            let key = (unit, stand_in);
            tallies.stood_in.entry(key.clone()).or_default().units += 1;
            users.entry(key).or_default().insert(user.0);
        }
    }
    for (key, users) in users {
        tallies.stood_in.entry(key).or_default().users = count(users);
    }
    tallies.ownerless_users = count(ownerless);
    tallies.sharers = sharers
        .into_iter()
        .map(|(name, users)| (name.to_owned(), count(users)))
        .collect();
    tallies
}

/// The bucket's users whose record this is, each with one session that says so.
fn senders(evidence: &Evidence<'_>, record: &Record<'_>) -> Vec<(UserIx, SessionIx)> {
    match record.sighting.record_type {
        RecordType::Session => evidence.senders_of_session(&record.sighting.record_id),
        RecordType::Message | RecordType::Fact => {
            let canaries = record.canaries.iter();
            let mut senders: Vec<_> = canaries.map(|c| (c.user, c.session)).collect();
            senders.retain(|(user, _)| evidence.has(*user));
            senders.dedup_by_key(|(user, _)| *user);
            senders
        }
        RecordType::Answer | RecordType::Log => Vec::new(),
    }
}

/// Of conversations the sessions are counted, as their messages have their owner; of uploads the
/// facts.
fn is_unit(kind: OpKind, record_type: RecordType) -> bool {
    let unit = match kind {
        OpKind::Chat | OpKind::Voice | OpKind::Stream | OpKind::Turn => RecordType::Session,
        OpKind::Upload => RecordType::Fact,
    };
    record_type == unit
}

/// A text that names nobody for certain may have been found in several buckets. It counts once,
/// for the first of the users that it was reckoned to.
pub(crate) fn once_each(drafts: Vec<Draft>) -> Vec<Draft> {
    let (nameless, mut kept): (Vec<Draft>, Vec<Draft>) = drafts.into_iter().partition(is_nameless);
    let mut first: BTreeMap<(Code, Option<Affected>), Draft> = BTreeMap::new();
    for draft in nameless {
        let root = draft.finding.affected.first().cloned();
        match first.entry((draft.finding.code, root)) {
            Entry::Vacant(free) => {
                free.insert(draft);
            }
            Entry::Occupied(mut taken) => {
                if draft.finding.sender < taken.get().finding.sender {
                    taken.insert(draft);
                }
            }
        }
    }
    kept.extend(first.into_values());
    kept
}

fn is_nameless(draft: &Draft) -> bool {
    matches!(
        draft.finding.code,
        Code::Phantom | Code::Resurrected | Code::Unattributable
    )
}

/// Folds drafts into each other. They are in their final order, so the first of those that are
/// one becomes the root.
pub(crate) fn fold(drafts: Vec<Draft>, tallies: &Tallies) -> Vec<Draft> {
    let mut drafts = fold_channels(one_a_route(one_a_mixed_record(drafts)), tallies);
    for draft in &mut drafts {
        weigh_stand_in(draft, tallies);
    }
    fold_strangers(drafts)
}

/// A record that was mixed in several states is one finding: the first, which is the best proved.
fn one_a_mixed_record(mut drafts: Vec<Draft>) -> Vec<Draft> {
    let mut seen = BTreeSet::new();
    drafts.retain(|draft| {
        let root = draft.finding.affected.first();
        let id = root.map(|record| (record.record_type, record.record_id.clone()));
        draft.finding.code != Code::ChunkMix || seen.insert(id)
    });
    drafts
}

/// A route that lets somebody in without the right to it does so for every session: one root.
fn one_a_route(drafts: Vec<Draft>) -> Vec<Draft> {
    let mut folded: Vec<Draft> = Vec::with_capacity(drafts.len());
    let mut roots: BTreeMap<(Route, Proof), usize> = BTreeMap::new();
    for draft in drafts {
        let Some(trespassed) = draft.trespassed.clone() else {
            folded.push(draft);
            continue;
        };
        let key = (trespassed.route, draft.finding.proof);
        let root = roots.get(&key).copied();
        let Some(root) = root.and_then(|root| folded.get_mut(root)) else {
            roots.insert(key, folded.len());
            folded.push(draft);
            continue;
        };
        root.finding.affected.extend(draft.finding.affected);
        if let Some(all) = &mut root.trespassed {
            all.standings.extend(trespassed.standings);
            all.sessions.extend(trespassed.sessions);
            if all.sessions.len() > 1 {
                root.finding.claim = format!(
                    "{} of {} sessions {}",
                    wording::route(all.route),
                    all.sessions.len(),
                    wording::reached(all.route, &all.standings)
                );
            }
        }
    }
    folded
}

/// The operations that sent part of a mixed record, and who sent them, by the record's id.
pub(crate) type Mixers = BTreeMap<String, BTreeSet<(UserIx, OpId)>>;

/// The operations of a mixed record were judged in the buckets of their users. The other user is
/// the one it is stored under, if that user sent part of it.
pub(crate) fn name_mixers(drafts: &mut [Draft], mixers: &Mixers) {
    let mixed = drafts
        .iter_mut()
        .filter(|draft| draft.finding.code == Code::ChunkMix);
    for draft in mixed {
        let finding = &mut draft.finding;
        let id = finding
            .affected
            .first()
            .and_then(|record| record.record_id.as_ref());
        let Some(ops) = id.and_then(|id| mixers.get(id)) else {
            continue;
        };
        for (_, op) in ops {
            if finding.ops.len() < STORY_OPS_MAX && !finding.ops.contains(op) {
                finding.ops.push(*op);
            }
        }
        let (sender, owner) = (finding.sender, finding.found_under);
        let others = || ops.iter().filter(|(user, _)| Some(*user) != sender);
        draft.other = others()
            .find(|(user, _)| Some(*user) == owner)
            .or_else(|| others().next())
            .map(|(_, op)| *op);
    }
}

fn stand_in_of(draft: &Draft) -> Option<StandIn> {
    let owner = || draft.finding.affected.first()?.owner.clone();
    match draft.finding.code {
        Code::PlaceholderOwner => owner().map(Some),
        Code::MissingOwner => Some(None),
        Code::WrongOwner
        | Code::ForeignOwner
        | Code::ResponseBleed
        | Code::Trespass
        | Code::ChunkMix
        | Code::Lost
        | Code::PartialIngest
        | Code::SessionBleed
        | Code::Duplicate
        | Code::Ghost
        | Code::SplitIdentity
        | Code::StaleIdentity
        | Code::Phantom
        | Code::Resurrected
        | Code::Reordered
        | Code::Torn
        | Code::Altered
        | Code::Late
        | Code::LogMismatch
        | Code::Unattributable => None,
    }
}

/// A fault of a whole channel is one root, and so is one of the whole store, whose story has the
/// first operation of each channel.
fn fold_channels(drafts: Vec<Draft>, tallies: &Tallies) -> Vec<Draft> {
    let mut folded: Vec<Draft> = Vec::with_capacity(drafts.len());
    let mut roots: BTreeMap<Scope, usize> = BTreeMap::new();
    let mut story: BTreeMap<OpKind, OpId> = BTreeMap::new();
    for draft in drafts {
        let proved = draft.finding.proof == Proof::Proved;
        let of_channel = draft.channel.zip(stand_in_of(&draft)).filter(|_| proved);
        let wide = of_channel.and_then(|(kind, stand_in)| tallies.scope(kind, stand_in));
        let Some((scope, tally)) = wide else {
            folded.push(draft);
            continue;
        };
        if let (Scope::Store, Some(kind), Some(op)) =
            (&scope, draft.channel, draft.finding.ops.first())
        {
            story.entry(kind).or_insert(*op);
        }
        let root = roots.get(&scope).copied();
        if let Some(root) = root.and_then(|root| folded.get_mut(root)) {
            root.finding.affected.extend(draft.finding.affected);
        } else {
            roots.insert(scope.clone(), folded.len());
            folded.push(wide_root(draft, scope, tally, tallies));
        }
    }
    if let Some(root) = roots.get(&Scope::Store).and_then(|at| folded.get_mut(*at)) {
        root.finding.ops = story.into_values().collect();
    }
    folded
}

fn wide_root(mut root: Draft, scope: Scope, tally: Tally, tallies: &Tallies) -> Draft {
    let finding = &mut root.finding;
    let is_nobody = !matches!(scope, Scope::Channel(_, Some(_)));
    let (whole, place) = match scope {
        Scope::Channel(kind, Some(name)) => {
            finding.hint = Some(Hint::FixedOwner);
            let name = wording::plain(&name);
            (one_of(kind), format!("under the placeholder `{name}`"))
        }
        Scope::Channel(kind, None) => (one_of(kind), "without an owner".to_owned()),
        Scope::Store => {
            let all: Vec<String> = tallies.units.keys().copied().map(one_of).collect();
            (all.join(" and every "), "without an owner".to_owned())
        }
    };
    finding.claim = format!(
        "every {whole}, {} of {} users, is stored {place}",
        tally.units, tally.users
    );
    finding.because = format!(
        "{}; and so it is for all {} of them",
        finding.because, tally.units
    );
    if let Some(asked) = tallies
        .users_asked
        .filter(|asked| is_nobody && asked.knows_nobody())
    {
        finding.because = format!(
            "{}: the store knows none of the {} users it was asked for, and gives sessions of \
             users that it does not know to nobody; make the users beforehand, as \
             `memory.create_users = true` does",
            finding.because, asked.asked
        );
    }
    root
}

/// What of a channel has an owner.
fn one_of(kind: OpKind) -> String {
    let unit = match kind {
        OpKind::Chat | OpKind::Voice | OpKind::Stream | OpKind::Turn => "session",
        OpKind::Upload => "fact",
    };
    format!("{kind} {unit}")
}

/// A stand-in that two or more users share discloses each to the other.
fn weigh_stand_in(draft: &mut Draft, tallies: &Tallies) {
    if let Some(Some(name)) = stand_in_of(draft) {
        let users = tallies.sharers.get(&name).copied().unwrap_or(0);
        if users >= USERS_SYSTEMIC_MIN {
            draft.finding.severity = Severity::S1;
        }
    }
}

/// An answer of another user that stands in a session explains one that is missing there, each
/// one of them, in the order of the session.
fn fold_strangers(drafts: Vec<Draft>) -> Vec<Draft> {
    let (gaps, mut folded): (Vec<Draft>, Vec<Draft>) = drafts
        .into_iter()
        .partition(|draft| !draft.gap_in.is_empty());
    let mut waiting: BTreeMap<String, BTreeMap<Stranger, usize>> = BTreeMap::new();
    for (place, root) in folded.iter_mut().enumerate() {
        for stranger in std::mem::take(&mut root.strangers) {
            let there = waiting.entry(stranger.session.clone()).or_default();
            there.entry(stranger).or_insert(place);
        }
    }
    for gap in gaps {
        let mut names = gap.gap_in.iter();
        let taken = names.find_map(|name| Some(waiting.get_mut(name)?.pop_first()?.1));
        match taken.and_then(|place| folded.get_mut(place)) {
            Some(root) => root.finding.affected.extend(gap.finding.affected),
            None => folded.push(gap),
        }
    }
    folded
}
