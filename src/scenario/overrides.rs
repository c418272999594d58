//! What flags put in the place of a scenario's values, and what follows from file and flags
//! together: the number of users, the store, and whether the run stays within its numbers.

use std::time::Duration;

use url::Url;

use super::auth::{Accounts, AuthSettings, OwnerForm};
use super::error::Problem;
use super::{
    Caps, Executor, Group, PerChannel, PoolText, Scenario, Store, TokenPlace, auth, pool, trespass,
};
use crate::model::limits::{PLANNED_USERS_MAX, SESSIONS_MAX};

/// Values of flags; `None` leaves the scenario's.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Overrides {
    /// Number of users.
    pub users: Option<u32>,
    /// Virtual users of all closed load groups together.
    pub vus: Option<u32>,
    /// Duration of every load group that has one.
    pub duration: Option<Duration>,
    /// Base URL of the target.
    pub target: Option<Url>,
    /// The store.
    pub memory: Option<Store>,
    /// How requests prove who sends them.
    pub auth: Option<AuthSettings>,
    /// Whom there are credentials for, where a file says it.
    pub accounts: Option<Accounts>,
    /// What a run may do at most.
    pub caps: Caps,
    /// What the scenario's file of pooled users holds, where it names one.
    pub pool: Option<PoolText>,
}

/// What the file says, where its silence means something.
#[derive(Debug)]
pub(super) struct Given {
    /// `users.count`.
    pub(super) users: Option<u32>,
    /// `memory.url`.
    pub(super) store: Option<Store>,
    /// `users.pool_file`.
    pub(super) pool_file: Option<String>,
    /// `target.expected_owner`.
    pub(super) owners: PerChannel<Option<OwnerForm>>,
}

/// Applies the flags and fills in what follows from the rest.
pub(super) fn resolve(
    mut scenario: Scenario,
    given: &Given,
    overrides: &Overrides,
) -> Result<Scenario, Vec<Problem>> {
    let mut problems = Vec::new();
    if let Some(url) = &overrides.target {
        scenario.target.url = Some(url.clone());
    }
    if let Some(auth) = &overrides.auth {
        scenario.target.auth = auth.kind.clone();
        if auth.socket != TokenPlace::Header {
            scenario.target.socket_token = auth.socket.clone();
        }
    }
    scenario.caps = overrides.caps.or(scenario.caps);
    let store = overrides.memory.as_ref().or(given.store.as_ref());
    problems.extend(set_store(&mut scenario, store));
    if let Some(vus) = overrides.vus {
        problems.extend(set_vus(&mut scenario.groups, vus));
    }
    if let Some(duration) = overrides.duration {
        problems.extend(set_duration(&mut scenario.groups, duration));
    }
    problems.extend(pool::resolve(&mut scenario, given, overrides));
    problems.extend(auth::resolve(&mut scenario, given, overrides));
    scenario.users = overrides
        .users
        .or(given.users)
        .unwrap_or_else(|| match scenario.pool.len() {
            0 => users_of(&scenario.groups),
            pooled => u32::try_from(pooled).unwrap_or(u32::MAX),
        });
    problems
        .extend(auth::check_count(&scenario, overrides).or_else(|| pool::check_count(&scenario)));
    if !(1..=PLANNED_USERS_MAX).contains(&scenario.users) {
        let allowed = format!("a whole number from 1 to {PLANNED_USERS_MAX}");
        problems.push(flag("--users", scenario.users, "out of bounds", &allowed));
    }
    problems.extend(trespass::resolve(&mut scenario));
    problems.extend(check_sessions(&scenario.groups));
    if problems.is_empty() {
        Ok(scenario)
    } else {
        Err(problems)
    }
}

/// The store: what is said, else the lab's for the lab, else none.
fn set_store(scenario: &mut Scenario, said: Option<&Store>) -> Option<Problem> {
    let to_lab = scenario.target.url.is_none();
    scenario.memory.store = match said {
        Some(store) => store.clone(),
        None if to_lab => Store::Lab,
        None => Store::None,
    };
    match &scenario.memory.store {
        Store::Url(url) if to_lab => Some(Problem {
            place: None,
            key: Some("memory.url".to_owned()),
            value: Some(url.to_string()),
            what: "there is a store but no target: the embedded lab brings its own store".into(),
            allowed: Some("\"none\" or nothing".to_owned()),
            help: Some("give the target's URL: --target URL, or `target.url`".to_owned()),
        }),
        Store::Url(_) | Store::Lab | Store::None => None,
    }
}

/// The number of users if nobody says it: as many as the largest group has virtual users.
fn users_of(groups: &[Group]) -> u32 {
    let vus = groups.iter().map(|group| match group.executor {
        Executor::ConstantVus { vus, .. } | Executor::PerVuIterations { vus, .. } => vus,
        Executor::ConstantArrivalRate { max_vus, .. } => max_vus,
    });
    vus.max().unwrap_or(1)
}

