//! Events as rows: one prepared statement for each kind.

use std::time::Duration;

use rusqlite::{Connection, Statement, params};

use super::log_lines;
use super::names::Names;
use super::{chunks, codes};
use crate::event::Event;
use crate::model::limits::PLANNED_USERS_MAX;
use crate::model::{
    ChunkTimes, Completion, Invocation, LagSample, LogLine, Micros, OpId, RecordType,
    ResourceSample, Scan, SeenCanary, SessionIx, Sighting, UserIx,
};

/// Bytes of the key that tells readings apart: place in the key's order, then hash.
const READING_BYTES: usize = 16;
/// Bytes at its front that keep readings of one session together, so that a scan, which reads
/// session after session, touches few pages of the index.
const PLACE_BYTES: usize = 3;

const INVOKED: &str = "INSERT OR IGNORE INTO ops (op_id, user_ix, kind, group_ix, text_hash, \
    item_first, item_count, request_id, traits, intended_us, invoked_us, founder_ix) \
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)";
const SESSION: &str = "INSERT OR IGNORE INTO sessions (user_ix, session_ix) VALUES (?1, ?2)";
const COMPLETED: &str = "UPDATE ops SET completed_us = ?2, sent_us = ?3, outcome = ?4, \
    status = ?5, promise = ?6, echo = ?7, server_session = ?8, detail = ?9 \
    WHERE op_id = ?1 AND outcome IS NULL";
const SERVER_SESSION: &str = "INSERT OR IGNORE INTO server_sessions (name, user_ix, session_ix) \
    SELECT ?2, user_ix, session_ix FROM ops WHERE op_id = ?1";
const SIGHTED: &str = "INSERT INTO sightings (record_type, record_id, owner, session, role, \
    position, body_hash, excerpt, control, first_scan, last_scan, reads, seen_us, canary_users, \
    bucket, owner_ix, packed_canaries, reading, likeness, damaged, older_run) \
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?10, 1, ?11, ?12, ?13, ?14, ?15, ?16, ?17, \
    ?18, ?19) \
    ON CONFLICT (reading) DO NOTHING";
const SIGHTED_AGAIN: &str = "UPDATE sightings SET last_scan = ?2, reads = reads + 1, \
    seen_us = ?3, position = CASE WHEN position = ?4 THEN position ELSE 4294967295 END \
    WHERE reading = ?1 AND last_scan < ?2";
const CANARY: &str = "INSERT OR IGNORE INTO canaries (user_ix, session_ix, kind, item, \
    sighting_id, exactness, record_type, role) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";
const SCANNED: &str = "INSERT OR REPLACE INTO scans (scan, started_us, ended_us, digest, \
    sessions, messages, facts, unattributable, complete, incomplete_reason) \
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)";
const SAMPLED: &str =
    "INSERT INTO samples (at_us, cpu_us, rss_bytes, in_flight) VALUES (?1, ?2, ?3, ?4)";
const LAGGED: &str = "INSERT INTO lags (op_id, kind, lag_us) VALUES (?1, ?2, ?3)";
const NOTE: &str = "INSERT INTO manifest (key, value) VALUES (?1, ?2) \
    ON CONFLICT (key) DO UPDATE SET value = excluded.value";
const CONFLICTS: &str = "INSERT INTO manifest (key, value) VALUES ('ledger_conflicts', ?1) \
    ON CONFLICT (key) DO UPDATE SET value = CAST(value AS INTEGER) + excluded.value";
const BASELINE: &str = "INSERT OR IGNORE INTO baseline (record_hash) VALUES (?1)";

/// The statements of one connection, and what they need to know of the run.
pub(super) struct Inserts<'c> {
    connection: &'c Connection,
    names: Names,
    invoked: Statement<'c>,
    session: Statement<'c>,
    completed: Statement<'c>,
    server_session: Statement<'c>,
    sighted: Statement<'c>,
    sighted_again: Statement<'c>,
    canary: Statement<'c>,
    scanned: Statement<'c>,
    sampled: Statement<'c>,
    lagged: Statement<'c>,
    streamed: Statement<'c>,
    logged: Statement<'c>,
    note: Statement<'c>,
    baseline: Statement<'c>,
    sessions_known: SessionSet,
    is_rereading: bool,
    packed: Vec<u8>,
    conflicts: u64,
}

