//! What carrying out a plan costs its target, as far as the plan can say.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::RangeInclusive;
use std::time::Duration;

use crate::model::{OpKind, SessionIx};
use crate::scenario::{Executor, Group, Pause, SessionSpec};

use super::{Action, Disturbance, Plan, Script, Step, workload};

/// Characters that a chunk of a document has at least: smaller sections are joined to their
/// neighbours, so that a document leaves no more facts than this allows.
const CHUNK_CHARS_MIN: u64 = 500;
/// Standard deviations by which chance may exceed what is expected.
const SIGMAS: f64 = 4.0;

/// A number that may depend on chance or on the target's speed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Amount {
    /// So many are certain.
    pub least: u64,
    /// There cannot be more; `None` where only time bounds them.
    pub most: Option<u64>,
}

/// What carrying out a plan costs its target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cost {
    /// Operations of each kind.
    pub ops: BTreeMap<OpKind, Amount>,
    /// Calls of a language model: one for each turn that is sent.
    pub model_calls: Amount,
    /// Sessions that are left in the store.
    pub sessions: Amount,
    /// Messages that are left in it.
    pub messages: Amount,
    /// Facts that are left in it.
    pub facts: Amount,
    /// How long operations begin, at the shortest and at the longest.
    pub load: RangeInclusive<Duration>,
    /// Operations that the fastest of the open-model groups begins in an hour at least, whatever
    /// the target does; 0 without one.
    pub arriving_per_hour: u64,
}

impl Amount {
    /// Nothing.
    const NONE: Self = Self::exactly(0);

    const fn exactly(number: u64) -> Self {
        Self {
            least: number,
            most: Some(number),
        }
    }

    fn plus(self, other: Self) -> Self {
        Self {
            least: self.least.saturating_add(other.least),
            most: sum(self.most, other.most),
        }
    }

    fn times(self, least: u64, most: u64) -> Self {
        Self {
            least: self.least.saturating_mul(least),
            most: self.most.map(|number| number.saturating_mul(most)),
        }
    }
}

impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.most {
            Some(most) if most == self.least => write!(f, "{most}"),
            Some(most) => write!(f, "at most {most}"),
            None => f.write_str("any number of"),
        }
    }
}

impl Cost {
    fn none() -> Self {
        Self {
            ops: BTreeMap::new(),
            model_calls: Amount::NONE,
            sessions: Amount::NONE,
            messages: Amount::NONE,
            facts: Amount::NONE,
            load: Duration::ZERO..=Duration::ZERO,
            arriving_per_hour: 0,
        }
    }

    /// All operations, of whatever kind.
    pub fn all_ops(&self) -> Amount {
        let ops = self.ops.values();
        ops.fold(Amount::NONE, |sum, ops| sum.plus(*ops))
    }

    /// Both: one after the other, as far as time is concerned.
    #[must_use]
    pub fn and_then(mut self, other: &Self) -> Self {
        self.add(other);
        let (shortest, longest) = (self.load.start(), self.load.end());
        self.load = shortest.saturating_add(*other.load.start())
            ..=longest.saturating_add(*other.load.end());
        self
    }

    fn add(&mut self, other: &Self) {
        for (kind, ops) in &other.ops {
            let sum = self.ops.entry(*kind).or_insert(Amount::NONE);
            *sum = sum.plus(*ops);
        }
        self.model_calls = self.model_calls.plus(other.model_calls);
        self.sessions = self.sessions.plus(other.sessions);
        self.messages = self.messages.plus(other.messages);
        self.facts = self.facts.plus(other.facts);
        self.arriving_per_hour = self.arriving_per_hour.max(other.arriving_per_hour);
    }
}

impl Step {
    /// Calls of a language model that it costs the target.
    pub fn model_calls(&self, kind: OpKind) -> u64 {
        let is_turn = match &self.action {
            Action::Trespass(trespass) => trespass.turn.is_some(),
            Action::Chat(_) | Action::Ask(_) | Action::Upload(_) | Action::Voice(_) => true,
        };
        if is_turn {
            self.times_sent() * calls_of_turn(kind)
        } else {
            0
        }
    }

    fn times_sent(&self) -> u64 {
        match self.disturbance {
            Some(Disturbance::SubmitTwice) => 2,
            Some(
                Disturbance::Cancel { .. }
                | Disturbance::Drop { .. }
                | Disturbance::CloseEarly
                | Disturbance::ReadSlowly { .. },
            )
            | None => 1,
        }
    }
}

