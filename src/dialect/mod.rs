//! Store APIs, one file each, without any input or output of their own.
//!
//! A [`Dialect`] turns a question into the parts of a request, and the bytes of a reply into
//! records. Who sends the request, how long it may take and what is done about a failure is not
//! known here, so recorded bytes are all that a test needs. Besides asking, a dialect can say how a
//! record is deleted; it never writes one.

#[cfg(test)]
mod fuzz;
mod v1;

use std::fmt;

use crate::model::{Role, RunId};

pub use v1::V1;

/// All dialects, in the order in which a store is tried for them.
pub const ALL: &[&dyn Dialect] = &[&V1];

/// The name of a session and of a user that no store holds, for detection by reading.
pub const PROBE_ID: &str = "cw-probe-nobody";

/// One store API.
pub trait Dialect: fmt::Debug + Sync {
    /// The name used in files and reports.
    fn name(&self) -> &'static str;

    /// The request that asks a question.
    fn ask(&self, question: &Question<'_>) -> HttpAsk;

    /// The request that deletes a record with all that hangs on it; `None` where this API has none.
    /// Only a later reading tells what it did.
    fn delete(&self, _record: &Deletion<'_>) -> Option<HttpAsk> {
        None
    }

    /// Can a record with this id be asked for by path at all?
    fn can_address(&self, id: &str) -> bool;

    /// Does the reply to [`Question::Health`] come from a store that is alive?
    fn read_health(&self, reply: &Reply<'_>) -> bool;

    /// Does the reply to [`Question::Sessions`], asked without credentials, come from a store
    /// that speaks this dialect?
    fn recognise(&self, reply: &Reply<'_>) -> Recognition;

    /// The sessions in the reply to [`Question::Sessions`].
    ///
    /// # Errors
    /// The reply is not a page of sessions.
    fn read_sessions(&self, reply: &Reply<'_>) -> Result<Vec<SessionRecord>, DialectError>;

    /// The messages in the reply to [`Question::Messages`].
    ///
    /// # Errors
    /// The reply is not a page of messages.
    fn read_messages(&self, reply: &Reply<'_>) -> Result<MessagePage, DialectError>;

    /// The users in the reply to [`Question::Users`].
    ///
    /// # Errors
    /// The reply is not a page of users.
    fn read_users(&self, reply: &Reply<'_>) -> Result<Vec<UserRecord>, DialectError>;

    /// The facts in the reply to [`Question::Facts`].
    ///
    /// # Errors
    /// The reply is not a list of facts.
    fn read_facts(&self, reply: &Reply<'_>) -> Result<Vec<FactRecord>, DialectError>;
}

/// What can be asked of a store. Every limit is at least 1: to some stores 0 means everything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Question<'a> {
    /// Is the store alive?
    Health,
    /// One page of all sessions, in row order.
    Sessions {
        /// Sessions on a page.
        limit: u32,
        /// The last row that was read.
        after: RowCursor,
    },
    /// One page of a session's messages, in the order of insertion.
    Messages {
        /// The session's id.
        session: &'a str,
        /// Messages on a page.
        limit: u32,
        /// Which page.
        page: PageNumber,
    },
    /// One page of all users, in row order.
    Users {
        /// Users on a page.
        limit: u32,
        /// The last row that was read.
        after: RowCursor,
    },
    /// The facts of a user, in the order of insertion. They are not paged.
    Facts {
        /// The user's id.
        user: &'a str,
        /// Facts at most.
        limit: u32,
    },
}

/// For messages that are kept: names only what synthetic users named, since other ids may be
/// those of real people.
impl fmt::Display for Question<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Health => f.write_str("health"),
            Self::Sessions { after, .. } => write!(f, "the sessions after row {}", after.0),
            Self::Messages { session, page, .. } => {
                write!(f, "page {} of ", page.get())?;
                if RunId::parse_session_name(session).is_some() {
                    write!(f, "session `{session}`")
                } else {
                    f.write_str("a session")
                }
            }
            Self::Users { after, .. } => write!(f, "the users after row {}", after.0),
            Self::Facts { .. } => f.write_str("the facts of a user"),
        }
    }
}

/// What can be deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deletion<'a> {
    /// A session with its messages, by its id.
    Session(&'a str),
    /// A user with its sessions, by its id.
    User(&'a str),
}

/// For messages that are kept: names no id, which may be a real person's.
impl fmt::Display for Deletion<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Session(_) => "the deletion of a session",
            Self::User(_) => "the deletion of a user",
        })
    }
}

