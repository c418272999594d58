//! Reads a ledger back, while it is being written or any time later.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, OpenFlags, Params};
use serde_json::Value;

use super::rows::{self, Columns, OP_COLUMNS, SCAN_COLUMNS, SIGHTING_COLUMNS};
use super::{LEDGER_FILE, LedgerError, Manifest, codes, judgement, manifest};
use crate::model::limits::PLANNED_USERS_MAX;
use crate::model::{
    Finding, LagSample, Micros, OpId, OpKind, OpRow, Outcome, ResourceSample, RunId, Scan,
    SessionIx, Sighting, Trait, TraitSet, UserIx,
};

/// Note of the ledger's own: how many events contradicted earlier ones.
const CONFLICTS_KEY: &str = "ledger_conflicts";
/// Ids of the sightings that belong to some users, in no order, some more than once.
const SIGHTINGS_OF_USERS: &str = "SELECT sighting_id FROM canaries \
        WHERE user_ix >= ?1 AND user_ix < ?2 \
    UNION ALL SELECT sighting_id FROM sightings \
        WHERE canary_users = 0 AND bucket IS NOT NULL AND control = 0 \
        AND bucket >= ?1 AND bucket < ?2 \
    UNION ALL SELECT n.sighting_id FROM server_sessions AS v CROSS JOIN sightings AS n \
        ON n.canary_users = 0 AND n.bucket IS NULL AND n.control = 0 \
        AND n.session = v.name \
        WHERE v.user_ix >= ?1 AND v.user_ix < ?2 \
    UNION ALL SELECT n.sighting_id FROM sightings AS n \
        WHERE n.canary_users = 0 AND n.bucket IS NULL AND n.control = 0 \
        AND n.owner_ix >= ?1 AND n.owner_ix < ?2 \
        AND NOT EXISTS (SELECT 1 FROM server_sessions AS v WHERE v.name = n.session)";
/// How long a read waits for a lock that another process holds.
const BUSY_WAIT: Duration = Duration::from_secs(10);

/// A ledger to read from. Cheap to open; several may read while one process writes.
#[derive(Debug)]
pub struct LedgerReader {
    connection: Connection,
    path: PathBuf,
}

impl LedgerReader {
    /// Opens the ledger in a run's folder.
    ///
    /// # Errors
    /// There is none, it is damaged, or its format is of another major version.
    pub fn open(folder: &Path) -> Result<Self, LedgerError> {
        let path = folder.join(LEDGER_FILE);
        if !path.is_file() {
            return Err(LedgerError::Missing { path });
        }
        let failed = |source| LedgerError::sqlite(&path, source);
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(&path, flags).map_err(failed)?;
        connection.busy_timeout(BUSY_WAIT).map_err(failed)?;
        manifest::check_format(&connection, &path)?;
        Ok(Self { connection, path })
    }

