//! `crosswire observe`: reads the store of an earlier run back again, and judges.

use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use anyhow::{Context, anyhow, bail};
use url::Url;

use crate::clock::RunClock;
use crate::drive::Collector;
use crate::ledger::{self, LedgerReader, Manifest};
use crate::live::{self, Phase};
use crate::observe::{ScanContext, Strangers};
use crate::scenario::Scenario;

use super::args::{Cli, ObserveArgs};
use super::exit::{Exit, Failure};
use super::readback::Fresh;
use super::{hosts, judge, logs, output, readback, signals, store};

/// Carries the command out.
///
/// # Errors
/// There is no such run, its store cannot be reached, or its ledger cannot be written.
pub(super) async fn run(cli: &Cli, args: &ObserveArgs) -> Result<Exit, Failure> {
    let outputs = output::parse_outputs(&args.outputs).map_err(Failure::usage)?;
    let folder = ledger::resolve(&cli.reports, &args.run).map_err(Failure::usage)?;
    let reader = LedgerReader::open(&folder)?;
    let manifest = reader.manifest()?;
    let ledger = readback::claim(&folder)?;
    let scenario: Scenario = serde_json::from_str(&manifest.scenario_json)
        .context("could not read the scenario in the ledger")?;
    if args.memory.is_none() && scenario.target.url.is_none() {
        return Err(Failure::preflight(lab_is_gone(&manifest)));
    }
    let url = store_url(args, &manifest).map_err(hosts::failure)?;
    let context = ScanContext {
        run: manifest.run,
        baseline: readback::load_baseline(&reader).map_err(Failure::preflight)?,
        clock: RunClock::resume(UNIX_EPOCH + since_1970(&manifest)),
        strangers: Strangers::new(readback::strangers_key(&folder)?),
        users: scenario.users,
        plan: readback::same_plan(&scenario, &manifest),
        scenario: Arc::new(scenario),
    };
    let store = store::connect(&url, &context.scenario.memory)
        .await
        .with_context(|| format!("could not read the store of run {} back", manifest.run))
        .map_err(Failure::preflight)?;

    let signals = signals::listen().context("could not listen to signals")?;
    signals.driving_is_over();
    ledger.note(judge::FACTS_LISTED, store.can_list_facts())?;
    let (live, _) = if cli.quiet {
        live::quiet()
    } else {
        live::automatic(&manifest.planned)
    };
    let (events, queue) = Collector::queue();
    let collector = Collector::start(queue, vec![ledger.sink(), live.reading()]);
    live.phase(Phase::ReadingBack);
    let mut stop = signals.observe.clone();
    let settled = readback::settle(
        &store,
        &context,
        &folder,
        Fresh::default(),
        &events,
        &mut stop,
    )
    .await;
    readback::ask_for_users(&store, &context, &ledger).await?;
    if let Some(tally) = logs::read(args, &context, &events).await? {
        ledger.note(judge::LOGS, tally)?;
    }
    drop(events);
    let unrecorded = collector.finish().sink_errors;
    live.close();
    for error in unrecorded {
        output::say_error(&anyhow::anyhow!(
            "part of the reading was not recorded: {error}"
        ));
    }
    ledger.finish()?;
    settled?;
    if let Some(exit) = signals.left() {
        return Ok(exit);
    }
    judge::judge_and_show(cli, &folder, &outputs)
}

/// Whatever listens at that address now is another store, in which all of the run is missing.
fn lab_is_gone(manifest: &Manifest) -> anyhow::Error {
    let run = manifest.run;
    anyhow!(
        "could not read the store of run {run} back: it was the embedded lab's, which has ended; \
         judge what is in the ledger: crosswire reconcile {run}"
    )
}

fn store_url(args: &ObserveArgs, manifest: &Manifest) -> anyhow::Result<Url> {
    let Some(text) = args.memory.as_ref().or(manifest.memory.as_ref()) else {
        bail!(
            "run {} had no memory store: name one with `--memory URL`",
            manifest.run
        );
    };
    hosts::base_url("memory store", text, &args.allow_hosts)
}

fn since_1970(manifest: &Manifest) -> Duration {
    Duration::from_micros(u64::try_from(manifest.created_unix_us).unwrap_or_default())
}
