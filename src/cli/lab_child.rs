//! The embedded lab: this same binary as a child process, ended by closing its stdin.
//!
//! The rest of Crosswire knows the lab through HTTP only, so that a fault of the one cannot hide a
//! fault of the other.
#![expect(
    clippy::disallowed_methods,
    reason = "starts the lab's process and writes its files"
)]

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, bail};
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

/// How long the lab may take to say where it listens.
const START_TIMEOUT: Duration = Duration::from_secs(10);
/// How long it may take to write its last lines and end.
const END_TIMEOUT: Duration = Duration::from_secs(10);

/// The lab's truth in the run's folder.
pub(super) const TRUTH_FILE: &str = "lab-truth.jsonl";
/// The lab's log in the run's folder.
const LOG_FILE: &str = "lab.log";
/// The public keys of minted tokens in the run's folder.
const KEYS_FILE: &str = "lab-jwks.json";

/// The one line that a lab writes to stdout.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct LabAddress {
    /// The backend's base URL.
    pub target: String,
    /// The store's base URL.
    pub memory: String,
}

/// A running lab.
#[derive(Debug)]
pub(super) struct LabChild {
    child: Child,
    /// Where it listens.
    pub address: LabAddress,
}

/// Starts a lab on free ports with these arguments. Its truth goes into `folder`, and so does its
/// log, if no other file is named for it.
///
/// # Errors
/// The process could not be started or did not say where it listens.
pub(super) async fn start(
    arguments: &[String],
    folder: &Path,
    log: Option<&Path>,
) -> anyhow::Result<LabChild> {
    let own_binary = std::env::current_exe().context("could not find the own binary")?;
    let mut command = Command::new(own_binary);
    command.arg("lab").arg("--until-stdin-closes");
    command.arg("--truth").arg(folder.join(TRUTH_FILE));
    command.arg("--log").arg(log_path(folder, log));
    command.args(arguments);
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit());
    // The lab must not hear the terminal's Ctrl-C: the run still needs it to read back.
    command.process_group(0).kill_on_drop(true);
    let mut child = command
        .spawn()
        .context("could not start the embedded lab")?;
    let stdout = child
        .stdout
        .take()
        .context("could not read the embedded lab's stdout")?;
    let mut line = String::new();
    let mut reader = BufReader::new(stdout);
    match tokio::time::timeout(START_TIMEOUT, reader.read_line(&mut line)).await {
        Ok(Ok(length)) if length > 0 => {}
        Ok(Ok(_)) => {
            bail!("could not start the embedded lab: it ended before it said where it listens")
        }
        Ok(Err(error)) => return Err(error).context("could not read the embedded lab's address"),
        Err(_) => bail!("could not start the embedded lab: no address within {START_TIMEOUT:?}"),
    }
    let address = serde_json::from_str(&line)
        .with_context(|| format!("could not understand the embedded lab's address {line:?}"))?;
    Ok(LabChild { child, address })
}

/// The arguments by which a lab learns the public keys of minted tokens, which are put into the
/// folder; none where there are no keys.
///
/// # Errors
/// They cannot be written.
pub(super) fn keys(folder: &Path, jwks: Option<String>) -> anyhow::Result<Vec<String>> {
    let Some(jwks) = jwks else {
        return Ok(Vec::new());
    };
    let path = folder.join(KEYS_FILE);
    std::fs::write(&path, jwks).context("could not write the public keys for the lab")?;
    Ok(vec!["--jwks".to_owned(), path.display().to_string()])
}

/// Where a lab's log is: in the run's folder, if no other place was named.
pub(super) fn log_path(folder: &Path, log: Option<&Path>) -> PathBuf {
    log.map_or_else(|| folder.join(LOG_FILE), Path::to_path_buf)
}

/// Removes what a lab wrote into the folder of a run that never began, and then the folder.
/// Whatever else is in it stays, and the folder with it.
pub(super) fn discard(folder: &Path) {
    for name in [TRUTH_FILE, LOG_FILE, KEYS_FILE] {
        // What cannot be removed harms nobody.
        let _ = std::fs::remove_file(folder.join(name));
    }
    let _ = std::fs::remove_dir(folder);
}

impl LabChild {
    /// Ends the lab and waits until it has written its truth and its log.
    ///
    /// # Errors
    /// It ended with an error, or had to be killed.
    pub(super) async fn end(mut self) -> anyhow::Result<()> {
        drop(self.child.stdin.take());
        let Ok(status) = tokio::time::timeout(END_TIMEOUT, self.child.wait()).await else {
            self.child
                .kill()
                .await
                .context("could not end the embedded lab")?;
            bail!("the embedded lab did not end within {END_TIMEOUT:?} and was killed");
        };
        let status = status.context("could not wait for the embedded lab")?;
        if !status.success() {
            bail!("the embedded lab ended with {status}");
        }
        Ok(())
    }
}
