//! Zep's hosted API as its third generation of clients speaks it: threads and graph edges, below
//! `/api/v2`.
//!
//! There is no source to read. What is not documented is not relied on: a page may be smaller than
//! it was asked for, and a cursor of messages is taken for a page's number, which the caller must
//! find confirmed by the announced total.

use serde::Deserialize;
use serde_json::{Value, json};

use super::body::{check_count, document, named, role};
use super::{
    Change, Dialect, DialectError, FactPage, FactRecord, HttpAsk, ListPage, MessagePage,
    MessageRecord, Question, Reply, Scheme, SessionRecord, UserRecord, path,
};
use crate::model::StoreDialect;

/// Records on a page that are asked for at most: the largest that the vendor's own samples use.
const PAGE_RECORDS_MAX: u32 = 100;

const THREADS: &str = "a page of threads";
const MESSAGES: &str = "a page of messages";
const USERS: &str = "a page of users";
const EDGES: &str = "an array of edges";

/// Zep's hosted API with threads.
#[derive(Debug)]
pub struct Cloud;

#[derive(Deserialize)]
struct RawThreads {
    threads: Vec<RawThread>,
    total_count: u64,
    #[serde(default)]
    response_count: Option<u64>,
}

#[derive(Deserialize)]
struct RawThread {
    thread_id: String,
    /// Always present: a list without it says nothing about owners.
    #[serde(deserialize_with = "Option::deserialize")]
    user_id: Option<String>,
}

#[derive(Deserialize)]
struct RawMessages {
    messages: Vec<RawMessage>,
    #[serde(default)]
    total_count: Option<u64>,
    #[serde(default)]
    row_count: Option<u64>,
    #[serde(default)]
    user_id: Option<String>,
}

#[derive(Deserialize)]
struct RawMessage {
    uuid: String,
    #[serde(default)]
    role: Option<String>,
    content: String,
}

#[derive(Deserialize)]
struct RawUsers {
    users: Vec<RawUser>,
    total_count: u64,
    #[serde(default)]
    row_count: Option<u64>,
}

#[derive(Deserialize)]
struct RawUser {
    user_id: String,
}

#[derive(Deserialize)]
struct RawEdge {
    uuid: String,
    fact: String,
}

impl Dialect for Cloud {
    fn kind(&self) -> StoreDialect {
        StoreDialect::Cloud
    }

    fn scheme(&self) -> Scheme {
        Scheme::ApiKey
    }

    fn lists_facts(&self) -> bool {
        true
    }

    fn refuses_unknown_users(&self) -> bool {
        true
    }

    /// The lists of threads and of users spell their pages differently.
    fn ask(&self, question: &Question<'_>) -> HttpAsk {
        let size = |limit: u32| limit.clamp(1, PAGE_RECORDS_MAX);
        match *question {
            Question::Sessions { limit, from } => HttpAsk::get(format!(
                "/api/v2/threads?page_number={}&page_size={}&order_by=created_at&asc=true",
                from.page.get(),
                size(limit)
            )),
            Question::Messages {
                session,
                limit,
                page,
            } => HttpAsk::get(format!(
                "/api/v2/threads/{}/messages?limit={}&cursor={}",
                path::strict(session),
                size(limit),
                page.get()
            )),
            Question::Users { limit, from } => HttpAsk::get(format!(
                "/api/v2/users-ordered?pageNumber={}&pageSize={}",
                from.page.get(),
                size(limit)
            )),
            Question::User { user } => {
                HttpAsk::get(format!("/api/v2/users/{}", path::strict(user)))
            }
            // A POST that reads.
            Question::Facts { user, limit, after } => {
                let body = match after {
                    Some(uuid) => json!({"limit": size(limit), "uuid_cursor": uuid}),
                    None => json!({"limit": size(limit)}),
                };
                let user = path::strict(user);
                HttpAsk::post(format!("/api/v2/graph/edge/user/{user}"), body)
            }
        }
    }

    fn change(&self, change: &Change<'_>) -> Option<HttpAsk> {
        Some(match *change {
            Change::CreateUser { user } => {
                HttpAsk::post("/api/v2/users".to_owned(), json!({"user_id": user}))
            }
            Change::DeleteSession { session } => {
                HttpAsk::delete(format!("/api/v2/threads/{}", path::strict(session)))
            }
            Change::DeleteUser { user } => {
                HttpAsk::delete(format!("/api/v2/users/{}", path::strict(user)))
            }
            Change::DeleteFact { fact } => {
                HttpAsk::delete(format!("/api/v2/graph/edge/{}", path::strict(fact)))
            }
        })
    }

