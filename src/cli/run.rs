//! `crosswire run`: drive, read back, judge.
#![expect(clippy::disallowed_methods, reason = "makes the run's folder")]

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use tokio::sync::mpsc;
use url::Url;

use crate::auth::TokenSource;
use crate::clock::RunClock;
use crate::drive::{self, Collector, CollectorHandle, DriveConfig, DriveEnd, DriveReport, Spent};
use crate::event::{Event, Sink};
use crate::lab::QuirkKind;
use crate::ledger::{self, Ledger, Manifest};
use crate::live::{self, Live, Phase};
use crate::model::limits::PAGE_RECORDS;
use crate::model::{Micros, OpKind, RunId, Seed};
use crate::observe::{
    Baseline, LagWatch, ScanContext, Share, StoreClient, StoreWatch, Strangers, watch_lag,
    watch_store,
};
use crate::plan::Plan;
use crate::reconcile::arms::ControlArm;
use crate::report::rfc3339;
use crate::scenario::{Scenario, Store};

use super::args::{Cli, RunArgs};
use super::exit::{Exit, Failure};
use super::judge::{self, RunEndNote};
use super::lab_child::{self, LabChild};
use super::output::{self, Output};
use super::readback::Fresh;
use super::signals::{self, Signals};
use super::watch::{self, Watch, Watched};
use super::{control, cost, credentials, hosts, lab, logs, readback, settings, store};

/// How long the pre-flight waits for the target.
const PREFLIGHT_TIMEOUT: Duration = Duration::from_secs(10);

/// Where the run's requests go.
#[derive(Debug)]
pub(super) struct Addresses {
    target: Url,
    memory: Option<Url>,
}

/// Everything that is settled before the first operation.
#[derive(Debug)]
pub(super) struct Prepared {
    pub(super) run: RunId,
    pub(super) folder: PathBuf,
    pub(super) plan: Arc<Plan>,
    pub(super) addresses: Addresses,
    pub(super) store: Option<StoreClient>,
    pub(super) baseline: Baseline,
    pub(super) clock: RunClock,
    /// The key under which names of strangers are hidden.
    pub(super) strangers_key: [u8; 32],
    pub(super) strangers: Strangers,
    pub(super) tokens: TokenSource,
    /// Has nobody used the target before?
    target_just_started: bool,
    /// What was spent of the run's bounds before.
    pub(super) spent: Spent,
    /// What a run against a real target costs, in words.
    pub(super) costs: Option<String>,
}

/// Carries the command out.
///
/// # Errors
/// Flags or scenario are not valid, the pre-flight failed, or something of our own did.
pub(super) async fn run(cli: &Cli, args: &RunArgs) -> Result<Exit, Failure> {
    let outputs = output::parse_outputs(&args.outputs).map_err(Failure::usage)?;
    lab::parse_faults(&args.lab_faults).map_err(Failure::usage)?;
    let scenario = settings::resolve(args).map_err(hosts::failure)?;
    let seed = settings::seed(args)?;
    let run = RunId(settings::random_u32()?);
    let folder = ledger::run_folder(&cli.reports, run);
    let plan = Plan::new(scenario.clone(), seed);
    let cost = cost::of(&plan, args);
    if args.cost.dry_run {
        // A real run would stop here, too.
        let tokens = credentials::open(&scenario.target.auth, seed, &args.allow_hosts);
        tokens.map_err(Failure::usage)?;
        output::print(&cost::screen(&scenario, &cost))?;
        cost::check(&cost, &scenario.caps)?;
        return Ok(Exit::Pass);
    }
    cost::check(&cost, &scenario.caps)?;
    let signals = signals::listen().context("could not listen to signals")?;

    let (control, spent) = if args.control {
        let control = control::run(cli, args, &scenario, seed, &signals, &folder).await?;
        (Some(control.0), control.1)
    } else {
        (None, Spent::default())
    };
    let has_lab = scenario.target.url.is_none();
    let made_ready = tokio::select! {
        biased;
        exit = signals.heard() => Err(Failure {
            exit,
            error: anyhow::anyhow!("stopped before anything was sent"),
        }),
        made_ready = make_ready(args, scenario, seed, run, &folder) => made_ready,
    };
    let (mut prepared, lab) = match made_ready {
        Ok(made_ready) => made_ready,
        Err(failure) => {
            if has_lab {
                lab_child::discard(&folder);
            }
            return Err(failure);
        }
    };
    prepared.spent = spent;
    if prepared.plan.scenario().target.url.is_some() {
        prepared.costs = Some(cost::line(prepared.plan.scenario(), &cost));
    }
    let exit = carry_out(cli, args, &prepared, control.as_ref(), (&signals, &outputs)).await;
    if let Some(lab) = lab {
        // The verdict stands whatever becomes of the lab; but a lab that dies is worth a word.
        if let Err(error) = lab.end().await {
            output::say_error(&error);
        }
    }
    exit
}

