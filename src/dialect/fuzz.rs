//! The readers of every dialect against anything that a store may answer: records or an error,
//! never a panic, and never more text than came.

use proptest::prelude::*;
use proptest::sample::Index;

use super::{ALL, Detection, Dialect, Reply};

/// Well-formed replies to each question, for each dialect.
const REPLIES: [&str; 8] = [
    r#"[{"id":1,"session_id":"s-1","user_id":"anna","metadata":null},{"id":2,"session_id":"s-2","user_id":null}]"#,
    r#"{"messages":[{"uuid":"m-1","role":"user","role_type":"user","content":"eins \u00e9 \ud83d\ude00","metadata":{"a":[1,{"b":2}]}},{"uuid":"m-2","content":"zwei"}],"total_count":2,"row_count":2}"#,
    r#"[{"id":1,"user_id":"anna"}]"#,
    r#"[{"uuid":"f-1","user_id":"anna","fact":"drei"}]"#,
    r#"{"threads":[{"thread_id":"t-1","user_id":"anna"},{"thread_id":"t-2","user_id":null}],"total_count":2,"response_count":2}"#,
    r#"{"messages":[{"uuid":"m-1","role":"user","content":"eins","metadata":{"a":1}}],"total_count":1,"row_count":1,"user_id":"anna"}"#,
    r#"{"users":[{"user_id":"anna"}],"total_count":1,"row_count":1}"#,
    r#"[{"uuid":"e-1","fact":"vier","invalid_at":null,"episodes":["x"]}]"#,
];

/// What may stand where a value stood.
const ODD_VALUES: [&str; 14] = [
    "1e400",
    "-1e400",
    "99999999999999999999999",
    "-1",
    "0.5",
    "null",
    "\"\"",
    "\"\\ud800\"",
    "\"\\u0000\"",
    "{}",
    "[]",
    "[[]]",
    "true",
    "\"\u{7f}\"",
];

/// Bytes of text in all records that the readers of a dialect make of a body.
fn text_read(dialect: &dyn Dialect, status: u16, body: &[u8]) -> [usize; 4] {
    let reply = Reply { status, body };
    let length = |text: &Option<String>| text.as_ref().map_or(0, String::len);
    let sessions = dialect
        .read_sessions(&reply)
        .map_or(Vec::new(), |page| page.records);
    let users = dialect
        .read_users(&reply)
        .map_or(Vec::new(), |page| page.records);
    let facts = dialect.read_facts(&reply).unwrap_or_default().facts;
    let messages = dialect
        .read_messages(&reply)
        .map_or(Vec::new(), |page| page.messages);
    let mut detection = Detection::new(None, true);
    for _ in 0..8 {
        detection.answered(&reply);
    }
    [
        sessions.iter().map(|s| s.id.len() + length(&s.owner)).sum(),
        users.iter().map(|user| user.id.len()).sum(),
        facts
            .iter()
            .map(|f| f.id.len() + f.body.len() + length(&f.owner))
            .sum(),
        messages.iter().map(|m| m.id.len() + m.body.len()).sum(),
    ]
}

#[track_caller]
fn endure(body: &[u8]) {
    for dialect in ALL {
        for status in [200, 404] {
            // A broken escape becomes a sign of three bytes at most, and was six.
            let read = text_read(*dialect, status, body);
            assert!(read.iter().all(|bytes| *bytes <= body.len()), "{read:?}");
            assert!(status == 200 || read == [0; 4]);
        }
    }
}

#[test]
fn well_formed_replies_are_read() {
    for (dialect, own) in ALL.iter().zip([0..4, 0..4, 0..3, 4..8]) {
        for body in &REPLIES[own] {
            let read = text_read(*dialect, 200, body.as_bytes());
            assert!(
                read.iter().any(|bytes| *bytes > 0),
                "{} {body}",
                dialect.name()
            );
        }
    }
}

#[test]
fn depth_and_size_are_endured() {
    for depth in [127, 128, 10_000, 1_000_000] {
        for (open, close) in [("[", "]"), ("{\"a\":", "}")] {
            let nested = format!("{}1{}", open.repeat(depth), close.repeat(depth));
            endure(nested.as_bytes());
            endure(open.repeat(depth).as_bytes());
            endure(
                format!(r#"[{{"id":1,"session_id":"s","user_id":null,"metadata":{nested}}}]"#)
                    .as_bytes(),
            );
        }
    }
    endure(format!(r#"[{{"id":{},"user_id":"u"}}]"#, "9".repeat(100_000)).as_bytes());
    endure(
        format!(
            r#"{{"messages":[],"total_count":{0},"row_count":{0}}}"#,
            u64::MAX
        )
        .as_bytes(),
    );
}

proptest! {
    #[test]
    fn any_bytes_are_endured(body in proptest::collection::vec(any::<u8>(), 0..400)) {
        endure(&body);
    }

    #[test]
    fn a_cut_or_damaged_or_doubled_reply_is_endured(
        which in any::<Index>(), cut in any::<Index>(), flip in any::<Index>(), byte in any::<u8>(),
    ) {
        let whole = which.get(&REPLIES).as_bytes();
        let cut = cut.index(whole.len());
        endure(&whole[..cut]);
        endure(&[whole, &whole[..cut]].concat());
        endure(&[&whole[..cut], whole].concat());
        let mut flipped = whole.to_vec();
        flipped[flip.index(whole.len())] = byte;
        endure(&flipped);
        // Cut off, it is an error and no shorter page.
        for dialect in ALL {
            prop_assert_eq!(text_read(*dialect, 200, &whole[..cut]), [0; 4]);
        }
    }

    #[test]
    fn odd_values_and_doubled_keys_are_endured(
        which in any::<Index>(), odd in any::<Index>(), place in any::<Index>(),
    ) {
        let whole = *which.get(&REPLIES);
        let odd = *odd.get(&ODD_VALUES);
        let colons: Vec<usize> = whole.match_indices(':').map(|(at, _)| at).collect();
        let at = *place.get(&colons);
        let behind = whole[at + 1..].find([',', '}', ']']).map_or(whole.len(), |end| at + 1 + end);
        let replaced = format!("{}:{odd}{}", &whole[..at], &whole[behind..]);
        endure(replaced.as_bytes());
        let key = whole[..at].rfind(['{', ',']).map_or(at, |from| from + 1);
        let doubled = format!("{}{}:{odd},{}", &whole[..key], &whole[key..at], &whole[key..]);
        endure(doubled.as_bytes());
    }
}