    fn can_address(&self, id: &str) -> bool {
        path::is_segment(id)
    }

    fn read_sessions(&self, reply: &Reply<'_>) -> Result<ListPage<SessionRecord>, DialectError> {
        let page: RawThreads = document(reply, THREADS)?;
        check_count_if_told(page.response_count, page.threads.len())?;
        let threads = page.threads.into_iter().map(|raw| SessionRecord {
            row: 0,
            id: raw.thread_id,
            owner: named(raw.user_id),
        });
        Ok(ListPage::of_page(threads, page.total_count))
    }

    fn read_messages(&self, reply: &Reply<'_>) -> Result<MessagePage, DialectError> {
        let page: RawMessages = document(reply, MESSAGES)?;
        check_count_if_told(page.row_count, page.messages.len())?;
        let owner = named(page.user_id);
        let messages = page.messages.into_iter().map(|raw| MessageRecord {
            id: raw.uuid,
            role: role(None, raw.role.as_deref()),
            owner: owner.clone(),
            body: raw.content,
        });
        Ok(MessagePage {
            messages: messages.collect(),
            total_count: page.total_count,
        })
    }

    fn read_users(&self, reply: &Reply<'_>) -> Result<ListPage<UserRecord>, DialectError> {
        let page: RawUsers = document(reply, USERS)?;
        check_count_if_told(page.row_count, page.users.len())?;
        let users = page.users.into_iter().map(|raw| UserRecord {
            row: 0,
            id: raw.user_id,
        });
        Ok(ListPage::of_page(users, page.total_count))
    }

    /// An edge that is no longer valid is still there, and counts. A user whom the store does not
    /// know has none.
    fn read_facts(&self, reply: &Reply<'_>) -> Result<FactPage, DialectError> {
        if reply.status == 404 && names_what_is_not_there(reply.body) {
            return Ok(FactPage::default());
        }
        let edges: Vec<RawEdge> = document(reply, EDGES)?;
        let facts: Vec<FactRecord> = edges
            .into_iter()
            .map(|raw| FactRecord {
                id: raw.uuid,
                owner: None,
                body: raw.fact,
            })
            .collect();
        let next = facts.last().map(|fact| fact.id.clone());
        Ok(FactPage { facts, next })
    }
}

/// Does a 404 say in the store's own words that it does not know the user? Where the route itself is
/// missing, somebody else answers, and nothing is known of any fact.
fn names_what_is_not_there(body: &[u8]) -> bool {
    let answer: Value = serde_json::from_slice(body).unwrap_or_default();
    // Version 4 has an object of them.
    let words = ["/message", "/error/message", "/error/code"].map(|place| answer.pointer(place));
    let mut words = words.into_iter().flatten().filter_map(Value::as_str);
    words.any(|word| {
        word.to_ascii_lowercase()
            .replace('_', " ")
            .contains("not found")
    })
}