/// Shares a total among the closed groups in proportion, at least one for each. What rounding
/// leaves goes to the groups that it hit hardest. The problem, if it cannot be done.
fn set_vus(groups: &mut [Group], total: u32) -> Option<Problem> {
    if !(1..=SESSIONS_MAX).contains(&total) {
        let allowed = format!("a whole number from 1 to {SESSIONS_MAX}");
        return Some(flag("--vus", total, "out of bounds", &allowed));
    }
    let mut closed: Vec<&mut u32> = groups
        .iter_mut()
        .filter_map(|group| match &mut group.executor {
            Executor::ConstantVus { vus, .. } | Executor::PerVuIterations { vus, .. } => Some(vus),
            Executor::ConstantArrivalRate { .. } => None,
        })
        .collect();
    let before: u64 = closed.iter().map(|vus| u64::from(**vus)).sum();
    if before == 0 {
        let what = "no load group has virtual users: all are constant-arrival-rate";
        return Some(flag("--vus", total, what, "change `rate` in the file"));
    }
    let mut rest: Vec<(u64, usize)> = Vec::new();
    let mut shared = 0;
    for (place, vus) in closed.iter_mut().enumerate() {
        let exact = u64::from(**vus) * u64::from(total);
        let share = u32::try_from(exact / before).unwrap_or(total).max(1);
        rest.push((exact % before, place));
        **vus = share;
        shared += u64::from(share);
    }
    rest.sort_by_key(|(rest, place)| (std::cmp::Reverse(*rest), *place));
    let left = usize::try_from(u64::from(total).saturating_sub(shared)).unwrap_or(0);
    for (_, place) in rest.iter().take(left) {
        if let Some(vus) = closed.get_mut(*place) {
            **vus += 1;
        }
    }
    None
}

/// The problem, if no group has a duration.
fn set_duration(groups: &mut [Group], wanted: Duration) -> Option<Problem> {
    let shown = humantime::format_duration(wanted);
    if wanted < Duration::from_millis(1) || wanted > super::value::TIME_MAX {
        let allowed = "from \"1ms\" to \"30days\"";
        return Some(flag("--duration", shown, "out of bounds", allowed));
    }
    let mut timed = 0;
    for group in groups {
        match &mut group.executor {
            Executor::ConstantVus { duration, .. }
            | Executor::ConstantArrivalRate { duration, .. } => {
                *duration = wanted;
                timed += 1;
            }
            Executor::PerVuIterations { .. } => {}
        }
    }
    if timed == 0 {
        let what = "no load group has a duration: all are per-vu-iterations, which end after \
                    their `iterations`";
        let allowed = "a scenario with constant-vus or constant-arrival-rate, such as `mixed`";
        return Some(flag("--duration", shown, what, allowed));
    }
    None
}

/// Sessions are numbered in the canaries, so their number is bounded.
fn check_sessions(groups: &[Group]) -> Option<Problem> {
    let counts = groups.iter().map(|group| match group.executor {
        Executor::ConstantVus { vus, .. } => u128::from(vus),
        Executor::PerVuIterations {
            vus, iterations, ..
        } => u128::from(vus) * u128::from(iterations),
        Executor::ConstantArrivalRate {
            rate,
            time_unit,
            duration,
            ..
        } => u128::from(rate) * duration.as_nanos() / time_unit.as_nanos().max(1),
    });
    let sessions: u128 = counts.sum();
    (sessions > u128::from(SESSIONS_MAX)).then(|| Problem {
        place: None,
        key: Some("load".to_owned()),
        value: None,
        what: format!("the groups would start {sessions} sessions"),
        allowed: Some(format!("at most {SESSIONS_MAX} in one run")),
        help: Some("use fewer virtual users, iterations or arrivals".to_owned()),
    })
}

