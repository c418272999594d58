//! One run of a self-test: a child process, as a user would start it, and its score.
#![expect(
    clippy::disallowed_methods,
    reason = "starts the run's process and reads what it left"
)]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, bail};
use tokio::process::Command;

use crate::cli::exit::Exit;
use crate::cli::lab_child::TRUTH_FILE;
use crate::ledger::LedgerReader;
use crate::model::{
    BleedKind, Code, Finding, InconclusiveReason, Outcome, Pattern, SessionIx, Trait,
};
use crate::report::{self, Report};
use crate::score::{self, Score, TruthLine};

use super::matrix::Row;

/// How long one run may take.
const TRIAL_LIMIT: Duration = Duration::from_mins(5);
/// Settings from the environment that must not reach a run of the self-test.
const OWN_SETTINGS: [&str; 4] = ["TARGET", "MEMORY", "AUTH", "SEED"];

/// Where runs leave their folders, and the scenarios they are made from.
#[derive(Debug, Clone)]
pub(super) struct Bench {
    /// A folder of the self-test's own.
    pub folder: PathBuf,
}

/// What one run has shown.
#[derive(Debug)]
pub(super) struct Trial {
    /// The run's folder.
    pub folder: PathBuf,
    pub report: Report,
    pub exit: Option<u8>,
    /// Wrong records, as the lab tells.
    pub affected: u64,
    pub score: Score,
    pub roots_found: u64,
    pub roots_injected: Option<u64>,
    pub pattern: Option<Pattern>,
    /// Was a hint at a race given?
    pub hints_at_race: bool,
    /// Findings whose kind is the right one, and those whose kind is another one.
    pub kinds: [u64; 2],
    /// Findings that are called neither of what the row allows.
    pub other_codes: Vec<Code>,
}

impl Bench {
    /// The scenario's file, written once a row.
    ///
    /// # Errors
    /// It cannot be written.
    pub(super) fn scenario(&self, row: &Row) -> anyhow::Result<PathBuf> {
        let path = self.folder.join(format!("{}.toml", row.scenario.name));
        // Rows of one workload write the same text; a file that is there is whole.
        if !path.exists() {
            let draft = self.folder.join(format!("{}.draft", slug(row.name)));
            std::fs::write(&draft, row.scenario.text)
                .and_then(|()| std::fs::rename(&draft, &path))
                .with_context(|| format!("could not write the scenario {}", path.display()))?;
        }
        Ok(path)
    }

    /// Where the runs of a row leave their folders.
    fn reports(&self, row: &Row) -> PathBuf {
        self.folder.join(slug(row.name))
    }
}

/// A name that can stand in a path.
fn slug(name: &str) -> String {
    let letter = |c: char| if c.is_ascii_alphanumeric() { c } else { '-' };
    name.chars().map(letter).collect()
}

/// Runs a row once.
///
/// # Errors
/// The run could not be started, did not end, ended without a report, or left no truth or ledger.
pub(super) async fn run(bench: &Bench, row: &Row, seed: u64) -> anyhow::Result<Trial> {
    let own_binary = std::env::current_exe().context("could not find the own binary")?;
    let mut command = Command::new(own_binary);
    command
        .arg("--quiet")
        .arg("--reports")
        .arg(bench.reports(row));
    command.arg("run").arg(bench.scenario(row)?);
    command.arg("--seed").arg(seed.to_string());
    for (flag, planted) in row.planted() {
        command.arg(flag).arg(planted);
    }
    if row.reads_log {
        command.args(["--logs", "lab"]);
    }
    command.arg("--report").arg("json=-");
    for name in OWN_SETTINGS {
        command.env_remove(format!("CROSSWIRE_{name}"));
    }
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    let output = tokio::time::timeout(TRIAL_LIMIT, command.output());
    let Ok(output) = output.await else {
        bail!("the run did not end within {TRIAL_LIMIT:?}");
    };
    let output = output.context("could not start the run")?;
    let told = String::from_utf8_lossy(&output.stdout);
    let Ok(report) = report::read(&told) else {
        let said = String::from_utf8_lossy(&output.stderr);
        bail!(
            "the run gave no report ({}): {}",
            output.status,
            said.trim()
        );
    };
    let exit = output
        .status
        .code()
        .and_then(|code| u8::try_from(code).ok());
    scored(row, report, exit)
}