impl<'c> Inserts<'c> {
    pub(super) fn prepare(connection: &'c Connection, names: Names) -> rusqlite::Result<Self> {
        Ok(Self {
            connection,
            names,
            invoked: connection.prepare(INVOKED)?,
            session: connection.prepare(SESSION)?,
            completed: connection.prepare(COMPLETED)?,
            server_session: connection.prepare(SERVER_SESSION)?,
            sighted: connection.prepare(SIGHTED)?,
            sighted_again: connection.prepare(SIGHTED_AGAIN)?,
            canary: connection.prepare(CANARY)?,
            scanned: connection.prepare(SCANNED)?,
            sampled: connection.prepare(SAMPLED)?,
            lagged: connection.prepare(LAGGED)?,
            streamed: connection.prepare(chunks::STREAMED)?,
            logged: connection.prepare(log_lines::LOGGED)?,
            note: connection.prepare(NOTE)?,
            baseline: connection.prepare(BASELINE)?,
            sessions_known: SessionSet::default(),
            is_rereading: false,
            packed: Vec::new(),
            conflicts: 0,
        })
    }

    /// Adds to note `ledger_conflicts` the events since the last call that contradict earlier
    /// ones: an operation begun twice, ended twice or never begun. The first word stays.
    pub(super) fn conflicts(&mut self) -> rusqlite::Result<()> {
        if self.conflicts > 0 {
            self.connection
                .execute(CONFLICTS, [self.conflicts.to_string()])?;
            self.conflicts = 0;
        }
        Ok(())
    }

    pub(super) fn event(&mut self, event: &Event) -> rusqlite::Result<()> {
        match event {
            Event::Invoked(invocation) => self.invoked(invocation),
            Event::Completed(completion) => self.completed(completion),
            Event::Sighted(sighting) => self.sighted(sighting),
            Event::Scanned(scan) => self.scanned(scan),
            Event::Sampled(sample) => self.sampled(sample),
            Event::Lagged(lag) => self.lagged(lag),
            Event::Streamed(times) => self.streamed(times),
            Event::Logged(line) => self.logged(line),
        }
    }

    pub(super) fn note(&mut self, key: &str, json: &str) -> rusqlite::Result<()> {
        self.note.execute(params![key, json])?;
        Ok(())
    }

    pub(super) fn baseline(&mut self, record_hash: u64) -> rusqlite::Result<()> {
        self.baseline.execute([record_hash.cast_signed()])?;
        Ok(())
    }

    fn invoked(&mut self, invocation: &Invocation) -> rusqlite::Result<()> {
        let op = invocation.op;
        let inserted = self.invoked.execute(params![
            op.to_i64(),
            invocation.user.0,
            codes::op_kind(invocation.kind),
            invocation.group.0,
            invocation.text_hash.cast_signed(),
            invocation.item_first,
            invocation.item_count,
            format!("{:016x}", invocation.request_id),
            invocation.traits.0,
            time(invocation.intended),
            time(invocation.invoked),
            invocation.founder.0,
        ])?;
        if inserted == 0 {
            self.conflicts += 1;
            return Ok(());
        }
        // The founder is reckoned to the session even where only a guest has sent in it.
        if self.sessions_known.add(op.session) {
            self.session.execute([invocation.founder.0, op.session.0])?;
        }
        if invocation.user != invocation.founder {
            self.session.execute([invocation.user.0, op.session.0])?;
        }
        Ok(())
    }

    fn completed(&mut self, completion: &Completion) -> rusqlite::Result<()> {
        let op_id = completion.op.to_i64();
        let updated = self.completed.execute(params![
            op_id,
            time(completion.completed),
            completion.sent.map(time),
            codes::outcome(completion.outcome),
            completion.status,
            completion.promise.to_i64(),
            codes::echo(completion.echo),
            completion.server_session,
            completion.detail,
        ])?;
        if updated == 0 {
            self.conflicts += 1;
        } else if let Some(name) = &completion.server_session {
            self.server_session.execute(params![op_id, name])?;
        }
        Ok(())
    }

