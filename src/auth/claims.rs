//! What a token says of itself, unverified: whose it is, and until when.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;

use super::Secret;

/// How development tokens begin.
const DEV_START: &str = "dev_";
/// What stands before the user's name in the owner that a development token gives.
const DEV_OWNER: &str = "dev-oid-";

/// Whose a token is, and until when.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Claims {
    /// The owner that it names; `None` if it names none that can be read here.
    pub owner: Option<String>,
    /// The user in a development token.
    pub dev_user: Option<String>,
    /// When it ends, since 1970; `None` if it does not say.
    pub expires: Option<Duration>,
}

#[derive(Deserialize)]
struct JwtClaims {
    oid: Option<String>,
    exp: Option<serde_json::Number>,
}

/// Reads what a token says. One that says nothing is opaque, which is no error.
pub fn read_claims(secret: &Secret) -> Claims {
    let token = secret.expose();
    if let Some(rest) = token.strip_prefix(DEV_START) {
        let user = rest.split('_').next().unwrap_or_default();
        return Claims {
            owner: Some(format!("{DEV_OWNER}{user}")),
            dev_user: Some(user.to_owned()),
            expires: None,
        };
    }
    let claims = token.split('.').nth(1).and_then(|claims| {
        let json = URL_SAFE_NO_PAD.decode(claims.trim_end_matches('=')).ok()?;
        serde_json::from_slice::<JwtClaims>(&json).ok()
    });
    let Some(claims) = claims else {
        return Claims::default();
    };
    let seconds = claims.exp.and_then(|exp| exp.as_f64());
    Claims {
        owner: claims.oid.filter(|oid| !oid.is_empty()),
        dev_user: None,
        expires: seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok()),
    }
}

impl Claims {
    /// For how long a token is past its end at this time; `None` while it is not.
    pub fn expired_for(&self, now: SystemTime) -> Option<Duration> {
        let now = now.duration_since(UNIX_EPOCH).unwrap_or_default();
        now.checked_sub(self.expires?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn jwt(claims: &str) -> Secret {
        Secret::new(format!("e30.{}.sig", URL_SAFE_NO_PAD.encode(claims)))
    }

    #[test]
    fn what_tokens_say() {
        let owner = |token: &Secret| read_claims(token).owner;
        let dev = Secret::new("dev_anna_analyst".to_owned());
        assert_eq!(owner(&dev).as_deref(), Some("dev-oid-anna"));
        assert_eq!(
            owner(&jwt(r#"{"oid":"a","sub":"b"}"#)).as_deref(),
            Some("a")
        );
        for opaque in [
            jwt(r#"{"sub":"b"}"#),
            jwt(r#"{"oid":""}"#),
            jwt("no JSON"),
            Secret::new("opaque".to_owned()),
            Secret::new(String::new()),
        ] {
            assert_eq!(owner(&opaque), None);
        }
    }

    #[test]
    fn a_token_ends_at_its_second() {
        let at = |seconds| UNIX_EPOCH + Duration::from_secs(seconds);
        for exp in ["100", "100.0"] {
            let claims = read_claims(&jwt(&format!("{{\"exp\":{exp}}}")));
            assert_eq!(claims.expired_for(at(99)), None, "{exp}");
            assert_eq!(claims.expired_for(at(100)), Some(Duration::ZERO), "{exp}");
            assert_eq!(claims.expired_for(at(160)), Some(Duration::from_mins(1)));
        }
        for never in ["{}", r#"{"exp":-1}"#, r#"{"exp":1e300}"#] {
            assert_eq!(read_claims(&jwt(never)).expired_for(at(9)), None, "{never}");
        }
    }
}
