//! What a run has left in the store, and its deletion.
//!
//! Only what is certainly the run's own is deleted: users that bear its name and were not there
//! before, sessions that bear its name or belong to such a user, and sessions that the server named
//! in which every text is the run's. All else is listed and left alone.

use std::collections::BTreeSet;

use futures_util::StreamExt;
use futures_util::stream;

use super::baseline::Baseline;
use super::error::StoreError;
use super::store::StoreClient;
use crate::canary;
use crate::dialect::{Change, MessageRecord, SessionRecord, UserRecord};
use crate::model::{Exactness, OpKind, Role, RunId, UserIx};
use crate::plan::RECALL_QUESTION;
use crate::scenario::Scenario;

/// Records that the ledger of a run knows and that do not bear its name.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Named {
    /// Sessions that answers named, or in which the run's texts were seen, by id.
    pub sessions: BTreeSet<String>,
    /// Facts of the run that were seen under users it did not make, by id.
    pub facts: BTreeSet<String>,
}

/// What of one run is in the store.
#[derive(Debug, Default)]
pub struct Traces {
    /// Users that the run made, by id.
    pub users: Vec<String>,
    /// Their sessions, by id.
    pub sessions_of_users: Vec<String>,
    /// Other sessions that are the run's alone, by id.
    pub sessions: Vec<String>,
    /// Sessions that hold texts of the run among others: they cannot be deleted without those.
    pub shared_sessions: usize,
    /// Facts of the run under users that it did not make, by id. Where the store deletes single
    /// facts, they are deleted; else they stay.
    pub facts: Vec<String>,
    /// Facts under the run's users. They go with their users.
    pub facts_of_users: usize,
    /// Why this may not be all.
    pub faults: Vec<StoreError>,
}

impl Traces {
    /// Is nothing of the run there, as far as it was read?
    pub fn is_empty(&self) -> bool {
        self.is_deletable_empty()
            && self.shared_sessions == 0
            && self.facts.is_empty()
            && self.facts_of_users == 0
    }

    /// Is there anything that this store would delete?
    pub fn is_deletable(&self, store: &StoreClient) -> bool {
        !self.is_deletable_empty() || (store.deletes_facts() && !self.facts.is_empty())
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

    /// Are there neither users nor sessions that could be deleted?
    fn is_deletable_empty(&self) -> bool {
        self.users.is_empty() && self.sessions_of_users.is_empty() && self.sessions.is_empty()
    }
}

/// Whose a session is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Whose {
    /// The run's, under a user that it made.
    OfUser,
    /// The run's by its name.
    Run,
    /// Its texts decide.
    Unclear,
    /// Nobody's concern.
    Others,
}

/// One run, and what was there before it.
#[derive(Debug, Clone, Copy)]
struct Search<'a> {
    run: RunId,
    scenario: &'a Scenario,
    baseline: &'a Baseline,
    named: &'a Named,
}