impl Plan {
    /// What carrying the plan out costs.
    pub fn cost(&self) -> Cost {
        let mut all = Cost::none();
        for group in &self.scenario.groups {
            let cost = self.group_cost(group);
            all.add(&cost);
            all.load =
                *all.load.start().max(cost.load.start())..=*all.load.end().max(cost.load.end());
        }
        all
    }

    /// What these sessions alone cost, one after the other, in so long at most.
    pub fn cost_of(&self, sessions: &[SessionIx], longest: Duration) -> Cost {
        let mut all = Cost::none();
        let scripts = sessions.iter().filter_map(|session| self.script(*session));
        for script in scripts {
            all.add(&script_cost(&script));
        }
        all.load = Duration::ZERO..=longest;
        all
    }

    fn group_cost(&self, group: &Group) -> Cost {
        let kind = group.session.kind();
        let counts = workload::op_counts(&group.session);
        let load = load_time(group);
        let (ops, sessions) = match self.group_ops(group).zip(self.session_count(group.ix)) {
            Some((ops, sessions)) => (Amount::exactly(ops), Amount::exactly(u64::from(sessions))),
            None => by_time(group, &counts, *load.end()),
        };
        let turns = match &group.session {
            SessionSpec::Trespass(spec) => {
                let calls = workload::trespass_model_calls(spec);
                sessions.times(calls, calls)
            }
            SessionSpec::Chat(_)
            | SessionSpec::Upload(_)
            | SessionSpec::Voice(_)
            | SessionSpec::Recall(_)
            | SessionSpec::Stream(_)
            | SessionSpec::Turn(_) => ops.times(calls_of_turn(kind), calls_of_turn(kind)),
        };
        let model_calls = turns.plus(self.twice_sent(turns));
        let keeps_sessions = u64::from(kind != OpKind::Upload);
        let messages = if kind == OpKind::Turn {
            ops.plus(self.twice_sent(ops))
        } else {
            model_calls.times(2, 2)
        };
        Cost {
            ops: BTreeMap::from([(kind, ops)]),
            model_calls,
            sessions: sessions.times(keeps_sessions, keeps_sessions),
            messages,
            facts: facts(&group.session, ops),
            load,
            arriving_per_hour: arriving_per_hour(group, *counts.start()),
        }
    }

    /// Turns that are sent once more, by chance.
    fn twice_sent(&self, turns: Amount) -> Amount {
        let rate = self.scenario.disturbances.double_submit_rate;
        if rate <= 0.0 {
            return Amount::NONE;
        }
        let most = turns.most.map(|turns| {
            let expected = rate * approximate(turns);
            let most = expected + SIGMAS * expected.sqrt() + 1.0;
            Duration::try_from_secs_f64(most.ceil())
                .map_or(turns, |most| most.as_secs())
                .min(turns)
        });
        Amount { least: 0, most }
    }
}

/// Counts stay far below 2^32, where every number has its own value.
fn approximate(count: u64) -> f64 {
    u32::try_from(count).map_or(f64::from(u32::MAX), f64::from)
}

fn script_cost(script: &Script) -> Cost {
    let count = |number: usize| u64::try_from(number).unwrap_or(u64::MAX);
    let calls = script
        .steps
        .iter()
        .map(|step| step.model_calls(script.kind));
    let calls: u64 = calls.sum();
    let items: u64 = script.steps.iter().map(|s| u64::from(s.item_count)).sum();
    let uploads = script.kind == OpKind::Upload;
    let messages = if script.kind == OpKind::Turn {
        script.steps.iter().map(Step::times_sent).sum()
    } else {
        calls.saturating_mul(2)
    };
    Cost {
        ops: BTreeMap::from([(script.kind, Amount::exactly(count(script.steps.len())))]),
        model_calls: Amount::exactly(calls),
        sessions: Amount::exactly(u64::from(!uploads)),
        messages: Amount::exactly(messages),
        facts: Amount {
            least: 0,
            most: Some(if uploads { items } else { 0 }),
        },
        load: Duration::ZERO..=Duration::ZERO,
        arriving_per_hour: 0,
    }
}

