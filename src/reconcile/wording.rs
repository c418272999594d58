//! The words of findings: plain sentences, safe to show whatever the target called things.

use std::fmt;

use std::collections::BTreeSet;

use crate::model::{RecordType, Route, Standing, UserIx};

use super::owner::Owner;
use super::reading::Record;

/// Characters of an id or owner that a sentence shows.
const NAME_CHARS_MAX: usize = 80;

/// A name that came from a target, made fit for a sentence: no control characters, not endless.
pub(crate) fn plain(name: &str) -> String {
    let mut shown: String = name
        .chars()
        .map(|c| if c.is_control() { '\u{fffd}' } else { c })
        .take(NAME_CHARS_MAX)
        .collect();
    if name.chars().nth(NAME_CHARS_MAX).is_some() {
        shown.push('…');
    }
    shown
}

/// `user 17`.
pub(crate) fn user(user: UserIx) -> String {
    format!("user {}", user.0)
}

/// `message 9ab2 in session cw-…`.
pub(crate) fn record(record: &Record<'_>) -> String {
    let sighting = record.sighting;
    let id = plain(&sighting.record_id);
    match (sighting.record_type, sighting.session.as_deref()) {
        (RecordType::Answer, _) => format!("answer in session {id}"),
        (RecordType::Message, Some(session)) => {
            format!("message {id} in session {}", plain(session))
        }
        (kind, _) => format!("{} {id}", kind.name()),
    }
}

/// Where a record is, told by its owner: `under user 18`.
pub(crate) fn under(owner: Owner<'_>) -> String {
    match owner {
        Owner::User(owner) => format!("under {}", user(owner)),
        Owner::Placeholder(name) => format!("under the placeholder `{}`", plain(name)),
        Owner::Nobody => "without an owner".to_owned(),
        Owner::Foreign(name) => format!("under `{}`, who is no synthetic user", plain(name)),
    }
}

/// What a route leads to: `the transcript`.
pub(crate) fn route(route: Route) -> &'static str {
    match route {
        Route::Transcript => "the transcript",
        Route::Episodes => "the list of sessions",
        Route::Facts => "what is kept as facts",
        Route::Search => "what a search finds",
        Route::Chat => "the conversation",
        Route::Delete => "the memory",
    }
}

/// What became of it: `was shown to another user and to nobody in particular`.
pub(crate) fn reached(route: Route, standings: &BTreeSet<Standing>) -> String {
    let whom: Vec<&str> = standings.iter().map(|standing| with(*standing)).collect();
    let done = match route {
        Route::Transcript | Route::Episodes | Route::Facts | Route::Search => "was shown",
        Route::Chat => "was taken part in",
        Route::Delete => "was deleted",
    };
    format!("{done} {}", whom.join(" and "))
}

fn with(standing: Standing) -> &'static str {
    match standing {
        Standing::Founder => "with its own user's credential",
        Standing::OtherUser => "with another user's credential",
        Standing::Expired => "with a credential that had ended",
        Standing::Nobody => "without any credential",
    }
}

/// `3 reads`, `1 read`.
pub(crate) fn counted(count: impl Into<u64>, one: &str, many: &str) -> impl fmt::Display {
    match count.into() {
        1 => format!("1 {one}"),
        count => format!("{count} {many}"),
    }
}

/// A length as a count.
pub(crate) fn len<T>(items: &[T]) -> u64 {
    u64::try_from(items.len()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_from_a_target_cannot_break_a_sentence() {
        assert_eq!(plain("dev\n\u{1b}[2Joid"), "dev\u{fffd}\u{fffd}[2Joid");
        assert_eq!(plain(&"x".repeat(81)), format!("{}…", "x".repeat(80)));
        assert_eq!(plain(&"ü".repeat(80)), "ü".repeat(80));
    }
}
