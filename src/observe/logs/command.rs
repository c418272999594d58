//! A command whose output is a log, such as `docker logs -f NAME`.
#![expect(
    clippy::disallowed_methods,
    reason = "starts the command and reads it in tasks of their own"
)]

use std::process::Stdio;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::process::{Child, Command};
use tokio::time::timeout;

use super::error::LogError;
use super::{Outlet, Reading};

/// How long a command may take to end when it is asked to.
const END_TIMEOUT: Duration = Duration::from_secs(2);

/// Starts the command with the shell and reads both of its outputs.
///
/// # Errors
/// It cannot be started.
pub(super) fn start(text: &str, outlet: Outlet) -> Result<(), LogError> {
    let mut command = Command::new("sh");
    command.arg("-c").arg(text);
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        // A Ctrl-C is for us; the log is still needed while the store is read.
        .process_group(0)
        .kill_on_drop(true);
    let child = command.spawn().map_err(|source| LogError::Start {
        command: program(text),
        source,
    })?;
    let text = program(text);
    tokio::spawn(async move { read(&text, child, outlet).await });
    Ok(())
}

/// What of a command may be shown and kept: the name of its program. Any other word of it, and
/// what it sets in the environment, may be a credential.
pub(super) fn program(text: &str) -> String {
    let is_of_name = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    let word = text.split_whitespace().next().unwrap_or_default();
    let name = word.rsplit('/').next().unwrap_or_default();
    if name.is_empty() || !name.chars().all(is_of_name) {
        "…".to_owned()
    } else if word.len() < text.len() {
        format!("{name} …")
    } else {
        name.to_owned()
    }
}

async fn read(text: &str, mut child: Child, outlet: Outlet) {
    let (out, err) = (child.stdout.take(), child.stderr.take());
    let pump_out = async {
        if let Some(out) = out {
            outlet.clone().pump(0, out).await;
        }
    };
    let pump_err = async {
        if let Some(err) = err {
            outlet.clone().pump(1, err).await;
        }
    };
    tokio::join!(pump_out, pump_err);
    let ended = timeout(Duration::from_millis(100), child.wait()).await;
    match ended {
        // Whoever is not listened to any more may say so by a bad end.
        Ok(_) if outlet.is_ending() => {}
        Ok(Ok(status)) if !status.success() => {
            let complaint = format!("the log command `{text}` ended with {status}");
            outlet.complain(complaint).await;
        }
        Ok(Ok(_)) if outlet.reading == Reading::Following => {
            let complaint = format!("the log command `{text}` ended before the run did");
            outlet.complain(complaint).await;
        }
        Ok(_) => {}
        Err(_) => end(&mut child).await,
    }
}

/// Ends the command and whatever it has started.
async fn end(child: &mut Child) {
    let pid = child.id().and_then(|id| i32::try_from(id).ok());
    if let Some(pid) = pid.and_then(Pid::from_raw) {
        // What has ended meanwhile needs no end.
        let _ = kill_process_group(pid, Signal::TERM);
    }
    if timeout(END_TIMEOUT, child.wait()).await.is_err() {
        let _ = child.kill().await;
    }
}
