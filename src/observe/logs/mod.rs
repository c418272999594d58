//! The target's logs: followed while the load runs, or read as a whole afterwards.
//!
//! Sources hand over bytes; one task makes lines of them, reads what they say, and tells of those
//! that speak of the run. Nothing waits for a log, and a log that breaks off breaks no run.
#![expect(
    clippy::disallowed_methods,
    reason = "sources are read by tasks of their own"
)]

mod command;
mod error;
mod file;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::convert::Infallible;
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout};

use crate::event::Event;
use crate::logs::{self, Patterns, Said, Splitter};
use crate::model::{LogLine, LogStep};

use super::scan::ScanContext;

pub use self::error::LogError;

/// How a source is written that is a command's output.
const COMMAND_PREFIX: &str = "cmd:";
/// Pieces that may wait for the reader.
const PIECES_WAITING_MAX: usize = 256;
/// Bytes that are read at once.
const PIECE_BYTES: usize = 64 * 1024;
/// A source that says nothing for so long after the end has said all.
const QUIET: Duration = Duration::from_millis(700);
/// A source is read no longer than this after the end.
const LAST_WORDS: Duration = Duration::from_secs(10);
/// Problems of sources that are kept.
const PROBLEMS_MAX: usize = 10;

/// Where log lines come from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum LogSource {
    /// A file, followed through rotation.
    File(PathBuf),
    /// What a command of the shell writes, on both of its outputs.
    Command(String),
    /// Standard input.
    Stdin,
}

/// From where and how long a source is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reading {
    /// What is written from now on, until [`LogWatch::finish`].
    Following,
    /// All that is there.
    Whole,
}

/// What is needed to understand lines.
#[derive(Debug, Clone)]
pub struct LogContext {
    /// The run that lines may speak of, its users, and its clock.
    pub scan: ScanContext,
    /// How lines about tasks look.
    pub patterns: Arc<Patterns>,
}

/// What was read in all.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct LogTally {
    /// The sources, as they were given.
    pub sources: Vec<String>,
    /// Lines.
    pub lines: u64,
    /// Lines about background tasks, of whatever run.
    pub task_lines: u64,
    /// Of these, those that name neither a request of the run nor any user: nobody knows whose
    /// they are.
    pub nameless: u64,
    /// Lines that were longer than is looked at.
    pub cut: u64,
    /// What went wrong with sources.
    pub problems: Vec<String>,
}

/// Logs that are being read.
#[derive(Debug)]
pub struct LogWatch {
    stop: watch::Sender<bool>,
    reader: JoinHandle<LogTally>,
}

/// Bytes of a source. A source may have several streams: two outputs, or an old and a new file.
#[derive(Debug)]
struct Piece {
    source: u16,
    stream: u32,
    bytes: Vec<u8>,
}

/// What sources say to the reader.
#[derive(Debug)]
enum Told {
    Piece(Piece),
    Problem(String),
}

/// The end of a source from which the reader hears.
#[derive(Debug, Clone)]
struct Outlet {
    source: u16,
    to: mpsc::Sender<Told>,
    stopped: watch::Receiver<bool>,
    reading: Reading,
}

impl FromStr for LogSource {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(match text.strip_prefix(COMMAND_PREFIX) {
            Some(command) => Self::Command(command.trim().to_owned()),
            None if text == "-" => Self::Stdin,
            None => Self::File(PathBuf::from(text)),
        })
    }
}

/// For messages that are kept: of a command its program, as all else may be a credential.
impl fmt::Display for LogSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(f, "{}", path.display()),
            Self::Command(command) => write!(f, "{COMMAND_PREFIX}{}", command::program(command)),
            Self::Stdin => f.write_str("-"),
        }
    }
}

/// Begins to read logs. When this returns, no line that is written from now on is missed.
///
/// # Errors
/// A file cannot be opened or a command cannot be started.
pub async fn watch_logs(
    sources: &[LogSource],
    reading: Reading,
    context: LogContext,
    events: mpsc::Sender<Event>,
) -> Result<LogWatch, LogError> {
    let (to, told) = mpsc::channel(PIECES_WAITING_MAX);
    let (stop, stopped) = watch::channel(false);
    let mut numbered: Vec<(&LogSource, u16)> = sources.iter().zip(0..).collect();
    // What may fail comes first: then no command is left behind.
    numbered.sort_by_key(|(source, _)| matches!(source, LogSource::Command(_)));
    for (source, number) in numbered {
        let outlet = Outlet {
            source: number,
            to: to.clone(),
            stopped: stopped.clone(),
            reading,
        };
        match source {
            LogSource::File(path) => file::start(path, outlet).await?,
            LogSource::Command(command) => command::start(command, outlet)?,
            LogSource::Stdin => {
                tokio::spawn(async move { outlet.pump(0, tokio::io::stdin()).await });
            }
        }
    }
    let tally = LogTally {
        sources: sources.iter().map(ToString::to_string).collect(),
        ..LogTally::default()
    };
    let reader = tokio::spawn(read_all(told, tally, context, events));
    Ok(LogWatch { stop, reader })
}

impl LogWatch {
    /// Lets the sources say their last words, and says what was read. Sources that are read as a
    /// whole are read to their end.
    pub async fn finish(self) -> LogTally {
        // A receiver that is gone is a source that has ended.
        let _ = self.stop.send(true);
        self.reader.await.unwrap_or_default()
    }
}

impl Outlet {
    /// False when nobody listens any more.
    async fn say(&self, stream: u32, bytes: &[u8]) -> bool {
        let piece = Piece {
            source: self.source,
            stream,
            bytes: bytes.to_vec(),
        };
        self.to.send(Told::Piece(piece)).await.is_ok()
    }

