//! A verdict needs evidence: what is missing is said, what was proved stands, nothing hangs.

use std::net::TcpListener;
use std::time::Duration;

use serde_json::Value;

use crate::support::{Bench, Done, OwnLab, count_ops, finish, signal, wait_for_ops};

#[track_caller]
fn reasons(report: &Value) -> Vec<String> {
    let list = report["inconclusive_reasons"].as_array().unwrap();
    list.iter()
        .map(|reason| reason.as_str().unwrap().to_owned())
        .collect()
}

#[track_caller]
fn inconclusive(done: &Done, reason: &str) -> Value {
    assert_eq!(done.code, Some(4), "{}{}", done.stdout, done.stderr);
    let report = done.json();
    assert_eq!(report["verdict"], "inconclusive");
    assert_eq!(report["exit_code"], 4);
    assert!(
        reasons(&report).iter().any(|r| r == reason),
        "{reason}: {:?}",
        reasons(&report)
    );
    assert_eq!(
        report["anomalies"],
        serde_json::json!({}),
        "nothing false is reported"
    );
    report
}

fn total(report: &Value, key: &str) -> u64 {
    let kinds = report["ops"].as_object().unwrap().values();
    kinds.map(|counts| counts[key].as_u64().unwrap()).sum()
}

#[test]
fn one_user_alone_cannot_race() {
    let bench = Bench::new();
    let done = bench.run(&["run", "--users", "1", "--report", "json=-"]);
    let report = inconclusive(&done, "no-overlap");
    assert_eq!(report["exposure"]["pairs"], 0);
}

#[test]
fn a_target_that_refuses_everything_gives_no_evidence() {
    let bench = Bench::new();
    let lab = OwnLab::start(&bench, &["--answer", "503"]);
    let args = [
        "run",
        "quick",
        "--target",
        &lab.target,
        "--memory",
        &lab.memory,
        "--report",
        "json=-",
    ];
    let report = inconclusive(&bench.run(&args), "no-evidence");
    assert_eq!(total(&report, "ok"), 0);
    assert!(total(&report, "refused") > 0);
}

#[test]
fn without_a_store_a_pass_is_impossible() {
    let bench = Bench::new();
    let lab = OwnLab::start(&bench, &[]);
    let args = [
        "run",
        "quick",
        "--target",
        &lab.target,
        "--memory",
        "none",
        "--report",
        "json=-",
    ];
    inconclusive(&bench.run(&args), "no-read-back");
}

#[test]
fn a_killed_tester_loses_no_committed_evidence() {
    let bench = Bench::new();
    let lab = OwnLab::start(&bench, &[]);
    let args = [
        "run",
        "mixed",
        "--target",
        &lab.target,
        "--memory",
        &lab.memory,
    ];
    let driver = bench.spawn(&args);
    let run = wait_for_ops(&bench, 300);
    signal(driver.id(), "KILL");
    assert_eq!(finish(driver).code, None);
    // Open when the tester died, or unknown before: mixed hangs up on purpose.
    let open = count_ops(&run, "outcome IS NULL OR outcome = 4");

    for command in ["observe", "reconcile", "report"] {
        let report = inconclusive(
            &bench.run(&[command, "last", "--report", "json=-"]),
            "interrupted",
        );
        assert_eq!(report["ended"], "crashed", "{command}");
        assert!(
            report["unjudged_ms"].as_u64().is_some(),
            "{command}: the gap is named"
        );
        assert!(
            total(&report, "ok") > 0,
            "{command}: committed rows are used"
        );
        assert_eq!(
            total(&report, "unknown") + total(&report, "recovered"),
            open,
            "{command}"
        );
        assert_eq!(report["control"]["found"], 2, "{command}");
    }
    let screen = bench.run(&["report", "last"]);
    assert!(screen.stdout.contains("unjudged"), "{}", screen.stdout);
}

#[test]
fn a_killed_tester_still_proves_what_it_saw() {
    let bench = Bench::new();
    let lab = OwnLab::start(&bench, &["--lab-fault", "auth-fallback"]);
    let args = [
        "run",
        "mixed",
        "--target",
        &lab.target,
        "--memory",
        &lab.memory,
    ];
    let driver = bench.spawn(&args);
    wait_for_ops(&bench, 300);
    signal(driver.id(), "KILL");
    finish(driver);
    let done = bench.run(&["observe", "last", "--report", "json=-"]);
    assert_eq!(done.code, Some(1), "{}{}", done.stdout, done.stderr);
    assert!(
        done.json()["anomalies"]["placeholder-owner"]["roots"]
            .as_u64()
            .unwrap()
            > 0
    );
}

