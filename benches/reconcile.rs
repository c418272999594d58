//! Judging at size: records per CPU-second from the ledger and from the store's JSON, and peak
//! memory, each size in a process of its own. A record is a session, message or fact as it was
//! read; of JSON, a message.
//!
//! Absolute figures drift from day to day and from machine to machine, so each is shown beside
//! that of a peer which does the least that could be done, in the same run: a bare scan of the
//! table of sightings, and a bare parse of the same pages that borrows what it can.
//!
//! `cargo bench --bench reconcile` goes up to a million records; `-- --full` to ten millions. It
//! fails if memory grows with the run once a bucket of users is full.
#![expect(
    clippy::cast_precision_loss,
    reason = "figures for people need no more than 52 bits"
)]

mod support;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use crosswire::canary;
use crosswire::dialect::{self, MessageRecord, Reply};
use crosswire::event::Event;
use crosswire::ledger::{Ledger, LedgerReader, Manifest};
use crosswire::model::{
    CanaryId, CanaryKind, Completion, Echo, Exactness, GroupIx, Invocation, Likeness, LogCoverage,
    Micros, OpId, OpKind, Outcome, Promise, RecordType, Role, RunId, Scan, Seed, SeenCanary,
    SessionIx, Sighting, StoreDialect, TraitSet, UserIx,
};
use crosswire::reconcile::timeline::Timeline;
use crosswire::reconcile::{self, Context, Control, NoSurroundings, ReadBack, RunEnd};
use crosswire::scenario::{self, Scenario};
use rusqlite::types::ValueRef;
use rusqlite::{Connection, OpenFlags};
use serde::Deserialize;

use support::{Figures, cpu, medians, run_child, say, tell};

/// The same as that of the command.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Peak memory at one size may be so many times that at the size before it, which is ten times
/// smaller. What a bucket needs does not grow; SQLite's caches and the allocator's reserves do, up
/// to their bounds.
const MEMORY_GROWTH_MAX: f64 = 1.5;
/// From so many records on a run has several buckets, so its memory may be compared.
const SEVERAL_BUCKETS: u64 = 100_000;
/// As the command judges them.
const USERS_PER_BUCKET: u32 = 256;

const RUN: RunId = RunId(0x0012_abcd);
/// What each user does: a chat session, a voice session, a document.
const CHAT_TURNS: u16 = 10;
const VOICE_TURNS: u16 = 5;
const FACTS: u16 = 8;
const BLOCKS_PER_FACT: u16 = 3;
const SESSIONS_EACH: u32 = 3;
const RECORDS_EACH: u64 = 2 + 2 * (CHAT_TURNS as u64 + VOICE_TURNS as u64) + FACTS as u64;

/// Messages that are made before the clock runs, so that making them does not count.
const MESSAGES_PER_BATCH: u64 = 10_000;
/// Messages of one page: a session of ten turns.
const MESSAGES_PER_PAGE: u64 = 20;

fn main() -> ExitCode {
    let done = match support::task_of_child() {
        Some(task) => child(&task),
        None => bench(),
    };
    match done {
        Ok(code) => code,
        Err(error) => {
            writeln!(std::io::stderr(), "{error:#}").ok();
            ExitCode::FAILURE
        }
    }
}

fn child(task: &str) -> Result<ExitCode> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let number = || -> Result<u64> { Ok(args.first().context("no number")?.parse()?) };
    match task {
        "make" => make(number()?, Path::new(args.get(1).context("no folder")?))?,
        "judge" => judge(Path::new(args.first().context("no folder")?))?,
        "scan" => scan(Path::new(args.first().context("no folder")?))?,
        "json" => read_json(number()?)?,
        // The command itself, with its own arguments.
        "report" => {
            crosswire::cli::main();
            tell(&[("cpu_s", cpu().as_secs_f64())])?;
        }
        _ => bail!("no such task: {task}"),
    }
    Ok(ExitCode::SUCCESS)
}