    fn sighted(&mut self, sighting: &Sighting) -> rusqlite::Result<()> {
        let belongs = Belongs::of(sighting, &self.names);
        self.packed.clear();
        codes::pack(&sighting.canaries, &mut self.packed);
        let reading = reading(sighting, &self.packed, &belongs);
        // What is new and what is not come in long runs, so what was true of the last reading is
        // tried first. (One statement with `RETURNING` would need no guess, but costs three times
        // as much: it builds a table for its one row.)
        if self.is_rereading && self.sighted_again(sighting, &reading)? {
            return Ok(());
        }
        let inserted = self.sighted.execute(params![
            codes::record_type(sighting.record_type),
            sighting.record_id,
            sighting.owner,
            sighting.session,
            codes::role(sighting.role),
            sighting.position,
            sighting.body_hash.cast_signed(),
            sighting.excerpt,
            sighting.control,
            sighting.scan,
            time(sighting.seen_at),
            belongs.canary_users,
            belongs.bucket.map(|user| user.0),
            belongs.owner.map(|user| user.0),
            self.packed,
            reading,
            sighting.likeness.to_i64(),
            sighting.damaged,
            sighting.older_run.map(|run| run.0),
        ])?;
        if inserted == 0 {
            self.is_rereading = true;
            self.sighted_again(sighting, &reading)?;
            return Ok(());
        }
        self.is_rereading = false;
        if sighting.control {
            // What the control plants stays out of what people and promises are looked up in.
            return Ok(());
        }
        self.canaries(sighting, self.connection.last_insert_rowid())
    }

    /// Counts an equal reading in a later scan; false if there is none in an earlier one.
    fn sighted_again(
        &mut self,
        sighting: &Sighting,
        reading: &[u8; READING_BYTES],
    ) -> rusqlite::Result<bool> {
        let updated = self.sighted_again.execute(params![
            reading,
            sighting.scan,
            time(sighting.seen_at),
            sighting.position,
        ])?;
        Ok(updated > 0)
    }

    fn canaries(&mut self, sighting: &Sighting, sighting_id: i64) -> rusqlite::Result<()> {
        let run = self.names.run();
        for seen in sighting.canaries.iter().filter(|seen| seen.id.run == run) {
            self.canary.execute(params![
                seen.id.user.0,
                seen.id.session.0,
                codes::canary_kind(seen.id.kind),
                seen.id.item,
                sighting_id,
                codes::exactness(seen.exactness),
                codes::record_type(sighting.record_type),
                codes::role(sighting.role),
            ])?;
        }
        Ok(())
    }

    fn logged(&mut self, line: &LogLine) -> rusqlite::Result<()> {
        let named = || self.names.user_of_owner(line.user.as_deref()?);
        self.logged.execute(params![
            log_lines::words(line),
            line.occurrence,
            line.op.map(OpId::to_i64),
            if line.op.is_none() {
                named().map(|user| user.0)
            } else {
                None
            },
            line.kind.map(codes::op_kind),
            codes::log_step(line.step),
            line.user,
            line.file,
            line.text,
            line.source,
            line.logged_unix_us,
            time(line.seen_at),
        ])?;
        Ok(())
    }

    fn scanned(&mut self, scan: &Scan) -> rusqlite::Result<()> {
        self.scanned.execute(params![
            scan.scan,
            time(scan.started),
            time(scan.ended),
            scan.digest,
            count(scan.sessions),
            count(scan.messages),
            count(scan.facts),
            count(scan.unattributable),
            scan.complete,
            scan.incomplete_reason,
        ])?;
        Ok(())
    }

    fn sampled(&mut self, sample: &ResourceSample) -> rusqlite::Result<()> {
        self.sampled.execute(params![
            time(sample.at),
            span(sample.cpu),
            count(sample.rss_bytes),
            sample.in_flight,
        ])?;
        Ok(())
    }

    fn streamed(&mut self, times: &ChunkTimes) -> rusqlite::Result<()> {
        self.streamed.execute(params![
            times.op.to_i64(),
            span(times.first),
            times.chunks,
            chunks::pack(&times.gaps),
        ])?;
        Ok(())
    }

    fn lagged(&mut self, lag: &LagSample) -> rusqlite::Result<()> {
        self.lagged.execute(params![
            lag.op.to_i64(),
            codes::op_kind(lag.kind),
            span(lag.lag),
        ])?;
        Ok(())
    }
}

