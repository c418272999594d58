//! Walking whole lists, page by page, with proof that nothing was left out.
//!
//! A walk that fails half way still gives what it read: a record that was seen is evidence,
//! whatever became of the rest.

use std::collections::HashSet;

use super::error::StoreError;
use super::store::StoreClient;
use crate::dialect::{
    Dialect, DialectError, FactRecord, MessageRecord, PageNumber, Question, Reply, RowCursor,
    SessionRecord, UserRecord,
};
use crate::model::limits::PAGE_RECORDS;

/// Records of one list that are read at most.
const LIST_RECORDS_MAX: usize = 5_000_000;
/// Facts of one user that are asked for. The list is not paged, so as many as this may have been
/// cut off.
const FACTS_LIMIT: u32 = 100_000;

/// Reads a page of rows out of an answer.
type Read<T> = fn(&'static dyn Dialect, &Reply<'_>) -> Result<Vec<T>, DialectError>;

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
        let ask = |limit, after| Question::Sessions { limit, after };
        let rows = (ask, <dyn Dialect>::read_sessions as Read<_>);
        self.list_rows(rows, |session: &SessionRecord| session.row)
            .await
    }

    /// The sessions behind a row, one page of them.
    ///
    /// # Errors
    /// The page could not be read.
    pub(super) async fn sessions_page(
        &self,
        after: RowCursor,
    ) -> Result<Vec<SessionRecord>, StoreError> {
        let limit = PAGE_RECORDS;
        let question = Question::Sessions { limit, after };
        self.ask(&question, <dyn Dialect>::read_sessions).await
    }

    /// All users of the store.
    pub(super) async fn list_users(&self) -> Walk<UserRecord> {
        let ask = |limit, after| Question::Users { limit, after };
        let rows = (ask, <dyn Dialect>::read_users as Read<_>);
        self.list_rows(rows, |user: &UserRecord| user.row).await
    }

    /// All rows of a list that goes on behind a row.
    async fn list_rows<T: PartialEq>(
        &self,
        (ask, read): (impl Fn(u32, RowCursor) -> Question<'static>, Read<T>),
        row_of: fn(&T) -> i64,
    ) -> Walk<T> {
        let mut walk = Walk::new();
        let mut after = RowCursor::START;
        loop {
            let question = ask(PAGE_RECORDS, after);
            let mut page = match self.ask(&question, read).await {
                Ok(page) => page,
                Err(error) => return walk.ended_by(error),
            };
            after = match next_cursor(after, page.iter().map(row_of)) {
                Next::End => return walk,
                Next::Repeats => return walk.ended_by(repeats(&question)),
                Next::After(cursor) => cursor,
            };
            // A row that is listed twice is one record.
            page.sort_by_key(row_of);
            page.dedup();
            walk.records.extend(page);
            if walk.records.len() > LIST_RECORDS_MAX {
                return walk.ended_by(too_many(&question));
            }
        }
    }

    /// All messages of a session. As many must come as page 1 announces.
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
                return whole(walk, &question, announced);
            };
            if !first_of_pages.insert(first.id.clone()) {
                return walk.ended_by(repeats(&question));
            }
            for message in read.messages {
                if seen.insert(message.id.clone()) {
                    walk.records.push(message);
                }
            }
            if as_u64(walk.records.len()) >= announced {
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
        let question = Question::Facts { user, limit };
        let facts = match self.ask(&question, <dyn Dialect>::read_facts).await {
            Ok(facts) => facts,
            Err(error) => return walk.ended_by(error),
        };
        let may_be_cut_off = as_u64(facts.len()) >= u64::from(limit);
        let mut seen = HashSet::new();
        for fact in facts {
            if seen.insert(fact.id.clone()) {
                walk.records.push(fact);
            }
        }
        if may_be_cut_off {
            return walk.ended_by(too_many(&question));
        }
        walk
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
        Question::Health
        | Question::Sessions { .. }
        | Question::Messages { .. }
        | Question::Users { .. } => LIST_RECORDS_MAX,
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
