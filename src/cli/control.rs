//! The control arm of `crosswire run --control`: the same operations, one at a time.
//!
//! It is a run of its own, with its own ledger in the folder `control` of the run, against a lab
//! that was started afresh with the same faults, or against the same target. It comes before the
//! load: what hangs or sticks under load must leave no traces in what is compared with it. Its
//! sessions are some of the plan's, with the very words of the load; users take turns from
//! operation to operation, and each waits until the one before is visible in the store.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, anyhow};

use crate::drive::{self, Collector, OneByOne, Spent};
use crate::ledger::LedgerReader;
use crate::model::{Finding, GroupIx, OpId, OpKind, RunId, Seed, SessionIx, Verdict};
use crate::observe;
use crate::plan::{Cost, Plan};
use crate::reconcile::arms::{self, ControlArm, Rounds};
use crate::report::{self, ControlArmDetail, Report};
use crate::scenario::{Executor, Scenario, Store};

use super::args::{Cli, RunArgs};
use super::exit::{Exit, Failure};
use super::readback::Fresh;
use super::run::{self, Prepared};
use super::signals::Signals;
use super::{judge, output, readback, settings};

/// The control arm's folder in the run's.
const FOLDER: &str = "control";
/// Sessions of each channel that are tried: none of them failing, where 5 in 100 do under load,
/// is less likely than one in twenty by chance.
const SESSIONS_PER_CHANNEL: usize = 96;
/// How long operations are started.
const LIMIT: Duration = Duration::from_mins(5);

/// Runs the control arm, and judges it by the rules of any run. Says too what it has spent of the
/// run's bounds.
///
/// # Errors
/// There is no store to wait for, the pre-flight failed, or something of our own did.
pub(super) async fn run(
    cli: &Cli,
    args: &RunArgs,
    scenario: &Scenario,
    seed: Seed,
    signals: &Signals,
    main_folder: &Path,
) -> Result<(ControlArm, Spent), Failure> {
    if scenario.memory.store == Store::None {
        return Err(Failure::usage(anyhow!(
            "`--control` waits until each operation is visible in the memory store: name one with \
             `--memory URL`"
        )));
    }
    let run = RunId(settings::random_u32()?);
    let folder = main_folder.join(FOLDER);
    output::say(
        cli,
        &format!("control  run {run}: some of the sessions, one operation at a time"),
    );
    let (prepared, lab) = run::make_ready(args, scenario.clone(), seed, run, &folder).await?;
    let spent = carry_out(&prepared, args, signals).await?;
    if let Some(lab) = lab {
        lab.end().await?;
    }
    let findings = judge::judge_and_store(&folder)?;
    let rounds = rounds(&LedgerReader::open(&folder)?, &findings)?;
    output::say(cli, &told(&rounds));
    Ok((ControlArm { run, rounds }, spent))
}

async fn carry_out(
    prepared: &Prepared,
    args: &RunArgs,
    signals: &Signals,
) -> Result<Spent, Failure> {
    let Some(store) = &prepared.store else {
        return Err(Failure::usage(anyhow!("`--control` needs a memory store")));
    };
    let ledger = run::open_ledger(prepared, &run::manifest(prepared, args)?)?;
    run::create_users(prepared).await?;
    let (events, queue) = Collector::queue();
    let context = run::scan_context(prepared);
    let (follower, go_on) = observe::follow(store, &context);
    let collector = Collector::start(queue, vec![ledger.sink(), Box::new(follower)]);
    let one_by_one = OneByOne {
        sessions: sample(&prepared.plan),
        go_on,
        until: prepared.clock.now() + LIMIT,
    };
    let driven = drive::drive_one_by_one(
        Arc::clone(&prepared.plan),
        run::drive_config(prepared, &collector),
        one_by_one,
        events.clone(),
        signals.drive.clone(),
    )
    .await;
    run::note_end(&ledger, driven, signals)?;
    let fresh = Fresh {
        drive_ended: driven.ended_at,
        ..Fresh::default()
    };
    let mut stop = signals.observe.clone();
    let folder = &prepared.folder;
    let read = readback::settle(store, &context, folder, fresh, &events, &mut stop).await;
    drop(events);
    for error in collector.finish().sink_errors {
        output::say_error(&anyhow!(
            "part of the control arm was not recorded: {error}"
        ));
    }
    ledger.finish()?;
    read?;
    Ok(driven.spent)
}

/// What the control arm of a plan costs.
pub(super) fn cost(plan: &Plan) -> Cost {
    plan.cost_of(&sample(plan), LIMIT)
}

/// Counts the sessions of an arm, and those of them in which something was proved.
///
/// # Errors
/// The ledger cannot be read.
pub(super) fn rounds(ledger: &LedgerReader, findings: &[Finding]) -> anyhow::Result<Rounds> {
    let mut sessions: BTreeMap<OpKind, u64> = BTreeMap::new();
    ledger.ops_in_time_order(&mut |row| {
        if row.invocation.op.seq == 0 {
            *sessions.entry(row.invocation.kind).or_default() += 1;
        }
    })?;
    let mut unread = None;
    let rounds = arms::rounds(findings, sessions, &mut |session| match ledger
        .op(OpId { session, seq: 0 })
    {
        Ok(row) => row.map(|row| row.invocation.kind),
        Err(error) => {
            unread = Some(error);
            None
        }
    });
    match unread {
        Some(error) => Err(error).context("could not count the sessions that failed"),
        None => Ok(rounds),
    }
}

