//! What the store holds: users, sessions, messages and facts, in memory.
//!
//! Every call is one short section under one lock and never waits, so a record is either whole
//! or absent for every reader. Rows are cloned out and serialised after the lock is gone.
//! A session's owner is fixed when the session is made; nothing can change it later.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::Serialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use crate::lab::stamp::{Dice, Stamp, Uuid};

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

/// Why the store refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(in crate::lab) enum StoreError {
    /// A name that is taken, also by a session that was deleted.
    #[error("session already exists with session_id: {0}")]
    SessionExists(String),
    /// A name that is taken.
    #[error("user already exists with user_id: {0}")]
    UserExists(String),
    /// An owner without a name.
    #[error("user does not exist with user_id: {0}")]
    NoSuchUser(String),
    /// A session without a name.
    #[error("session_id is empty")]
    EmptySessionId,
    /// A message id that any session has or had.
    #[error("message uuid {0} already exists")]
    UuidTaken(Uuid),
}

/// The store.
#[derive(Debug)]
pub(in crate::lab) struct Store {
    tables: Mutex<Tables>,
    dice: Arc<Dice>,
}

#[derive(Debug, Default)]
struct Tables {
    /// A session's numeric id is its place plus one; a removed session leaves a hole.
    sessions: Vec<Option<SessionRow>>,
    session_places: HashMap<String, usize>,
    /// A user's numeric id is its place plus one.
    users: Vec<Option<UserRow>>,
    user_places: HashMap<String, usize>,
    message_uuids: HashSet<Uuid>,
}

#[derive(Debug)]
struct SessionRow {
    session: Session,
    deleted: bool,
    messages: Vec<Message>,
}

#[derive(Debug)]
struct UserRow {
    user: User,
    session_places: Vec<usize>,
    facts: Vec<Fact>,
}

impl Store {
    pub(in crate::lab) fn new(dice: Arc<Dice>) -> Self {
        Self {
            tables: Mutex::default(),
            dice,
        }
    }

    /// Makes a session. An owner that is not known yet is made too.
    pub(in crate::lab) fn create_session(&self, new: NewSession) -> Result<Session, StoreError> {
        let mut tables = self.tables();
        if new.session_id.is_empty() {
            return Err(StoreError::EmptySessionId);
        }
        if tables.session_places.contains_key(&new.session_id) {
            return Err(StoreError::SessionExists(new.session_id));
        }
        if new.user_id.as_deref() == Some("") {
            return Err(StoreError::NoSuchUser(String::new()));
        }
        let place = tables.add_session(new, &self.dice);
        let row = tables.sessions.get(place).and_then(Option::as_ref);
        row.map(|row| row.session.clone())
            .ok_or(StoreError::EmptySessionId)
    }

    /// A session that is not deleted.
    pub(in crate::lab) fn session(&self, session_id: &str) -> Option<Session> {
        let tables = self.tables();
        let row = tables.session_row(session_id)?;
        (!row.deleted).then(|| row.session.clone())
    }

    /// Sessions with a numeric id above `after`, ascending.
    pub(in crate::lab) fn sessions(&self, after: u64, limit: usize) -> Vec<Session> {
        let tables = self.tables();
        let rest = tables.sessions.get(place_after(after)..).unwrap_or(&[]);
        rest.iter()
            .flatten()
            .filter(|row| !row.deleted)
            .take(limit)
            .map(|row| row.session.clone())
            .collect()
    }

    /// Merges metadata into a session and revives it if it was deleted. `None`: no such session.
    pub(in crate::lab) fn patch_session(
        &self,
        session_id: &str,
        metadata: Option<Metadata>,
    ) -> Option<Session> {
        let mut tables = self.tables();
        let row = tables.session_row_mut(session_id)?;
        row.deleted = false;
        row.session.updated_at = Stamp::now();
        if let Some(added) = metadata {
            row.session.metadata = merged(row.session.metadata.as_deref(), added);
        }
        Some(row.session.clone())
    }

    /// Deletes a session's messages and hides it; its id stays taken. False: no such session.
    pub(in crate::lab) fn delete_session(&self, session_id: &str) -> bool {
        let mut tables = self.tables();
        let Some(row) = tables.session_row_mut(session_id).filter(|r| !r.deleted) else {
            return false;
        };
        row.deleted = true;
        row.messages = Vec::new();
        true
    }

