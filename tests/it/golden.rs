//! Kept ledgers of real runs, judged again on every build: the judgement is the recorded one,
//! unless a change of the judge meant to change it.
//!
//! `UPDATE_GOLDEN=1 cargo test --test it golden::kept` writes down what the judge says now;
//! `UPDATE_GOLDEN=runs` makes the ledgers anew before, which a new major format of the ledger
//! needs. `git diff tests/golden` shows what became of the judgements.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::support::{Bench, Done, OwnLab, finish, signal, wait_for_ops};

/// The kept runs: the name of the ledger, and the fault that was planted.
const KEPT: [(&str, Option<&str>); 13] = [
    ("healthy", None),
    ("late-binding", Some("late-binding:window=2ms")),
    ("auth-fallback", Some("auth-fallback")),
    ("no-owner", Some("no-owner:rate=0.2")),
    ("split-owner", Some("split-owner:rate=0.3")),
    ("wrong-session", Some("wrong-session:rate=0.2")),
    ("mix-chunks", Some("mix-chunks")),
    ("drop-after-ack", Some("drop-after-ack:rate=0.2")),
    ("double-write", Some("double-write:rate=0.2")),
    ("flip-bytes", Some("flip-bytes:rate=0.2")),
    ("invent", Some("invent:rate=0.2")),
    ("replay-old-run", Some("replay-old-run:rate=0.2")),
    (KILLED, None),
];
/// The tester was killed in the midst of this one; its store was read afterwards.
const KILLED: &str = "killed";
/// Bytes of a page of a kept ledger: small pages make small files.
const PAGE_BYTES: u32 = 1024;
/// Largest ledger that is kept, in bytes.
const KEPT_BYTES_MAX: u64 = 200_000;

/// What is compared of a report, whole.
const COMPARED: [&str; 10] = [
    "verdict",
    "exit_code",
    "inconclusive_reasons",
    "ended",
    "anomalies",
    "ops",
    "records",
    "read_back",
    "exposure",
    "bound",
];
/// What is compared of a finding, beside its records.
const COMPARED_OF_FINDING: [&str; 10] = [
    "code",
    "severity",
    "proof",
    "claim",
    "because",
    "sender",
    "found_under",
    "sightings_total",
    "explains",
    "pattern",
];

fn golden(name: &str, extension: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/golden")
        .join(format!("{name}.{extension}"))
}

/// Judges a ledger again, in a folder of its own.
fn judge(bench: &Bench, ledger: &[u8]) -> Done {
    let folder = bench.folder.path().join("kept");
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("run.db"), ledger).unwrap();
    bench.run(&["report", folder.to_str().unwrap(), "--report", "json=-"])
}

fn picked(value: &Value, keys: &[&str]) -> serde_json::Map<String, Value> {
    let pick = |key: &&str| ((*key).to_owned(), value[*key].clone());
    keys.iter().map(pick).collect()
}

/// What of a report must stay as it is: no times and no texts.
fn summary(report: &Value) -> Value {
    let finding = |finding: &Value| {
        let mut picked = picked(finding, &COMPARED_OF_FINDING);
        let sightings = finding["sightings"].as_array().unwrap();
        let records = sightings.iter().map(|sighting| {
            let keys = ["code", "type", "record_id", "op", "canary"];
            let told: Vec<&str> = keys
                .iter()
                .filter_map(|key| sighting[*key].as_str())
                .collect();
            json!(told.join(" "))
        });
        picked.insert("records".to_owned(), records.collect());
        Value::Object(picked)
    };
    let findings: Vec<Value> = report["findings"]
        .as_array()
        .unwrap()
        .iter()
        .map(finding)
        .collect();
    let mut all = picked(report, &COMPARED);
    all.insert("findings".to_owned(), json!(findings));
    Value::Object(all)
}

/// Makes a run and keeps its ledger.
fn make(name: &str, fault: Option<&str>) {
    let bench = Bench::new();
    let scenario = fs::read_to_string(golden("scenario", "toml")).unwrap();
    if name == KILLED {
        make_killed(&bench, &scenario);
    } else {
        let path = bench.file("golden.toml", scenario.as_bytes());
        let mut args = vec!["run", path.to_str().unwrap(), "--seed", "7"];
        args.extend(fault.iter().flat_map(|fault| ["--lab-fault", *fault]));
        let done = bench.run_unsaturated(&args);
        assert!(
            matches!(done.code, Some(0 | 1)),
            "{name}: {}{}",
            done.stdout,
            done.stderr
        );
    }
    let kept = golden(name, "db");
    if kept.exists() {
        fs::remove_file(&kept).unwrap();
    }
    let ledger = rusqlite::Connection::open(bench.only_run().join("run.db")).unwrap();
    let journal: String = ledger
        .query_row("PRAGMA journal_mode = DELETE", [], |row| row.get(0))
        .unwrap();
    assert_eq!(journal, "delete");
    ledger
        .execute_batch(&format!("PRAGMA page_size = {PAGE_BYTES}; VACUUM"))
        .unwrap();
    drop(ledger);
    fs::copy(bench.only_run().join("run.db"), kept).unwrap();
}

