//! Trespass sessions: what is tried, and who can try it with the credentials that there are.

use super::error::{BadValue, Problem};
use super::{AuthKind, Scenario, SessionSpec};
use crate::model::{Route, Standing};

/// What is tried where nothing is said: what a chat turn can be seen by.
pub(super) fn usual_routes() -> Vec<Route> {
    let usual = |route: &Route| *route != Route::Facts;
    Route::ALL.into_iter().filter(usual).collect()
}

/// Reads a list of routes; each counts once, in the order in which they are tried.
pub(super) fn read_routes(names: &[String]) -> Result<Vec<Route>, BadValue> {
    let allowed = || format!("some of {}", Route::ALL.map(Route::name).join(", "));
    let mut routes = Vec::new();
    for name in names {
        let route =
            Route::from_name(name).map_err(|error| BadValue::new(error.to_string(), allowed()))?;
        if routes.contains(&route) {
            return Err(BadValue::new(
                format!("`{route}` stands there twice"),
                allowed(),
            ));
        }
        routes.push(route);
    }
    if routes.is_empty() {
        return Err(BadValue::new("no route is named", allowed()));
    }
    routes.sort_unstable();
    Ok(routes)
}

/// Who can try something without a right to it. A development token does not end, nor is it known of
/// others when they do; where all users have one credential, another user's is the same.
fn strangers(auth: &AuthKind) -> Vec<Standing> {
    let all = Standing::STRANGERS.into_iter();
    match auth {
        AuthKind::Mint(_) => all.collect(),
        AuthKind::Dev | AuthKind::DevHeader | AuthKind::File(_) | AuthKind::Oauth2(_) => all
            .filter(|standing| *standing != Standing::Expired)
            .collect(),
        AuthKind::Shared(_) => vec![Standing::Nobody],
        AuthKind::None => Vec::new(),
    }
}

/// Says who tries in each trespass session. What makes that impossible.
pub(super) fn resolve(scenario: &mut Scenario) -> Option<Problem> {
    let standings = strangers(&scenario.target.auth);
    let mut tried = false;
    for group in &mut scenario.groups {
        if let SessionSpec::Trespass(spec) = &mut group.session {
            tried = true;
            spec.standings.clone_from(&standings);
        }
    }
    let needs_other = standings.contains(&Standing::OtherUser) && scenario.users < 2;
    if !tried {
        return None;
    }
    let (what, allowed, help) = match (standings.is_empty(), needs_other) {
        (true, _) => (
            "a trespass session needs credentials, and requests carry none",
            "not with `auth = \"none\"`",
            "give the users credentials, or leave the group out",
        ),
        (false, true) => (
            "a trespass session needs another user",
            "at least 2 users",
            "raise `users.count`",
        ),
        (false, false) => return None,
    };
    Some(Problem {
        place: None,
        key: Some("sessions".to_owned()),
        value: None,
        what: what.to_owned(),
        allowed: Some(allowed.to_owned()),
        help: Some(help.to_owned()),
    })
}

#[cfg(test)]
mod tests {
    use super::super::{Overrides, parse, parse_with, read_auth};
    use super::*;
    use crate::scenario::AuthSettings;

    const TRESPASS: &str = "version = 1\n[load.a]\nexecutor = \"per-vu-iterations\"\n\
        session = \"s\"\nvus = 2\n[sessions.s]\nkind = \"trespass\"\n";

    fn spec_of(scenario: &Scenario) -> &super::super::TrespassSpec {
        let SessionSpec::Trespass(spec) = &scenario.groups[0].session else {
            panic!("not a trespass session");
        };
        spec
    }

    #[test]
    fn routes_are_tried_in_one_order_whatever_the_files() {
        let routes = |line: &str| {
            let scenario = parse("t", &format!("{TRESPASS}{line}"), "t.toml");
            scenario
                .map(|scenario| spec_of(&scenario).routes.clone())
                .map_err(|error| error.to_string())
        };
        assert_eq!(routes("").unwrap(), usual_routes());
        assert_eq!(
            routes("routes = [\"delete\", \"transcript\"]").unwrap(),
            [Route::Transcript, Route::Delete]
        );
        for (line, told) in [
            ("routes = []", "no route is named"),
            ("routes = [\"transcirpt\"]", "did you mean `transcript`?"),
            ("routes = [\"chat\", \"chat\"]", "`chat` stands there twice"),
            ("routes = \"chat\"", "not a list"),
            ("turns = 2", "`trespass` has no `turns`"),
        ] {
            let error = routes(line).unwrap_err();
            assert!(error.contains(told), "{line}: {error}");
        }
    }

    #[test]
    fn who_tries_follows_from_the_credentials_in_the_end() {
        let with = |auth: &str, users: u32| {
            let overrides = Overrides {
                auth: Some(AuthSettings {
                    kind: read_auth(auth).unwrap(),
                    socket: crate::scenario::TokenPlace::Header,
                }),
                users: Some(users),
                ..Overrides::default()
            };
            parse_with("t", TRESPASS, "t.toml", &overrides)
                .map(|scenario| spec_of(&scenario).standings.clone())
                .map_err(|error| error.to_string())
        };
        let both = [Standing::OtherUser, Standing::Nobody];
        assert_eq!(with("dev", 2).unwrap(), both);
        assert_eq!(with("env:TOKEN", 1).unwrap(), [Standing::Nobody]);
        assert!(with("dev", 1).unwrap_err().contains("another user"));
        assert!(with("none", 2).unwrap_err().contains("needs credentials"));
    }
}
