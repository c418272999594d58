//! Who sends in a session: its user, and where the plan wants it another one, or the same one with
//! another credential.

use hyper::header::HeaderValue;

use crate::auth::{AuthError, Secret};
use crate::drive::engine::Engine;
use crate::drive::identity;
use crate::model::UserIx;
use crate::plan::{Script, Step};

/// A user with one credential.
pub(super) struct Sender {
    user: UserIx,
    login: u8,
    pub(super) credential: Option<Secret>,
    /// The credential as it stands in a request.
    pub(super) authorization: Option<HeaderValue>,
}

impl Sender {
    pub(super) fn sends(&self, step: &Step) -> bool {
        (self.user, self.login) == (step.user, step.login)
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
        let name = engine.user_name(step.user);
        let credential = engine.tokens.token(&name, step.login).await?;
        all.push(Sender {
            user: step.user,
            login: step.login,
            authorization: identity::authorization(credential.as_ref()),
            credential,
        });
    }
    Ok(all)
}
