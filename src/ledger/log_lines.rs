//! Lines of the target's log, as far as they speak of the run.

use crate::model::{LogCoverage, LogLine, LogStep, OpKind, UserIx};

use super::rows::Columns;

/// The table, which ledgers of format 2.0 do not have.
pub(super) const SCHEMA: &str = "
CREATE TABLE IF NOT EXISTS log_lines (
    words INTEGER NOT NULL,
    occurrence INTEGER NOT NULL,
    op_id INTEGER,
    named_ix INTEGER,
    kind INTEGER,
    step INTEGER NOT NULL,
    user TEXT,
    file TEXT,
    text TEXT NOT NULL,
    source INTEGER NOT NULL,
    logged_unix_us INTEGER,
    seen_us INTEGER NOT NULL,
    PRIMARY KEY (words, occurrence)
) STRICT, WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS log_lines_of_ops ON log_lines (op_id) WHERE op_id IS NOT NULL;
CREATE INDEX IF NOT EXISTS log_lines_by_name ON log_lines (named_ix) WHERE named_ix IS NOT NULL;";

/// A log that is read twice adds each line once.
pub(super) const LOGGED: &str = "INSERT OR IGNORE INTO log_lines (words, occurrence, op_id, \
    named_ix, kind, step, user, file, text, source, logged_unix_us, seen_us) \
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)";

/// Lines about operations in which some users take part, and lines without an operation that name
/// one of these users.
pub(super) const OF_USERS: &str = "SELECT l.occurrence, l.op_id, l.kind, l.step, l.user, l.file, \
    l.text, l.source, l.logged_unix_us, l.seen_us FROM ( \
        SELECT n.words, n.occurrence FROM sessions AS u CROSS JOIN log_lines AS n \
            ON n.op_id IS NOT NULL \
            AND n.op_id BETWEEN u.session_ix << 16 AND u.session_ix << 16 | 65535 \
            WHERE u.user_ix >= ?1 AND u.user_ix < ?2 \
        UNION SELECT words, occurrence FROM log_lines \
            WHERE named_ix IS NOT NULL AND named_ix >= ?1 AND named_ix < ?2 \
    ) AS mine JOIN log_lines AS l ON l.words = mine.words AND l.occurrence = mine.occurrence";

/// How much of the log was seen. The id of a turn on a socket is that of its socket's
/// first turn.
pub(super) const COVERAGE: &str = "SELECT count(*), coalesce(sum(seen), 0), \
    coalesce(sum(ended), 0), coalesce(sum(ended AND started), 0), \
    (SELECT count(*) FROM log_lines WHERE kind IS NOT NULL) FROM ( \
        SELECT EXISTS (SELECT 1 FROM log_lines AS l WHERE l.op_id = o.op_id) AS seen, \
            EXISTS (SELECT 1 FROM log_lines AS l WHERE l.op_id = o.op_id AND l.step IN (1, 2)) \
                AS ended, \
            EXISTS (SELECT 1 FROM log_lines AS l WHERE l.op_id = o.op_id AND l.step = 0) \
                AS started \
            FROM ops AS o WHERE o.outcome = 0 AND o.kind NOT IN (2, 3) \
        UNION ALL SELECT EXISTS (SELECT 1 FROM log_lines AS l \
                WHERE l.op_id BETWEEN o.op_id >> 16 << 16 AND o.op_id | 65535), \
            EXISTS (SELECT 1 FROM log_lines AS l \
                WHERE l.op_id BETWEEN o.op_id >> 16 << 16 AND o.op_id | 65535 \
                AND l.step IN (1, 2)), \
            EXISTS (SELECT 1 FROM log_lines AS l \
                WHERE l.op_id BETWEEN o.op_id >> 16 << 16 AND o.op_id | 65535 AND l.step = 0) \
            FROM ops AS o WHERE o.outcome = 0 AND o.kind IN (2, 3))";

/// Reads a row of [`OF_USERS`].
pub(super) fn line(columns: &mut Columns<'_, '_>) -> rusqlite::Result<LogLine> {
    Ok(LogLine {
        occurrence: columns.int()?,
        op: columns.optional_op()?,
        kind: columns.optional_one_of(&OpKind::ALL)?,
        step: columns.one_of(&LogStep::ALL)?,
        user: columns.value()?,
        file: columns.value()?,
        text: columns.value()?,
        source: columns.int()?,
        logged_unix_us: columns.value()?,
        seen_at: columns.int().map(crate::model::Micros)?,
    })
}

/// Reads the row of [`COVERAGE`].
pub(super) fn coverage(columns: &mut Columns<'_, '_>) -> rusqlite::Result<LogCoverage> {
    Ok(LogCoverage {
        ok: columns.int()?,
        ids_seen: columns.int()?,
        ended: columns.int()?,
        started: columns.int()?,
        task_lines: columns.int()?,
    })
}

/// What tells lines apart but for how often they come: their words and what they are about.
pub(super) fn words(line: &LogLine) -> i64 {
    let mut hasher = blake3::Hasher::new();
    let mut field = |bytes: &[u8]| {
        hasher.update(&bytes.len().to_le_bytes());
        hasher.update(bytes);
    };
    let op = line.op.map_or(-1, crate::model::OpId::to_i64);
    field(&op.to_le_bytes());
    field(line.kind.map_or("", OpKind::name).as_bytes());
    field(line.step.name().as_bytes());
    for text in [&line.user, &line.file] {
        field(&[u8::from(text.is_some())]);
        field(text.as_deref().unwrap_or_default().as_bytes());
    }
    field(line.text.as_bytes());
    let mut hash = [0; 8];
    hasher.finalize_xof().fill(&mut hash);
    i64::from_le_bytes(hash)
}

impl super::LedgerReader {
    /// Lines of the target's log about operations of some users' sessions, and those without an
    /// operation that name one of these users; in a fixed order.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn log_lines_of_users(
        &self,
        users: std::ops::Range<u32>,
    ) -> Result<Vec<LogLine>, super::LedgerError> {
        if !self.has_log_lines()? {
            return Ok(Vec::new());
        }
        let mut lines = self.all(OF_USERS, [users.start, users.end], line)?;
        lines.sort_unstable();
        Ok(lines)
    }

    /// Lines of the target's log about tasks for one user, in the order in which they were read.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn log_lines_of_user(&self, user: UserIx) -> Result<Vec<LogLine>, super::LedgerError> {
        let mut lines = self.log_lines_of_users(user.0..user.0.saturating_add(1))?;
        lines.retain(|line| line.kind.is_some());
        lines.sort_by_key(|line| (line.seen_at, line.step));
        Ok(lines)
    }

    /// How much of the target's log was seen.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn log_coverage(&self) -> Result<LogCoverage, super::LedgerError> {
        if !self.has_log_lines()? {
            return Ok(LogCoverage::default());
        }
        let rows = self.all(COVERAGE, [], coverage)?;
        Ok(rows.into_iter().next().unwrap_or_default())
    }

    /// A ledger of an earlier version has no such table.
    fn has_log_lines(&self) -> Result<bool, super::LedgerError> {
        self.has_table("log_lines")
    }
}
