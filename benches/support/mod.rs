//! What the benches share: CPU time and peak memory of this process, and measuring in a process of
//! its own.
#![expect(
    clippy::disallowed_methods,
    reason = "a bench starts processes, and reads the process file system"
)]

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Write as _;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use rustix::time::{ClockId, clock_gettime};

/// Names what a child is to do. Its arguments are left to the command that it may carry out.
pub(crate) const CHILD: &str = "CROSSWIRE_BENCH_CHILD";
/// What the line with a child's figures begins with, on stderr.
const FIGURES: &str = "bench figures:";

/// Figures by name.
pub(crate) type Figures = BTreeMap<String, f64>;

/// CPU time of this process so far: user and system, all threads.
pub(crate) fn cpu() -> Duration {
    let used = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(
        u64::try_from(used.tv_sec).unwrap_or_default(),
        u32::try_from(used.tv_nsec).unwrap_or_default(),
    )
}

/// A line of `/proc/self/status` in KiB: `VmHWM` is the peak of the resident memory, `VmRSS` what
/// is resident now. 0 where the system does not say.
pub(crate) fn memory_kib(line: &str) -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    status
        .lines()
        .find_map(|text| text.strip_prefix(line)?.strip_prefix(':'))
        .and_then(|text| text.split_ascii_whitespace().next()?.parse().ok())
        .unwrap_or_default()
}

/// What this child is to do; `None` in the bench itself.
pub(crate) fn task_of_child() -> Option<String> {
    std::env::var(CHILD).ok()
}

/// Tells the bench a child's figures, with the peak of its memory.
pub(crate) fn tell(figures: &[(&str, f64)]) -> Result<()> {
    let mut line = format!("{FIGURES} peak_kib={}", memory_kib("VmHWM"));
    for (name, figure) in figures {
        write!(line, " {name}={figure}")?;
    }
    writeln!(std::io::stderr(), "{line}").context("could not tell the figures")
}

/// Starts this program again with a task.
pub(crate) fn child(task: &str, args: &[&str]) -> Result<Child> {
    Command::new(std::env::current_exe().context("could not find this program")?)
        .env(CHILD, task)
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .context("could not start this program again")
}

/// The figures of a child that is started and waited for.
pub(crate) fn run_child(task: &str, args: &[&str]) -> Result<Figures> {
    figures_of(task, child(task, args)?)
}

/// Waits for a child's figures.
fn figures_of(task: &str, child: Child) -> Result<Figures> {
    let output = child.wait_with_output().context("could not wait")?;
    let errors = String::from_utf8_lossy(&output.stderr);
    let Some(line) = errors.lines().find_map(|line| line.strip_prefix(FIGURES)) else {
        bail!("{task} gave no figures: {errors}");
    };
    let pairs = line.split_ascii_whitespace().map(|pair| {
        let (name, figure) = pair.split_once('=').context("a figure without a name")?;
        Ok((name.to_owned(), figure.parse()?))
    });
    pairs.collect()
}

/// The median of each figure over some measurements.
pub(crate) fn medians(
    runs: usize,
    mut measure: impl FnMut() -> Result<Figures>,
) -> Result<Figures> {
    let mut all: BTreeMap<String, Vec<f64>> = BTreeMap::new();
    for _ in 0..runs {
        for (name, figure) in measure()? {
            all.entry(name).or_default().push(figure);
        }
    }
    Ok(all
        .into_iter()
        .map(|(name, figures)| (name, median(figures)))
        .collect())
}

/// The middle one, or the higher of the two.
fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures.get(figures.len() / 2).copied().unwrap_or_default()
}

/// Shows a line.
pub(crate) fn say(line: &str) -> Result<()> {
    writeln!(std::io::stdout(), "{line}").context("could not write to stdout")
}
