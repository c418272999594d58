//! Finding out what a store speaks: which question comes next, and what follows from its answer.
//!
//! Every question is a `GET`. Whoever sends them decides nothing.

use super::{Dialect, HttpAsk, ListPlace, PROBE_ID, PageNumber, Question, Reply, Scheme, of};
use crate::model::StoreDialect;

/// What a living server answers to the health question, but for the hosted one, which has none.
const ALIVE: &[u8] = b".";

/// What is to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Probe {
    /// The request.
    pub ask: HttpAsk,
    /// How the credential goes with it; `None` for a request that must go without.
    pub credential: Option<Scheme>,
}

/// Where a detection stands.
#[derive(Debug)]
pub enum Step {
    /// This is to be asked.
    Ask(Probe),
    /// The store speaks this.
    Found(&'static dyn Dialect),
    /// It cannot be read.
    Failed(NotFound),
}

/// Why a store cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotFound {
    /// It does not answer like any store.
    NotAlive {
        /// The status of its health check.
        status: u16,
    },
    /// It is alive and speaks nothing known, or not what was asked for.
    Unknown,
    /// It is so old that messages cannot be listed.
    TooOld,
    /// It wants a credential, or another one.
    NeedsCredential {
        /// What it seems to speak.
        dialect: StoreDialect,
        /// Was the credential that was sent refused?
        refused: bool,
    },
    /// A question that decides was answered with this status.
    Undecided {
        /// The status.
        status: u16,
    },
}

/// A detection under way.
#[derive(Debug, Clone)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is one thing that an answer has told"
)]
pub struct Detection {
    wanted: Option<StoreDialect>,
    /// Is there a credential that may be sent?
    has_credential: bool,
    at: At,
    health: u16,
    is_alive: bool,
    /// Has a `v1` store asked for a credential?
    v1_is_closed: bool,
    has_facts: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum At {
    Health,
    /// The sessions of `v2` without a credential: it always refuses that.
    V2Open,
    V2,
    Cloud,
    V1Open,
    V1Closed,
    V1Facts,
    V1Messages,
    Done(Result<StoreDialect, NotFound>),
}

impl Detection {
    /// Begins. With `wanted` nothing else is looked for, but that it is there is found out all
    /// the same.
    pub fn new(wanted: Option<StoreDialect>, has_credential: bool) -> Self {
        Self {
            wanted,
            has_credential,
            at: At::Health,
            health: 0,
            is_alive: false,
            v1_is_closed: false,
            has_facts: false,
        }
    }

    /// What is to be asked, or what came out.
    pub fn step(&self) -> Step {
        let first = Question::Sessions {
            limit: 1,
            from: ListPlace::START,
        };
        let (kind, question, has_credential) = match self.at {
            At::Health => {
                return Step::Ask(Probe {
                    ask: HttpAsk::get("/healthz".to_owned()),
                    credential: None,
                });
            }
            At::Done(Ok(kind)) => return Step::Found(of(kind)),
            At::Done(Err(reason)) => return Step::Failed(reason),
            At::V2Open => (StoreDialect::V2, first, false),
            At::V2 => (StoreDialect::V2, first, self.has_credential),
            At::Cloud => (StoreDialect::Cloud, first, self.has_credential),
            At::V1Open => (StoreDialect::V1, first, false),
            At::V1Closed => (StoreDialect::V1, first, self.has_credential),
            At::V1Facts => {
                let facts = Question::Facts {
                    user: PROBE_ID,
                    limit: 1,
                    after: None,
                };
                (StoreDialect::V1Engram, facts, self.v1_is_closed)
            }
            At::V1Messages => {
                let messages = Question::Messages {
                    session: PROBE_ID,
                    limit: 1,
                    page: PageNumber::FIRST,
                };
                (StoreDialect::V1, messages, self.v1_is_closed)
            }
        };
        let dialect = of(kind);
        Step::Ask(Probe {
            ask: dialect.ask(&question),
            credential: has_credential.then(|| dialect.scheme()),
        })
    }