/// Kills a tester that takes its time, and reads the store back afterwards.
fn make_killed(bench: &Bench, scenario: &str) {
    let slow = scenario.replace("10ms..40ms", "200ms..400ms");
    assert_ne!(slow, scenario);
    let path = bench.file("golden.toml", slow.as_bytes());
    let lab = OwnLab::start(bench, &[]);
    let driver = bench.spawn(&[
        "run",
        path.to_str().unwrap(),
        "--seed",
        "7",
        "--target",
        &lab.target,
        "--memory",
        &lab.memory,
    ]);
    wait_for_ops(bench, 15);
    signal(driver.id(), "KILL");
    assert_eq!(finish(driver).code, None);
    let done = bench.run(&["observe", "last"]);
    assert_eq!(done.code, Some(4), "{}{}", done.stdout, done.stderr);
}

#[test]
fn kept_runs_are_judged_as_they_were() {
    let update = std::env::var("UPDATE_GOLDEN").unwrap_or_default();
    for (name, fault) in KEPT {
        if update == "runs" {
            make(name, fault);
        }
        let ledger = fs::read(golden(name, "db")).unwrap();
        assert!(
            u64::try_from(ledger.len()).unwrap() < KEPT_BYTES_MAX,
            "{name}"
        );
        let bench = Bench::new();
        let done = judge(&bench, &ledger);
        let report = done.json();
        let judged = summary(&report);
        assert_eq!(
            report["exit_code"],
            done.code.unwrap(),
            "{name}: {}",
            done.stderr
        );
        let kept = golden(name, "json");
        if !update.is_empty() {
            let text = serde_json::to_string_pretty(&judged).unwrap() + "\n";
            fs::write(&kept, text).unwrap();
        }
        let recorded: Value = serde_json::from_slice(&fs::read(&kept).unwrap()).unwrap();
        assert!(
            judged == recorded,
            "{name} is judged differently. If that is meant: \
             `UPDATE_GOLDEN=1 cargo test --test it golden::kept`, and look at the difference. Now:\n{}",
            serde_json::to_string_pretty(&judged).unwrap()
        );
        // Judging writes nothing, and judging twice says the same.
        assert_eq!(
            summary(&judge(&bench, &ledger).json()),
            recorded,
            "{name}: twice"
        );
    }
}

#[test]
fn the_kept_runs_show_what_they_are_kept_for() {
    let verdict_of = |name: &str| -> Value {
        let recorded: Value =
            serde_json::from_slice(&fs::read(golden(name, "json")).unwrap()).unwrap();
        recorded["verdict"].clone()
    };
    for (name, fault) in KEPT {
        let expected = match (name, fault) {
            (KILLED, _) => "inconclusive",
            (_, None) => "pass",
            (_, Some(_)) => "fail",
        };
        assert_eq!(verdict_of(name), expected, "{name}");
    }
}

/// A damaged ledger ends as an error that names the file, or as a judgement of what is left;
/// never as a panic.
#[track_caller]
fn endured(bench: &Bench, ledger: &[u8], how: &str) -> Done {
    let done = judge(bench, ledger);
    match done.code {
        Some(0 | 1 | 4) => drop(done.json()),
        Some(2 | 70) => {
            assert!(
                done.stderr.contains("run.db") || done.stderr.contains("in the ledger"),
                "{how}: {}",
                done.stderr
            );
            assert_eq!(done.stdout, "", "{how}: an error is no report");
        }
        other => panic!("{how}: {other:?}: {}", done.stderr),
    }
    assert!(!done.stderr.contains("panicked"), "{how}: {}", done.stderr);
    done
}

#[test]
fn a_ledger_that_is_cut_off_is_an_error() {
    let bench = Bench::new();
    let whole = fs::read(golden("late-binding", "db")).unwrap();
    let pages = whole.len() / PAGE_BYTES as usize;
    for page in [0, 1, 2, pages / 4, pages / 2, pages - 1] {
        for further in [0, 17] {
            let cut = page * PAGE_BYTES as usize + further;
            let done = endured(&bench, &whole[..cut], &format!("cut at {cut}"));
            assert!(
                matches!(done.code, Some(2 | 70)),
                "cut at {cut}: {}",
                done.stdout
            );
        }
    }
}

