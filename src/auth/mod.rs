//! Who a request says it comes from: one credential for each synthetic user.
//!
//! A [`Secret`] can be put into a request and nowhere else: it is neither printed nor serialised.

use std::fmt;

use crate::scenario::{AuthKind, fits_dev_token};

/// The role that development tokens ask for: enough for every route that is driven.
const DEV_ROLE: &str = "analyst";

/// A credential. Its only way out is [`Secret::expose`].
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

/// Where credentials come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenSource {
    /// Engram's development tokens.
    Dev,
    /// Requests carry no credential.
    None,
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
    /// The bearer token of a user, by the user's name at the target; `None` where requests carry
    /// no credential.
    ///
    /// # Errors
    /// No token can be had for this user; none of its requests may be sent without one.
    #[expect(
        clippy::unused_async,
        reason = "sources that ask an issuer have to wait; callers must not tell them apart"
    )]
    pub async fn token(&self, user_name: &str) -> Result<Option<Secret>, AuthError> {
        match self {
            Self::Dev => dev_token(user_name).map(Some),
            Self::None => Ok(None),
        }
    }
}

/// The target cuts the token at every underscore, so the name must hold none.
fn dev_token(user_name: &str) -> Result<Secret, AuthError> {
    if fits_dev_token(user_name) {
        Ok(Secret(format!("dev_{user_name}_{DEV_ROLE}")))
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
        let token = dev_token("cw-0012abcd-u17").unwrap();
        assert_eq!(token.expose(), "dev_cw-0012abcd-u17_analyst");
    }

    #[test]
    fn a_name_that_would_be_cut_is_refused() {
        for name in ["", "a_b", "a b", "ü"] {
            assert!(dev_token(name).is_err(), "{name}");
        }
    }

    #[test]
    fn a_secret_is_not_printed() {
        let token = dev_token("cw-0012abcd-u17").unwrap();
        assert_eq!(format!("{token:?}"), "Secret(..)");
    }
}
