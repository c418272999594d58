//! Zep's open-source API 0.2x (`/api/v1`), as it is and with the facts that Engram expects
//! beside it.

use serde::Deserialize;
use serde_json::json;

use super::body::{document, named};
use super::{
    Change, Dialect, DialectError, FactPage, FactRecord, HttpAsk, ListPage, MessagePage, Question,
    Reply, Scheme, SessionRecord, UserRecord, path, rows,
};
use crate::model::StoreDialect;

/// Zep `v1`.
#[derive(Debug)]
pub struct V1 {
    /// Has it Engram's extension? Without it there are no facts, a session with an unknown user is
    /// refused, and of a message's two roles one is kept.
    extended: bool,
}

/// As it is.
pub(super) const STRICT: V1 = V1 { extended: false };
/// With Engram's extension.
pub(super) const EXTENDED: V1 = V1 { extended: true };

const FACTS: &str = "an array of facts";

impl Dialect for V1 {
    fn kind(&self) -> StoreDialect {
        if self.extended {
            StoreDialect::V1Engram
        } else {
            StoreDialect::V1
        }
    }

    fn scheme(&self) -> Scheme {
        Scheme::Bearer
    }

    fn lists_facts(&self) -> bool {
        self.extended
    }

    fn refuses_unknown_users(&self) -> bool {
        !self.extended
    }

    fn ask(&self, question: &Question<'_>) -> HttpAsk {
        match *question {
            Question::Sessions { limit, from } => rows::list("/api/v1/sessions", limit, from),
            Question::Messages {
                session,
                limit,
                page,
            } => {
                let session = path::canonical(session);
                rows::messages(&format!("/api/v1/sessions/{session}/messages"), limit, page)
            }
            Question::Users { limit, from } => rows::list("/api/v1/user", limit, from),
            Question::User { user } => {
                HttpAsk::get(format!("/api/v1/user/{}", path::canonical(user)))
            }
            // The list is not paged.
            Question::Facts { user, limit, .. } => HttpAsk::get(format!(
                "/api/v1/users/{}/facts?limit={}",
                path::canonical(user),
                limit.max(1)
            )),
        }
    }

    fn change(&self, change: &Change<'_>) -> Option<HttpAsk> {
        match *change {
            Change::CreateUser { user } => Some(HttpAsk::post(
                "/api/v1/user".to_owned(),
                json!({"user_id": user}),
            )),
            Change::DeleteSession { session } => {
                let session = path::canonical(session);
                Some(HttpAsk::delete(format!(
                    "/api/v1/sessions/{session}/memory"
                )))
            }
            Change::DeleteUser { user } => {
                let user = path::canonical(user);
                Some(HttpAsk::delete(format!("/api/v1/user/{user}")))
            }
            // Facts go with their user.
            Change::DeleteFact { .. } => None,
        }
    }

    /// The server never decodes an escaped slash, and a path of dots is taken for a way up.
    fn can_address(&self, id: &str) -> bool {
        path::is_segment(id) && !id.contains('/')
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
        let facts: Vec<RawFact> = document(reply, FACTS)?;
        let facts = facts.into_iter().map(|raw| FactRecord {
            id: raw.uuid,
            owner: named(raw.user_id),
            body: raw.fact,
        });
        Ok(FactPage {
            facts: facts.collect(),
            next: None,
        })
    }
}

#[derive(Deserialize)]
struct RawFact {
    uuid: String,
    #[serde(default)]
    user_id: Option<String>,
    fact: String,
}

#[cfg(test)]
mod tests {
    use super::rows::SESSIONS;
    use super::*;
    use crate::dialect::{ALL, Changed, ListPlace, Method, PageNumber, RowCursor};
    use crate::model::Role;

    const V1: super::V1 = EXTENDED;

    const HTML: &str = "<!DOCTYPE html><html><body>Page not found</body></html>";