fn check_count_if_told(announced: Option<u64>, held: usize) -> Result<(), DialectError> {
    announced.map_or(Ok(()), |announced| check_count(announced, held))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dialect::{ListPlace, Method, PageNumber, RowCursor};
    use crate::model::Role;

    fn reply(status: u16, body: &str) -> Reply<'_> {
        Reply {
            status,
            body: body.as_bytes(),
        }
    }

    #[test]
    fn questions_become_requests_and_no_page_is_too_large() {
        let from = ListPlace {
            after: RowCursor(999),
            page: PageNumber::FIRST.next(),
        };
        for (question, path) in [
            (
                Question::Sessions { limit: 500, from },
                "/api/v2/threads?page_number=2&page_size=100&order_by=created_at&asc=true",
            ),
            (
                Question::Users { limit: 0, from },
                "/api/v2/users-ordered?pageNumber=2&pageSize=1",
            ),
            (
                Question::Messages {
                    session: "a:b",
                    limit: 20,
                    page: PageNumber::FIRST,
                },
                "/api/v2/threads/a%3Ab/messages?limit=20&cursor=1",
            ),
            (Question::User { user: "u@x" }, "/api/v2/users/u%40x"),
        ] {
            assert_eq!(Cloud.ask(&question), HttpAsk::get(path.to_owned()));
        }
        for (after, body) in [
            (None, r#"{"limit":100}"#),
            (Some("e9"), r#"{"limit":100,"uuid_cursor":"e9"}"#),
        ] {
            let ask = Cloud.ask(&Question::Facts {
                user: "u1",
                limit: 100_000,
                after,
            });
            assert_eq!(ask.method, Method::Post);
            assert_eq!(ask.path_and_query, "/api/v2/graph/edge/user/u1");
            assert_eq!(ask.body.as_deref(), Some(body));
        }
    }

    #[test]
    fn threads_and_users_are_read_with_their_totals() {
        let body = r#"{"threads":[{"uuid":"0b","thread_id":"t1","user_id":"u1",
            "project_uuid":"00000000-0000-0000-0000-000000000000","created_at":"2026-01-01T00:00:00Z"},
            {"thread_id":"t2","user_id":null}],"total_count":9,"response_count":2}"#;
        let read = Cloud.read_sessions(&reply(200, body)).unwrap();
        assert_eq!(read.total, Some(9));
        let seen: Vec<_> = read
            .records
            .iter()
            .map(|s| (s.id.as_str(), s.owner.as_deref()))
            .collect();
        assert_eq!(seen, [("t1", Some("u1")), ("t2", None)]);
        let none = r#"{"threads":[],"total_count":0,"response_count":0}"#;
        let read = Cloud.read_sessions(&reply(200, none)).unwrap();
        assert_eq!((read.records.len(), read.total), (0, Some(0)));
        let users = r#"{"users":[{"user_id":"u1","email":null}],"total_count":1,"row_count":1}"#;
        assert_eq!(
            Cloud.read_users(&reply(200, users)).unwrap().records[0].id,
            "u1"
        );
    }

    #[test]
    fn messages_say_whose_they_are() {
        let body = r#"{"messages":[{"uuid":"m1","role":"user","name":"Anna","content":"hello"},
            {"uuid":"m2","role":"assistant","content":"hi","metadata":null}],
            "total_count":2,"row_count":2,"thread_created_at":"2026-01-01T00:00:00Z","user_id":"u1"}"#;
        let page = Cloud.read_messages(&reply(200, body)).unwrap();
        assert_eq!(page.total_count, Some(2));
        let seen: Vec<_> = page
            .messages
            .iter()
            .map(|m| (m.id.as_str(), m.role, m.owner.as_deref()))
            .collect();
        assert_eq!(
            seen,
            [
                ("m1", Role::User, Some("u1")),
                ("m2", Role::Assistant, Some("u1"))
            ]
        );
        // Totals are not promised: without one the walk ends with an empty page.
        let untold = r#"{"messages":[]}"#;
        let page = Cloud.read_messages(&reply(200, untold)).unwrap();
        assert_eq!((page.messages.len(), page.total_count), (0, None));
    }

    #[test]
    fn edges_go_on_behind_the_last_one_and_invalid_ones_count() {
        let body = r#"[{"uuid":"e2","fact":"likes tea","name":"LIKES","valid_at":null,
            "invalid_at":"2026-01-02T00:00:00Z","expired_at":"2026-01-02T00:00:00Z","episodes":[]},
            {"uuid":"e1","fact":"likes coffee"}]"#;
        let page = Cloud.read_facts(&reply(200, body)).unwrap();
        assert_eq!((page.facts.len(), page.next.as_deref()), (2, Some("e1")));
        for (status, body) in [
            (200, "[]"),
            (404, r#"{"message":"not found"}"#),
            (404, r#"{"error":{"code":"user_not_found"}}"#),
        ] {
            let page = Cloud.read_facts(&reply(status, body)).unwrap();
            assert_eq!((page.facts.len(), page.next), (0, None));
        }
    }

    #[test]
    fn what_is_no_answer_is_refused() {
        for body in [
            "[]",
            "OK",
            "",
            r#"{"threads":[{"thread_id":"t1"}],"total_count":1}"#,
            r#"{"threads":[]}"#,
            r#"{"threads":[],"total_count":3,"response_count":3}"#,
            r#"{"threads":[],"total_count":0}{"message":"oh"}"#,
        ] {
            assert!(Cloud.read_sessions(&reply(200, body)).is_err(), "{body}");
        }
        for status in [401, 404, 429, 500] {
            let error = Err(DialectError::Status { status });
            assert_eq!(Cloud.read_messages(&reply(status, "{}")), error);
        }
        assert!(Cloud.read_facts(&reply(200, r#"{"facts":[]}"#)).is_err());
        assert!(Cloud.read_facts(&reply(500, "[]")).is_err());
        for body in [
            "404 page not found\n",
            "",
            r#"{"detail":"Not Found"}"#,
            "[]",
        ] {
            let error = Err(DialectError::Status { status: 404 });
            assert_eq!(Cloud.read_facts(&reply(404, body)), error, "{body}");
        }
        let lost_row = r#"{"messages":[],"total_count":2,"row_count":2}"#;
        assert!(Cloud.read_messages(&reply(200, lost_row)).is_err());
    }
}
