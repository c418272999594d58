//! What the store holds: users, sessions, messages and facts, in memory.
//!
//! Every call is one short section under one lock and never waits, so a record is either whole
//! or absent for every reader. Rows are cloned out and serialised after the lock is gone.
//! A session's owner is fixed when the session is made; nothing can change it later.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::value::RawValue;

use super::record::{
    Appended, Fact, Hit, Message, MessagePage, Metadata, NewMessage, NewSession, Session, User,
    UserFields,
};
use super::tables::{
    Tables, change_user, clean, holds_all, merged, message, place_after, raw, share_of_words,
};
use super::world::World;
use crate::lab::quirks::Quirks;
use crate::lab::stamp::{Dice, Stamp, Uuid};

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
    /// A session that is not made by its first message.
    #[error("session does not exist with session_id: {0}")]
    NoSuchSession(String),
    /// A message of too many characters.
    #[error("a message has more than {0} characters")]
    TooLong(usize),
}

/// The store.
#[derive(Debug)]
pub(in crate::lab) struct Store {
    tables: Mutex<Tables>,
    /// The product that it stands for.
    pub(super) world: World,
    pub(super) dice: Arc<Dice>,
    /// How it lists what it holds.
    pub(super) quirks: Quirks,
    /// The share of the sessions of which a page of messages is missing when it is read.
    pages_lost: f64,
    /// Sessions whose pages were read, and whether they are missing.
    pages: Mutex<HashMap<String, bool>>,
}

impl Store {
    pub(in crate::lab) fn new(dice: Arc<Dice>, quirks: Quirks, pages_lost: f64) -> Self {
        Self {
            tables: Mutex::default(),
            world: World::default(),
            dice,
            quirks,
            pages_lost,
            pages: Mutex::default(),
        }
    }

    /// The same store as another product.
    pub(in crate::lab) fn of(self, world: World) -> Self {
        Self { world, ..self }
    }

    /// Makes a session as a backend does that was written for this product: where it refuses
    /// unknown users, such a backend makes them first; but not one that knows nothing of that.
    pub(in crate::lab) fn open_session(&self, new: NewSession) -> Result<Session, StoreError> {
        if let Some(user) = new
            .user_id
            .as_deref()
            .filter(|_| self.world.backend_makes_users())
        {
            // Who is there already stays.
            let _ = self.create_user(user, UserFields::default());
        }
        self.create_session(new)
    }

    /// Is a session's page of messages missing? It stays so however often it is read.
    pub(super) fn lacks_page(&self, session_id: &str) -> bool {
        if self.pages_lost == 0.0 {
            return false;
        }
        let mut pages = self.pages.lock().unwrap_or_else(PoisonError::into_inner);
        let page = pages.entry(session_id.to_owned());
        *page.or_insert_with(|| self.dice.chance(self.pages_lost))
    }

    /// Makes a session. An owner that is not known yet is made too, or refused.
    pub(in crate::lab) fn create_session(&self, new: NewSession) -> Result<Session, StoreError> {
        let mut tables = self.tables();
        if new.session_id.is_empty() {
            return Err(StoreError::EmptySessionId);
        }
        let is_unknown = |user: &String| {
            let refuses = self.world.refuses_unknown_users();
            user.is_empty() || (refuses && !tables.user_places.contains_key(user))
        };
        let unknown = new.user_id.clone().filter(is_unknown);
        let exists = tables.session_places.contains_key(&new.session_id);
        match unknown {
            Some(user) if !exists || self.world.looks_at_the_user_first() => {
                return Err(StoreError::NoSuchUser(user));
            }
            Some(_) | None if exists => return Err(StoreError::SessionExists(new.session_id)),
            Some(_) | None => {}
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
        mut messages: Vec<NewMessage>,
    ) -> Result<Appended, StoreError> {
        let chars_max = self.world.message_chars_max();
        let is_too_long = |message: &NewMessage| message.content.chars().count() > chars_max;
        if messages.iter().any(is_too_long) {
            return Err(StoreError::TooLong(chars_max));
        }
        if !self.world.keeps_role_type() {
            for message in &mut messages {
                message.role_type = None;
            }
        }
        let mut tables = self.tables();
        let known = tables.session_places.get(session_id).copied();
        if known.is_none() && !self.world.makes_sessions_by_message() {
            return Err(StoreError::NoSuchSession(session_id.to_owned()));
        }
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
                let (limit, step) = self.page_of(limit);
                let start = number.saturating_sub(1).saturating_mul(step);
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

    /// Adds a fact; an unknown user is made. Where there are no facts, it is nowhere.
    pub(in crate::lab) fn add_fact(&self, user_id: &str, text: String, about: &Metadata) -> Fact {
        let mut tables = self.tables();
        let fact = Fact {
            uuid: self.dice.uuid(),
            created_at: Stamp::now(),
            user_id: user_id.to_owned(),
            text: clean(text),
            metadata: raw(about).unwrap_or_else(|| RawValue::NULL.to_owned()),
        };
        if self.world.keeps_facts() {
            let row = tables.user_row_or_new(user_id, &self.dice);
            row.facts.push(fact.clone());
        }
        fact
    }

    /// One fact, whoever has it.
    pub(super) fn fact(&self, uuid: Uuid) -> Option<Fact> {
        let tables = self.tables();
        let mut facts = tables.users.iter().flatten().flat_map(|row| &row.facts);
        facts.find(|fact| fact.uuid == uuid).cloned()
    }

    /// Removes a fact. False: there is none.
    pub(super) fn delete_fact(&self, uuid: Uuid) -> bool {
        let mut tables = self.tables();
        let mut facts = tables.users.iter_mut().flatten().map(|row| &mut row.facts);
        facts.any(|facts| {
            let before = facts.len();
            facts.retain(|fact| fact.uuid != uuid);
            facts.len() < before
        })
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

#[cfg(test)]
mod tests;