/// Everything before the first operation. The lab ends with whoever drops it.
pub(super) async fn make_ready(
    args: &RunArgs,
    scenario: Scenario,
    seed: Seed,
    run: RunId,
    folder: &Path,
) -> Result<(Prepared, Option<LabChild>), Failure> {
    let tokens = credentials::open(&scenario.target.auth, seed, &args.allow_hosts);
    let tokens = tokens.map_err(Failure::usage)?;
    let lab = if scenario.target.url.is_none() {
        std::fs::create_dir_all(folder)
            .with_context(|| format!("could not make the run folder {}", folder.display()))?;
        let mut arguments = lab::arguments(args);
        arguments.extend(lab_child::keys(folder, tokens.jwks())?);
        Some(lab_child::start(&arguments, folder, args.lab_log.as_deref()).await?)
    } else {
        None
    };
    let addresses = addresses(&scenario, lab.as_ref())?;
    let folder = folder.to_path_buf();
    let mut prepared = prepare((scenario, seed), run, folder, addresses, tokens).await?;
    // An embedded lab is started for its run.
    let warmed_up = QuirkKind::WarmedUp.name();
    let was_used = args.lab_quirks.iter().any(|quirk| quirk == warmed_up);
    prepared.target_just_started = lab.is_some() && !was_used;
    Ok((prepared, lab))
}

impl Prepared {
    /// Where requests go.
    pub(super) fn target(&self) -> &Url {
        &self.addresses.target
    }
}

fn addresses(scenario: &Scenario, lab: Option<&LabChild>) -> anyhow::Result<Addresses> {
    let lab_url = |text: &str| Url::parse(text).context("could not read the embedded lab's URL");
    let target = match (&scenario.target.url, lab) {
        (Some(url), _) => url.clone(),
        (None, Some(lab)) => lab_url(&lab.address.target)?,
        (None, None) => anyhow::bail!("the scenario has no target and no lab was started"),
    };
    let memory = match (&scenario.memory.store, lab) {
        (Store::Url(url), _) => Some(url.clone()),
        (Store::Lab, Some(lab)) => Some(lab_url(&lab.address.memory)?),
        (Store::Lab | Store::None, _) => None,
    };
    Ok(Addresses { target, memory })
}

/// The pre-flight: nothing has been sent yet but one health check, and reads of the store.
async fn prepare(
    (scenario, seed): (Scenario, Seed),
    run: RunId,
    folder: PathBuf,
    addresses: Addresses,
    tokens: TokenSource,
) -> Result<Prepared, Failure> {
    drive::preflight(
        &addresses.target,
        &scenario.target.paths.health,
        PREFLIGHT_TIMEOUT,
    )
    .await
    .context("could not begin")
    .map_err(Failure::preflight)?;
    let mut store = None;
    let mut baseline = Baseline::default();
    if let Some(url) = &addresses.memory {
        let client = store::connect(url, &scenario.memory)
            .await
            .context("could not begin")
            .map_err(Failure::preflight)?;
        baseline = client
            .baseline(run, &scenario)
            .await
            .context("could not begin")
            .map_err(Failure::preflight)?;
        store = Some(client);
    }
    let plan = Arc::new(Plan::new(scenario, seed));
    let strangers_key = settings::random_key()?;
    Ok(Prepared {
        run,
        folder,
        plan,
        addresses,
        store,
        baseline,
        clock: RunClock::start(),
        strangers_key,
        strangers: Strangers::new(strangers_key),
        tokens,
        target_just_started: false,
        spent: Spent::default(),
        costs: None,
    })
}