/// A turn asks a language model once; a document is only cut up and stored, and a turn to keep is
/// only stored.
fn calls_of_turn(kind: OpKind) -> u64 {
    match kind {
        OpKind::Chat | OpKind::Voice | OpKind::Stream => 1,
        OpKind::Upload | OpKind::Turn => 0,
    }
}

fn facts(spec: &SessionSpec, ops: Amount) -> Amount {
    match spec {
        SessionSpec::Upload(spec) => {
            let most = u64::from(*spec.characters.end()).div_ceil(CHUNK_CHARS_MIN);
            ops.times(1, most)
        }
        SessionSpec::Chat(_)
        | SessionSpec::Voice(_)
        | SessionSpec::Recall(_)
        | SessionSpec::Stream(_)
        | SessionSpec::Turn(_)
        | SessionSpec::Trespass(_) => Amount::NONE,
    }
}

/// Operations and sessions of virtual users that go on until their time is up: think time alone
/// bounds them.
fn by_time(group: &Group, counts: &RangeInclusive<u16>, longest: Duration) -> (Amount, Amount) {
    let vus = match group.executor {
        Executor::ConstantVus { vus, .. } | Executor::PerVuIterations { vus, .. } => vus,
        Executor::ConstantArrivalRate { max_vus, .. } => max_vus,
    };
    let running = longest.saturating_sub(group.start_time).as_nanos();
    let think = think(&group.session).min.as_nanos();
    let of_each = running
        .checked_div(think)
        .map(|ops| u64::try_from(ops).unwrap_or(u64::MAX).saturating_add(1));
    let overlapping = match &group.session {
        SessionSpec::Chat(chat) => chat.overlap,
        SessionSpec::Upload(_)
        | SessionSpec::Voice(_)
        | SessionSpec::Recall(_)
        | SessionSpec::Stream(_)
        | SessionSpec::Turn(_)
        | SessionSpec::Trespass(_) => 0,
    };
    let most = of_each.map(|ops| {
        ops.saturating_mul(u64::from(overlapping) + 1)
            .saturating_mul(u64::from(vus))
    });
    let fewest = u64::from((*counts.start()).max(1));
    let sessions = most.map(|ops| ops.div_ceil(fewest).saturating_add(u64::from(vus)));
    (
        Amount { least: 0, most },
        Amount {
            least: 0,
            most: sessions,
        },
    )
}

fn arriving_per_hour(group: &Group, ops_of_session: u16) -> u64 {
    match group.executor {
        Executor::ConstantArrivalRate {
            rate, time_unit, ..
        } => {
            let sessions = u128::from(rate) * Duration::from_hours(1).as_nanos();
            let ops = sessions * u128::from(ops_of_session) / time_unit.as_nanos().max(1);
            u64::try_from(ops).unwrap_or(u64::MAX)
        }
        Executor::ConstantVus { .. } | Executor::PerVuIterations { .. } => 0,
    }
}

fn load_time(group: &Group) -> RangeInclusive<Duration> {
    let begun = group.start_time;
    let (shortest, longest) = match group.executor {
        Executor::ConstantVus { duration, .. } | Executor::ConstantArrivalRate { duration, .. } => {
            (duration, duration)
        }
        Executor::PerVuIterations {
            iterations,
            max_duration,
            ..
        } => {
            let ops = u32::from((*workload::op_counts(&group.session).start()).max(1));
            let pauses = ops.saturating_mul(iterations).saturating_sub(1);
            let thought = think(&group.session).min.saturating_mul(pauses);
            (thought.min(max_duration), max_duration)
        }
    };
    begun.saturating_add(shortest)
        ..=begun
            .saturating_add(longest)
            .saturating_add(group.graceful_stop)
}

fn think(spec: &SessionSpec) -> Pause {
    match spec {
        SessionSpec::Chat(spec) => spec.think,
        SessionSpec::Upload(spec) => spec.think,
        SessionSpec::Voice(spec) => spec.think,
        SessionSpec::Recall(spec) => spec.think,
        SessionSpec::Stream(spec) | SessionSpec::Turn(spec) => spec.think,
        SessionSpec::Trespass(spec) => spec.think,
    }
}

