//! From the ledger to the verdict: what `run`, `observe`, `reconcile` and `report` end with.
//!
//! Everything is computed from the ledger's rows, one bucket of users at a time, so that memory
//! does not grow with the run and the same file gives the same verdict on any machine.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{IsTerminal, stderr, stdout};
use std::path::Path;
use std::time::{Duration, UNIX_EPOCH};

use anyhow::Context as _;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::ledger::{self, LedgerError, LedgerReader, Manifest};
use crate::model::{
    Cap, Finding, GeneratorHealth, LagSample, LogCoverage, Micros, OpId, OpKind, OpRow, Scan,
    Trait, UserIx, UsersAsked,
};
use crate::observe::LogTally;
use crate::plan::Plan;
use crate::reconcile::timeline::{Exposure, Timeline};
use crate::reconcile::{
    self, Context, Judgement, Matched, Neighbour, ReadBack, RunEnd, Surroundings, generator, settle,
};
use crate::report::render::terminal::{self, Style};
use crate::report::{Began, Report, Tally};
use crate::scenario::{Day, Scenario};
use crate::stats::Latency;

use super::args::{Cli, JudgeArgs};
use super::exit::{Exit, Failure};
use super::output::{self, Output, Place};
use super::{assemble, control, readback};

/// Note of the ledger: how the drive ended. Absent if the tester was killed.
pub(super) const DRIVE_END: &str = "drive_end";
/// Note of the ledger: when, as an offset in microseconds.
pub(super) const DRIVE_ENDED_US: &str = "drive_ended_us";
/// Note of the ledger: arrivals that did not start for want of virtual users.
pub(super) const DROPPED_ARRIVALS: &str = "dropped_arrivals";

/// Note of the ledger: tasks of the driver that panicked.
pub(super) const BROKEN_SESSIONS: &str = "broken_sessions";
/// Note of the ledger: events that contradicted earlier ones.
const LEDGER_CONFLICTS: &str = "ledger_conflicts";
/// Note of the ledger: can the store list facts? Absent if no store was looked at.
pub(super) const FACTS_LISTED: &str = "facts_listed";

/// Note of the ledger: does the store know the run's users? Absent where it takes everybody's
/// sessions, or could not be asked.
pub(super) const USERS_ASKED: &str = "users_asked";

/// Note of the ledger: how many tokens were issued, renewed, and could not be had. Absent where
/// none is issued.
pub(super) const TOKENS: &str = "tokens";

/// Note of the ledger: what was read of the target's logs. Absent without any.
pub(super) const LOGS: &str = "logs";

/// Note of the ledger: what the control arm came to. Absent without one.
pub(super) const CONTROL_ARM: &str = "control_arm";

/// Users that are judged at a time; one bucket must fit in memory.
const USERS_PER_BUCKET: u32 = 256;

/// How the drive ended, as the ledger notes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum RunEndNote {
    /// Its plan was done.
    Finished,
    /// It was told to stop.
    Interrupted,
    /// It stopped at the first proved finding, as it was asked to.
    StoppedAtFinding,
    /// The target stopped answering.
    TargetLost,
    /// The target asked for less load.
    TargetThrottled,
    /// It has reached a bound that the user had set.
    Capped(Cap),
}

/// `crosswire reconcile`: judges again and stores the judgement.
///
/// # Errors
/// There is no such run, or its ledger cannot be read or written.
pub(super) fn reconcile(cli: &Cli, args: &JudgeArgs) -> Result<Exit, Failure> {
    let outputs = output::parse_outputs(&args.outputs).map_err(Failure::usage)?;
    let folder = ledger::resolve(&cli.reports, &args.run).map_err(Failure::usage)?;
    judge_and_show(cli, &folder, &outputs)
}

/// `crosswire report`: shows a run again and writes nothing into its ledger.
///
/// # Errors
/// There is no such run, or its ledger cannot be read.
pub(super) fn report(cli: &Cli, args: &JudgeArgs) -> Result<Exit, Failure> {
    let outputs = output::parse_outputs(&args.outputs).map_err(Failure::usage)?;
    let folder = ledger::resolve(&cli.reports, &args.run).map_err(Failure::usage)?;
    let judged = judge(&folder)?;
    show(cli, &judged.report, &outputs)?;
    Ok(judged.report.verdict.into())
}

