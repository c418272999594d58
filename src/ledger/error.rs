//! What can go wrong with a ledger.

use std::io;
use std::path::{Path, PathBuf};

use rusqlite::ErrorCode;

/// A ledger that could not be written, read or found.
#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    /// The folder could not be made or read.
    #[error("use the folder {path}: {source}")]
    Folder {
        /// The folder.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A new run would overwrite an old one.
    #[error("create {path}: it exists already; every run has a folder of its own")]
    Exists {
        /// The file.
        path: PathBuf,
    },
    /// The folder has no ledger.
    #[error("open {path}: there is no such file; name the folder of a run")]
    Missing {
        /// The file.
        path: PathBuf,
    },
    /// Another process writes the same run.
    #[error("write {path}: another process is writing it; wait until that has ended")]
    InUse {
        /// The file.
        path: PathBuf,
    },
    /// The file is not a ledger, or no longer one.
    #[error("read {path}: it is damaged or not a ledger ({reason})")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What was found.
        reason: String,
    },
    /// The ledger's format is not the one that this version reads.
    #[error("read {path}: its format is {found}, this version reads {known}.x; use {remedy}")]
    Format {
        /// The file.
        path: PathBuf,
        /// The format found.
        found: String,
        /// The major format known.
        known: u32,
        /// What to do.
        remedy: &'static str,
    },
    /// SQLite refused for another reason.
    #[error("use {path}: {source}")]
    Sqlite {
        /// The file.
        path: PathBuf,
        /// Why.
        source: rusqlite::Error,
    },
    /// The first failure of writing, at the end of the run.
    #[error("write {path}: {source}; {events_dropped} events were not recorded")]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        source: rusqlite::Error,
        /// Events that were lost from then on.
        events_dropped: u64,
    },
    /// Writing failed earlier; [`LedgerError::Write`] comes at the end.
    #[error("write {path}: it failed earlier: {reason}")]
    Stopped {
        /// The file.
        path: PathBuf,
        /// The first failure.
        reason: String,
    },
    /// A value that JSON cannot express.
    #[error("write {key} to the manifest: {source}")]
    Value {
        /// The manifest's key.
        key: String,
        /// Why.
        source: serde_json::Error,
    },
    /// No run bears the name.
    #[error("find run `{name}` in {reports}: {known}")]
    NoSuchRun {
        /// What was asked for.
        name: String,
        /// Where it was looked for.
        reports: PathBuf,
        /// The newest runs that are there.
        known: String,
    },
    /// Several runs begin with the name.
    #[error("tell which run `{name}` is: it may be {candidates}; give more digits")]
    Ambiguous {
        /// What was asked for.
        name: String,
        /// Some of the runs.
        candidates: String,
    },
}

impl LedgerError {
    /// An error of SQLite about one file, told apart by what the user can do.
    pub(super) fn sqlite(path: &Path, source: rusqlite::Error) -> Self {
        let path = path.to_path_buf();
        // A value that is none of its column's says so better without SQLite's frame around it.
        if let rusqlite::Error::FromSqlConversionFailure(_, _, reason) = &source {
            let reason = reason.to_string();
            return Self::Damaged { path, reason };
        }
        match source.sqlite_error_code() {
            Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt) => Self::Damaged {
                path,
                reason: source.to_string(),
            },
            Some(_) | None => Self::Sqlite { path, source },
        }
    }
}