    /// Takes the answer to what was to be asked.
    pub fn answered(&mut self, reply: &Reply<'_>) {
        self.at = match self.at {
            At::Health => self.after_health(reply),
            At::V2Open => self.after_v2_open(reply.status, lists(StoreDialect::V2, reply)),
            At::V2 => match reply.status {
                401 => self.locked(StoreDialect::V2),
                _ if lists(StoreDialect::V2, reply) => At::Done(Ok(StoreDialect::V2)),
                // The hosted API lies at the same path and knows no such list.
                _ if self.wanted.is_none() => At::Cloud,
                _ => At::Done(Err(NotFound::Unknown)),
            },
            At::Cloud => match reply.status {
                401 | 403 => self.locked(StoreDialect::Cloud),
                _ if lists(StoreDialect::Cloud, reply) => At::Done(Ok(StoreDialect::Cloud)),
                _ => At::Done(Err(self.nothing())),
            },
            At::V1Open => match reply.status {
                401 if self.has_credential => At::V1Closed,
                401 => self.locked(StoreDialect::V1),
                _ if lists(StoreDialect::V1, reply) => At::V1Facts,
                _ => At::Done(Err(NotFound::Unknown)),
            },
            At::V1Closed => {
                self.v1_is_closed = true;
                match reply.status {
                    401 => self.locked(StoreDialect::V1),
                    _ if lists(StoreDialect::V1, reply) => At::V1Facts,
                    _ => At::Done(Err(NotFound::Unknown)),
                }
            }
            At::V1Facts => self.after_facts(reply),
            At::V1Messages => match reply.status {
                200 if of(StoreDialect::V1).read_messages(reply).is_ok() => At::Done(Ok(self.v1())),
                200 | 404 | 405 => At::Done(Err(NotFound::TooOld)),
                status => At::Done(Err(NotFound::Undecided { status })),
            },
            done @ At::Done(_) => done,
        };
    }

    fn after_health(&mut self, reply: &Reply<'_>) -> At {
        self.health = reply.status;
        self.is_alive = reply.status == 200 && reply.body.trim_ascii() == ALIVE;
        match self.wanted {
            Some(StoreDialect::Cloud) => At::Cloud,
            Some(_) if !self.is_alive => At::Done(Err(self.nothing())),
            None | Some(StoreDialect::V2) => At::V2Open,
            Some(StoreDialect::V1 | StoreDialect::V1Engram) => At::V1Open,
        }
    }

    fn after_v2_open(&self, status: u16, is_list: bool) -> At {
        match (status, self.is_alive) {
            // Whoever stands before it has opened it.
            (_, true) if is_list => At::Done(Ok(StoreDialect::V2)),
            (401, true) if self.has_credential => At::V2,
            (401, true) => self.locked(StoreDialect::V2),
            (401 | 403, false) if !self.has_credential => self.locked(StoreDialect::Cloud),
            (_, false) => At::Cloud,
            (_, true) if self.wanted.is_none() => At::V1Open,
            (_, true) => At::Done(Err(NotFound::Unknown)),
        }
    }

    /// A page of another kind, or none, is no such route.
    fn after_facts(&mut self, reply: &Reply<'_>) -> At {
        match reply.status {
            200 | 404 | 405 => {
                let facts = of(StoreDialect::V1Engram).read_facts(reply);
                self.has_facts = facts.is_ok();
            }
            401 => return self.locked(StoreDialect::V1),
            status => return At::Done(Err(NotFound::Undecided { status })),
        }
        if self.wanted == Some(StoreDialect::V1Engram) && !self.has_facts {
            return At::Done(Err(NotFound::Unknown));
        }
        At::V1Messages
    }

    fn v1(&self) -> StoreDialect {
        match self.wanted {
            Some(wanted) => wanted,
            None if self.has_facts => StoreDialect::V1Engram,
            None => StoreDialect::V1,
        }
    }

    fn locked(&self, dialect: StoreDialect) -> At {
        At::Done(Err(NotFound::NeedsCredential {
            dialect,
            refused: self.has_credential,
        }))
    }

