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