/// Judges, stores the judgement in the ledger, shows it, and says how the process ends.
///
/// # Errors
/// The ledger cannot be read or written, or a report cannot be written.
pub(super) fn judge_and_show(
    cli: &Cli,
    folder: &Path,
    outputs: &[Output],
) -> Result<Exit, Failure> {
    let judged = judge_alone(folder)?;
    show(cli, &judged.report, outputs)?;
    Ok(judged.report.verdict.into())
}

/// Judges and stores the judgement while nobody else writes the ledger.
fn judge_alone(folder: &Path) -> Result<Judged, Failure> {
    let ledger = readback::claim(folder)?;
    let judged = judge(folder)?;
    let report = &judged.report;
    ledger.store_judgement(
        report.verdict,
        &report.inconclusive_reasons,
        &judged.findings,
    )?;
    ledger.finish()?;
    Ok(judged)
}

/// Judges, stores the judgement in the ledger, and gives its findings.
///
/// # Errors
/// The ledger cannot be read or written.
pub(super) fn judge_and_store(folder: &Path) -> anyhow::Result<Vec<Finding>> {
    let judged = judge_alone(folder).map_err(|failure| failure.error)?;
    Ok(judged.findings)
}

/// Judges, stores the judgement in the ledger, and gives the report.
///
/// # Errors
/// The ledger cannot be read or written.
pub(super) fn judge_for_report(folder: &Path) -> Result<Report, Failure> {
    Ok(judge_alone(folder)?.report)
}

/// The screen goes to stdout, or to stderr where stdout is asked for by a report.
fn show(cli: &Cli, report: &Report, outputs: &[Output]) -> anyhow::Result<()> {
    // The verdict is shown even where a report cannot be written.
    if outputs.iter().any(|output| output.place == Place::Stdout) {
        let screen = terminal::render(report, &style(cli, &stderr()));
        output::say(cli, screen.trim_end());
    } else {
        output::print(&terminal::render(report, &style(cli, &stdout())))?;
    }
    for output in outputs {
        output.place.write(&(output.format.render)(report)?)?;
    }
    Ok(())
}

fn style(cli: &Cli, stream: &impl IsTerminal) -> Style {
    Style {
        color: output::colored(cli, stream),
        ..Style::plain()
    }
}

/// A judgement with its report.
struct Judged {
    report: Report,
    findings: Vec<Finding>,
}

/// What the rows of a ledger add up to before anything is judged.
pub(super) struct Facts {
    pub(super) manifest: Manifest,
    pub(super) scenario: Scenario,
    pub(super) ended: RunEnd,
    /// Could the store list facts?
    pub(super) documents_readable: bool,
    /// Does the store know the run's users?
    pub(super) users_asked: Option<UsersAsked>,
    /// Tasks of the driver that panicked.
    pub(super) broken_sessions: u64,
    /// Events that contradicted what the ledger had been told before.
    pub(super) ledger_conflicts: u64,
    pub(super) scans: Vec<Scan>,
    /// What was read of the target's logs.
    pub(super) logs: Option<LogTally>,
    pub(super) log_coverage: LogCoverage,
    pub(super) lags: Vec<LagSample>,
    pub(super) tally: Tally,
    pub(super) exposure: Exposure,
    pub(super) generator: GeneratorHealth,
    /// The end of the last operation that has one.
    pub(super) last_completed: Micros,
    /// The beginning of the last operation.
    pub(super) last_invoked: Micros,
    /// The beginning of the first operation that has no end.
    pub(super) first_open: Option<Micros>,
}

fn judge(folder: &Path) -> anyhow::Result<Judged> {
    // A run that is still being written is judged as it is at one moment.
    let ledger = LedgerReader::open(folder)?.hold_still()?;
    let facts = facts(&ledger)?;
    let context = Context {
        run: facts.manifest.run,
        scenario: &facts.scenario,
        ended: facts.ended,
        read_back: read_back(&facts),
        facts_listed: facts.documents_readable,
        users_asked: facts.users_asked,
        scans: &facts.scans,
        log_lines: &[],
        log_coverage: facts.log_coverage,
    };
    let mut judgement = judge_buckets(&ledger, &context)?;
    judgement.accepted = accept(&ledger, &facts, &mut judgement.findings);
    let planned: Vec<OpKind> = facts.manifest.planned.keys().copied().collect();
    let ok: BTreeMap<OpKind, u64> = planned
        .iter()
        .map(|kind| (*kind, facts.tally.ok(*kind)))
        .collect();
    let for_verdict = reconcile::verdict::Facts {
        planned: &planned,
        ok: &ok,
        exposure: facts.exposure,
        generator: &facts.generator,
        broken_sessions: facts.broken_sessions,
        ledger_conflicts: facts.ledger_conflicts,
    };
    let (verdict, reasons) = reconcile::verdict::verdict(&context, &judgement, &for_verdict);
    let mut report = assemble::report(
        folder,
        &ledger,
        &facts,
        &context,
        &judgement,
        (verdict, reasons),
    );
    control::put_beside(&mut report, &ledger, &judgement.findings)?;
    Ok(Judged {
        report,
        findings: judgement.findings,
    })
}

