//! `crosswire selftest`: how well the detector detects, on this machine.
//!
//! Every fault of the lab is planted in runs of its own, and what is found is compared, record by
//! record, with what the lab says went wrong. `matrix.rs` is the table of what is tried,
//! `trial.rs` makes one run, `tally.rs` adds a row's runs up and decides.
#![expect(
    clippy::disallowed_methods,
    reason = "makes and removes the folder of its runs, and takes the time"
)]

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::report::render::selftest as table;
use crate::report::selftest::{SELFTEST_SCHEMA, SelfTest, SelfTestRow};

use super::args::{Cli, SelftestArgs};
use super::exit::{Exit, Failure};
use super::output::{self, Output, Place};
use super::{settings, signals};
use matrix::{MATRIX, ODD, Row, UNSEEN};
use tally::Wanted;
use trial::{Bench, Trial};

mod matrix;
mod tally;
mod trial;

/// What the quick self-test wants.
const QUICK: Wanted = Wanted {
    affected: 300,
    clean: 50_000,
    runs_min: 3,
    runs_hinted: 3,
    runs_odd: 1,
    runs_max: 8,
};
/// What the full self-test wants.
const FULL: Wanted = Wanted {
    affected: 3_000,
    clean: 1_000_000,
    runs_min: 3,
    runs_hinted: 20,
    runs_odd: 10,
    runs_max: 60,
};
/// After this no further run of the quick self-test is started.
const QUICK_LIMIT: Duration = Duration::from_mins(10);
/// After this no further run of the full self-test is started.
const FULL_LIMIT: Duration = Duration::from_hours(1);
/// Runs of a row that are made again because they ended without a verdict.
const REPEATED_MAX: u32 = 4;
/// Runs at once, whatever the machine.
const JOBS_MAX: u32 = 16;

/// What a campaign is.
#[derive(Debug, Clone)]
struct Campaign {
    bench: Bench,
    wanted: Wanted,
    /// When no further run is started.
    end: Instant,
    quiet: bool,
}

/// Carries the command out.
///
/// # Errors
/// A flag is not valid, or the runs' folder cannot be made.
pub(super) async fn run(cli: &Cli, args: &SelftestArgs) -> Result<Exit, Failure> {
    let outputs = output::parse_outputs(&args.outputs).map_err(Failure::usage)?;
    let rows = chosen(args).map_err(Failure::usage)?;
    let signals = signals::listen().context("could not listen to signals")?;
    let cpus = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let cpus = u32::try_from(cpus).unwrap_or(u32::MAX);
    let jobs = args.jobs.unwrap_or(cpus).clamp(1, JOBS_MAX);
    let (wanted, limit, mode) = if args.full {
        (FULL, FULL_LIMIT, "full")
    } else {
        (QUICK, QUICK_LIMIT, "quick")
    };
    let folder = make_folder()?;
    let started = Instant::now();
    let campaign = Campaign {
        bench: Bench {
            folder: folder.clone(),
        },
        wanted,
        end: started + limit,
        quiet: cli.quiet,
    };
    let rows = tokio::select! {
        biased;
        exit = signals.heard() => {
            let _ = std::fs::remove_dir_all(&folder);
            return Ok(exit);
        }
        rows = carry_out(&campaign, rows, jobs) => rows?,
    };
    let verdict = SelfTest::verdict_of(&rows);
    let test = SelfTest {
        schema_version: SELFTEST_SCHEMA.to_owned(),
        tool_version: env!("CARGO_PKG_VERSION").to_owned(),
        mode: mode.to_owned(),
        jobs,
        cpus,
        wall_seconds: started.elapsed().as_secs_f64(),
        verdict,
        exit_code: verdict.exit_code(),
        rows,
    };
    show(cli, &test, &outputs)?;
    tidy(cli, &folder);
    Ok(match verdict.exit_code() {
        0 => Exit::Pass,
        1 => Exit::Fail,
        _ => Exit::Inconclusive,
    })
}

/// The rows that were asked for by name; where none was the matrix and the quirks, and with `--full`
/// what cannot be seen, too.
fn chosen(args: &SelftestArgs) -> anyhow::Result<Vec<Row>> {
    let names = &args.faults;
    let all = || MATRIX.iter().chain(ODD).chain(UNSEEN);
    for name in names {
        if !all().any(|row| row.name == name) {
            let all: Vec<&str> = all().map(|row| row.name).collect();
            bail!(
                "there is no `--fault {name}` to try: one of {}",
                all.join("; ")
            );
        }
    }
    let wanted = |row: &&Row| {
        let chosen = names.iter().any(|name| name == row.name);
        chosen || names.is_empty() && (args.full || row.blind.is_none())
    };
    Ok(all().filter(wanted).copied().collect())
}