#[test]
fn a_lost_target_ends_the_run() {
    let bench = Bench::new();
    let mut lab = OwnLab::start(&bench, &[]);
    let args = [
        "run",
        "mixed",
        "--duration",
        "60s",
        "--target",
        &lab.target,
        "--memory",
        &lab.memory,
        "--report",
        "json=-",
    ];
    let driver = bench.spawn(&args);
    wait_for_ops(&bench, 300);
    lab.kill();
    let report = inconclusive(&finish(driver), "target-lost");
    assert!(
        reasons(&report)
            .iter()
            .any(|reason| reason == "read-back-incomplete")
    );
    assert!(total(&report, "ok") > 0, "it says what it knows");
}

#[test]
fn the_first_signal_drains_and_still_judges() {
    for name in ["INT", "TERM"] {
        let bench = Bench::new();
        let driver = bench.spawn(&["run", "mixed", "--duration", "60s", "--report", "json=-"]);
        wait_for_ops(&bench, 300);
        signal(driver.id(), name);
        let report = inconclusive(&finish(driver), "interrupted");
        assert_eq!(report["ended"], "interrupted", "{name}");
        assert_eq!(
            report["read_back"]["complete"], true,
            "{name}: it still reads back"
        );
        assert!(
            report["records"]["messages"].as_u64().unwrap() > 0,
            "{name}"
        );
    }
}

#[test]
fn the_second_signal_leaves_at_once() {
    for (name, code) in [("INT", 130), ("TERM", 143)] {
        let bench = Bench::new();
        let driver = bench.spawn(&["run", "mixed", "--duration", "60s"]);
        let run = wait_for_ops(&bench, 300);
        signal(driver.id(), name);
        std::thread::sleep(Duration::from_millis(50));
        signal(driver.id(), name);
        assert_eq!(finish(driver).code, Some(code), "{name}");
        let ops = count_ops(&run, "1");
        assert!(ops >= 300, "{name}: the ledger is committed");
    }
}

#[test]
fn a_store_that_lists_no_facts_neither_loses_documents_nor_passes() {
    let bench = Bench::new();
    let done = bench.run_unsaturated(&["run"]);
    assert_eq!(done.code, Some(0), "{}{}", done.stdout, done.stderr);
    // The same run, as a store without facts would have left it.
    let ledger = rusqlite::Connection::open(bench.only_run().join("run.db")).unwrap();
    let noted = ledger
        .execute(
            "UPDATE manifest SET value = 'false' WHERE key = 'facts_listed' AND value = 'true'",
            [],
        )
        .unwrap();
    assert_eq!(noted, 1, "the run writes down that its store lists facts");
    ledger
        .execute_batch(
            "DELETE FROM canaries WHERE record_type = 2; \
             DELETE FROM sightings WHERE record_type = 2;",
        )
        .unwrap();
    drop(ledger);
    let report = inconclusive(
        &bench.run(&["report", "last", "--report", "json=-"]),
        "no-read-back",
    );
    assert_eq!(reasons(&report).len(), 1);
}

#[test]
fn a_lab_that_is_gone_is_not_read_again() {
    let bench = Bench::new();
    let done = bench.run(&["run", "--users", "1"]);
    assert_eq!(done.code, Some(4), "{}{}", done.stdout, done.stderr);
    let done = bench.run(&["observe", "last"]);
    assert_eq!(done.code, Some(3), "{}{}", done.stdout, done.stderr);
    assert!(done.stderr.contains("embedded lab"), "{}", done.stderr);

    // A disk that is full, where the system has one.
    if !std::path::Path::new("/dev/full").exists() {
        return;
    }
    let done = bench.run(&["report", "last", "--report", "json=/dev/full"]);
    assert_eq!(done.code, Some(70), "{}{}", done.stdout, done.stderr);
    assert!(
        done.stdout.contains("no-overlap"),
        "the verdict is shown all the same: {}",
        done.stdout
    );
}

#[test]
fn a_run_that_never_began_leaves_no_folder() {
    let bench = Bench::new();
    let (name, quick) = crosswire::scenario::embedded()[0];
    let unhealthy = format!("{quick}\n[target.paths]\nhealth = \"/nowhere\"\n");
    let scenario = bench.file(&format!("{name}-unhealthy.toml"), unhealthy.as_bytes());
    let done = bench.run(&["run", scenario.to_str().unwrap()]);
    assert_eq!(done.code, Some(3), "{}{}", done.stdout, done.stderr);
    assert!(bench.runs().is_empty(), "{:?}", bench.runs());
}

#[test]
fn a_signal_before_the_first_operation_leaves_at_once() {
    let bench = Bench::new();
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let target = format!("http://{}", silent.local_addr().unwrap());
    let driver = bench.spawn(&["run", "staging", "--target", &target, "--memory", "none"]);
    let _asked = silent.accept().unwrap();
    signal(driver.id(), "INT");
    let done = finish(driver);
    assert_eq!(done.code, Some(130), "{}{}", done.stdout, done.stderr);
    assert!(bench.runs().is_empty(), "{:?}", bench.runs());
}
