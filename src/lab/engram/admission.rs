//! Into which session an operation goes, and as whom it is stored.

use std::sync::Arc;

use super::Engram;
use super::persist::Cause;
use crate::lab::faults::FaultKind;
use crate::lab::races::Hits;
use crate::model::Route;

/// Where an operation belongs, or where a planted fault lets it go.
#[derive(Debug, Clone)]
pub(super) struct Admission {
    pub(super) session: Arc<str>,
    /// Whose session this is.
    pub(super) session_user: Arc<str>,
    /// As whom the operation is stored.
    pub(super) writer: Arc<str>,
    /// The fault that let it in.
    pub(super) cause: Cause,
}

impl Engram {
    /// Admits an operation of this user: to the session whose id was sent, unless that is
    /// somebody else's, or to a new one.
    pub(super) fn admit(&self, user: &Arc<str>, sent: Option<String>, hits: &Hits) -> Admission {
        let own = |session| Admission {
            session,
            session_user: Arc::clone(user),
            writer: Arc::clone(user),
            cause: None,
        };
        let Some(sent) = sent else {
            let session = self.session_id(hits);
            self.sessions.give(&session, user);
            return own(session);
        };
        let session = Arc::from(sent);
        let founder = self.founder(&session, user);
        if founder == *user || self.sessions.was_given(&session, user) {
            return own(session);
        }
        if self.profile.is_snapshot() || self.faults.opens(Route::Chat) {
            // Whoever comes later is taken for whoever was first.
            return Admission {
                session,
                session_user: Arc::clone(&founder),
                writer: founder,
                cause: self
                    .faults
                    .opens(Route::Chat)
                    .then_some(FaultKind::OpenRoute),
            };
        }
        if hits.has(FaultKind::StaleLogin) {
            return Admission {
                session,
                session_user: Arc::clone(&founder),
                writer: founder,
                cause: Some(FaultKind::StaleLogin),
            };
        }
        if hits.has(FaultKind::FirstWriterOwns) {
            return Admission {
                session,
                session_user: founder,
                writer: Arc::clone(user),
                cause: Some(FaultKind::FirstWriterOwns),
            };
        }
        let fresh = || Arc::from(self.dice.uuid().to_string());
        own(self.sessions.instead(&session, user, fresh))
    }

    /// Whose a session id is, which `user` has sent.
    pub(super) fn founder(&self, session: &Arc<str>, user: &Arc<str>) -> Arc<str> {
        let stored_owner = || self.store.session(session)?.user_id;
        self.sessions.founder(session, user, stored_owner)
    }

    /// A new session id. The fault makes it from a clock that is too coarse.
    fn session_id(&self, hits: &Hits) -> Arc<str> {
        let id = match hits.window(FaultKind::CollidingIds) {
            Some(window) => {
                let tick = self.started.elapsed().as_nanos() / window.as_nanos().max(1);
                self.dice.uuid_of_tick(tick)
            }
            None => self.dice.uuid(),
        };
        Arc::from(id.to_string())
    }
}
