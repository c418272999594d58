//! Walking whole lists, page by page, with proof that nothing was left out.
//!
//! A walk that fails half way still gives what it read: a record that was seen is evidence,
//! whatever became of the rest.

use std::collections::{HashMap, HashSet};

use super::error::StoreError;
use super::store::StoreClient;
use crate::canary;
use crate::dialect::{
    Dialect, DialectError, FactRecord, ListPage, ListPlace, MessageRecord, PageNumber, Question,
    Reply, RowCursor, SessionRecord, UserRecord,
};
use crate::model::limits::PAGE_RECORDS;

/// Records of one list that are read at most.
const LIST_RECORDS_MAX: usize = 5_000_000;
/// Facts of one user that are asked for at once. Where the list has no pages, as many as this may
/// have been cut off.
const FACTS_LIMIT: u32 = 100_000;

/// Reads a page of a list out of an answer.
type Read<T> = fn(&'static dyn Dialect, &Reply<'_>) -> Result<ListPage<T>, DialectError>;

/// A record of a list that is walked as a whole.
pub(super) trait Listed: PartialEq {
    /// The store's number of the row; 0 where it has none.
    fn row(&self) -> i64;
    /// Its id.
    fn id(&self) -> &str;
}

impl Listed for SessionRecord {
    fn row(&self) -> i64 {
        self.row
    }

    fn id(&self) -> &str {
        &self.id
    }
}

impl Listed for UserRecord {
    fn row(&self) -> i64 {
        self.row
    }

    fn id(&self) -> &str {
        &self.id
    }
}

/// What a walk over a list gave.
#[derive(Debug)]
pub(super) struct Walk<T> {
    /// The records, each once, in the store's order.
    pub(super) records: Vec<T>,
    /// Why these may not be all; `None` if they are.
    pub(super) fault: Option<StoreError>,
}

impl<T> Walk<T> {
    fn new() -> Self {
        Self {
            records: Vec::new(),
            fault: None,
        }
    }

    fn ended_by(self, fault: StoreError) -> Self {
        Self {
            fault: Some(fault),
            ..self
        }
    }
}

impl StoreClient {
    /// All sessions of the store.
    pub(super) async fn list_sessions(&self) -> Walk<SessionRecord> {
        let ask = |limit, from| Question::Sessions { limit, from };
        self.list(ask, <dyn Dialect>::read_sessions as Read<_>)
            .await
    }

    /// The sessions from a place on, one page of them, and where the next page begins; `None`
    /// behind the last.
    ///
    /// # Errors
    /// The page could not be read.
    pub(super) async fn sessions_page(
        &self,
        from: ListPlace,
    ) -> Result<(Vec<SessionRecord>, Option<ListPlace>), StoreError> {
        let limit = PAGE_RECORDS;
        let question = Question::Sessions { limit, from };
        let page = self.ask(&question, <dyn Dialect>::read_sessions).await?;
        let next = place_behind(from, &page);
        Ok((page.records, next))
    }

    /// All users of the store.
    pub(super) async fn list_users(&self) -> Walk<UserRecord> {
        let ask = |limit, from| Question::Users { limit, from };
        self.list(ask, <dyn Dialect>::read_users as Read<_>).await
    }

    /// All records of a list, whether it goes on behind a row or has numbered pages.
    async fn list<T: Listed>(
        &self,
        ask: impl Fn(u32, ListPlace) -> Question<'static>,
        read: Read<T>,
    ) -> Walk<T> {
        let mut walk = Walk::new();
        let mut seen = HashSet::new();
        let mut announced = None;
        let mut from = ListPlace::START;
        loop {
            let question = ask(PAGE_RECORDS, from);
            let mut page = match self.ask(&question, read).await {
                Ok(page) => page,
                Err(error) => return walk.ended_by(error),
            };
            if let Some(total) = page.total {
                let total = *announced.get_or_insert(total);
                let first = page.records.first();
                if first.is_some_and(|first| seen.contains(first.id())) {
                    return walk.ended_by(repeats(&question));
                }
                let is_last = page.records.is_empty();
                page.records
                    .retain(|record| seen.insert(record.id().to_owned()));
                walk.records.append(&mut page.records);
                from.page = from.page.next();
                // Others may have added to the list meanwhile.
                if is_last || as_u64(walk.records.len()) >= total {
                    return at_least(walk, &question, total);
                }
            } else {
                let rows = page.records.iter().map(Listed::row);
                from.after = match next_cursor(from.after, rows) {
                    Next::End => return walk,
                    Next::Repeats => return walk.ended_by(repeats(&question)),
                    Next::After(cursor) => cursor,
                };
                // A row that is listed twice is one record.
                page.records.sort_by_key(Listed::row);
                page.records.dedup();
                walk.records.append(&mut page.records);
            }
            if walk.records.len() > LIST_RECORDS_MAX {
                return walk.ended_by(too_many(&question));
            }
        }
    }

