//! Who a request says it comes from: the credentials of each synthetic user.
//!
//! A [`Secret`] can be put into a request and nowhere else: it is neither printed nor serialised.

use std::fmt;

use crate::scenario::{AuthKind, fits_dev_token};

/// The roles that development tokens ask for, one for each login of a user; each is enough for
/// every route that is driven.
const DEV_ROLES: [&str; 2] = ["analyst", "viewer"];

/// What stands in the place of a credential.
const MASK: &str = "***";
/// How credentials begin that are not known here, in lower case: each goes on to the next
/// character that cannot stand in one.
const CREDENTIAL_STARTS: [&str; 2] = ["bearer ", "dev_"];

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

/// A text of the target's without this credential, and without anything that looks like one: it
/// may repeat what it was sent.
pub fn mask(text: &str, credential: Option<&Secret>) -> String {
    let text = match credential {
        Some(secret) if !secret.0.is_empty() => text.replace(&secret.0, MASK),
        Some(_) | None => text.to_owned(),
    };
    let mut masked = String::with_capacity(text.len());
    let mut rest = text.as_str();
    while let Some((before, start, after)) = next_credential(rest) {
        masked.push_str(before);
        masked.push_str(start);
        masked.push_str(MASK);
        rest = after;
    }
    masked.push_str(rest);
    masked
}

/// What stands before the next thing that looks like a credential, how that begins, and what
/// stands behind it.
fn next_credential(text: &str) -> Option<(&str, &str, &str)> {
    let lower = text.to_ascii_lowercase();
    let (at, start) = CREDENTIAL_STARTS
        .iter()
        .filter_map(|start| Some((lower.find(start)?, *start)))
        .min()?;
    let (before, found) = text.split_at_checked(at)?;
    let (start, credential) = found.split_at_checked(start.len())?;
    let end = credential.find(|c: char| !may_stand_in_credential(c));
    let (_, after) = credential.split_at_checked(end.unwrap_or(credential.len()))?;
    Some((before, start, after))
}

/// The characters of a bearer token, and the mask's own.
fn may_stand_in_credential(character: char) -> bool {
    character.is_ascii_alphanumeric() || "-._~+/=*".contains(character)
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

    #[test]
    fn a_credential_is_masked_wherever_it_stands() {
        let secret = Secret("eyJ0.s3cret-x".to_owned());
        for (text, expect) in [
            ("nothing here", "nothing here"),
            ("token eyJ0.s3cret-x, expired", "token ***, expired"),
            (
                "{\"authorization\":\"Bearer abc.DEF-1=\"}",
                "{\"authorization\":\"Bearer ***\"}",
            ),
            ("bearer eyJ0.s3cret-x!", "bearer ***!"),
            ("BEARER a BEARER b", "BEARER *** BEARER ***"),
            (
                "ü: dev_cw-0012abcd-u17_analyst has no role",
                "ü: dev_*** has no role",
            ),
            ("Bearer dev_a-u1_viewer", "Bearer ***"),
            ("Bearer ", "Bearer ***"),
        ] {
            let masked = mask(text, Some(&secret));
            assert_eq!(masked, expect, "{text}");
            assert_eq!(mask(&masked, Some(&secret)), expect, "twice: {text}");
        }
    }
}
