//! `crosswire doctor`: what a run would meet, each thing with its remedy.
//!
//! First what costs nothing: this machine, the target's health, the store. Then two users send one
//! operation of each kind, which is read back and judged as any run, and removed again. A line
//! that fails is one that would make a run fail or say nothing.

mod credential;
mod machine;
mod owners;
mod probe;
mod scenario;
mod second;
mod sheet;

use anyhow::Context as _;

use crate::drive::{self, VoiceDoor};
use crate::ledger;
use crate::model::{OpKind, RunId, UserIx};
use crate::report::Report;
use crate::scenario::Store;

use self::sheet::{Sheet, State};
use super::args::{CleanArgs, Cli, DoctorArgs, RunArgs};
use super::exit::{Exit, Failure};
use super::run::{self, Prepared};
use super::signals::{self, Signals};
use super::{check, clean, hosts, judge, lab, output, settings, store};

/// A credential that nobody has.
const WRONG_TOKEN: &str = "not-a-token";

/// Carries the command out.
///
/// # Errors
/// Flags or scenario are not valid, or something of our own failed.
pub(super) async fn run(cli: &Cli, args: &DoctorArgs) -> Result<Exit, Failure> {
    let place = args.report.as_deref().map(check::report_place).transpose();
    let place = place.map_err(Failure::usage)?;
    lab::parse_faults(&args.lab_faults).map_err(Failure::usage)?;
    let run_args = run_args(args);
    let asked = settings::resolve(&run_args).map_err(Failure::usage)?;
    let mut sheet = Sheet::default();
    machine::look(&mut sheet, &cli.reports, asked.users);
    let reached = Box::pin(examine(cli, args, &run_args, asked, &mut sheet)).await?;
    let exit = match (reached, sheet.fails()) {
        (false, _) => Exit::Preflight,
        (true, true) => Exit::Fail,
        (true, false) => Exit::Pass,
    };
    output::print(&sheet.screen())?;
    if let Some(place) = place {
        place.write(&format!("{}\n", sheet.json(exit.code())?))?;
    }
    Ok(exit)
}

fn run_args(args: &DoctorArgs) -> RunArgs {
    let mut logs = args.logs.clone();
    if logs.is_empty() && args.target.is_none() && args.scenario.is_none() {
        logs.push("lab".to_owned());
    }
    RunArgs {
        scenario: args.scenario.clone(),
        target: args.target.clone(),
        memory: args.memory.clone(),
        auth: args.auth.clone(),
        allow_hosts: args.allow_hosts.clone(),
        lab_faults: args.lab_faults.clone(),
        lab_profile: args.lab_profile.clone(),
        logs,
        ..RunArgs::default()
    }
}

/// Looks at the target and its store; says whether the target is there at all.
async fn examine(
    cli: &Cli,
    args: &DoctorArgs,
    run_args: &RunArgs,
    asked: crate::scenario::Scenario,
    sheet: &mut Sheet,
) -> Result<bool, Failure> {
    if let Some(url) = &asked.target.url {
        if !probe::target(sheet, url, &asked.target.paths.health).await {
            return Ok(false);
        }
        if let Store::Url(url) = &asked.memory.store
            && let Err(error) = store::connect(url, &asked.memory).await
        {
            let remedy = "start the store, or give its address with `--memory URL`";
            sheet.line("store", State::Fail, format!("could not {error}"), remedy);
            let seen = "not tried: what is sent could not be read back";
            let remedy = "mend the store first, or give `--memory none`";
            sheet.line("owners", State::Skipped, seen, remedy);
            return Ok(true);
        }
    }
    let is_named = args.scenario.is_some();
    let seed = settings::seed(run_args)?;
    let load = credential::Load::of(&asked, seed);
    let scenario = scenario::throw_away(asked, is_named);
    let signals = signals::listen().context("could not listen to signals")?;
    let run = RunId(settings::random_u32()?);
    let folder = ledger::run_folder(&cli.reports, run);
    let (prepared, lab) = run::make_ready(run_args, scenario, seed, run, &folder).await?;
    if lab.is_some() {
        let health = &prepared.plan.scenario().target.paths.health;
        probe::target(sheet, prepared.target(), health).await;
    }
    tell_store(sheet, &prepared);
    let has_credential = credential::look(sheet, &prepared, &load).await;
    if has_credential {
        doors(sheet, &prepared).await;
        let report = operate(sheet, &prepared, run_args, &signals).await?;
        if let (Some(_), Some(report)) = (&prepared.store, &report) {
            probe::retrieval(sheet, &prepared).await;
            second::look(sheet, &prepared, report).await?;
        }
    }
    if let Some(lab) = lab {
        lab.end().await?;
    } else if prepared.store.is_some() && has_credential {
        clear(sheet, cli, args, run).await;
    }
    Ok(true)
}

fn tell_store(sheet: &mut Sheet, prepared: &Prepared) {
    let Some(store) = &prepared.store else {
        let seen = "there is none: only answers are judged, and the verdict is inconclusive";
        sheet.line("store", State::Warn, seen, "name it with `--memory URL`");
        return;
    };
    let seen = format!("it speaks {}", store.dialect_name());
    sheet.line("store", State::Ok, seen, "");
    if store.refuses_unknown_users() && !prepared.plan.scenario().memory.create_users {
        let seen = "it refuses sessions of users that it does not know: they would have no owner";
        let remedy = "set `create_users = true` in [memory], unless the target makes its users";
        sheet.line("store users", State::Warn, seen, remedy);
    }
    if !store.can_list_facts() {
        let seen = "it lists no facts: a run with uploads is inconclusive (no-read-back)";
        sheet.line(
            "store facts",
            State::Warn,
            seen,
            "leave uploads out of the load",
        );
    }
}

