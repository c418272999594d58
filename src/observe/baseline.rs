//! What the store held before the run, as hashes, so that nobody's ids are kept.
//!
//! Sessions and users are known of everybody. Records are known of the run's own users alone:
//! fresh ones have none, and what pooled ones have from before is no finding.

use std::collections::{BTreeSet, HashSet};

use futures_util::StreamExt;
use futures_util::stream;

use super::error::StoreError;
use super::store::StoreClient;
use crate::canary;
use crate::dialect::{SessionRecord, UserRecord};
use crate::model::{Exactness, OpKind, RunId, UserIx};
use crate::scenario::Scenario;

/// Public key of the hashes: it keeps them apart from those of other programs.
const BASELINE_KEY: &[u8; 32] = b"crosswire store ids, version 1..";

/// The sessions and users that were in the store before the run, and the records of its users.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Baseline {
    hashes: HashSet<u64>,
    counts: BaselineCounts,
}

/// How many records the run's users had before the run. Zero for fresh users.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct BaselineCounts {
    /// Messages and facts.
    pub records: usize,
    /// Those among them that hold an exact canary of an older run.
    pub of_older_runs: usize,
}

impl Baseline {
    /// Was a session of this id there before the run?
    pub fn has_session(&self, id: &str) -> bool {
        self.hashes.contains(&id_hash(Kind::Session, id))
    }

    /// Was a user of this id there before the run?
    pub fn has_user(&self, id: &str) -> bool {
        self.hashes.contains(&id_hash(Kind::User, id))
    }

    /// Had one of the run's users a message of this id in this session before the run?
    pub fn has_message(&self, session: &str, id: &str) -> bool {
        self.hashes.contains(&message_hash(session, id))
    }

    /// Had one of the run's users a fact of this id before the run?
    pub fn has_fact(&self, id: &str) -> bool {
        self.hashes.contains(&id_hash(Kind::Fact, id))
    }

    /// Sessions and users together.
    pub fn len(&self) -> usize {
        self.hashes.len().saturating_sub(self.counts.records)
    }

    /// Were there neither sessions nor users?
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What the run's users had.
    pub fn counts(&self) -> BaselineCounts {
        self.counts
    }

    /// The keyed hashes of all ids, sorted, for the ledger.
    pub fn hashes(&self) -> Vec<u64> {
        let mut hashes: Vec<u64> = self.hashes.iter().copied().collect();
        hashes.sort_unstable();
        hashes
    }

    /// The baseline that an earlier process took, from its hashes and counts.
    pub fn from_hashes(hashes: impl IntoIterator<Item = u64>, counts: BaselineCounts) -> Self {
        Self {
            hashes: hashes.into_iter().collect(),
            counts,
        }
    }

    fn take(&mut self, hash: u64, body: &str, run: RunId) -> Result<(), Already> {
        let mut is_older = false;
        for seen in canary::find(&canary::normalise(body)) {
            if seen.exactness == Exactness::Exact {
                if seen.id.run == run {
                    return Err(Already);
                }
                is_older = true;
            }
        }
        // A store may list one record twice.
        if self.hashes.insert(hash) {
            self.counts.records += 1;
            self.counts.of_older_runs += usize::from(is_older);
        }
        Ok(())
    }
}

/// Something of this very run is there already.
#[derive(Debug)]
struct Already;

impl StoreClient {
    /// Reads what the store holds now, before the run begins: ids of sessions and users, and the
    /// records of the run's users where those are pooled.
    ///
    /// # Errors
    /// The store could not be read to its end, or holds something of this very run, so that what
    /// the run sends could not be told from it.
    pub async fn baseline(&self, run: RunId, scenario: &Scenario) -> Result<Baseline, StoreError> {
        let sessions = self.list_sessions().await;
        if let Some(fault) = sessions.fault {
            return Err(fault);
        }
        let users = self.list_users().await;
        if let Some(fault) = users.fault {
            return Err(fault);
        }
        let (sessions, users) = (sessions.records, users.records);
        if is_under_way(run, scenario, (&sessions, &users)) {
            return Err(self.already(run));
        }
        let mut baseline = Baseline::default();
        let ids = sessions.iter().map(|s| id_hash(Kind::Session, &s.id));
        baseline.hashes.extend(ids);
        let ids = users.iter().map(|u| id_hash(Kind::User, &u.id));
        baseline.hashes.extend(ids);
        if !scenario.pool.is_empty() {
            let theirs = sessions.into_iter().filter(|session| {
                let owner = session.owner.as_deref();
                owner.is_some_and(|owner| scenario.user_of_owner(run, owner).is_some())
            });
            self.old_messages(run, theirs, &mut baseline).await?;
            self.old_facts(run, scenario, &mut baseline).await?;
        }
        Ok(baseline)
    }

