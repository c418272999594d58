//! Folders of runs: where they are and how a run is named.
#![expect(
    clippy::disallowed_methods,
    reason = "the ledger makes the run's folder and locks it"
)]

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use super::{LEDGER_FILE, LedgerError, LedgerReader};
use crate::model::RunId;

/// The name that stands for the newest run.
const LAST: &str = "last";
/// The file that is locked while a process writes the run.
const LOCK_FILE: &str = "run.lock";
/// Runs that an error message lists.
const LISTED_MAX: usize = 5;

/// The folder of a run.
pub fn run_folder(reports: &Path, run: RunId) -> PathBuf {
    reports.join(run.to_string())
}

/// The folder of the run that a user means: by its id, the first digits of its id, the path of
/// its folder, or `last` for the newest.
///
/// # Errors
/// No run, or more than one, is meant by the name.
pub fn resolve(reports: &Path, name: &str) -> Result<PathBuf, LedgerError> {
    let runs = runs_in(reports)?;
    let folder = |run: &RunId| run_folder(reports, *run);
    if name == LAST {
        let newest = newest_first(reports, &runs).into_iter().next();
        return newest
            .map(|run| folder(&run))
            .ok_or_else(|| no_such_run(reports, name, &runs));
    }
    if let Some(run) = runs.iter().find(|run| run.to_string() == name) {
        return Ok(folder(run));
    }
    let as_path = Path::new(name);
    if !name.is_empty() && as_path.join(LEDGER_FILE).is_file() {
        return Ok(as_path.to_path_buf());
    }
    let begin_so: Vec<RunId> = runs
        .iter()
        .copied()
        .filter(|run| !name.is_empty() && run.to_string().starts_with(name))
        .collect();
    match begin_so.as_slice() {
        [run] => Ok(folder(run)),
        [] if as_path.is_dir() && !name.is_empty() => Err(LedgerError::Missing {
            path: as_path.join(LEDGER_FILE),
        }),
        [] => Err(no_such_run(reports, name, &runs)),
        several => Err(LedgerError::Ambiguous {
            name: name.to_owned(),
            candidates: list(several),
        }),
    }
}

/// Makes the folder of a new run.
pub(super) fn make(folder: &Path) -> Result<(), LedgerError> {
    fs::create_dir_all(folder).map_err(|source| LedgerError::Folder {
        path: folder.to_path_buf(),
        source,
    })
}

/// Claims the run for this process until the file is dropped. The kernel gives it back when the
/// process ends, however it ends. It is a file of its own, because closing any handle of the
/// ledger's file would take SQLite's own locks away.
pub(super) fn claim(folder: &Path) -> Result<File, LedgerError> {
    let failed = |source| LedgerError::Folder {
        path: folder.to_path_buf(),
        source,
    };
    let file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .open(folder.join(LOCK_FILE))
        .map_err(failed)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(LedgerError::InUse {
            path: folder.join(LEDGER_FILE),
        }),
        // A file system without locks: one careful user is better served than refused.
        Err(TryLockError::Error(error)) if error.kind() == io::ErrorKind::Unsupported => Ok(file),
        Err(TryLockError::Error(error)) => Err(failed(error)),
    }
}

/// All runs that have a ledger, in the order of their ids.
fn runs_in(reports: &Path) -> Result<Vec<RunId>, LedgerError> {
    let entries = match fs::read_dir(reports) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(source) => {
            return Err(LedgerError::Folder {
                path: reports.to_path_buf(),
                source,
            });
        }
    };
    let mut runs: Vec<RunId> = entries
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter(|run| run_folder(reports, *run).join(LEDGER_FILE).is_file())
        .collect();
    runs.sort_unstable();
    Ok(runs)
}

/// The runs whose manifest can be read, the newest first.
fn newest_first(reports: &Path, runs: &[RunId]) -> Vec<RunId> {
    let mut dated: Vec<(i64, RunId)> = runs
        .iter()
        .filter_map(|run| {
            // A run that cannot be read has no date; asked for by its id it says why.
            let reader = LedgerReader::open(&run_folder(reports, *run)).ok()?;
            Some((reader.manifest().ok()?.created_unix_us, *run))
        })
        .collect();
    dated.sort_unstable_by(|left, right| right.cmp(left));
    dated.into_iter().map(|(_, run)| run).collect()
}

fn no_such_run(reports: &Path, name: &str, runs: &[RunId]) -> LedgerError {
    let newest = newest_first(reports, runs);
    LedgerError::NoSuchRun {
        name: name.to_owned(),
        reports: reports.to_path_buf(),
        known: if newest.is_empty() {
            "there is no run yet; start one with `crosswire run`".to_owned()
        } else {
            format!("there is no such run; the newest are {}", list(&newest))
        },
    }
}

fn list(runs: &[RunId]) -> String {
    let shown: Vec<String> = runs
        .iter()
        .take(LISTED_MAX)
        .map(ToString::to_string)
        .collect();
    let more = if runs.len() > LISTED_MAX { ", …" } else { "" };
    format!("{}{more}", shown.join(", "))
}
