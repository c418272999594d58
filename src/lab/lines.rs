//! Files of lines that are written as the lab goes: its log and its truth.
//!
//! A thread of its own writes, so that no request waits for a disk or a terminal.
#![expect(
    clippy::disallowed_methods,
    reason = "lines are written by a thread of their own, which keeps time"
)]

use std::io::{self, BufWriter, Write};
use std::path::Path;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use tokio::fs::File;

/// Lines that may wait for the writer.
const LINES_WAITING_MAX: usize = 1 << 16;
/// A line is on its way to the reader at most this long after it was said.
const FLUSH_INTERVAL: Duration = Duration::from_millis(50);

/// The saying end. Copies say to the same file; without a file nothing is said.
#[derive(Debug, Clone)]
pub(super) struct Lines(Option<SyncSender<Said>>);

/// The end that waits until everything said is written.
#[derive(Debug)]
pub(super) struct LinesEnd {
    lines: Lines,
    writer: Option<JoinHandle<io::Result<()>>>,
}

#[derive(Debug)]
enum Said {
    Line(String),
    End,
}

/// Lines to nobody.
pub(super) fn nowhere() -> (Lines, LinesEnd) {
    let lines = Lines(None);
    let end = LinesEnd {
        lines: lines.clone(),
        writer: None,
    };
    (lines, end)
}

/// Lines to a new file; one that exists is replaced.
pub(super) async fn to_file(path: &Path) -> io::Result<(Lines, LinesEnd)> {
    let file = File::create(path).await?.into_std().await;
    Ok(start(BufWriter::new(file)))
}

/// Lines to standard output.
pub(super) fn to_stdout() -> (Lines, LinesEnd) {
    start(BufWriter::new(io::stdout()))
}

/// Lines to standard error.
pub(super) fn to_stderr() -> (Lines, LinesEnd) {
    start(BufWriter::new(io::stderr()))
}

fn start(out: impl Write + Send + 'static) -> (Lines, LinesEnd) {
    let (sender, receiver) = sync_channel(LINES_WAITING_MAX);
    let lines = Lines(Some(sender));
    let end = LinesEnd {
        lines: lines.clone(),
        writer: Some(thread::spawn(move || write_all(out, &receiver))),
    };
    (lines, end)
}

impl Lines {
    /// Is anybody listening?
    pub(super) fn heard(&self) -> bool {
        self.0.is_some()
    }

    /// Says a line that must not be lost: waits for a writer that is behind.
    pub(super) fn say(&self, line: String) {
        if let Some(sender) = &self.0 {
            // A writer that is gone has kept its error for the end.
            let _ = sender.send(Said::Line(line));
        }
    }

    /// Says a line that is dropped if the writer is too far behind, as when nobody reads a pipe.
    pub(super) fn mention(&self, line: String) {
        if let Some(sender) = &self.0 {
            match sender.try_send(Said::Line(line)) {
                Ok(()) | Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => {}
            }
        }
    }
}

impl LinesEnd {
    /// Waits until everything said so far is written.
    ///
    /// # Errors
    /// Something could not be written.
    pub(super) fn finish(self) -> io::Result<()> {
        if let Some(sender) = &self.lines.0 {
            let _ = sender.send(Said::End);
        }
        match self.writer.map(JoinHandle::join) {
            None => Ok(()),
            Some(Ok(written)) => written,
            Some(Err(_)) => Err(io::Error::other("the writing thread broke off")),
        }
    }
}

fn write_all(mut out: impl Write, said: &Receiver<Said>) -> io::Result<()> {
    let mut flushed = Instant::now();
    let mut written = Ok(());
    loop {
        match said.recv_timeout(FLUSH_INTERVAL) {
            // After an error the rest is taken and thrown away, so that nobody waits for us.
            Ok(Said::Line(line)) if written.is_ok() => written = writeln!(out, "{line}"),
            Ok(Said::Line(_)) | Err(RecvTimeoutError::Timeout) => {}
            Ok(Said::End) | Err(RecvTimeoutError::Disconnected) => break,
        }
        if written.is_ok() && flushed.elapsed() >= FLUSH_INTERVAL {
            written = out.flush();
            flushed = Instant::now();
        }
    }
    written.and_then(|()| out.flush())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn lines_arrive_in_order_and_whole() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lines");
        let (lines, end) = to_file(&path).await.unwrap();
        assert!(lines.heard());
        for n in 0..1_000 {
            lines.say(n.to_string());
        }
        end.finish().unwrap();
        lines.mention("after the end".to_owned());
        let text = std::fs::read_to_string(path).unwrap();
        assert!(text.lines().eq((0..1_000).map(|n| n.to_string())));
    }

    #[tokio::test]
    async fn a_folder_is_no_file_and_nowhere_hears_nothing() {
        let folder = tempfile::tempdir().unwrap();
        assert!(to_file(folder.path()).await.is_err());
        let (lines, end) = nowhere();
        assert!(!lines.heard());
        lines.say("nothing".to_owned());
        end.finish().unwrap();
    }
}
