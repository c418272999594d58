//! Which traits operations have: what a workload must contain, or classes of bugs stay hidden.
//! Those of the recall session's questions are set where the questions are made; whether a target
//! was just started is known only where it is driven.

use crate::model::{Trait, TraitSet};
use crate::scenario::{
    AGENT_USER, Connections, Executor, FileName, Group, Scenario, SecondUser, SessionIds,
    SessionSpec,
};

use super::cast::Cast;
use super::{Action, Step, arrival, disturb};

/// Users from which on a pool of connections or objects is likely to be used up.
const MANY_USERS: u32 = 50;
/// Characters above which a turn's text is long.
const LONG_TEXT_CHARS: usize = 1_000;

/// The traits that all operations of a group have.
pub(super) fn of_group(scenario: &Scenario, group: &Group) -> TraitSet {
    let mut traits = TraitSet::default();
    if let SessionSpec::Chat(spec) = &group.session
        && spec.session_ids == SessionIds::Server
    {
        traits = traits.with(Trait::ServerIds);
    }
    let shares = |name_of: fn(&SessionSpec) -> Option<&str>| {
        let name = name_of(&group.session);
        let same = scenario
            .groups
            .iter()
            .filter(|other| name.is_some() && name_of(&other.session) == name);
        // Two groups of one user each may act as the same one, so they are not added up.
        same.map(|other| users_reached(scenario, other)).max() > Some(1)
    };
    if shares(shared_file_name) {
        traits = traits.with(Trait::SameFileName);
    }
    if shares(agent) {
        traits = traits.with(Trait::SameAgent);
    }
    let sessions = arrival::session_count(&group.executor);
    if sessions.is_none_or(|count| count > users_reached(scenario, group)) {
        traits = traits.with(Trait::ManyShortSessions);
    }
    let users = scenario.groups.iter();
    let users = users.map(|group| users_reached(scenario, group)).max();
    if users >= Some(MANY_USERS) {
        traits = traits.with(Trait::ManyUsers);
    }
    if group.starts_together && closed_vus(&group.executor) > Some(1) {
        traits = traits.with(Trait::StartsTogether);
    }
    if let Connections::Shared(_) = group.connections
        && users_reached(scenario, group) > 1
    {
        traits = traits.with(Trait::SharedConnections);
    }
    traits
}

/// The traits that an operation has by itself, beside those of its action.
pub(super) fn of_step(step: &Step, cast: &Cast<'_>) -> TraitSet {
    let mut traits = TraitSet::default();
    if let Action::Chat(turn) = &step.action
        && turn.characters() > LONG_TEXT_CHARS
    {
        traits = traits.with(Trait::LongTexts);
    }
    if step.login > 0 {
        traits = traits.with(Trait::Relogin);
    }
    if step.overlaps {
        traits = traits.with(Trait::SessionOverlap);
    }
    match cast.second_user() {
        SecondUser::None => {}
        SecondUser::HandOver if step.user == cast.founder => {}
        SecondUser::HandOver => traits = traits.with(Trait::HandOver),
        SecondUser::Alternating => traits = traits.with(Trait::SharedSession),
    }
    match step.disturbance {
        Some(disturbance) => traits.with(disturb::told(disturbance)),
        None => traits,
    }
}

/// Virtual users of a group that has them.
fn closed_vus(executor: &Executor) -> Option<u32> {
    match executor {
        Executor::ConstantVus { vus, .. } | Executor::PerVuIterations { vus, .. } => Some(*vus),
        Executor::ConstantArrivalRate { .. } => None,
    }
}

/// How many different users a group acts as.
fn users_reached(scenario: &Scenario, group: &Group) -> u32 {
    let sessions = || arrival::session_count(&group.executor).unwrap_or(u32::MAX);
    let users_tried = closed_vus(&group.executor).unwrap_or_else(sessions);
    users_tried.min(scenario.users)
}

fn shared_file_name(spec: &SessionSpec) -> Option<&str> {
    match spec {
        SessionSpec::Upload(spec) => match &spec.file_name {
            FileName::Same(name) => Some(name),
            FileName::Unique => None,
        },
        SessionSpec::Chat(_)
        | SessionSpec::Voice(_)
        | SessionSpec::Recall(_)
        | SessionSpec::Stream(_)
        | SessionSpec::Turn(_)
        | SessionSpec::Trespass(_) => None,
    }
}

fn agent(spec: &SessionSpec) -> Option<&str> {
    match spec {
        // A second user talks to the agent of the session's founder.
        SessionSpec::Chat(spec) if spec.second_user != SecondUser::None => {
            Some(spec.agent.as_str())
        }
        SessionSpec::Chat(_)
        | SessionSpec::Voice(_)
        | SessionSpec::Recall(_)
        | SessionSpec::Stream(_)
        | SessionSpec::Turn(_)
        | SessionSpec::Trespass(_) => spec.agent().filter(|agent| !agent.contains(AGENT_USER)),
        SessionSpec::Upload(_) => None,
    }
}
