//! What planted faults remember of connections and credentials, and mistake for who sends.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::Engram;
use super::admission::Admission;
use crate::lab::doors::ConnectionIx;
use crate::lab::faults::FaultKind;
use crate::lab::races::Hits;

/// Keys of the cache of new credentials: few, so that they collide.
const KEYS: u64 = 16;

/// Users by what they should not be known by.
#[derive(Debug, Default)]
pub(super) struct Logins {
    /// The first user of each connection.
    connections: Mutex<HashMap<ConnectionIx, Arc<str>>>,
    /// What the first credential of each session says beside the user.
    sessions: Mutex<HashMap<Arc<str>, String>>,
    /// The first user of each key.
    renewed: Mutex<HashMap<u64, Arc<str>>>,
}

/// Who sends a request, and how.
#[derive(Debug, Clone, Copy)]
pub(super) struct Caller<'a> {
    pub(super) user: &'a Arc<str>,
    pub(super) connection: ConnectionIx,
    /// What the credential says beside the user.
    pub(super) login: Option<&'a str>,
}

impl Engram {
    /// Admits a request as a caller who is mistaken for another, where a planted fault does so.
    pub(super) fn admit_caller(
        &self,
        caller: Caller<'_>,
        sent: Option<String>,
        hits: &Hits,
    ) -> Admission {
        let renewed = self.renewed(caller, sent.as_deref(), hits);
        let mut admission = self.admit(caller.user, sent, hits);
        if let Some(other) = renewed {
            // A session of the other user's own, as for any id that is somebody else's.
            let fresh = || Arc::from(self.dice.uuid().to_string());
            let session = self.sessions.instead(&admission.session, &other, fresh);
            return Admission {
                session,
                writer: other,
                cause: Some(FaultKind::CollidingLogins),
                ..admission
            };
        }
        if let Some(first) = self.first_of_connection(caller, hits) {
            admission.writer = first;
            admission.cause = Some(FaultKind::StickyConnection);
        }
        admission
    }

    /// The other user that a session's new credential is mistaken for.
    fn renewed(&self, caller: Caller<'_>, sent: Option<&str>, hits: &Hits) -> Option<Arc<str>> {
        if !self.faults.planted(FaultKind::CollidingLogins) {
            return None;
        }
        let (session, login) = (Arc::from(sent?), caller.login?);
        let is_new = *lock(&self.logins.sessions)
            .entry(session)
            .or_insert_with(|| login.to_owned())
            != login;
        if !(is_new && hits.has(FaultKind::CollidingLogins)) {
            return None;
        }
        let mut hasher = DefaultHasher::new();
        caller.user.hash(&mut hasher);
        let mut renewed = lock(&self.logins.renewed);
        let first = renewed.entry(hasher.finish() % KEYS);
        let first = Arc::clone(first.or_insert_with(|| Arc::clone(caller.user)));
        (first != *caller.user).then_some(first)
    }

    /// The first user of the caller's connection, if that is another one.
    fn first_of_connection(&self, caller: Caller<'_>, hits: &Hits) -> Option<Arc<str>> {
        if !self.faults.planted(FaultKind::StickyConnection) {
            return None;
        }
        let mut connections = lock(&self.logins.connections);
        let first = connections.entry(caller.connection);
        let first = Arc::clone(first.or_insert_with(|| Arc::clone(caller.user)));
        let mistaken = first != *caller.user && hits.has(FaultKind::StickyConnection);
        mistaken.then_some(first)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
