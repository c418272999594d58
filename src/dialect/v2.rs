//! Zep's Community Edition 1.0 (`/api/v2`).
//!
//! Its facts cannot be listed: they can be searched, and read one at a time by an id that nobody
//! tells. So what became of uploads stays unknown.

use serde_json::json;

use super::{
    Change, Dialect, DialectError, FactPage, HttpAsk, ListPage, MessagePage, Question, Reply,
    Scheme, SessionRecord, UserRecord, path, rows,
};
use crate::model::StoreDialect;

/// Zep `v2`.
#[derive(Debug)]
pub struct V2;

impl Dialect for V2 {
    fn kind(&self) -> StoreDialect {
        StoreDialect::V2
    }

    fn scheme(&self) -> Scheme {
        Scheme::ApiKey
    }

    fn lists_facts(&self) -> bool {
        false
    }

    fn refuses_unknown_users(&self) -> bool {
        true
    }

    /// Sessions and users are walked by their row numbers: the lists in pages have an order
    /// without a tie-breaker.
    fn ask(&self, question: &Question<'_>) -> HttpAsk {
        match *question {
            Question::Sessions { limit, from } => rows::list("/api/v2/sessions", limit, from),
            Question::Messages {
                session,
                limit,
                page,
            } => {
                let session = path::for_two_decodings(session);
                rows::messages(&format!("/api/v2/sessions/{session}/messages"), limit, page)
            }
            Question::Users { limit, from } => rows::list("/api/v2/users", limit, from),
            Question::User { user } => {
                HttpAsk::get(format!("/api/v2/users/{}", path::for_two_decodings(user)))
            }
            // There is no such route; who asks all the same is told so by the server.
            Question::Facts { user, .. } => HttpAsk::get(format!(
                "/api/v2/users/{}/facts",
                path::for_two_decodings(user)
            )),
        }
    }

    fn change(&self, change: &Change<'_>) -> Option<HttpAsk> {
        Some(match *change {
            Change::CreateUser { user } => {
                HttpAsk::post("/api/v2/users".to_owned(), json!({"user_id": user}))
            }
            Change::DeleteSession { session } => {
                let session = path::for_two_decodings(session);
                HttpAsk::delete(format!("/api/v2/sessions/{session}/memory"))
            }
            Change::DeleteUser { user } => {
                let user = path::for_two_decodings(user);
                HttpAsk::delete(format!("/api/v2/users/{user}"))
            }
            Change::DeleteFact { fact } => {
                HttpAsk::delete(format!("/api/v2/facts/{}", path::strict(fact)))
            }
        })
    }

    fn can_address(&self, id: &str) -> bool {
        path::is_segment(id)
    }

    fn read_sessions(&self, reply: &Reply<'_>) -> Result<ListPage<SessionRecord>, DialectError> {
        rows::read_sessions(reply)
    }

    fn read_messages(&self, reply: &Reply<'_>) -> Result<MessagePage, DialectError> {
        rows::read_messages(reply)
    }

    fn read_users(&self, reply: &Reply<'_>) -> Result<ListPage<UserRecord>, DialectError> {
        rows::read_users(reply)
    }

