//! What came out wrong, one JSON line a record: the ground truth for scoring a checker.
//!
//! A line is written from comparing what was stored with what should have been, never from the
//! decision that a fault strikes: a fault can do no harm by chance.

use serde::Serialize;

use super::faults::FaultKind;
use super::lines::Lines;
use super::stamp::Stamp;
use crate::model::{Code, RecordType, RunId};

/// The prefix of owners that come from development tokens.
pub(super) const DEV_OWNER_PREFIX: &str = "dev-oid-";
/// The user that REST requests without a credential act as.
pub(super) const REST_PLACEHOLDER: &str = "dev-user";
/// The user that voice sockets act as where they are not authenticated.
pub(super) const VOICE_PLACEHOLDER: &str = "voice-user";
/// The user that chat sockets act as where they are not authenticated.
pub(super) const STREAM_PLACEHOLDER: &str = "ws-user";

/// The truth's file, or nowhere.
#[derive(Debug, Clone)]
pub(super) struct Truth(pub(super) Lines);

/// A record that is not as it should be.
#[derive(Debug)]
pub(super) struct Wrong<'a> {
    pub(super) fault: FaultKind,
    pub(super) code: Code,
    pub(super) record_type: RecordType,
    /// `None` where nothing was stored.
    pub(super) record_id: Option<String>,
    /// The canary that it carries, or should have carried.
    pub(super) canary: Option<&'a str>,
    /// Whose it is.
    pub(super) true_user: &'a str,
    /// Where it went.
    pub(super) stored_owner: Option<&'a str>,
    /// The session that holds a stored message.
    pub(super) session: Option<&'a str>,
    /// The canary of the question that an answer was given to.
    pub(super) asked: Option<&'a str>,
}

#[derive(Serialize)]
struct Line<'a> {
    fault: &'static str,
    code: Code,
    record_type: RecordType,
    record_id: Option<String>,
    canary: Option<&'a str>,
    true_user: &'a str,
    stored_owner: Option<&'a str>,
    session: Option<&'a str>,
    asked: Option<&'a str>,
    at: Stamp,
}

impl Truth {
    /// Is anybody listening?
    pub(super) fn heard(&self) -> bool {
        self.0.heard()
    }

    /// Writes a line.
    pub(super) fn tell(&self, wrong: Wrong<'_>) {
        let line = Line {
            fault: wrong.fault.name(),
            code: wrong.code,
            record_type: wrong.record_type,
            record_id: wrong.record_id,
            canary: wrong.canary,
            true_user: wrong.true_user,
            stored_owner: wrong.stored_owner,
            session: wrong.session,
            asked: wrong.asked,
            at: Stamp::now(),
        };
        // These fields are text and cannot fail to be JSON.
        if let Ok(line) = serde_json::to_string(&line) {
            self.0.say(line);
        }
    }
}

/// What is wrong with an owner; `None` if it is the true user.
pub(super) fn owner_code(true_user: &str, stored_owner: Option<&str>) -> Option<Code> {
    let Some(owner) = stored_owner else {
        return Some(Code::MissingOwner);
    };
    if owner == true_user {
        return None;
    }
    if [REST_PLACEHOLDER, VOICE_PLACEHOLDER, STREAM_PLACEHOLDER].contains(&owner) {
        return Some(Code::PlaceholderOwner);
    }
    // A user who is not of the same run is a stranger to it.
    let of_run = |user: &str| {
        let name = user.strip_prefix(DEV_OWNER_PREFIX)?;
        RunId::parse_user_name(name).map(|(run, _)| run)
    };
    match (of_run(true_user), of_run(owner)) {
        (Some(run), other) if other != Some(run) => Some(Code::ForeignOwner),
        (Some(_) | None, _) => Some(Code::WrongOwner),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn owners_are_coded() {
        let one = "dev-oid-cw-0012abcd-u1";
        for (true_user, owner, code) in [
            (one, Some(one), None),
            (one, None, Some(Code::MissingOwner)),
            (one, Some("dev-oid-cw-0012abcd-u2"), Some(Code::WrongOwner)),
            (
                one,
                Some("dev-oid-cw-0012abce-u2"),
                Some(Code::ForeignOwner),
            ),
            (one, Some("dev-oid-alice"), Some(Code::ForeignOwner)),
            (one, Some("dev-user"), Some(Code::PlaceholderOwner)),
            (one, Some("voice-user"), Some(Code::PlaceholderOwner)),
            ("dev-oid-alice", Some("dev-oid-bob"), Some(Code::WrongOwner)),
            ("dev-user", Some("dev-user"), None),
        ] {
            assert_eq!(owner_code(true_user, owner), code, "{owner:?}");
        }
    }
}
