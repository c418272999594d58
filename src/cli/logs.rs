//! The target's logs: followed beside a run, or read after it.

use std::convert::Infallible;
use std::sync::Arc;

use anyhow::{Context as _, bail};
use tokio::sync::mpsc;

use crate::event::Event;
use crate::logs::Patterns;
use crate::observe::{LogContext, LogSource, LogTally, LogWatch, Reading, ScanContext, watch_logs};

use super::args::{ObserveArgs, RunArgs};
use super::exit::Failure;
use super::lab_child;
use super::run::{Prepared, scan_context};

/// How the embedded lab's own log is asked for.
const LAB: &str = "lab";

/// Begins to follow the logs of a run; `None` if none are named.
///
/// # Errors
/// A source cannot be read.
pub(super) async fn watch(
    args: &RunArgs,
    prepared: &Prepared,
    events: &mpsc::Sender<Event>,
) -> Result<Option<LogWatch>, Failure> {
    let context = scan_context(prepared);
    let has_lab = context.scenario.target.url.is_none();
    let mut sources = Vec::new();
    for text in &args.logs {
        sources.push(if text == LAB && has_lab {
            let log = args.lab_log.as_deref();
            LogSource::File(lab_child::log_path(&prepared.folder, log))
        } else {
            source(text)
        });
    }
    begin(&sources, Reading::Following, &context, events)
        .await
        .map_err(Failure::preflight)
}

/// Reads logs that were exported after a run; `None` if none are named.
///
/// # Errors
/// A source cannot be read.
pub(super) async fn read(
    args: &ObserveArgs,
    context: &ScanContext,
    events: &mpsc::Sender<Event>,
) -> anyhow::Result<Option<LogTally>> {
    let sources: Vec<LogSource> = args.logs.iter().map(|text| source(text)).collect();
    match begin(&sources, Reading::Whole, context, events).await? {
        Some(watch) => Ok(Some(watch.finish().await)),
        None => Ok(None),
    }
}

async fn begin(
    sources: &[LogSource],
    reading: Reading,
    context: &ScanContext,
    events: &mpsc::Sender<Event>,
) -> anyhow::Result<Option<LogWatch>> {
    if sources.is_empty() {
        return Ok(None);
    }
    if sources
        .iter()
        .filter(|one| **one == LogSource::Stdin)
        .count()
        > 1
    {
        bail!("could not read two logs from stdin: give `--logs -` once");
    }
    let patterns = Patterns::new(&context.scenario.logs)
        .context("could not use the lines of [logs] in the scenario")?;
    let context = LogContext {
        scan: context.clone(),
        patterns: Arc::new(patterns),
    };
    let watch = watch_logs(sources, reading, context, events.clone());
    Ok(Some(watch.await.context("could not read the logs")?))
}

fn source(text: &str) -> LogSource {
    match text.parse() {
        Ok(source) => source,
        Err(impossible) => {
            let never: Infallible = impossible;
            match never {}
        }
    }
}
