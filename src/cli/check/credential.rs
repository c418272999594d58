//! Whose credential is this? One of another user would prove nothing of the one that is checked.
#![expect(clippy::disallowed_methods, reason = "reads a credential's variable")]

use anyhow::{Context as _, bail};

use crate::auth::{self, Secret};
use crate::cli::credentials::{self, Asked};
use crate::scenario::AuthKind;

/// Where a credential is looked for first.
const VARIABLE: &str = "AUTH_TOKEN";

/// How the checked user proves who they are.
#[derive(Debug)]
pub(super) enum Credential {
    /// By a development token that is made here.
    Made,
    /// By a development token that was given.
    Dev(Secret),
    /// By a JSON web token that was given; its owner is its `oid`.
    Jwt(Secret),
    /// As a file says, or a kind that has a credential for every user.
    Configured(Asked),
}

impl Credential {
    /// The one that was given.
    pub(super) fn secret(&self) -> Option<Secret> {
        match self {
            Self::Made | Self::Configured(_) => None,
            Self::Dev(secret) | Self::Jwt(secret) => Some(secret.clone()),
        }
    }
}

/// The credential of a user, as `--auth` says; by default `$AUTH_TOKEN`, else, for the embedded
/// lab, one that is made.
///
/// # Errors
/// There is none, or it is not this user's.
pub(super) fn of(
    asked: Option<&str>,
    user_id: &str,
    has_target: bool,
) -> anyhow::Result<Credential> {
    let from_env = |name: &str| std::env::var(name).ok().filter(|token| !token.is_empty());
    let token = match asked {
        Some("dev") => return Ok(Credential::Made),
        Some(flag) => {
            let asked = credentials::asked(Some(flag), None)?;
            match asked.settings.as_ref().map(|settings| &settings.kind) {
                Some(AuthKind::Shared(place)) => credentials::secret(place)?.expose().to_owned(),
                Some(
                    AuthKind::Dev
                    | AuthKind::DevHeader
                    | AuthKind::None
                    | AuthKind::File(_)
                    | AuthKind::Mint(_)
                    | AuthKind::Oauth2(_),
                )
                | None => return Ok(Credential::Configured(asked)),
            }
        }
        None => match from_env(VARIABLE) {
            Some(token) => token,
            None if has_target => bail!(
                "no credential for user `{user_id}`: set ${VARIABLE}, or give `--auth dev` for a \
                 development token"
            ),
            None => return Ok(Credential::Made),
        },
    };
    whose(token.trim(), user_id)
}

/// Takes a token if it is this user's. What it says is shown, never the token.
fn whose(token: &str, user_id: &str) -> anyhow::Result<Credential> {
    let secret = Secret::new(token.to_owned());
    let claims = auth::read_claims(&secret);
    auth::usable(user_id, &secret).context("could not begin")?;
    match (claims.dev_user, claims.owner) {
        (Some(user), _) if user == user_id => Ok(Credential::Dev(secret)),
        (Some(user), _) => {
            bail!("the development token is that of user `{user}`, not of `{user_id}`")
        }
        (None, Some(oid)) if oid == user_id => Ok(Credential::Jwt(secret)),
        (None, Some(oid)) => bail!("the token's `oid` is `{oid}`, not `{user_id}`"),
        (None, None) => {
            bail!("the token names no user: neither a development token nor one with an `oid`")
        }
    }
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;

    use super::*;

    fn jwt(claims: &str) -> String {
        format!("e30.{}.sig", URL_SAFE_NO_PAD.encode(claims))
    }

    #[test]
    fn only_the_users_own_credential_is_taken() {
        for (token, is_ours) in [
            ("dev_user-1_analyst".to_owned(), true),
            ("dev_user-2_analyst".to_owned(), false),
            ("dev_".to_owned(), false),
            (jwt(r#"{"oid":"user-1","sub":"x"}"#), true),
            (jwt(r#"{"oid":"user-2","sub":"user-1"}"#), false),
            (jwt(r#"{"sub":"user-1"}"#), false),
            (jwt("no JSON"), false),
            ("opaque".to_owned(), false),
            (String::new(), false),
        ] {
            let taken = whose(&token, "user-1");
            assert_eq!(taken.is_ok(), is_ours, "{token}");
            if let Err(error) = taken {
                assert!(token.is_empty() || !error.to_string().contains(&token));
            }
        }
    }

    #[test]
    fn a_token_on_the_command_line_is_refused_and_not_repeated() {
        let error = of(Some("dev_user-1_analyst"), "user-1", true).unwrap_err();
        assert!(!error.to_string().contains("dev_user-1"));
    }
}
