//! Zep's open-source API 0.2x (`/api/v1`), with the facts that Engram expects beside it.
//!
//! A store without the extension speaks it too, but for [`Question::Facts`], which it answers
//! with 404.

use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::{
    Deletion, Dialect, DialectError, FactRecord, HttpAsk, MessagePage, MessageRecord, Method,
    Question, Recognition, Reply, SessionRecord, UserRecord,
};
use crate::model::Role;

/// Zep `v1` with Engram's extension.
#[derive(Debug)]
pub struct V1;

/// What a living store answers to the health question.
const ALIVE: &[u8] = b".";

const SESSIONS: &str = "an array of sessions";
const MESSAGES: &str = "a page of messages";
const USERS: &str = "an array of users";
const FACTS: &str = "an array of facts";

impl Dialect for V1 {
    fn name(&self) -> &'static str {
        "v1-engram"
    }

    fn ask(&self, question: &Question<'_>) -> HttpAsk {
        let path_and_query = match question {
            Question::Health => "/healthz".to_owned(),
            Question::Sessions { limit, after } => {
                format!(
                    "/api/v1/sessions?limit={}&cursor={}",
                    limit.max(&1),
                    after.0
                )
            }
            Question::Messages {
                session,
                limit,
                page,
            } => format!(
                "/api/v1/sessions/{}/messages?limit={}&cursor={}",
                encode_path_id(session),
                limit.max(&1),
                page.get()
            ),
            Question::Users { limit, after } => {
                format!("/api/v1/user?limit={}&cursor={}", limit.max(&1), after.0)
            }
            Question::Facts { user, limit } => format!(
                "/api/v1/users/{}/facts?limit={}",
                encode_path_id(user),
                limit.max(&1)
            ),
        };
        HttpAsk {
            method: Method::Get,
            path_and_query,
            body: None,
        }
    }

    /// The deletion of a session is soft: its id stays taken until the server purges it. That of a
    /// user takes its sessions along, for good.
    fn delete(&self, record: &Deletion<'_>) -> Option<HttpAsk> {
        let path_and_query = match record {
            Deletion::Session(id) => format!("/api/v1/sessions/{}/memory", encode_path_id(id)),
            Deletion::User(id) => format!("/api/v1/user/{}", encode_path_id(id)),
        };
        Some(HttpAsk {
            method: Method::Delete,
            path_and_query,
            body: None,
        })
    }

    /// The server never decodes an escaped slash, and a path of dots is taken for a way up.
    fn can_address(&self, id: &str) -> bool {
        !(matches!(id, "" | "." | "..") || id.contains('/'))
    }

    fn read_health(&self, reply: &Reply<'_>) -> bool {
        reply.status == 200 && reply.body.trim_ascii() == ALIVE
    }

    fn recognise(&self, reply: &Reply<'_>) -> Recognition {
        match reply.status {
            200 if self.read_sessions(reply).is_ok() => Recognition::Yes,
            401 => Recognition::NeedsCredential,
            _ => Recognition::No,
        }
    }

    fn read_sessions(&self, reply: &Reply<'_>) -> Result<Vec<SessionRecord>, DialectError> {
        let sessions: Vec<RawSession> = document(reply, SESSIONS)?;
        Ok(sessions
            .into_iter()
            .map(|raw| SessionRecord {
                row: raw.id,
                id: raw.session_id,
                owner: named(raw.user_id),
            })
            .collect())
    }

    fn read_messages(&self, reply: &Reply<'_>) -> Result<MessagePage, DialectError> {
        let page: RawMessages = document(reply, MESSAGES)?;
        let held = u64::try_from(page.messages.len()).unwrap_or(u64::MAX);
        if held != page.row_count {
            return Err(DialectError::RowCount {
                announced: page.row_count,
                held,
            });
        }
        let messages = page.messages.into_iter().map(|raw| MessageRecord {
            id: raw.uuid,
            role: role(raw.role_type.as_deref(), raw.role.as_deref()),
            body: raw.content,
        });
        Ok(MessagePage {
            messages: messages.collect(),
            total_count: page.total_count,
        })
    }

    fn read_users(&self, reply: &Reply<'_>) -> Result<Vec<UserRecord>, DialectError> {
        let users: Vec<RawUser> = document(reply, USERS)?;
        Ok(users
            .into_iter()
            .map(|raw| UserRecord {
                row: raw.id,
                id: raw.user_id,
            })
            .collect())
    }

    fn read_facts(&self, reply: &Reply<'_>) -> Result<Vec<FactRecord>, DialectError> {
        let facts: Vec<RawFact> = document(reply, FACTS)?;
        Ok(facts
            .into_iter()
            .map(|raw| FactRecord {
                id: raw.uuid,
                owner: named(raw.user_id),
                body: raw.fact,
            })
            .collect())
    }
}

