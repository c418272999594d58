//! Why a log cannot be read.

use std::io;
use std::path::PathBuf;

/// A source that gives no log.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// A file cannot be opened.
    #[error("open the log {path}: {source}; name a file that is there, `cmd:COMMAND` or `-`", path = path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// A command cannot be started.
    #[error("start the log command `{command}`: {source}")]
    Start {
        /// The command.
        command: String,
        /// Why not.
        source: io::Error,
    },
}
