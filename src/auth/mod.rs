//! Who a request says it comes from: the credentials of each synthetic user.
//!
//! A [`Secret`] can be put into a request and nowhere else: it is neither printed nor serialised.
//! Where a secret is read from is the business of the command line; here it only is put to use.
#![expect(
    clippy::disallowed_methods,
    reason = "tokens begin and end by the wall clock"
)]

mod accounts;
mod claims;
mod mask;
mod mint;
mod oauth;
mod renew;
mod secret;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::time::Instant;

pub use accounts::{ACCOUNTS_BYTES_MAX, Account, AccountsError, Proof, read_accounts};
pub use claims::{Claims, read_claims};
pub use mask::mask;
pub use mint::Minter;
pub use oauth::{Client, TokenClient};
pub use renew::{Renewing, TokenCounts};
pub use secret::Secret;

use crate::scenario::fits_dev_token;

/// The roles that development tokens ask for, one for each login of a user; each is enough for
/// every route that is driven.
const DEV_ROLES: [&str; 2] = ["analyst", "viewer"];
/// For how long a token has ended that is sent to see it refused: longer than any target's
/// tolerance for clocks that differ.
const ENDED_AGO: Duration = Duration::from_hours(1);
/// Bytes of a token that can stand in a header of every server.
const TOKEN_BYTES_MAX: usize = 16 * 1024;

/// Where credentials come from.
#[derive(Debug, Clone)]
pub enum TokenSource {
    /// Engram's development tokens.
    Dev,
    /// Requests carry no credential.
    None,
    /// This one, whoever sends.
    Given(Secret),
    /// One for each user.
    Table(Arc<TokenTable>),
    /// Tokens that end and are renewed.
    Renewed(Arc<Renewing>),
}

/// A token for each user, by name.
#[derive(Debug, Default)]
pub struct TokenTable {
    tokens: HashMap<String, (Secret, Claims)>,
}

/// Who issues tokens that end.
#[derive(Debug)]
pub enum Issuer {
    /// We do.
    Mint(Box<Minter>),
    /// An OAuth2 issuer does.
    Oauth2(TokenClient),
}

/// A credential that a request may carry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credential {
    /// The credential.
    pub secret: Secret,
    /// When it should be asked for again; `None` if it stays.
    pub fresh_until: Option<Instant>,
}

/// Why there is no credential for a user. Fits after "could not ".
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
    /// There is none.
    #[error("find a credential of user `{user_name}`: add one to the file of credentials")]
    Unknown {
        /// The user.
        user_name: String,
    },
    /// It has ended.
    #[error(
        "use the token of user `{user_name}`: it ended {} ago; get a new one",
        humantime::format_duration(Duration::from_secs(.ago.as_secs()))
    )]
    Expired {
        /// The user.
        user_name: String,
        /// For how long it has ended.
        ago: Duration,
    },
    /// It cannot stand in a request.
    #[error("use the token of user `{user_name}`: it cannot stand in a header")]
    Unfit {
        /// The user.
        user_name: String,
    },
    /// The key that should sign is none.
    #[error("sign with the key in {place}: it is no key for {algorithm}; {remedy}")]
    Key {
        /// Where the key is.
        place: String,
        /// How it should sign.
        algorithm: &'static str,
        /// What to do.
        remedy: &'static str,
    },
    /// The issuer gives none.
    #[error("get a token for user `{user_name}`: {reason}")]
    Issue {
        /// The user.
        user_name: String,
        /// Why not.
        reason: String,
    },
    /// The issuer cannot be asked.
    #[error("make an HTTP client for the issuer: {reason}")]
    NoClient {
        /// Why not.
        reason: String,
    },
}

impl TokenTable {
    /// Takes a token for each user; each name of a user leads to it.
    ///
    /// # Errors
    /// One of them has ended, or cannot stand in a request.
    pub fn new(accounts: Vec<Account>) -> Result<Self, AuthError> {
        let mut tokens = HashMap::new();
        for account in accounts {
            let Proof::Token(secret) = account.proof else {
                let user_name = account.user;
                return Err(AuthError::Unknown { user_name });
            };
            usable(&account.user, &secret)?;
            let claims = read_claims(&secret);
            if let Some(oid) = account.oid {
                tokens.insert(oid, (secret.clone(), claims.clone()));
            }
            tokens.insert(account.user, (secret, claims));
        }
        Ok(Self { tokens })
    }

    fn token(&self, user_name: &str) -> Result<Credential, AuthError> {
        let Some((secret, claims)) = self.tokens.get(user_name) else {
            let user_name = user_name.to_owned();
            return Err(AuthError::Unknown { user_name });
        };
        let now = SystemTime::now();
        not_expired(user_name, claims, now)?;
        // It is looked at again when it ends.
        let since_1970 = now
            .duration_since(SystemTime::UNIX_EPOCH)
            .unwrap_or_default();
        let left = claims.expires.map(|ends| ends.saturating_sub(since_1970));
        Ok(Credential {
            secret: secret.clone(),
            fresh_until: left.and_then(|left| Instant::now().checked_add(left)),
        })
    }
}