#[derive(Deserialize)]
struct RawSession {
    id: i64,
    session_id: String,
    /// Always present: a list without it is another API's, and says nothing about owners.
    #[serde(deserialize_with = "Option::deserialize")]
    user_id: Option<String>,
}

#[derive(Deserialize)]
struct RawMessages {
    messages: Vec<RawMessage>,
    total_count: u64,
    row_count: u64,
}

#[derive(Deserialize)]
struct RawMessage {
    uuid: String,
    #[serde(default)]
    role_type: Option<String>,
    #[serde(default)]
    role: Option<String>,
    content: String,
}

#[derive(Deserialize)]
struct RawUser {
    id: i64,
    user_id: String,
}

#[derive(Deserialize)]
struct RawFact {
    uuid: String,
    #[serde(default)]
    user_id: Option<String>,
    fact: String,
}

/// Reads the one JSON document that a successful reply holds, whatever its content type.
fn document<T: DeserializeOwned>(
    reply: &Reply<'_>,
    expected: &'static str,
) -> Result<T, DialectError> {
    if reply.status != 200 {
        return Err(DialectError::Status {
            status: reply.status,
        });
    }
    let mut reader = serde_json::Deserializer::from_slice(reply.body);
    let value = T::deserialize(&mut reader).map_err(|error| DialectError::Malformed {
        expected,
        problem: problem(error.classify()),
        line: error.line(),
        column: error.column(),
    })?;
    reader
        .end()
        .map_err(|_| DialectError::TrailingData { expected })?;
    Ok(value)
}

/// The library's own words may quote the body, so only the kind of the error is told.
fn problem(category: serde_json::error::Category) -> &'static str {
    match category {
        serde_json::error::Category::Io => "it cannot be read",
        serde_json::error::Category::Syntax => "it is not JSON",
        serde_json::error::Category::Data => "a key is missing or of another type",
        serde_json::error::Category::Eof => "it is cut off",
    }
}

/// An owner, unless the name is blank: that names nobody.
fn named(owner: Option<String>) -> Option<String> {
    owner.filter(|name| !name.is_empty())
}

/// `role_type` where there is one, else `role`.
fn role(role_type: Option<&str>, role: Option<&str>) -> Role {
    let spoken_by = role_type
        .filter(|text| !text.is_empty())
        .or(role)
        .unwrap_or_default();
    match spoken_by {
        "user" | "human" => Role::User,
        "assistant" | "ai" => Role::Assistant,
        _ => Role::Other,
    }
}

