//! Reading the store back, for a run in progress and for an earlier one.
#![expect(
    clippy::disallowed_methods,
    reason = "keeps the key for strangers' names in the run's folder"
)]

use std::fs::OpenOptions;
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use tokio::sync::mpsc;

use crate::event::Event;
use crate::ledger::{Ledger, LedgerError, LedgerReader, Manifest};
use crate::model::{Micros, OpKind};
use crate::observe::{Baseline, BaselineCounts, ScanContext, SettlePlan, StoreClient};
use crate::plan::Plan;
use crate::scenario::Scenario;
use crate::stop::Stop;

use super::exit::Failure;
use super::{judge, settings};

/// Note of the ledger: the baseline has been taken.
const BASELINE_TAKEN: &str = "baseline_taken";
/// Note of the ledger: messages and facts that pooled users had before the run.
const BASELINE_RECORDS: &str = "baseline_records";
/// Note of the ledger: those among them that hold a canary of an older run.
const BASELINE_OLDER: &str = "baseline_of_older_runs";

/// Opens the ledger of an earlier run for writing. Nobody else writes it meanwhile.
///
/// # Errors
/// Another process is writing it: the run goes on, or is being judged (exit 3); or it cannot be
/// opened.
pub(super) fn claim(folder: &Path) -> Result<Ledger, Failure> {
    Ledger::open_for_append(folder).map_err(|error| {
        let is_in_use = matches!(error, LedgerError::InUse { .. });
        if !is_in_use {
            return error.into();
        }
        Failure::preflight(anyhow::Error::new(error).context(
            "could not judge a run that is still going on; wait for its end, or look at it with \
             `crosswire report`, which writes nothing",
        ))
    })
}

/// Writes down what the store held before the run, so that a later process can tell too.
///
/// # Errors
/// The ledger cannot be written.
pub(super) fn store_baseline(ledger: &Ledger, baseline: &Baseline) -> anyhow::Result<()> {
    ledger.store_baseline(&baseline.hashes())?;
    let BaselineCounts {
        records,
        of_older_runs,
    } = baseline.counts();
    ledger.note(BASELINE_RECORDS, records)?;
    ledger.note(BASELINE_OLDER, of_older_runs)?;
    ledger.note(BASELINE_TAKEN, true)?;
    Ok(())
}

/// What the store held before an earlier run.
///
/// # Errors
/// The ledger cannot be read, or the run ended before its baseline was taken.
pub(super) fn load_baseline(ledger: &LedgerReader) -> anyhow::Result<Baseline> {
    if ledger.note(BASELINE_TAKEN)?.is_none() {
        bail!("the run ended before it had looked at the store: nothing was sent");
    }
    // An older version noted none, and knew no records.
    let noted = |key| -> anyhow::Result<usize> {
        let count = ledger.note(key)?.and_then(|count| count.as_u64());
        Ok(usize::try_from(count.unwrap_or_default())?)
    };
    let counts = BaselineCounts {
        records: noted(BASELINE_RECORDS)?,
        of_older_runs: noted(BASELINE_OLDER)?,
    };
    Ok(Baseline::from_hashes(ledger.baseline()?, counts))
}

/// The key under which this run's readings hide the names of strangers. It is not in the ledger,
/// so that whoever is given that alone cannot try names out.
const STRANGERS_KEY_FILE: &str = "strangers.key";

/// Keeps the key for later processes, readable by nobody else.
///
/// # Errors
/// The file cannot be written, or is there already.
pub(super) fn store_strangers_key(folder: &Path, key: &[u8; 32]) -> anyhow::Result<()> {
    let path = folder.join(STRANGERS_KEY_FILE);
    let write = || {
        let mut options = OpenOptions::new();
        let options = options.write(true).create_new(true).mode(0o600);
        options.open(&path)?.write_all(key)
    };
    write().with_context(|| format!("could not write {}", path.display()))
}