fn bench() -> Result<ExitCode> {
    let full = std::env::args().any(|arg| arg == "--full");
    let sizes: &[(u64, usize)] = &[(10_000, 5), (100_000, 5), (1_000_000, 3), (10_000_000, 1)];
    let sizes = if full { sizes } else { &sizes[..3] };
    say("records a CPU-second: judged from the ledger, by the whole command, and by a bare scan")?;
    say("nanoseconds a record: the parts of judging; `in time` is the command's alone")?;
    say(&format!(
        "{:>10} {:>11} {:>7} {:>7} {:>7} {:>7} {:>8} {:>8} {:>11} {:>8} {:>8} {:>11} {:>8}",
        "records",
        "judged/s",
        "of scan",
        "ops",
        "sights",
        "judge",
        "in time",
        "peak MiB",
        "command/s",
        "of scan",
        "peak MiB",
        "scanned/s",
        "MB file"
    ))?;
    let mut peaks: Vec<(u64, &str, f64)> = Vec::new();
    for (records, runs) in sizes {
        let folder = tempfile::tempdir().context("could not make a folder")?;
        let run = folder.path().join("run");
        let path = run.to_str().context("the folder's name is not Unicode")?;
        run_child("make", &[&records.to_string(), path])?;
        let judged = medians(*runs, || run_child("judge", &[path]))?;
        let whole = medians(*runs, || run_child("report", &["report", path]))?;
        let scanned = medians(*runs, || run_child("scan", &[path]))?;
        say(&ledger_line(
            *records,
            [&judged, &whole, &scanned],
            file_bytes(&run)?,
        ))?;
        peaks.push((*records, "judging", get(&judged, "peak_kib")));
        peaks.push((*records, "the command", get(&whole, "peak_kib")));
    }
    say("messages a CPU-second: from the bytes of v1 pages to sightings, and by a bare parse")?;
    say("nanoseconds a message: each step")?;
    say(&format!(
        "{:>10} {:>11} {:>8} {:>8} {:>9} {:>8} {:>8} {:>8} {:>11}",
        "messages",
        "read/s",
        "of parse",
        "json",
        "normalise",
        "find",
        "hash",
        "peak MiB",
        "parsed/s"
    ))?;
    for (records, runs) in sizes {
        let read = medians(*runs, || run_child("json", &[&records.to_string()]))?;
        say(&json_line(*records, &read))?;
        peaks.push((*records, "reading JSON", get(&read, "peak_kib")));
    }
    memory_is_bounded(&peaks)
}

fn get(figures: &Figures, name: &str) -> f64 {
    figures.get(name).copied().unwrap_or_default()
}

fn ledger_line(records: u64, figures: [&Figures; 3], bytes: u64) -> String {
    let [judged, whole, scanned] = figures;
    let per_second = |seconds: f64| records as f64 / seconds;
    let each = |name| get(judged, name) / records as f64 * 1e9;
    let parts = ["ops_s", "sightings_s", "judge_s", "combine_s"];
    let all: f64 = parts.iter().map(|part| get(judged, part)).sum();
    let (command, scan) = (get(whole, "cpu_s"), get(scanned, "scan_s"));
    format!(
        "{records:>10} {:>11.0} {:>7.2} {:>7.0} {:>7.0} {:>7.0} {:>8.0} {:>8.1} {:>11.0} {:>8.2} \
         {:>8.1} {:>11.0} {:>8.1}",
        per_second(all),
        scan / all,
        each("ops_s"),
        each("sightings_s"),
        each("judge_s"),
        each("time_order_s"),
        get(judged, "peak_kib") / 1024.0,
        per_second(command),
        scan / command,
        get(whole, "peak_kib") / 1024.0,
        per_second(scan),
        bytes as f64 / 1e6,
    )
}

fn json_line(records: u64, read: &Figures) -> String {
    let parts = ["json_s", "normalise_s", "find_s", "hash_s"];
    let [json, normalise, find, hash] = parts.map(|part| get(read, part));
    let each = |seconds: f64| seconds / records as f64 * 1e9;
    let (all, parse) = (json + normalise + find + hash, get(read, "parse_s"));
    format!(
        "{records:>10} {:>11.0} {:>8.2} {:>8.0} {:>9.0} {:>8.0} {:>8.0} {:>8.1} {:>11.0}",
        records as f64 / all,
        parse / all,
        each(json),
        each(normalise),
        each(find),
        each(hash),
        get(read, "peak_kib") / 1024.0,
        records as f64 / parse,
    )
}

