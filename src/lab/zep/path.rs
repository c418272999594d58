//! Ids in paths, decoded the way the original decodes them.
//!
//! Its router decodes a path only if encoding it again gives the same bytes; otherwise the whole
//! path is matched as it was sent. So `t%3Au` and `t:u` are two sessions.

use std::convert::Infallible;
use std::fmt::Write;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;

/// Segments of the path behind `/api/v1/`.
#[derive(Debug)]
pub(super) struct Segments(Vec<String>);

impl Segments {
    /// The segment at a place, counted from 0; empty if there is none.
    pub(super) fn at(&self, place: usize) -> &str {
        self.0.get(place).map_or("", String::as_str)
    }
}

impl<S: Sync> FromRequestParts<S> for Segments {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(segments(parts.uri.path()))
    }
}

fn segments(path: &str) -> Segments {
    let decoded = decode(path).filter(|decoded| encode(decoded) == path);
    let text = decoded.map_or_else(
        || path.to_owned(),
        |bytes| String::from_utf8_lossy(&bytes).into_owned(),
    );
    let rest = text.strip_prefix("/api/v1/").unwrap_or(&text);
    Segments(rest.split('/').map(str::to_owned).collect())
}

/// An id that was decoded once, decoded once more, where that gives text.
pub(super) fn decoded(id: &str) -> String {
    let again = decode(id).and_then(|bytes| String::from_utf8(bytes).ok());
    again.unwrap_or_else(|| id.to_owned())
}

fn decode(path: &str) -> Option<Vec<u8>> {
    let mut decoded = Vec::with_capacity(path.len());
    let mut bytes = path.bytes();
    while let Some(byte) = bytes.next() {
        if byte == b'%' {
            let digits = [bytes.next()?, bytes.next()?];
            let digits = str::from_utf8(&digits).ok()?;
            decoded.push(u8::from_str_radix(digits, 16).ok()?);
        } else {
            decoded.push(byte);
        }
    }
    Some(decoded)
}

fn encode(decoded: &[u8]) -> String {
    let mut path = String::with_capacity(decoded.len());
    for &byte in decoded {
        if byte.is_ascii_alphanumeric() || b"-_.~$&+,/:;=@".contains(&byte) {
            path.push(char::from(byte));
        } else {
            // Writing to a string cannot fail.
            let _ = write!(path, "%{byte:02X}");
        }
    }
    path
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_canonical_escapes_are_decoded() {
        for (sent, read) in [
            ("t:u", "t:u"),
            ("t%3Au", "t%3Au"),
            ("a%20b", "a b"),
            ("%C3%A9", "é"),
            ("%c3%a9", "%c3%a9"),
            ("a%2Fb", "a%2Fb"),
            ("a%20b%3A", "a%20b%3A"),
            ("%", "%"),
            ("%zz", "%zz"),
            ("plain-1.2_~", "plain-1.2_~"),
        ] {
            let path = format!("/api/v1/sessions/{sent}/memory");
            assert_eq!(segments(&path).at(1), read, "{sent}");
        }
        assert_eq!(segments("/api/v1/user").at(1), "");
    }
}
