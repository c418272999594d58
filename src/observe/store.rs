//! One question to the store, and who the store is.

use std::error::Error;
use std::fmt;
use std::io;
use std::time::Duration;

use reqwest::{Client, Response};
use url::Url;

use super::error::StoreError;
use crate::dialect::{
    self, Deletion, Dialect, DialectError, HttpAsk, Method, PROBE_ID, PageNumber, Question,
    Recognition, Reply, RowCursor,
};
use crate::model::limits::PAGE_BYTES_MAX;
use crate::scenario::Memory;

/// How often a read is tried before it counts as failed. Reads only: a deletion is tried once.
const READ_TRIES: u32 = 3;
/// Pause between two tries of one read.
const READ_RETRY_PAUSE: Duration = Duration::from_millis(250);
/// Time limit for opening a connection, where the limit of a read is not shorter.
const CONNECT_TIMEOUT_MAX: Duration = Duration::from_secs(10);

/// A store that can be read back. Copies share their connections.
#[derive(Clone)]
pub struct StoreClient {
    http: Client,
    base: String,
    dialect: &'static dyn Dialect,
    can_list_facts: bool,
    read_timeout: Duration,
    read_concurrency: usize,
}

/// Without the base URL as it was given: it may hold a password.
impl fmt::Debug for StoreClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StoreClient")
            .field("url", &self.shown_url())
            .field("dialect", &self.dialect)
            .field("can_list_facts", &self.can_list_facts)
            .finish_non_exhaustive()
    }
}

impl StoreClient {
    /// Finds out, by reading only, whether a store is there and what it speaks.
    ///
    /// # Errors
    /// Nothing listens at `url`, or no store that can be read; the message says what to mend.
    pub async fn connect(url: &Url, memory: &Memory) -> Result<Self, StoreError> {
        let read_timeout = memory.read_timeout;
        let read_concurrency = usize::try_from(memory.read_concurrency.max(1)).unwrap_or(1);
        let http = Client::builder()
            .retry(reqwest::retry::never())
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .connect_timeout(read_timeout.min(CONNECT_TIMEOUT_MAX))
            .timeout(read_timeout)
            .pool_max_idle_per_host(read_concurrency)
            .build()
            .map_err(StoreError::Client)?;
        let first = dialect::ALL.first().copied().unwrap_or(&dialect::V1);
        let mut client = Self {
            http,
            base: base_of(url),
            dialect: first,
            can_list_facts: false,
            read_timeout,
            read_concurrency,
        };
        client.check_health().await?;
        client.dialect = client.detect().await?;
        client.can_list_facts = client.check_routes().await?;
        Ok(client)
    }

