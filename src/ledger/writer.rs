//! Writes a ledger: one thread of its own, fed through a bounded queue.
//!
//! The thread takes the first event, waits a moment for more, and commits them together: a
//! transaction for each event would cost a hundred times as much, and a longer wait would lose
//! more in a crash.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use rusqlite::{Connection, OpenFlags, Transaction, TransactionBehavior};
use serde::Serialize;

use super::insert::Inserts;
use super::judgement::{self, Judgement};
use super::names::Names;
use super::{LEDGER_FILE, LedgerError, Manifest, chunks, folder, log_lines, manifest};
use crate::event::{Event, Sink};
use crate::model::{Finding, InconclusiveReason, Verdict};

/// How long the thread gathers events before it writes them. Half of the ten milliseconds after
/// which an event is to be durable; the other half is for the writing.
const GATHER: Duration = Duration::from_millis(5);
/// Events that may wait for the thread; senders wait when there are more. Also the most that one
/// transaction holds.
const QUEUE_MAX: usize = 16_384;
/// How long a write waits for a lock that another process holds.
const BUSY_WAIT: Duration = Duration::from_secs(10);
/// How long the last step, moving the log into the file, waits for readers.
const CHECKPOINT_WAIT: Duration = Duration::from_millis(200);

const SCHEMA: &str = include_str!("schema.sql");
/// WAL lets others read meanwhile; with `NORMAL` a commit survives the end of the process, but a
/// power cut may take the last ones.
const PRAGMAS: &str = "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; \
    PRAGMA cache_size = -2048; PRAGMA wal_autocheckpoint = 4096;";

/// A ledger being written. It is usable at any time by readers; [`Ledger::finish`] only makes
/// sure that everything is in it and tells whether anything was lost.
#[derive(Debug)]
pub struct Ledger {
    path: PathBuf,
    queue: SyncSender<Command>,
    health: Arc<Health>,
    thread: JoinHandle<()>,
}

impl Ledger {
    /// Makes a run's folder with an empty ledger in it.
    ///
    /// # Errors
    /// The folder cannot be made, or holds a ledger already.
    pub fn create(run_folder: &Path, manifest: &Manifest) -> Result<Self, LedgerError> {
        folder::make(run_folder)?;
        let path = run_folder.join(LEDGER_FILE);
        let lock = folder::claim(run_folder)?;
        if path.exists() {
            return Err(LedgerError::Exists { path });
        }
        let connection = open(&path, OpenFlags::SQLITE_OPEN_CREATE)?;
        create_tables(&connection, manifest)
            .map_err(|source| LedgerError::sqlite(&path, source))?;
        let names = Names::of_scenario(manifest.run, &manifest.scenario_json);
        Self::start(path, connection, lock, names)
    }

    /// Goes on writing the ledger of an earlier run.
    ///
    /// # Errors
    /// There is none, it is damaged or of another format, or another process is writing it.
    pub fn open_for_append(run_folder: &Path) -> Result<Self, LedgerError> {
        let path = run_folder.join(LEDGER_FILE);
        if !path.is_file() {
            return Err(LedgerError::Missing { path });
        }
        let lock = folder::claim(run_folder)?;
        let connection = open(&path, OpenFlags::empty())?;
        manifest::check_format(&connection, &path)?;
        let manifest = manifest::read(&connection, &path)?;
        // A ledger of an earlier version has no such tables and column yet.
        connection
            .execute_batch(log_lines::SCHEMA)
            .and_then(|()| connection.execute_batch(chunks::SCHEMA))
            .and_then(|()| judgement::bring_up_to_date(&connection))
            .map_err(|source| LedgerError::sqlite(&path, source))?;
        let names = Names::of_scenario(manifest.run, &manifest.scenario_json);
        Self::start(path, connection, lock, names)
    }

    /// A listener that writes what it hears. It waits while too many events are queued, and
    /// reports an error once writing has failed; dropping it without leave loses nothing.
    pub fn sink(&self) -> Box<dyn Sink> {
        Box::new(LedgerSink {
            path: self.path.clone(),
            queue: self.queue.clone(),
            health: Arc::clone(&self.health),
        })
    }

    /// Adds a note to the manifest, or replaces one: written in order with the events told before
    /// it, within milliseconds.
    ///
    /// # Errors
    /// The value is not JSON, or writing has failed earlier.
    pub fn note(&self, key: &str, value: impl Serialize) -> Result<(), LedgerError> {
        let json = serde_json::to_string(&value).map_err(|source| LedgerError::Value {
            key: key.to_owned(),
            source,
        })?;
        self.tell(Command::Note(key.to_owned(), json))
    }

    /// Stores the hashes of the ids of records that were there before the run. Returns when they
    /// are durable.
    ///
    /// # Errors
    /// Writing fails or has failed earlier.
    pub fn store_baseline(&self, record_hashes: &[u64]) -> Result<(), LedgerError> {
        let mut hashes = record_hashes.to_vec();
        hashes.sort_unstable_by_key(|hash| hash.cast_signed());
        self.ask(|reply| Command::Baseline(hashes, reply))
    }