/// Percent-encodes an id as the server itself would write it. One escape too many or too few
/// and the server decodes nothing of the whole path, so `:` and its like must stay as they are.
fn encode_path_id(id: &str) -> String {
    const HEX: [char; 16] = [
        '0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'A', 'B', 'C', 'D', 'E', 'F',
    ];
    let mut encoded = String::with_capacity(id.len());
    for byte in id.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~:@+$&=,;".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.push('%');
            encoded.push(HEX[usize::from(byte >> 4)]);
            encoded.push(HEX[usize::from(byte & 0xf)]);
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::dialect::{PageNumber, RowCursor};

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
            (Question::Health, "/healthz"),
            (
                Question::Sessions {
                    limit: 500,
                    after: RowCursor::START,
                },
                "/api/v1/sessions?limit=500&cursor=0",
            ),
            (
                Question::Users {
                    limit: 0,
                    after: RowCursor(41),
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
    fn deletions_become_paths() {
        for (record, path) in [
            (Deletion::Session("s 1"), "/api/v1/sessions/s%201/memory"),
            (Deletion::User("dev-oid-u1"), "/api/v1/user/dev-oid-u1"),
        ] {
            let ask = V1.delete(&record).unwrap();
            assert_eq!(ask.path_and_query, path);
            assert_eq!((ask.method, ask.body), (Method::Delete, None));
        }
    }

    #[test]
    fn ids_are_escaped_only_where_they_must_be() {
        for (id, encoded) in [
            ("a:b@c+d$e&f=g,h;i-._~", "a:b@c+d$e&f=g,h;i-._~"),
            ("two words", "two%20words"),
            ("grün", "gr%C3%BCn"),
            ("50%?#", "50%25%3F%23"),
            ("it's!", "it%27s%21"),
        ] {
            assert_eq!(encode_path_id(id), encoded);
            assert!(V1.can_address(id));
        }
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
        let read = V1.read_sessions(&ok(body)).unwrap();
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
        assert_eq!(V1.read_sessions(&ok("[]\n")), Ok(vec![]));
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
        assert_eq!(page.total_count, 57);
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
        assert_eq!((page.messages.len(), page.total_count), (0, 0));
    }

    #[test]
    fn users_and_facts_are_read() {
        let users = r#"[{"uuid":"x","id":7,"user_id":"u7","metadata":null,"email":""}]"#;
        let read = V1.read_users(&ok(users)).unwrap();
        assert_eq!((read[0].row, read[0].id.as_str()), (7, "u7"));
        let facts = r#"[{"uuid":"f1","fact":"likes tea","metadata":{}},
            {"uuid":"f2","fact":"likes coffee","metadata":{},"user_id":"u8"}]"#;
        let read = V1.read_facts(&ok(facts)).unwrap();
        assert_eq!(
            (read[0].id.as_str(), read[0].owner.as_deref()),
            ("f1", None)
        );
        assert_eq!(read[1].owner.as_deref(), Some("u8"));
        assert_eq!(V1.read_facts(&ok("[]")), Ok(vec![]));
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
    fn the_dialect_is_recognised_by_its_session_list() {
        for (status, body, expected) in [
            (200, "[]", Recognition::Yes),
            (200, HTML, Recognition::No),
            (200, "{}", Recognition::No),
            (401, "unauthorized", Recognition::NeedsCredential),
            (404, HTML, Recognition::No),
            (405, "", Recognition::No),
        ] {
            let reply = Reply {
                status,
                body: body.as_bytes(),
            };
            assert_eq!(V1.recognise(&reply), expected, "{status} {body}");
        }
        assert!(V1.read_health(&ok(".")));
        assert!(!V1.read_health(&ok(r#"{"status":"healthy"}"#)));
        assert!(!V1.read_health(&Reply {
            status: 503,
            body: b"."
        }));
    }

    /// What the server makes of an escaped path.
    fn decode(path: &str) -> Vec<u8> {
        let mut bytes = path.bytes();
        let mut decoded = Vec::new();
        while let Some(byte) = bytes.next() {
            if byte == b'%' {
                let digits = [bytes.next().unwrap(), bytes.next().unwrap()];
                assert!(!digits.iter().any(u8::is_ascii_lowercase));
                let digits = str::from_utf8(&digits).unwrap();
                decoded.push(u8::from_str_radix(digits, 16).unwrap());
            } else {
                decoded.push(byte);
            }
        }
        decoded
    }

    proptest! {
        #[test]
        fn every_id_survives_its_path(id in ".*") {
            let path = encode_path_id(&id);
            prop_assert!(path.is_ascii());
            prop_assert!(!path.contains(['/', '?', '#', ' ', '"']));
            prop_assert_eq!(decode(&path), id.into_bytes());
        }
    }
}
