//! One question to the store, and who the store is.

use std::error::Error;
use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, RETRY_AFTER};
use reqwest::{Client, Response};
use url::Url;

use super::detect;
use super::error::StoreError;
use crate::auth::Secret;
use crate::dialect::{
    Change, Changed, Dialect, DialectError, HttpAsk, Method, Question, Reply, Scheme,
};
use crate::model::StoreDialect;
use crate::model::limits::PAGE_BYTES_MAX;
use crate::scenario::Memory;

/// How often a read is tried before it counts as failed. Reads only: a change is tried once.
const READ_TRIES: u32 = 3;
/// Pause between two tries of one read.
const READ_RETRY_PAUSE: Duration = Duration::from_millis(250);
/// Longest pause before a read that the store asks to be put off.
const RETRY_AFTER_MAX: Duration = Duration::from_mins(1);
/// Time limit for opening a connection, where the limit of a read is not shorter.
const CONNECT_TIMEOUT_MAX: Duration = Duration::from_secs(10);

/// A store that can be read back. Copies share their connections.
#[derive(Clone)]
pub struct StoreClient {
    wire: StoreWire,
    dialect: &'static dyn Dialect,
    evidence: Arc<[String]>,
    pace: Duration,
}

/// Without the base URL as it was given: it may hold a password.
impl fmt::Debug for StoreClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StoreClient")
            .field("url", &self.wire.shown_url())
            .field("dialect", &self.dialect)
            .finish_non_exhaustive()
    }
}

/// How a store is reached, whatever it speaks.
#[derive(Clone)]
pub(super) struct StoreWire {
    http: Client,
    base: String,
    /// Goes with every request once the store has asked for it.
    credential: Option<(Scheme, Secret)>,
    read_timeout: Duration,
    read_concurrency: usize,
}

/// An answer as it came.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) body: Vec<u8>,
    /// How long the store wants to be left alone.
    retry_after: Option<Duration>,
}

impl Answer {
    pub(super) fn reply(&self) -> Reply<'_> {
        Reply {
            status: self.status,
            body: &self.body,
        }
    }
}

/// The key of a store that wants one.
#[derive(Debug, Clone, Default)]
pub enum StoreKey {
    /// There is none.
    #[default]
    None,
    /// The user gave this one.
    Given(Secret),
    /// The one that the lab takes, which is no secret.
    Lab,
}

impl StoreClient {
    /// Finds out, by reading only, whether a store is there and what it speaks. The key is sent
    /// only to a store that has asked for one.
    ///
    /// # Errors
    /// Nothing listens at `url`, or no store that can be read; the message says what was asked,
    /// what was answered, and what to mend.
    pub async fn connect(url: &Url, key: &StoreKey, memory: &Memory) -> Result<Self, StoreError> {
        let mut wire = StoreWire::new(url, memory)?;
        let found = detect::detect(&wire, key, memory).await?;
        wire.credential = found.credential;
        Ok(Self {
            wire,
            dialect: found.dialect,
            evidence: found.evidence.into(),
            pace: found.pace,
        })
    }

    /// What the store speaks.
    pub fn dialect(&self) -> StoreDialect {
        self.dialect.kind()
    }

    /// What was asked to find that out, and what was answered, in order: a line each, without the
    /// key and without a text of the store's.
    pub fn evidence(&self) -> &[String] {
        &self.evidence
    }

    /// How long a read took, on average, while it was found out what the store speaks.
    pub fn pace(&self) -> Duration {
        self.pace
    }

    /// The name of the dialect that the store speaks.
    pub fn dialect_name(&self) -> &'static str {
        self.dialect.name()
    }

    /// Does the store make no session for a user that it does not know? Then such sessions have no
    /// owner, unless the users are made first.
    pub fn refuses_unknown_users(&self) -> bool {
        self.dialect.refuses_unknown_users()
    }

    /// Can the store list a user's facts? Where it cannot, what became of uploads stays unknown.
    pub fn can_list_facts(&self) -> bool {
        self.dialect.lists_facts()
    }

    /// Does the store delete a fact by its id?
    pub fn deletes_facts(&self) -> bool {
        let any = Change::DeleteFact { fact: "" };
        self.dialect.change(&any).is_some()
    }

    /// Reads in flight at once, at least 1.
    pub(super) fn read_concurrency(&self) -> usize {
        self.wire.read_concurrency
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
            let (result, retry_after) = self.ask_once(question, read).await;
            match result {
                Err(error) if tries_left > 0 && error.may_pass() => {
                    let pause = retry_after.unwrap_or(READ_RETRY_PAUSE).min(RETRY_AFTER_MAX);
                    tokio::time::sleep(pause).await;
                }
                done => return done,
            }
        }
    }

    /// Makes a change, once, whatever comes of it. What is gone already counts as deleted; what
    /// really became of it, only reading tells. `false` where this dialect makes no such change.
    ///
    /// # Errors
    /// No answer, or one of another status.
    pub(super) async fn change(&self, change: &Change<'_>) -> Result<bool, StoreError> {
        let Some(ask) = self.dialect.change(change) else {
            return Ok(false);
        };
        let answer = self.wire.send(change, ask).await?;
        match self.dialect.read_change(change, &answer.reply()) {
            Ok(Changed::Done | Changed::AlreadySo) => Ok(true),
            Err(source) => Err(StoreError::Change {
                what: change.to_string(),
                url: self.shown_url(),
                source,
            }),
        }
    }

    async fn ask_once<T>(
        &self,
        question: &Question<'_>,
        read: fn(&'static dyn Dialect, &Reply<'_>) -> Result<T, DialectError>,
    ) -> (Result<T, StoreError>, Option<Duration>) {
        let answer = match self.wire.send(question, self.dialect.ask(question)).await {
            Ok(answer) => answer,
            Err(error) => return (Err(error), None),
        };
        let read = read(self.dialect, &answer.reply()).map_err(|source| StoreError::Answer {
            what: question.to_string(),
            url: self.shown_url(),
            source,
        });
        (read, answer.retry_after)
    }

    /// The base URL as it may be shown: without user name, password and query.
    pub(super) fn shown_url(&self) -> String {
        self.wire.shown_url()
    }
}

