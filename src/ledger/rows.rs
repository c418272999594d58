//! Rows as values of the model. Files can be damaged, so every value is checked.

use std::error::Error;
use std::time::Duration;

use rusqlite::Row;
use rusqlite::types::FromSql;

use super::codes;
use crate::model::{
    Completion, Echo, GroupIx, Invocation, LagSample, Likeness, Micros, OpId, OpKind, OpRow,
    Outcome, Promise, RecordType, ResourceSample, Role, RunId, Scan, SeenCanary, Sighting,
    TraitSet, UserIx,
};

/// Columns of `ops` in the order in which [`op`] reads them.
pub(super) const OP_COLUMNS: &str = "o.op_id, o.user_ix, o.kind, o.group_ix, o.text_hash, \
    o.item_first, o.item_count, o.request_id, o.traits, o.intended_us, o.invoked_us, \
    o.founder_ix, o.completed_us, o.sent_us, o.outcome, o.status, o.promise, o.echo, o.server_session, o.detail";
/// Columns of `sightings` in the order in which [`sighting`] reads them.
pub(super) const SIGHTING_COLUMNS: &str = "s.record_type, s.record_id, s.owner, s.session, \
    s.role, s.position, s.packed_canaries, s.body_hash, s.likeness, s.damaged, s.older_run, \
    s.excerpt, s.first_scan, s.last_scan, s.seen_us, s.reads, s.control";
/// Columns of `scans` in the order in which [`scan`] reads them.
pub(super) const SCAN_COLUMNS: &str = "scan, started_us, ended_us, digest, sessions, messages, \
    facts, unattributable, complete, incomplete_reason";

/// Reads the columns of a row one after another.
pub(super) struct Columns<'r, 's> {
    row: &'r Row<'s>,
    next: usize,
}

impl<'r, 's> Columns<'r, 's> {
    pub(super) fn new(row: &'r Row<'s>) -> Self {
        Self { row, next: 0 }
    }

    pub(super) fn value<T: FromSql>(&mut self) -> rusqlite::Result<T> {
        let value = self.row.get(self.next)?;
        self.next += 1;
        Ok(value)
    }

    pub(super) fn int<T: TryFrom<i64>>(&mut self) -> rusqlite::Result<T> {
        let number: i64 = self.value()?;
        T::try_from(number).map_err(|_| self.bad(number))
    }

    pub(super) fn optional_int<T: TryFrom<i64>>(&mut self) -> rusqlite::Result<Option<T>> {
        let number: Option<i64> = self.value()?;
        number
            .map(|number| T::try_from(number).map_err(|_| self.bad(number)))
            .transpose()
    }

    pub(super) fn one_of<T: Copy>(&mut self, all: &[T]) -> rusqlite::Result<T> {
        let number: i64 = self.value()?;
        let found = usize::try_from(number)
            .ok()
            .and_then(|place| all.get(place));
        found.copied().ok_or_else(|| self.bad(number))
    }

    pub(super) fn optional_one_of<T: Copy>(&mut self, all: &[T]) -> rusqlite::Result<Option<T>> {
        let number: Option<i64> = self.value()?;
        let Some(number) = number else {
            return Ok(None);
        };
        self.next -= 1;
        let found = self.one_of(all);
        found.map(Some).map_err(|_| self.bad(number))
    }

    pub(super) fn parsed<T>(&mut self, parse: impl Fn(&str) -> Option<T>) -> rusqlite::Result<T> {
        let text: String = self.value()?;
        parse(&text).ok_or_else(|| self.bad(text))
    }

    pub(super) fn optional_parsed<T>(
        &mut self,
        parse: impl Fn(&str) -> Option<T>,
    ) -> rusqlite::Result<Option<T>> {
        let text: Option<String> = self.value()?;
        text.map(|text| parse(&text).ok_or_else(|| self.bad(text)))
            .transpose()
    }

    pub(super) fn op(&mut self) -> rusqlite::Result<OpId> {
        let number: i64 = self.value()?;
        OpId::from_i64(number).map_err(|_| self.bad(number))
    }

    pub(super) fn optional_op(&mut self) -> rusqlite::Result<Option<OpId>> {
        let number: Option<i64> = self.value()?;
        number
            .map(|number| OpId::from_i64(number).map_err(|_| self.bad(number)))
            .transpose()
    }

    fn time(&mut self) -> rusqlite::Result<Micros> {
        self.int().map(Micros)
    }

    fn hash(&mut self) -> rusqlite::Result<u64> {
        self.value().map(i64::cast_unsigned)
    }

    fn canaries(&mut self) -> rusqlite::Result<Vec<SeenCanary>> {
        self.blob(codes::unpack)
    }