    fn nothing(&self) -> NotFound {
        if self.is_alive {
            NotFound::Unknown
        } else {
            NotFound::NotAlive {
                status: self.health,
            }
        }
    }
}

/// Is this a page of sessions of a dialect?
fn lists(kind: StoreDialect, reply: &Reply<'_>) -> bool {
    of(kind).read_sessions(reply).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dialect::Method;

    const HTML: &str = "<!DOCTYPE html><html><body>Page not found</body></html>";
    const NO_MESSAGES: &str = r#"{"messages":[],"total_count":0,"row_count":0}"#;
    const THREADS: &str = r#"{"threads":[],"total_count":0,"response_count":0}"#;

    /// A store: what it answers to a path, with and without a credential.
    type Store = fn(&str, Option<Scheme>) -> (u16, &'static str);

    fn strict(path: &str, _: Option<Scheme>) -> (u16, &'static str) {
        match path {
            "/healthz" => (200, "."),
            "/api/v1/sessions" => (200, "[]"),
            path if path.ends_with("/messages") => (200, NO_MESSAGES),
            _ => (404, HTML),
        }
    }

    fn engram(path: &str, credential: Option<Scheme>) -> (u16, &'static str) {
        match path {
            path if path.ends_with("/facts") => (200, "[]"),
            path => strict(path, credential),
        }
    }

    fn closed(path: &str, credential: Option<Scheme>) -> (u16, &'static str) {
        match credential {
            Some(Scheme::Bearer) => engram(path, credential),
            _ if path.starts_with("/api/v1") => (401, "unauthorized\n"),
            Some(Scheme::ApiKey) | None => engram(path, credential),
        }
    }

    fn v2(path: &str, credential: Option<Scheme>) -> (u16, &'static str) {
        match (path, credential) {
            ("/healthz", _) => (200, "."),
            ("/api/v2/sessions", Some(Scheme::ApiKey)) => (200, "[]"),
            (path, Some(Scheme::ApiKey)) if path.starts_with("/api/v2") => {
                (404, "404 page not found")
            }
            (path, _) if path.starts_with("/api/v2") => (401, "unauthorized"),
            _ => (404, "404 page not found"),
        }
    }

    fn cloud(path: &str, credential: Option<Scheme>) -> (u16, &'static str) {
        match (path, credential) {
            ("/api/v2/threads", Some(Scheme::ApiKey)) => (200, THREADS),
            (path, None) if path.starts_with("/api/v2") => (401, r#"{"message":"unauthorized"}"#),
            _ => (404, r#"{"message":"not found"}"#),
        }
    }

    fn web_server(_: &str, _: Option<Scheme>) -> (u16, &'static str) {
        (200, HTML)
    }

    fn too_old(path: &str, credential: Option<Scheme>) -> (u16, &'static str) {
        match path {
            path if path.ends_with("/messages") => (404, HTML),
            path => strict(path, credential),
        }
    }

    fn overloaded(path: &str, credential: Option<Scheme>) -> (u16, &'static str) {
        match path {
            path if path.ends_with("/facts") => (503, "later"),
            path => strict(path, credential),
        }
    }

    fn mirror(path: &str, _: Option<Scheme>) -> (u16, &'static str) {
        match path {
            "/healthz" => (200, "."),
            _ => (404, HTML),
        }
    }

    /// Asks a store until something comes out.
    fn detect(
        store: Store,
        wanted: Option<StoreDialect>,
        has_credential: bool,
    ) -> Result<StoreDialect, NotFound> {
        let mut detection = Detection::new(wanted, has_credential);
        for _ in 0..9 {
            match detection.step() {
                Step::Found(dialect) => return Ok(dialect.kind()),
                Step::Failed(reason) => return Err(reason),
                Step::Ask(probe) => {
                    // Never by writing, and never with a credential that nobody gave.
                    assert_eq!((probe.ask.method, &probe.ask.body), (Method::Get, &None));
                    assert!(probe.credential.is_none() || has_credential);
                    let path = probe.ask.path_and_query.split('?').next().unwrap();
                    let (status, body) = store(path, probe.credential);
                    let body = body.as_bytes();
                    detection.answered(&Reply { status, body });
                }
            }
        }
        panic!("it does not end");
    }

    #[test]
    fn each_store_is_known_by_its_answers() {
        use StoreDialect::{Cloud, V1, V1Engram, V2};
        let locked = |dialect, refused| Err(NotFound::NeedsCredential { dialect, refused });
        for (store, has_credential, found) in [
            (strict as Store, false, Ok(V1)),
            (strict, true, Ok(V1)),
            (engram, false, Ok(V1Engram)),
            (closed, true, Ok(V1Engram)),
            (closed, false, locked(V1, false)),
            (v2, true, Ok(V2)),
            (v2, false, locked(V2, false)),
            (cloud, true, Ok(Cloud)),
            (cloud, false, locked(Cloud, false)),
            (web_server, true, Err(NotFound::NotAlive { status: 200 })),
            (too_old, false, Err(NotFound::TooOld)),
            (mirror, false, Err(NotFound::Unknown)),
            (overloaded, false, Err(NotFound::Undecided { status: 503 })),
        ] {
            assert_eq!(detect(store, None, has_credential), found);
        }
    }

    #[test]
    fn what_is_asked_for_must_be_there() {
        use StoreDialect::{Cloud, V1, V1Engram, V2};
        for (store, wanted, found) in [
            (engram as Store, V1, Ok(V1)),
            (engram, V1Engram, Ok(V1Engram)),
            (strict, V1Engram, Err(NotFound::Unknown)),
            (strict, V2, Err(NotFound::Unknown)),
            (v2, V2, Ok(V2)),
            (v2, V1, Err(NotFound::Unknown)),
            (cloud, Cloud, Ok(Cloud)),
            (cloud, V2, Err(NotFound::NotAlive { status: 404 })),
        ] {
            assert_eq!(detect(store, Some(wanted), true), found, "{wanted}");
        }
    }
}
