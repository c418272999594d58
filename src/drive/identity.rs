//! What every request of a session says about itself: who, which, and as part of which trace.

use hyper::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue};

use crate::auth::Secret;
use crate::model::{RunId, trace_id};

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");

/// The credential as it stands in a request; `None` where there is none.
///
/// A credential that cannot stand in a header is left out: the target then refuses, and says so.
pub(super) fn authorization(secret: Option<&Secret>) -> Option<HeaderValue> {
    let text = format!("Bearer {}", secret?.expose());
    let mut value = HeaderValue::from_str(&text).ok()?;
    value.set_sensitive(true);
    Some(value)
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
pub(super) fn authorize(headers: &mut HeaderMap, authorization: Option<&HeaderValue>) {
    if let Some(value) = authorization {
        headers.insert(AUTHORIZATION, value.clone());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
}
