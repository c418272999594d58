//! What a run will cost its target, said and bounded before the first byte leaves.

use std::time::Duration;

use anyhow::anyhow;

use crate::model::Cap;
use crate::plan::{Amount, Cost, Plan};
use crate::scenario::{Caps, Scenario, Settle, Store};

use super::args::RunArgs;
use super::control;
use super::exit::Failure;
use super::run::listed;

const SECONDS_PER_HOUR: u64 = 3_600;

/// What a run costs, its control arm included.
pub(super) fn of(plan: &Plan, args: &RunArgs) -> Cost {
    let load = plan.cost();
    if args.control {
        control::cost(plan).and_then(&load)
    } else {
        load
    }
}

/// Refuses a plan that certainly exceeds a bound.
///
/// # Errors
/// It does.
pub(super) fn check(cost: &Cost, caps: &Caps) -> Result<(), Failure> {
    let over = |cap: Option<u64>, amount: Amount| cap.filter(|cap| amount.least > *cap);
    let refuse = |cap: Cap, plan: String, bound: String, key: &str| {
        Err(Failure::preflight(anyhow!(
            "could not begin: the plan {plan}, and `--{cap}` allows {bound}; make the plan \
             smaller, or raise the bound (`caps.{key}` in a scenario)"
        )))
    };
    if let Some(cap) = over(caps.ops, cost.all_ops()) {
        let plan = format!("has {} operations", cost.all_ops().least);
        return refuse(Cap::MaxOps, plan, cap.to_string(), "max_ops");
    }
    if let Some(cap) = over(caps.model_calls, cost.model_calls) {
        let plan = format!("costs {} model calls", cost.model_calls.least);
        return refuse(Cap::MaxModelCalls, plan, cap.to_string(), "max_model_calls");
    }
    let shortest = *cost.load.start();
    if let Some(cap) = caps.wall.filter(|cap| shortest > *cap) {
        let plan = format!("takes at least {}", time(shortest));
        return refuse(Cap::MaxWall, plan, time(cap), "max_wall");
    }
    let arriving = cost.arriving_per_hour.div_ceil(SECONDS_PER_HOUR);
    if let Some(rate) = caps.rate.filter(|rate| arriving > u64::from(*rate)) {
        return Err(Failure::preflight(anyhow!(
            "could not begin: {arriving} operations arrive each second whatever the target does, \
             and `--max-rate` allows {rate}; lower `rate` in the scenario, or raise the bound \
             (`caps.max_rate`)"
        )));
    }
    Ok(())
}

/// What `--dry-run` prints.
pub(super) fn screen(scenario: &Scenario, cost: &Cost) -> String {
    let target = match &scenario.target.url {
        Some(url) => url.to_string(),
        None => "the embedded lab".to_owned(),
    };
    let memory = match &scenario.memory.store {
        Store::Url(url) => url.to_string(),
        Store::Lab => "the embedded lab's".to_owned(),
        Store::None => "none".to_owned(),
    };
    let ops: Vec<String> = cost
        .ops
        .iter()
        .map(|(kind, ops)| format!("{ops} {kind}"))
        .collect();
    let mut lines = vec![
        "dry run: nothing is sent".to_owned(),
        format!("target       {target}"),
        format!("memory       {memory}"),
        format!("scenario     {}, {} users", scenario.name, scenario.users),
        format!("operations   {}", listed(&ops)),
        format!("model calls  {}", number(cost.model_calls)),
        format!("leaves       {}", left(cost)),
        format!("time         {}", times(scenario, cost)),
    ];
    let caps = caps(&scenario.caps);
    if !caps.is_empty() {
        lines.push(format!("bounds       {}", caps.join(", ")));
    }
    lines.push(String::new());
    lines.join("\n")
}

/// What a run against a real target costs, in one line.
pub(super) fn line(scenario: &Scenario, cost: &Cost) -> String {
    format!(
        "costs {} model calls; leaves {}; takes {}",
        number(cost.model_calls),
        left(cost),
        times(scenario, cost)
    )
}

fn left(cost: &Cost) -> String {
    format!(
        "{} sessions, {} messages and {} facts",
        number(cost.sessions),
        number(cost.messages),
        number(cost.facts)
    )
}

fn number(amount: Amount) -> String {
    match amount.most {
        Some(_) => amount.to_string(),
        None => "an unbounded number of".to_owned(),
    }
}

/// The load, and how long the store is read after it.
fn times(scenario: &Scenario, cost: &Cost) -> String {
    let (mut shortest, mut longest) = (*cost.load.start(), *cost.load.end());
    if let Some(wall) = scenario.caps.wall {
        (shortest, longest) = (shortest.min(wall), longest.min(wall));
    }
    let load = span(shortest, longest);
    if scenario.memory.store == Store::None {
        return format!("{load} of load");
    }
    let (soonest, latest) = settling(&scenario.memory.settle);
    format!(
        "{load} of load, then {} until the store has settled",
        span(soonest, latest)
    )
}

/// How long the store is read at least, and at most where it answers at once.
fn settling(settle: &Settle) -> (Duration, Duration) {
    let hold = settle.hold(Duration::ZERO);
    let latest = settle.deadline.saturating_add(hold).saturating_mul(2);
    (hold, latest)
}

fn span(shortest: Duration, longest: Duration) -> String {
    if shortest == longest {
        time(shortest)
    } else {
        format!("{} to {}", time(shortest), time(longest))
    }
}

/// Parts of a second are of no interest, but for what takes no more.
fn time(time: Duration) -> String {
    let whole = Duration::from_secs(time.as_secs());
    let shown = if whole.is_zero() { time } else { whole };
    humantime::format_duration(shown).to_string()
}

fn caps(caps: &Caps) -> Vec<String> {
    [
        caps.ops.map(|ops| format!("{ops} operations")),
        caps.rate.map(|rate| format!("{rate} operations a second")),
        caps.model_calls.map(|calls| format!("{calls} model calls")),
        caps.wall.map(|wall| format!("{} of load", time(wall))),
    ]
    .into_iter()
    .flatten()
    .collect()
}
