//! The lists that `v1` and `v2` share: bare arrays of rows with a number, and pages of messages.

use std::borrow::Cow;

use serde::Deserialize;

use super::body::{check_count, document, named, role};
use super::{
    DialectError, HttpAsk, ListPage, ListPlace, MessagePage, MessageRecord, PageNumber, Reply,
    SessionRecord, UserRecord,
};

pub(super) const SESSIONS: &str = "an array of sessions";
pub(super) const MESSAGES: &str = "a page of messages";
pub(super) const USERS: &str = "an array of users";

#[derive(Deserialize)]
struct RawSession {
    id: i64,
    session_id: String,
    /// Always present: a list without it is another API's, and says nothing about owners.
    #[serde(deserialize_with = "Option::deserialize")]
    user_id: Option<String>,
}

#[derive(Deserialize)]
struct RawMessages<'a> {
    #[serde(borrow)]
    messages: Vec<RawMessage<'a>>,
    total_count: u64,
    row_count: u64,
}

#[derive(Deserialize)]
struct RawMessage<'a> {
    uuid: String,
    #[serde(default, borrow)]
    role_type: Option<Text<'a>>,
    #[serde(default, borrow)]
    role: Option<Text<'a>>,
    content: String,
}

/// A text that stays where it is in the page, if it can: an `Option` of a plain `Cow` never does.
#[derive(Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

fn text_of<'t>(text: Option<&'t Text<'_>>) -> Option<&'t str> {
    text.map(|text| text.0.as_ref())
}

#[derive(Deserialize)]
struct RawUser {
    id: i64,
    user_id: String,
}

/// The request for a page of a list that goes on behind a row. A limit of 0 would mean
/// everything.
pub(super) fn list(path: &str, limit: u32, from: ListPlace) -> HttpAsk {
    HttpAsk::get(format!(
        "{path}?limit={}&cursor={}",
        limit.max(1),
        from.after.0
    ))
}

/// The request for a page of messages. Here the cursor is a page's number.
pub(super) fn messages(path: &str, limit: u32, page: PageNumber) -> HttpAsk {
    HttpAsk::get(format!(
        "{path}?limit={}&cursor={}",
        limit.max(1),
        page.get()
    ))
}

pub(super) fn read_sessions(reply: &Reply<'_>) -> Result<ListPage<SessionRecord>, DialectError> {
    let sessions: Vec<RawSession> = document(reply, SESSIONS)?;
    Ok(ListPage::of_rows(sessions.into_iter().map(|raw| {
        SessionRecord {
            row: raw.id,
            id: raw.session_id,
            owner: named(raw.user_id),
        }
    })))
}

pub(super) fn read_messages(reply: &Reply<'_>) -> Result<MessagePage, DialectError> {
    let page: RawMessages<'_> = document(reply, MESSAGES)?;
    check_count(page.row_count, page.messages.len())?;
    let messages = page.messages.into_iter().map(|raw| MessageRecord {
        id: raw.uuid,
        role: role(text_of(raw.role_type.as_ref()), text_of(raw.role.as_ref())),
        owner: None,
        body: raw.content,
    });
    Ok(MessagePage {
        messages: messages.collect(),
        total_count: Some(page.total_count),
    })
}

pub(super) fn read_users(reply: &Reply<'_>) -> Result<ListPage<UserRecord>, DialectError> {
    let users: Vec<RawUser> = document(reply, USERS)?;
    Ok(ListPage::of_rows(users.into_iter().map(|raw| UserRecord {
        row: raw.id,
        id: raw.user_id,
    })))
}