    fn read_facts(&self, reply: &Reply<'_>) -> Result<FactPage, DialectError> {
        // Whatever it is, it is no list of facts.
        Err(DialectError::Status {
            status: reply.status,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dialect::{Changed, ListPlace, Method, PageNumber, RowCursor};

    fn reply(status: u16, body: &str) -> Reply<'_> {
        Reply {
            status,
            body: body.as_bytes(),
        }
    }

    #[test]
    fn questions_become_paths() {
        let from = ListPlace {
            after: RowCursor(41),
            page: PageNumber::FIRST,
        };
        for (question, path) in [
            (
                Question::Sessions { limit: 500, from },
                "/api/v2/sessions?limit=500&cursor=41",
            ),
            (
                Question::Users { limit: 0, from },
                "/api/v2/users?limit=1&cursor=41",
            ),
            (Question::User { user: "a%b" }, "/api/v2/users/a%2525b"),
            (
                Question::Messages {
                    session: "a/b",
                    limit: 9,
                    page: PageNumber::FIRST.next(),
                },
                "/api/v2/sessions/a%2Fb/messages?limit=9&cursor=2",
            ),
        ] {
            assert_eq!(V2.ask(&question), HttpAsk::get(path.to_owned()));
        }
    }

    #[test]
    fn what_it_lists_is_read_and_empty_lists_are_empty() {
        let sessions = r#"[{"uuid":"0b","id":41,"created_at":"2024-05-01T10:00:00Z",
            "updated_at":"0001-01-01T00:00:00Z","deleted_at":null,"ended_at":null,
            "session_id":"s1","metadata":null,"user_id":"u1",
            "project_uuid":"00000000-0000-0000-0000-000000000000"}]"#;
        let read = V2.read_sessions(&reply(200, sessions)).unwrap();
        assert_eq!((read.records[0].row, read.total), (41, None));
        assert_eq!(read.records[0].owner.as_deref(), Some("u1"));
        let page = r#"{"messages":[{"uuid":"m1","role":"anna","role_type":"user","content":"x",
            "metadata":{},"token_count":0}],"total_count":7,"row_count":1}"#;
        let read = V2.read_messages(&reply(200, page)).unwrap();
        assert_eq!(read.total_count, Some(7));
        assert_eq!(read.messages[0].role, crate::model::Role::User);
        // A session that nobody knows: not an error, and no proof of a loss.
        let nobody = r#"{"messages":[],"total_count":0,"row_count":0}"#;
        let read = V2.read_messages(&reply(200, nobody)).unwrap();
        assert_eq!((read.messages.len(), read.total_count), (0, Some(0)));
        let users = r#"[{"uuid":"x","id":7,"user_id":"u7","project_uuid":"0","session_count":2}]"#;
        assert_eq!(
            V2.read_users(&reply(200, users)).unwrap().records[0].id,
            "u7"
        );
        assert!(V2.read_users(&reply(200, "[]")).unwrap().records.is_empty());
    }

    #[test]
    fn what_is_no_answer_is_refused() {
        // The page of the ordered list, a body of two documents, errors in JSON and in text.
        let ordered = r#"{"sessions":[],"total_count":0,"response_count":0}"#;
        assert!(V2.read_sessions(&reply(200, ordered)).is_err());
        let twice = "[]\n{\"message\":\"OK\"}\n";
        assert!(matches!(
            V2.read_sessions(&reply(200, twice)),
            Err(DialectError::TrailingData { .. })
        ));
        for (status, body) in [
            (401, "unauthorized"),
            (500, r#"{"message":"oh"}"#),
            (429, ""),
        ] {
            let error = Err(DialectError::Status { status });
            assert_eq!(V2.read_messages(&reply(status, body)), error);
        }
        // Facts are never a list, so an empty one would be a silent pass.
        assert!(!V2.lists_facts());
        assert!(V2.read_facts(&reply(200, "[]")).is_err());
    }

    #[test]
    fn a_change_is_decided_by_its_status() {
        let delete = Change::DeleteFact { fact: "f1" };
        let ask = V2.change(&delete).unwrap();
        assert_eq!(ask.method, Method::Delete);
        assert_eq!(ask.path_and_query, "/api/v2/facts/f1");
        // A success with an empty body, one with JSON, one with two documents behind a 201.
        for (status, body, expected) in [
            (200, "", Ok(Changed::Done)),
            (200, r#"{"message":"OK"}"#, Ok(Changed::Done)),
            (201, "{}{}", Ok(Changed::Done)),
            (404, r#"{"message":"not found"}"#, Ok(Changed::AlreadySo)),
            (
                500,
                r#"{"message":"graph"}"#,
                Err(DialectError::Status { status: 500 }),
            ),
        ] {
            assert_eq!(V2.read_change(&delete, &reply(status, body)), expected);
        }
    }
}
