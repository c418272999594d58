//! Names that are not this run's, made unreadable before they leave memory: owners and sessions of
//! people who use the same store.
//!
//! A name becomes a keyed hash, so that equal strangers stay equal and nobody is named. The key is
//! drawn for the run and kept beside its ledger, not in it. Names of this run's users and sessions
//! stay, and so do stand-ins, which name no person.

use std::collections::HashSet;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::scan::ScanContext;
use super::sight::{is_our_session, is_our_user};
use crate::model::OpKind;

/// What a hidden name begins with.
const PREFIX: &str = "stranger-";

/// Stand-ins that backends are known to write as, beside those that the scenario names.
const STAND_INS: [&str; 16] = [
    "anonymous",
    "anonymous-user",
    "default",
    "default-user",
    "default_user",
    "demo-user",
    "dev-user",
    "guest",
    "none",
    "null",
    "poc-user",
    "system",
    "test-user",
    "unknown",
    "voice-user",
    "ws-user",
];

/// The run's key, and the sessions that answers have named. Copies share them.
#[derive(Clone)]
pub struct Strangers {
    key: [u8; 32],
    /// Keyed hashes of the names: a run may have many.
    named: Arc<Mutex<HashSet<u64>>>,
}

/// Without the key.
impl fmt::Debug for Strangers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Strangers").finish_non_exhaustive()
    }
}

impl Strangers {
    /// Hides names under a key, which must be random and the same for all readings of a run.
    pub fn new(key: [u8; 32]) -> Self {
        Self {
            key,
            named: Arc::default(),
        }
    }

    /// An answer to one of this run's users has named this session, so it is not a stranger's.
    pub fn answer_named(&self, session: &str) {
        let hash = self.hash(session);
        self.named().insert(hash);
    }

    /// An owner as it may be kept: in clear where it names a user of this run, a stand-in or
    /// whom the scenario accepts.
    pub(super) fn owner(&self, context: &ScanContext, owner: &str) -> String {
        if is_our_user(context, Some(owner)) || is_stand_in(context, owner) {
            return owner.to_owned();
        }
        self.hidden(owner)
    }

    /// A session's id as it may be kept: in clear where it is this run's by its name, its owner
    /// or an answer.
    pub(super) fn session(&self, context: &ScanContext, id: &str, owner: Option<&str>) -> String {
        let is_known = is_our_session(context, id, owner)
            || STAND_INS.contains(&id)
            || self.named().contains(&self.hash(id));
        if is_known {
            return id.to_owned();
        }
        self.hidden(id)
    }

    fn hidden(&self, name: &str) -> String {
        format!("{PREFIX}{:08x}", self.hash(name) >> 32)
    }

    fn hash(&self, name: &str) -> u64 {
        let mut first = [0; 8];
        first.copy_from_slice(&blake3::keyed_hash(&self.key, name.as_bytes()).as_bytes()[..8]);
        u64::from_be_bytes(first)
    }

    /// A panic elsewhere leaves no half-done change in the set.
    fn named(&self) -> MutexGuard<'_, HashSet<u64>> {
        self.named.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Does the name stand for no person? Also a template's with nobody in it.
fn is_stand_in(context: &ScanContext, owner: &str) -> bool {
    let target = &context.scenario.target;
    let of_nobody = |kind| target.expected_owner.get(kind).user_name(owner) == Some("");
    owner.trim().is_empty()
        || STAND_INS.contains(&owner)
        || target.placeholders.iter().any(|known| known == owner)
        || OpKind::ALL.into_iter().any(of_nobody)
        || context.scenario.accept.iter().any(|entry| {
            let known = entry.owner.as_ref();
            known.is_some_and(|known| known.is(Some(owner)))
        })
}

#[cfg(test)]
mod tests {
    use super::super::fake::{OTHER_RUN, RUN, context, owner, session_name};
    use super::*;
    use crate::model::{SessionIx, UserIx};

    #[test]
    fn people_are_hidden_and_users_of_the_run_and_stand_ins_are_not() {
        let context = context();
        let strangers = &context.strangers;
        let ours = owner(3);
        for known in [
            ours.as_str(),
            "poc-user",
            "demo-user",
            "default",
            "dev-oid-",
            "",
            "  ",
        ] {
            assert_eq!(strangers.owner(&context, known), known);
        }
        let colleague = format!("dev-oid-{}", OTHER_RUN.user_name(UserIx(3)));
        let bare = RUN.user_name(UserIx(3));
        for person in ["anna", "dev-oid-anna", "demo-user2", &colleague, &bare] {
            let hidden = strangers.owner(&context, person);
            assert!(hidden.starts_with(PREFIX) && hidden.len() == 17, "{hidden}");
            assert_eq!(
                strangers.owner(&context, person),
                hidden,
                "equal stay equal"
            );
        }
        assert_ne!(
            strangers.owner(&context, "anna"),
            strangers.owner(&context, "bob")
        );
        let other_key = Strangers::new([9; 32]);
        assert_ne!(
            other_key.owner(&context, "anna"),
            strangers.owner(&context, "anna")
        );
        assert!(!format!("{:?}", Strangers::new([65; 32])).contains("65"));
    }

    #[test]
    fn sessions_are_ours_by_name_by_owner_and_by_an_answer() {
        let context = context();
        let strangers = context.strangers.clone();
        let ours = owner(1);
        let by_name = session_name(0, 0);
        let colleague = OTHER_RUN.session_name(UserIx(0), SessionIx(0));
        strangers.clone().answer_named("server-2");
        for (id, owner, is_kept) in [
            (by_name.as_str(), Some("anna"), true),
            ("server-1", Some(ours.as_str()), true),
            ("server-2", None, true),
            ("server-2", Some("anna"), true),
            ("server-3", None, false),
            ("server-3", Some("poc-user"), false),
            ("chat-of-anna", Some("anna"), false),
            (colleague.as_str(), None, false),
        ] {
            let kept = strangers.session(&context, id, owner);
            assert_eq!(kept == id, is_kept, "{id} {owner:?} {kept}");
        }
    }
}
