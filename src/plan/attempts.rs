//! Which operations are attempts at what is somebody else's: a function of the scenario, so that
//! whoever judges a run knows it without being told.

use crate::model::{Attempt, OpId};
use crate::scenario::{Scenario, SessionSpec};

use super::arrival;
use super::workload::trespass_layout;

/// The attempts of a scenario.
#[derive(Debug, Clone, Default)]
pub struct Attempts {
    /// Of each group that has trespass sessions, in the order of the groups.
    groups: Vec<Option<Vec<Attempt>>>,
}

impl Attempts {
    /// Those of a scenario.
    pub fn of(scenario: &Scenario) -> Self {
        let groups = scenario.groups.iter().map(|group| match &group.session {
            SessionSpec::Trespass(spec) => Some(trespass_layout(spec)),
            SessionSpec::Chat(_)
            | SessionSpec::Upload(_)
            | SessionSpec::Voice(_)
            | SessionSpec::Recall(_)
            | SessionSpec::Stream(_)
            | SessionSpec::Turn(_) => None,
        });
        Self {
            groups: groups.collect(),
        }
    }

    /// Are there any at all?
    pub fn is_empty(&self) -> bool {
        self.groups.iter().all(Option::is_none)
    }

    /// What an operation attempts; `None` for any other, the turn that tells included.
    pub fn at(&self, op: OpId) -> Option<Attempt> {
        let groups = u32::try_from(self.groups.len()).ok()?;
        let (group, _) = arrival::group_of(op.session, groups)?;
        let attempts = self.groups.get(usize::from(group.0))?.as_ref()?;
        attempts.get(usize::from(op.seq).checked_sub(1)?).copied()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::canary;
    use crate::model::{CanaryId, CanaryKind, GroupIx, Part, Route, RunId, Seed, Standing, UserIx};
    use crate::plan::{Action, Plan, Script};
    use crate::scenario;

    const TRESPASS: &str = "version = 1\n[users]\ncount = 3\n\
        [load.chat]\nexecutor = \"per-vu-iterations\"\nsession = \"chat\"\nvus = 2\n\
        [load.tries]\nexecutor = \"per-vu-iterations\"\nsession = \"tries\"\nvus = 3\n\
        [sessions.chat]\nkind = \"chat\"\nturns = 3\n\
        [sessions.tries]\nkind = \"trespass\"\n";

    fn plan(more: &str) -> Plan {
        let text = format!("{TRESPASS}{more}");
        Plan::new(scenario::parse("t", &text, "t.toml").unwrap(), Seed(7))
    }

    fn scripts(plan: &Plan) -> Vec<Script> {
        let sessions = (0..3).map(|vu| plan.closed_session(GroupIx(1), vu, 0).unwrap());
        sessions
            .map(|session| plan.script(session).unwrap())
            .collect()
    }

    #[test]
    fn attempts_are_told_as_they_are_planned_and_sent_by_whom_they_should_be() {
        let plan = plan("[disturbances]\ncancel_rate = 1.0\n");
        let attempts = Attempts::of(plan.scenario());
        assert!(!attempts.is_empty());
        for script in scripts(&plan) {
            let mut tried = BTreeSet::new();
            for step in &script.steps {
                assert_eq!(step.disturbance, None);
                let Action::Trespass(trespass) = &step.action else {
                    assert_eq!((step.op.seq, attempts.at(step.op)), (0, None));
                    continue;
                };
                let attempt = trespass.attempt;
                assert_eq!(attempts.at(step.op), Some(attempt));
                let is_guest = attempt.standing == Standing::OtherUser;
                assert_eq!(step.user != script.user, is_guest);
                assert_eq!(step.item_count == 1, attempt.route == Route::Chat);
                let elsewhere = attempt.part == Part::NegativeControl;
                assert_eq!(trespass.elsewhere.is_some(), elsewhere);
                if attempt.part == Part::Trial {
                    tried.insert((attempt.route, attempt.standing));
                }
            }
            assert_eq!(tried.len(), 2 * 5);
            let last = script.steps.last().unwrap();
            assert_eq!(attempts.at(last.op).unwrap().part, Part::Afterwards);
        }
        let other = plan
            .script(plan.closed_session(GroupIx(0), 0, 0).unwrap())
            .unwrap();
        assert!(
            other
                .steps
                .iter()
                .all(|step| attempts.at(step.op).is_none())
        );
    }

    #[test]
    fn what_is_searched_for_was_told_and_names_nobody() {
        let plan = plan("");
        for script in scripts(&plan) {
            let canary = |seq, user: UserIx| CanaryId {
                run: RunId(1),
                user,
                session: script.session,
                item: seq,
                kind: CanaryKind::Turn,
            };
            let told = plan.turn_text(canary(0, script.user)).unwrap();
            for step in &script.steps {
                let Action::Trespass(trespass) = &step.action else {
                    continue;
                };
                let text = plan.turn_text(canary(step.op.seq, step.user));
                assert_eq!(text.is_some(), trespass.turn.is_some());
                assert!(trespass.query.len() > 10 && told.contains(&trespass.query));
                assert!(canary::find(&canary::normalise(&trespass.query)).is_empty());
            }
        }
    }

    #[test]
    fn a_deletion_is_looked_at_before_and_after_and_only_turns_call_a_model() {
        let plan = plan("routes = [\"delete\"]\n");
        let parts: Vec<Part> = scripts(&plan)[0]
            .steps
            .iter()
            .filter_map(|step| Attempts::of(plan.scenario()).at(step.op))
            .map(|attempt| attempt.part)
            .collect();
        assert_eq!(
            parts,
            [Part::Control, Part::Trial, Part::Trial, Part::Afterwards]
        );
        // Six turns of the chat group, and one of each trespass session.
        assert_eq!(plan.cost().model_calls.most, Some(6 + 3));
    }
}