/// Whom the voice socket lets in.
async fn doors(sheet: &mut Sheet, prepared: &Prepared) {
    let target = &prepared.plan.scenario().target;
    let path = target
        .paths
        .voice
        .replace("{session}", &format!("cw-{}-door", prepared.run));
    let name = prepared.plan.scenario().user_name(prepared.run, UserIx(0));
    let own = prepared.tokens.token(&name, 0).await.ok().flatten();
    let own = own.map(|credential| credential.secret);
    let wrong = crate::auth::Secret::new(WRONG_TOKEN.to_owned());
    let limit = target.timeouts.connect;
    let at = (prepared.target(), target);
    match drive::try_voice_door(at, &path, own.as_ref(), limit).await {
        Ok(VoiceDoor::Open) => sheet.line("voice", State::Ok, "the socket opens", ""),
        Ok(VoiceDoor::Shut) => {
            let remedy = "see that the voice service is configured, that `target.paths.voice` is \
                          right, and where `auth.socket` puts the credential";
            sheet.line("voice", State::Fail, "the socket does not open", remedy);
            return;
        }
        Err(error) => {
            let remedy = "see whether a proxy stands between that knows no WebSockets";
            sheet.line("voice", State::Fail, format!("could not {error}"), remedy);
            return;
        }
    }
    let mut let_in = Vec::new();
    for (secret, what) in [(Some(&wrong), "a wrong token"), (None, "none")] {
        if own.as_ref() != secret
            && let Ok(VoiceDoor::Open) = drive::try_voice_door(at, &path, secret, limit).await
        {
            let_in.push(what);
        }
    }
    if !let_in.is_empty() {
        let seen = format!(
            "the socket opens with {} as a credential",
            let_in.join(" and with ")
        );
        let remedy = "let the target authenticate its sockets";
        sheet.line("voice door", State::Warn, seen, remedy);
    }
}

/// One operation of each kind for each user, and whose records they became.
async fn operate(
    sheet: &mut Sheet,
    prepared: &Prepared,
    args: &RunArgs,
    signals: &Signals,
) -> Result<Option<Report>, Failure> {
    run::create_users(prepared).await?;
    check::carry_out(prepared, args, signals).await?;
    if signals.left().is_some() {
        let seen = "not judged: it was stopped";
        sheet.line("owners", State::Skipped, seen, "run it again");
        return Ok(None);
    }
    let report = judge::judge_for_report(&prepared.folder)?;
    for kind in OpKind::ALL {
        owners::look(sheet, prepared, &report, kind)?;
    }
    tell_logs(sheet, &report);
    Ok(Some(report))
}

fn tell_logs(sheet: &mut Sheet, report: &Report) {
    let (state, seen, remedy) = match &report.logs {
        None => (
            State::Skipped,
            "none were given".to_owned(),
            "`--logs SOURCE` makes the target's log part of the evidence",
        ),
        Some(logs) if !logs.problems.is_empty() => (
            State::Fail,
            logs.problems.join("; "),
            "give a file that can be read, or a command that goes on",
        ),
        Some(logs) if !logs.supported => (
            State::Warn,
            format!("{} lines, none about a background task", logs.lines),
            "see that the source is the right one; some versions of the target log no tasks",
        ),
        Some(logs) if logs.ids_seen < logs.ok => (
            State::Warn,
            format!("request ids seen: {} of {}", logs.ids_seen, logs.ok),
            "log the request or trace id, and give one source for each replica",
        ),
        Some(logs) => (
            State::Ok,
            format!(
                "{} lines about these tasks, all request ids seen",
                logs.task_lines
            ),
            "",
        ),
    };
    sheet.line("logs", state, seen, remedy);
}

/// Removes what the operations have left. What cannot be seen is no reason to clean again.
async fn clear(sheet: &mut Sheet, cli: &Cli, args: &DoctorArgs, run: RunId) {
    let clean_args = CleanArgs {
        run: run.to_string(),
        yes: true,
        whole_users: false,
        memory: None,
        allow_hosts: args.allow_hosts.clone(),
    };
    let mut told = String::new();
    let mut tell = |text: &str| {
        text.clone_into(&mut told);
        Ok(())
    };
    let cleared = clean::carry_out(cli, &clean_args, &mut tell).await;
    let first = told.lines().next().unwrap_or_default().to_owned();
    let again = format!("crosswire clean {run} --yes");
    let unknown = told.lines().find_map(|line| line.strip_prefix("unknown: "));
    match (cleared, unknown) {
        (Ok(Exit::Pass), _) => sheet.line("clean-up", State::Ok, "nothing of it is left", ""),
        // To ask again would not show more.
        (Ok(Exit::Inconclusive), Some(unknown)) => {
            let seen = format!("nothing that can be listed is left; {unknown}");
            let remedy = "leave uploads out of the load, or look into the store's own graph";
            sheet.line("clean-up", State::Warn, seen, remedy);
        }
        (Ok(_), _) => sheet.line("clean-up", State::Warn, first, &again),
        (Err(failure), _) => {
            let seen = format!("{:#}", failure.error);
            sheet.line("clean-up", State::Warn, seen, &again);
        }
    }
}

/// Is the host one that traffic may go to without leave?
fn is_local(url: &url::Url) -> bool {
    hosts::is_loopback(url)
}
