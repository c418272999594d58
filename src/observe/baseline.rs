//! What the store held before the run, as hashes, so that nobody's ids are kept.

use std::collections::HashSet;

use super::error::StoreError;
use super::store::StoreClient;

/// Public key of the hashes: it keeps them apart from those of other programs.
const BASELINE_KEY: &[u8; 32] = b"crosswire store ids, version 1..";

/// The sessions and users that were in the store before the run.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Baseline {
    /// Keyed hashes of session ids.
    pub sessions: HashSet<u64>,
    /// The highest row number among the sessions, 0 without any.
    pub session_cursor: i64,
    /// Keyed hashes of user ids.
    pub users: HashSet<u64>,
    /// The highest row number among the users, 0 without any.
    pub user_cursor: i64,
}

impl Baseline {
    /// Was a session of this id there before the run?
    pub fn has_session(&self, id: &str) -> bool {
        self.sessions.contains(&id_hash(id))
    }

    /// Was a user of this id there before the run?
    pub fn has_user(&self, id: &str) -> bool {
        self.users.contains(&id_hash(id))
    }

    /// The hashes of the sessions, sorted, for the ledger.
    pub fn session_hashes(&self) -> Vec<u64> {
        sorted(&self.sessions)
    }

    /// The hashes of the users, sorted, for the ledger.
    pub fn user_hashes(&self) -> Vec<u64> {
        sorted(&self.users)
    }

    /// The baseline that an earlier process took, from its hashes and highest row numbers.
    pub fn from_hashes(
        (sessions, session_cursor): (Vec<u64>, i64),
        (users, user_cursor): (Vec<u64>, i64),
    ) -> Self {
        Self {
            sessions: sessions.into_iter().collect(),
            session_cursor,
            users: users.into_iter().collect(),
            user_cursor,
        }
    }
}

impl StoreClient {
    /// Reads what the store holds now, before the run begins.
    ///
    /// # Errors
    /// The store could not be listed to its end.
    pub async fn baseline(&self) -> Result<Baseline, StoreError> {
        let sessions = self.list_sessions().await;
        if let Some(fault) = sessions.fault {
            return Err(fault);
        }
        let users = self.list_users().await;
        if let Some(fault) = users.fault {
            return Err(fault);
        }
        Ok(Baseline {
            session_cursor: sessions.records.iter().map(|s| s.row).max().unwrap_or(0),
            sessions: sessions.records.iter().map(|s| id_hash(&s.id)).collect(),
            user_cursor: users.records.iter().map(|u| u.row).max().unwrap_or(0),
            users: users.records.iter().map(|u| id_hash(&u.id)).collect(),
        })
    }
}

fn id_hash(id: &str) -> u64 {
    let hash = blake3::keyed_hash(BASELINE_KEY, id.as_bytes());
    let mut first = [0; 8];
    first.copy_from_slice(&hash.as_bytes()[..8]);
    u64::from_le_bytes(first)
}

fn sorted(hashes: &HashSet<u64>) -> Vec<u64> {
    let mut list: Vec<u64> = hashes.iter().copied().collect();
    list.sort_unstable();
    list
}
