//! What a run has left in the store, and its deletion.
//!
//! Only what is certainly the run's own is deleted: sessions that bear its name, other sessions in
//! which every text is the run's, and users that bear its name, were not there before and under whom
//! nothing else stands. All else is listed and left alone.

mod search;

use std::collections::{BTreeMap, BTreeSet};

use futures_util::StreamExt;
use futures_util::stream;

use self::search::{Search, Texts, Whose};
use super::baseline::Baseline;
use super::error::StoreError;
use super::store::StoreClient;
use crate::dialect::{Change, FactRecord, SessionRecord, UserRecord};
use crate::model::RunId;
use crate::plan::Plan;

/// What the ledger of a run knows of records that do not bear its name, and how they are to be
/// taken.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Named {
    /// Sessions that answers to the run's users named, by id.
    pub answered: BTreeSet<String>,
    /// Sessions in which the run's texts were seen, by id.
    pub seen: BTreeSet<String>,
    /// Facts of the run that were seen under users it did not make, by id.
    pub facts: BTreeSet<String>,
    /// All that is under the users whom the run made, and was not there before, is the run's.
    pub whole_users: bool,
}

impl Named {
    fn has_session(&self, id: &str) -> bool {
        self.answered.contains(id) || self.seen.contains(id)
    }
}

/// What stands under a user whom the run made and is not certainly the run's, so that the user
/// stays.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Kept {
    /// Sessions with other texts.
    pub sessions: usize,
    /// Facts without a proof of the run, or with other text beside it.
    pub facts: usize,
    /// Could something not be read?
    pub is_unread: bool,
}

/// What of one run is in the store.
#[derive(Debug, Default)]
pub struct Traces {
    /// Users that the run made and that hold nothing else, by id.
    pub users: Vec<String>,
    /// Their sessions, by id.
    pub sessions_of_users: Vec<String>,
    /// Facts under them. They go with their users.
    pub facts_of_users: usize,
    /// Other sessions that are the run's alone, by id.
    pub sessions: Vec<String>,
    /// Facts of the run under other users, by id. Where the store deletes single facts, they are
    /// deleted; else they stay.
    pub facts: Vec<String>,
    /// Users that the run made and that stay for what else stands under them, by id.
    pub kept_users: BTreeMap<String, Kept>,
    /// Sessions with texts of the run among others, by id. They stay.
    pub shared_sessions: Vec<String>,
    /// Facts under other users with text of the run among other, by id. They stay.
    pub shared_facts: Vec<String>,
    /// Why this may not be all.
    pub faults: Vec<StoreError>,
}

impl Traces {
    /// Is nothing of the run there, as far as it was read?
    pub fn is_empty(&self) -> bool {
        self.has_neither_users_nor_sessions()
            && self.facts.is_empty()
            && self.kept_users.is_empty()
            && self.shared_sessions.is_empty()
            && self.shared_facts.is_empty()
    }

    /// Is there anything that this store would delete?
    pub fn is_deletable(&self, store: &StoreClient) -> bool {
        !self.has_neither_users_nor_sessions() || (store.deletes_facts() && !self.facts.is_empty())
    }

    /// What is left after a deletion, and what went wrong with that. Where the store was read whole
    /// and nothing is left, it does not matter what a deletion was answered with.
    #[must_use]
    pub fn after_deletion(mut self, faults: Vec<StoreError>) -> Self {
        if !self.is_empty() || !self.faults.is_empty() {
            self.faults.extend(faults);
        }
        self
    }

    fn has_neither_users_nor_sessions(&self) -> bool {
        self.users.is_empty() && self.sessions_of_users.is_empty() && self.sessions.is_empty()
    }
}

/// What was read so far. Which users go is known only when all is read.
#[derive(Debug, Default)]
struct Found {
    /// The run's sessions, with their owners.
    sessions: Vec<SessionRecord>,
    /// The run's facts, with the users under whom they were listed.
    facts: Vec<(String, FactRecord)>,
    traces: Traces,
}

impl Found {
    fn keep(&mut self, search: Search<'_>, owner: Option<&str>) -> Option<&mut Kept> {
        let owner = owner.filter(|owner| search.made_user(owner))?;
        Some(self.traces.kept_users.entry(owner.to_owned()).or_default())
    }

    /// Tells the users that go from those that stay, and what goes with them from the rest.
    fn settle(self, search: Search<'_>, users: Vec<UserRecord>) -> Traces {
        let mut traces = self.traces;
        let made = users.into_iter().map(|user| user.id);
        let going = made.filter(|id| search.made_user(id) && !traces.kept_users.contains_key(id));
        traces.users = going.collect();
        let goes: BTreeSet<&str> = traces.users.iter().map(String::as_str).collect();
        for session in self.sessions {
            if session
                .owner
                .is_some_and(|owner| goes.contains(owner.as_str()))
            {
                traces.sessions_of_users.push(session.id);
            } else {
                traces.sessions.push(session.id);
            }
        }
        for (user, fact) in self.facts {
            if goes.contains(user.as_str()) {
                traces.facts_of_users += 1;
            } else {
                traces.facts.push(fact.id);
            }
        }
        traces
    }
}