    /// Appends messages, all or none, in order. An unknown session is made without an owner,
    /// also when the messages are refused; a deleted one is revived.
    pub(in crate::lab) fn append(
        &self,
        session_id: &str,
        messages: Vec<NewMessage>,
    ) -> Result<Appended, StoreError> {
        let mut tables = self.tables();
        let known = tables.session_places.get(session_id).copied();
        if known.is_none() && session_id.is_empty() {
            return Err(StoreError::EmptySessionId);
        }
        let place = known.unwrap_or_else(|| {
            let new = NewSession {
                session_id: session_id.to_owned(),
                ..NewSession::default()
            };
            tables.add_session(new, &self.dice)
        });
        let uuids = tables.reserve_uuids(&messages, &self.dice)?;
        let now = Stamp::now();
        let mut owner = None;
        if let Some(row) = tables.sessions.get_mut(place).and_then(Option::as_mut) {
            row.deleted = false;
            row.session.updated_at = now;
            owner.clone_from(&row.session.user_id);
            let stored = messages.into_iter().zip(&uuids);
            row.messages
                .extend(stored.map(|(new, uuid)| message(new, *uuid, now)));
        }
        Ok(Appended {
            created: known.is_none(),
            owner,
            uuids,
        })
    }

    /// A page of a session's messages, oldest first, and how many it has. Nothing and 0 for an
    /// unknown session, and behind the last page.
    pub(in crate::lab) fn messages(
        &self,
        session_id: &str,
        page: MessagePage,
    ) -> (Vec<Message>, usize) {
        let tables = self.tables();
        let all = tables
            .session_row(session_id)
            .map_or(&[][..], |row| row.messages.as_slice());
        let shown = match page {
            MessagePage::All => all,
            MessagePage::AllButOldest => all.get(1..).unwrap_or(&[]),
            MessagePage::Page { limit, number } => {
                let start = number.saturating_sub(1).saturating_mul(limit);
                let rest = all.get(start..).unwrap_or(&[]);
                &rest[..rest.len().min(limit)]
            }
        };
        let total = if shown.is_empty() { 0 } else { all.len() };
        (shown.to_vec(), total)
    }

    /// The newest messages of a session, oldest of them first.
    pub(in crate::lab) fn newest_messages(&self, session_id: &str, count: usize) -> Vec<Message> {
        let tables = self.tables();
        let all = tables
            .session_row(session_id)
            .map_or(&[][..], |row| row.messages.as_slice());
        all[all.len().saturating_sub(count)..].to_vec()
    }

    /// One message of a session.
    pub(in crate::lab) fn message(&self, session_id: &str, uuid: Uuid) -> Option<Message> {
        let tables = self.tables();
        let row = tables.session_row(session_id)?;
        row.messages.iter().find(|m| m.uuid == uuid).cloned()
    }

    /// Merges metadata into a message. `None`: no such message.
    pub(in crate::lab) fn patch_message(
        &self,
        session_id: &str,
        uuid: Uuid,
        metadata: Metadata,
    ) -> Option<Message> {
        let mut tables = self.tables();
        let row = tables.session_row_mut(session_id)?;
        let message = row.messages.iter_mut().find(|m| m.uuid == uuid)?;
        message.metadata = merged(message.metadata.as_deref(), metadata);
        Some(message.clone())
    }

    /// Makes a user.
    pub(in crate::lab) fn create_user(
        &self,
        user_id: &str,
        fields: UserFields,
    ) -> Result<User, StoreError> {
        let mut tables = self.tables();
        if user_id.is_empty() || tables.user_places.contains_key(user_id) {
            return Err(StoreError::UserExists(user_id.to_owned()));
        }
        let row = tables.user_row_or_new(user_id, &self.dice);
        change_user(&mut row.user, fields);
        Ok(row.user.clone())
    }

    /// A user.
    pub(in crate::lab) fn user(&self, user_id: &str) -> Option<User> {
        Some(self.tables().user_row(user_id)?.user.clone())
    }

    /// Users with a numeric id above `after`, ascending.
    pub(in crate::lab) fn users(&self, after: u64, limit: usize) -> Vec<User> {
        let tables = self.tables();
        let rest = tables.users.get(place_after(after)..).unwrap_or(&[]);
        rest.iter()
            .flatten()
            .take(limit)
            .map(|row| row.user.clone())
            .collect()
    }

    /// Changes a user. `None`: no such user.
    pub(in crate::lab) fn patch_user(&self, user_id: &str, fields: UserFields) -> Option<User> {
        let mut tables = self.tables();
        let place = *tables.user_places.get(user_id)?;
        let row = tables.users.get_mut(place)?.as_mut()?;
        change_user(&mut row.user, fields);
        row.user.updated_at = Stamp::now();
        Some(row.user.clone())
    }

    /// Removes a user with all sessions, messages and facts; the ids are free again. False: no
    /// such user.
    pub(in crate::lab) fn delete_user(&self, user_id: &str) -> bool {
        let mut tables = self.tables();
        let place = tables.user_places.remove(user_id);
        let row = place.and_then(|place| tables.users.get_mut(place).and_then(Option::take));
        let Some(row) = row else {
            return false;
        };
        for place in row.session_places {
            if let Some(gone) = tables.sessions.get_mut(place).and_then(Option::take) {
                tables.session_places.remove(&gone.session.name);
                for message in &gone.messages {
                    tables.message_uuids.remove(&message.uuid);
                }
            }
        }
        true
    }

