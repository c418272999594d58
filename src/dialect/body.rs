//! Bodies of answers: JSON whatever its content type, one document and no more.

use serde::Deserialize;

use super::{DialectError, Reply};
use crate::model::Role;

/// Reads the one JSON document that a successful reply holds, whatever its content type.
pub(super) fn document<'a, T: Deserialize<'a>>(
    reply: &Reply<'a>,
    expected: &'static str,
) -> Result<T, DialectError> {
    if reply.status != 200 {
        return Err(DialectError::Status {
            status: reply.status,
        });
    }
    let mut reader = serde_json::Deserializer::from_slice(reply.body);
    let value = T::deserialize(&mut reader).map_err(|error| DialectError::Malformed {
        expected,
        problem: problem(error.classify()),
        line: error.line(),
        column: error.column(),
    })?;
    reader
        .end()
        .map_err(|_| DialectError::TrailingData { expected })?;
    Ok(value)
}

/// The library's own words may quote the body, so only the kind of the error is told.
fn problem(category: serde_json::error::Category) -> &'static str {
    match category {
        serde_json::error::Category::Io => "it cannot be read",
        serde_json::error::Category::Syntax => "it is not JSON",
        serde_json::error::Category::Data => "a key is missing or of another type",
        serde_json::error::Category::Eof => "it is cut off",
    }
}

/// A page must hold as many records as it announces.
pub(super) fn check_count(announced: u64, held: usize) -> Result<(), DialectError> {
    let held = u64::try_from(held).unwrap_or(u64::MAX);
    if announced == held {
        Ok(())
    } else {
        Err(DialectError::RowCount { announced, held })
    }
}

/// An owner, unless the name is blank: that names nobody.
pub(super) fn named(owner: Option<String>) -> Option<String> {
    owner.filter(|name| !name.is_empty())
}

/// `role_type` where there is one, else `role`.
pub(super) fn role(role_type: Option<&str>, role: Option<&str>) -> Role {
    let spoken_by = role_type
        .filter(|text| !text.is_empty())
        .or(role)
        .unwrap_or_default();
    match spoken_by {
        "user" | "human" => Role::User,
        "assistant" | "ai" => Role::Assistant,
        _ => Role::Other,
    }
}