impl Search<'_> {
    /// Pooled users are other people's, whatever was there before.
    fn made_user(&self, id: &str) -> bool {
        let bears_name = id.starts_with(&self.run.name_prefix())
            || self.scenario.user_of_owner(self.run, id).is_some();
        self.scenario.pool.is_empty() && bears_name && !self.baseline.has_user(id)
    }

    fn is_placeholder(&self, id: &str) -> bool {
        let mut known = self.scenario.target.placeholders.iter();
        known.any(|placeholder| placeholder == id)
    }

    fn whose(&self, session: &SessionRecord) -> Whose {
        let owner = session.owner.as_deref();
        let is_named = self.named.sessions.contains(&session.id);
        if self.baseline.has_session(&session.id) {
            return if is_named {
                Whose::Unclear
            } else {
                Whose::Others
            };
        }
        if owner.is_some_and(|owner| self.made_user(owner)) {
            Whose::OfUser
        } else if session.id.starts_with(&self.run.name_prefix()) {
            Whose::Run
        } else if is_named || owner.is_none_or(|owner| self.is_placeholder(owner)) {
            Whose::Unclear
        } else {
            Whose::Others
        }
    }

    /// Every owner that the run's users should have.
    fn owners(&self) -> impl Iterator<Item = String> {
        (0..self.scenario.users).flat_map(|user| {
            let name = self.scenario.user_name(self.run, UserIx(user));
            let expected = &self.scenario.target.expected_owner;
            OpKind::ALL.map(|kind| expected.get(kind).owner(&name))
        })
    }

    /// May the facts of this user hold some of the run's?
    fn may_have_facts(&self, user: &UserRecord) -> bool {
        !self.named.facts.is_empty()
            || self.is_placeholder(&user.id)
            || !self.baseline.has_user(&user.id)
            || self.scenario.user_of_owner(self.run, &user.id).is_some()
    }

    fn is_ours(&self, text: &str) -> bool {
        let found = canary::find(&canary::normalise(text));
        let mut exact = found.iter().filter(|c| c.exactness == Exactness::Exact);
        exact.any(|seen| seen.id.run == self.run)
    }

    /// A session is the run's if all that was said to the agent in it is. One without texts is, if
    /// an answer named it and it was not there before.
    fn judge(&self, session: &SessionRecord, messages: &[MessageRecord]) -> Texts {
        let ours = messages.iter().filter(|m| self.is_ours(&m.body)).count();
        let is_strange = |message: &&MessageRecord| {
            message.role != Role::Assistant
                && message.body != RECALL_QUESTION
                && !self.is_ours(&message.body)
        };
        let was_there = self.baseline.has_session(&session.id);
        let strange = messages.iter().filter(is_strange).count();
        let is_named = self.named.sessions.contains(&session.id);
        match (ours, strange) {
            (0, 0) if is_named && !was_there && session.owner.is_none() => Texts::Ours,
            (0, _) => Texts::Others,
            (_, 0) if !was_there => Texts::Ours,
            (_, _) => Texts::Shared,
        }
    }
}

/// Whose the texts of a session are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Texts {
    Ours,
    Shared,
    Others,
}

impl StoreClient {
    /// What of a run is in the store now. Reads only.
    pub async fn traces(
        &self,
        run: RunId,
        scenario: &Scenario,
        baseline: &Baseline,
        named: &Named,
    ) -> Traces {
        let search = Search {
            run,
            scenario,
            baseline,
            named,
        };
        let mut traces = Traces::default();
        let users = self.list_users().await;
        traces.faults.extend(users.fault);
        let sessions = self.list_sessions().await;
        traces.faults.extend(sessions.fault);
        let mut unclear = Vec::new();
        for session in sessions.records {
            match search.whose(&session) {
                Whose::OfUser => traces.sessions_of_users.push(session.id),
                Whose::Run => traces.sessions.push(session.id),
                Whose::Unclear => unclear.push(session),
                Whose::Others => {}
            }
        }
        self.sort_out(search, unclear, &mut traces).await;
        self.find_facts(search, &users.records, &mut traces).await;
        let made = users.records.into_iter().map(|user| user.id);
        traces.users = made.filter(|id| search.made_user(id)).collect();
        traces
    }

    async fn sort_out(&self, search: Search<'_>, unclear: Vec<SessionRecord>, into: &mut Traces) {
        let addressed = unclear.into_iter().filter(|s| self.can_address(&s.id));
        let mut walks = stream::iter(addressed)
            .map(|session| async move {
                let walk = self.list_messages(&session.id).await;
                (session, walk)
            })
            .buffer_unordered(self.read_concurrency());
        while let Some((session, walk)) = walks.next().await {
            if let Some(fault) = walk.fault {
                into.faults.push(fault);
                continue;
            }
            match search.judge(&session, &walk.records) {
                Texts::Ours => into.sessions.push(session.id),
                Texts::Shared => into.shared_sessions += 1,
                Texts::Others => {}
            }
        }
    }

