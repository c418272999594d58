//! `crosswire clean`: removes what a run has left in the store.

use std::time::Duration;

use anyhow::{Context as _, anyhow};

use crate::ledger::{self, LedgerReader, Manifest};
use crate::model::{OpKind, RecordType};
use crate::observe::{Baseline, Kept, Named, StoreClient, StoreError, Traces};
use crate::plan::Plan;
use crate::scenario::Scenario;

use super::args::{CleanArgs, Cli};
use super::exit::{Exit, Failure};
use super::{hosts, output, readback, store};

/// What the target's own late tasks may still write is waited for this long before the store is
/// read again.
const LATE_WRITES: Duration = Duration::from_secs(2);
/// How often the store is read after a deletion until nothing is left.
const LOOKS_MAX: u32 = 5;
/// Users whose sightings are read at a time.
const USERS_PER_BUCKET: u32 = 256;
/// Reasons that are shown; the others are counted.
const FAULTS_SHOWN_MAX: usize = 5;

/// A run, and how it is looked for in the store.
struct Cleaned {
    manifest: Manifest,
    plan: Plan,
    baseline: Baseline,
    named: Named,
    had_uploads: bool,
}

/// Carries the command out.
///
/// # Errors
/// There is no such run, it is still going on, or its store cannot be reached.
pub(super) async fn run(cli: &Cli, args: &CleanArgs) -> Result<Exit, Failure> {
    carry_out(cli, args, &mut output::print).await
}

/// Looks, removes and looks again; what there is to tell goes to `tell`.
///
/// # Errors
/// There is no such run, it is still going on, or its store cannot be reached.
pub(super) async fn carry_out(
    cli: &Cli,
    args: &CleanArgs,
    tell: &mut dyn FnMut(&str) -> anyhow::Result<()>,
) -> Result<Exit, Failure> {
    let folder = ledger::resolve(&cli.reports, &args.run).map_err(Failure::usage)?;
    let reader = LedgerReader::open(&folder)?;
    let manifest = reader.manifest()?;
    let scenario: Scenario = serde_json::from_str(&manifest.scenario_json)
        .context("could not read the scenario in the ledger")?;
    let run = manifest.run;
    if scenario.target.url.is_none() {
        tell(&format!(
            "run {run}: nothing to do, its embedded lab has ended and took all records along\n"
        ))?;
        return Ok(Exit::Pass);
    }
    let Some(memory) = args.memory.as_ref().or(manifest.memory.as_ref()) else {
        tell(&format!(
            "run {run} had no memory store, so what it left cannot be seen: name the store with \
             `--memory URL`\n"
        ))?;
        return Ok(Exit::Inconclusive);
    };
    let url = hosts::base_url("memory store", memory, &args.allow_hosts).map_err(hosts::failure)?;
    // Nobody may write more of the run while it is removed.
    let ledger = readback::claim(&folder)?;
    let cleaned = Cleaned {
        baseline: baseline(&reader, &manifest)?,
        named: Named {
            whole_users: args.whole_users,
            ..named(&reader, &scenario, &manifest)?
        },
        had_uploads: has_uploads(&reader)?,
        plan: Plan::new(scenario, manifest.seed),
        manifest,
    };
    let store = store::connect(&url, &cleaned.plan.scenario().memory)
        .await
        .with_context(|| format!("could not clean up after run {run}"))
        .map_err(Failure::preflight)?;
    let found = traces(&store, &cleaned).await;
    if !args.yes || !found.is_deletable(&store) {
        tell(&listing(&cleaned, &store, &found, "is there"))?;
        ledger.finish()?;
        return Ok(verdict(&cleaned, &store, &found));
    }
    tell(&listing(&cleaned, &store, &found, "is deleted"))?;
    let mut faults = store.delete_users(&found).await;
    let rest = traces(&store, &cleaned).await;
    faults.extend(store.delete_sessions(&rest).await);
    faults.extend(store.delete_facts(&rest).await);
    let left = what_is_left(&store, &cleaned).await.after_deletion(faults);
    tell(&listing(&cleaned, &store, &left, "is left"))?;
    ledger.finish()?;
    Ok(verdict(&cleaned, &store, &left))
}

/// Reads the store after a deletion, anew while something that it deletes is still there: some
/// stores say that they have deleted and do so later.
async fn what_is_left(store: &StoreClient, cleaned: &Cleaned) -> Traces {
    tokio::time::sleep(LATE_WRITES).await;
    let mut left = traces(store, cleaned).await;
    for _ in 1..LOOKS_MAX {
        if !left.is_deletable(store) {
            break;
        }
        tokio::time::sleep(LATE_WRITES).await;
        left = traces(store, cleaned).await;
    }
    left
}

async fn traces(store: &StoreClient, cleaned: &Cleaned) -> Traces {
    let Cleaned {
        manifest,
        plan,
        baseline,
        named,
        ..
    } = cleaned;
    store.traces(manifest.run, plan, baseline, named).await
}

/// What the store held before the run. A pool's users cannot be told apart without it, and fresh
/// ones bear the run's name.
fn baseline(reader: &LedgerReader, manifest: &Manifest) -> Result<Baseline, Failure> {
    readback::load_baseline(reader).map_err(|error| {
        let run = manifest.run;
        Failure::preflight(anyhow!("could not clean up after run {run}: {error:#}"))
    })
}

