//! Who sends in a session: its user, and where the plan wants it another one, or the same one with
//! another credential.

use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::time::Instant;

use super::trespass;
use crate::auth::{AuthError, Secret};
use crate::drive::engine::Engine;
use crate::drive::identity::{self, Authorization};
use crate::model::{Standing, UserIx};
use crate::plan::{Script, Step};

/// A user with one credential at a time.
pub(super) struct Sender {
    user: UserIx,
    login: u8,
    standing: Standing,
    held: Mutex<Held>,
}

struct Held {
    credential: Option<Secret>,
    /// The credential as it stands in a request.
    authorization: Option<Authorization>,
    /// When it should be asked for again.
    fresh_until: Option<Instant>,
}

impl Sender {
    pub(super) fn sends(&self, step: &Step) -> bool {
        let sent = (step.user, step.login, trespass::standing(step));
        (self.user, self.login, self.standing) == sent
    }

    pub(super) fn credential(&self) -> Option<Secret> {
        self.held().credential.clone()
    }

    pub(super) fn authorization(&self) -> Option<Authorization> {
        self.held().authorization.clone()
    }

    /// Takes a newer credential where this one is about to end.
    ///
    /// # Errors
    /// It has ended, and there is no other.
    pub(super) async fn renew(&self, engine: &Engine) -> Result<(), AuthError> {
        let is_fresh = |until: Instant| Instant::now() < until;
        if self.held().fresh_until.is_none_or(is_fresh) {
            return Ok(());
        }
        let renewed = held(engine, self.user, self.login, self.standing).await?;
        *self.held() = renewed;
        Ok(())
    }

    /// A panic elsewhere leaves nothing half done in here.
    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Everybody who sends in a session.
///
/// # Errors
/// One of them has no credential.
pub(super) async fn all(engine: &Engine, script: &Script) -> Result<Vec<Sender>, AuthError> {
    let mut all: Vec<Sender> = Vec::new();
    for step in &script.steps {
        if all.iter().any(|sender| sender.sends(step)) {
            continue;
        }
        let standing = trespass::standing(step);
        let held = held(engine, step.user, step.login, standing).await?;
        all.push(Sender {
            user: step.user,
            login: step.login,
            standing,
            held: Mutex::new(held),
        });
    }
    Ok(all)
}

async fn held(
    engine: &Engine,
    user: UserIx,
    login: u8,
    standing: Standing,
) -> Result<Held, AuthError> {
    let name = engine.user_name(user);
    let credential = match standing {
        Standing::Founder | Standing::OtherUser => engine.tokens.token(&name, login).await?,
        Standing::Expired => engine.tokens.expired(&name)?,
        Standing::Nobody => None,
    };
    let fresh_until = credential.as_ref().and_then(|one| one.fresh_until);
    let credential = credential.map(|one| one.secret);
    Ok(Held {
        authorization: identity::authorization(&engine.target().auth, credential.as_ref()),
        credential,
        fresh_until,
    })
}
