//! Whose a session id is, and what its user has told in it.
//!
//! An id belongs to whoever used it first. Another user who sends it gets a session of the own,
//! always the same one, so that no two users ever write into one session.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// All session ids that were used, with their founders.
#[derive(Debug, Default)]
pub(super) struct Sessions(Mutex<HashMap<Arc<str>, Entry>>);

#[derive(Debug)]
struct Entry {
    founder: Arc<str>,
    /// Other users to whom the server gave the same id, by mistake.
    given_to: Vec<Arc<str>>,
    /// Tasks that a fault has let write here, and beside it.
    listed: [u32; 2],
    /// Other users who sent this id, each with the session that stands for it.
    others: Vec<(Arc<str>, Arc<str>)>,
    /// The last reference word that was told here, and by whom.
    told: Option<(Arc<str>, String)>,
}

impl Sessions {
    /// Whose this id is: the founder's, who is `user` if nobody else was before. For an id that
    /// was never used here `stored_owner` may still know one.
    pub(super) fn founder(
        &self,
        session: &Arc<str>,
        user: &Arc<str>,
        stored_owner: impl FnOnce() -> Option<String>,
    ) -> Arc<str> {
        let mut entries = self.lock();
        let entry = entries.entry(Arc::clone(session)).or_insert_with(|| {
            let founder = stored_owner().map_or_else(|| Arc::clone(user), Arc::from);
            Entry::of(founder)
        });
        Arc::clone(&entry.founder)
    }

    /// The server gives this id, of its own making, to a user.
    pub(super) fn give(&self, session: &Arc<str>, user: &Arc<str>) {
        let mut entries = self.lock();
        let entry = entries.entry(Arc::clone(session));
        let entry = entry.or_insert_with(|| Entry::of(Arc::clone(user)));
        if entry.founder != *user && !entry.given_to.contains(user) {
            entry.given_to.push(Arc::clone(user));
        }
    }

    /// Was this id given to this user, after another one had it?
    pub(super) fn was_given(&self, session: &Arc<str>, user: &Arc<str>) -> bool {
        let entries = self.lock();
        let entry = entries.get(session);
        entry.is_some_and(|entry| entry.given_to.contains(user))
    }

    /// Was this id given to more than one user?
    pub(super) fn collides(&self, session: &Arc<str>) -> bool {
        let entries = self.lock();
        let entry = entries.get(session);
        entry.is_some_and(|entry| !entry.given_to.is_empty())
    }

    /// Does a task that may write beside its session do so? The first does not, and then each
    /// second one.
    pub(super) fn beside(&self, session: &Arc<str>, may: bool) -> bool {
        let mut entries = self.lock();
        let Some(entry) = entries.get_mut(session) else {
            return false;
        };
        let [here, beside] = entry.listed;
        let goes = may && here > beside;
        entry.listed[usize::from(goes)] += 1;
        goes
    }

    /// The session that stands for somebody else's id when this user sends it.
    pub(super) fn instead(
        &self,
        session: &Arc<str>,
        user: &Arc<str>,
        fresh: impl FnOnce() -> Arc<str>,
    ) -> Arc<str> {
        let mut entries = self.lock();
        let known = entries.get(session).and_then(|entry| {
            let mut others = entry.others.iter();
            others.find(|(other, _)| other == user)
        });
        if let Some((_, own)) = known {
            return Arc::clone(own);
        }
        let own = fresh();
        entries.insert(Arc::clone(&own), Entry::of(Arc::clone(user)));
        if let Some(entry) = entries.get_mut(session) {
            entry.others.push((Arc::clone(user), Arc::clone(&own)));
        }
        own
    }

    /// Keeps a reference word that a user has told in a session.
    pub(super) fn told(&self, session: &Arc<str>, user: &Arc<str>, word: &str) {
        if let Some(entry) = self.lock().get_mut(session) {
            entry.told = Some((Arc::clone(user), word.to_owned()));
        }
    }

    /// The last reference word that this user has told in a session.
    pub(super) fn last_word(&self, session: &Arc<str>, user: &Arc<str>) -> Option<String> {
        let entries = self.lock();
        let told = entries.get(session)?.told.as_ref();
        told.filter(|(teller, _)| teller == user)
            .map(|(_, word)| word.clone())
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Arc<str>, Entry>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Entry {
    fn of(founder: Arc<str>) -> Self {
        Self {
            founder,
            given_to: Vec::new(),
            listed: [0; 2],
            others: Vec::new(),
            told: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_stays_with_its_founder_and_others_get_their_own() {
        let sessions = Sessions::default();
        let (s, a, b): (Arc<str>, Arc<str>, Arc<str>) = ("s".into(), "a".into(), "b".into());
        let founder = |user| sessions.founder(&s, user, || None);
        assert_eq!((founder(&a), founder(&b)), (Arc::clone(&a), Arc::clone(&a)));
        let own = sessions.instead(&s, &b, || "t".into());
        assert_eq!(sessions.instead(&s, &b, || "u".into()), own);
        assert_eq!(sessions.founder(&own, &a, || None), b);
        let stored = sessions.founder(&"v".into(), &a, || Some("b".to_owned()));
        assert_eq!(stored, b);
    }

    #[test]
    fn an_id_that_was_given_twice_is_known_to_collide() {
        let sessions = Sessions::default();
        let (s, a, b): (Arc<str>, Arc<str>, Arc<str>) = ("s".into(), "a".into(), "b".into());
        sessions.give(&s, &a);
        sessions.give(&s, &a);
        assert!(!sessions.collides(&s));
        sessions.give(&s, &b);
        assert!(sessions.collides(&s) && sessions.was_given(&s, &b) && !sessions.was_given(&s, &a));
    }

    #[test]
    fn half_of_the_tasks_go_beside() {
        let sessions = Sessions::default();
        let s: Arc<str> = "s".into();
        assert!(!sessions.beside(&s, true), "an unknown session");
        sessions.give(&s, &"a".into());
        let went = [true, true, false, true, true].map(|may| sessions.beside(&s, may));
        assert_eq!(went, [false, true, false, true, false]);
    }

    #[test]
    fn a_word_is_given_back_to_its_teller_only() {
        let sessions = Sessions::default();
        let (s, a, b): (Arc<str>, Arc<str>, Arc<str>) = ("s".into(), "a".into(), "b".into());
        sessions.founder(&s, &a, || None);
        assert_eq!(sessions.last_word(&s, &a), None);
        sessions.told(&s, &a, "first");
        sessions.told(&s, &a, "second");
        assert_eq!(sessions.last_word(&s, &a).as_deref(), Some("second"));
        assert_eq!(sessions.last_word(&s, &b), None);
    }
}