fn facts(ledger: &LedgerReader) -> anyhow::Result<Facts> {
    let manifest = ledger.manifest()?;
    let scenario: Scenario = serde_json::from_str(&manifest.scenario_json)
        .context("could not read the scenario in the ledger")?;
    let ended = match ledger
        .note(DRIVE_END)?
        .map(serde_json::from_value::<RunEndNote>)
    {
        Some(Ok(RunEndNote::Finished)) => RunEnd::Finished,
        Some(Ok(RunEndNote::Interrupted)) => RunEnd::Interrupted,
        Some(Ok(RunEndNote::StoppedAtFinding)) => RunEnd::StoppedAtFinding,
        Some(Ok(RunEndNote::TargetLost)) => RunEnd::TargetLost,
        Some(Ok(RunEndNote::TargetThrottled)) => RunEnd::TargetThrottled,
        Some(Ok(RunEndNote::Capped(cap))) => RunEnd::Capped(cap),
        Some(Err(error)) => {
            return Err(error).context("could not read how the drive ended in the ledger");
        }
        None => RunEnd::Crashed,
    };
    let count = |key| -> anyhow::Result<u64> {
        Ok(ledger.note(key)?.and_then(|v| v.as_u64()).unwrap_or(0))
    };
    let (dropped, broken_sessions) = (count(DROPPED_ARRIVALS)?, count(BROKEN_SESSIONS)?);
    let ledger_conflicts = count(LEDGER_CONFLICTS)?;
    let documents_readable = ledger
        .note(FACTS_LISTED)?
        .is_none_or(|listed| listed == true);
    let plan = Plan::new(scenario.clone(), manifest.seed);
    let mut tally = Tally::default();
    let mut timeline = Timeline::new();
    let (mut last_completed, mut last_invoked) = (Micros(0), Micros(0));
    let mut first_open = None;
    ledger.ops_in_time_order(&mut |row| {
        tally.push(&row, began(&plan, &row));
        timeline.push(&row);
        last_invoked = last_invoked.max(row.invocation.invoked);
        match &row.completion {
            Some(completion) => last_completed = last_completed.max(completion.completed),
            None => first_open = first_open.or(Some(row.invocation.invoked)),
        }
    })?;
    ledger.chunk_times(&mut |times| tally.push_chunks(&times))?;
    let lag = tally.schedule_lag();
    let lag = generator::ScheduleLag {
        p50_us: lag.p50,
        p99_us: lag.p99,
        max_us: lag.max,
    };
    let generator = generator::health(&ledger.samples()?, lag, dropped);
    Ok(Facts {
        manifest,
        scenario,
        ended,
        documents_readable,
        users_asked: noted(ledger, USERS_ASKED, "whether the store knows the users")?,
        broken_sessions,
        ledger_conflicts,
        scans: ledger.scans()?,
        logs: noted(ledger, LOGS, "what was read of the logs")?,
        log_coverage: ledger.log_coverage()?,
        lags: ledger.lags()?,
        tally,
        exposure: timeline.finish(),
        generator,
        last_completed,
        last_invoked,
        first_open,
    })
}

/// A note of the ledger; `None` if it was never made.
fn noted<T: DeserializeOwned>(
    ledger: &LedgerReader,
    key: &str,
    what: &str,
) -> anyhow::Result<Option<T>> {
    let noted = ledger.note(key)?.map(serde_json::from_value);
    noted
        .transpose()
        .with_context(|| format!("could not read {what} in the ledger"))
}

/// How an operation came to start when it did, by the plan.
fn began(plan: &Plan, row: &OpRow) -> Began {
    let begun = &row.invocation;
    let is_start = begun.op.seq == 0
        && (begun.traits.has(Trait::StartsTogether) || plan.is_first_of_vu(begun.op.session));
    if is_start || begun.traits.has(Trait::SharedConnections) {
        Began::WithOthers
    } else {
        Began::Alone
    }
}