/// Compares each size with the one before it.
fn memory_is_bounded(peaks: &[(u64, &str, f64)]) -> Result<ExitCode> {
    let mut bounded = true;
    for (records, what, peak) in peaks {
        let before = peaks.iter().find(|(fewer, same, _)| {
            *fewer >= SEVERAL_BUCKETS && fewer * 10 == *records && same == what
        });
        if let Some((fewer, _, peak_before)) = before {
            let growth = peak / peak_before;
            let word = if growth <= MEMORY_GROWTH_MAX {
                "bounded"
            } else {
                "GROWS"
            };
            say(&format!(
                "memory of {what}, {records} records against {fewer}: x {growth:.2} (at most \
                 {MEMORY_GROWTH_MAX}): {word}"
            ))?;
            bounded &= growth <= MEMORY_GROWTH_MAX;
        }
    }
    Ok(if bounded {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn file_bytes(run: &Path) -> Result<u64> {
    let file = run.join(crosswire::ledger::LEDGER_FILE);
    Ok(file
        .metadata()
        .context("could not look at the ledger")?
        .len())
}

/// Measures one part: adds the CPU time of `work` to `spent`.
fn timed<T>(spent: &mut Duration, work: impl FnOnce() -> T) -> T {
    let from = cpu();
    let made = work();
    *spent += cpu().saturating_sub(from);
    made
}

/// Judges a ledger as the command does, part by part.
fn judge(folder: &Path) -> Result<()> {
    let ledger = LedgerReader::open(folder)?;
    let manifest = ledger.manifest()?;
    let scenario: Scenario = serde_json::from_str(&manifest.scenario_json)?;
    let scans = ledger.scans()?;
    let context = Context {
        run: RUN,
        scenario: &scenario,
        ended: RunEnd::Finished,
        read_back: ReadBack::Some {
            settled: true,
            complete: true,
            read_from: Micros(u64::MAX / 2),
        },
        facts_listed: true,
        users_asked: None,
        scans: &scans,
        log_lines: &[],
        log_coverage: LogCoverage::default(),
    };
    let [
        mut in_time,
        mut ops_read,
        mut sightings_read,
        mut judged,
        mut combined,
    ] = [Duration::ZERO; 5];
    timed(&mut in_time, || {
        let mut timeline = Timeline::new();
        let read = ledger.ops_in_time_order(&mut |row| timeline.push(&row));
        timeline.finish();
        read
    })?;
    let users = ledger.users()?;
    let mut buckets = Vec::new();
    let mut records = 0;
    for from in (0..users).step_by(USERS_PER_BUCKET as usize) {
        let range = from..users.min(from + USERS_PER_BUCKET);
        let ops = timed(&mut ops_read, || ledger.ops_of_users(range.clone()))?;
        let sightings = timed(&mut sightings_read, || {
            ledger.sightings_of_users(range.clone())
        })?;
        records += sightings.len();
        buckets.push(timed(&mut judged, || {
            reconcile::judge_users(&context, range, &ops, &sightings)
        }));
        timed(&mut judged, || drop((ops, sightings)));
    }
    let judgement = timed(&mut combined, || {
        reconcile::combine(buckets, Control::default(), &mut NoSurroundings)
    });
    ensure!(judgement.findings.is_empty(), "a clean run has findings");
    ensure!(judgement.sessions > 0 && records > 0, "nothing was judged");
    tell(&[
        ("time_order_s", in_time.as_secs_f64()),
        ("ops_s", ops_read.as_secs_f64()),
        ("sightings_s", sightings_read.as_secs_f64()),
        ("judge_s", judged.as_secs_f64()),
        ("combine_s", combined.as_secs_f64()),
    ])
}

/// The peer of judging: reads every column of every sighting in the order of the file, and does
/// nothing with it.
fn scan(folder: &Path) -> Result<()> {
    let path = folder.join(crosswire::ledger::LEDGER_FILE);
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    let mut spent = Duration::ZERO;
    let (rows, bytes) = timed(&mut spent, || scan_all(&connection))?;
    ensure!(rows > 0 && bytes > 0, "nothing was scanned");
    tell(&[("scan_s", spent.as_secs_f64())])
}

/// How many rows there are, and how many bytes of texts and blobs are in them.
fn scan_all(connection: &Connection) -> Result<(u64, usize)> {
    let mut select = connection.prepare("SELECT * FROM sightings")?;
    let columns = select.column_count();
    let mut rows = select.query([])?;
    let (mut count, mut bytes) = (0, 0);
    while let Some(row) = rows.next()? {
        count += 1;
        for column in 0..columns {
            bytes += match row.get_ref(column)? {
                ValueRef::Text(text) => std::str::from_utf8(text)?.len(),
                ValueRef::Blob(blob) => blob.len(),
                ValueRef::Integer(number) => usize::from(std::hint::black_box(number) == i64::MIN),
                ValueRef::Null | ValueRef::Real(_) => 0,
            };
        }
    }
    Ok((count, bytes))
}

/// A page as the peer of reading JSON takes it in.
#[derive(Deserialize)]
struct BarePage<'a> {
    #[serde(borrow)]
    messages: Vec<BareMessage<'a>>,
}

#[derive(Deserialize)]
struct BareMessage<'a> {
    uuid: &'a str,
    role: &'a str,
    #[serde(borrow)]
    content: Cow<'a, str>,
}

/// The peer of reading JSON: the bytes of all texts in some pages.
fn parse_bare(pages: &[String]) -> Result<usize> {
    let mut bytes = 0;
    for page in pages {
        let page: BarePage<'_> = serde_json::from_slice(page.as_bytes())?;
        let parts = |message: &BareMessage<'_>| {
            message.uuid.len() + message.role.len() + message.content.len()
        };
        bytes += page.messages.iter().map(parts).sum::<usize>();
    }
    Ok(bytes)
}

