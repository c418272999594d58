//! Whose a record is by its names: the user in a session's name and in an owner's name.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::model::{RunId, UserIx};

/// Reads the names of one run.
#[derive(Debug)]
pub(super) struct Names {
    run: RunId,
    prefix: String,
    /// Owners of pooled users, as the scenario says that the store names them.
    pooled: BTreeMap<String, UserIx>,
}

/// What of a scenario decides the owners of pooled users.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct PooledUsers {
    users: usize,
    pool: Vec<String>,
    target: OwnersOfTarget,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct OwnersOfTarget {
    expected_owner: BTreeMap<String, Template>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Template {
    before: String,
    after: String,
}

impl Names {
    pub(super) fn new(run: RunId) -> Self {
        Self {
            run,
            prefix: run.name_prefix(),
            pooled: BTreeMap::new(),
        }
    }

    /// Reads the owners of pooled users out of the scenario that the manifest holds.
    pub(super) fn of_scenario(run: RunId, scenario_json: &str) -> Self {
        let users: PooledUsers = serde_json::from_str(scenario_json).unwrap_or_default();
        let templates = users.target.expected_owner.values();
        let pooled = templates.flat_map(|template| {
            let names = (0..).zip(users.pool.iter().take(users.users));
            names.filter_map(|(number, name)| {
                let owner = format!("{}{name}{}", template.before, template.after);
                Some((owner, UserIx::new(number).ok()?))
            })
        });
        Self {
            pooled: pooled.collect(),
            ..Self::new(run)
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
        if let Some(user) = self.pooled.get(owner) {
            return Some(*user);
        }
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
    fn pooled_users_are_known_by_their_owners() {
        let json = r#"{"users":2,"pool":["alice@x","bob@x","carol@x"],"target":
            {"expected_owner":{"chat":{"before":"oid-","after":""}}}}"#;
        let names = Names::of_scenario(RunId(0xab), json);
        for (owner, user) in [
            ("oid-alice@x", Some(UserIx(0))),
            ("oid-bob@x", Some(UserIx(1))),
            ("oid-carol@x", None),
            ("oid-malice@x", None),
            ("alice@x", None),
        ] {
            assert_eq!(names.user_of_owner(owner), user, "{owner}");
        }
        let damaged = Names::of_scenario(RunId(0xab), "{");
        assert_eq!(damaged.user_of_owner("oid-alice@x"), None);
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