impl StoreWire {
    fn new(url: &Url, memory: &Memory) -> Result<Self, StoreError> {
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
        Ok(Self {
            http,
            base: base_of(url),
            credential: None,
            read_timeout,
            read_concurrency,
        })
    }

    /// The same store, asked with a key or without.
    pub(super) fn with(&self, credential: Option<(Scheme, Secret)>) -> Self {
        Self {
            credential,
            ..self.clone()
        }
    }

    /// Sends one request, once.
    ///
    /// # Errors
    /// There was no whole answer.
    pub(super) async fn send(
        &self,
        question: &(dyn fmt::Display + Sync),
        ask: HttpAsk,
    ) -> Result<Answer, StoreError> {
        let address = format!("{}{}", self.base, ask.path_and_query);
        let mut request = match ask.method {
            Method::Get => self.http.get(address),
            Method::Post => self.http.post(address),
            Method::Delete => self.http.delete(address),
        };
        if let Some((scheme, key)) = &self.credential {
            let credential = format!("{} {}", scheme.word(), key.expose());
            request = request.header(AUTHORIZATION, credential);
        }
        if let Some(json) = ask.body {
            request = request.header(CONTENT_TYPE, "application/json").body(json);
        }
        let reply = request
            .send()
            .await
            .map_err(|error| self.failed(question, error))?;
        let retry_after = reply.headers().get(RETRY_AFTER);
        let retry_after = retry_after.and_then(|value| value.to_str().ok()?.parse().ok());
        Ok(Answer {
            status: reply.status().as_u16(),
            retry_after: retry_after.map(Duration::from_secs),
            body: self.body(question, reply).await?,
        })
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
}

/// The base URL as text to which paths can be added.
fn base_of(url: &Url) -> String {
    let mut base = url.clone();
    base.set_query(None);
    base.set_fragment(None);
    base.as_str().trim_end_matches('/').to_owned()
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
        StoreClient::connect(&store.url, &StoreKey::None, &context().scenario.memory).await
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
            (Quirk::WithoutSessions, "any of v1, v1-engram, v2, cloud"),
            (Quirk::WithoutMessages, "version 0.21 or later"),
            (Quirk::WantsCredential, "environment variable ZEP_API_KEY"),
        ] {
            let error = connect(&[quirk]).await.unwrap_err();
            assert!(!error.is_gone());
            assert!(error.to_string().contains(said), "{error}");
            // And what was asked and answered.
            assert!(
                error.to_string().contains("GET /healthz: 200 with"),
                "{error}"
            );
        }
    }

    #[tokio::test]
    async fn a_key_is_sent_to_a_store_that_asks_for_it_and_to_no_other() {
        let memory = context().scenario.memory.clone();
        let key = |key: &str| StoreKey::Given(Secret::new(key.to_owned()));
        let closed = FakeStore::start(Content {
            quirks: vec![Quirk::WantsCredential],
            ..Content::default()
        });
        let store = StoreClient::connect(&closed.url, &key("open sesame"), &memory).await;
        assert!(store.unwrap().list_sessions().await.fault.is_none());
        let error = StoreClient::connect(&closed.url, &key("wrong"), &memory).await;
        let error = error.unwrap_err().to_string();
        assert!(error.contains("refuses the key"), "{error}");
        assert!(error.contains("with the key: 401 with text"), "{error}");
        assert!(!error.contains("wrong"), "{error}");
        let error = StoreClient::connect(&closed.url, &StoreKey::Lab, &memory).await;
        let error = error.unwrap_err();
        assert!(matches!(error, StoreError::NeedsKey { .. }), "{error}");

        let open = FakeStore::start(Content::default());
        let store = StoreClient::connect(&open.url, &key("open sesame"), &memory).await;
        let store = store.unwrap();
        assert!(store.list_sessions().await.fault.is_none());
        assert!(!store.evidence().concat().contains("with the key"));
        assert_eq!(open.content().keys, 0);
    }

    #[tokio::test]
    async fn what_is_said_of_a_store_must_be_so() {
        let store = FakeStore::start(Content::default());
        for (said, listed) in [
            (StoreDialect::V1, Some(false)),
            (StoreDialect::V1Engram, Some(true)),
            (StoreDialect::V2, None),
            (StoreDialect::Cloud, None),
        ] {
            let memory = Memory {
                dialect: Some(said),
                ..context().scenario.memory.clone()
            };
            let found = StoreClient::connect(&store.url, &StoreKey::None, &memory).await;
            match (found, listed) {
                (Ok(found), Some(listed)) => assert_eq!(found.can_list_facts(), listed),
                (Err(error), None) => assert!(error.to_string().contains(said.name()), "{error}"),
                (found, _) => panic!("{said}: {found:?}"),
            }
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
        let error = StoreClient::connect(&url, &StoreKey::None, &memory)
            .await
            .unwrap_err();
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
        let error = StoreClient::connect(&store.url, &StoreKey::None, &memory)
            .await
            .unwrap_err();
        assert!(matches!(error, StoreError::TimedOut { .. }), "{error:?}");
    }
}
