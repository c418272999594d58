//! The manifest: what a run is, as key and value rows, and the ledger's format.

use std::collections::BTreeMap;
use std::path::Path;

use rusqlite::{Connection, OptionalExtension, params};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::LedgerError;
use crate::model::{OpKind, RunId, Seed};

/// The part of the format that must be equal for a ledger to be read.
const FORMAT_MAJOR: u32 = 2;
/// The part of the format that grows by additions which an older reader may pass over.
const FORMAT_MINOR: u32 = 3;
/// The manifest's key of the format.
const FORMAT_KEY: &str = "format";

/// What a run is. Each field is a row of table `manifest`, as JSON.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// The run.
    pub run: RunId,
    /// What the plan was computed from.
    pub seed: Seed,
    /// Identifies the plan: 32 hexadecimal digits.
    pub plan_digest: String,
    /// The whole scenario, as JSON, with every default filled in.
    pub scenario_json: String,
    /// When the run was made, RFC 3339, UTC.
    pub created: String,
    /// The same as microseconds since 1970.
    pub created_unix_us: i64,
    /// Version of Crosswire.
    pub tool_version: String,
    /// Base URL of the target.
    pub target: String,
    /// Base URL of the store; `None` if none is read.
    pub memory: Option<String>,
    /// Faults that the embedded lab was asked for.
    pub lab_faults: Vec<String>,
    /// Oddities that it was asked for.
    #[serde(default)]
    pub lab_quirks: Vec<String>,
    /// Whose behaviour it was asked for; `None` for the usual one.
    #[serde(default)]
    pub lab_profile: Option<String>,
    /// Operations planned of each kind; `None` where the number depends on the target's speed.
    pub planned: BTreeMap<OpKind, Option<u64>>,
    /// CPUs that the generator could use.
    pub generator_cpus: u32,
}

/// Writes the format and one row for each field.
pub(super) fn write(connection: &Connection, manifest: &Manifest) -> rusqlite::Result<()> {
    let as_sql = |source| rusqlite::Error::ToSqlConversionFailure(Box::new(source));
    let Value::Object(fields) = serde_json::to_value(manifest).map_err(as_sql)? else {
        return Err(rusqlite::Error::InvalidQuery);
    };
    let format = Value::String(format!("{FORMAT_MAJOR}.{FORMAT_MINOR}"));
    let mut insert = connection.prepare("INSERT INTO manifest (key, value) VALUES (?1, ?2)")?;
    insert.execute(params![FORMAT_KEY, format.to_string()])?;
    for (key, value) in fields {
        insert.execute(params![key, value.to_string()])?;
    }
    Ok(())
}

/// Refuses a file that is not a ledger of a format that can be read.
pub(super) fn check_format(connection: &Connection, path: &Path) -> Result<(), LedgerError> {
    let damaged = |reason: String| LedgerError::Damaged {
        path: path.to_path_buf(),
        reason,
    };
    let has_manifest: bool = connection
        .query_row(
            "SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name = 'manifest'",
            [],
            |row| row.get(0),
        )
        .map_err(|source| LedgerError::sqlite(path, source))?;
    if !has_manifest {
        return Err(damaged("it has no table `manifest`".to_owned()));
    }
    let format = note(connection, path, FORMAT_KEY)?;
    let format = format.as_ref().and_then(Value::as_str).unwrap_or_default();
    let major = format.split_once('.').and_then(|(major, minor)| {
        minor.parse::<u32>().ok()?;
        major.parse::<u32>().ok()
    });
    match major {
        None => Err(damaged(format!("its format is `{format}`"))),
        Some(FORMAT_MAJOR) => Ok(()),
        Some(major) => Err(LedgerError::Format {
            path: path.to_path_buf(),
            found: format.to_owned(),
            known: FORMAT_MAJOR,
            remedy: if major > FORMAT_MAJOR {
                "a newer Crosswire"
            } else {
                "an older Crosswire"
            },
        }),
    }
}

/// Reads the manifest; rows that it does not know, notes among them, are passed over.
pub(super) fn read(connection: &Connection, path: &Path) -> Result<Manifest, LedgerError> {
    let fields = all_fields(connection).map_err(|source| LedgerError::sqlite(path, source))?;
    serde_json::from_value(Value::Object(fields)).map_err(|error| LedgerError::Damaged {
        path: path.to_path_buf(),
        reason: format!("its manifest: {error}"),
    })
}

/// Reads one row of the manifest.
pub(super) fn note(
    connection: &Connection,
    path: &Path,
    key: &str,
) -> Result<Option<Value>, LedgerError> {
    let text: Option<String> = connection
        .query_row("SELECT value FROM manifest WHERE key = ?1", [key], |row| {
            row.get(0)
        })
        .optional()
        .map_err(|source| LedgerError::sqlite(path, source))?;
    let value = text.map(|text| serde_json::from_str(&text)).transpose();
    value.map_err(|error| LedgerError::Damaged {
        path: path.to_path_buf(),
        reason: format!("`{key}` in its manifest: {error}"),
    })
}

fn all_fields(connection: &Connection) -> rusqlite::Result<Map<String, Value>> {
    let mut select = connection.prepare("SELECT key, value FROM manifest")?;
    let mut rows = select.query([])?;
    let mut fields = Map::new();
    while let Some(row) = rows.next()? {
        let text: String = row.get(1)?;
        // A row that is not JSON is like one that is not there: its field is then missing.
        if let Ok(value) = serde_json::from_str(&text) {
            fields.insert(row.get(0)?, value);
        }
    }
    Ok(fields)
}
