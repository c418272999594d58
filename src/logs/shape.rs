//! The shapes that lines come in: plain with colours, JSON, logfmt, and what collectors wrap
//! around them.

use std::borrow::Cow;

use serde_json::{Map, Value};

use super::time;

/// How many wrappings of one line are taken off.
const DEPTH_MAX: usize = 4;
/// Where JSON lines keep the message, in lower case.
const MESSAGES: [&str; 8] = [
    "message",
    "msg",
    "log",
    "log_s",
    "event",
    "body",
    "logmessage",
    "text",
];
/// Where they keep the time.
const TIMES: [&str; 7] = [
    "timestamp",
    "time",
    "ts",
    "@timestamp",
    "timegenerated",
    "time_generated",
    "timestamp_t",
];
/// Where they keep the user.
const USERS: [&str; 2] = ["user_id", "user"];
/// Where they keep further fields.
const FURTHER: [&str; 3] = ["extra", "properties", "fields"];

/// A line without what is wrapped around its message.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Shaped {
    pub(super) message: String,
    /// A user that is named beside the message.
    pub(super) user: Option<String>,
    pub(super) logged_unix_us: Option<i64>,
}

/// A text without the codes that colour it on a terminal.
pub(super) fn without_colours(text: &str) -> Cow<'_, str> {
    if !text.contains('\u{1b}') {
        return Cow::Borrowed(text);
    }
    let mut plain = String::with_capacity(text.len());
    let mut letters = text.chars();
    while let Some(letter) = letters.next() {
        if letter != '\u{1b}' {
            plain.push(letter);
        } else if letters.next() == Some('[') {
            // A control sequence ends at the first letter.
            let _ = letters.find(|c| ('@'..='~').contains(c));
        }
    }
    Cow::Owned(plain)
}

/// Takes off whatever is wrapped around a line's message.
pub(super) fn shaped(line: &str) -> Shaped {
    unwrapped(line, 0)
}

fn unwrapped(line: &str, depth: usize) -> Shaped {
    let line = line.trim();
    let wrapped = if depth == DEPTH_MAX {
        None
    } else {
        json(line).or_else(|| logfmt(line))
    };
    let Some(outer) = wrapped else {
        let logged_unix_us = line.split_whitespace().next().and_then(time::unix_us);
        return Shaped {
            message: line.to_owned(),
            user: None,
            logged_unix_us,
        };
    };
    let inner = unwrapped(&without_colours(&outer.message), depth + 1);
    Shaped {
        message: inner.message,
        user: inner.user.or(outer.user),
        // The innermost time is that of the writer, not that of a collector.
        logged_unix_us: inner.logged_unix_us.or(outer.logged_unix_us),
    }
}

fn json(line: &str) -> Option<Shaped> {
    // Collectors put names and times before it.
    let from = line.find('{')?;
    let object = line.get(from..)?;
    let Ok(Value::Object(fields)) = serde_json::from_str::<Value>(object) else {
        return None;
    };
    let message = text_of(&fields, &MESSAGES)?;
    let further = || {
        let objects = fields.iter().filter(|(key, _)| is_one_of(key, &FURTHER));
        objects
            .filter_map(|(_, value)| value.as_object())
            .find_map(|fields| text_of(fields, &USERS))
    };
    let before = line.get(..from).unwrap_or_default();
    let prefixed = before.split_whitespace().next().and_then(time::unix_us);
    Some(Shaped {
        message,
        user: text_of(&fields, &USERS).or_else(further),
        logged_unix_us: text_of(&fields, &TIMES)
            .and_then(|text| time::unix_us(&text))
            .or(prefixed),
    })
}

fn is_one_of(key: &str, names: &[&str]) -> bool {
    names.iter().any(|name| key.eq_ignore_ascii_case(name))
}

/// The text of the first of these keys that has one.
fn text_of(fields: &Map<String, Value>, names: &[&str]) -> Option<String> {
    names.iter().find_map(|name| {
        let mut matching = fields
            .iter()
            .filter(|(key, _)| key.eq_ignore_ascii_case(name));
        matching.find_map(|(_, value)| Some(value.as_str()?.to_owned()))
    })
}

/// `key=value` pairs; those with blanks are quoted. It is none without a message.
fn logfmt(line: &str) -> Option<Shaped> {
    if !["msg=", "message="].iter().any(|key| line.contains(key)) {
        return None;
    }
    let mut shaped = Shaped::default();
    let mut has_message = false;
    let mut rest = line;
    while let Some((key, behind)) = rest.split_once('=') {
        let key = key.rsplit(char::is_whitespace).next().unwrap_or(key);
        let (value, behind) = value(behind);
        if is_one_of(key, &["msg", "message"]) {
            shaped.message = value.into_owned();
            has_message = true;
        } else if is_one_of(key, &USERS) {
            shaped.user = Some(value.into_owned());
        } else if is_one_of(key, &TIMES) {
            shaped.logged_unix_us = time::unix_us(&value);
        }
        rest = behind;
    }
    has_message.then_some(shaped)
}

/// A value and what stands behind it.
fn value(text: &str) -> (Cow<'_, str>, &str) {
    let Some(quoted) = text.strip_prefix('"') else {
        let end = text.find(char::is_whitespace).unwrap_or(text.len());
        let (value, behind) = text.split_at_checked(end).unwrap_or((text, ""));
        return (Cow::Borrowed(value), behind);
    };
    let mut value = String::new();
    let mut letters = quoted.char_indices();
    while let Some((at, letter)) = letters.next() {
        match letter {
            '"' => return (Cow::Owned(value), quoted.get(at + 1..).unwrap_or_default()),
            '\\' => match letters.next() {
                Some((_, 'n')) => value.push('\n'),
                Some((_, 't')) => value.push('\t'),
                Some((_, escaped)) => value.push(escaped),
                None => {}
            },
            letter => value.push(letter),
        }
    }
    (Cow::Owned(value), "")
}