async fn carry_out(
    cli: &Cli,
    args: &RunArgs,
    prepared: &Prepared,
    control: Option<&ControlArm>,
    (signals, outputs): (&Signals, &[Output]),
) -> Result<Exit, Failure> {
    let manifest = manifest(prepared, args)?;
    let ledger = open_ledger(prepared, &manifest)?;
    if let Some(control) = control {
        ledger.note(judge::CONTROL_ARM, control)?;
    }
    output::say(cli, &start_lines(prepared, &manifest));

    let (live, bars) = if cli.quiet {
        live::quiet()
    } else {
        live::automatic(&manifest.planned)
    };
    let made = create_users(prepared).await?;
    if made > 0 {
        output::say(cli, &format!("made {made} users in the store"));
    }
    let watched = watched(cli, args, prepared, &live, signals);
    let (events, collector, beside) = collect(prepared, &ledger, bars, watched);
    let logs = logs::watch(args, prepared, &events).await?;
    live.phase(Phase::Driving);
    let driven = drive_plan(prepared, &events, &collector, signals).await;
    note_end(&ledger, driven, signals)?;
    note_tokens(&ledger, &prepared.tokens)?;
    signals.driving_is_over();
    let fresh = beside.finish(driven.ended_at).await;
    if prepared.store.is_some() {
        live.phase(Phase::ReadingBack);
    }
    let read = read_back(prepared, fresh, &ledger, &events, signals).await;
    if let Some(logs) = logs {
        ledger.note(judge::LOGS, logs.finish().await)?;
    }
    live.phase(Phase::Judging);
    drop(events);
    let unrecorded = collector.finish().sink_errors;
    live.close();
    for error in unrecorded {
        output::say_error(&anyhow::anyhow!(
            "part of the run was not recorded: {error}"
        ));
    }
    ledger.finish()?;
    // Whatever became of the reading, all that was told is in the ledger now.
    read?;
    if let Some(exit) = signals.left() {
        let run = prepared.run;
        output::say(
            cli,
            &format!("left; the ledger is kept: crosswire observe {run}"),
        );
        return Ok(exit);
    }
    judge::judge_and_show(cli, &prepared.folder, outputs)
}

/// The run's ledger, with what is known before the first operation.
pub(super) fn open_ledger(prepared: &Prepared, manifest: &Manifest) -> anyhow::Result<Ledger> {
    let ledger = Ledger::create(&prepared.folder, manifest)?;
    if let Some(store) = &prepared.store {
        ledger.note(judge::FACTS_LISTED, store.can_list_facts())?;
    }
    readback::store_baseline(&ledger, &prepared.baseline)?;
    readback::store_strangers_key(&prepared.folder, &prepared.strangers_key)?;
    Ok(ledger)
}

/// Makes the run's users in the store, where the scenario asks for it; gives how many.
///
/// # Errors
/// One could not be made. Those that were bear the run's name, so that `clean` removes them.
pub(super) async fn create_users(prepared: &Prepared) -> Result<u32, Failure> {
    let Some(store) = &prepared.store else {
        return Ok(0);
    };
    let run = prepared.run;
    let made = store.create_users(run, prepared.plan.scenario()).await;
    made.with_context(|| {
        format!("could not begin; what was made already goes with `crosswire clean {run}`")
    })
    .map_err(Failure::preflight)
}

