//! `crosswire check`: one user, one real operation of each kind, and what became of it.
//!
//! It is a small run with a scenario of its own: driven, read back and judged as any other, so
//! that what it says is what a run would say. What it cannot see is a race, which takes two: with
//! a fault planted in the embedded lab it adds traffic of other users, and says so.

mod credential;
mod curl;
mod scenario;
mod words;

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use serde::Serialize;

use crate::auth::Secret;
use crate::drive::{self, Collector, VoiceDoor};
use crate::ledger::{self, LedgerReader};
use crate::model::{Code, LogLine, OpKind, OpRow, Outcome, Proof, RunId, UserIx};
use crate::report::{FindingDetail, Left, Report};

use super::args::{CheckArgs, Cli, RunArgs};
use super::exit::{Exit, Failure};
use super::output::Place;
use super::readback::Fresh;
use super::run::{self, Prepared};
use super::signals::{self, Signals};
use super::{hosts, judge, logs, output, settings};

/// How long the voice socket may take to refuse a wrong credential.
const DOOR_LIMIT: Duration = Duration::from_secs(5);
/// Bytes of a user's id: the longest that a store keeps in a column of 255.
const USER_ID_BYTES_MAX: usize = 255;
/// The user that is checked, among those that the check uses.
const CHECKED: UserIx = UserIx(0);
/// A credential that nobody has.
const WRONG_TOKEN: &str = "not-a-token";

/// How one test went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
enum Grade {
    /// The user was preserved.
    Passed,
    /// It was not.
    Failed,
    /// Neither could be shown.
    Inconclusive,
}

/// Which advice fits what went wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
enum Advice {
    /// No user arrives in the task.
    NoUser,
    /// Another user arrives.
    WrongUser,
    /// The task fails and nobody hears of it.
    SilentFailure,
}

/// One test and its result.
#[derive(Debug, Serialize)]
struct Test {
    #[serde(rename = "test")]
    kind: OpKind,
    grade: Grade,
    /// What is wrong or missing; none where it passed.
    reasons: Vec<String>,
    advice: Option<Advice>,
    /// What the log says of the user's tasks.
    log_lines: Vec<String>,
    /// Other things worth knowing.
    notes: Vec<String>,
}

/// The result of a check; its serde form is the JSON report.
#[derive(Debug, Serialize)]
struct Checked {
    user_id: String,
    tests: Vec<Test>,
    exit_code: u8,
    /// How many other users were at work; 0 without background traffic.
    background_users: u32,
    run_id: RunId,
    run_folder: String,
    /// What it has left at the target.
    left: Left,
}

/// Carries the command out.
///
/// # Errors
/// The credential is missing or somebody else's, a flag is not valid, the pre-flight failed, or
/// something of our own did.
pub(super) async fn run(cli: &Cli, args: &CheckArgs) -> Result<Exit, Failure> {
    let report = args.report.as_deref().map(report_place).transpose();
    let report = report.map_err(Failure::usage)?;
    super::lab::parse_faults(&args.lab_faults).map_err(Failure::usage)?;
    usable_id(&args.user_id).map_err(Failure::usage)?;
    let target = args.target.is_some();
    let credential = credential::of(args.auth.as_deref(), &args.user_id, target);
    let credential = credential.map_err(Failure::usage)?;
    let run_args = run_args(args);
    let background = scenario::background(args);
    let secret = credential.secret();
    let owner_in_file = credential.owner_in_file(&args.user_id);
    let scenario = scenario::of(args, credential, background).map_err(hosts::failure)?;
    settings::check_hosts(&scenario, &run_args).map_err(hosts::failure)?;
    if args.print_curl {
        output::print(&curl::steps(&scenario, &args.user_id, &args.tests()))?;
        return Ok(Exit::Pass);
    }
    let signals = signals::listen().context("could not listen to signals")?;
    let run = RunId(settings::random_u32()?);
    let folder = ledger::run_folder(&cli.reports, run);
    let seed = settings::seed(&run_args)?;
    let made = run::make_ready(&run_args, scenario, seed, run, &folder).await;
    let (mut prepared, lab) = made?;
    let is_theirs =
        credential::check_owner(&prepared.tokens, owner_in_file.as_deref(), &args.user_id);
    if let Err(error) = is_theirs.await {
        drop(lab);
        super::lab_child::discard(&folder);
        return Err(Failure::usage(error));
    }
    if let Some(secret) = &secret
        && background == 0
    {
        prepared.tokens = crate::auth::TokenSource::Given(secret.clone());
    }
    let doors = doors(&prepared, args).await;
    let carried = carry_out(&prepared, &run_args, &signals).await;
    if let Some(lab) = lab {
        lab.end().await?;
    }
    carried?;
    if let Some(exit) = signals.left() {
        return Ok(exit);
    }
    let checked = judged(&prepared, args, background, &doors)?;
    output::print(&words::screen(&checked))?;
    if target && (checked.left.sessions > 0 || checked.left.facts > 0) {
        output::say(cli, &words::left(&checked));
    }
    if let Some(place) = report {
        let json = serde_json::to_string_pretty(&checked)?;
        place.write(&format!("{json}\n"))?;
    }
    Ok(exit_of(&checked.tests))
}

