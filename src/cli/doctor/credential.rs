//! Is there a credential for every user, and does it last as long as the load?
#![expect(clippy::disallowed_methods, reason = "tokens end by the wall clock")]

use std::time::{Duration, SystemTime};

use crate::model::{RunId, Seed, UserIx};
use crate::plan::Plan;
use crate::scenario::Scenario;

use super::sheet::{Sheet, State};
use crate::cli::run::Prepared;

/// The load that the scenario asks for, as far as credentials matter.
#[derive(Debug)]
pub(super) struct Load {
    scenario: Scenario,
    /// How long it may last.
    longest: Duration,
}

impl Load {
    /// The load of a scenario, before the doctor makes two users of it.
    pub(super) fn of(scenario: &Scenario, seed: Seed) -> Self {
        let longest = *Plan::new(scenario.clone(), seed).cost().load.end();
        Self {
            longest: longest.min(scenario.caps.wall.unwrap_or(Duration::MAX)),
            scenario: scenario.clone(),
        }
    }

    fn users(&self, run: RunId) -> impl Iterator<Item = String> {
        (0..self.scenario.users).map(move |user| self.scenario.user_name(run, UserIx(user)))
    }
}

/// Asks for a credential of each user that is tried; says whether all have one.
pub(super) async fn look(sheet: &mut Sheet, prepared: &Prepared, load: &Load) -> bool {
    let scenario = prepared.plan.scenario();
    let kind = scenario.target.auth.name();
    for user in 0..scenario.users {
        let name = scenario.user_name(prepared.run, UserIx(user));
        if let Err(error) = prepared.tokens.token(&name, 0).await {
            let seen = format!("{kind}: could not {error}");
            sheet.line("credential", State::Fail, seen, "see docs/AUTH.md");
            return false;
        }
    }
    let seen = format!("{kind}: there is one for each user that was tried");
    sheet.line("credential", State::Ok, seen, "");
    let users = load.users(prepared.run);
    let ends = users.filter_map(|user| Some((prepared.tokens.ends(&user)?, user)));
    if let Some((ends, user)) = ends.min() {
        lasts(sheet, (ends, &user), SystemTime::now(), load.longest);
    }
    true
}

/// Does the first credential to end outlast the load?
fn lasts(sheet: &mut Sheet, (ends, user): (SystemTime, &str), now: SystemTime, longest: Duration) {
    let left = ends.duration_since(now).unwrap_or_default();
    let shown = |time: Duration| humantime::format_duration(Duration::from_secs(time.as_secs()));
    let seen = format!(
        "the first to end is that of `{user}`, in {}; the load may last {}",
        shown(left),
        shown(longest)
    );
    if left > longest {
        sheet.line("credential end", State::Ok, seen, "");
    } else {
        let remedy = "get fresh ones right before the run, bound it (`--max-wall`), or let them \
                      be renewed (`mint`, `oauth2`): what is sent after its end is `unsent`";
        sheet.line("credential end", State::Warn, seen, remedy);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_credential_that_ends_during_the_load_is_a_warning() {
        let now = SystemTime::UNIX_EPOCH;
        for (minutes, state) in [(3, "ok"), (1, "warn"), (0, "warn")] {
            let mut sheet = Sheet::default();
            let ends = now + Duration::from_mins(minutes);
            lasts(&mut sheet, (ends, "anna"), now, Duration::from_mins(2));
            assert!(sheet.screen().starts_with(state), "{}", sheet.screen());
        }
    }
}