/// Writes down how the drive ended.
pub(super) fn note_end(
    ledger: &Ledger,
    driven: DriveReport,
    signals: &Signals,
) -> anyhow::Result<()> {
    ledger.note(judge::DRIVE_END, drive_end(driven.end, signals))?;
    ledger.note(judge::DRIVE_ENDED_US, driven.ended_at.0)?;
    ledger.note(judge::DROPPED_ARRIVALS, driven.dropped_arrivals)?;
    ledger.note(judge::BROKEN_SESSIONS, driven.broken_sessions)?;
    Ok(())
}

/// Writes down how many tokens were issued, and how often none was.
fn note_tokens(ledger: &Ledger, tokens: &TokenSource) -> anyhow::Result<()> {
    if let Some(counts) = tokens.counts() {
        ledger.note(judge::TOKENS, counts)?;
        if counts.failed > 0 {
            output::say_error(&anyhow::anyhow!(
                "{} attempts to get a token failed, {} succeeded: what was not sent for it is \
                 recorded as unsent",
                counts.failed,
                counts.issued + counts.renewed
            ));
        }
    }
    Ok(())
}

/// Reads the store until it has settled, unless there is none or leaving was asked.
pub(super) async fn read_back(
    prepared: &Prepared,
    fresh: Fresh,
    ledger: &Ledger,
    events: &mpsc::Sender<Event>,
    signals: &Signals,
) -> anyhow::Result<()> {
    let (None, Some(store)) = (signals.left(), &prepared.store) else {
        return Ok(());
    };
    let context = scan_context(prepared);
    let mut stop = signals.observe.clone();
    let folder = &prepared.folder;
    readback::settle(store, &context, folder, fresh, events, &mut stop).await?;
    readback::ask_for_users(store, &context, ledger).await
}

pub(super) fn manifest(prepared: &Prepared, args: &RunArgs) -> anyhow::Result<Manifest> {
    let epoch = prepared.clock.epoch_wall();
    let since_1970 = epoch
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap_or_default();
    let cpus = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    Ok(Manifest {
        run: prepared.run,
        seed: prepared.plan.seed(),
        plan_digest: prepared.plan.digest(),
        scenario_json: serde_json::to_string(prepared.plan.scenario())
            .context("could not write the scenario down")?,
        created: rfc3339(epoch),
        created_unix_us: i64::try_from(since_1970.as_micros()).unwrap_or(i64::MAX),
        tool_version: env!("CARGO_PKG_VERSION").to_owned(),
        target: prepared.addresses.target.to_string(),
        memory: prepared.addresses.memory.as_ref().map(Url::to_string),
        lab_faults: args.lab_faults.clone(),
        lab_quirks: args.lab_quirks.clone(),
        lab_profile: args.lab_profile.clone(),
        planned: prepared.plan.planned_ops(),
        generator_cpus: u32::try_from(cpus).unwrap_or(u32::MAX),
    })
}

fn drive_end(end: DriveEnd, signals: &Signals) -> RunEndNote {
    match end {
        DriveEnd::Finished => RunEndNote::Finished,
        DriveEnd::Interrupted if signals.stopped_by_ourselves() => RunEndNote::StoppedAtFinding,
        DriveEnd::Interrupted => RunEndNote::Interrupted,
        DriveEnd::TargetLost => RunEndNote::TargetLost,
        DriveEnd::TargetThrottled => RunEndNote::TargetThrottled,
        DriveEnd::Capped(cap) => RunEndNote::Capped(cap),
    }
}

/// What is busy beside the load.
#[derive(Debug, Default)]
struct Beside {
    lags: Option<LagWatch>,
    glances: Option<StoreWatch>,
    watch: Option<Watch>,
}

impl Beside {
    /// Ends it, once the load is over.
    async fn finish(self, drive_ended: Micros) -> Fresh {
        let last_glance = match self.glances {
            Some(glances) => glances.finish().await,
            None => 0,
        };
        if let Some(watch) = self.watch {
            watch.finish().await;
        }
        Fresh {
            longest_lag: match self.lags {
                Some(lags) => lags.finish().await,
                None => Duration::ZERO,
            },
            drive_ended,
            last_glance,
        }
    }
}