fn scored(row: &Row, report: Report, exit: Option<u8>) -> anyhow::Result<Trial> {
    let folder = PathBuf::from(&report.run_folder);
    let ledger = LedgerReader::open(&folder)?;
    let mut truth = truth(&folder)?;
    let unread = unread(&ledger)?;
    score::drop_unread(&mut truth, |asked| {
        !unread.contains(&(asked.session, asked.item))
    });
    let mut findings = ledger.findings()?;
    // A busy machine is late by itself: that counts only where it was planted.
    let planted = row.codes.contains(&Code::Late);
    findings.retain(|finding| planted || finding.code != Code::Late);
    let claims = || findings.iter().filter(|finding| score::is_claim(finding));
    let mut other_codes: Vec<Code> = claims().map(|finding| finding.code).collect();
    other_codes.retain(|code| !row.codes.contains(code));
    other_codes.sort_unstable();
    other_codes.dedup();
    let kinds = kinds(row, claims());
    let run = report.run_id;
    Ok(Trial {
        kinds,
        affected: score::affected(&truth, run),
        score: score::score(&findings, &truth, run),
        roots_found: u64::try_from(claims().count()).unwrap_or(u64::MAX),
        roots_injected: score::roots_injected(&truth, run, row.roots),
        pattern: score::pattern_named(&findings),
        hints_at_race: findings
            .iter()
            .filter_map(Finding::pattern)
            .any(Pattern::is_race),
        other_codes,
        folder,
        exit,
        report,
    })
}

/// How many findings are of the kind that they should be, and of another one. One whose kind nothing
/// tells is neither.
fn kinds<'a>(row: &Row, claims: impl Iterator<Item = &'a Finding>) -> [u64; 2] {
    let mut kinds = [0; 2];
    for kind in claims.filter_map(|finding| finding.kind) {
        if kind != BleedKind::Untold {
            kinds[usize::from(Some(kind) != row.kind)] += 1;
        }
    }
    kinds
}

/// The turns whose answer the tester did not read to its end, by session and canary item.
fn unread(ledger: &LedgerReader) -> anyhow::Result<BTreeSet<(SessionIx, u16)>> {
    let mut unread = BTreeSet::new();
    ledger.ops_in_time_order(&mut |op| {
        let sent = &op.invocation;
        if op.outcome() == Outcome::Unknown {
            let items = sent.item_first..sent.item_first.saturating_add(sent.item_count);
            unread.extend(items.map(|item| (sent.op.session, item)));
        }
    })?;
    Ok(unread)
}

fn truth(folder: &Path) -> anyhow::Result<Vec<TruthLine>> {
    let path = folder.join(TRUTH_FILE);
    let text = std::fs::read_to_string(&path)
        .with_context(|| format!("could not read the lab's truth {}", path.display()))?;
    score::parse_truth(&text)
        .with_context(|| format!("could not read the lab's truth {}", path.display()))
}

impl Trial {
    /// Did nothing else keep the run from what it should show, but the machine?
    pub(super) fn machine_was_busy(&self) -> bool {
        self.report
            .inconclusive_reasons
            .contains(&InconclusiveReason::GeneratorSaturated)
    }

    /// Should it be tried again? Nothing can be learnt from a run that ended without a verdict
    /// where it should have one, or for the machine's sake; but what it got wrong counts.
    pub(super) fn is_to_repeat(&self, row: &Row) -> bool {
        let erred = !self.score.extra.is_empty()
            || !self.score.miscoded.is_empty()
            || self.kinds[1] > 0
            || !self.other_codes.is_empty();
        let undecided = self.exit == Some(Exit::Inconclusive.code());
        let for_nothing = row.exit != Exit::Inconclusive.code() || self.machine_was_busy();
        undecided && for_nothing && !erred
    }

    /// Was everything of this run as it should be?
    pub(super) fn is_right(&self, row: &Row) -> bool {
        let roots = self
            .roots_injected
            .is_none_or(|roots| roots == self.roots_found);
        let named = self.score.is_full() && self.other_codes.is_empty() && self.kinds[1] == 0;
        let hinted = match row.pattern {
            Some(_) => self.pattern == row.pattern,
            None => !self.hints_at_race,
        };
        named && roots && hinted && self.exit == Some(row.exit)
    }

    /// Does the report tell the trait as one that no operation had?
    pub(super) fn says_untried(&self, lacking: Trait) -> bool {
        let mut untried = self.report.not_tried.iter();
        untried.any(|untried| untried.name == lacking)
    }

    /// Records that nothing was wrong with.
    pub(super) fn clean(&self) -> u64 {
        let records = &self.report.records;
        (records.sessions + records.messages + records.facts).saturating_sub(self.affected)
    }
}