    /// The sessions of a user, at most `limit`, newest first.
    pub(in crate::lab) fn sessions_of(&self, user_id: &str, limit: usize) -> Vec<Session> {
        let tables = self.tables();
        let places = tables
            .user_row(user_id)
            .map_or(&[][..], |row| row.session_places.as_slice());
        places
            .iter()
            .rev()
            .filter_map(|place| tables.sessions.get(*place)?.as_ref())
            .filter(|row| !row.deleted)
            .take(limit)
            .map(|row| row.session.clone())
            .collect()
    }

    /// Adds a fact; an unknown user is made.
    pub(in crate::lab) fn add_fact(&self, user_id: &str, text: String, about: &Metadata) -> Fact {
        let mut tables = self.tables();
        let fact = Fact {
            uuid: self.dice.uuid(),
            created_at: Stamp::now(),
            user_id: user_id.to_owned(),
            text,
            metadata: raw(about).unwrap_or_else(|| RawValue::NULL.to_owned()),
        };
        let row = tables.user_row_or_new(user_id, &self.dice);
        row.facts.push(fact.clone());
        fact
    }

    /// The facts of a user in the order in which they came, at most `limit`; with words, only
    /// facts that hold all of them.
    pub(in crate::lab) fn facts(&self, user_id: &str, limit: usize, words: &str) -> Vec<Fact> {
        let words: Vec<String> = words.split_whitespace().map(str::to_lowercase).collect();
        let tables = self.tables();
        let facts = tables
            .user_row(user_id)
            .map_or(&[][..], |row| row.facts.as_slice());
        facts
            .iter()
            .filter(|fact| holds_all(&fact.text, &words))
            .take(limit)
            .cloned()
            .collect()
    }

    /// Messages of the newest sessions that hold words of the text, best first.
    pub(in crate::lab) fn search(&self, text: &str, sessions_max: usize, limit: usize) -> Vec<Hit> {
        let words: Vec<String> = text.split_whitespace().map(str::to_lowercase).collect();
        let mut hits = Vec::new();
        // The lock is taken for one session at a time: a search must not hold up the writers.
        let newest = self.tables().sessions.len();
        for place in (newest.saturating_sub(sessions_max)..newest).rev() {
            let tables = self.tables();
            let row = tables.sessions.get(place).and_then(Option::as_ref);
            if let Some(row) = row.filter(|row| !row.deleted) {
                hits.extend(row.messages.iter().filter_map(|message| {
                    Some(Hit {
                        session_id: row.session.name.clone(),
                        score: share_of_words(&message.content, &words)?,
                        message: message.clone(),
                    })
                }));
            }
        }
        hits.sort_by(|a, b| b.score.total_cmp(&a.score));
        hits.truncate(limit);
        hits
    }

