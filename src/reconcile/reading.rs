//! Records as they were read: readings that agree are one, and each record's last state is known.

use std::cmp::Ordering;

use crate::model::{CanaryId, Exactness, RecordType, Role, RunId, Sighting, UserIx};

use super::Context;
use super::owner::{self, Owner};

/// Reads after which a record is beyond doubt: once could be a glimpse of something in motion.
pub(crate) const READS_PROVED_MIN: u32 = 2;

/// One record in one state: the readings that agree on owner, session and canaries.
#[derive(Debug)]
pub(crate) struct Record<'a> {
    /// The newest of these readings.
    pub sighting: &'a Sighting,
    /// In how many scans it was read so.
    pub reads: u32,
    /// Is this the last state that the record was seen in?
    pub newest: bool,
    /// The scan that first read the record, in whatever state.
    pub first_scan: u32,
    /// The scan that last read it, in whatever state.
    pub last_scan: u32,
    /// Whom the store names.
    pub owner: Owner<'a>,
    /// Exact canaries of this run, sorted.
    pub canaries: Vec<CanaryId>,
    /// Is its session the one that its first canary was sent in? As [`super::Evidence`] tells,
    /// once for all checks; `None` where nobody can tell, or it is no message.
    pub sent_here: Option<bool>,
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
            RecordType::Message => self.sighting.role == Role::User,
            RecordType::Session | RecordType::Answer | RecordType::Log => false,
        };
        let first = self.users().next();
        verbatim && self.users().any(|user| Some(user) != first)
    }
}

/// Merges readings that agree in what matters here, and finds each record's last state.
pub(crate) fn read_records<'a>(
    context: &Context<'_>,
    sightings: impl Iterator<Item = &'a Sighting>,
) -> Vec<Record<'a>> {
    let mut sightings: Vec<(IdStart, &Sighting)> = sightings.map(|s| (id_start(s), s)).collect();
    sightings.sort_by(|(start_a, a), (start_b, b)| start_a.cmp(start_b).then_with(|| order(a, b)));
    sightings.dedup_by_key(|(_, sighting)| *sighting);
    let mut records: Vec<Record<'a>> = Vec::with_capacity(sightings.len());
    for (_, sighting) in sightings {
        match records.last_mut() {
            Some(last) if same_state(last.sighting, sighting) => {
                last.reads = last.reads.saturating_add(sighting.reads);
                last.first_scan = last.first_scan.min(sighting.first_scan);
                last.sighting = sighting;
            }
            Some(_) | None => records.push(Record {
                sighting,
                reads: sighting.reads,
                newest: false,
                first_scan: sighting.first_scan,
                last_scan: sighting.scan,
                owner: owner::classify(context, sighting.owner.as_deref()),
                canaries: exact_canaries(context.run, sighting),
                sent_here: None,
            }),
        }
    }
    let same_record = |a: &Record<'_>, b: &Record<'_>| id_key(a.sighting) == id_key(b.sighting);
    for states in records.chunk_by_mut(same_record) {
        let first = states.iter().map(|record| record.first_scan).min();
        let last = states.iter().map(|record| record.sighting.scan).max();
        for record in states {
            record.first_scan = first.unwrap_or(record.first_scan);
            record.last_scan = last.unwrap_or(record.last_scan);
            record.newest = record.sighting.scan == record.last_scan;
        }
    }
    records
}

fn exact_canaries(run: RunId, sighting: &Sighting) -> Vec<CanaryId> {
    let exact = sighting
        .canaries
        .iter()
        .filter(|seen| seen.exactness == Exactness::Exact && seen.id.run == run);
    let mut ids: Vec<CanaryId> = exact.map(|seen| seen.id).collect();
    ids.sort_unstable();
    ids.dedup();
    ids
}

fn id_key(sighting: &Sighting) -> (RecordType, &str) {
    (sighting.record_type, &sighting.record_id)
}

/// The type of a record and the first bytes of its id.
type IdStart = (RecordType, [u8; 16]);

/// What tells most records apart, and orders them as their whole ids do: an id that ends early
/// sorts before all that go on, as does the zero that is put in its place, and where two are
/// equal the ids decide.
fn id_start(sighting: &Sighting) -> IdStart {
    let mut start = [0; 16];
    for (to, from) in start.iter_mut().zip(sighting.record_id.bytes()) {
        *to = from;
    }
    (sighting.record_type, start)
}

fn same_state(a: &Sighting, b: &Sighting) -> bool {
    id_key(a) == id_key(b)
        && a.owner == b.owner
        && a.session == b.session
        && a.canaries == b.canaries
        && look(a) == look(b)
}

/// What else the text is seen to be.
fn look(sighting: &Sighting) -> (i64, bool, Option<RunId>) {
    (
        sighting.likeness.to_i64(),
        sighting.damaged,
        sighting.older_run,
    )
}

/// A total order in which readings of one state of one record stand together, oldest first.
fn order(a: &Sighting, b: &Sighting) -> Ordering {
    // Most records are read in one state, so their ids tell them apart.
    let by_id = id_key(a).cmp(&id_key(b));
    by_id.then_with(|| state_key(a).cmp(&state_key(b)))
}

fn state_key(sighting: &Sighting) -> impl Ord + use<'_> {
    let canaries: Vec<(CanaryId, bool)> = sighting
        .canaries
        .iter()
        .map(|seen| (seen.id, seen.exactness == Exactness::Exact))
        .collect();
    (
        (&sighting.owner, &sighting.session, canaries),
        look(sighting),
        (sighting.scan, sighting.seen_at, sighting.position),
        (sighting.role, sighting.body_hash, sighting.reads),
        &sighting.excerpt,
    )
}