    pub(super) fn blob<T>(&mut self, read: impl Fn(&[u8]) -> Option<T>) -> rusqlite::Result<T> {
        let bytes = self.row.get_ref(self.next)?.as_blob()?;
        self.next += 1;
        read(bytes).ok_or_else(|| self.bad(format!("{} bytes", bytes.len())))
    }

    /// The value of the column just read is none that this version knows.
    fn bad(&self, found: impl std::fmt::Display) -> rusqlite::Error {
        let column_ix = self.next.saturating_sub(1);
        let name = self.row.as_ref().column_name(column_ix).unwrap_or("?");
        let reason: Box<dyn Error + Send + Sync> =
            format!("column `{name}` holds {found}, which is not one of its values").into();
        rusqlite::Error::FromSqlConversionFailure(column_ix, rusqlite::types::Type::Null, reason)
    }
}

pub(super) fn op(columns: &mut Columns<'_, '_>) -> rusqlite::Result<OpRow> {
    let op = columns.op()?;
    let invocation = Invocation {
        op,
        user: UserIx(columns.int()?),
        kind: columns.one_of(&OpKind::ALL)?,
        group: GroupIx(columns.int()?),
        text_hash: columns.hash()?,
        item_first: columns.int()?,
        item_count: columns.int()?,
        request_id: columns.parsed(|hex| u64::from_str_radix(hex, 16).ok())?,
        traits: TraitSet(columns.int()?),
        intended: columns.time()?,
        invoked: columns.time()?,
        founder: UserIx(columns.int()?),
    };
    let completed: Option<u64> = columns.optional_int()?;
    let sent = columns.optional_int()?.map(Micros);
    let outcome = columns.optional_one_of(&Outcome::ALL)?;
    let (Some(completed), Some(outcome)) = (completed, outcome) else {
        return Ok(OpRow {
            invocation,
            completion: None,
        });
    };
    let completion = Completion {
        op,
        completed: Micros(completed),
        sent,
        outcome,
        status: columns.optional_int()?,
        promise: Promise::from_i64(columns.int()?),
        echo: columns.one_of(&Echo::ALL)?,
        server_session: columns.value()?,
        detail: columns.value()?,
    };
    Ok(OpRow {
        invocation,
        completion: Some(completion),
    })
}

pub(super) fn sighting(columns: &mut Columns<'_, '_>) -> rusqlite::Result<Sighting> {
    Ok(Sighting {
        record_type: columns.one_of(&RecordType::ALL)?,
        record_id: columns.value()?,
        owner: columns.value()?,
        session: columns.value()?,
        role: columns.one_of(&Role::ALL)?,
        position: columns.int()?,
        canaries: columns.canaries()?,
        body_hash: columns.hash()?,
        likeness: Likeness::from_i64(columns.value()?),
        damaged: columns.value()?,
        older_run: columns.optional_int()?.map(RunId),
        excerpt: columns.value()?,
        first_scan: columns.int()?,
        scan: columns.int()?,
        seen_at: columns.time()?,
        reads: columns.int()?,
        control: columns.value()?,
    })
}

pub(super) fn scan(columns: &mut Columns<'_, '_>) -> rusqlite::Result<Scan> {
    Ok(Scan {
        scan: columns.int()?,
        started: columns.time()?,
        ended: columns.time()?,
        digest: columns.value()?,
        sessions: columns.int()?,
        messages: columns.int()?,
        facts: columns.int()?,
        unattributable: columns.int()?,
        complete: columns.value()?,
        incomplete_reason: columns.value()?,
    })
}

pub(super) fn sample(columns: &mut Columns<'_, '_>) -> rusqlite::Result<ResourceSample> {
    Ok(ResourceSample {
        at: columns.time()?,
        cpu: Duration::from_micros(columns.int()?),
        rss_bytes: columns.int()?,
        in_flight: columns.int()?,
    })
}

pub(super) fn lag(columns: &mut Columns<'_, '_>) -> rusqlite::Result<LagSample> {
    Ok(LagSample {
        op: columns.op()?,
        kind: columns.one_of(&OpKind::ALL)?,
        lag: Duration::from_micros(columns.int()?),
    })
}

/// One group of `ops`: kind, outcome (`None` while open), how many.
pub(super) fn op_count(
    columns: &mut Columns<'_, '_>,
) -> rusqlite::Result<((OpKind, Option<Outcome>), u64)> {
    let kind = columns.one_of(&OpKind::ALL)?;
    let outcome = columns.optional_one_of(&Outcome::ALL)?;
    Ok(((kind, outcome), columns.int()?))
}
