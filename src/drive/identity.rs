//! What every request of a session says about itself: who, which, and as part of which trace.

use hyper::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue};

use crate::auth::Secret;
use crate::model::{OpId, RunId};

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

/// The number by which logs name the request of an operation. Differs between all operations of a
/// run, and is never zero.
pub(super) fn request_id(run: RunId, op: OpId) -> u64 {
    let op_number = u64::try_from(op.to_i64()).unwrap_or_default() + 1;
    mix(mix(u64::from(run.0)) ^ op_number).max(1)
}

/// Adds the headers that name a request.
pub(super) fn name_request(headers: &mut HeaderMap, run: RunId, request_id: u64) {
    let trace_high = mix(u64::from(run.0) ^ request_id).max(1);
    let trace = format!("00-{trace_high:016x}{request_id:016x}-{request_id:016x}-01");
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

/// A bijection that spreads neighbours over all 64 bits (the finaliser of `SplitMix64`).
fn mix(number: u64) -> u64 {
    let number = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ (number >> 31)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::model::SessionIx;

    #[test]
    fn request_ids_differ_within_a_run() {
        let mut seen = HashSet::new();
        for session in 0..300 {
            for seq in 0..30 {
                let op = OpId {
                    session: SessionIx(session),
                    seq,
                };
                assert!(seen.insert(request_id(RunId(7), op)), "{op}");
            }
        }
    }

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