    /// Replaces verdict, reasons (notes `verdict`, `inconclusive_reasons`) and all findings, in
    /// one transaction. Returns when they are durable.
    ///
    /// # Errors
    /// Writing fails or has failed earlier; then the earlier judgement is still there.
    pub fn store_judgement(
        &self,
        verdict: Verdict,
        reasons: &[InconclusiveReason],
        findings: &[Finding],
    ) -> Result<(), LedgerError> {
        let judgement = Box::new(Judgement {
            findings: findings.to_vec(),
            verdict,
            reasons: reasons.to_vec(),
        });
        self.ask(|reply| Command::Judgement(judgement, reply))
    }

    /// Events that could not be written so far.
    pub fn events_dropped(&self) -> u64 {
        self.health.events_dropped.load(Ordering::Relaxed)
    }

    /// Writes everything told so far, moves it from the log into the file and lets go of the run.
    ///
    /// # Errors
    /// The first failure of writing, with the number of events that were lost by it.
    pub fn finish(self) -> Result<(), LedgerError> {
        // If the thread is gone, joining tells; there is nothing to say to it then.
        let _ = self.queue.send(Command::Finish);
        drop(self.queue);
        let joined = self.thread.join();
        let events_dropped = self.health.events_dropped.load(Ordering::Relaxed);
        if let Some(source) = self.health.first().take() {
            return Err(LedgerError::Write {
                path: self.path,
                source,
                events_dropped,
            });
        }
        joined.map_err(|_| died(&self.path))
    }

    fn start(
        path: PathBuf,
        connection: Connection,
        lock: File,
        names: Names,
    ) -> Result<Self, LedgerError> {
        let (queue, commands) = sync_channel(QUEUE_MAX);
        let health = Arc::new(Health::default());
        let thread = thread::Builder::new()
            .name("ledger".to_owned())
            .spawn({
                let health = Arc::clone(&health);
                move || {
                    let result = write_until_told(&connection, names, &commands, &health);
                    if let Err(error) = result {
                        health.fail(error, 0);
                    }
                    drop(connection);
                    drop(lock);
                }
            })
            .map_err(|source| LedgerError::Folder {
                path: path.clone(),
                source,
            })?;
        Ok(Self {
            path,
            queue,
            health,
            thread,
        })
    }

    fn tell(&self, command: Command) -> Result<(), LedgerError> {
        self.health.check(&self.path)?;
        self.queue.send(command).map_err(|_| died(&self.path))
    }

    fn ask(&self, command: impl FnOnce(Reply) -> Command) -> Result<(), LedgerError> {
        let (reply, answer) = sync_channel(1);
        self.tell(command(reply))?;
        answer.recv().map_err(|_| died(&self.path))?;
        self.health.check(&self.path)
    }
}

/// What the thread is told.
#[derive(Debug)]
enum Command {
    Event(Event),
    Note(String, String),
    Baseline(Vec<u64>, Reply),
    Judgement(Box<Judgement>, Reply),
    Flush(Reply),
    Finish,
}

/// Told once the command and all before it are durable or have failed.
type Reply = SyncSender<()>;

/// How writing goes, as all sides see it.
#[derive(Debug, Default)]
struct Health {
    has_failed: AtomicBool,
    events_dropped: AtomicU64,
    first: Mutex<Option<rusqlite::Error>>,
}

impl Health {
    fn first(&self) -> MutexGuard<'_, Option<rusqlite::Error>> {
        self.first.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn fail(&self, error: rusqlite::Error, events: u64) {
        self.drop_events(events);
        self.first().get_or_insert(error);
        self.has_failed.store(true, Ordering::Release);
    }

    fn drop_events(&self, events: u64) {
        self.events_dropped.fetch_add(events, Ordering::Relaxed);
    }

    fn has_failed(&self) -> bool {
        self.has_failed.load(Ordering::Acquire)
    }

    fn check(&self, path: &Path) -> Result<(), LedgerError> {
        if !self.has_failed() {
            return Ok(());
        }
        let reason = self.first().as_ref().map(ToString::to_string);
        Err(LedgerError::Stopped {
            path: path.to_path_buf(),
            reason: reason.unwrap_or_default(),
        })
    }
}

#[derive(Debug)]
struct LedgerSink {
    path: PathBuf,
    queue: SyncSender<Command>,
    health: Arc<Health>,
}

impl Sink for LedgerSink {
    fn event(&mut self, event: &Event) -> io::Result<()> {
        let told = self.health.check(&self.path).and_then(|()| {
            self.queue
                .send(Command::Event(event.clone()))
                .map_err(|_| died(&self.path))
        });
        told.map_err(|error| {
            self.health.drop_events(1);
            io::Error::other(error)
        })
    }

