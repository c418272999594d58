//! Who a request says it comes from: the credentials of each synthetic user.
//!
//! A [`Secret`] can be put into a request and nowhere else: it is neither printed nor serialised.

mod mask;

use std::fmt;

use crate::scenario::{AuthKind, fits_dev_token};

pub use mask::mask;

/// The roles that development tokens ask for, one for each login of a user; each is enough for
/// every route that is driven.
const DEV_ROLES: [&str; 2] = ["analyst", "viewer"];

/// A credential. Its only way out is [`Secret::expose`].
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

/// Where credentials come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TokenSource {
    /// Engram's development tokens.
    Dev,
    /// Requests carry no credential.
    None,
    /// This one, whoever sends: for a single user whose credential was given.
    Given(Secret),
}

/// Why there is no credential for a user.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AuthError {
    /// The target would cut the token at the wrong place and see another user.
    #[error(
        "make a development token for user `{user_name}`: only letters, digits, `-`, `.` and `@` \
         keep their place in it"
    )]
    UserName {
        /// The name that does not fit.
        user_name: String,
    },
}

impl Secret {
    /// Takes a credential that was given.
    pub fn new(credential: String) -> Self {
        Self(credential)
    }

    /// The credential itself, for the request that carries it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

impl From<AuthKind> for TokenSource {
    fn from(kind: AuthKind) -> Self {
        match kind {
            AuthKind::Dev => Self::Dev,
            AuthKind::None => Self::None,
        }
    }
}

impl TokenSource {
    /// A bearer token of a user, by the user's name at the target; `None` where requests carry no
    /// credential. Each `login` of a user, counted from 0, has a credential of its own, as far as
    /// the source has several.
    ///
    /// # Errors
    /// No token can be had for this user; none of its requests may be sent without one.
    #[expect(
        clippy::unused_async,
        reason = "sources that ask an issuer have to wait; callers must not tell them apart"
    )]
    pub async fn token(&self, user_name: &str, login: u8) -> Result<Option<Secret>, AuthError> {
        match self {
            Self::Dev => dev_token(user_name, login).map(Some),
            Self::None => Ok(None),
            Self::Given(secret) => Ok(Some(secret.clone())),
        }
    }
}

/// The target cuts the token at every underscore, so the name must hold none.
fn dev_token(user_name: &str, login: u8) -> Result<Secret, AuthError> {
    if fits_dev_token(user_name) {
        let role = DEV_ROLES[usize::from(login) % DEV_ROLES.len()];
        Ok(Secret(format!("dev_{user_name}_{role}")))
    } else {
        Err(AuthError::UserName {
            user_name: user_name.to_owned(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_development_token_names_its_user() {
        for (login, expect) in [
            (0, "dev_cw-0012abcd-u17_analyst"),
            (1, "dev_cw-0012abcd-u17_viewer"),
            (2, "dev_cw-0012abcd-u17_analyst"),
        ] {
            let token = dev_token("cw-0012abcd-u17", login).unwrap();
            assert_eq!(token.expose(), expect);
        }
    }

    #[test]
    fn a_name_that_would_be_cut_is_refused() {
        for name in ["", "a_b", "a b", "ü"] {
            assert!(dev_token(name, 0).is_err(), "{name}");
        }
    }

    #[test]
    fn a_secret_is_not_printed() {
        let token = dev_token("cw-0012abcd-u17", 0).unwrap();
        assert_eq!(format!("{token:?}"), "Secret(..)");
    }
}
