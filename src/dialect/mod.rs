//! Store APIs, one file each, without any input or output of their own.
//!
//! A [`Dialect`] turns a question into the parts of a request, and the bytes of a reply into
//! records. Who sends the request, how long it may take and what is done about a failure is not
//! known here, so recorded bytes are all that a test needs. What a store speaks is found out by a
//! [`Detection`], which only reads. The changes that a dialect can ask for are few: users are made
//! before a run, and what a run wrote is deleted after it.

use std::fmt;

use crate::model::{Role, RunId, StoreDialect};

mod body;
mod cloud;
mod detect;
#[cfg(test)]
mod fuzz;
mod path;
mod rows;
mod v1;
mod v2;

pub use cloud::Cloud;
pub use detect::{Detection, NotFound, Probe, Step};
pub use v1::V1;
pub use v2::V2;

/// All dialects.
pub const ALL: &[&dyn Dialect] = &[&v1::STRICT, &v1::EXTENDED, &V2, &Cloud];

/// The name of a session and of a user that no store holds, for detection by reading.
pub const PROBE_ID: &str = "cw-probe-nobody";

/// The dialect of a kind.
pub fn of(kind: StoreDialect) -> &'static dyn Dialect {
    match kind {
        StoreDialect::V1 => &v1::STRICT,
        StoreDialect::V1Engram => &v1::EXTENDED,
        StoreDialect::V2 => &V2,
        StoreDialect::Cloud => &Cloud,
    }
}

/// One store API.
pub trait Dialect: fmt::Debug + Sync {
    /// Which one it is.
    fn kind(&self) -> StoreDialect;

    /// The name used in files and reports.
    fn name(&self) -> &'static str {
        self.kind().name()
    }

    /// How a credential is sent, where the store wants one.
    fn scheme(&self) -> Scheme;

    /// Can all facts of a user be listed? Where they cannot, what became of uploads stays unknown.
    fn lists_facts(&self) -> bool;

    /// Does the store refuse to make a session for a user that it does not know?
    fn refuses_unknown_users(&self) -> bool;

    /// The request that asks a question.
    fn ask(&self, question: &Question<'_>) -> HttpAsk;

    /// The request that makes a change; `None` where this API cannot.
    fn change(&self, change: &Change<'_>) -> Option<HttpAsk>;

    /// Can a record with this id be asked for by path at all?
    fn can_address(&self, id: &str) -> bool;

    /// The sessions in the reply to [`Question::Sessions`].
    ///
    /// # Errors
    /// The reply is not a page of sessions.
    fn read_sessions(&self, reply: &Reply<'_>) -> Result<ListPage<SessionRecord>, DialectError>;

    /// The messages in the reply to [`Question::Messages`].
    ///
    /// # Errors
    /// The reply is not a page of messages.
    fn read_messages(&self, reply: &Reply<'_>) -> Result<MessagePage, DialectError>;

    /// The users in the reply to [`Question::Users`].
    ///
    /// # Errors
    /// The reply is not a page of users.
    fn read_users(&self, reply: &Reply<'_>) -> Result<ListPage<UserRecord>, DialectError>;

    /// The facts in the reply to [`Question::Facts`].
    ///
    /// # Errors
    /// The reply is not a list of facts.
    fn read_facts(&self, reply: &Reply<'_>) -> Result<FactPage, DialectError>;

    /// Does the store know the user of [`Question::User`]?
    ///
    /// # Errors
    /// The reply says neither.
    fn read_user(&self, reply: &Reply<'_>) -> Result<bool, DialectError> {
        match reply.status {
            200 => Ok(true),
            404 => Ok(false),
            status => Err(DialectError::Status { status }),
        }
    }

    /// What became of a change. Only the status decides: successes come as text, as JSON, as two
    /// documents or without a body.
    ///
    /// # Errors
    /// The store did not do it, or not for certain.
    fn read_change(&self, change: &Change<'_>, reply: &Reply<'_>) -> Result<Changed, DialectError> {
        match (change, reply.status) {
            (_, 200..=299) => Ok(Changed::Done),
            (
                Change::DeleteSession { .. }
                | Change::DeleteUser { .. }
                | Change::DeleteFact { .. },
                404,
            ) => Ok(Changed::AlreadySo),
            (_, status) => Err(DialectError::Status { status }),
        }
    }
}

/// How a credential is sent: the word before it in the header `Authorization`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scheme {
    /// `Bearer`
    Bearer,
    /// `Api-Key`
    ApiKey,
}

impl Scheme {
    /// The word.
    pub fn word(self) -> &'static str {
        match self {
            Self::Bearer => "Bearer",
            Self::ApiKey => "Api-Key",
        }
    }
}

/// What can be asked of a store. Every limit is at least 1: to some stores 0 means everything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Question<'a> {
    /// One page of all sessions, in the order in which they were made.
    Sessions {
        /// Sessions on a page.
        limit: u32,
        /// Where the page begins.
        from: ListPlace,
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
    /// One page of all users.
    Users {
        /// Users on a page.
        limit: u32,
        /// Where the page begins.
        from: ListPlace,
    },
    /// Does the store know this user?
    User {
        /// The user's id.
        user: &'a str,
    },
    /// One page of the facts of a user. A dialect without pages gives all of them, up to the
    /// limit.
    Facts {
        /// The user's id.
        user: &'a str,
        /// Facts at most.
        limit: u32,
        /// [`FactPage::next`] of the page before; `None` for the first.
        after: Option<&'a str>,
    },
}

/// What can be changed in a store. None of it is ever tried twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change<'a> {
    /// Make a user.
    CreateUser {
        /// The user's id.
        user: &'a str,
    },
    /// Delete a session with its messages.
    DeleteSession {
        /// The session's id.
        session: &'a str,
    },
    /// Delete a user, with its sessions and facts as far as the store does that.
    DeleteUser {
        /// The user's id.
        user: &'a str,
    },
    /// Delete one fact.
    DeleteFact {
        /// The fact's id.
        fact: &'a str,
    },
}

/// What became of a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Changed {
    /// It was made.
    Done,
    /// What should be deleted is not there, or what should be made is there already.
    AlreadySo,
}

/// For messages that are kept: names only what synthetic users named, since other ids may be
/// those of real people.
impl fmt::Display for Question<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sessions { from, .. } => write!(f, "{from} of the sessions"),
            Self::Messages { session, page, .. } => {
                write!(f, "page {} of ", page.get())?;
                if RunId::parse_session_name(session).is_some() {
                    write!(f, "session `{session}`")
                } else {
                    f.write_str("a session")
                }
            }
            Self::Users { from, .. } => write!(f, "{from} of the users"),
            Self::User { .. } => f.write_str("a user"),
            Self::Facts { .. } => f.write_str("the facts of a user"),
        }
    }
}