fn exit_of(tests: &[Test]) -> Exit {
    let is_any = |grade| tests.iter().any(|test| test.grade == grade);
    if is_any(Grade::Failed) {
        Exit::Fail
    } else if is_any(Grade::Inconclusive) || tests.is_empty() {
        Exit::Inconclusive
    } else {
        Exit::Pass
    }
}

/// Refuses what no store has as a user's id, and what would break the lines it is printed in.
fn usable_id(user_id: &str) -> anyhow::Result<()> {
    let is_bare = user_id.trim() == user_id && !user_id.chars().any(char::is_control);
    if user_id.is_empty() || !is_bare || user_id.len() > USER_ID_BYTES_MAX {
        anyhow::bail!(
            "invalid `--user-id {user_id:?}`: give the id of a user, 1 to {USER_ID_BYTES_MAX} bytes \
             without control characters and without blanks around it"
        );
    }
    Ok(())
}

/// Where `--report json=FILE` goes.
///
/// # Errors
/// It names no file, or one that cannot be written.
pub(super) fn report_place(value: &str) -> anyhow::Result<Place> {
    let path = match value.split_once('=') {
        Some(("json", path)) => path,
        None if value == "json" => "-",
        Some(_) | None => {
            anyhow::bail!("unknown `--report {value}`: this command writes `json=FILE`")
        }
    };
    match path {
        "" => anyhow::bail!("empty path in `--report {value}`: give a file"),
        "-" => anyhow::bail!("`--report {value}` would mix with the screen: give a file"),
        file => {
            let place = Place::File(file.into());
            place.check()?;
            Ok(place)
        }
    }
}

/// The run that a check is.
fn run_args(args: &CheckArgs) -> RunArgs {
    let mut logs = args.logs.clone();
    if logs.is_empty() && args.target.is_none() {
        logs.push("lab".to_owned());
    }
    RunArgs {
        target: args.target.clone(),
        memory: args.memory.clone(),
        allow_hosts: args.allow_hosts.clone(),
        lab_faults: args.lab_faults.clone(),
        lab_profile: args.lab_profile.clone(),
        logs,
        ..RunArgs::default()
    }
}

/// Drives, follows the logs, and reads back.
pub(super) async fn carry_out(
    prepared: &Prepared,
    args: &RunArgs,
    signals: &Signals,
) -> Result<(), Failure> {
    let ledger = run::open_ledger(prepared, &run::manifest(prepared, args)?)?;
    run::create_users(prepared).await?;
    let (events, queue) = Collector::queue();
    let collector = Collector::start(queue, vec![ledger.sink()]);
    let watch = logs::watch(args, prepared, &events).await?;
    let plan = Arc::clone(&prepared.plan);
    let config = run::drive_config(prepared, &collector);
    let driven = drive::drive(plan, config, events.clone(), signals.drive.clone()).await;
    run::note_end(&ledger, driven, signals)?;
    signals.driving_is_over();
    let fresh = Fresh {
        drive_ended: driven.ended_at,
        ..Fresh::default()
    };
    let read = run::read_back(prepared, fresh, &ledger, &events, signals).await;
    if let Some(watch) = watch {
        ledger.note(judge::LOGS, watch.finish().await)?;
    }
    drop(events);
    for error in collector.finish().sink_errors {
        output::say_error(&anyhow::anyhow!(
            "part of the check was not recorded: {error}"
        ));
    }
    ledger.finish()?;
    Ok(read?)
}

