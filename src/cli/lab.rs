//! `crosswire lab`: the practice target as a server.
#![expect(
    clippy::disallowed_methods,
    reason = "waits for stdin in a task of its own"
)]

use anyhow::Context;
use tokio::io::AsyncReadExt;

use crate::lab::{self, FaultSpec, LabConfig, LogTarget};
use crate::stop::StopLevel;

use super::args::{LabArgs, RunArgs};
use super::exit::{Exit, Failure};
use super::lab_child::LabAddress;
use super::{output, signals};

/// Serves until it is told to stop.
///
/// # Errors
/// A fault is unknown, a port is taken, or a file cannot be written.
pub(super) async fn run(args: &LabArgs) -> Result<Exit, Failure> {
    let faults = parse_faults(&args.faults).map_err(Failure::usage)?;
    let quirks = args.quirks.iter().map(|name| name.parse());
    let quirks = quirks.collect::<Result<_, _>>().map_err(Failure::usage)?;
    let profile = args.profile.as_deref().map(str::parse).transpose();
    let format = args.log_format.as_deref().map(str::parse).transpose();
    let config = LabConfig {
        port: args.port,
        faults,
        quirks,
        profile: profile.map_err(Failure::usage)?.unwrap_or_default(),
        truth: args.truth.clone(),
        answer_status: args.answer,
        jwks: args.jwks.clone(),
        log: match args.log.clone() {
            None => LogTarget::Stderr,
            Some(path) if path.as_os_str() == "-" => LogTarget::Stdout,
            Some(path) => LogTarget::Path(path),
        },
        log_format: format.map_err(Failure::usage)?.unwrap_or_default(),
    };
    let lab = lab::start(config).await.map_err(Failure::preflight)?;
    let address = LabAddress {
        target: lab.target_url.clone(),
        memory: lab.memory_url.clone(),
    };
    output::print(&format!("{}\n", serde_json::to_string(&address)?))?;

    let (stopper, stop) = crate::stop::stop_pair();
    let mut signalled = signals::listen()
        .context("could not listen to signals")?
        .drive;
    let until_stdin_closes = args.until_stdin_closes;
    tokio::spawn(async move {
        tokio::select! {
            () = signalled.reached(StopLevel::Drain) => {}
            () = stdin_closed(), if until_stdin_closes => {}
        }
        stopper.ask(StopLevel::Drain);
    });
    lab.stopped(stop).await?;
    Ok(Exit::Pass)
}

/// Reads all `--lab-fault` values.
///
/// # Errors
/// One of them is unknown or malformed; the error lists what is known.
pub(super) fn parse_faults(values: &[String]) -> anyhow::Result<Vec<FaultSpec>> {
    values
        .iter()
        .map(|value| {
            value
                .parse()
                .with_context(|| format!("could not use `--lab-fault {value}`"))
        })
        .collect()
}

/// What the embedded lab of a run is started with.
pub(super) fn arguments(args: &RunArgs) -> Vec<String> {
    let faults = args.lab_faults.iter().map(|fault| ("--lab-fault", fault));
    let quirks = args.lab_quirks.iter().map(|quirk| ("--lab-quirk", quirk));
    let profile = args
        .lab_profile
        .iter()
        .map(|profile| ("--profile", profile));
    let format = args
        .lab_log_format
        .iter()
        .map(|format| ("--log-format", format));
    let all = faults.chain(quirks).chain(profile).chain(format);
    all.flat_map(|(flag, value)| [flag.to_owned(), value.clone()])
        .collect()
}

async fn stdin_closed() {
    let mut stdin = tokio::io::stdin();
    let mut buffer = [0_u8; 64];
    while matches!(stdin.read(&mut buffer).await, Ok(length) if length > 0) {}
}