fn flag(name: &str, value: impl std::fmt::Display, what: &str, allowed: &str) -> Problem {
    Problem {
        place: None,
        key: Some(name.to_owned()),
        value: Some(value.to_string()),
        what: what.to_owned(),
        allowed: Some(allowed.to_owned()),
        help: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::tests::GOOD;
    use crate::scenario::{embedded, parse, parse_with};

    /// The good file with flags.
    fn with_flags(text: &str, overrides: &Overrides) -> Result<Scenario, String> {
        parse_with("x", text, "x.toml", overrides).map_err(|error| error.to_string())
    }

    fn vus_of(scenario: &Scenario) -> Vec<u32> {
        let vus = scenario.groups.iter().map(|group| match group.executor {
            Executor::ConstantVus { vus, .. } | Executor::PerVuIterations { vus, .. } => vus,
            Executor::ConstantArrivalRate { .. } => 0,
        });
        vus.collect()
    }

    #[test]
    fn virtual_users_are_shared_in_proportion() {
        // The file has 4 and 2, and an open group.
        for (total, shared) in [
            (600, [400, 200, 0]),
            (6, [4, 2, 0]),
            (7, [5, 2, 0]),
            (5, [3, 2, 0]),
            (2, [1, 1, 0]),
            (1, [1, 1, 0]),
        ] {
            let overrides = Overrides {
                vus: Some(total),
                ..Overrides::default()
            };
            assert_eq!(vus_of(&with_flags(GOOD, &overrides).unwrap()), shared);
        }
        let open_only = GOOD.replace("[load.chat]", "[load.open2]").replace(
            "executor = \"constant-vus\"\nsession = \"chat\"\nvus = 4",
            "executor = \"constant-arrival-rate\"\nsession = \"chat\"\nrate = 4",
        );
        let open_only = open_only.replace(
            "executor = \"per-vu-iterations\"\nsession = \"call\"\nvus = 2",
            "executor = \"constant-arrival-rate\"\nsession = \"call\"\nrate = 4\nduration = \"1s\"",
        );
        let five = Overrides {
            vus: Some(5),
            ..Overrides::default()
        };
        let error = with_flags(&open_only, &five).unwrap_err();
        assert!(
            error.starts_with("x.toml: `--vus = 5`: no load group has virtual users"),
            "{error}"
        );
    }

    #[test]
    fn a_number_of_users_that_is_not_given_follows_the_load() {
        let users = |text: &str, users, vus| {
            let overrides = Overrides {
                users,
                vus,
                ..Overrides::default()
            };
            with_flags(text, &overrides).map(|scenario| scenario.users)
        };
        let counted = format!("[users]\ncount = 9\n{GOOD}");
        let closed = GOOD.replace("rate = 2", "rate = 2\nmax_vus = 3");
        assert_eq!(users(GOOD, None, None), Ok(50), "of the open group");
        assert_eq!(users(&closed, None, None), Ok(4));
        assert_eq!(users(&closed, None, Some(600)), Ok(400));
        assert_eq!(users(&counted, None, Some(600)), Ok(9));
        assert_eq!(users(&counted, Some(11), Some(600)), Ok(11));
        assert!(
            users(GOOD, Some(0), None)
                .unwrap_err()
                .contains("`--users = 0`")
        );
        assert!(
            users(GOOD, None, Some(0))
                .unwrap_err()
                .contains("`--vus = 0`")
        );
    }

    #[test]
    fn a_duration_goes_to_every_group_that_has_one() {
        let overrides = |seconds| Overrides {
            duration: Some(Duration::from_secs(seconds)),
            ..Overrides::default()
        };
        let before = parse("x", GOOD, "x.toml").unwrap();
        let after = with_flags(GOOD, &overrides(20)).unwrap();
        let stored = serde_json::to_string(&before).unwrap();
        let expected = stored.replace(
            "\"duration\":{\"secs\":5,\"nanos\":0}",
            "\"duration\":{\"secs\":20,\"nanos\":0}",
        );
        assert_eq!(serde_json::to_string(&after).unwrap(), expected);
        assert!(with_flags(GOOD, &overrides(0)).is_err());
        let quick = embedded().first().unwrap().1;
        let error = with_flags(quick, &overrides(20)).unwrap_err();
        assert!(error.contains("all are per-vu-iterations"), "{error}");
    }

    #[test]
    fn the_store_follows_the_target() {
        let url = |text| Some(Url::parse(text).unwrap());
        let store = |text: &str, target: Option<Url>, memory| {
            let overrides = Overrides {
                target,
                memory,
                ..Overrides::default()
            };
            with_flags(text, &overrides).map(|scenario| scenario.memory.store)
        };
        let zep = Store::Url(Url::parse("http://127.0.0.1:8001").unwrap());
        let in_file = format!("[memory]\nurl = \"http://127.0.0.1:8001\"\n{GOOD}");
        assert_eq!(store(GOOD, None, None), Ok(Store::Lab));
        assert_eq!(store(GOOD, None, Some(Store::None)), Ok(Store::None));
        assert_eq!(store(GOOD, url("http://a"), None), Ok(Store::None));
        assert_eq!(
            store(GOOD, url("http://a"), Some(zep.clone())),
            Ok(zep.clone())
        );
        assert_eq!(store(&in_file, url("http://a"), None), Ok(zep.clone()));
        assert_eq!(
            store(&in_file, url("http://a"), Some(Store::None)),
            Ok(Store::None)
        );
        for error in [store(&in_file, None, None), store(GOOD, None, Some(zep))] {
            assert!(error.unwrap_err().contains("a store but no target"));
        }
    }
}
