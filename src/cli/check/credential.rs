//! Whose credential is this? One of another user would prove nothing of the one that is checked.
#![expect(clippy::disallowed_methods, reason = "reads a credential's variable")]

use anyhow::{Context as _, bail};

use crate::auth::{self, Secret, TokenSource};
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
    /// The owner that a file of credentials names for a user; `None` if it names none.
    pub(super) fn owner_in_file(&self, user_id: &str) -> Option<String> {
        match self {
            Self::Configured(asked) => owner_in_file(asked, user_id),
            Self::Made | Self::Dev(_) | Self::Jwt(_) => None,
        }
    }

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

/// The owner that a file of credentials names for this user; `None` if it names none.
fn owner_in_file(asked: &Asked, user_id: &str) -> Option<String> {
    let mut accounts = asked.accounts.iter().flat_map(|known| &known.accounts);
    let of_user = accounts.find(|account| account.user == user_id);
    of_user.and_then(|account| account.oid.clone())
}

/// Refuses the credential of another user, whatever a file calls its owner: what requests really
/// carry decides.
///
/// # Errors
/// There is none, or it is another user's.
pub(super) async fn check_owner(
    tokens: &TokenSource,
    owner_in_file: Option<&str>,
    user_id: &str,
) -> anyhow::Result<()> {
    let credential = tokens.token(user_id, 0).await.context("could not begin")?;
    let Some(credential) = credential else {
        return Ok(());
    };
    let claims = auth::read_claims(&credential.secret);
    let named = match (&claims.dev_user, &claims.owner) {
        (Some(user), _) => Some(user.as_str()),
        (None, Some(oid)) => Some(oid.as_str()),
        (None, None) => owner_in_file,
    };
    match named {
        Some(named) if named != user_id => bail!(
            "the credential of `{user_id}` is that of `{named}`: give that as `--user-id`, or the \
             user's own credential"
        ),
        Some(_) | None => Ok(()),
    }
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
    use std::sync::Arc;

    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;

    use super::*;
    use crate::auth::{Account, Proof, TokenTable};

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

    #[tokio::test]
    async fn what_a_file_calls_a_user_does_not_count() {
        let account = |token: &str| Account {
            user: "user-1".to_owned(),
            oid: None,
            proof: Proof::Token(Secret::new(token.to_owned())),
        };
        for (token, in_file, is_ours) in [
            ("dev_user-1_analyst", None, true),
            ("dev_user-2_analyst", None, false),
            (&jwt(r#"{"oid":"user-1"}"#), Some("user-1"), true),
            (&jwt(r#"{"oid":"user-2"}"#), Some("user-2"), false),
            (&jwt(r#"{"oid":"user-2"}"#), Some("user-1"), false),
            ("opaque", None, true),
            ("opaque", Some("user-1"), true),
            ("opaque", Some("6f1c"), false),
        ] {
            let table = TokenTable::new(vec![account(token)]).unwrap();
            let tokens = TokenSource::Table(Arc::new(table));
            let checked = check_owner(&tokens, in_file, "user-1").await;
            assert_eq!(checked.is_ok(), is_ours, "{token} {in_file:?}");
        }
        assert!(
            check_owner(&TokenSource::None, None, "user-1")
                .await
                .is_ok()
        );
    }

    #[test]
    fn a_token_on_the_command_line_is_refused_and_not_repeated() {
        let error = of(Some("dev_user-1_analyst"), "user-1", true).unwrap_err();
        assert!(!error.to_string().contains("dev_user-1"));
    }
}
