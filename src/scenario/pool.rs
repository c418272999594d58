//! Users that are there already: `[users] pool` and `pool_file`.
//!
//! Where a target takes no new users, tests share a pool of accounts. Only their names differ
//! from those of fresh users: sessions and canaries bear the run, as ever.

use std::collections::BTreeSet;

use toml::Value;
use toml::de::DeTable;

use super::Scenario;
use super::error::{BadValue, Place, Problem, quoted};
use super::overrides::{Given, Overrides};
use crate::model::limits::PLANNED_USERS_MAX;
use crate::model::{OpKind, RunId, UserIx};

/// Characters of a pooled user's name.
const USER_CHARS_MAX: usize = 200;
const ALLOWED: &str =
    "a list of names at the target, such as [\"alice@example.org\", \"bob@example.org\"]";

/// The text of a file of pooled users, one name a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PoolText {
    /// How messages name the file.
    pub file: String,
    /// What it holds.
    pub text: String,
}

/// The file of pooled users that a scenario names, if its text can be read so far. The path is
/// relative to the scenario's own file.
pub fn pool_file(text: &str) -> Option<String> {
    let tree = DeTable::parse(text).ok()?;
    let users = tree.get_ref().get("users")?.get_ref().as_table()?;
    users
        .get("pool_file")?
        .get_ref()
        .as_str()
        .map(str::to_owned)
}

impl Scenario {
    /// The name that a user goes by at the target: from the pool, else `cw-<run>-u<user>`.
    pub fn user_name(&self, run: RunId, user: UserIx) -> String {
        let place = usize::try_from(user.0).unwrap_or(usize::MAX);
        let pooled = self.pool.get(place).cloned();
        pooled.unwrap_or_else(|| run.user_name(user))
    }

    /// The user of this run that goes by a name at the target; `None` for anybody else.
    pub fn user_of_name(&self, run: RunId, name: &str) -> Option<UserIx> {
        // Also with a pool: the users of the positive control are none of it.
        let named = RunId::parse_user_name(name).filter(|(named, _)| *named == run);
        let named = named.map(|(_, user)| user);
        let pooled = |user: &UserIx| self.pool.get(usize::try_from(user.0).ok()?);
        // One that is in no pool has the name just read, which has only one spelling.
        let is_its_name = |user: &UserIx| pooled(user).is_none_or(|its| its == name);
        if let Some(user) = named.filter(is_its_name) {
            return Some(user);
        }
        // Only so many of the pool are users of this run; the others are as good as strangers.
        let used = usize::try_from(self.users).unwrap_or(usize::MAX);
        let place = self.pool.iter().take(used).position(|known| known == name);
        place.and_then(|place| UserIx::new(u32::try_from(place).ok()?).ok())
    }

    /// The user of this run whom a store names as an owner, by the template of any channel.
    pub fn user_of_owner(&self, run: RunId, owner: &str) -> Option<UserIx> {
        let templates = OpKind::ALL.into_iter();
        templates
            .filter_map(|kind| self.target.expected_owner.get(kind).user_name(owner))
            .find_map(|name| self.user_of_name(run, name))
    }
}

/// Can a development token name this user? The target cuts it at underscores.
pub fn fits_dev_token(user_name: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'@');
    !user_name.is_empty() && user_name.bytes().all(fits)
}

/// Reads the names of a list.
pub(super) fn read_pool(value: &Value) -> Result<Vec<String>, BadValue> {
    let not_list = || BadValue::new("not a list of names", ALLOWED);
    let entries = value.as_array().ok_or_else(not_list)?;
    let names = entries
        .iter()
        .map(|entry| entry.as_str().ok_or_else(not_list));
    check(names.collect::<Result<Vec<_>, _>>()?)
}

/// The pool of a run: what the list says, or the file's lines. What is wrong with it.
pub(super) fn resolve(
    scenario: &mut Scenario,
    given: &Given,
    overrides: &Overrides,
) -> Vec<Problem> {
    match (&given.pool_file, &overrides.pool) {
        (Some(_), _) if !scenario.pool.is_empty() => {
            return vec![problem(
                "users.pool_file",
                "there is a list and a file of pooled users",
                "one of `pool` and `pool_file`",
            )];
        }
        (Some(_), None) => {
            return vec![problem(
                "users.pool_file",
                "the file of pooled users was not read",
                "a path relative to a scenario file; embedded scenarios have none",
            )];
        }
        (Some(_), Some(pool)) => match read_lines(pool) {
            Ok(names) => scenario.pool = names,
            Err(bad) => {
                return vec![Problem {
                    value: Some(quoted(&pool.file)),
                    help: bad.help,
                    ..problem("users.pool_file", &bad.what, &bad.allowed)
                }];
            }
        },
        (None, _) => {}
    }
    unfit_for_tokens(scenario).into_iter().collect()
}

/// Is the number of users within the pool?
pub(super) fn check_count(scenario: &Scenario) -> Option<Problem> {
    let most = u32::try_from(scenario.pool.len()).unwrap_or(u32::MAX);
    (most > 0 && scenario.users > most).then(|| Problem {
        value: Some(scenario.users.to_string()),
        help: Some("name more users in the pool, or leave `count` out".to_owned()),
        ..problem(
            "users.count",
            "more users than the pool has",
            &format!("at most {most}"),
        )
    })
}

fn read_lines(pool: &PoolText) -> Result<Vec<String>, BadValue> {
    let lines = pool.text.lines().map(str::trim);
    let names = lines.filter(|line| !line.is_empty() && !line.starts_with('#'));
    check(names.collect())
}

/// Names that are usable and of one user each.
fn check(names: Vec<&str>) -> Result<Vec<String>, BadValue> {
    let most = usize::try_from(PLANNED_USERS_MAX).unwrap_or(usize::MAX);
    if names.is_empty() || names.len() > most {
        let allowed = format!("1 to {PLANNED_USERS_MAX} names");
        return Err(BadValue::new("the pool is empty or too large", allowed));
    }
    let mut seen = BTreeSet::new();
    for name in &names {
        let usable = !name.trim().is_empty()
            && !name.contains(char::is_control)
            && name.chars().count() <= USER_CHARS_MAX;
        if !usable {
            let allowed = format!("1 to {USER_CHARS_MAX} printable characters");
            return Err(BadValue::new("a name that cannot be used", allowed));
        }
        if RunId::parse_user_name(name).is_some() {
            let what = format!(
                "`{}` is a name that a run gives to its own users",
                quoted(name)
            );
            return Err(BadValue::new(what, ALLOWED));
        }
        if !seen.insert(*name) {
            let what = format!("`{}` is there twice", quoted(name));
            return Err(BadValue::new(what, ALLOWED));
        }
    }
    Ok(names.into_iter().map(str::to_owned).collect())
}

/// Development tokens are cut at underscores and name their user literally.
fn unfit_for_tokens(scenario: &Scenario) -> Option<Problem> {
    let dev = scenario.target.auth.is_dev();
    let unfit = scenario
        .pool
        .iter()
        .find(|name| dev && !fits_dev_token(name))?;
    Some(Problem {
        value: Some(quoted(unfit)),
        help: Some("rename the user, or use another `target.auth`".to_owned()),
        ..problem(
            "users.pool",
            "no development token can name this user: it is cut at underscores",
            "letters, digits, `-`, `.` and `@`",
        )
    })
}

fn problem(key: &str, what: &str, allowed: &str) -> Problem {
    Problem {
        place: None::<Place>,
        key: Some(key.to_owned()),
        value: None,
        what: what.to_owned(),
        allowed: Some(allowed.to_owned()),
        help: None,
    }
}