impl StoreClient {
    /// What of a run is in the store now. Reads only.
    pub async fn traces(
        &self,
        run: RunId,
        plan: &Plan,
        baseline: &Baseline,
        named: &Named,
    ) -> Traces {
        let search = Search {
            run,
            plan,
            baseline,
            named,
        };
        let mut found = Found::default();
        let users = self.list_users().await;
        found.traces.faults.extend(users.fault);
        let sessions = self.list_sessions().await;
        if let Some(fault) = sessions.fault {
            // A user who goes may take sessions along that were not seen.
            found.traces.faults.push(fault);
            for user in &users.records {
                if let Some(kept) = found.keep(search, Some(&user.id)) {
                    kept.is_unread = true;
                }
            }
        }
        let mut unclear = Vec::new();
        for session in sessions.records {
            match search.whose(&session) {
                Whose::Run => found.sessions.push(session),
                Whose::Unclear => unclear.push(session),
                Whose::Others => {}
            }
        }
        self.sort_out(search, unclear, &mut found).await;
        self.find_facts(search, &users.records, &mut found).await;
        found.settle(search, users.records)
    }

    async fn sort_out(&self, search: Search<'_>, unclear: Vec<SessionRecord>, into: &mut Found) {
        let mut walks = stream::iter(unclear)
            .map(|session| async move {
                let records = if self.can_address(&session.id) {
                    let walk = self.list_messages(&session.id).await;
                    walk.fault
                        .map_or(Ok(walk.records), |fault| Err(Some(fault)))
                } else {
                    Err(None)
                };
                (session, records)
            })
            .buffer_unordered(self.read_concurrency());
        while let Some((session, records)) = walks.next().await {
            let owner = session.owner.as_deref();
            let records = match records {
                Ok(records) => records,
                Err(fault) => {
                    into.traces.faults.extend(fault);
                    if let Some(kept) = into.keep(search, owner) {
                        kept.is_unread = true;
                    }
                    continue;
                }
            };
            let texts = search.judge(&session, &records);
            if texts == Texts::Ours {
                into.sessions.push(session);
                continue;
            }
            if let Some(kept) = into.keep(search, owner) {
                kept.sessions += 1;
            }
            if texts == Texts::Shared {
                into.traces.shared_sessions.push(session.id);
            }
        }
    }

    async fn find_facts(&self, search: Search<'_>, users: &[UserRecord], into: &mut Found) {
        if !self.can_list_facts() {
            return;
        }
        let mut ids = search.fact_users(users);
        ids.retain(|id| self.can_address(id));
        let mut walks = stream::iter(ids)
            .map(|id| async move {
                let walk = self.list_facts(&id).await;
                (id, walk)
            })
            .buffer_unordered(self.read_concurrency());
        while let Some((id, walk)) = walks.next().await {
            if let Some(fault) = walk.fault {
                into.traces.faults.push(fault);
                if let Some(kept) = into.keep(search, Some(&id)) {
                    kept.is_unread = true;
                }
            }
            let is_made = search.made_user(&id);
            for fact in walk.records {
                let texts = search.judge_fact(&id, &fact);
                if texts == Texts::Ours || (is_made && search.named.whole_users) {
                    into.facts.push((id.clone(), fact));
                } else if let Some(kept) = into.keep(search, Some(&id)) {
                    kept.facts += 1;
                } else if texts == Texts::Shared {
                    into.traces.shared_facts.push(fact.id);
                }
            }
        }
    }

    /// Deletes the users of what was found, and gives what went wrong. Some stores delete a user's
    /// sessions along with it.
    pub async fn delete_users(&self, traces: &Traces) -> Vec<StoreError> {
        let users = traces.users.iter();
        let users = users.map(|user| Change::DeleteUser { user });
        self.delete_all(users.collect()).await
    }

    /// Deletes the sessions of what was found, and gives what went wrong.
    pub async fn delete_sessions(&self, traces: &Traces) -> Vec<StoreError> {
        let sessions = traces.sessions.iter().chain(&traces.sessions_of_users);
        let sessions = sessions.map(|session| Change::DeleteSession { session });
        self.delete_all(sessions.collect()).await
    }

    /// Deletes the facts of what was found that do not go with a user, and gives what went wrong.
    /// Where the store deletes no single fact, nothing is done.
    pub async fn delete_facts(&self, traces: &Traces) -> Vec<StoreError> {
        let facts = traces.facts.iter();
        let facts = facts.map(|fact| Change::DeleteFact { fact });
        self.delete_all(facts.collect()).await
    }

    async fn delete_all(&self, changes: Vec<Change<'_>>) -> Vec<StoreError> {
        let addressed = changes.into_iter().filter(|change| match change {
            Change::DeleteSession { session: id }
            | Change::DeleteUser { user: id }
            | Change::DeleteFact { fact: id }
            | Change::CreateUser { user: id } => self.can_address(id),
        });
        stream::iter(addressed)
            .map(|change| async move { self.change(&change).await.err() })
            .buffer_unordered(self.read_concurrency())
            .filter_map(|error| async move { error })
            .collect()
            .await
    }
}

#[cfg(test)]
mod tests;