    async fn old_messages(
        &self,
        run: RunId,
        sessions: impl Iterator<Item = SessionRecord>,
        baseline: &mut Baseline,
    ) -> Result<(), StoreError> {
        let addressed = sessions.filter(|session| self.can_address(&session.id));
        let mut walks = stream::iter(addressed)
            .map(|session| async move {
                let walk = self.list_messages(&session.id).await;
                (session, walk)
            })
            .buffer_unordered(self.read_concurrency());
        while let Some((session, walk)) = walks.next().await {
            if let Some(fault) = walk.fault {
                return Err(fault);
            }
            for message in walk.records {
                let hash = message_hash(&session.id, &message.id);
                let taken = baseline.take(hash, &message.body, run);
                taken.map_err(|Already| self.already(run))?;
            }
        }
        Ok(())
    }

    async fn old_facts(
        &self,
        run: RunId,
        scenario: &Scenario,
        baseline: &mut Baseline,
    ) -> Result<(), StoreError> {
        if !self.can_list_facts() {
            return Ok(());
        }
        let owners: BTreeSet<String> = (0..scenario.users)
            .map(|user| scenario.user_name(run, UserIx(user)))
            .flat_map(|name| {
                OpKind::ALL.map(|kind| scenario.target.expected_owner.get(kind).owner(&name))
            })
            .filter(|owner| self.can_address(owner))
            .collect();
        let mut walks = stream::iter(owners)
            .map(|owner| async move { self.list_facts(&owner).await })
            .buffer_unordered(self.read_concurrency());
        while let Some(walk) = walks.next().await {
            if let Some(fault) = walk.fault {
                return Err(fault);
            }
            for fact in walk.records {
                let hash = id_hash(Kind::Fact, &fact.id);
                let taken = baseline.take(hash, &fact.body, run);
                taken.map_err(|Already| self.already(run))?;
            }
        }
        Ok(())
    }

    fn already(&self, run: RunId) -> StoreError {
        let url = self.shown_url();
        StoreError::AlreadyThere { run, url }
    }
}

/// Does anything there bear this run's name? Pooled users are there before any run.
fn is_under_way(
    run: RunId,
    scenario: &Scenario,
    (sessions, users): (&[SessionRecord], &[UserRecord]),
) -> bool {
    let prefix = run.name_prefix();
    let is_fresh_user = |owner: &str| {
        owner.starts_with(&prefix)
            || (scenario.pool.is_empty() && scenario.user_of_owner(run, owner).is_some())
    };
    users.iter().any(|user| is_fresh_user(&user.id))
        || sessions.iter().any(|session| {
            session.id.starts_with(&prefix) || session.owner.as_deref().is_some_and(is_fresh_user)
        })
}

/// What an id names: a session and a user may have the same one.
#[derive(Debug, Clone, Copy)]
enum Kind {
    Session,
    User,
    Message,
    Fact,
}

/// Some stores number messages within their session.
fn message_hash(session: &str, id: &str) -> u64 {
    id_hash(Kind::Message, &format!("{session}\n{id}"))
}

fn id_hash(kind: Kind, id: &str) -> u64 {
    let kind = match kind {
        Kind::Session => b"s",
        Kind::User => b"u",
        Kind::Message => b"m",
        Kind::Fact => b"f",
    };
    let mut hasher = blake3::Hasher::new_keyed(BASELINE_KEY);
    hasher.update(kind).update(id.as_bytes());
    let mut first = [0; 8];
    first.copy_from_slice(&hasher.finalize().as_bytes()[..8]);
    u64::from_le_bytes(first)
}

#[cfg(test)]
mod tests;