/// What the run is watched with, where that is asked for.
fn watched(
    cli: &Cli,
    args: &RunArgs,
    prepared: &Prepared,
    live: &Live,
    signals: &Signals,
) -> Option<Watched> {
    (args.watch || args.fail_fast).then(|| Watched {
        folder: prepared.folder.clone(),
        context: scan_context(prepared),
        live: (!cli.quiet).then(|| live.clone()),
        stopper: args.fail_fast.then(|| signals.stopper.clone()),
    })
}

/// Starts the collector with everybody who listens: the ledger, the display, the sampler of the
/// store's delay and, where that is asked for, who looks for findings.
fn collect(
    prepared: &Prepared,
    ledger: &Ledger,
    bars: Box<dyn Sink>,
    watched: Option<Watched>,
) -> (mpsc::Sender<Event>, CollectorHandle, Beside) {
    let (events, queue) = Collector::queue();
    let mut sinks = vec![ledger.sink(), bars];
    let mut beside = Beside::default();
    if let Some(store) = &prepared.store {
        let context = scan_context(prepared);
        let share = match watched {
            Some(_) => Share::Half,
            None => Share::Whole,
        };
        let (sampler, lags) = watch_lag(store, &context, share, &events);
        sinks.push(Box::new(sampler));
        beside.lags = Some(lags);
        if watched.is_some() {
            let (sampler, glances) = watch_store(store, &context, &events);
            sinks.push(Box::new(sampler));
            beside.glances = Some(glances);
        }
    }
    if let Some(watched) = watched {
        let (suspects, watch) = watch::start(watched);
        sinks.push(suspects);
        beside.watch = Some(watch);
    }
    (events, Collector::start(queue, sinks), beside)
}

/// What a drive needs beside its plan.
pub(super) fn drive_config(prepared: &Prepared, collector: &CollectorHandle) -> DriveConfig {
    DriveConfig {
        run: prepared.run,
        target: prepared.addresses.target.clone(),
        clock: prepared.clock,
        tokens: prepared.tokens.clone(),
        target_just_started: prepared.target_just_started,
        unrecorded: collector.failed(),
        spent: prepared.spent,
    }
}

async fn drive_plan(
    prepared: &Prepared,
    events: &mpsc::Sender<Event>,
    collector: &CollectorHandle,
    signals: &Signals,
) -> DriveReport {
    let plan = Arc::clone(&prepared.plan);
    drive::drive(
        plan,
        drive_config(prepared, collector),
        events.clone(),
        signals.drive.clone(),
    )
    .await
}

pub(super) fn scan_context(prepared: &Prepared) -> ScanContext {
    let scenario = prepared.plan.scenario();
    ScanContext {
        run: prepared.run,
        scenario: Arc::new(scenario.clone()),
        baseline: prepared.baseline.clone(),
        clock: prepared.clock,
        strangers: prepared.strangers.clone(),
        users: scenario.users,
        plan: Some(Arc::clone(&prepared.plan)),
    }
}

/// What is about to happen, in two lines; in a third what that costs a real target, and in
/// another what pooled users had before.
fn start_lines(prepared: &Prepared, manifest: &Manifest) -> String {
    let scenario = prepared.plan.scenario();
    let memory = memory_line(prepared);
    let had = prepared.baseline.counts();
    let had = match had.records {
        0 => String::new(),
        records => format!(
            "\npooled users have {records} messages and facts from before, {} of older runs; none \
             of them is judged",
            had.of_older_runs
        ),
    };
    let costs = prepared.costs.as_ref();
    let costs = costs.map_or_else(String::new, |costs| format!("\n{costs}"));
    format!(
        "run {}  seed {}  scenario {}  {} users\nsends {} to {}{costs}{memory}{had}",
        manifest.run,
        manifest.seed,
        scenario.name,
        scenario.users,
        planned_words(&manifest.planned),
        prepared.addresses.target
    )
}