/// Whose a sighting is, as far as it says so itself.
struct Belongs {
    /// How many users of this run its canaries name.
    canary_users: i64,
    /// The first of them, else the user in its session's name.
    bucket: Option<UserIx>,
    /// The user in its owner's name.
    owner: Option<UserIx>,
    /// The session that its first canary names.
    canary_session: Option<SessionIx>,
}

impl Belongs {
    fn of(sighting: &Sighting, names: &Names) -> Self {
        let ours =
            |seen: &&SeenCanary| seen.id.run == names.run() && seen.id.user.0 < PLANNED_USERS_MAX;
        let canaries = || sighting.canaries.iter().filter(ours);
        let mut users: Vec<UserIx> = canaries().map(|seen| seen.id.user).collect();
        users.sort_unstable();
        users.dedup();
        let by_name = || {
            let name = sighting.session.as_deref().unwrap_or(&sighting.record_id);
            names.user_of_session(name)
        };
        Self {
            canary_users: i64::try_from(users.len()).unwrap_or(i64::MAX),
            bucket: users.first().copied().or_else(by_name),
            owner: sighting
                .owner
                .as_deref()
                .and_then(|owner| names.user_of_owner(owner)),
            canary_session: canaries().next().map(|seen| seen.id.session),
        }
    }
}

/// Sessions that have a row: one bit each, 128 KiB at most.
#[derive(Default)]
struct SessionSet(Vec<u64>);

impl SessionSet {
    /// Adds a session; true if it was not in the set.
    fn add(&mut self, session: SessionIx) -> bool {
        let number = session.0 as usize;
        let (word, bit) = (number / 64, 1_u64 << (number % 64));
        if word >= self.0.len() {
            self.0.resize(word + 1, 0);
        }
        let Some(slot) = self.0.get_mut(word) else {
            return true;
        };
        let added = *slot & bit == 0;
        *slot |= bit;
        added
    }
}

/// What tells readings apart: equal for two readings of an unchanged record, different whenever
/// anything but scan, time and place differs (104 bits of BLAKE3 within a session).
///
/// A store may list in another order each time, so a record keeps the place in which it was first
/// read. An answer has no id of its own, and its place, the turn, is what tells it apart.
fn reading(sighting: &Sighting, packed: &[u8], belongs: &Belongs) -> [u8; READING_BYTES] {
    let mut hasher = blake3::Hasher::new();
    let mut field = |bytes: &[u8]| {
        hasher.update(&(bytes.len() as u64).to_le_bytes());
        hasher.update(bytes);
    };
    field(&[
        codes::record_type(sighting.record_type),
        codes::role(sighting.role),
        u8::from(sighting.control),
        u8::from(sighting.damaged),
    ]);
    field(&sighting.likeness.to_i64().to_le_bytes());
    field(
        &sighting
            .older_run
            .map_or(0, |run| i64::from(run.0) + 1)
            .to_le_bytes(),
    );
    if sighting.record_type == RecordType::Answer {
        field(&sighting.position.to_le_bytes());
    }
    field(&sighting.body_hash.to_le_bytes());
    field(sighting.record_id.as_bytes());
    for text in [&sighting.owner, &sighting.session, &sighting.excerpt] {
        field(&[u8::from(text.is_some())]);
        field(text.as_deref().unwrap_or_default().as_bytes());
    }
    field(packed);
    let hash = *hasher.finalize().as_bytes();
    let place = match belongs.canary_session {
        Some(session) => session.0.to_be_bytes(),
        None => place_by_name(sighting),
    };
    let mut reading = [0; READING_BYTES];
    let (front, rest) = reading.split_at_mut(PLACE_BYTES);
    front.copy_from_slice(&place[place.len() - PLACE_BYTES..]);
    let rest_bytes = rest.len();
    rest.copy_from_slice(&hash[..rest_bytes]);
    reading
}

/// A place for a reading without canary: that of its session, else of its owner.
fn place_by_name(sighting: &Sighting) -> [u8; 4] {
    let name = sighting.session.as_ref().or(sighting.owner.as_ref());
    let hash = blake3::hash(name.map_or(&[], |name| name.as_bytes()));
    let [first, second, third, fourth, ..] = *hash.as_bytes();
    [first, second, third, fourth]
}

/// A time as SQLite holds it: offsets past 292 000 years count as that.
fn time(time: Micros) -> i64 {
    count(time.0)
}

fn span(span: Duration) -> i64 {
    time(Micros::from_duration(span))
}

fn count(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
