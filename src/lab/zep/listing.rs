//! How lists are shown: quirks of a store that holds everything as it should.

use super::record::{Fact, Message, Session, User};
use super::store::Store;
use crate::lab::quirks::{CLOCK_AHEAD, QuirkKind};

/// Messages on a page of a store that shows the last one of each on the next page again.
const OVERLAPPING_PAGE: usize = 4;

/// A row with times in it.
pub(super) trait Timed {
    /// By a clock that is ahead.
    fn ahead(&mut self);
}

impl Store {
    /// Rows as this store lists them.
    pub(super) fn listed<T: Timed + Clone>(&self, mut rows: Vec<T>) -> Vec<T> {
        if self.quirks.has(QuirkKind::DoubleListing) {
            rows = rows
                .into_iter()
                .flat_map(|row| [row.clone(), row])
                .collect();
        }
        self.in_its_manner(rows)
    }

    /// The messages of a page as this store lists them. That some are on two pages is the
    /// page's doing.
    pub(super) fn listed_messages(&self, messages: Vec<Message>) -> Vec<Message> {
        self.in_its_manner(messages)
    }

    fn in_its_manner<T: Timed>(&self, mut rows: Vec<T>) -> Vec<T> {
        if self.quirks.has(QuirkKind::ShuffledPages) {
            self.dice.shuffle(&mut rows);
        }
        if self.quirks.has(QuirkKind::ClockOff) {
            rows.iter_mut().for_each(Timed::ahead);
        }
        rows
    }

    /// Messages on a page, and how many further on the next page begins.
    pub(super) fn page_of(&self, limit: usize) -> (usize, usize) {
        if self.quirks.has(QuirkKind::DoubleListing) && limit > 1 {
            let limit = limit.min(OVERLAPPING_PAGE);
            (limit, limit - 1)
        } else {
            (limit, limit)
        }
    }
}

impl Timed for Session {
    fn ahead(&mut self) {
        self.created_at = self.created_at.ahead(CLOCK_AHEAD);
        self.updated_at = self.updated_at.ahead(CLOCK_AHEAD);
    }
}

impl Timed for Message {
    fn ahead(&mut self) {
        self.created_at = self.created_at.ahead(CLOCK_AHEAD);
    }
}

impl Timed for User {
    fn ahead(&mut self) {
        self.created_at = self.created_at.ahead(CLOCK_AHEAD);
        self.updated_at = self.updated_at.ahead(CLOCK_AHEAD);
    }
}

impl Timed for Fact {
    fn ahead(&mut self) {
        self.created_at = self.created_at.ahead(CLOCK_AHEAD);
    }
}