/// What the store speaks, how that is known, and what it costs to read it back.
fn memory_line(prepared: &Prepared) -> String {
    let (Some(store), Some(url)) = (&prepared.store, &prepared.addresses.memory) else {
        return String::new();
    };
    let seen = store.evidence().last().map_or("", String::as_str);
    let (reads, or_more) = reads_each(prepared, store);
    let at_once = prepared.plan.scenario().memory.read_concurrency.max(1);
    let lasts = store.pace().as_secs_f64() * f64::from(reads) / f64::from(at_once);
    let facts = if store.can_list_facts() {
        ""
    } else {
        "; it lists no facts, so what becomes of uploads cannot be proved"
    };
    let makes_users = prepared.plan.scenario().memory.create_users;
    let owners = if store.refuses_unknown_users() && !makes_users {
        "; it refuses sessions of users that it does not know, so that they have no owner unless \
         the target makes its users or `memory.create_users` does"
    } else {
        ""
    };
    format!(
        "\nreads back {url}, which speaks {} ({seen}): {reads} requests{or_more} each time, about \
         {lasts:.1} s at the pace so far, twice or more{facts}{owners}",
        store.dialect()
    )
}

/// How many requests one reading of the store takes once the run has ended, and whether the
/// target's speed decides how many more.
fn reads_each(prepared: &Prepared, store: &StoreClient) -> (u32, &'static str) {
    let scenario = prepared.plan.scenario();
    let talks = scenario
        .groups
        .iter()
        .filter(|group| group.session.kind() != OpKind::Upload);
    let counts: Vec<Option<u32>> = talks
        .map(|group| prepared.plan.session_count(group.ix))
        .collect();
    let or_more = if counts.contains(&None) {
        " or more"
    } else {
        ""
    };
    let talks = counts.into_iter().flatten().fold(0, u32::saturating_add);
    let old = u32::try_from(prepared.baseline.len()).unwrap_or(u32::MAX);
    let pages = talks
        .saturating_add(old)
        .div_ceil(PAGE_RECORDS)
        .saturating_add(1);
    let facts = if store.can_list_facts() {
        scenario.users
    } else {
        0
    };
    let lists = pages.saturating_mul(2);
    (talks.saturating_add(lists).saturating_add(facts), or_more)
}

/// How much is sent of each kind, such as `880 chat and 60 upload`.
fn planned_words(planned: &live::Planned) -> String {
    let counted: Vec<String> = planned
        .iter()
        .filter_map(|(kind, count)| count.map(|count| format!("{count} {kind}")))
        .collect();
    let open: Vec<String> = planned
        .iter()
        .filter(|(_, count)| count.is_none())
        .map(|(kind, _)| kind.to_string())
        .collect();
    let open = match open.as_slice() {
        [] => None,
        open => Some(format!("{} until the time is up", listed(open))),
    };
    let counted = (!counted.is_empty()).then(|| listed(&counted));
    let parts: Vec<String> = counted.into_iter().chain(open).collect();
    parts.join("; ")
}

/// Words as a list: commas, and an "and" before the last.
pub(super) fn listed(words: &[String]) -> String {
    match words {
        [most @ .., last] if !most.is_empty() => format!("{} and {last}", most.join(", ")),
        words => words.join(", "),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_sent_is_one_readable_phrase() {
        use OpKind::{Chat, Upload, Voice};
        for (planned, words) in [
            (vec![(Chat, Some(60))], "60 chat"),
            (
                vec![(Chat, Some(1_080)), (Upload, Some(90)), (Voice, Some(101))],
                "1080 chat, 90 upload and 101 voice",
            ),
            (
                vec![(Chat, None), (Upload, None), (Voice, None)],
                "chat, upload and voice until the time is up",
            ),
            (
                vec![(Chat, Some(20)), (Upload, None)],
                "20 chat; upload until the time is up",
            ),
        ] {
            assert_eq!(planned_words(&planned.into_iter().collect()), words);
        }
    }
}
