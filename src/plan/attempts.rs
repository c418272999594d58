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
