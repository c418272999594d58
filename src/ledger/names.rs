//! Whose a record is by its names: the user in a session's name and in an owner's name.

use crate::model::{RunId, UserIx};

/// Reads the names of one run.
#[derive(Debug)]
pub(super) struct Names {
    run: RunId,
    prefix: String,
}

impl Names {
    pub(super) fn new(run: RunId) -> Self {
        Self {
            run,
            prefix: run.name_prefix(),
        }
    }

    pub(super) fn run(&self) -> RunId {
        self.run
    }

    /// The user of a session that bears this run's name; `None` for any other.
    pub(super) fn user_of_session(&self, name: &str) -> Option<UserIx> {
        let (run, user, _) = RunId::parse_session_name(name)?;
        (run == self.run).then_some(user)
    }

    /// The user of this run whose name stands anywhere in an owner: what stands around it
    /// differs from target to target.
    pub(super) fn user_of_owner(&self, owner: &str) -> Option<UserIx> {
        let name = &owner[owner.find(self.prefix.as_str())?..];
        let digits_at = self.prefix.len() + 1;
        let digits = name
            .get(digits_at..)?
            .bytes()
            .take_while(u8::is_ascii_digit)
            .count();
        let (_, user) = RunId::parse_user_name(name.get(..digits_at + digits)?)?;
        Some(user)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_of_this_run_count() {
        let names = Names::new(RunId(0xab));
        for (name, user) in [
            ("cw-000000ab-u7-s9", Some(UserIx(7))),
            ("cw-000000ac-u7-s9", None),
            ("x-cw-000000ab-u7-s9", None),
            ("", None),
        ] {
            assert_eq!(names.user_of_session(name), user, "{name}");
        }
    }

    #[test]
    fn owners_may_dress_the_name() {
        let names = Names::new(RunId(0xab));
        for (owner, user) in [
            ("dev-oid-cw-000000ab-u17", Some(UserIx(17))),
            ("cw-000000ab-u17@example.org", Some(UserIx(17))),
            ("cw-000000ab-u0", Some(UserIx(0))),
            ("dev-oid-cw-000000ac-u17", None),
            ("cw-000000ab-", None),
            ("cw-000000ab-u", None),
            ("cw-000000ab-ü1", None),
            ("cw-000000ab-u99999999999", None),
            ("poc-user", None),
            ("", None),
        ] {
            assert_eq!(names.user_of_owner(owner), user, "{owner}");
        }
    }
}