/// Tries the voice socket with a wrong and without a credential; says what was let in.
async fn doors(prepared: &Prepared, args: &CheckArgs) -> Vec<String> {
    if !args.tests().contains(&OpKind::Voice) {
        return Vec::new();
    }
    let wrong = Secret::new(WRONG_TOKEN.to_owned());
    let path = &prepared.plan.scenario().target.paths.voice;
    let path = path.replace("{session}", &format!("cw-{}-door", prepared.run));
    let mut let_in = Vec::new();
    for (secret, what) in [
        (Some(&wrong), "with a wrong token"),
        (None, "without a token"),
    ] {
        let target = prepared.target();
        let target = (target, &prepared.plan.scenario().target);
        match drive::try_voice_door(target, &path, secret, DOOR_LIMIT).await {
            Ok(VoiceDoor::Shut) | Err(_) => {}
            Ok(VoiceDoor::Open) => let_in.push(format!("the voice socket opens {what}")),
        }
    }
    let_in
}

fn judged(
    prepared: &Prepared,
    args: &CheckArgs,
    background_users: u32,
    doors: &[String],
) -> Result<Checked, Failure> {
    let report = judge::judge_for_report(&prepared.folder)?;
    let ledger = LedgerReader::open(&prepared.folder)?;
    let lines = ledger.log_lines_of_user(CHECKED)?;
    let ops = ledger.ops_of_users(CHECKED.0..CHECKED.0 + 1)?;
    let tests: Vec<Test> = args
        .tests()
        .into_iter()
        .map(|kind| test((kind, &args.user_id), &report, &ops, &lines, doors))
        .collect();
    Ok(Checked {
        user_id: args.user_id.clone(),
        exit_code: exit_of(&tests).code(),
        tests,
        background_users,
        run_id: prepared.run,
        run_folder: prepared.folder.display().to_string(),
        left: report.left,
    })
}

/// What one test has shown.
fn test(
    (kind, user_id): (OpKind, &str),
    report: &Report,
    ops: &[OpRow],
    lines: &[LogLine],
    doors: &[String],
) -> Test {
    let of_kind = |finding: &&FindingDetail| {
        let is_told = !matches!(
            finding.code,
            Code::Late | Code::Unattributable | Code::Ghost
        );
        let proved = finding.proof == Proof::Proved && is_told;
        proved && finding.ops.first().is_some_and(|op| op.kind == kind)
    };
    let found: Vec<&FindingDetail> = report.findings.iter().filter(of_kind).collect();
    let mut reasons = claims(&found, user_id);
    let mut advice = found.iter().find_map(|finding| advice(finding));
    let refused = refused(kind, ops);
    if let Some(refused) = refused {
        reasons.push(refused);
        advice = advice.or(Some(Advice::SilentFailure));
    }
    if kind == OpKind::Voice {
        reasons.extend(doors.iter().cloned());
    }
    let mut grade = if reasons.is_empty() {
        Grade::Passed
    } else {
        Grade::Failed
    };
    let mut notes = Vec::new();
    if grade == Grade::Passed
        && let Some(missing) = missing(kind, report)
    {
        grade = Grade::Inconclusive;
        reasons.push(missing);
    }
    let of_kind = lines.iter().filter(|line| line.kind == Some(kind));
    let mut log_lines: Vec<String> = of_kind.map(|line| line.text.clone()).collect();
    log_lines.dedup();
    match &report.logs {
        None => notes.push("no logs were given: `--logs SOURCE`".to_owned()),
        Some(logs) if !logs.supported => {
            notes.push("log lines of background tasks: unsupported by this target".to_owned());
        }
        Some(_) if log_lines.is_empty() => {
            notes.push("no line about this task was seen in the log".to_owned());
        }
        Some(_) => {}
    }
    Test {
        kind,
        grade,
        reasons,
        advice,
        log_lines,
        notes,
    }
}