    async fn complain(&self, problem: String) {
        let _ = self.to.send(Told::Problem(problem)).await;
    }

    fn is_ending(&self) -> bool {
        self.reading == Reading::Following && *self.stopped.borrow()
    }

    /// Until the end is asked for; never, where all is to be read.
    async fn ending(&mut self) {
        if self.reading == Reading::Whole {
            std::future::pending::<()>().await;
        }
        // Whoever could ask is gone: that is the end too.
        let _ = self.stopped.wait_for(|stopped| *stopped).await;
    }

    /// Hands over what a stream says, until its end or some quiet after the end was asked for.
    async fn pump(mut self, stream: u32, mut from: impl AsyncRead + Unpin) {
        let mut buffer = vec![0; PIECE_BYTES];
        let mut last: Option<Instant> = None;
        loop {
            let read = match last {
                None => tokio::select! {
                    read = from.read(&mut buffer) => Some(read),
                    () = self.ending() => None,
                },
                Some(until) => {
                    let patience = QUIET.min(until.saturating_duration_since(Instant::now()));
                    match timeout(patience, from.read(&mut buffer)).await {
                        Ok(read) => Some(read),
                        Err(_) => return,
                    }
                }
            };
            match read {
                None => last = Some(Instant::now() + LAST_WORDS),
                Some(Ok(0)) => return,
                Some(Ok(length)) => {
                    let bytes = buffer.get(..length).unwrap_or_default();
                    if !self.say(stream, bytes).await {
                        return;
                    }
                }
                Some(Err(error)) => return self.complain(format!("read a log: {error}")).await,
            }
        }
    }
}

/// Makes lines of the pieces and reads them, until no source is left.
async fn read_all(
    mut told: mpsc::Receiver<Told>,
    tally: LogTally,
    context: LogContext,
    events: mpsc::Sender<Event>,
) -> LogTally {
    let mut splitters: HashMap<(u16, u32), Splitter> = HashMap::new();
    let mut reader = Reader {
        context,
        tally,
        occurrences: HashMap::new(),
        found: Vec::new(),
    };
    while let Some(told) = told.recv().await {
        match told {
            Told::Problem(problem) => reader.note(problem),
            Told::Piece(piece) => {
                let splitter = splitters.entry((piece.source, piece.stream)).or_default();
                splitter.take(&piece.bytes, &mut |line| reader.read(piece.source, line));
            }
        }
        reader.tell(&events).await;
    }
    for ((source, _), splitter) in &mut splitters {
        splitter.end(&mut |line| reader.read(*source, line));
        reader.tally.cut += splitter.cut();
    }
    reader.tell(&events).await;
    reader.tally
}

/// Is this a user of the run, by the name at the target or by that of the store's owner?
fn is_ours(scan: &ScanContext, user: &str) -> bool {
    let (run, scenario) = (scan.run, &scan.scenario);
    scenario.user_of_owner(run, user).is_some() || scenario.user_of_name(run, user).is_some()
}

struct Reader {
    context: LogContext,
    tally: LogTally,
    /// How often the same was said, by a hash of it.
    occurrences: HashMap<u64, u32>,
    found: Vec<LogLine>,
}

impl Reader {
    fn note(&mut self, problem: String) {
        if self.tally.problems.len() < PROBLEMS_MAX {
            self.tally.problems.push(problem);
        }
    }

    fn read(&mut self, source: u16, line: &[u8]) {
        self.tally.lines += 1;
        let Some(said) = logs::read(line, self.context.scan.run, &self.context.patterns) else {
            return;
        };
        self.tally.task_lines += u64::from(said.task.is_some());
        let scan = &self.context.scan;
        let names_one_of_us = said.user.as_deref().is_some_and(|user| is_ours(scan, user));
        if said.op.is_none() && !names_one_of_us {
            self.tally.nameless += u64::from(said.user.is_none());
            return;
        }
        let said = self.without_strangers(said);
        let occurrence = self.occurrence(&said);
        // That a request is mentioned is worth one line.
        if said.task.is_none() && occurrence > 0 {
            return;
        }
        self.found.push(LogLine {
            source,
            occurrence,
            op: said.op,
            kind: said.task.map(|(kind, _)| kind),
            step: said.task.map_or(LogStep::Mentioned, |(_, step)| step),
            user: said.user,
            file: said.file,
            text: said.text,
            logged_unix_us: said.logged_unix_us,
            seen_at: self.context.scan.clock.now(),
        });
    }

    /// A name of somebody else does not leave memory.
    fn without_strangers(&self, mut said: Said) -> Said {
        let scan = &self.context.scan;
        if let Some(user) = said.user.take_if(|user| !is_ours(scan, user)) {
            let kept = scan.strangers.owner(scan, &user);
            said.text = said.text.replace(&user, &kept);
            said.user = Some(kept);
        }
        said
    }

    fn occurrence(&mut self, said: &Said) -> u32 {
        let op = said.op.map_or(-1, crate::model::OpId::to_i64);
        let key = format!("{op} {:?} {:?} {}", said.task, said.user, said.text);
        let mut hash = [0; 8];
        let mut hasher = blake3::Hasher::new();
        hasher.update(key.as_bytes()).finalize_xof().fill(&mut hash);
        let count = self
            .occurrences
            .entry(u64::from_le_bytes(hash))
            .or_insert(0);
        let occurrence = *count;
        *count = count.saturating_add(1);
        occurrence
    }

    async fn tell(&mut self, events: &mpsc::Sender<Event>) {
        for line in self.found.drain(..) {
            // Nobody listens any more once the run was left.
            let _ = events.send(Event::Logged(line)).await;
        }
    }
}
