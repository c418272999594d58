//! Why the store could not be read, and what to do about it.

use std::time::Duration;

use crate::dialect::DialectError;
use crate::model::limits::PAGE_BYTES_MAX;
use crate::model::{RunId, StoreDialect};

/// The store could not be read. Fits after "could not".
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The HTTP client could not be made.
    #[error("prepare to read the memory store")]
    Client(#[source] reqwest::Error),
    /// Nobody accepts connections.
    #[error(
        "reach the memory store at {url}: nothing listens there; start it, correct `--memory`, \
         or give `--memory none` to check answers only"
    )]
    NothingListens {
        /// The store's base URL.
        url: String,
    },
    /// No answer in time.
    #[error(
        "read {what} at {url}: no answer within {limit:?}; raise `memory.read_timeout` if the \
         store is only slow"
    )]
    TimedOut {
        /// What was asked.
        what: String,
        /// The store's base URL.
        url: String,
        /// The time limit.
        limit: Duration,
    },
    /// The connection failed.
    #[error("read {what} at {url}: the connection broke")]
    Broken {
        /// What was asked.
        what: String,
        /// The store's base URL.
        url: String,
        /// Why.
        #[source]
        source: reqwest::Error,
    },
    /// Something answers, but not like a living store.
    #[error(
        "recognise the memory store at {url}: its health check answered with status {status}, \
         not with a full stop; is it a Zep server, and is this its base URL? Asked: {asked}"
    )]
    NotHealthy {
        /// The store's base URL.
        url: String,
        /// The status of the answer.
        status: u16,
        /// What was asked and answered.
        asked: String,
    },
    /// A living store that speaks no known dialect, or not the one that was asked for.
    #[error("recognise the memory store at {url}: it does not speak {known}. Asked: {asked}")]
    UnknownDialect {
        /// The store's base URL.
        url: String,
        /// The dialects that were looked for.
        known: String,
        /// What was asked and answered.
        asked: String,
    },
    /// A store that cannot list messages.
    #[error(
        "read the memory store at {url}: it speaks v1 and cannot list messages; version 0.21 or \
         later can. Asked: {asked}"
    )]
    TooOld {
        /// The store's base URL.
        url: String,
        /// What was asked and answered.
        asked: String,
    },
    /// The store wants a credential.
    #[error(
        "read the memory store at {url}: it speaks {dialect} and wants a key; put it into the \
         environment variable {key_env}, or name another one in `memory.key_env`. Asked: {asked}"
    )]
    NeedsKey {
        /// The store's base URL.
        url: String,
        /// Its dialect.
        dialect: StoreDialect,
        /// Where the key is looked for.
        key_env: String,
        /// What was asked and answered.
        asked: String,
    },
    /// The store does not take the key.
    #[error(
        "read the memory store at {url}: it speaks {dialect} and refuses the key in the \
         environment variable {key_env}; correct it. Asked: {asked}"
    )]
    KeyRefused {
        /// The store's base URL.
        url: String,
        /// Its dialect.
        dialect: StoreDialect,
        /// Where the key came from.
        key_env: String,
        /// What was asked and answered.
        asked: String,
    },
    /// The store would not say what it speaks.
    #[error(
        "recognise the memory store at {url}: it answered with status {status} where its answer \
         decides; try again, or say what it speaks with `memory.dialect`. Asked: {asked}"
    )]
    Undecided {
        /// The store's base URL.
        url: String,
        /// The status.
        status: u16,
        /// What was asked and answered.
        asked: String,
    },
    /// Something bears the name of the run that is about to begin.
    #[error(
        "tell this run from what is there: the memory store at {url} already holds sessions, \
         users or canaries of run {run}; begin again, which draws another run id"
    )]
    AlreadyThere {
        /// The run.
        run: RunId,
        /// The store's base URL.
        url: String,
    },
    /// An answer that is none.
    #[error("read {what} at {url}: {source}")]
    Answer {
        /// What was asked.
        what: String,
        /// The store's base URL.
        url: String,
        /// What is wrong with it.
        #[source]
        source: DialectError,
    },
    /// A change that was not made, or not for certain.
    #[error("{what} at {url}: {source}")]
    Change {
        /// What should have been changed.
        what: String,
        /// The store's base URL.
        url: String,
        /// What is wrong with the answer.
        #[source]
        source: DialectError,
    },
    /// An answer beyond any use.
    #[error("read {what} at {url}: the answer has more than {PAGE_BYTES_MAX} bytes")]
    TooLarge {
        /// What was asked.
        what: String,
        /// The store's base URL.
        url: String,
    },
    /// A list that runs in a circle.
    #[error("read {what}: a page repeats an earlier one")]
    Repeats {
        /// What was asked.
        what: String,
    },
    /// A list without end.
    #[error("read {what}: there are more than {max} records")]
    TooMany {
        /// What was asked.
        what: String,
        /// Records that are read at most.
        max: usize,
    },
    /// Pages are missing.
    #[error("read {what}: the store announced {announced} records and gave {collected}")]
    Incomplete {
        /// What was asked.
        what: String,
        /// As announced on page 1.
        announced: u64,
        /// As counted over all pages.
        collected: u64,
    },
}

impl StoreError {
    /// Is the store out of reach, so that asking it more is no use now?
    pub fn is_gone(&self) -> bool {
        matches!(
            self,
            Self::NothingListens { .. } | Self::TimedOut { .. } | Self::Broken { .. }
        )
    }

    /// Does the store say that it cannot answer just now?
    pub(super) fn is_overload(&self) -> bool {
        if let Self::Answer {
            source: DialectError::Status { status },
            ..
        } = self
        {
            return *status == 429 || *status >= 500;
        }
        false
    }

    /// May the same read succeed in a moment? A time-out may not: its limit is the patience.
    pub(super) fn may_pass(&self) -> bool {
        self.is_overload() || matches!(self, Self::NothingListens { .. } | Self::Broken { .. })
    }
}