/// Refuses a token that has ended or cannot stand in a request.
///
/// # Errors
/// It is such a token.
pub fn usable(user_name: &str, secret: &Secret) -> Result<(), AuthError> {
    let token = secret.expose();
    let fits = |c: char| c.is_ascii_graphic();
    if token.is_empty() || token.len() > TOKEN_BYTES_MAX || !token.chars().all(fits) {
        let user_name = user_name.to_owned();
        return Err(AuthError::Unfit { user_name });
    }
    not_expired(user_name, &read_claims(secret), SystemTime::now())
}

fn not_expired(user_name: &str, claims: &Claims, now: SystemTime) -> Result<(), AuthError> {
    match claims.expired_for(now) {
        None => Ok(()),
        Some(ago) => Err(AuthError::Expired {
            user_name: user_name.to_owned(),
            ago,
        }),
    }
}

impl Issuer {
    /// A token and its lifetime.
    async fn issue(
        &self,
        user_name: &str,
        login: u8,
        number: u64,
    ) -> Result<(Secret, Duration), AuthError> {
        match self {
            Self::Mint(minter) => {
                let serial = format!("{user_name}-{login}-{number}");
                let token = minter.mint(user_name, &serial, SystemTime::now())?;
                Ok((token, minter.lifetime()))
            }
            Self::Oauth2(client) => {
                let (token, lifetime) = client.ask(user_name).await?;
                usable(user_name, &token)?;
                Ok((token, lifetime))
            }
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
    pub async fn token(&self, user_name: &str, login: u8) -> Result<Option<Credential>, AuthError> {
        let lasting = |secret| Credential {
            secret,
            fresh_until: None,
        };
        match self {
            Self::Dev => dev_token(user_name, login).map(lasting).map(Some),
            Self::None => Ok(None),
            Self::Given(secret) => Ok(Some(lasting(secret.clone()))),
            Self::Table(table) => table.token(user_name).map(Some),
            Self::Renewed(tokens) => tokens.token(user_name, login).await.map(Some),
        }
    }

    /// When the token of a user ends for good, by the user's name at the target; `None` if it says
    /// no end, or is renewed.
    pub fn ends(&self, user_name: &str) -> Option<SystemTime> {
        let expires = match self {
            Self::Given(secret) => read_claims(secret).expires,
            Self::Table(table) => table.tokens.get(user_name)?.1.expires,
            Self::Dev | Self::None | Self::Renewed(_) => None,
        };
        SystemTime::UNIX_EPOCH.checked_add(expires?)
    }

    /// A token of a user that has ended; `None` where there are none that end.
    ///
    /// # Errors
    /// It cannot be signed.
    pub fn expired(&self, user_name: &str) -> Result<Option<Credential>, AuthError> {
        let Self::Renewed(tokens) = self else {
            return Ok(None);
        };
        let Issuer::Mint(minter) = tokens.issuer() else {
            return Ok(None);
        };
        let begun = SystemTime::now()
            .checked_sub(minter.lifetime().saturating_add(ENDED_AGO))
            .unwrap_or(SystemTime::UNIX_EPOCH);
        let secret = minter.mint(user_name, &format!("{user_name}-ended"), begun)?;
        Ok(Some(Credential {
            secret,
            fresh_until: None,
        }))
    }

    /// What became of the tokens so far; `None` where none is issued.
    pub fn counts(&self) -> Option<TokenCounts> {
        match self {
            Self::Renewed(tokens) => Some(tokens.counts()),
            Self::Dev | Self::None | Self::Given(_) | Self::Table(_) => None,
        }
    }

    /// The public key that minted tokens are verified with, as a JWKS document.
    pub fn jwks(&self) -> Option<String> {
        match self {
            Self::Renewed(tokens) => match tokens.issuer() {
                Issuer::Mint(minter) => minter.jwks(),
                Issuer::Oauth2(_) => None,
            },
            Self::Dev | Self::None | Self::Given(_) | Self::Table(_) => None,
        }
    }
}

/// The target cuts the token at every underscore, so the name must hold none.
fn dev_token(user_name: &str, login: u8) -> Result<Secret, AuthError> {
    if fits_dev_token(user_name) {
        let role = DEV_ROLES[usize::from(login) % DEV_ROLES.len()];
        Ok(Secret::new(format!("dev_{user_name}_{role}")))
    } else {
        Err(AuthError::UserName {
            user_name: user_name.to_owned(),
        })
    }
}