/// Puts the control arm, if the run had one, beside its load. What only the control shows fails
/// the run too.
///
/// # Errors
/// The ledger cannot be read.
pub(super) fn put_beside(
    report: &mut Report,
    ledger: &LedgerReader,
    findings: &[Finding],
) -> anyhow::Result<()> {
    let Some(note) = ledger.note(judge::CONTROL_ARM)? else {
        return Ok(());
    };
    let arm: ControlArm =
        serde_json::from_value(note).context("could not read what the control arm came to")?;
    let detail = ControlArmDetail::new(&rounds(ledger, findings)?, &arm);
    if detail.shows_more() {
        report.verdict = report.verdict.max(Verdict::Fail);
        report.exit_code = Exit::from(report.verdict).code();
    }
    report.control_arm = Some(detail);
    report.next = report::next_step(report);
    Ok(())
}

fn told(rounds: &Rounds) -> String {
    let sessions: Vec<String> = rounds
        .sessions
        .iter()
        .map(|(kind, sessions)| format!("{sessions} {kind}"))
        .collect();
    format!(
        "control  {} sessions one at a time; now the load",
        sessions.join(", ")
    )
}

/// Sessions of the plan, so many of each channel: of each of its groups in turn, neighbours of
/// different users.
fn sample(plan: &Plan) -> Vec<SessionIx> {
    let mut by_channel: BTreeMap<OpKind, Vec<Vec<SessionIx>>> = BTreeMap::new();
    for group in &plan.scenario().groups {
        let mut sessions = first_sessions(plan, group.ix, &group.executor);
        // Groups give the same number of a virtual user the same user.
        let groups = plan.scenario().groups.len().max(1);
        let shift = usize::from(group.ix.0) * sessions.len() / groups;
        let shift = shift.min(sessions.len());
        sessions.rotate_left(shift);
        let channel = by_channel.entry(group.session.kind()).or_default();
        channel.push(sessions);
    }
    let channels = by_channel.into_values().map(|groups| {
        let mut sessions = in_turn(&groups);
        sessions.truncate(SESSIONS_PER_CHANNEL);
        sessions
    });
    in_turn(&channels.collect::<Vec<_>>())
}

/// As many sessions of a group as could be wanted: first one of each user.
fn first_sessions(plan: &Plan, group: GroupIx, executor: &Executor) -> Vec<SessionIx> {
    let sessions = |vus: u32, iterations: u32| -> Vec<SessionIx> {
        // A virtual user has at least so many sessions, or all of them are taken.
        let iterations = iterations.min(u32::try_from(SESSIONS_PER_CHANNEL).unwrap_or(u32::MAX));
        (0..iterations)
            .flat_map(|iteration| (0..vus).map(move |vu| (vu, iteration)))
            .filter_map(|(vu, iteration)| plan.closed_session(group, vu, iteration))
            .take(SESSIONS_PER_CHANNEL)
            .collect()
    };
    match executor {
        Executor::ConstantVus { vus, .. } => sessions(*vus, u32::MAX),
        Executor::PerVuIterations {
            vus, iterations, ..
        } => sessions(*vus, *iterations),
        Executor::ConstantArrivalRate { .. } => (0..u32::MAX)
            .map_while(|number| plan.arrival(group, number))
            .map(|(session, _)| session)
            .take(SESSIONS_PER_CHANNEL)
            .collect(),
    }
}

/// One of each list in turn, until all are done.
fn in_turn(lists: &[Vec<SessionIx>]) -> Vec<SessionIx> {
    let longest = lists.iter().map(Vec::len).max().unwrap_or(0);
    (0..longest)
        .flat_map(|place| {
            lists
                .iter()
                .filter_map(move |list| list.get(place).copied())
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::scenario;

    fn plan(name: &str) -> Plan {
        let embedded = scenario::embedded();
        let (_, text) = embedded.iter().find(|(known, _)| *known == name).unwrap();
        Plan::new(scenario::parse(name, text, name).unwrap(), Seed(7))
    }

    #[test]
    fn every_group_is_in_the_sample_and_neighbours_are_of_different_users() {
        for name in ["quick", "mixed", "staging", "upload"] {
            let plan = plan(name);
            let sample = sample(&plan);
            let scripts: Vec<_> = sample.iter().map(|s| plan.script(*s).unwrap()).collect();
            let groups: BTreeSet<_> = scripts.iter().map(|script| script.group).collect();
            assert_eq!(groups.len(), plan.scenario().groups.len(), "{name}");
            let channels = scripts.iter().filter(|s| s.kind == OpKind::Chat).count();
            assert!(channels <= SESSIONS_PER_CHANNEL, "{name}");
            let distinct: BTreeSet<_> = sample.iter().collect();
            assert_eq!(distinct.len(), sample.len(), "{name}");
            let alike = scripts
                .windows(2)
                .filter(|w| w[0].user == w[1].user)
                .count();
            assert!(
                alike * 5 <= scripts.len(),
                "{name}: {alike} of {}",
                scripts.len()
            );
        }
    }
}