    /// From now on reads what is in the ledger at this moment, whatever is written meanwhile, so
    /// that all answers fit together. Not for long: the writer's log grows as long as this lasts.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn hold_still(self) -> Result<Self, LedgerError> {
        // The moment is that of the first read.
        let held = self
            .connection
            .execute_batch("BEGIN DEFERRED; SELECT count(*) FROM sqlite_schema;");
        match held {
            Ok(()) => Ok(self),
            Err(source) => Err(self.failed(source)),
        }
    }

    /// What the run is.
    ///
    /// # Errors
    /// A field is missing or damaged.
    pub fn manifest(&self) -> Result<Manifest, LedgerError> {
        manifest::read(&self.connection, &self.path)
    }

    /// A note that a phase left, as JSON; `None` if there is none of this name.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn note(&self, key: &str) -> Result<Option<Value>, LedgerError> {
        manifest::note(&self.connection, &self.path, key)
    }

    /// Events that contradicted earlier ones: an operation begun twice, ended twice or never
    /// begun. Each was passed over.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn conflicts(&self) -> Result<u64, LedgerError> {
        let noted = self.note(CONFLICTS_KEY)?;
        Ok(noted.and_then(|count| count.as_u64()).unwrap_or(0))
    }

    /// The highest number that a reading of the store has had, complete or in part; 0 if there was
    /// none.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn last_scan(&self) -> Result<u32, LedgerError> {
        let highest = self.all(
            "SELECT max(scan) FROM (SELECT max(scan) AS scan FROM scans \
                UNION ALL SELECT max(last_scan) FROM sightings)",
            [],
            |columns| {
                let highest: Option<u32> = columns.optional_int()?;
                Ok(highest.unwrap_or(0))
            },
        )?;
        Ok(highest.into_iter().sum())
    }

    /// One more than the highest number of a user that an operation or a sighting belongs to, so
    /// that buckets `0..users()` hold all of them. The two users of the control do not count.
    ///
    /// # Errors
    /// The file cannot be read, or a session is of a user that no plan has.
    pub fn users(&self) -> Result<u32, LedgerError> {
        let users = self.all(
            "SELECT max(user_ix) FROM ( \
                SELECT max(user_ix) AS user_ix FROM sessions \
                UNION ALL SELECT max(user_ix) FROM canaries WHERE user_ix < ?1 \
                UNION ALL SELECT max(bucket) FROM sightings \
                    WHERE canary_users = 0 AND bucket IS NOT NULL AND control = 0 \
                    AND bucket < ?1 \
                UNION ALL SELECT max(owner_ix) FROM sightings \
                    WHERE canary_users = 0 AND bucket IS NULL AND control = 0 \
                    AND owner_ix < ?1)",
            [PLANNED_USERS_MAX],
            |columns| {
                let highest: Option<u32> = columns.optional_int()?;
                Ok(highest.map_or(0, |user| user.saturating_add(1)))
            },
        )?;
        let users = users.into_iter().max().unwrap_or(0);
        // Whoever goes through all buckets would not come to an end.
        if users > PLANNED_USERS_MAX {
            return Err(LedgerError::Damaged {
                path: self.path.clone(),
                reason: format!("a session of user {}", users - 1),
            });
        }
        Ok(users)
    }

    /// All operations that some users sent, by user, session and place in the session. Of a
    /// session in which two users send, each has their own.
    ///
    /// The plus keeps `user_ix` from being looked up: for that an index of all operations would be
    /// made at each call.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn ops_of_users(&self, users: Range<u32>) -> Result<Vec<OpRow>, LedgerError> {
        self.all(
            &format!(
                "SELECT {OP_COLUMNS} FROM sessions AS u CROSS JOIN ops AS o \
                 ON o.op_id BETWEEN u.session_ix << 16 AND u.session_ix << 16 | 65535 \
                 AND +o.user_ix = u.user_ix \
                 WHERE u.user_ix >= ?1 AND u.user_ix < ?2 \
                 ORDER BY u.user_ix, o.op_id"
            ),
            [users.start, users.end],
            rows::op,
        )
    }

    /// What others sent in the sessions of some users: those of the founder, where one of these
    /// users is a guest, and those of guests. Some may be of one of these users too.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn ops_beside_users(&self, users: Range<u32>) -> Result<Vec<OpRow>, LedgerError> {
        self.all(
            &format!(
                "SELECT {OP_COLUMNS} FROM sessions AS u CROSS JOIN ops AS o \
                 ON o.op_id BETWEEN u.session_ix << 16 AND u.session_ix << 16 | 65535 \
                 AND o.user_ix <> u.user_ix \
                 WHERE u.user_ix >= ?1 AND u.user_ix < ?2 \
                 ORDER BY u.user_ix, o.op_id"
            ),
            [users.start, users.end],
            rows::op,
        )
    }

    /// All sightings that belong to some users, in the order in which they were first read.
    ///
    /// A sighting belongs to every user that its canaries name; without any, to the user in its
    /// session's name; else to the users whose answers named its session; else to the user in its
    /// owner's name. One with canaries of two users belongs to both. Those of the control belong
    /// to nobody.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn sightings_of_users(&self, users: Range<u32>) -> Result<Vec<Sighting>, LedgerError> {
        let users = [users.start, users.end];
        let mut ids: Vec<i64> = self.all(SIGHTINGS_OF_USERS, users, number)?;
        ids.sort_unstable();
        ids.dedup();
        let mut sightings = Vec::with_capacity(ids.len());
        let run_of_rows = format!(
            "SELECT {SIGHTING_COLUMNS} FROM sightings AS s \
             WHERE s.sighting_id BETWEEN ?1 AND ?2 ORDER BY s.sighting_id"
        );
        // What was read of one session stands together.
        for run in ids.chunk_by(|id, next| next.checked_sub(*id) == Some(1)) {
            let (Some(first), Some(last)) = (run.first(), run.last()) else {
                continue;
            };
            let take = &mut |sighting| sightings.push(sighting);
            self.each(&run_of_rows, [first, last], rows::sighting, take)?;
        }
        Ok(sightings)
    }

    /// Sightings that belong to no user, without those of the control.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn sightings_of_nobody(&self) -> Result<Vec<Sighting>, LedgerError> {
        self.all(
            &format!(
                "SELECT {SIGHTING_COLUMNS} FROM sightings AS s \
                 WHERE s.canary_users = 0 AND s.bucket IS NULL AND s.control = 0 \
                 AND s.owner_ix IS NULL \
                 AND NOT EXISTS (SELECT 1 FROM server_sessions AS v WHERE v.name = s.session) \
                 ORDER BY s.sighting_id"
            ),
            [],
            rows::sighting,
        )
    }

    /// Sightings that the positive control planted.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn control_sightings(&self) -> Result<Vec<Sighting>, LedgerError> {
        self.all(
            &format!(
                "SELECT {SIGHTING_COLUMNS} FROM sightings AS s \
                 WHERE s.control = 1 ORDER BY s.sighting_id"
            ),
            [],
            rows::sighting,
        )
    }

    /// Hands over all operations in the order in which they began, one at a time.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn ops_in_time_order(&self, take: &mut dyn FnMut(OpRow)) -> Result<(), LedgerError> {
        self.each(
            &format!("SELECT {OP_COLUMNS} FROM ops AS o ORDER BY o.invoked_us, o.op_id"),
            [],
            rows::op,
            take,
        )
    }

    /// One operation; `None` if it has no row.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn op(&self, op: OpId) -> Result<Option<OpRow>, LedgerError> {
        let sql = format!("SELECT {OP_COLUMNS} FROM ops AS o WHERE o.op_id = ?1");
        Ok(self.all(&sql, [op.to_i64()], rows::op)?.pop())
    }

    /// The operation of a user with this number in a session of this name: the client's name for
    /// it, or one that an answer to the user gave it.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn op_answered(
        &self,
        user: UserIx,
        session: &str,
        seq: u16,
    ) -> Result<Option<OpId>, LedgerError> {
        let by_name = RunId::parse_session_name(session).map(|(_, _, session)| session);
        let mut sessions: Vec<SessionIx> = self
            .all(
                "SELECT session_ix FROM server_sessions WHERE name = ?1 AND user_ix = ?2",
                (session, user.0),
                number,
            )?
            .into_iter()
            .map(SessionIx)
            .collect();
        sessions.extend(by_name);
        for session in sessions {
            let row = self.op(OpId { session, seq })?;
            if let Some(row) = row.filter(|row| row.invocation.user == user) {
                return Ok(Some(row.invocation.op));
            }
        }
        Ok(None)
    }

    /// The operations that began next to a time: up to `each_side` last at or before it, and as
    /// many first after it, in the order of their beginning.
    ///
    /// The first call sorts all operations by time, in a temporary table of this reader.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn ops_around(&self, time: Micros, each_side: usize) -> Result<Vec<OpRow>, LedgerError> {
        self.connection
            .execute_batch(
                "CREATE TEMP TABLE IF NOT EXISTS begun AS \
                 SELECT invoked_us, op_id FROM ops ORDER BY invoked_us, op_id; \
                 CREATE INDEX IF NOT EXISTS temp.begun_at ON begun (invoked_us, op_id);",
            )
            .map_err(|source| self.failed(source))?;
        let time = i64::try_from(time.0).unwrap_or(i64::MAX);
        let each_side = i64::try_from(each_side).unwrap_or(i64::MAX);
        let next_to = |compare: &str, order: &str| {
            let sql = format!(
                "SELECT {OP_COLUMNS} FROM (SELECT op_id FROM begun WHERE invoked_us {compare} ?1 \
                 ORDER BY invoked_us {order}, op_id {order} LIMIT ?2) AS b \
                 JOIN ops AS o ON o.op_id = b.op_id ORDER BY o.invoked_us, o.op_id"
            );
            self.all(&sql, [time, each_side], rows::op)
        };
        let mut around = next_to("<=", "DESC")?;
        around.extend(next_to(">", "ASC")?);
        Ok(around)
    }

    /// The operation of a user that began nearest to a time, the first of equally near ones;
    /// `None` if the user has none.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn op_of_user_near(
        &self,
        user: UserIx,
        time: Micros,
    ) -> Result<Option<OpRow>, LedgerError> {
        let sql = format!(
            "SELECT {OP_COLUMNS} FROM sessions AS u CROSS JOIN ops AS o \
             ON o.op_id BETWEEN u.session_ix << 16 AND u.session_ix << 16 | 65535 \
             AND o.user_ix = u.user_ix \
             WHERE u.user_ix = ?1 ORDER BY abs(o.invoked_us - ?2), o.op_id LIMIT 1"
        );
        let time = i64::try_from(time.0).unwrap_or(i64::MAX);
        Ok(self.all(&sql, (user.0, time), rows::op)?.pop())
    }

    /// How many operations began at or after a time and ended `ok` with a promise; only those that
    /// had a trait, where one is named.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn promised(&self, since: Micros, having: Option<Trait>) -> Result<u64, LedgerError> {
        let since = i64::try_from(since.0).unwrap_or(i64::MAX);
        let bits = having.map_or(0, |having| i64::from(TraitSet::default().with(having).0));
        let counts: Vec<u64> = self.all(
            "SELECT count(*) FROM ops WHERE outcome = 0 AND promise <> 0 AND invoked_us >= ?1 \
             AND (traits & ?2) = ?2",
            (since, bits),
            number,
        )?;
        Ok(counts.into_iter().sum())
    }

    /// How many sessions of a channel were opened in a stretch of time, both ends included, with a
    /// first operation that ended `ok`.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn sessions_opened(
        &self,
        kind: OpKind,
        (from, to): (Micros, Micros),
    ) -> Result<u64, LedgerError> {
        let [from, to] = [from, to].map(|at| i64::try_from(at.0).unwrap_or(i64::MAX));
        let counts: Vec<u64> = self.all(
            "SELECT count(*) FROM ops WHERE seq = 0 AND outcome = 0 AND kind = ?1 \
             AND invoked_us BETWEEN ?2 AND ?3",
            (codes::op_kind(kind), from, to),
            number,
        )?;
        Ok(counts.into_iter().sum())
    }

    /// The users whose answers named a session.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn users_of_session(&self, name: &str) -> Result<BTreeSet<UserIx>, LedgerError> {
        let users: Vec<u32> = self.all(
            "SELECT DISTINCT user_ix FROM server_sessions WHERE name = ?1",
            [name],
            number,
        )?;
        Ok(users.into_iter().map(UserIx).collect())
    }

    /// The sessions that answers to users of the run have named, in no order.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn server_sessions(&self, take: &mut dyn FnMut(&str)) -> Result<(), LedgerError> {
        let names: Vec<String> =
            self.all("SELECT DISTINCT name FROM server_sessions", [], |columns| {
                columns.value()
            })?;
        for name in &names {
            take(name);
        }
        Ok(())
    }

    /// How many operations of each kind ended how; `None` stands for those still open.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn op_counts(&self) -> Result<BTreeMap<(OpKind, Option<Outcome>), u64>, LedgerError> {
        let counts = self.all(
            "SELECT kind, outcome, count(*) FROM ops GROUP BY kind, outcome",
            [],
            rows::op_count,
        )?;
        Ok(counts.into_iter().collect())
    }

    /// How many `ok` operations of these kinds promised a message or blocks of which no reading of
    /// the store has shown anything yet. For an upload every block counts.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn missing_promises(&self, kinds: &[OpKind]) -> Result<u64, LedgerError> {
        let mut missing = 0;
        for kind in kinds {
            let sql = "SELECT count(*) FROM v_missing WHERE kind = ?1";
            let counts: Vec<u64> = self.all(sql, [codes::op_kind(*kind)], number)?;
            missing += counts.into_iter().sum::<u64>();
        }
        Ok(missing)
    }

    /// All scans, in order.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn scans(&self) -> Result<Vec<Scan>, LedgerError> {
        self.all(
            &format!("SELECT {SCAN_COLUMNS} FROM scans ORDER BY scan"),
            [],
            rows::scan,
        )
    }

    /// The generator's samples of itself, in time order.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn samples(&self) -> Result<Vec<ResourceSample>, LedgerError> {
        self.all(
            "SELECT at_us, cpu_us, rss_bytes, in_flight FROM samples ORDER BY at_us, rowid",
            [],
            rows::sample,
        )
    }

    /// Measured delays of the store, in the order in which they were measured.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn lags(&self) -> Result<Vec<LagSample>, LedgerError> {
        self.all(
            "SELECT op_id, kind, lag_us FROM lags ORDER BY rowid",
            [],
            rows::lag,
        )
    }

    /// Hashes of the records that were there before the run, sorted.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn baseline(&self) -> Result<Vec<u64>, LedgerError> {
        let mut hashes: Vec<u64> = self.all("SELECT record_hash FROM baseline", [], |columns| {
            columns.value().map(i64::cast_unsigned)
        })?;
        hashes.sort_unstable();
        Ok(hashes)
    }

    /// The findings of the last judgement, in its order.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn findings(&self) -> Result<Vec<Finding>, LedgerError> {
        judgement::read(&self.connection).map_err(|source| self.failed(source))
    }

    /// A ledger of an earlier version may lack a table.
    pub(super) fn has_table(&self, name: &str) -> Result<bool, LedgerError> {
        let tables: Vec<u64> = self.all(
            "SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name = ?1",
            [name],
            number,
        )?;
        Ok(tables.into_iter().sum::<u64>() > 0)
    }

    pub(super) fn all<T>(
        &self,
        sql: &str,
        params: impl Params,
        decode: impl Fn(&mut Columns<'_, '_>) -> rusqlite::Result<T>,
    ) -> Result<Vec<T>, LedgerError> {
        let mut values = Vec::new();
        self.each(sql, params, decode, &mut |value| values.push(value))?;
        Ok(values)
    }

    pub(super) fn each<T>(
        &self,
        sql: &str,
        params: impl Params,
        decode: impl Fn(&mut Columns<'_, '_>) -> rusqlite::Result<T>,
        take: &mut dyn FnMut(T),
    ) -> Result<(), LedgerError> {
        let failed = |source| self.failed(source);
        let mut select = self.connection.prepare_cached(sql).map_err(failed)?;
        let mut rows = select.query(params).map_err(failed)?;
        while let Some(row) = rows.next().map_err(failed)? {
            take(decode(&mut Columns::new(row)).map_err(failed)?);
        }
        Ok(())
    }

    fn failed(&self, source: rusqlite::Error) -> LedgerError {
        LedgerError::sqlite(&self.path, source)
    }
}

/// The only column of a row, a number.
pub(super) fn number<T: TryFrom<i64>>(columns: &mut Columns<'_, '_>) -> rusqlite::Result<T> {
    columns.int()
}