    fn finish(self: Box<Self>) -> io::Result<()> {
        let (reply, answer) = sync_channel(1);
        self.health.check(&self.path).map_err(io::Error::other)?;
        let told = self.queue.send(Command::Flush(reply));
        if told.is_err() || answer.recv().is_err() {
            return Err(io::Error::other(died(&self.path)));
        }
        self.health.check(&self.path).map_err(io::Error::other)
    }
}

fn died(path: &Path) -> LedgerError {
    LedgerError::Stopped {
        path: path.to_path_buf(),
        reason: "its writer has ended".to_owned(),
    }
}

fn open(path: &Path, more: OpenFlags) -> Result<Connection, LedgerError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX | more;
    let open = || {
        let connection = Connection::open_with_flags(path, flags)?;
        connection.busy_timeout(BUSY_WAIT)?;
        connection.execute_batch(PRAGMAS)?;
        Ok(connection)
    };
    open().map_err(|source| LedgerError::sqlite(path, source))
}

fn create_tables(connection: &Connection, manifest: &Manifest) -> rusqlite::Result<()> {
    let transaction = begin(connection)?;
    transaction.execute_batch(SCHEMA)?;
    transaction.execute_batch(log_lines::SCHEMA)?;
    transaction.execute_batch(chunks::SCHEMA)?;
    manifest::write(&transaction, manifest)?;
    transaction.commit()
}

fn begin(connection: &Connection) -> rusqlite::Result<Transaction<'_>> {
    Transaction::new_unchecked(connection, TransactionBehavior::Immediate)
}

/// The thread's work: gathers, writes and answers until it is told to finish or nobody is left.
fn write_until_told(
    connection: &Connection,
    names: Names,
    commands: &Receiver<Command>,
    health: &Health,
) -> rusqlite::Result<()> {
    let mut inserts = Inserts::prepare(connection, names)?;
    let mut batch = Vec::new();
    let mut is_told_to_finish = false;
    while !is_told_to_finish {
        let Ok(first) = commands.recv() else {
            break;
        };
        if matches!(first, Command::Event(_)) {
            thread::sleep(GATHER);
        }
        batch.push(first);
        batch.extend(commands.try_iter().take(QUEUE_MAX - 1));
        if health.has_failed() {
            health.drop_events(events_in(&batch));
        } else if let Err(error) = write(connection, &mut inserts, &batch) {
            health.fail(error, events_in(&batch));
        }
        for command in batch.drain(..) {
            is_told_to_finish |= answer(command);
        }
    }
    drop(inserts);
    // Readers may hold the log; what is committed then stays in it and is read from there.
    connection.busy_timeout(CHECKPOINT_WAIT)?;
    connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))
}

/// Writes a batch in one transaction.
fn write(
    connection: &Connection,
    inserts: &mut Inserts<'_>,
    batch: &[Command],
) -> rusqlite::Result<()> {
    let transaction = begin(connection)?;
    for command in batch {
        match command {
            Command::Event(event) => inserts.event(event)?,
            Command::Note(key, json) => inserts.note(key, json)?,
            Command::Baseline(hashes, _) => {
                for hash in hashes {
                    inserts.baseline(*hash)?;
                }
            }
            Command::Judgement(judgement, _) => {
                judgement::replace(connection, &judgement.findings)?;
                inserts.note("verdict", &json(&judgement.verdict)?)?;
                inserts.note("inconclusive_reasons", &json(&judgement.reasons)?)?;
            }
            Command::Flush(_) | Command::Finish => {}
        }
    }
    inserts.conflicts()?;
    transaction.commit()
}

fn json(value: &impl Serialize) -> rusqlite::Result<String> {
    serde_json::to_string(value)
        .map_err(|error| rusqlite::Error::ToSqlConversionFailure(Box::new(error)))
}

/// Tells whoever waits for a command that it is done; true if it was the last.
fn answer(command: Command) -> bool {
    match command {
        Command::Baseline(_, reply) | Command::Judgement(_, reply) | Command::Flush(reply) => {
            // Whoever asked may have left.
            let _ = reply.send(());
            false
        }
        Command::Event(_) | Command::Note(..) => false,
        Command::Finish => true,
    }
}

fn events_in(batch: &[Command]) -> u64 {
    batch
        .iter()
        .map(|command| u64::from(matches!(command, Command::Event(_))))
        .sum()
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A new ledger on a disk with room for so many pages of 4 KiB.
    pub(in crate::ledger) fn with_pages_max(
        run_folder: &Path,
        manifest: &Manifest,
        pages_max: u32,
    ) -> Ledger {
        let path = run_folder.join(LEDGER_FILE);
        let lock = folder::claim(run_folder).unwrap();
        let connection = open(&path, OpenFlags::SQLITE_OPEN_CREATE).unwrap();
        create_tables(&connection, manifest).unwrap();
        connection
            .pragma_update(None, "max_page_count", pages_max)
            .unwrap();
        Ledger::start(path, connection, lock, Names::new(manifest.run)).unwrap()
    }
}
