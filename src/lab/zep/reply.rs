//! Answers and errors in the original's manner: JSON as plain text, errors as a line of text.

use std::borrow::Cow;
use std::sync::Arc;

use axum::body::Bytes;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::record::Metadata;
use super::store::{Store, StoreError};

/// The state of every handler.
pub(super) type Shared = axum::extract::State<Arc<Store>>;

/// A request that is not answered as wished.
#[derive(Debug)]
pub(super) enum Refusal {
    /// 400 with a reason.
    Bad(String),
    /// 404.
    NotFound,
    /// 500 with a reason.
    Internal(String),
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        match self {
            Self::Bad(why) => {
                (StatusCode::BAD_REQUEST, format!("bad request: {why}\n")).into_response()
            }
            Self::NotFound => (StatusCode::NOT_FOUND, "not found\n").into_response(),
            Self::Internal(why) => {
                (StatusCode::INTERNAL_SERVER_ERROR, format!("{why}\n")).into_response()
            }
        }
    }
}

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Self {
        let why = error.to_string();
        match error {
            StoreError::SessionExists(_)
            | StoreError::UserExists(_)
            | StoreError::NoSuchUser(_)
            | StoreError::TooLong(_) => Self::Bad(why),
            StoreError::NoSuchSession(_) => Self::NotFound,
            StoreError::EmptySessionId | StoreError::UuidTaken(_) => Self::Internal(why),
        }
    }
}

/// JSON without a content type of its own, so it goes out as plain text.
pub(super) fn json(status: StatusCode, body: &impl Serialize) -> Response {
    match serde_json::to_vec(body) {
        Ok(bytes) => {
            let plain = [(header::CONTENT_TYPE, "text/plain; charset=utf-8")];
            (status, plain, bytes).into_response()
        }
        Err(error) => Refusal::Internal(error.to_string()).into_response(),
    }
}

/// The two bytes that a write is acknowledged with.
pub(super) fn ok() -> Response {
    (StatusCode::OK, "OK").into_response()
}

/// Reads a body: what is no Unicode becomes U+FFFD, unknown fields are ignored.
pub(super) fn read<T: DeserializeOwned>(body: &Bytes) -> Result<T, Refusal> {
    let text = String::from_utf8_lossy(body);
    let may_be_lone = text.contains("\\ud") || text.contains("\\uD");
    let text = if may_be_lone {
        Cow::Owned(without_lone_surrogates(&text))
    } else {
        text
    };
    serde_json::from_str(&text).map_err(|e| Refusal::Bad(e.to_string()))
}

/// JSON in which every escape that is half of a pair stands for U+FFFD.
fn without_lone_surrogates(json: &str) -> String {
    let mut paired = String::with_capacity(json.len());
    let mut rest = json;
    while let Some(at) = rest.find('\\') {
        let (before, escape) = rest.split_at(at);
        paired.push_str(before);
        let second = escape.get(6..).and_then(escaped_unit);
        let (taken, shown) = match escaped_unit(escape) {
            Some(0xd800..=0xdbff) if matches!(second, Some(0xdc00..=0xdfff)) => (12, None),
            Some(0xd800..=0xdfff) => (6, Some("\\ufffd")),
            Some(_) => (6, None),
            None => (
                escape
                    .char_indices()
                    .nth(2)
                    .map_or(escape.len(), |(at, _)| at),
                None,
            ),
        };
        let (escape, after) = escape.split_at(taken);
        paired.push_str(shown.unwrap_or(escape));
        rest = after;
    }
    paired.push_str(rest);
    paired
}

/// The UTF-16 unit that a text begins with as an escape.
fn escaped_unit(escape: &str) -> Option<u16> {
    let digits = escape.strip_prefix("\\u")?.get(..4)?;
    let all_digits = digits.bytes().all(|digit| digit.is_ascii_hexdigit());
    all_digits
        .then(|| u16::from_str_radix(digits, 16).ok())
        .flatten()
}

/// A number in a query: `None` if it was not given, or given without a value, as the vendor's own
/// client does.
pub(super) fn number(text: Option<&String>) -> Result<Option<i64>, Refusal> {
    let parse = |text: &String| {
        text.parse()
            .map_err(|_| Refusal::Bad(format!("not a number: {text}")))
    };
    text.filter(|text| !text.is_empty()).map(parse).transpose()
}

/// A limit as a count: absent, 0 and negative numbers mean everything.
pub(super) fn count(limit: Option<i64>) -> usize {
    match limit.map(usize::try_from) {
        Some(Ok(limit)) if limit > 0 => limit,
        Some(Ok(_) | Err(_)) | None => usize::MAX,
    }
}

/// Metadata in which NUL has become six visible characters.
pub(super) fn clean_metadata(metadata: Metadata) -> Metadata {
    let visible = |text: String| {
        if text.contains('\0') {
            text.replace('\0', "\\u0000")
        } else {
            text
        }
    };
    metadata
        .into_iter()
        .map(|(key, value)| (visible(key), clean_value(value, visible)))
        .collect()
}

fn clean_value(value: Value, visible: impl Fn(String) -> String + Copy) -> Value {
    match value {
        Value::String(text) => Value::String(visible(text)),
        Value::Array(items) => {
            Value::Array(items.into_iter().map(|v| clean_value(v, visible)).collect())
        }
        Value::Object(object) => Value::Object(clean_metadata(object)),
        Value::Null | Value::Bool(_) | Value::Number(_) => value,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_a_pair_is_replaced_and_nothing_else() {
        for (sent, read) in [
            (r#""\ud83d\ude00""#, "\u{1f600}"),
            (r#""a\ud83db""#, "a\u{fffd}b"),
            (r#""\uDE00""#, "\u{fffd}"),
            (r#""\ud83d\ud83d\ude00""#, "\u{fffd}\u{1f600}"),
            (r#""\\ud83d \u0041 \n é""#, "\\ud83d A \n é"),
        ] {
            let text: String = super::read(&Bytes::from(sent)).ok().unwrap();
            assert_eq!(text, read, "{sent}");
        }
        for bad in [r#""\ud83"#, r#""\"#, r#""\u+d83""#, "\\ud"] {
            assert!(super::read::<String>(&Bytes::from(bad)).is_err(), "{bad}");
        }
    }
}
