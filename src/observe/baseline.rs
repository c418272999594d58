//! What the store held before the run, as hashes, so that nobody's ids are kept.

use std::collections::HashSet;

use super::error::StoreError;
use super::store::StoreClient;

/// Public key of the hashes: it keeps them apart from those of other programs.
const BASELINE_KEY: &[u8; 32] = b"crosswire store ids, version 1..";

/// The sessions and users that were in the store before the run.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Baseline {
    hashes: HashSet<u64>,
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

    /// Sessions and users together.
    pub fn len(&self) -> usize {
        self.hashes.len()
    }

    /// Was the store empty?
    pub fn is_empty(&self) -> bool {
        self.hashes.is_empty()
    }

    /// The keyed hashes of all ids, sorted, for the ledger.
    pub fn hashes(&self) -> Vec<u64> {
        let mut hashes: Vec<u64> = self.hashes.iter().copied().collect();
        hashes.sort_unstable();
        hashes
    }

    /// The baseline that an earlier process took, from its hashes.
    pub fn from_hashes(hashes: impl IntoIterator<Item = u64>) -> Self {
        Self {
            hashes: hashes.into_iter().collect(),
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
        let sessions = sessions.records.iter().map(|s| (Kind::Session, &s.id));
        let users = users.records.iter().map(|u| (Kind::User, &u.id));
        let all = sessions.chain(users);
        Ok(Baseline::from_hashes(
            all.map(|(kind, id)| id_hash(kind, id)),
        ))
    }
}

/// What an id names: a session and a user may have the same one.
#[derive(Debug, Clone, Copy)]
enum Kind {
    Session,
    User,
}

fn id_hash(kind: Kind, id: &str) -> u64 {
    let kind = match kind {
        Kind::Session => b"s",
        Kind::User => b"u",
    };
    let mut hasher = blake3::Hasher::new_keyed(BASELINE_KEY);
    hasher.update(kind).update(id.as_bytes());
    let mut first = [0; 8];
    first.copy_from_slice(&hasher.finalize().as_bytes()[..8]);
    u64::from_le_bytes(first)
}