#[test]
fn a_ledger_with_flipped_bytes_is_endured() {
    let bench = Bench::new();
    let whole = fs::read(golden("late-binding", "db")).unwrap();
    // The header in full, which says how all the rest is to be read, then here and there.
    let places = (0..100).step_by(3).chain((100..whole.len()).step_by(997));
    for place in places {
        let mut flipped = whole.clone();
        flipped[place] ^= 0xff;
        endured(&bench, &flipped, &format!("flipped {place}"));
    }
}

#[test]
fn a_ledger_without_one_of_its_tables_is_an_error() {
    let whole = fs::read(golden("healthy", "db")).unwrap();
    let tables = [
        "manifest",
        "ops",
        "sessions",
        "server_sessions",
        "sightings",
        "canaries",
        "scans",
        "samples",
        "lags",
    ];
    for table in tables {
        let done = altered(&whole, &format!("DROP TABLE {table}"));
        assert!(
            matches!(done.code, Some(2 | 70)),
            "{table}: {}",
            done.stdout
        );
        assert!(done.stderr.contains(table), "{table}: {}", done.stderr);
    }
}

#[test]
fn a_ledger_of_another_version_is_refused_with_the_remedy() {
    let whole = fs::read(golden("healthy", "db")).unwrap();
    for (format, part) in [("99.0", "newer Crosswire"), ("1.0", "older Crosswire")] {
        let done = altered(
            &whole,
            &format!("UPDATE manifest SET value = '\"{format}\"' WHERE key = 'format'"),
        );
        assert!(
            matches!(done.code, Some(2 | 70)),
            "{format}: {}",
            done.stdout
        );
        for part in [format, part] {
            assert!(done.stderr.contains(part), "{format}: {}", done.stderr);
        }
    }
}

#[test]
fn rows_that_no_run_writes_are_endured() {
    let whole = fs::read(golden("late-binding", "db")).unwrap();
    let changes = [
        "UPDATE manifest SET value = 'null'",
        "UPDATE manifest SET value = '{}' WHERE key = 'scenario_json'",
        "UPDATE manifest SET value = '\"[]\"' WHERE key = 'scenario_json'",
        "UPDATE manifest SET value = '\"evening\"' WHERE key = 'drive_end'",
        "UPDATE manifest SET value = '-1' WHERE key = 'created_unix_us'",
        "UPDATE ops SET op_id = op_id + 9000000000000000000",
        "UPDATE ops SET user_ix = -1",
        "UPDATE ops SET user_ix = 9223372036854775807",
        "UPDATE ops SET invoked_us = -9223372036854775808",
        "UPDATE ops SET completed_us = 9223372036854775807 WHERE completed_us IS NOT NULL",
        "UPDATE ops SET kind = 2",
        "UPDATE ops SET promise = -1 WHERE promise IS NOT NULL",
        "UPDATE ops SET item_first = 65535, item_count = 65535",
        "UPDATE sessions SET user_ix = 4294967295",
        "UPDATE sightings SET packed_canaries = x'ff'",
        "UPDATE sightings SET packed_canaries = zeroblob(65536)",
        "UPDATE sightings SET session = NULL",
        "UPDATE sightings SET owner = ''",
        "UPDATE sightings SET owner = replace(hex(zeroblob(100000)), '00', 'a')",
        "UPDATE sightings SET position = 4294967295",
        "UPDATE canaries SET user_ix = 4294967295",
        "UPDATE scans SET started_us = 9223372036854775807",
        "UPDATE scans SET scan = -scan",
        "DELETE FROM scans",
        "DELETE FROM ops",
        "DELETE FROM sightings",
        "DELETE FROM sessions",
        "DELETE FROM manifest WHERE key <> 'format'",
    ];
    for change in changes {
        altered(&whole, change);
    }
}

/// Judges a ledger in which something was changed with SQL; what the schema does not allow is
/// passed over.
#[track_caller]
fn altered(whole: &[u8], sql: &str) -> Done {
    let bench = Bench::new();
    let path = bench.file("altered.db", whole);
    let ledger = rusqlite::Connection::open(&path).unwrap();
    let views = "DROP VIEW IF EXISTS v_missing; DROP VIEW IF EXISTS v_wrong_owner; \
                 DROP VIEW IF EXISTS v_ops; DROP VIEW IF EXISTS v_sightings;";
    if sql.starts_with("DROP") {
        ledger.execute_batch(views).unwrap();
    }
    match ledger.execute_batch(sql) {
        Ok(()) => {}
        Err(rusqlite::Error::SqliteFailure(refused, _))
            if refused.code == rusqlite::ErrorCode::ConstraintViolation => {}
        Err(error) => panic!("{sql}: {error}"),
    }
    drop(ledger);
    endured(&bench, &fs::read(&path).unwrap(), sql)
}
