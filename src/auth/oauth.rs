//! OAuth2 client credentials: an issuer gives a token for a client id and its secret.

use std::collections::HashMap;
use std::fmt;
use std::time::Duration;

use reqwest::header::{ACCEPT, CONTENT_TYPE};
use serde::Deserialize;
use url::Url;
use url::form_urlencoded::Serializer;

use super::{AuthError, Secret, mask};

/// How long an issuer may take to answer.
const ISSUER_LIMIT: Duration = Duration::from_secs(30);
/// Bytes of an issuer's answer.
const ANSWER_BYTES_MAX: usize = 64 * 1024;
/// How long a token is taken to be valid where the issuer does not say.
const LIFETIME_UNSAID: Duration = Duration::from_mins(5);
/// A token is taken to live so long at least and at most, whatever the issuer says.
const LIFETIME_MIN: Duration = Duration::from_secs(10);
const LIFETIME_MAX: Duration = Duration::from_hours(24);
/// Characters of an issuer's explanation that are kept.
const REASON_CHARS_MAX: usize = 200;

/// An id at an issuer and the secret that belongs to it.
#[derive(Debug, Clone)]
pub struct Client {
    /// The id.
    pub id: String,
    /// The secret.
    pub secret: Secret,
}

/// Asks an issuer for tokens.
pub struct TokenClient {
    http: reqwest::Client,
    token_url: Url,
    scope: Option<String>,
    audience: Option<String>,
    clients: HashMap<String, Client>,
}

#[derive(Deserialize)]
struct Answer {
    access_token: String,
    /// A number of seconds; some issuers write it as a text.
    #[serde(default)]
    expires_in: serde_json::Value,
}

#[derive(Deserialize)]
struct Refusal {
    error: String,
    #[serde(default)]
    error_description: String,
}

impl fmt::Debug for TokenClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenClient")
            .field("token_url", &self.token_url.as_str())
            .field("clients", &self.clients.len())
            .finish_non_exhaustive()
    }
}

impl TokenClient {
    /// A client of the issuer at `token_url`, by the users' names.
    ///
    /// # Errors
    /// No HTTP client can be made.
    pub fn new(
        token_url: Url,
        scope: Option<String>,
        audience: Option<String>,
        clients: HashMap<String, Client>,
    ) -> Result<Self, AuthError> {
        let http = reqwest::Client::builder()
            .timeout(ISSUER_LIMIT)
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .build()
            .map_err(|error| AuthError::NoClient {
                reason: error.to_string(),
            })?;
        Ok(Self {
            http,
            token_url,
            scope,
            audience,
            clients,
        })
    }

    /// A token of a user, and how long it is valid.
    ///
    /// # Errors
    /// The user has no client, or the issuer gives none.
    pub async fn ask(&self, user_name: &str) -> Result<(Secret, Duration), AuthError> {
        let Some(client) = self.clients.get(user_name) else {
            return Err(AuthError::Unknown {
                user_name: user_name.to_owned(),
            });
        };
        let failed = |reason: String| AuthError::Issue {
            user_name: user_name.to_owned(),
            reason: mask(&reason, Some(&client.secret)),
        };
        let request = self
            .http
            .post(self.token_url.clone())
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
            .header(ACCEPT, "application/json")
            .body(self.form(client));
        let mut answer = request.send().await.map_err(|error| {
            // The address is known, and the rest of the error is its cause.
            failed(format!("the issuer was not reached: {}", cause(&error)))
        })?;
        let status = answer.status();
        let mut body = Vec::new();
        while let Some(chunk) = answer
            .chunk()
            .await
            .map_err(|error| failed(format!("the answer broke off: {}", cause(&error))))?
        {
            body.extend_from_slice(&chunk);
            if body.len() > ANSWER_BYTES_MAX {
                return Err(failed(format!(
                    "the answer has more than {ANSWER_BYTES_MAX} bytes"
                )));
            }
        }
        if !status.is_success() {
            return Err(failed(refused(status.as_u16(), &body)));
        }
        let answer: Answer = serde_json::from_slice(&body)
            .map_err(|_| failed("the answer holds no `access_token`".to_owned()))?;
        if answer.access_token.is_empty() {
            return Err(failed("the `access_token` is empty".to_owned()));
        }
        let lifetime = lifetime(&answer.expires_in);
        Ok((Secret::new(answer.access_token), lifetime))
    }

    fn form(&self, client: &Client) -> String {
        let mut form = Serializer::new(String::new());
        form.append_pair("grant_type", "client_credentials")
            .append_pair("client_id", &client.id)
            .append_pair("client_secret", client.secret.expose());
        for (name, value) in [("scope", &self.scope), ("audience", &self.audience)] {
            if let Some(value) = value {
                form.append_pair(name, value);
            }
        }
        form.finish()
    }
}

/// What an issuer says of a token's lifetime, within bounds: none would mean a token an operation,
/// and one of centuries an end that no clock has.
fn lifetime(said: &serde_json::Value) -> Duration {
    let text = said.as_str().and_then(|text| text.trim().parse().ok());
    let seconds = said.as_f64().or(text);
    seconds
        .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
        .map_or(LIFETIME_UNSAID, |said| {
            said.clamp(LIFETIME_MIN, LIFETIME_MAX)
        })
}

fn refused(status: u16, body: &[u8]) -> String {
    let Ok(refusal) = serde_json::from_slice::<Refusal>(body) else {
        return format!("the issuer answered {status}");
    };
    let reason = format!("{}: {}", refusal.error, refusal.error_description);
    let printable = reason.chars().filter(|c| !c.is_control());
    let reason: String = printable.take(REASON_CHARS_MAX).collect();
    format!(
        "the issuer answered {status}, {}",
        reason.trim_end_matches([':', ' '])
    )
}

/// The innermost cause, which is the telling one.
fn cause(error: &reqwest::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    cause.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_lifetime_is_understood_and_bounded() {
        for (said, seconds) in [
            ("null", 300),
            ("3599", 3_599),
            ("\"3599\"", 3_599),
            ("0", 10),
            ("-5", 300),
            ("1e19", 86_400),
            ("1e300", 300),
            ("{}", 300),
        ] {
            let value = serde_json::from_str(said).unwrap();
            assert_eq!(lifetime(&value), Duration::from_secs(seconds), "{said}");
        }
    }
}