    fn ok(body: &str) -> Reply<'_> {
        Reply {
            status: 200,
            body: body.as_bytes(),
        }
    }

    fn malformed(expected: &'static str, problem: &'static str) -> DialectError {
        DialectError::Malformed {
            expected,
            problem,
            line: 0,
            column: 0,
        }
    }

    /// The place of an error is the library's affair.
    fn placeless(error: DialectError) -> DialectError {
        match error {
            DialectError::Malformed {
                expected, problem, ..
            } => malformed(expected, problem),
            DialectError::Status { .. }
            | DialectError::TrailingData { .. }
            | DialectError::RowCount { .. } => error,
        }
    }

    #[test]
    fn questions_become_paths() {
        for (question, path) in [
            (
                Question::Sessions {
                    limit: 500,
                    from: ListPlace::START,
                },
                "/api/v1/sessions?limit=500&cursor=0",
            ),
            (
                Question::Users {
                    limit: 0,
                    from: ListPlace {
                        after: RowCursor(41),
                        ..ListPlace::START
                    },
                },
                "/api/v1/user?limit=1&cursor=41",
            ),
            (
                Question::Messages {
                    session: "cw-0012abcd-u1-s2",
                    limit: 500,
                    page: PageNumber::FIRST.next(),
                },
                "/api/v1/sessions/cw-0012abcd-u1-s2/messages?limit=500&cursor=2",
            ),
            (
                Question::Facts {
                    user: "dev-oid-cw-0012abcd-u1",
                    limit: 9,
                    after: None,
                },
                "/api/v1/users/dev-oid-cw-0012abcd-u1/facts?limit=9",
            ),
        ] {
            let ask = V1.ask(&question);
            assert_eq!(ask.path_and_query, path);
            assert_eq!((ask.method, ask.body), (Method::Get, None));
        }
    }

    #[test]
    fn some_ids_cannot_be_asked_for() {
        assert!(V1.can_address("a:b@c"));
        for id in ["", ".", "..", "a/b"] {
            assert!(!V1.can_address(id), "{id}");
        }
    }

    #[test]
    fn sessions_are_read_with_and_without_owner() {
        let body = r#"[{"uuid":"0b6c","id":41,"created_at":"2024-05-01T10:00:00.1Z",
            "updated_at":"2024-05-01T10:00:00.1Z","deleted_at":null,"session_id":"run7-u3-s1",
            "metadata":{"k":"v"},"user_id":"run7-u3"},
            {"uuid":"0b6d","id":42,"session_id":"s2","metadata":null,"user_id":null},
            {"uuid":"0b6e","id":43,"session_id":"s3","metadata":null,"user_id":""}]"#;
        let read = V1.read_sessions(&ok(body)).unwrap().records;
        let seen: Vec<_> = read
            .iter()
            .map(|s| (s.row, s.id.as_str(), s.owner.as_deref()))
            .collect();
        assert_eq!(
            seen,
            [
                (41, "run7-u3-s1", Some("run7-u3")),
                (42, "s2", None),
                (43, "s3", None)
            ]
        );
        assert!(V1.read_sessions(&ok("[]\n")).unwrap().records.is_empty());
    }

    #[test]
    fn messages_are_read_in_order_with_the_better_role() {
        let body = r#"{"messages":[
            {"uuid":"m1","created_at":"2024-05-01T10:00:01Z","updated_at":"0001-01-01T00:00:00Z",
             "role":"user","content":"hello","metadata":{"seq":1},"token_count":0},
            {"uuid":"m2","role":"","role_type":"assistant","content":"hi","token_count":0},
            {"uuid":"m3","role":"","content":"blank","token_count":0},
            {"uuid":"m4","role":"ai","role_type":"user","content":"both","token_count":0}],
            "total_count":57,"row_count":4}"#;
        let page = V1.read_messages(&ok(body)).unwrap();
        assert_eq!(page.total_count, Some(57));
        let seen: Vec<_> = page
            .messages
            .iter()
            .map(|m| (m.id.as_str(), m.role, m.body.as_str()))
            .collect();
        assert_eq!(
            seen,
            [
                ("m1", Role::User, "hello"),
                ("m2", Role::Assistant, "hi"),
                ("m3", Role::Other, "blank"),
                ("m4", Role::User, "both"),
            ]
        );
        let unknown_session = r#"{"messages":[],"total_count":0,"row_count":0}"#;
        let page = V1.read_messages(&ok(unknown_session)).unwrap();
        assert_eq!((page.messages.len(), page.total_count), (0, Some(0)));
    }

    #[test]
    fn users_and_facts_are_read() {
        let users = r#"[{"uuid":"x","id":7,"user_id":"u7","metadata":null,"email":""}]"#;
        let read = V1.read_users(&ok(users)).unwrap().records;
        assert_eq!((read[0].row, read[0].id.as_str()), (7, "u7"));
        let facts = r#"[{"uuid":"f1","fact":"likes tea","metadata":{}},
            {"uuid":"f2","fact":"likes coffee","metadata":{},"user_id":"u8"}]"#;
        let read = V1.read_facts(&ok(facts)).unwrap().facts;
        assert_eq!(
            (read[0].id.as_str(), read[0].owner.as_deref()),
            ("f1", None)
        );
        assert_eq!(read[1].owner.as_deref(), Some("u8"));
        assert_eq!(V1.read_facts(&ok("[]")), Ok(FactPage::default()));
    }

    #[test]
    fn what_is_no_answer_is_refused_clearly() {
        let cut = "it is cut off";
        let shape = "a key is missing or of another type";
        let no_json = "it is not JSON";
        for (body, error) in [
            (r#"[{"id":1,"session_id":"a","us"#, malformed(SESSIONS, cut)),
            ("", malformed(SESSIONS, cut)),
            ("null", malformed(SESSIONS, shape)),
            (r#"{"sessions":[]}"#, malformed(SESSIONS, shape)),
            (r#"[{"id":1,"session_id":"a"}]"#, malformed(SESSIONS, shape)),
            (
                r#"[{"id":"1","session_id":"a","user_id":null}]"#,
                malformed(SESSIONS, shape),
            ),
            ("OK", malformed(SESSIONS, no_json)),
            (HTML, malformed(SESSIONS, no_json)),
            (
                "[]{\"message\":\"oh\"}",
                DialectError::TrailingData { expected: SESSIONS },
            ),
        ] {
            let read = V1.read_sessions(&ok(body)).map_err(placeless);
            assert_eq!(read, Err(error), "{body}");
        }
        let lost_row = r#"{"messages":[],"total_count":2,"row_count":2}"#;
        assert_eq!(
            V1.read_messages(&ok(lost_row)),
            Err(DialectError::RowCount {
                announced: 2,
                held: 0
            })
        );
        assert!(V1.read_messages(&ok("[]")).is_err());
        assert!(V1.read_users(&ok(r#"[{"user_id":"u"}]"#)).is_err());
        assert!(V1.read_facts(&ok(r#"{"facts":[]}"#)).is_err());
    }

    #[test]
    fn the_body_of_an_error_is_never_parsed() {
        for status in [201, 400, 404, 405, 500] {
            for body in [HTML, "[]", "not found\n", ""] {
                let reply = Reply {
                    status,
                    body: body.as_bytes(),
                };
                let error = DialectError::Status { status };
                assert_eq!(V1.read_sessions(&reply), Err(error.clone()));
                assert_eq!(V1.read_messages(&reply), Err(error.clone()));
                assert_eq!(V1.read_users(&reply), Err(error.clone()));
                assert_eq!(V1.read_facts(&reply), Err(error));
            }
        }
    }

    #[test]
    fn an_error_never_quotes_the_body() {
        let body = r#"[{"uuid":"f","fact":{"text":"Anna's secret"}}]"#;
        let error = V1.read_facts(&ok(body)).unwrap_err().to_string();
        assert!(!error.contains("Anna"), "{error}");
        let body = r#"[{"uuid":"f","fact":"x","user_id":"Anna's secret","id":1}"#;
        let error = V1.read_sessions(&ok(body)).unwrap_err().to_string();
        assert!(!error.contains("Anna"), "{error}");
    }

    #[test]
    fn changes_become_requests_and_are_decided_by_their_status() {
        let (user, session) = ("cw-0012abcd-u1", "cw-0012abcd-u1-s2");
        let create = Change::CreateUser { user };
        let delete = Change::DeleteSession { session };
        for (change, method, path) in [
            (create, Method::Post, "/api/v1/user"),
            (
                delete,
                Method::Delete,
                "/api/v1/sessions/cw-0012abcd-u1-s2/memory",
            ),
            (
                Change::DeleteUser { user },
                Method::Delete,
                "/api/v1/user/cw-0012abcd-u1",
            ),
        ] {
            let ask = V1.change(&change).unwrap();
            assert_eq!((ask.method, ask.path_and_query.as_str()), (method, path));
        }
        let body = V1.change(&create).unwrap().body;
        assert_eq!(body.as_deref(), Some(r#"{"user_id":"cw-0012abcd-u1"}"#));
        assert_eq!(V1.change(&Change::DeleteFact { fact: "f" }), None);
        let reply = |status, body: &'static str| Reply {
            status,
            body: body.as_bytes(),
        };
        // The success of a delete is text.
        assert_eq!(
            V1.read_change(&delete, &reply(200, "OK")),
            Ok(Changed::Done)
        );
        let gone = V1.read_change(&delete, &reply(404, "not found\n"));
        assert_eq!(gone, Ok(Changed::AlreadySo));
        for status in [400, 404, 500] {
            let refused = V1.read_change(&create, &reply(status, "no\n"));
            assert_eq!(refused, Err(DialectError::Status { status }));
        }
    }

    #[test]
    fn only_the_extension_has_facts_and_takes_unknown_users() {
        let of = |dialect: &dyn Dialect| (dialect.lists_facts(), dialect.refuses_unknown_users());
        assert_eq!((of(&STRICT), of(&EXTENDED)), ((false, true), (true, false)));
        assert!(ALL.iter().all(|d| d.scheme().word().is_ascii()));
    }
}