fn sum(a: Option<u64>, b: Option<u64>) -> Option<u64> {
    a.zip(b).map(|(a, b)| a.saturating_add(b))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{GroupIx, Seed};
    use crate::scenario;

    fn plan(text: &str) -> Plan {
        Plan::new(scenario::parse("test", text, "test").unwrap(), Seed(7))
    }

    const COUNTED: &str = "version = 1\n\
        [load.talk]\nexecutor = \"per-vu-iterations\"\nsession = \"talk\"\nvus = 3\n\
        iterations = 2\nmax_duration = \"1m\"\ngraceful_stop = \"10s\"\n\
        [sessions.talk]\nkind = \"chat\"\nturns = 4\nthink = \"1s\"\n\
        [load.files]\nexecutor = \"per-vu-iterations\"\nsession = \"files\"\nvus = 2\n\
        [sessions.files]\nkind = \"upload\"\nuploads = 2\ncharacters = 1200\n";

    #[test]
    fn what_is_counted_is_exact() {
        let cost = plan(COUNTED).cost();
        assert_eq!(cost.ops[&OpKind::Chat], Amount::exactly(24));
        assert_eq!(cost.ops[&OpKind::Upload], Amount::exactly(4));
        assert_eq!(cost.all_ops().to_string(), "28");
        assert_eq!(cost.model_calls, Amount::exactly(24));
        assert_eq!(cost.sessions, Amount::exactly(6));
        assert_eq!(cost.messages, Amount::exactly(48));
        assert_eq!(
            cost.facts,
            Amount {
                least: 4,
                most: Some(12)
            }
        );
        assert_eq!(cost.facts.to_string(), "at most 12");
        // Seven pauses of a second; an upload group may go on for its ten minutes.
        assert_eq!(cost.load, Duration::from_secs(7)..=Duration::from_secs(630));
    }

    #[test]
    fn a_turn_to_keep_leaves_one_message_and_asks_no_model() {
        let text = COUNTED.replace("kind = \"chat\"", "kind = \"turn\"");
        let twice = format!("{text}[disturbances]\ndouble_submit_rate = 0.5\n");
        let cost = plan(&text).cost();
        assert_eq!(cost.ops[&OpKind::Turn], Amount::exactly(24));
        assert_eq!(cost.model_calls, Amount::NONE);
        assert_eq!(cost.messages, Amount::exactly(24));
        assert_eq!(cost.sessions, Amount::exactly(6));
        let most = plan(&twice).cost().messages.most;
        let plan = plan(&twice);
        let sessions = (0..6).filter_map(|n| plan.closed_session(GroupIx(1), n % 3, n / 3));
        let sessions: Vec<SessionIx> = sessions.collect();
        let sampled = plan.cost_of(&sessions, Duration::ZERO).messages;
        assert!(
            sampled.least > 24 && sampled.most <= most,
            "{sampled} {most:?}"
        );
    }

    #[test]
    fn what_goes_on_until_the_time_is_up_is_bounded_by_its_think_time() {
        let text = |think: &str| {
            format!(
                "version = 1\n[load.talk]\nexecutor = \"constant-vus\"\nsession = \"talk\"\n\
                 vus = 3\nduration = \"10s\"\ngraceful_stop = \"0s\"\n\
                 [sessions.talk]\nkind = \"voice\"\nturns = 2\nthink = \"{think}\"\n"
            )
        };
        let cost = plan(&text("1s..5s")).cost();
        assert_eq!(
            cost.ops[&OpKind::Voice],
            Amount {
                least: 0,
                most: Some(33)
            }
        );
        let cost = plan(&text("0s")).cost();
        assert_eq!(
            cost.all_ops(),
            Amount {
                least: 0,
                most: None
            }
        );
        assert_eq!(cost.model_calls.to_string(), "any number of");
    }

    #[test]
    fn what_is_sent_twice_costs_twice() {
        let text = format!("{COUNTED}[disturbances]\ndouble_submit_rate = 0.5\n");
        let plan = plan(&text);
        let Amount { least, most } = plan.cost().model_calls;
        let scripts = (0..6).filter_map(|n| plan.closed_session(GroupIx(1), n % 3, n / 3));
        let sessions: Vec<SessionIx> = scripts.collect();
        let sampled = plan.cost_of(&sessions, Duration::ZERO);
        let exact = sampled.model_calls.least;
        assert_eq!(sampled.ops[&OpKind::Chat], Amount::exactly(24));
        assert!(
            least < exact && Some(exact) <= most,
            "{least} {exact} {most:?}"
        );
    }
}