    /// The name of the dialect that the store speaks.
    pub fn dialect_name(&self) -> &'static str {
        self.dialect.name()
    }

    /// Can the store list a user's facts? Where it cannot, what became of uploads stays unknown.
    pub fn can_list_facts(&self) -> bool {
        self.can_list_facts
    }

    /// Reads in flight at once, at least 1.
    pub(super) fn read_concurrency(&self) -> usize {
        self.read_concurrency
    }

    /// Can a record with this id be asked for at all?
    pub(super) fn can_address(&self, id: &str) -> bool {
        self.dialect.can_address(id)
    }

    /// Asks a question and reads the answer; tries again where that may help.
    ///
    /// # Errors
    /// No try gave a readable answer.
    pub(super) async fn ask<T>(
        &self,
        question: &Question<'_>,
        read: fn(&'static dyn Dialect, &Reply<'_>) -> Result<T, DialectError>,
    ) -> Result<T, StoreError> {
        let mut tries_left = READ_TRIES;
        loop {
            tries_left = tries_left.saturating_sub(1);
            match self.ask_once(question, read).await {
                Err(error) if tries_left > 0 && error.may_pass() => {
                    tokio::time::sleep(READ_RETRY_PAUSE).await;
                }
                done => return done,
            }
        }
    }

    /// Asks once for a deletion. A record that is gone already counts as deleted; what really
    /// became of it, only reading tells. `false` where this dialect deletes no such record.
    ///
    /// # Errors
    /// No answer, or one of another status.
    pub(super) async fn delete(&self, record: &Deletion<'_>) -> Result<bool, StoreError> {
        let Some(ask) = self.dialect.delete(record) else {
            return Ok(false);
        };
        match self.send(record, ask).await?.0 {
            200..=299 | 404 => Ok(true),
            status => Err(StoreError::Answer {
                what: record.to_string(),
                url: self.shown_url(),
                source: DialectError::Status { status },
            }),
        }
    }

    async fn ask_once<T>(
        &self,
        question: &Question<'_>,
        read: fn(&'static dyn Dialect, &Reply<'_>) -> Result<T, DialectError>,
    ) -> Result<T, StoreError> {
        let (status, body) = self.send(question, self.dialect.ask(question)).await?;
        let reply = Reply {
            status,
            body: &body,
        };
        read(self.dialect, &reply).map_err(|source| StoreError::Answer {
            what: question.to_string(),
            url: self.shown_url(),
            source,
        })
    }

    async fn send(
        &self,
        question: &(dyn fmt::Display + Sync),
        ask: HttpAsk,
    ) -> Result<(u16, Vec<u8>), StoreError> {
        let address = format!("{}{}", self.base, ask.path_and_query);
        let request = match ask.method {
            Method::Get => self.http.get(address),
            Method::Post => self.http.post(address),
            Method::Delete => self.http.delete(address),
        };
        let request = match ask.body {
            Some(json) => request
                .header("content-type", "application/json")
                .body(json),
            None => request,
        };
        let reply = request
            .send()
            .await
            .map_err(|error| self.failed(question, error))?;
        let status = reply.status().as_u16();
        let body = self.body(question, reply).await?;
        Ok((status, body))
    }

    async fn body(
        &self,
        question: &(dyn fmt::Display + Sync),
        mut reply: Response,
    ) -> Result<Vec<u8>, StoreError> {
        let mut body = Vec::new();
        while let Some(bytes) = reply
            .chunk()
            .await
            .map_err(|error| self.failed(question, error))?
        {
            if body.len() + bytes.len() > PAGE_BYTES_MAX {
                return Err(StoreError::TooLarge {
                    what: question.to_string(),
                    url: self.shown_url(),
                });
            }
            body.extend_from_slice(&bytes);
        }
        Ok(body)
    }

    fn failed(&self, question: &(dyn fmt::Display + Sync), error: reqwest::Error) -> StoreError {
        let url = self.shown_url();
        let what = question.to_string();
        if error.is_timeout() {
            let limit = self.read_timeout;
            StoreError::TimedOut { what, url, limit }
        } else if is_refused(&error) {
            StoreError::NothingListens { url }
        } else {
            let source = error.without_url();
            StoreError::Broken { what, url, source }
        }
    }

    /// The base URL as it may be shown: without user name, password and query.
    pub(super) fn shown_url(&self) -> String {
        let Ok(mut url) = Url::parse(&self.base) else {
            return "an unreadable URL".to_owned();
        };
        let hidden = url.set_username("").and_then(|()| url.set_password(None));
        url.set_query(None);
        hidden.map_or_else(|()| "the given URL".to_owned(), |()| url.to_string())
    }

    async fn check_health(&self) -> Result<(), StoreError> {
        let question = Question::Health;
        let (status, body) = self.send(&question, self.dialect.ask(&question)).await?;
        let reply = Reply {
            status,
            body: &body,
        };
        if self.dialect.read_health(&reply) {
            return Ok(());
        }
        let url = self.shown_url();
        Err(StoreError::NotHealthy { url, status })
    }

    async fn detect(&self) -> Result<&'static dyn Dialect, StoreError> {
        let question = Question::Sessions {
            limit: 1,
            after: RowCursor::START,
        };
        for dialect in dialect::ALL.iter().copied() {
            let (status, body) = self.send(&question, dialect.ask(&question)).await?;
            let reply = Reply {
                status,
                body: &body,
            };
            match dialect.recognise(&reply) {
                Recognition::Yes => return Ok(dialect),
                Recognition::NeedsCredential => {
                    return Err(StoreError::NeedsCredential {
                        url: self.shown_url(),
                        dialect: dialect.name(),
                    });
                }
                Recognition::No => {}
            }
        }
        Err(self.unknown_dialect())
    }

    /// Checks that messages can be listed (older servers cannot), and whether facts can.
    async fn check_routes(&self) -> Result<bool, StoreError> {
        let messages = Question::Messages {
            session: PROBE_ID,
            limit: 1,
            page: PageNumber::FIRST,
        };
        if !is_present(self.ask(&messages, <dyn Dialect>::read_messages).await)? {
            return Err(self.unknown_dialect());
        }
        let facts = Question::Facts {
            user: PROBE_ID,
            limit: 1,
        };
        is_present(self.ask(&facts, <dyn Dialect>::read_facts).await)
    }

    fn unknown_dialect(&self) -> StoreError {
        let names: Vec<_> = dialect::ALL.iter().map(|d| d.name()).collect();
        StoreError::UnknownDialect {
            url: self.shown_url(),
            known: names.join(", "),
        }
    }
}

