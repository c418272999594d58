//! The records of the store as they are shown, and what they are made from.

use serde::Serialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use crate::lab::stamp::{Stamp, Uuid};

/// Metadata as a JSON object.
pub(in crate::lab) type Metadata = Map<String, Value>;

/// A session as it is shown.
#[derive(Debug, Clone, Serialize)]
pub(in crate::lab) struct Session {
    pub(in crate::lab) uuid: Uuid,
    pub(in crate::lab) id: u64,
    pub(in crate::lab) created_at: Stamp,
    pub(in crate::lab) updated_at: Stamp,
    pub(in crate::lab) deleted_at: Option<Stamp>,
    #[serde(rename = "session_id")]
    pub(in crate::lab) name: String,
    pub(in crate::lab) metadata: Option<Box<RawValue>>,
    pub(in crate::lab) user_id: Option<String>,
}

/// A message as it is shown.
#[derive(Debug, Clone, Serialize)]
pub(in crate::lab) struct Message {
    pub(in crate::lab) uuid: Uuid,
    pub(in crate::lab) created_at: Stamp,
    /// Never filled in, as in the original.
    pub(in crate::lab) updated_at: &'static str,
    pub(in crate::lab) role: String,
    /// Kept beside `role` for clients that send only this; absent if it was not sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::lab) role_type: Option<String>,
    pub(in crate::lab) content: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::lab) metadata: Option<Box<RawValue>>,
    pub(in crate::lab) token_count: i64,
}

/// A user as it is shown.
#[derive(Debug, Clone, Serialize)]
pub(in crate::lab) struct User {
    pub(in crate::lab) uuid: Uuid,
    pub(in crate::lab) id: u64,
    pub(in crate::lab) created_at: Stamp,
    pub(in crate::lab) updated_at: Stamp,
    pub(in crate::lab) deleted_at: Option<Stamp>,
    #[serde(rename = "user_id")]
    pub(in crate::lab) name: String,
    pub(in crate::lab) email: String,
    pub(in crate::lab) first_name: String,
    pub(in crate::lab) last_name: String,
    pub(in crate::lab) metadata: Option<Box<RawValue>>,
}

/// A fact as it is shown.
#[derive(Debug, Clone, Serialize)]
pub(in crate::lab) struct Fact {
    pub(in crate::lab) uuid: Uuid,
    pub(in crate::lab) created_at: Stamp,
    pub(in crate::lab) user_id: String,
    #[serde(rename = "fact")]
    pub(in crate::lab) text: String,
    pub(in crate::lab) metadata: Box<RawValue>,
}

/// A session to be made.
#[derive(Debug, Clone, Default)]
pub(in crate::lab) struct NewSession {
    pub(in crate::lab) session_id: String,
    pub(in crate::lab) user_id: Option<String>,
    pub(in crate::lab) metadata: Option<Metadata>,
}

/// A message to be appended.
#[derive(Debug, Clone, Default)]
pub(in crate::lab) struct NewMessage {
    /// Chosen by the client; `None` lets the store choose.
    pub(in crate::lab) uuid: Option<Uuid>,
    pub(in crate::lab) role: String,
    pub(in crate::lab) role_type: Option<String>,
    pub(in crate::lab) content: String,
    pub(in crate::lab) metadata: Option<Metadata>,
    pub(in crate::lab) token_count: i64,
}

/// A user to be made, or the fields of one to be changed.
#[derive(Debug, Clone, Default)]
pub(in crate::lab) struct UserFields {
    pub(in crate::lab) email: Option<String>,
    pub(in crate::lab) first_name: Option<String>,
    pub(in crate::lab) last_name: Option<String>,
    pub(in crate::lab) metadata: Option<Metadata>,
}

/// What an append did.
#[derive(Debug, Clone)]
pub(in crate::lab) struct Appended {
    /// The session did not exist: it was made, without an owner.
    pub(in crate::lab) created: bool,
    /// The owner of the session that the messages are now in.
    pub(in crate::lab) owner: Option<String>,
    /// Ids of the stored messages, in the order of the request.
    pub(in crate::lab) uuids: Vec<Uuid>,
}

/// A page of a session's messages and how many there are in all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::lab) enum MessagePage {
    /// Every message.
    All,
    /// All but the oldest.
    AllButOldest,
    /// Page `number`, counted from 1, of `limit` messages.
    Page {
        /// Messages on a page, at least 1.
        limit: usize,
        /// The page, from 1.
        number: usize,
    },
}

/// A message that holds words of a search.
#[derive(Debug, Clone)]
pub(in crate::lab) struct Hit {
    pub(in crate::lab) session_id: String,
    /// The share of the searched words that it holds, above 0 and at most 1.
    pub(in crate::lab) score: f64,
    pub(in crate::lab) message: Message,
}
