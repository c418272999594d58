//! Tokens that are signed here, for a target that is told our public key.

use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use jsonwebtoken::jwk::{Jwk, JwkSet, KeyAlgorithm, PublicKeyUse, ThumbprintHash};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Map, Value};

use super::{AuthError, Secret};
use crate::scenario::{Mint, Signing};

/// What stands for the user's name in a claim.
const USER: &str = "{user}";
/// How far the target's clock may be behind ours.
const CLOCK_SLACK: Duration = Duration::from_secs(5);
/// Bytes of the shortest secret that HS256 is as strong as it looks with.
const HMAC_BYTES_MIN: usize = 32;

/// Signs tokens.
pub struct Minter {
    key: EncodingKey,
    header: Header,
    claims: Map<String, Value>,
    lifetime: Duration,
    public: Option<Jwk>,
}

impl fmt::Debug for Minter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Minter")
            .field("header", &self.header)
            .field("lifetime", &self.lifetime)
            .finish_non_exhaustive()
    }
}

impl Minter {
    /// Takes the key, as its file holds it.
    ///
    /// # Errors
    /// It is no key of the algorithm, or too short a secret.
    pub fn new(mint: &Mint, key: &Secret) -> Result<Self, AuthError> {
        let bytes = key.expose().as_bytes();
        let bad = |remedy: &'static str| AuthError::Key {
            place: mint.key.to_string(),
            algorithm: algorithm_name(mint.algorithm),
            remedy,
        };
        let (algorithm, key) = match mint.algorithm {
            Signing::Rs256 => (
                Algorithm::RS256,
                EncodingKey::from_rsa_pem(bytes)
                    .map_err(|_| bad("make one with `openssl genrsa -out key.pem 2048`"))?,
            ),
            Signing::Es256 => (
                Algorithm::ES256,
                EncodingKey::from_ec_pem(bytes).map_err(|_| bad(EC_REMEDY))?,
            ),
            Signing::Hs256 => {
                let secret = key.expose().trim();
                if secret.len() < HMAC_BYTES_MIN {
                    return Err(bad("give a secret of at least 32 bytes"));
                }
                (
                    Algorithm::HS256,
                    EncodingKey::from_secret(secret.as_bytes()),
                )
            }
        };
        let mut header = Header::new(algorithm);
        header.kid.clone_from(&mint.key_id);
        let mut public = None;
        if mint.algorithm != Signing::Hs256 {
            let mut jwk = Jwk::from_encoding_key(&key, algorithm).map_err(|_| bad(EC_REMEDY))?;
            let thumbprint = jwk.thumbprint(ThumbprintHash::SHA256).ok();
            header.kid = header.kid.or(thumbprint);
            jwk.common.key_id.clone_from(&header.kid);
            jwk.common.public_key_use = Some(PublicKeyUse::Signature);
            jwk.common.key_algorithm = Some(match mint.algorithm {
                Signing::Rs256 => KeyAlgorithm::RS256,
                Signing::Es256 => KeyAlgorithm::ES256,
                Signing::Hs256 => KeyAlgorithm::HS256,
            });
            public = Some(jwk);
        }
        let minter = Self {
            key,
            header,
            claims: mint.claims.clone().into_iter().collect(),
            lifetime: mint.lifetime,
            public,
        };
        // A key that cannot sign is known now, and not in the middle of the load.
        minter.sign(&Map::new()).map_err(|_| bad(EC_REMEDY))?;
        Ok(minter)
    }

    /// How long a token is valid.
    pub fn lifetime(&self) -> Duration {
        self.lifetime
    }

    /// A token for a user; `serial` tells tokens of one user apart.
    ///
    /// # Errors
    /// The claims or the key cannot be used.
    pub fn mint(
        &self,
        user_name: &str,
        serial: &str,
        now: SystemTime,
    ) -> Result<Secret, AuthError> {
        let mut claims = self.claims.clone();
        for claim in claims.values_mut() {
            fill(claim, user_name);
        }
        let now = now.duration_since(UNIX_EPOCH).unwrap_or_default();
        let begins = now.saturating_sub(CLOCK_SLACK).as_secs();
        claims.insert("iat".to_owned(), begins.into());
        claims.insert("nbf".to_owned(), begins.into());
        claims.insert("exp".to_owned(), (now + self.lifetime).as_secs().into());
        claims.insert("jti".to_owned(), serial.into());
        self.sign(&claims).map_err(|reason| AuthError::Issue {
            user_name: user_name.to_owned(),
            reason,
        })
    }

    fn sign(&self, claims: &Map<String, Value>) -> Result<Secret, String> {
        jsonwebtoken::encode(&self.header, claims, &self.key)
            .map(Secret::new)
            .map_err(|error| error.to_string())
    }

    /// The public key as a JWKS document, to be published for the target; `None` for HS256, which
    /// has none.
    pub fn jwks(&self) -> Option<String> {
        let keys = vec![self.public.clone()?];
        serde_json::to_string_pretty(&JwkSet { keys }).ok()
    }
}

const EC_REMEDY: &str =
    "make one with `openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out key.pem`";

fn algorithm_name(algorithm: Signing) -> &'static str {
    match algorithm {
        Signing::Rs256 => "RS256",
        Signing::Es256 => "ES256",
        Signing::Hs256 => "HS256",
    }
}

/// Puts the user's name into a claim.
fn fill(claim: &mut Value, user_name: &str) {
    match claim {
        Value::String(text) => *text = text.replace(USER, user_name),
        Value::Array(entries) => entries.iter_mut().for_each(|entry| fill(entry, user_name)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => {}
    }
}