/// The key of an earlier run. Where it is gone, a new one: equal strangers of both readings are
/// then not known as equal.
///
/// # Errors
/// The file cannot be read, or is no key.
pub(super) fn strangers_key(folder: &Path) -> anyhow::Result<[u8; 32]> {
    let path = folder.join(STRANGERS_KEY_FILE);
    let kept = match std::fs::read(&path) {
        Ok(kept) => kept,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return settings::random_key(),
        Err(error) => {
            return Err(error).with_context(|| format!("could not read {}", path.display()));
        }
    };
    kept.try_into().map_err(|_| {
        let path = path.display();
        anyhow::anyhow!("{path} is not the key that a run keeps; remove it to read with a new one")
    })
}

/// The plan of an earlier run; `None` if this version makes another one of its scenario and seed,
/// so that its texts are not those that were sent.
pub(super) fn same_plan(scenario: &Scenario, manifest: &Manifest) -> Option<Arc<Plan>> {
    let plan = Plan::new(scenario.clone(), manifest.seed);
    (plan.digest() == manifest.plan_digest).then(|| Arc::new(plan))
}

/// What this process knows of the drive and may not have been written down yet.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Fresh {
    /// The longest delay of the store that was measured.
    pub longest_lag: Duration,
    /// No operation ended later.
    pub drive_ended: Micros,
    /// The number of the last glance at the store while the load ran; 0 without any.
    pub last_glance: u32,
}

/// Reads the store until it has settled; the scans and sightings go to `events`.
///
/// # Errors
/// The ledger cannot be read.
pub(super) async fn settle(
    store: &StoreClient,
    context: &ScanContext,
    folder: &Path,
    fresh: Fresh,
    events: &mpsc::Sender<Event>,
    stop: &mut Stop,
) -> anyhow::Result<()> {
    let ledger = LedgerReader::open(folder)?;
    let mut last_completed = fresh.drive_ended;
    ledger.ops_in_time_order(&mut |row| {
        let end = row
            .completion
            .map_or(row.invocation.invoked, |completion| completion.completed);
        last_completed = last_completed.max(end);
    })?;
    ledger.server_sessions(&mut |name| context.strangers.answer_named(name))?;
    let plan = SettlePlan {
        first_scan: ledger.last_scan()?.max(fresh.last_glance).saturating_add(1),
        last_completed,
        lag_p999: lag_p999(&ledger, fresh.longest_lag)?,
    };
    let (tell, told) = std::sync::mpsc::channel();
    // What this store cannot show is not waited for.
    let mut shown = OpKind::ALL.to_vec();
    shown.retain(|kind| *kind != OpKind::Upload || store.can_list_facts());
    let missing = move || {
        ledger.missing_promises(&shown).unwrap_or_else(|error| {
            // The receiver outlives this closure.
            let _ = tell.send(error);
            0
        })
    };
    store.settle(context, plan, events, missing, stop).await;
    match told.try_recv() {
        Ok(error) => Err(error.into()),
        Err(_) => Ok(()),
    }
}

/// Asks a store that refuses sessions of users it does not know for some of the run's, and writes
/// down what it says. Where it cannot be asked, nothing is written down: it explains a finding and
/// proves none.
///
/// # Errors
/// The ledger cannot be written.
pub(super) async fn ask_for_users(
    store: &StoreClient,
    context: &ScanContext,
    ledger: &Ledger,
) -> anyhow::Result<()> {
    if store.refuses_unknown_users()
        && let Ok(asked) = store.ask_for_users(context.run, &context.scenario).await
    {
        ledger.note(judge::USERS_ASKED, asked)?;
    }
    Ok(())
}

/// What is written down, or what this process has measured if that is more.
fn lag_p999(ledger: &LedgerReader, longest_lag: Duration) -> anyhow::Result<Duration> {
    let written = judge::lag_p999(ledger.lags()?.iter().map(|sample| sample.lag));
    Ok(written.max(judge::lag_p999([longest_lag])))
}
