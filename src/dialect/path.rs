//! Ids in paths: each API decodes them in a way of its own.

const HEX: [char; 16] = [
    '0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'A', 'B', 'C', 'D', 'E', 'F',
];

/// Percent-encodes an id as a `v1` server itself would write it. One escape too many or too few
/// and the server decodes nothing of the whole path, so `:` and its like must stay as they are.
pub(super) fn canonical(id: &str) -> String {
    encode(id, b"-._~:@+$&=,;")
}

/// Percent-encodes an id for a `v2` server, which decodes a path twice, or once if the path could
/// have been written otherwise. A slash can only be written as an escape, so it makes the path one
/// that is decoded once; without one a percent sign is encoded twice.
pub(super) fn for_two_decodings(id: &str) -> String {
    if id.contains('/') {
        canonical(id)
    } else {
        canonical(&id.replace('%', "%25"))
    }
}

/// Percent-encodes everything in an id that may mean something in a path.
pub(super) fn strict(id: &str) -> String {
    encode(id, b"-._~")
}

/// Is this a segment of a path that no server takes for a way up or for nothing?
pub(super) fn is_segment(id: &str) -> bool {
    !matches!(id, "" | "." | "..")
}

fn encode(id: &str, plain: &[u8]) -> String {
    let mut encoded = String::with_capacity(id.len());
    for byte in id.bytes() {
        if byte.is_ascii_alphanumeric() || plain.contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.push('%');
            encoded.push(HEX[usize::from(byte >> 4)]);
            encoded.push(HEX[usize::from(byte & 0xf)]);
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn ids_are_escaped_only_where_they_must_be() {
        for (id, encoded) in [
            ("a:b@c+d$e&f=g,h;i-._~", "a:b@c+d$e&f=g,h;i-._~"),
            ("two words", "two%20words"),
            ("grün", "gr%C3%BCn"),
            ("50%?#", "50%25%3F%23"),
            ("it's!", "it%27s%21"),
        ] {
            assert_eq!(canonical(id), encoded);
        }
        assert_eq!(for_two_decodings("50%"), "50%2525");
        assert_eq!(for_two_decodings("50%/a"), "50%25%2Fa");
        assert_eq!(strict("a:b@c/d"), "a%3Ab%40c%2Fd");
    }

    /// One decoding, as a server does it.
    fn decode(path: &[u8]) -> Vec<u8> {
        let mut bytes = path.iter().copied();
        let mut decoded = Vec::new();
        while let Some(byte) = bytes.next() {
            if byte == b'%' {
                let digits = [bytes.next().unwrap(), bytes.next().unwrap()];
                assert!(!digits.iter().any(u8::is_ascii_lowercase));
                let digits = str::from_utf8(&digits).unwrap();
                decoded.push(u8::from_str_radix(digits, 16).unwrap());
            } else {
                decoded.push(byte);
            }
        }
        decoded
    }

    /// What a `v2` server makes of a segment: its router decodes a path that is written as it
    /// would write it, and its handlers decode once more.
    fn decode_v2(path: &str) -> Vec<u8> {
        let once = decode(path.as_bytes());
        let is_canonical = str::from_utf8(&once).is_ok_and(|id| {
            // A router writes a slash as it is.
            canonical(id).replace("%2F", "/") == path
        });
        if is_canonical { decode(&once) } else { once }
    }

    proptest! {
        #[test]
        fn every_id_survives_its_path(id in ".*") {
            for (path, read) in [
                (canonical(&id), decode(canonical(&id).as_bytes())),
                (for_two_decodings(&id), decode_v2(&for_two_decodings(&id))),
                (strict(&id), decode(strict(&id).as_bytes())),
            ] {
                prop_assert!(path.is_ascii());
                prop_assert!(!path.contains(['/', '?', '#', ' ', '"']));
                prop_assert_eq!(read, id.as_bytes());
            }
        }
    }
}
