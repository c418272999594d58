//! Driving chat: CPU time an operation and memory a user, beside a raw hyper client that sends
//! requests of the same form to the same lab and reads each answer to its end. The lab and each
//! client are processes of their own.
//!
//! Crosswire does here what it does in a run: texts by the plan, canaries, request ids, the
//! judgement of each answer, and a ledger row for each event. The peer does nothing beside the
//! exchange. Both keep one connection a user, and send the next request once the last is answered.
//!
//! `cargo bench --bench drive` takes 64 and 1 000 users; `-- --full` 5 000 as well, which need
//! about 11 000 file descriptors in the lab.
#![expect(
    clippy::disallowed_methods,
    reason = "a bench starts tasks and waits for processes"
)]

mod support;

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::process::{Child, ExitCode};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use crosswire::auth::TokenSource;
use crosswire::clock::RunClock;
use crosswire::drive::{self, Collector, DriveConfig, DriveEnd, Spent};
use crosswire::lab::{self, LabConfig, LogTarget};
use crosswire::ledger::{Ledger, LedgerReader, Manifest};
use crosswire::model::{OpKind, Outcome, RunId, Seed, SessionIx, UserIx};
use crosswire::plan::Plan;
use crosswire::scenario;
use crosswire::stop::stop_pair;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Bytes;
use hyper::{Request, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use url::Url;

use support::{Figures, cpu, medians, run_child, say, tell};

/// The same as that of the command.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const RUN: RunId = RunId(0x0012_abcd);
/// Requests of one measurement, whatever the number of users.
const OPS: u32 = 64_000;
/// Measurements of each client at each size; the middle one is shown.
const RUNS: usize = 3;
/// Turns of a session.
const TURNS: u32 = 8;
/// Bytes of a turn's text, as the scenario below makes them on average.
const TEXT_BYTES: usize = 280;

fn main() -> ExitCode {
    let done = match support::task_of_child() {
        Some(task) => child(&task),
        None => bench(),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            writeln!(std::io::stderr(), "{error:#}").ok();
            ExitCode::FAILURE
        }
    }
}

fn bench() -> Result<()> {
    let full = std::env::args().any(|arg| arg == "--full");
    let sizes: &[u32] = if full {
        &[64, 1_000, 5_000]
    } else {
        &[64, 1_000]
    };
    say(&format!(
        "CPU-seconds of the client for 100 000 chat turns, and its memory; {OPS} turns each"
    ))?;
    say(&format!(
        "{:>7} {:>10} {:>10} {:>8} {:>10} {:>10} {:>12} {:>12}",
        "users", "crosswire", "hyper", "÷ hyper", "peak MiB", "hyper MiB", "KiB a user", "hyper's"
    ))?;
    let mut first: Option<(u32, Figures, Figures)> = None;
    for users in sizes {
        let ours = medians(RUNS, || measure("crosswire", *users))?;
        let theirs = medians(RUNS, || measure("hyper", *users))?;
        let each = |figures: &Figures, before: &Figures, fewer: u32| {
            let more = get(figures, "peak_kib") - get(before, "peak_kib");
            format!("{:.1}", more / f64::from(users - fewer))
        };
        let (a_user, theirs_a_user) = match &first {
            Some((fewer, our_first, their_first)) => (
                each(&ours, our_first, *fewer),
                each(&theirs, their_first, *fewer),
            ),
            None => ("-".to_owned(), "-".to_owned()),
        };
        say(&format!(
            "{users:>7} {:>10.3} {:>10.3} {:>8.2} {:>10.1} {:>10.1} {a_user:>12} \
             {theirs_a_user:>12}",
            per_100k(&ours),
            per_100k(&theirs),
            per_100k(&ours) / per_100k(&theirs),
            get(&ours, "peak_kib") / 1024.0,
            get(&theirs, "peak_kib") / 1024.0,
        ))?;
        first.get_or_insert((*users, ours, theirs));
    }
    Ok(())
}

fn get(figures: &Figures, name: &str) -> f64 {
    figures.get(name).copied().unwrap_or_default()
}

fn per_100k(figures: &Figures) -> f64 {
    get(figures, "cpu_s") / get(figures, "ops") * 100_000.0
}

/// One measurement of a client, against a lab of its own.
fn measure(client: &str, users: u32) -> Result<Figures> {
    let (mut lab, target) = start_lab()?;
    let told = run_child(client, &[&target, &users.to_string()]);
    // It ends as soon as nobody is there to write to it.
    drop(lab.stdin.take());
    lab.wait().context("could not wait for the lab")?;
    told
}

/// A lab in a process of its own, and the address of its backend.
fn start_lab() -> Result<(Child, String)> {
    let mut lab = support::child("lab", &[])?;
    let stdout = lab.stdout.take().context("the lab has no output")?;
    let mut address = String::new();
    BufReader::new(stdout).read_line(&mut address)?;
    ensure!(!address.is_empty(), "the lab did not start");
    Ok((lab, address.trim().to_owned()))
}

fn child(task: &str) -> Result<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let runtime = tokio::runtime::Runtime::new().context("could not start the runtime")?;
    if task == "lab" {
        return runtime.block_on(serve());
    }
    let [target, users, ..] = args.as_slice() else {
        bail!("{task} needs an address and a number of users");
    };
    let (target, users) = (Url::parse(target)?, users.parse()?);
    let (ops, cpu) = match task {
        "crosswire" => runtime.block_on(crosswire(target, users))?,
        "hyper" => runtime.block_on(hyper_client(&target, users))?,
        _ => bail!("no such task: {task}"),
    };
    tell(&[("cpu_s", cpu.as_secs_f64()), ("ops", f64::from(ops))])
}