    /// The run's users are asked for by name, too: a store may list facts of one that is gone.
    async fn find_facts(&self, search: Search<'_>, users: &[UserRecord], into: &mut Traces) {
        if !self.can_list_facts() {
            return;
        }
        let suspects = users.iter().filter(|user| search.may_have_facts(user));
        let mut ids: BTreeSet<String> = suspects.map(|user| user.id.clone()).collect();
        if search.scenario.pool.is_empty() {
            ids.extend(search.owners());
        }
        ids.retain(|id| self.can_address(id));
        let mut walks = stream::iter(ids)
            .map(|id| async move {
                let walk = self.list_facts(&id).await;
                (id, walk)
            })
            .buffer_unordered(self.read_concurrency());
        while let Some((id, walk)) = walks.next().await {
            into.faults.extend(walk.fault);
            if search.made_user(&id) {
                into.facts_of_users += walk.records.len();
            } else {
                let ours = walk.records.into_iter();
                let ours = ours.filter(|fact| {
                    search.is_ours(&fact.body) && !search.baseline.has_fact(&fact.id)
                });
                into.facts.extend(ours.map(|fact| fact.id));
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
mod tests {
    use super::super::fake::context;
    use super::*;
    use crate::model::{CanaryId, CanaryKind, SessionIx};

    fn session(id: &str, owner: Option<&str>) -> SessionRecord {
        SessionRecord {
            row: 1,
            id: id.to_owned(),
            owner: owner.map(str::to_owned),
        }
    }

    fn message(role: Role, run: Option<RunId>) -> MessageRecord {
        let canary = |run| {
            let id = CanaryId {
                run,
                user: UserIx(1),
                session: SessionIx(1),
                item: 0,
                kind: CanaryKind::Turn,
            };
            canary::plant(id, &[])
        };
        MessageRecord {
            id: "m".to_owned(),
            role,
            owner: None,
            body: run.map_or_else(|| "good morning".to_owned(), canary),
        }
    }

    #[test]
    fn a_deletion_that_errs_counts_only_where_something_may_be_left() {
        let fault = || StoreError::Repeats {
            what: "the sessions".to_owned(),
        };
        let unread = Traces {
            faults: vec![fault()],
            ..Traces::default()
        };
        let left = Traces {
            sessions: vec!["one".to_owned()],
            ..Traces::default()
        };
        for (traces, faults) in [(Traces::default(), 0), (unread, 2), (left, 1)] {
            let after = traces.after_deletion(vec![fault()]);
            assert_eq!(after.faults.len(), faults, "{after:?}");
        }
    }

    #[test]
    fn only_what_is_certainly_the_runs_own_is_deleted() {
        let context = context();
        let run = context.run;
        let named = Named {
            sessions: BTreeSet::from(["served".to_owned(), "annas".to_owned()]),
            facts: BTreeSet::new(),
        };
        let search = Search {
            run,
            scenario: &context.scenario,
            baseline: &Baseline::default(),
            named: &named,
        };
        let name = run.user_name(UserIx(1));
        let owner = format!("dev-oid-{name}");
        let by_name = format!("{name}-s1");
        let other_run = RunId(run.0 ^ 1).session_name(UserIx(1), SessionIx(1));
        for (session, whose) in [
            (session(&by_name, Some(&owner)), Whose::OfUser),
            (session(&by_name, Some("anna")), Whose::Run),
            (session("served", Some(&owner)), Whose::OfUser),
            (session("served", Some("anna")), Whose::Unclear),
            (session("nobodys", None), Whose::Unclear),
            (session("annas-own", Some("anna")), Whose::Others),
            (session(&other_run, Some("anna")), Whose::Others),
        ] {
            assert_eq!(search.whose(&session), whose, "{session:?}");
        }
        assert!(search.made_user(&owner));
        assert!(!search.made_user("dev-oid-anna"));

        let (user, agent) = (Role::User, Role::Assistant);
        let other = RunId(run.0 ^ 1);
        for (id, messages, texts) in [
            ("served", vec![], Texts::Ours),
            ("nobodys", vec![], Texts::Others),
            (
                "served",
                vec![message(user, Some(run)), message(agent, None)],
                Texts::Ours,
            ),
            (
                "served",
                vec![message(user, Some(run)), message(user, None)],
                Texts::Shared,
            ),
            (
                "served",
                vec![message(user, Some(run)), message(user, Some(other))],
                Texts::Shared,
            ),
            ("served", vec![message(user, Some(other))], Texts::Others),
            ("nobodys", vec![message(user, None)], Texts::Others),
        ] {
            let judged = search.judge(&session(id, None), &messages);
            assert_eq!(judged, texts, "{id} {messages:?}");
        }
    }
}