    fn tables(&self) -> MutexGuard<'_, Tables> {
        self.tables.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Tables {
    fn session_row(&self, session_id: &str) -> Option<&SessionRow> {
        let place = *self.session_places.get(session_id)?;
        self.sessions.get(place)?.as_ref()
    }

    fn session_row_mut(&mut self, session_id: &str) -> Option<&mut SessionRow> {
        let place = *self.session_places.get(session_id)?;
        self.sessions.get_mut(place)?.as_mut()
    }

    fn user_row(&self, user_id: &str) -> Option<&UserRow> {
        let place = *self.user_places.get(user_id)?;
        self.users.get(place)?.as_ref()
    }

    fn user_row_or_new(&mut self, user_id: &str, dice: &Dice) -> &mut UserRow {
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

    fn add_session(&mut self, new: NewSession, dice: &Dice) -> usize {
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
    fn reserve_uuids(
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

fn message(new: NewMessage, uuid: Uuid, now: Stamp) -> Message {
    Message {
        uuid,
        created_at: now,
        updated_at: "0001-01-01T00:00:00Z",
        role: new.role,
        role_type: new.role_type,
        content: new.content,
        metadata: new
            .metadata
            .as_ref()
            .filter(|m| !m.is_empty())
            .and_then(raw),
        token_count: new.token_count,
    }
}

fn change_user(user: &mut User, fields: UserFields) {
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

fn merged(old: Option<&RawValue>, added: Metadata) -> Option<Box<RawValue>> {
    let old = old.and_then(|old| serde_json::from_str::<Option<Metadata>>(old.get()).ok());
    let mut all = old.flatten().unwrap_or_default();
    all.extend(added);
    raw(&all)
}

fn raw(metadata: &Metadata) -> Option<Box<RawValue>> {
    serde_json::value::to_raw_value(metadata).ok()
}

fn holds_all(text: &str, words: &[String]) -> bool {
    words.is_empty() || {
        let text = text.to_lowercase();
        words.iter().all(|word| text.contains(word))
    }
}

/// The share of the words that the text holds; `None` if it holds none.
fn share_of_words(text: &str, words: &[String]) -> Option<f64> {
    let text = text.to_lowercase();
    let held = words.iter().filter(|word| text.contains(*word)).count();
    let part = u32::try_from(held).ok().filter(|held| *held > 0)?;
    let whole = u32::try_from(words.len()).ok()?;
    Some(f64::from(part) / f64::from(whole))
}

fn numeric_id(place: usize) -> u64 {
    u64::try_from(place).unwrap_or(u64::MAX).saturating_add(1)
}

/// The place of the first row with a numeric id above `after`.
fn place_after(after: u64) -> usize {
    usize::try_from(after).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn store() -> Store {
        Store::new(Arc::new(Dice::new()))
    }

    fn say(content: &str) -> NewMessage {
        NewMessage {
            content: content.to_owned(),
            ..NewMessage::default()
        }
    }

    fn new_session(session_id: &str, user_id: Option<&str>) -> NewSession {
        NewSession {
            session_id: session_id.to_owned(),
            user_id: user_id.map(str::to_owned),
            metadata: None,
        }
    }

    #[test]
    fn the_first_maker_fixes_the_owner() {
        let store = store();
        assert!(store.append("s", vec![say("one")]).unwrap().created);
        let error = store
            .create_session(new_session("s", Some("a")))
            .unwrap_err();
        assert_eq!(error, StoreError::SessionExists("s".to_owned()));
        assert_eq!(store.session("s").unwrap().user_id, None);
        store.create_session(new_session("t", Some("a"))).unwrap();
        let appended = store.append("t", vec![say("two")]).unwrap();
        assert_eq!(appended.owner.as_deref(), Some("a"));
        assert!(!appended.created);
    }

    #[test]
    fn a_repeated_uuid_stores_nothing_but_makes_the_session() {
        let store = store();
        let uuid = store.append("s", vec![say("one")]).unwrap().uuids[0];
        let repeated = NewMessage {
            uuid: Some(uuid),
            ..say("three")
        };
        let error = store.append("t", vec![say("two"), repeated]).unwrap_err();
        assert_eq!(error, StoreError::UuidTaken(uuid));
        assert!(store.session("t").is_some());
        assert_eq!(store.messages("t", MessagePage::All).1, 0);
    }

    #[test]
    fn pages_of_messages() {
        let store = store();
        let said: Vec<_> = (0..5).map(|n| say(&n.to_string())).collect();
        store.append("s", said).unwrap();
        let page = |limit, number| {
            let (page, total) = store.messages("s", MessagePage::Page { limit, number });
            let texts: Vec<_> = page.into_iter().map(|m| m.content).collect();
            (texts.concat(), total)
        };
        assert_eq!(page(2, 1), ("01".to_owned(), 5));
        assert_eq!(page(2, 0), ("01".to_owned(), 5));
        assert_eq!(page(2, 3), ("4".to_owned(), 5));
        assert_eq!(page(2, 4), (String::new(), 0));
        assert_eq!(page(usize::MAX, usize::MAX), (String::new(), 0));
        assert_eq!(store.messages("s", MessagePage::AllButOldest).0.len(), 4);
        assert_eq!(store.newest_messages("s", 2)[0].content, "3");
        assert_eq!(store.newest_messages("nobody", 2).len(), 0);
    }

    #[test]
    fn a_deleted_session_keeps_its_id_and_a_deleted_user_frees_all() {
        let store = store();
        store.create_session(new_session("s", Some("a"))).unwrap();
        store.append("s", vec![say("one")]).unwrap();
        store.add_fact("a", "likes tea".to_owned(), &Metadata::new());
        assert!(store.delete_session("s"));
        assert!(!store.delete_session("s"));
        assert!(store.session("s").is_none());
        assert!(store.create_session(new_session("s", Some("a"))).is_err());
        let revived = store.append("s", vec![say("two")]).unwrap();
        assert_eq!(revived.owner.as_deref(), Some("a"));
        assert_eq!(store.messages("s", MessagePage::All).1, 1);

        assert!(store.delete_user("a"));
        assert!(store.facts("a", 9, "").is_empty());
        store.create_session(new_session("s", Some("b"))).unwrap();
        let ids: Vec<_> = store.sessions(0, 9).into_iter().map(|s| s.id).collect();
        assert_eq!(ids, [2]);
        assert!(store.sessions(2, 9).is_empty());
    }
}
