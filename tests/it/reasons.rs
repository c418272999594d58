//! Each reason for no verdict, from the real binary: those that a target or a store can cause, by
//! such a one; those of the tester's own, by the ledger that it would have left. What is reached
//! elsewhere is not reached again: see `evidence`.

use std::path::Path;

use serde_json::Value;

use crate::support::{Bench, Done, OwnLab};

#[track_caller]
fn reasons(done: &Done) -> Vec<String> {
    assert_eq!(done.code, Some(4), "{}{}", done.stdout, done.stderr);
    let report = done.json();
    assert_eq!(report["anomalies"], serde_json::json!({}), "{report:#}");
    let list = report["inconclusive_reasons"].as_array().unwrap();
    list.iter()
        .map(|r| r.as_str().unwrap().to_owned())
        .collect()
}

#[track_caller]
fn has(done: &Done, reason: &str) {
    let reasons = reasons(done);
    assert!(reasons.iter().any(|r| r == reason), "{reason}: {reasons:?}");
}

/// What a tester would have left of a run, if something else had become of it.
#[track_caller]
fn left_so(run: &Path, changes: &str) {
    let ledger = rusqlite::Connection::open(run.join("run.db")).unwrap();
    ledger.execute_batch(changes).unwrap();
}

#[test]
fn what_a_tester_left_undone_is_a_reason_by_itself() {
    let bench = Bench::new();
    let done = bench.run_unsaturated(&["run", "quick", "--seed", "7"]);
    assert_eq!(done.code, Some(0), "{}{}", done.stdout, done.stderr);
    let run = bench.only_run();
    let kept = bench.folder.path().join("kept.db");
    std::fs::copy(run.join("run.db"), &kept).unwrap();
    for (reason, changes) in [
        // The planted records were read, and the judge did not find them.
        ("control-missed", "DELETE FROM sightings WHERE control = 1;"),
        (
            "not-settled",
            "DELETE FROM scans WHERE scan < (SELECT max(scan) FROM scans);",
        ),
        (
            "generator-saturated",
            "INSERT OR REPLACE INTO manifest VALUES ('dropped_arrivals', '3');",
        ),
        // A turn that is stored, and that nobody wrote down.
        (
            "ledger-gap",
            "DELETE FROM ops WHERE op_id = (SELECT max(op_id) FROM ops WHERE kind = 0 \
             AND outcome = 0 AND seq > 0 AND server_session IS NULL);",
        ),
        (
            "ledger-gap",
            "INSERT OR REPLACE INTO manifest VALUES ('ledger_conflicts', '1');",
        ),
        (
            "checker-error",
            "INSERT OR REPLACE INTO manifest VALUES ('broken_sessions', '1');",
        ),
    ] {
        std::fs::copy(&kept, run.join("run.db")).unwrap();
        left_so(&run, changes);
        let done = bench.run(&["report", "last", "--report", "json=-"]);
        assert_eq!(reasons(&done), [reason], "{changes}");
    }
}

#[test]
fn a_target_that_asks_for_less_load_gets_it() {
    let bench = Bench::new();
    let lab = OwnLab::start(&bench, &["--answer", "429"]);
    let target = ["--target", &lab.target, "--memory", &lab.memory];
    let mut args = vec!["run", "mixed", "--duration", "60s", "--report", "json=-"];
    args.extend(target);
    let done = bench.run(&args);
    has(&done, "target-throttled");
    assert_eq!(done.json()["ended"], "target-throttled");
}

#[test]
fn a_store_that_lacks_a_page_or_breaks_words_proves_nothing() {
    for (fault, reason) in [
        ("page-lost", "read-back-incomplete"),
        ("damage-canary:rate=0.3", "assumption-failed"),
    ] {
        let bench = Bench::new();
        let args = ["run", "--lab-fault", fault, "--report", "json=-"];
        has(&bench.run(&args), reason);
    }
}

#[test]
fn each_reason_is_explained_with_what_to_do() {
    let bench = Bench::new();
    for reason in crosswire::model::InconclusiveReason::ALL {
        let done = bench.run(&["explain", reason.name()]);
        assert_eq!(done.code, Some(0), "{}", done.stderr);
        assert!(done.stdout.contains("What to do: "), "{}", done.stdout);
    }
}

#[test]
fn a_run_that_stops_at_a_finding_says_so() {
    let bench = Bench::new();
    let done = bench.run(&[
        "run",
        "mixed",
        "--duration",
        "60s",
        "--lab-fault",
        "auth-fallback",
        "--fail-fast",
        "--report",
        "json=-",
    ]);
    assert_eq!(done.code, Some(1), "{}{}", done.stdout, done.stderr);
    let report: Value = done.json();
    assert_eq!(report["ended"], "stopped-at-finding", "{report:#}");
    let interrupted = serde_json::json!("interrupted");
    let reasons = report["inconclusive_reasons"].as_array().unwrap();
    assert!(!reasons.contains(&interrupted), "{reasons:?}");
    let screen = bench.run(&["report", "last"]).stdout;
    assert!(
        screen.contains("stopped at the first proved finding"),
        "{screen}"
    );
}

#[test]
fn an_order_that_is_not_compared_is_said() {
    let bench = Bench::new();
    let args = ["run", "--lab-quirk", "shuffled-pages", "--report", "json=-"];
    let report = bench.run_unsaturated(&args).json();
    assert_eq!(report["lab_quirks"], serde_json::json!(["shuffled-pages"]));
    assert_eq!(report["lab_profile"], Value::Null);
    assert!(report["read_back"]["unsteady_sessions"].as_u64().unwrap() > 0);
    let screen = bench.run(&["report", "last"]).stdout;
    assert!(screen.contains("order      not compared"), "{screen}");
}
