//! What every request of a session says about itself: who, which, and as part of which trace.

use hyper::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue, SEC_WEBSOCKET_PROTOCOL};
use url::form_urlencoded::byte_serialize;

use crate::auth::Secret;
use crate::model::{RunId, trace_id};
use crate::scenario::{AuthKind, Target, TokenPlace};

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
const DEV_TOKEN: HeaderName = HeaderName::from_static("x-dev-token");
/// What stands for the credential in a first frame.
const TOKEN: &str = "{token}";

/// A credential as it stands in the head of a request.
#[derive(Debug, Clone)]
pub(super) struct Authorization {
    name: HeaderName,
    value: HeaderValue,
}

/// How a WebSocket is opened so that the target knows who opens it.
#[derive(Debug)]
pub(super) struct Opening {
    /// The path, with a query where the credential stands in it.
    pub(super) path: String,
    /// Headers beside those of the upgrade.
    pub(super) headers: HeaderMap,
    /// What is said first.
    pub(super) first_frame: Option<String>,
}

/// The credential as it stands in a request; `None` where there is none.
///
/// A credential that cannot stand in a header is left out: the target then refuses, and says so.
pub(super) fn authorization(kind: &AuthKind, secret: Option<&Secret>) -> Option<Authorization> {
    let secret = secret?.expose();
    let (name, text) = match kind {
        AuthKind::DevHeader => (DEV_TOKEN, secret.to_owned()),
        AuthKind::Dev
        | AuthKind::None
        | AuthKind::Shared(_)
        | AuthKind::File(_)
        | AuthKind::Mint(_)
        | AuthKind::Oauth2(_) => (AUTHORIZATION, format!("Bearer {secret}")),
    };
    let mut value = HeaderValue::from_str(&text).ok()?;
    value.set_sensitive(true);
    Some(Authorization { name, value })
}

/// How a socket at a path is opened with this credential, or with none.
pub(super) fn opening(target: &Target, path: &str, secret: Option<&Secret>) -> Opening {
    let mut opening = Opening {
        path: path.to_owned(),
        headers: HeaderMap::new(),
        first_frame: None,
    };
    let Some(secret) = secret else {
        return opening;
    };
    match &target.socket_token {
        TokenPlace::Header => {
            let authorization = authorization(&target.auth, Some(secret));
            authorize(&mut opening.headers, authorization.as_ref());
        }
        TokenPlace::Query(name) => {
            let mark = if path.contains('?') { '&' } else { '?' };
            let encoded: String = byte_serialize(secret.expose().as_bytes()).collect();
            opening.path = format!("{path}{mark}{name}={encoded}");
        }
        TokenPlace::Subprotocol(name) => {
            let both = format!("{name}, {}", secret.expose());
            if let Ok(mut value) = HeaderValue::from_str(&both) {
                value.set_sensitive(true);
                opening.headers.insert(SEC_WEBSOCKET_PROTOCOL, value);
            }
        }
        TokenPlace::FirstFrame(text) => {
            // Within a JSON text the credential must not end its string.
            let quoted = serde_json::Value::from(secret.expose()).to_string();
            let inner = quoted.get(1..quoted.len() - 1).unwrap_or_default();
            opening.first_frame = Some(text.replace(TOKEN, inner));
        }
    }
    opening
}

/// Adds the headers that name a request.
pub(super) fn name_request(headers: &mut HeaderMap, run: RunId, request_id: u64) {
    let trace = trace_id(run, request_id);
    let trace = format!("00-{trace:032x}-{request_id:016x}-01");
    for (name, text) in [
        (REQUEST_ID, format!("{request_id:016x}")),
        (TRACEPARENT, trace),
    ] {
        // Hexadecimal digits can always stand in a header.
        if let Ok(value) = HeaderValue::from_maybe_shared(text) {
            headers.insert(name, value);
        }
    }
}

/// Adds the credential.
pub(super) fn authorize(headers: &mut HeaderMap, authorization: Option<&Authorization>) {
    if let Some(Authorization { name, value }) = authorization {
        headers.insert(name.clone(), value.clone());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario;

    #[test]
    fn a_request_bears_its_id_and_a_trace() {
        let mut headers = HeaderMap::new();
        name_request(&mut headers, RunId(7), 0xab);
        assert_eq!(headers[REQUEST_ID], "00000000000000ab");
        let trace = headers[TRACEPARENT].to_str().unwrap();
        let parts: Vec<_> = trace.split('-').map(str::len).collect();
        assert_eq!(parts, [2, 32, 16, 2], "{trace}");
        assert!(trace.ends_with("-00000000000000ab-01"), "{trace}");
    }

    #[test]
    fn a_credential_stands_in_its_place_and_nowhere_else() {
        let (_, text) = scenario::embedded()[0];
        let mut target = scenario::parse("x", text, "x.toml").unwrap().target;
        let secret = Secret::new("a/\"b".to_owned());
        for (kind, place, path, header, frame) in [
            (
                AuthKind::Dev,
                TokenPlace::Header,
                "/v",
                "authorization: Bearer a/\"b",
                None,
            ),
            (
                AuthKind::DevHeader,
                TokenPlace::Header,
                "/v",
                "x-dev-token: a/\"b",
                None,
            ),
            (
                AuthKind::Dev,
                TokenPlace::Query("t".into()),
                "/v?t=a%2F%22b",
                "",
                None,
            ),
            (
                AuthKind::DevHeader,
                TokenPlace::Subprotocol("bearer".into()),
                "/v",
                "sec-websocket-protocol: bearer, a/\"b",
                None,
            ),
            (
                AuthKind::Dev,
                TokenPlace::FirstFrame("{\"t\":\"{token}\"}".into()),
                "/v",
                "",
                Some("{\"t\":\"a/\\\"b\"}"),
            ),
        ] {
            target.auth = kind;
            target.socket_token = place;
            let opening = opening(&target, "/v", Some(&secret));
            assert_eq!(opening.path, path);
            let headers = opening.headers.iter();
            let headers: Vec<String> = headers
                .map(|(name, value)| format!("{name}: {}", value.to_str().unwrap()))
                .collect();
            assert_eq!(headers.join("\n"), header);
            assert_eq!(opening.first_frame.as_deref(), frame);
            let printed = format!("{:?}", opening.headers);
            assert!(!printed.contains("a/"), "{printed}");
        }
    }
}