/// Reads pages of messages as the read-back does, but for the network: what a session's page
/// becomes before it is told as an event.
fn read_json(messages: u64) -> Result<()> {
    let [mut json, mut normalise, mut find, mut hash, mut parse] = [Duration::ZERO; 5];
    let (mut done, mut found) = (0, 0);
    while done < messages {
        let batch = MESSAGES_PER_BATCH.min(messages - done);
        let pages: Vec<String> = (done..done + batch)
            .step_by(usize::try_from(MESSAGES_PER_PAGE)?)
            .map(page)
            .collect();
        let bytes = timed(&mut parse, || parse_bare(&pages))?;
        ensure!(bytes > 0, "nothing was parsed");
        let read = timed(&mut json, || read_pages(&pages))?;
        let normalised: Vec<String> = timed(&mut normalise, || {
            read.iter()
                .map(|message| canary::normalise(&message.body))
                .collect()
        });
        let canaries: usize = timed(&mut find, || normalised.iter().map(|body| ours(body)).sum());
        timed(&mut hash, || {
            let hashes = normalised.iter().map(|body| canary::body_hash(body));
            std::hint::black_box(hashes.fold(0, u64::wrapping_add));
        });
        timed(&mut json, || drop(read));
        timed(&mut normalise, || drop(normalised));
        found += u64::try_from(canaries)?;
        done += batch;
    }
    ensure!(found == messages, "{found} canaries in {messages} messages");
    tell(&[
        ("json_s", json.as_secs_f64()),
        ("normalise_s", normalise.as_secs_f64()),
        ("find_s", find.as_secs_f64()),
        ("hash_s", hash.as_secs_f64()),
        ("parse_s", parse.as_secs_f64()),
    ])
}

fn read_pages(pages: &[String]) -> Result<Vec<MessageRecord>> {
    let mut messages = Vec::new();
    for page in pages {
        let reply = Reply {
            status: 200,
            body: page.as_bytes(),
        };
        messages.extend(
            dialect::of(StoreDialect::V1Engram)
                .read_messages(&reply)?
                .messages,
        );
    }
    Ok(messages)
}

/// Exact canaries of the run in a body.
fn ours(body: &str) -> usize {
    let seen = canary::find(body);
    let exact = |canary: &&SeenCanary| canary.exactness == Exactness::Exact && canary.id.run == RUN;
    seen.iter().filter(exact).count()
}