/// Serves until the bench closes standard input.
async fn serve() -> Result<()> {
    let folder = tempfile::tempdir().context("could not make a folder")?;
    let lab = lab::start(LabConfig {
        log: LogTarget::Path(folder.path().join("lab.log")),
        ..LabConfig::default()
    })
    .await?;
    say(&lab.target_url)?;
    let end = || std::io::stdin().read_to_end(&mut Vec::new());
    tokio::task::spawn_blocking(end).await??;
    Ok(())
}

/// Sessions of each user, so that all send as many requests as were asked for.
fn sessions_each(users: u32) -> u32 {
    (OPS / TURNS / users).max(1)
}

/// A run's drive with its ledger; gives how many operations were answered, and the CPU time.
async fn crosswire(target: Url, users: u32) -> Result<(u32, Duration)> {
    let iterations = sessions_each(users);
    let text = format!(
        "version = 1\n[users]\ncount = {users}\n[load.chat]\nexecutor = \"per-vu-iterations\"\n\
         session = \"chat\"\nvus = {users}\niterations = {iterations}\n[sessions.chat]\n\
         kind = \"chat\"\nturns = {TURNS}\nthink = \"0s\"\nwords = \"24..32\"\n"
    );
    let scenario = scenario::parse("bench", &text, "bench.toml").map_err(anyhow::Error::msg)?;
    let scenario_json = serde_json::to_string(&scenario)?;
    let plan = Arc::new(Plan::new(scenario, Seed(7)));
    let folder = tempfile::tempdir().context("could not make a folder")?;
    let ledger = Ledger::create(&folder.path().join("run"), &manifest(&plan, scenario_json))?;
    let (events, queue) = Collector::queue();
    let collector = Collector::start(queue, vec![ledger.sink()]);
    let config = DriveConfig {
        run: RUN,
        target,
        clock: RunClock::start(),
        tokens: TokenSource::Dev,
        target_just_started: false,
        unrecorded: collector.failed(),
        spent: Spent::default(),
    };
    let (_stopper, stop) = stop_pair();
    let driven = drive::drive(plan, config, events, stop).await;
    let lost = collector.finish().sink_errors;
    ledger.finish()?;
    ensure!(lost.is_empty(), "part of it was not recorded: {lost:?}");
    ensure!(driven.end == DriveEnd::Finished, "ended: {:?}", driven.end);
    let used = cpu();
    let mut ok = 0;
    let ledger = LedgerReader::open(&folder.path().join("run"))?;
    ledger.ops_in_time_order(&mut |op| ok += u32::from(op.outcome() == Outcome::Ok))?;
    let sent = users * iterations * TURNS;
    ensure!(ok == sent, "{ok} of {sent} turns were answered");
    Ok((ok, used))
}

fn manifest(plan: &Plan, scenario_json: String) -> Manifest {
    Manifest {
        run: RUN,
        seed: plan.seed(),
        plan_digest: plan.digest(),
        scenario_json,
        created: "2026-01-31T14:02:11Z".to_owned(),
        created_unix_us: 1_769_868_131_000_000,
        tool_version: env!("CARGO_PKG_VERSION").to_owned(),
        target: "http://127.0.0.1:1".to_owned(),
        memory: None,
        lab_faults: Vec::new(),
        lab_quirks: Vec::new(),
        lab_profile: None,
        planned: BTreeMap::from([(OpKind::Chat, None)]),
        generator_cpus: 2,
    }
}

/// One connection a user, which sends requests one after the other; gives how many were answered, and
/// the CPU time.
async fn hyper_client(target: &Url, users: u32) -> Result<(u32, Duration)> {
    let address = target.socket_addrs(|| None)?;
    let address = *address.first().context("no address")?;
    let mut tasks = JoinSet::new();
    for user in 0..users {
        tasks.spawn(send_all(address, UserIx(user), sessions_each(users)));
    }
    let mut answered = 0;
    while let Some(ended) = tasks.join_next().await {
        answered += ended??;
    }
    Ok((answered, cpu()))
}

async fn send_all(address: std::net::SocketAddr, user: UserIx, sessions: u32) -> Result<u32> {
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    let connection = tokio::spawn(connection);
    let user_name = RUN.user_name(user);
    let text = "word ".repeat(TEXT_BYTES / 5);
    for session in 0..sessions {
        let session = SessionIx(user.0 * sessions + session);
        let session_name = RUN.session_name(user, session);
        for turn in 0..TURNS {
            sender.ready().await?;
            let body = format!(
                r#"{{"content":"{text}","agent_id":"elena","session_id":"{session_name}"}}"#
            );
            let request = Request::post("/api/v1/chat")
                .header("host", address.to_string())
                .header("content-type", "application/json")
                .header("authorization", format!("Bearer dev_{user_name}_analyst"))
                .header(
                    "x-request-id",
                    format!("{:016x}", u64::from(session.0) << 16 | u64::from(turn)),
                )
                .body(Full::new(Bytes::from(body)))?;
            let answer = sender.send_request(request).await?;
            ensure!(answer.status() == StatusCode::OK, "{}", answer.status());
            answer.into_body().collect().await?;
        }
    }
    drop(sender);
    connection.await??;
    Ok(sessions * TURNS)
}