    /// All messages of a session. As many must come as page 1 announces, where it does.
    pub(super) async fn list_messages(&self, session: &str) -> Walk<MessageRecord> {
        let mut walk = Walk::new();
        let mut seen = HashSet::new();
        let mut first_of_pages = HashSet::new();
        let mut announced = None;
        let mut page = PageNumber::FIRST;
        loop {
            let question = Question::Messages {
                session,
                limit: PAGE_RECORDS,
                page,
            };
            let read = match self.ask(&question, <dyn Dialect>::read_messages).await {
                Ok(read) => read,
                Err(error) => return walk.ended_by(error),
            };
            let announced = *announced.get_or_insert(read.total_count);
            let Some(first) = read.messages.first() else {
                return match announced {
                    Some(announced) => whole(walk, &question, announced),
                    None => walk,
                };
            };
            if !first_of_pages.insert(first.id.clone()) {
                return walk.ended_by(repeats(&question));
            }
            for message in read.messages {
                if seen.insert(message.id.clone()) {
                    walk.records.push(message);
                }
            }
            if let Some(announced) = announced
                && as_u64(walk.records.len()) >= announced
            {
                return whole(walk, &question, announced);
            }
            if walk.records.len() > LIST_RECORDS_MAX {
                return walk.ended_by(too_many(&question));
            }
            page = page.next();
        }
    }

    /// All facts of a user.
    pub(super) async fn list_facts(&self, user: &str) -> Walk<FactRecord> {
        let mut walk = Walk::new();
        let limit = FACTS_LIMIT;
        let mut seen = HashMap::new();
        let mut after: Option<String> = None;
        loop {
            let question = Question::Facts {
                user,
                limit,
                after: after.as_deref(),
            };
            let page = match self.ask(&question, <dyn Dialect>::read_facts).await {
                Ok(page) => page,
                Err(error) => return walk.ended_by(error),
            };
            let may_be_cut_off =
                page.next.is_none() && as_u64(page.facts.len()) >= u64::from(limit);
            let first = page.facts.first();
            if after.is_some() && first.is_some_and(|fact| seen.contains_key(&fact.id)) {
                return walk.ended_by(repeats(&question));
            }
            for fact in page.facts {
                let text = canary::body_hash(&fact.body);
                match seen.insert(fact.id.clone(), text) {
                    None => walk.records.push(fact),
                    Some(known) if known == text => {}
                    // Which of them the id names cannot be known, nor whether more are hidden so.
                    Some(_) => return walk.ended_by(repeats(&question)),
                }
            }
            if may_be_cut_off || walk.records.len() > LIST_RECORDS_MAX {
                return walk.ended_by(too_many(&question));
            }
            match page.next {
                Some(next) => after = Some(next),
                None => return walk,
            }
        }
    }
}

/// Where a walk over rows goes on.
#[derive(Debug, PartialEq, Eq)]
enum Next {
    After(RowCursor),
    End,
    Repeats,
}

/// Rows on a page may come in any order, but never one that the cursor has passed. Only an empty
/// page ends the list: a short one may come from a store with a smaller limit of its own.
fn next_cursor(after: RowCursor, rows: impl Iterator<Item = i64> + Clone) -> Next {
    if rows.clone().any(|row| row <= after.0) {
        return Next::Repeats;
    }
    rows.max()
        .map_or(Next::End, |row| Next::After(RowCursor(row)))
}

/// Where the page behind this one begins; `None` if this is the last.
fn place_behind<T: Listed>(from: ListPlace, page: &ListPage<T>) -> Option<ListPlace> {
    let held = as_u64(page.records.len());
    if let Some(total) = page.total {
        let reached = held.saturating_mul(u64::from(from.page.get()));
        let page = from.page.next();
        return (held > 0 && reached < total).then_some(ListPlace { page, ..from });
    }
    let last = page.records.iter().map(Listed::row).max()?;
    let is_full = held >= u64::from(PAGE_RECORDS);
    let after = RowCursor(last);
    (is_full && after > from.after).then_some(ListPlace { after, ..from })
}

/// A walk over pages with numbers that has as many records as the first page announced, or more.
fn at_least<T>(walk: Walk<T>, question: &Question<'_>, announced: u64) -> Walk<T> {
    if as_u64(walk.records.len()) >= announced {
        walk
    } else {
        whole(walk, question, announced)
    }
}

fn whole<T>(walk: Walk<T>, question: &Question<'_>, announced: u64) -> Walk<T> {
    let collected = as_u64(walk.records.len());
    if collected == announced {
        return walk;
    }
    walk.ended_by(StoreError::Incomplete {
        what: question.to_string(),
        announced,
        collected,
    })
}

fn repeats(question: &Question<'_>) -> StoreError {
    let what = question.to_string();
    StoreError::Repeats { what }
}

fn too_many(question: &Question<'_>) -> StoreError {
    let max = match question {
        Question::Facts { limit, .. } => usize::try_from(*limit).unwrap_or(usize::MAX),
        Question::Sessions { .. }
        | Question::Messages { .. }
        | Question::Users { .. }
        | Question::User { .. } => LIST_RECORDS_MAX,
    };
    let what = question.to_string();
    StoreError::TooMany { what, max }
}

fn as_u64(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_walk_over_rows_ends_with_an_empty_page_and_never_goes_back() {
        for (after, rows, next) in [
            (0, vec![1, 2, 3], Next::After(RowCursor(3))),
            (3, vec![6, 4, 5], Next::After(RowCursor(6))),
            (6, vec![], Next::End),
            (6, vec![1, 2, 3], Next::Repeats),
            (6, vec![6, 7], Next::Repeats),
        ] {
            let found = next_cursor(RowCursor(after), rows.iter().copied());
            assert_eq!(found, next, "{after} {rows:?}");
        }
    }
}