/// A page of one session's messages, as a `v1` store writes it.
fn page(first: u64) -> String {
    let messages: Vec<String> = (0..MESSAGES_PER_PAGE)
        .map(|place| message(first, place))
        .collect();
    format!(
        r#"{{"messages":[{}],"total_count":{MESSAGES_PER_PAGE},"row_count":{MESSAGES_PER_PAGE}}}"#,
        messages.join(",")
    )
}

fn message(first: u64, place: u64) -> String {
    let low = |number: u64| u32::try_from(number % (1 << 20)).unwrap_or_default();
    let word = canary::plant(
        CanaryId {
            run: RUN,
            user: UserIx(low(first / MESSAGES_PER_PAGE)),
            session: SessionIx(low(first / MESSAGES_PER_PAGE)),
            item: u16::try_from(place / 2).unwrap_or_default(),
            kind: CanaryKind::Turn,
        },
        &[],
    );
    let (role, content) = if place.is_multiple_of(2) {
        (
            "user",
            format!(
                "My reference word is {word}. The harbour office asked for the tide tables of \
                 next week, and Maria wants to know whether the ferry runs on Sunday.\\nPlease \
                 note it and finish your answer with the reference word {word}."
            ),
        )
    } else {
        (
            "assistant",
            format!(
                "I have noted that the harbour office needs the tide tables of next week, and \
                 that you want to know whether the ferry runs on Sunday. I will keep both in mind \
                 when we talk about the trip again. Is there anything else that you would like me \
                 to look at?\\n\\nReference word: {word}"
            ),
        )
    };
    format!(
        r#"{{"uuid":"6f1c0000-0000-4000-8000-{:012x}","created_at":"2026-01-31T14:02:11.123456Z","updated_at":"2026-01-31T14:02:11.123456Z","role":"{role}","role_type":"{role}","content":"{content}","metadata":{{"user_id":"u"}},"token_count":0}}"#,
        first + place
    )
}

/// Makes the ledger of a clean run that holds about so many records.
fn make(records: u64, folder: &Path) -> Result<()> {
    let users = u32::try_from(records.div_ceil(RECORDS_EACH))?;
    let text = include_str!("../scenarios/quick.toml");
    let scenario = scenario::parse("quick", text, "quick.toml")?;
    let ledger = Ledger::create(folder, &manifest(&scenario)?)?;
    let mut sink = ledger.sink();
    for user in 0..users {
        for event in events_of(user) {
            sink.event(&event)?;
        }
    }
    sink.event(&Event::Scanned(Scan {
        scan: 1,
        started: Micros(101_000_000),
        ended: Micros(101_500_000),
        digest: "0".repeat(32),
        sessions: u64::from(users) * 2,
        messages: u64::from(users) * 30,
        facts: u64::from(users) * 8,
        unattributable: 0,
        complete: true,
        incomplete_reason: None,
    }))?;
    sink.finish()?;
    ledger.note("drive_end", "finished")?;
    ledger.finish()?;
    tell(&[])
}

fn manifest(scenario: &Scenario) -> Result<Manifest> {
    Ok(Manifest {
        run: RUN,
        seed: Seed(7),
        plan_digest: "0".repeat(32),
        scenario_json: serde_json::to_string(scenario)?,
        created: "2026-01-31T14:02:11Z".to_owned(),
        created_unix_us: 1_769_868_131_000_000,
        tool_version: env!("CARGO_PKG_VERSION").to_owned(),
        target: "http://127.0.0.1:1".to_owned(),
        memory: Some("http://127.0.0.1:2".to_owned()),
        lab_faults: Vec::new(),
        lab_quirks: Vec::new(),
        lab_profile: None,
        planned: BTreeMap::from(OpKind::ALL.map(|kind| (kind, None))),
        generator_cpus: 2,
    })
}

