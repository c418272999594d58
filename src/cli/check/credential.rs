//! Whose credential is this? One of another user would prove nothing of the one that is checked.
#![expect(clippy::disallowed_methods, reason = "reads a credential's file")]

use anyhow::{Context, bail};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;

use crate::auth::Secret;

/// Where a credential is looked for first.
const VARIABLE: &str = "AUTH_TOKEN";
/// Bytes of a credential's file.
const TOKEN_BYTES_MAX: u64 = 64 * 1024;

/// How the checked user proves who they are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Credential {
    /// By a development token that is made here.
    Made,
    /// By a development token that was given.
    Dev(Secret),
    /// By a JSON web token that was given; its owner is its `oid`.
    Jwt(Secret),
}

impl Credential {
    /// The one that was given.
    pub(super) fn secret(&self) -> Option<Secret> {
        match self {
            Self::Made => None,
            Self::Dev(secret) | Self::Jwt(secret) => Some(secret.clone()),
        }
    }
}

#[derive(Deserialize)]
struct Claims {
    oid: Option<String>,
}

/// The credential of a user: `dev`, `env:NAME` or `file:PATH`; by default `$AUTH_TOKEN`, else,
/// for the embedded lab, one that is made.
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
        Some(asked) => {
            if let Some(name) = asked.strip_prefix("env:") {
                from_env(name).with_context(|| format!("could not use ${name}: it is not set"))?
            } else if let Some(path) = asked.strip_prefix("file:") {
                read(path)?
            } else {
                bail!(
                    "could not use `--auth`: give `dev`, `env:NAME` or `file:PATH`; a token itself \
                     would be seen in the list of processes"
                );
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

fn read(path: &str) -> anyhow::Result<String> {
    let what = || format!("could not read the credential in {path}");
    let size = std::fs::metadata(path).with_context(what)?.len();
    if size > TOKEN_BYTES_MAX {
        bail!("could not read the credential in {path}: it has more than {TOKEN_BYTES_MAX} bytes");
    }
    std::fs::read_to_string(path).with_context(what)
}

/// Takes a token if it is this user's. What it says is shown, never the token.
fn whose(token: &str, user_id: &str) -> anyhow::Result<Credential> {
    let secret = || Secret::new(token.to_owned());
    if token.starts_with("dev_") {
        let user = token.split('_').nth(1).unwrap_or_default();
        if user != user_id {
            bail!("the development token is that of user `{user}`, not of `{user_id}`");
        }
        return Ok(Credential::Dev(secret()));
    }
    let claims = token.split('.').nth(1).and_then(|claims| {
        let json = URL_SAFE_NO_PAD.decode(claims.trim_end_matches('=')).ok()?;
        serde_json::from_slice::<Claims>(&json).ok()
    });
    match claims.and_then(|claims| claims.oid) {
        Some(oid) if oid == user_id => Ok(Credential::Jwt(secret())),
        Some(oid) => bail!("the token's `oid` is `{oid}`, not `{user_id}`"),
        None => bail!("the token names no user: neither a development token nor one with an `oid`"),
    }
}

#[cfg(test)]
mod tests {
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
