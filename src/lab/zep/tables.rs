//! The rows of the store and how they hang together. Whoever holds them holds the lock.

use std::collections::{HashMap, HashSet};

use serde_json::value::RawValue;

use super::record::{Fact, Message, Metadata, NewMessage, NewSession, Session, User, UserFields};
use super::store::StoreError;
use crate::lab::stamp::{Dice, Stamp, Uuid};

/// All rows, and where to find them.
#[derive(Debug, Default)]
pub(super) struct Tables {
    /// A session's numeric id is its place plus one; a removed session leaves a hole.
    pub(super) sessions: Vec<Option<SessionRow>>,
    pub(super) session_places: HashMap<String, usize>,
    /// A user's numeric id is its place plus one.
    pub(super) users: Vec<Option<UserRow>>,
    pub(super) user_places: HashMap<String, usize>,
    pub(super) message_uuids: HashSet<Uuid>,
}

/// A session with its messages, oldest first.
#[derive(Debug)]
pub(super) struct SessionRow {
    pub(super) session: Session,
    pub(super) deleted: bool,
    pub(super) messages: Vec<Message>,
}

/// A user with the places of its sessions and its facts, oldest first.
#[derive(Debug)]
pub(super) struct UserRow {
    pub(super) user: User,
    pub(super) session_places: Vec<usize>,
    pub(super) facts: Vec<Fact>,
}

impl Tables {
    pub(super) fn session_row(&self, session_id: &str) -> Option<&SessionRow> {
        let place = *self.session_places.get(session_id)?;
        self.sessions.get(place)?.as_ref()
    }

    pub(super) fn session_row_mut(&mut self, session_id: &str) -> Option<&mut SessionRow> {
        let place = *self.session_places.get(session_id)?;
        self.sessions.get_mut(place)?.as_mut()
    }

    pub(super) fn user_row(&self, user_id: &str) -> Option<&UserRow> {
        let place = *self.user_places.get(user_id)?;
        self.users.get(place)?.as_ref()
    }

    pub(super) fn user_row_or_new(&mut self, user_id: &str, dice: &Dice) -> &mut UserRow {
        let place = self.user_places.get(user_id).copied();
        let place = place.unwrap_or_else(|| {
            let place = self.users.len();
            self.user_places.insert(user_id.to_owned(), place);
            self.users.push(None);
            place
        });
        self.users[place].get_or_insert_with(|| {
            let now = Stamp::now();
            UserRow {
                user: User {
                    uuid: dice.uuid(),
                    id: numeric_id(place),
                    created_at: now,
                    updated_at: now,
                    deleted_at: None,
                    name: user_id.to_owned(),
                    email: String::new(),
                    first_name: String::new(),
                    last_name: String::new(),
                    metadata: None,
                },
                session_places: Vec::new(),
                facts: Vec::new(),
            }
        })
    }

    pub(super) fn add_session(&mut self, new: NewSession, dice: &Dice) -> usize {
        let place = self.sessions.len();
        if let Some(user_id) = &new.user_id {
            self.user_row_or_new(user_id, dice)
                .session_places
                .push(place);
        }
        let now = Stamp::now();
        self.session_places.insert(new.session_id.clone(), place);
        self.sessions.push(Some(SessionRow {
            session: Session {
                uuid: dice.uuid(),
                id: numeric_id(place),
                created_at: now,
                updated_at: now,
                deleted_at: None,
                name: new.session_id,
                metadata: new.metadata.as_ref().and_then(raw),
                user_id: new.user_id,
            },
            deleted: false,
            messages: Vec::new(),
        }));
        place
    }

    /// The ids for a batch of messages; none is taken if one is refused.
    pub(super) fn reserve_uuids(
        &mut self,
        messages: &[NewMessage],
        dice: &Dice,
    ) -> Result<Vec<Uuid>, StoreError> {
        let mut uuids = Vec::with_capacity(messages.len());
        for message in messages {
            let uuid = message.uuid.unwrap_or_else(|| dice.uuid());
            if !self.message_uuids.insert(uuid) {
                for taken in &uuids {
                    self.message_uuids.remove(taken);
                }
                return Err(StoreError::UuidTaken(uuid));
            }
            uuids.push(uuid);
        }
        Ok(uuids)
    }
}

pub(super) fn message(new: NewMessage, uuid: Uuid, now: Stamp) -> Message {
    Message {
        uuid,
        created_at: now,
        updated_at: "0001-01-01T00:00:00Z",
        role: new.role,
        role_type: new.role_type,
        content: clean(new.content),
        metadata: new
            .metadata
            .as_ref()
            .filter(|m| !m.is_empty())
            .and_then(raw),
        token_count: new.token_count,
    }
}

pub(super) fn change_user(user: &mut User, fields: UserFields) {
    if let Some(email) = fields.email {
        user.email = email;
    }
    if let Some(first_name) = fields.first_name {
        user.first_name = first_name;
    }
    if let Some(last_name) = fields.last_name {
        user.last_name = last_name;
    }
    if let Some(metadata) = fields.metadata {
        user.metadata = merged(user.metadata.as_deref(), metadata);
    }
}

pub(super) fn merged(old: Option<&RawValue>, added: Metadata) -> Option<Box<RawValue>> {
    let old = old.and_then(|old| serde_json::from_str::<Option<Metadata>>(old.get()).ok());
    let mut all = old.flatten().unwrap_or_default();
    all.extend(added);
    raw(&all)
}

pub(super) fn raw(metadata: &Metadata) -> Option<Box<RawValue>> {
    serde_json::value::to_raw_value(metadata).ok()
}

pub(super) fn holds_all(text: &str, words: &[String]) -> bool {
    words.is_empty() || {
        let text = text.to_lowercase();
        words.iter().all(|word| text.contains(word))
    }
}

/// The share of the words that the text holds; `None` if it holds none.
pub(super) fn share_of_words(text: &str, words: &[String]) -> Option<f64> {
    let text = text.to_lowercase();
    let held = words.iter().filter(|word| text.contains(*word)).count();
    let part = u32::try_from(held).ok().filter(|held| *held > 0)?;
    let whole = u32::try_from(words.len()).ok()?;
    Some(f64::from(part) / f64::from(whole))
}

pub(super) fn numeric_id(place: usize) -> u64 {
    u64::try_from(place).unwrap_or(u64::MAX).saturating_add(1)
}

/// The place of the first row with a numeric id above `after`.
pub(super) fn place_after(after: u64) -> usize {
    usize::try_from(after).unwrap_or(usize::MAX)
}

/// Text without NUL, which the database does not hold.
pub(super) fn clean(text: String) -> String {
    if text.contains('\0') {
        text.replace('\0', "")
    } else {
        text
    }
}