/// A place in a list of sessions or users: the number of the last row read, excluded from the
/// next page. Not to be mixed up with a [`PageNumber`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct RowCursor(pub i64);

impl RowCursor {
    /// Before the first row.
    pub const START: Self = Self(0);
}

/// A place in a list of messages: the number of a page, from 1. There is no page 0: stores
/// answer it with page 1, so that a walk from 0 reads that page twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct PageNumber(u32);

impl PageNumber {
    /// The first page.
    pub const FIRST: Self = Self(1);

    /// The page after this one; the last number is its own successor.
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }

    /// The number, at least 1.
    pub fn get(self) -> u32 {
        self.0
    }
}

/// The parts of a request. The path is already percent-encoded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpAsk {
    /// The method.
    pub method: Method,
    /// Path below the store's base URL, with its query. Begins with a slash.
    pub path_and_query: String,
    /// A JSON body, for an API that reads by `POST`.
    pub body: Option<String>,
}

/// The methods that are used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// `GET`
    Get,
    /// `POST`, where an API reads by it.
    Post,
    /// `DELETE`
    Delete,
}

/// The parts of a reply that a dialect looks at. The content type is none of them: a `v1` store
/// sends its JSON as `text/plain`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reply<'a> {
    /// The status.
    pub status: u16,
    /// The whole body.
    pub body: &'a [u8],
}

/// Whether a store speaks a dialect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Recognition {
    /// It does.
    Yes,
    /// It does, but wants a credential.
    NeedsCredential,
    /// It does not.
    No,
}

/// A session as the store lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionRecord {
    /// The store's row number: the cursor of the next page.
    pub row: i64,
    /// The session's id.
    pub id: String,
    /// Its owner; `None` where the store names nobody.
    pub owner: Option<String>,
}

/// One page of messages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MessagePage {
    /// The messages, in the store's order.
    pub messages: Vec<MessageRecord>,
    /// Messages that the store announces for the whole session. True on page 1 only: behind
    /// the end it is 0.
    pub total_count: u64,
}

/// A message as the store lists it. It names neither its session nor its owner.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MessageRecord {
    /// The store's id.
    pub id: String,
    /// Who speaks.
    pub role: Role,
    /// The text.
    pub body: String,
}

/// A user as the store lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserRecord {
    /// The store's row number: the cursor of the next page.
    pub row: i64,
    /// The user's id.
    pub id: String,
}

/// A fact as the store lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FactRecord {
    /// The store's id.
    pub id: String,
    /// The owner that the fact itself names; `None` where it names none, so that the user it
    /// was asked for is its owner.
    pub owner: Option<String>,
    /// The text.
    pub body: String,
}

/// A reply that is not an answer to its question. Never quotes the body: it may be a real
/// person's text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DialectError {
    /// Not a success. The body was not looked at: it may be an HTML page.
    #[error("the store answered with status {status}")]
    Status {
        /// The status.
        status: u16,
    },
    /// The body is not the JSON that this dialect defines.
    #[error("the answer is not {expected}: {problem} at line {line}, column {column}")]
    Malformed {
        /// What it should have been.
        expected: &'static str,
        /// What is wrong with it.
        problem: &'static str,
        /// Where, from 1.
        line: usize,
        /// Where, from 1.
        column: usize,
    },
    /// More follows after the JSON document, so an error may have been written behind a page.
    #[error("the answer goes on after {expected}")]
    TrailingData {
        /// The document that is complete.
        expected: &'static str,
    },
    /// The page announces another number of records than it holds.
    #[error("the page announces {announced} records and holds {held}")]
    RowCount {
        /// As announced.
        announced: u64,
        /// As counted.
        held: u64,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn questions_name_synthetic_sessions_and_nobody_else() {
        let messages = |session| Question::Messages {
            session,
            limit: 1,
            page: PageNumber::FIRST,
        };
        for (question, shown) in [
            (
                messages("cw-0012abcd-u1-s2"),
                "page 1 of session `cw-0012abcd-u1-s2`",
            ),
            (messages("anna@example.org"), "page 1 of a session"),
            (
                Question::Facts {
                    user: "anna@example.org",
                    limit: 1,
                },
                "the facts of a user",
            ),
        ] {
            assert_eq!(question.to_string(), shown);
        }
    }

    #[test]
    fn dialects_have_names_of_their_own() {
        let mut names: Vec<_> = ALL.iter().map(|dialect| dialect.name()).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), ALL.len());
    }
}