/// The base URL as text to which paths can be added.
fn base_of(url: &Url) -> String {
    let mut base = url.clone();
    base.set_query(None);
    base.set_fragment(None);
    base.as_str().trim_end_matches('/').to_owned()
}

/// Does the store have the route that was asked? A page of another kind is no such route.
fn is_present<T>(answer: Result<T, StoreError>) -> Result<bool, StoreError> {
    match answer {
        Ok(_) => Ok(true),
        Err(StoreError::Answer {
            source:
                DialectError::Status { status: 404 | 405 }
                | DialectError::Malformed { .. }
                | DialectError::TrailingData { .. },
            ..
        }) => Ok(false),
        Err(error) => Err(error),
    }
}

fn is_refused(error: &reqwest::Error) -> bool {
    let mut cause: Option<&(dyn Error + 'static)> = error.source();
    while let Some(inner) = cause {
        if let Some(io) = inner.downcast_ref::<io::Error>()
            && io.kind() == io::ErrorKind::ConnectionRefused
        {
            return true;
        }
        cause = inner.source();
    }
    false
}

#[cfg(test)]
mod tests {
    use super::super::fake::{Content, FakeStore, Quirk, context, turn};
    use super::*;

    async fn connect(quirks: &[Quirk]) -> Result<StoreClient, StoreError> {
        let store = FakeStore::start(Content {
            quirks: quirks.to_vec(),
            ..Content::default()
        });
        StoreClient::connect(&store.url, &context().scenario.memory).await
    }

    #[tokio::test]
    async fn a_store_is_recognised_by_reading() {
        let store = connect(&[]).await.unwrap();
        assert_eq!(
            (store.dialect_name(), store.can_list_facts()),
            ("v1-engram", true)
        );
        let store = connect(&[Quirk::WithoutFacts]).await.unwrap();
        assert!(!store.can_list_facts());
    }

    #[tokio::test]
    async fn what_cannot_be_read_is_said_with_its_remedy() {
        for (quirk, said) in [
            (Quirk::NotHealthy, "is it a Zep server"),
            (Quirk::WithoutSessions, "it speaks none of v1-engram"),
            (Quirk::WithoutMessages, "version 0.21 or later"),
            (Quirk::WantsCredential, "turn its authentication off"),
        ] {
            let error = connect(&[quirk]).await.unwrap_err();
            assert!(!error.is_gone());
            assert!(error.to_string().contains(said), "{error}");
        }
    }

    #[tokio::test]
    async fn nothing_listening_is_told_apart_from_a_slow_store() {
        let memory = context().scenario.memory.clone();
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = free.local_addr().unwrap().port();
        drop(free);
        let url = Url::parse(&format!(
            "http://user:secret@127.0.0.1:{port}/zep?key=secret"
        ))
        .unwrap();
        let error = StoreClient::connect(&url, &memory).await.unwrap_err();
        assert!(
            matches!(error, StoreError::NothingListens { .. }),
            "{error:?}"
        );
        assert!(error.is_gone());
        assert!(
            !format!("{error} {error:?}").contains("secret"),
            "{error:?}"
        );

        let store = FakeStore::start(Content {
            sessions: vec![turn(0, 0)],
            quirks: vec![Quirk::Frozen],
            ..Content::default()
        });
        let memory = Memory {
            read_timeout: Duration::from_millis(100),
            ..memory
        };
        let error = StoreClient::connect(&store.url, &memory).await.unwrap_err();
        assert!(matches!(error, StoreError::TimedOut { .. }), "{error:?}");
    }
}