/// What is accepted on the day on which the run was made: judged again, it is judged the same.
fn accept(ledger: &LedgerReader, facts: &Facts, findings: &mut [Finding]) -> Vec<Matched> {
    let micros = u64::try_from(facts.manifest.created_unix_us).unwrap_or_default();
    let day = Day::of(UNIX_EPOCH + Duration::from_micros(micros));
    reconcile::accept(findings, &facts.scenario.accept, day, &mut |op| {
        let row = ledger.op(op).ok().flatten();
        row.map(|row| row.invocation.kind)
    })
}

fn read_back(facts: &Facts) -> ReadBack {
    if facts.manifest.memory.is_none() {
        return ReadBack::None;
    }
    settle::settled(
        &facts.scans,
        &facts.scenario.memory.settle,
        lag_p999(facts.lags.iter().map(|sample| sample.lag)),
    )
}

/// The 99.9th percentile of measured delays; zero without any. All who compare with it take it
/// from here: a histogram rounds up, and settling waits to the microsecond.
pub(super) fn lag_p999(lags: impl IntoIterator<Item = Duration>) -> Duration {
    let mut all = Latency::new();
    for lag in lags {
        all.record(lag);
    }
    Duration::from_micros(all.quantile_us(0.999))
}

fn judge_buckets(ledger: &LedgerReader, context: &Context<'_>) -> anyhow::Result<Judgement> {
    let control = reconcile::control(context, &ledger.control_sightings()?);
    let users = ledger.users()?;
    let mut buckets = Vec::new();
    let mut from = 0;
    while from < users {
        let range = from..users.min(from + USERS_PER_BUCKET);
        let mut ops = ledger.ops_of_users(range.clone())?;
        ops.extend(ledger.ops_beside_users(range.clone())?);
        let sightings = ledger.sightings_of_users(range.clone())?;
        let log_lines = ledger.log_lines_of_users(range.clone())?;
        let context = Context {
            log_lines: &log_lines,
            ..*context
        };
        buckets.push(reconcile::judge_users(
            &context,
            range.clone(),
            &ops,
            &sightings,
        ));
        from = range.end;
    }
    let strays = ledger.sightings_of_nobody()?;
    buckets.push(reconcile::judge_users(context, users..users, &[], &strays));
    let mut rows = Rows {
        ledger,
        unread: None,
    };
    let judgement = reconcile::combine(buckets, control, &mut rows);
    match rows.unread {
        Some(error) => Err(error.into()),
        None => Ok(judgement),
    }
}

/// The ledger as the judge asks it. What could not be read is empty, and the error is kept.
struct Rows<'a> {
    ledger: &'a LedgerReader,
    unread: Option<LedgerError>,
}

impl Rows<'_> {
    fn or_keep<T: Default>(&mut self, read: Result<T, LedgerError>) -> T {
        read.unwrap_or_else(|error| {
            self.unread = Some(error);
            T::default()
        })
    }
}

impl Surroundings for Rows<'_> {
    fn around(&mut self, time: Micros) -> Vec<Neighbour> {
        let read = self
            .ledger
            .ops_around(time, reconcile::NEIGHBOURS_EACH_SIDE);
        self.or_keep(read)
            .iter()
            .map(|row| Neighbour {
                op: row.invocation.op,
                user: row.invocation.user,
                invoked: row.invocation.invoked,
            })
            .collect()
    }

    fn answered(&mut self, user: UserIx, session: &str, seq: u16) -> Option<OpId> {
        let read = self.ledger.op_answered(user, session, seq);
        self.or_keep(read)
    }

    fn op(&mut self, op: OpId) -> Option<OpRow> {
        let read = self.ledger.op(op);
        self.or_keep(read)
    }

    fn users(&mut self) -> u32 {
        let read = self.ledger.users();
        self.or_keep(read)
    }

    fn promised(&mut self, since: Micros, having: Option<Trait>) -> u64 {
        let read = self.ledger.promised(since, having);
        self.or_keep(read)
    }

    fn sessions_opened(&mut self, kind: OpKind, within: (Micros, Micros)) -> u64 {
        let read = self.ledger.sessions_opened(kind, within);
        self.or_keep(read)
    }

    fn users_of_session(&mut self, name: &str) -> BTreeSet<UserIx> {
        let read = self.ledger.users_of_session(name);
        self.or_keep(read)
    }

    fn nearest_of(&mut self, user: UserIx, time: Micros) -> Option<OpId> {
        let read = self.ledger.op_of_user_near(user, time);
        self.or_keep(read).map(|row| row.invocation.op)
    }
}