fn make_folder() -> anyhow::Result<PathBuf> {
    let number = settings::random_u32()?;
    let folder = std::env::temp_dir().join(format!("crosswire-selftest-{number:08x}"));
    std::fs::create_dir_all(&folder)
        .with_context(|| format!("could not make the folder {}", folder.display()))?;
    Ok(folder)
}

/// All rows, so many at once; each row's runs one after another.
async fn carry_out(
    campaign: &Campaign,
    rows: Vec<Row>,
    jobs: u32,
) -> anyhow::Result<Vec<SelfTestRow>> {
    let places = Arc::new(Semaphore::new(usize::try_from(jobs).unwrap_or(1)));
    let mut running = JoinSet::new();
    for (number, row) in rows.iter().copied().enumerate() {
        let (campaign, places) = (campaign.clone(), Arc::clone(&places));
        running.spawn(async move {
            let _place = places.acquire_owned().await;
            (number, carry_out_row(&campaign, &row).await)
        });
    }
    let mut done: Vec<Option<SelfTestRow>> = rows.iter().map(|_| None).collect();
    while let Some(ended) = running.join_next().await {
        let (number, row) = ended.context("a row of the self-test broke")?;
        if let Some(place) = done.get_mut(number) {
            *place = Some(row);
        }
    }
    Ok(done.into_iter().flatten().collect())
}

async fn carry_out_row(campaign: &Campaign, row: &Row) -> SelfTestRow {
    let mut sum = tally::begin(row, campaign.wanted);
    let mut only_busy = true;
    let mut seed = 1;
    while tally::wants_more(row, &sum, campaign.wanted) && Instant::now() < campaign.end {
        match trial::run(&campaign.bench, row, seed).await {
            Ok(trial) if sum.repeated < REPEATED_MAX && trial.is_to_repeat(row) => {
                sum.repeated += 1;
                // What cannot be removed is removed with the whole folder at the end.
                let _ = std::fs::remove_dir_all(&trial.folder);
            }
            Ok(trial) => {
                only_busy &= trial.exit == Some(row.exit) || trial.machine_was_busy();
                tally::add(row, &mut sum, &trial);
                put_away(row, &trial);
            }
            Err(error) => {
                only_busy = false;
                sum.runs += 1;
                sum.reasons.push(format!("{error:#}"));
            }
        }
        seed += 1;
    }
    tally::conclude(&mut sum, only_busy);
    if !campaign.quiet {
        output::progress(&format!(
            "{:<18} {:>3} runs {:>9} wrong {:>9} found  {}",
            sum.name,
            sum.runs,
            sum.affected,
            sum.found,
            sum.verdict.name()
        ));
    }
    sum
}

/// A run in which everything was as it should be is not needed any more.
fn put_away(row: &Row, trial: &Trial) {
    if trial.is_right(row) {
        // What cannot be removed is removed with the whole folder at the end.
        let _ = std::fs::remove_dir_all(&trial.folder);
    }
}

fn show(cli: &Cli, tested: &SelfTest, outputs: &[Output]) -> anyhow::Result<()> {
    let screen = table::render(tested);
    if outputs.iter().any(|output| output.place == Place::Stdout) {
        output::say(cli, screen.trim_end());
    } else {
        output::print(&screen)?;
    }
    for output in outputs {
        let text = match output.format.name {
            "json" => format!("{}\n", serde_json::to_string_pretty(tested)?),
            _ => screen.clone(),
        };
        output.place.write(&text)?;
    }
    Ok(())
}

/// Nothing is left of a self-test but the runs in which the detector erred.
fn tidy(cli: &Cli, folder: &PathBuf) {
    let is_run = |entry: std::fs::DirEntry| entry.path().is_dir();
    let mut left = Vec::new();
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        // A row's folder that is empty can be removed, and one that is not cannot.
        if is_run(entry) && std::fs::remove_dir(&path).is_err() {
            left.push(path);
        }
    }
    if left.is_empty() {
        let _ = std::fs::remove_dir_all(folder);
    } else {
        output::say(
            cli,
            &format!(
                "the runs that were not right are kept in {}",
                folder.display()
            ),
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_chosen_by_name() {
        let mut args = SelftestArgs {
            quick: false,
            full: false,
            faults: Vec::new(),
            jobs: None,
            outputs: Vec::new(),
        };
        assert_eq!(chosen(&args).unwrap().len(), MATRIX.len() + ODD.len());
        args.full = true;
        let all = MATRIX.len() + ODD.len() + UNSEEN.len();
        assert_eq!(chosen(&args).unwrap().len(), all);
        args.faults = vec!["late-binding".to_owned()];
        let one = chosen(&args).unwrap();
        assert_eq!(one.len(), 1);
        args.faults = vec!["late".to_owned()];
        let error = chosen(&args).unwrap_err().to_string();
        assert!(error.contains("clean; late-binding"), "{error}");
    }
}