fn has_uploads(reader: &LedgerReader) -> anyhow::Result<bool> {
    let counts = reader.op_counts()?;
    Ok(counts.keys().any(|(kind, _)| *kind == OpKind::Upload))
}

/// What the ledger knows of records that do not bear the run's name.
fn named(reader: &LedgerReader, scenario: &Scenario, manifest: &Manifest) -> anyhow::Result<Named> {
    let run = manifest.run;
    let mut named = Named::default();
    reader.server_sessions(&mut |name| {
        named.answered.insert(name.to_owned());
    })?;
    let users = reader.users()?.max(scenario.users);
    let mut first = 0;
    while first < users {
        let end = first.saturating_add(USERS_PER_BUCKET).min(users);
        for sighting in reader.sightings_of_users(first..end)? {
            if sighting.canaries.is_empty() {
                continue;
            }
            let owner = sighting.owner.as_deref();
            let is_own = owner.is_some_and(|o| scenario.user_of_owner(run, o).is_some());
            match sighting.record_type {
                RecordType::Message => named.seen.extend(sighting.session),
                RecordType::Fact if !is_own => {
                    named.facts.insert(sighting.record_id);
                }
                RecordType::Fact | RecordType::Session | RecordType::Answer | RecordType::Log => {}
            }
        }
        first = end;
    }
    Ok(named)
}

/// 1 if something is there, 4 if nobody can know, else 0.
fn verdict(cleaned: &Cleaned, store: &StoreClient, traces: &Traces) -> Exit {
    if !traces.is_empty() {
        Exit::Fail
    } else if unprovable(cleaned, store).is_some() || !traces.faults.is_empty() {
        Exit::Inconclusive
    } else {
        Exit::Pass
    }
}

/// What cannot be seen in this dialect.
fn unprovable(cleaned: &Cleaned, store: &StoreClient) -> Option<String> {
    (cleaned.had_uploads && !store.can_list_facts()).then(|| {
        format!(
            "the store ({}) lists no facts, so what became of the uploads cannot be proved",
            store.dialect_name()
        )
    })
}

/// Everything by its id, then what cannot be deleted, then what to do.
fn listing(cleaned: &Cleaned, store: &StoreClient, traces: &Traces, what: &str) -> String {
    let run = cleaned.manifest.run;
    let mut lines = Vec::new();
    lines.push(if traces.is_empty() {
        format!("run {run}: nothing of it {what}")
    } else if traces.is_deletable(store) {
        let singly = if store.deletes_facts() && !traces.facts.is_empty() {
            format!(", and {} facts under others", traces.facts.len())
        } else {
            String::new()
        };
        format!(
            "run {run}: {} users with {} sessions and {} facts, and {} more sessions{singly}: this \
             {what}",
            traces.users.len(),
            traces.sessions_of_users.len(),
            traces.facts_of_users,
            traces.sessions.len()
        )
    } else {
        format!("run {run}: nothing {what} that this store can delete, and some that it cannot")
    });
    let sessions = traces.sessions_of_users.iter().chain(&traces.sessions);
    lines.extend(traces.users.iter().map(|id| format!("  user {id}")));
    lines.extend(sessions.map(|id| format!("  session {id}")));
    lines.extend(kept_lines(cleaned, store, traces));
    lines.extend(unprovable(cleaned, store).map(|why| format!("unknown: {why}")));
    lines.extend(fault_lines(&traces.faults));
    if what == "is there" && traces.is_deletable(store) {
        lines.push(format!("delete it: crosswire clean {run} --yes"));
    }
    lines.push(String::new());
    lines.join("\n")
}

/// What stays, by its id, and why.
fn kept_lines(cleaned: &Cleaned, store: &StoreClient, traces: &Traces) -> Vec<String> {
    let mut lines = Vec::new();
    let shared = traces.shared_sessions.iter();
    lines.extend(shared.map(|id| format!("kept: session {id}, which holds other texts, too")));
    let shared = traces.shared_facts.iter();
    lines.extend(shared.map(|id| format!("kept: fact {id}, which holds other text, too")));
    for (id, kept) in &traces.kept_users {
        lines.push(format!("kept: user {id}, {}", kept_because(*kept)));
    }
    let may_be_derived = traces.kept_users.values().any(|kept| !kept.is_unread);
    if may_be_derived && !cleaned.named.whole_users {
        lines.push(
            "if all that stands under these users comes from the run, as facts do that the store \
             makes of what it is told: add `--whole-users`"
                .to_owned(),
        );
    }
    if !traces.facts.is_empty() {
        let under = "facts under users that stay or are gone";
        lines.push(if store.deletes_facts() {
            format!("  {under}:")
        } else {
            format!("kept: {under}, which this store cannot delete")
        });
        lines.extend(traces.facts.iter().map(|id| format!("  fact {id}")));
    }
    lines
}

fn kept_because(kept: Kept) -> String {
    let Kept {
        sessions,
        facts,
        is_unread,
    } = kept;
    if is_unread {
        "of whom not all could be read".to_owned()
    } else {
        format!("with {sessions} sessions and {facts} facts that are not known to be the run's")
    }
}

fn fault_lines(faults: &[StoreError]) -> Vec<String> {
    let shown = faults.iter().take(FAULTS_SHOWN_MAX);
    let mut lines: Vec<String> = shown.map(|fault| format!("failed to {fault}")).collect();
    let more = faults.len().saturating_sub(FAULTS_SHOWN_MAX);
    if more > 0 {
        lines.push(format!("and {more} more such failures"));
    }
    lines
}
