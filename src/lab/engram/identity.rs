//! Who sends a request, by the rules of Engram's development mode, and by signed tokens where
//! their keys are known.

use std::fmt;
use std::sync::Arc;

use axum::http::{HeaderMap, header};
use jsonwebtoken::jwk::JwkSet;
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use serde::Deserialize;

use crate::lab::profile::Profile;
use crate::lab::truth::{DEV_OWNER_PREFIX, REST_PLACEHOLDER};

/// Prefix of development tokens.
const DEV_TOKEN_PREFIX: &str = "dev_";
/// What a header without a user's name stands for.
const NAMELESS: &str = "dev-user";

/// A credential that is not accepted.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct BadCredential;

/// The keys with which signed tokens are verified; by default none, and no such token is accepted.
#[derive(Default)]
pub(in crate::lab) struct Keys(Vec<(Option<String>, Algorithm, DecodingKey)>);

#[derive(Deserialize)]
struct Claims {
    oid: String,
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Keys({})", self.0.len())
    }
}

impl Keys {
    /// Reads a JWKS document.
    pub(in crate::lab) fn read(document: &[u8]) -> Result<Self, String> {
        let set: JwkSet = serde_json::from_slice(document)
            .map_err(|error| format!("not a JWKS document: {error}"))?;
        let keys = set.keys.iter().map(|jwk| {
            let name = jwk.common.key_algorithm.map(|name| name.to_string());
            let algorithm = name.as_deref().unwrap_or("RS256").parse();
            let algorithm = algorithm.map_err(|_| "a key of no known algorithm".to_owned())?;
            let key = DecodingKey::from_jwk(jwk).map_err(|error| error.to_string())?;
            Ok((jwk.common.key_id.clone(), algorithm, key))
        });
        keys.collect::<Result<_, String>>().map(Self)
    }

    /// The owner that a token names, if one of the keys has signed it and it has not ended.
    fn owner(&self, token: &str) -> Option<Arc<str>> {
        let id = jsonwebtoken::decode_header(token).ok()?.kid;
        let (_, algorithm, key) = self.0.iter().find(|(known, ..)| *known == id)?;
        let mut validation = Validation::new(*algorithm);
        validation.validate_aud = false;
        let claims = jsonwebtoken::decode::<Claims>(token, key, &validation).ok()?;
        Some(claims.claims.oid.into())
    }
}

/// The user of a REST request. Without a credential it is a stand-in, not an error.
pub(super) fn of_rest(headers: &HeaderMap, keys: &Keys) -> Result<Arc<str>, BadCredential> {
    Ok(credential(headers, keys)?.unwrap_or_else(|| REST_PLACEHOLDER.into()))
}

/// What its credential says of a REST request beside the user, by which a new credential of the same
/// user is told from the one before.
pub(super) fn login_of(headers: &HeaderMap) -> Option<&str> {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    let token = text(header::AUTHORIZATION.as_str()).or_else(|| text("x-dev-token"));
    token?.split('_').nth(2)
}

/// The user of a socket, or of a turn to keep. Without a credential there is none; the snapshot
/// looks for none, and takes everybody for a stand-in.
pub(super) fn of_socket(
    headers: &HeaderMap,
    profile: Profile,
    keys: &Keys,
    stand_in: &str,
) -> Result<Arc<str>, BadCredential> {
    if profile.is_snapshot() {
        return Ok(stand_in.into());
    }
    credential(headers, keys)?.ok_or(BadCredential)
}

fn credential(headers: &HeaderMap, keys: &Keys) -> Result<Option<Arc<str>>, BadCredential> {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    let bearer = text(header::AUTHORIZATION.as_str()).and_then(|value| {
        let (scheme, token) = value.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
    });
    match (bearer, text("x-dev-token")) {
        (Some(token), _) if token.starts_with(DEV_TOKEN_PREFIX) => Ok(Some(owner(token))),
        // Keys are never asked for outside.
        (Some(token), _) => keys.owner(token).map(Some).ok_or(BadCredential),
        (None, Some(token)) => Ok(Some(owner(token))),
        (None, None) => Ok(None),
    }
}

/// The token is cut at every underscore: the user is the second piece.
fn owner(token: &str) -> Arc<str> {
    let user = token.split('_').nth(1).unwrap_or(NAMELESS);
    format!("{DEV_OWNER_PREFIX}{user}").into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(headers: &[(&'static str, &'static str)], rest: Option<&str>, socket: Option<&str>) {
        let headers: HeaderMap = headers
            .iter()
            .map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()))
            .collect();
        assert_eq!(
            of_rest(&headers, &Keys::default()).ok().as_deref(),
            rest,
            "{headers:?}"
        );
        for (profile, socket) in [
            (Profile::Engram, socket),
            (Profile::F878ddb, Some("voice-user")),
        ] {
            let found = of_socket(&headers, profile, &Keys::default(), "voice-user").ok();
            assert_eq!(found.as_deref(), socket, "{headers:?}");
        }
    }

    #[test]
    fn users_by_header() {
        let a = Some("dev-oid-a");
        check(&[("authorization", "Bearer dev_a_analyst")], a, a);
        check(&[("authorization", "bearer dev_a")], a, a);
        check(&[("authorization", "Bearer dev_a_b_c")], a, a);
        check(&[("x-dev-token", "dev_a_analyst")], a, a);
        let nameless = Some("dev-oid-dev-user");
        check(&[("x-dev-token", "carol")], nameless, nameless);
        check(&[("authorization", "Bearer eyJ")], None, None);
        check(
            &[("authorization", "Bearer eyJ"), ("x-dev-token", "dev_a")],
            None,
            None,
        );
        check(&[("authorization", "Basic x")], Some("dev-user"), None);
        check(&[], Some("dev-user"), None);
    }
}