/// For messages that are kept, as above.
impl fmt::Display for Change<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (what, id, is_ours) = match *self {
            Self::CreateUser { user } => {
                ("make user", user, RunId::parse_user_name(user).is_some())
            }
            Self::DeleteUser { user } => {
                ("delete user", user, RunId::parse_user_name(user).is_some())
            }
            Self::DeleteSession { session } => {
                let is_ours = RunId::parse_session_name(session).is_some();
                ("delete session", session, is_ours)
            }
            Self::DeleteFact { fact } => ("delete fact", fact, true),
        };
        if is_ours {
            write!(f, "{what} `{id}`")
        } else {
            write!(f, "{what} of another name")
        }
    }
}

/// A place in a list of sessions or users, said in both ways; a dialect takes the one that its API
/// knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ListPlace {
    /// Behind this row.
    pub after: RowCursor,
    /// With this page.
    pub page: PageNumber,
}

impl ListPlace {
    /// The beginning.
    pub const START: Self = Self {
        after: RowCursor::START,
        page: PageNumber::FIRST,
    };
}

impl fmt::Display for ListPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "page {}", self.page.get())
    }
}

/// A page of a list of sessions or users.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListPage<T> {
    /// The records, in the store's order.
    pub records: Vec<T>,
    /// How many records the whole list has, where it is walked by page numbers; `None` where it is
    /// walked by rows, which are then numbered.
    pub total: Option<u64>,
}

impl<T> ListPage<T> {
    /// A page that goes on behind its last row.
    fn of_rows(records: impl Iterator<Item = T>) -> Self {
        Self {
            records: records.collect(),
            total: None,
        }
    }

    /// A page with a number, of a list with so many records.
    fn of_page(records: impl Iterator<Item = T>, total: u64) -> Self {
        Self {
            records: records.collect(),
            total: Some(total),
        }
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

impl HttpAsk {
    fn get(path_and_query: String) -> Self {
        Self {
            method: Method::Get,
            path_and_query,
            body: None,
        }
    }

    #[expect(
        clippy::needless_pass_by_value,
        reason = "a literal stands at every call"
    )]
    fn post(path_and_query: String, body: serde_json::Value) -> Self {
        Self {
            method: Method::Post,
            path_and_query,
            body: Some(body.to_string()),
        }
    }

    fn delete(path_and_query: String) -> Self {
        Self {
            method: Method::Delete,
            path_and_query,
            body: None,
        }
    }
}

/// The methods that are used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// `GET`
    Get,
    /// `POST`, to make something, and where an API reads by it.
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

/// A session as the store lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionRecord {
    /// The store's row number: the cursor of the next page. Without numbers, 0.
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
    /// Messages that the store announces for the whole session, where it does. True on page 1
    /// only: behind the end it is 0.
    pub total_count: Option<u64>,
}

/// A message as the store lists it. It does not name its session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MessageRecord {
    /// The store's id.
    pub id: String,
    /// Who speaks.
    pub role: Role,
    /// The owner that comes with the messages; `None` where none does, so that the session's is
    /// theirs.
    pub owner: Option<String>,
    /// The text.
    pub body: String,
}

/// A user as the store lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserRecord {
    /// The store's row number: the cursor of the next page. Without numbers, 0.
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

/// Facts of a user.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct FactPage {
    /// The facts, in the store's order.
    pub facts: Vec<FactRecord>,
    /// What the next page is asked for with; `None` behind the last one.
    pub next: Option<String>,
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
                    after: None,
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
        assert!(
            StoreDialect::ALL
                .into_iter()
                .all(|kind| of(kind).kind() == kind)
        );
    }
}