/// What was found of the checked user, in the user's own name; else that others were mixed up.
fn claims(found: &[&FindingDetail], user_id: &str) -> Vec<String> {
    let touches = |finding: &&&FindingDetail| {
        let users = [&finding.sender, &finding.found_under];
        users.into_iter().flatten().any(|user| user == user_id)
    };
    let own = found.iter().filter(touches).map(|finding| {
        let claim = finding.claim.replace("user 0's", &format!("{user_id}'s"));
        named(claim, user_id)
    });
    let own: Vec<String> = own.collect();
    match found.first() {
        Some(first) if own.is_empty() => vec![format!(
            "nothing of {user_id}, but {} of the other users: {}",
            found.len(),
            first.claim
        )],
        Some(_) | None => own,
    }
}

/// A claim that ends in a user's number, with the name.
fn named(claim: String, user_id: &str) -> String {
    let Some((before, number)) = claim.rsplit_once("under user ") else {
        return claim;
    };
    match number.parse() {
        Ok(0) => format!("{before}under {user_id}"),
        Ok(number) => format!("{before}under {}", scenario::background_user(number)),
        Err(_) => claim,
    }
}

/// Why there is nothing to judge: no operation of this kind was answered as promised.
fn refused(kind: OpKind, ops: &[OpRow]) -> Option<String> {
    let mut of_kind = ops.iter().filter(|op| op.invocation.kind == kind);
    if of_kind.clone().any(|op| op.outcome() == Outcome::Ok) {
        return None;
    }
    let Some(first) = of_kind.next() else {
        return Some("it was not sent".to_owned());
    };
    let end = first.completion.as_ref();
    let detail = end.and_then(|end| end.detail.clone()).unwrap_or_default();
    Some(format!(
        "the request ended {}: {detail}",
        first.outcome().name()
    ))
}

/// What would be needed to say that nothing is wrong.
fn missing(kind: OpKind, report: &Report) -> Option<String> {
    use crate::model::InconclusiveReason as Reason;
    let reasons = report.inconclusive_reasons.iter();
    let mut telling = reasons.filter(|reason| match reason {
        // One user alone overlaps with nobody, and the clock of the load is of no interest.
        Reason::NoOverlap
        | Reason::GeneratorSaturated
        | Reason::AssumptionFailed
        | Reason::NoEvidence => false,
        // What the store cannot list hides uploads only.
        Reason::NoReadBack => kind == OpKind::Upload || report.memory == "none",
        Reason::ControlMissed
        | Reason::ReadBackIncomplete
        | Reason::NotSettled
        | Reason::LedgerGap
        | Reason::TargetLost
        | Reason::Interrupted
        | Reason::CheckerError
        | Reason::TargetThrottled => true,
    });
    telling
        .next()
        .map(|reason| format!("it could not be proved: {}", reason.name()))
}

/// Which advice fits a finding.
fn advice(finding: &FindingDetail) -> Option<Advice> {
    let named = finding
        .sightings
        .first()
        .and_then(|seen| seen.owner.as_ref());
    match finding.code {
        Code::MissingOwner => Some(Advice::NoUser),
        Code::LogMismatch if named.is_none() => Some(Advice::NoUser),
        Code::LogMismatch if finding.severity <= crate::model::Severity::S2 => {
            Some(Advice::SilentFailure)
        }
        Code::WrongOwner
        | Code::ForeignOwner
        | Code::SplitIdentity
        | Code::StaleIdentity
        | Code::PlaceholderOwner
        | Code::LogMismatch
        | Code::ChunkMix
        | Code::ResponseBleed
        | Code::Trespass
        | Code::SessionBleed => Some(Advice::WrongUser),
        Code::Lost | Code::PartialIngest => Some(Advice::SilentFailure),
        Code::Resurrected
        | Code::Phantom
        | Code::Duplicate
        | Code::Reordered
        | Code::Torn
        | Code::Altered
        | Code::Ghost
        | Code::Late
        | Code::Unattributable => None,
    }
}