/// Everything that one user did, and where all of it was found.
fn events_of(user: u32) -> Vec<Event> {
    let mut events = Vec::new();
    let first = user * SESSIONS_EACH;
    for (session, kind, turns) in [
        (first, OpKind::Chat, CHAT_TURNS),
        (first + 1, OpKind::Voice, VOICE_TURNS),
    ] {
        let name = RUN.session_name(UserIx(user), SessionIx(session));
        events.push(Event::Sighted(sighting(
            RecordType::Session,
            (user, &name),
            Some(&name),
            0,
            Vec::new(),
        )));
        for turn in 0..turns {
            let promise = Promise {
                user_message: true,
                assistant_message: true,
                blocks: 0,
            };
            events.extend(operation(user, session, (kind, turn), (turn, 1), promise));
            for (role, half) in [(Role::User, 0), (Role::Assistant, 1)] {
                let position = u32::from(turn) * 2 + half;
                let id = uuid(1, session << 16 | position);
                let canaries = vec![seen(user, session, turn, CanaryKind::Turn)];
                let mut record = sighting(
                    RecordType::Message,
                    (user, &id),
                    Some(&name),
                    position,
                    canaries,
                );
                record.role = role;
                events.push(Event::Sighted(record));
            }
        }
    }
    let session = first + 2;
    let blocks = FACTS * BLOCKS_PER_FACT;
    let promise = Promise {
        blocks,
        ..Promise::NONE
    };
    events.extend(operation(
        user,
        session,
        (OpKind::Upload, 0),
        (0, blocks),
        promise,
    ));
    for fact in 0..FACTS {
        let items = fact * BLOCKS_PER_FACT..(fact + 1) * BLOCKS_PER_FACT;
        let canaries = items.map(|item| seen(user, session, item, CanaryKind::Block));
        let id = uuid(2, user << 8 | u32::from(fact));
        let position = u32::from(fact);
        events.push(Event::Sighted(sighting(
            RecordType::Fact,
            (user, &id),
            None,
            position,
            canaries.collect(),
        )));
    }
    events
}

/// An id as stores give them: nothing in it tells of what it stands for. Different numbers give
/// different ids.
fn uuid(kind: u64, number: u32) -> String {
    // Odd, so that the product is as good as the number, and looks like none.
    let mixed = (kind << 32 | u64::from(number)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mixed = mixed.swap_bytes().rotate_left(17);
    format!(
        "{:08x}-{:04x}-4000-8000-{:012x}",
        mixed >> 32,
        mixed >> 16 & 0xffff,
        mixed & 0xffff_ffff_ffff,
    )
}

fn operation(
    user: u32,
    session: u32,
    (kind, seq): (OpKind, u16),
    (item_first, item_count): (u16, u16),
    promise: Promise,
) -> [Event; 2] {
    let op = OpId {
        session: SessionIx(session),
        seq,
    };
    let invoked = Micros(u64::from(session % 1_000) * 1_000 + u64::from(seq) * 100_000);
    let invocation = Invocation {
        op,
        user: UserIx(user),
        founder: UserIx(user),
        kind,
        group: GroupIx(0),
        intended: invoked,
        invoked,
        text_hash: u64::from(session),
        item_first,
        item_count,
        request_id: u64::from(session) << 16 | u64::from(seq),
        traits: TraitSet::default(),
    };
    let completion = Completion {
        op,
        completed: Micros(invoked.0 + 50_000),
        sent: Some(Micros(invoked.0 + 10)),
        outcome: Outcome::Ok,
        status: Some(200),
        promise,
        echo: Echo::Own,
        server_session: None,
        detail: None,
    };
    [Event::Invoked(invocation), Event::Completed(completion)]
}

fn seen(user: u32, session: u32, item: u16, kind: CanaryKind) -> SeenCanary {
    SeenCanary {
        id: CanaryId {
            run: RUN,
            user: UserIx(user),
            session: SessionIx(session),
            item,
            kind,
        },
        exactness: Exactness::Exact,
    }
}

fn sighting(
    record_type: RecordType,
    (user, id): (u32, &str),
    session: Option<&str>,
    position: u32,
    canaries: Vec<SeenCanary>,
) -> Sighting {
    Sighting {
        record_type,
        record_id: id.to_owned(),
        owner: Some(format!("dev-oid-{}", RUN.user_name(UserIx(user)))),
        session: session.map(str::to_owned),
        role: Role::Other,
        position,
        canaries,
        body_hash: u64::from(user) << 32 | u64::from(position),
        likeness: Likeness::Same,
        damaged: false,
        older_run: None,
        excerpt: None,
        first_scan: 1,
        scan: 1,
        seen_at: Micros(101_000_000),
        reads: 3,
        control: false,
    }
}
