//! Logs as evidence: each way of reading them, and each fault in them.

use std::fs;

use serde_json::Value;

use crate::support::{Bench, Done};

/// Chat, uploads and voice of a few users.
const SCENARIO: &str = r#"
[memory.settle]
task_limit = "200ms"
deadline = "2s"
pause = "100ms"
[load.chat]
executor = "per-vu-iterations"
session = "chat"
vus = 12
iterations = 2
[load.uploads]
executor = "per-vu-iterations"
session = "upload"
vus = 6
iterations = 1
[load.calls]
executor = "per-vu-iterations"
session = "call"
vus = 4
iterations = 1
[sessions.chat]
kind = "chat"
turns = 3
think = "50ms"
[sessions.upload]
kind = "upload"
uploads = 1
characters = "600..900"
[sessions.call]
kind = "voice"
turns = 2
speed = 10
"#;

fn run(bench: &Bench, more: &[&str]) -> (Done, Value) {
    let scenario = bench.folder.path().join("logs.toml");
    fs::write(&scenario, SCENARIO).unwrap();
    let mut args = vec!["run", scenario.to_str().unwrap(), "--report", "json=-"];
    args.extend(more);
    let done = bench.run_unsaturated(&args);
    let report = done.json();
    (done, report)
}

#[test]
fn a_file_a_command_and_json_lines_are_read_whole() {
    let bench = Bench::new();
    let log = bench.folder.path().join("target.log");
    let log = log.to_str().unwrap();
    // The command waits for the file that the lab makes.
    let command = format!("cmd:while [ ! -e {log} ]; do sleep 0.05; done; tail -n +1 -F {log}");
    for more in [
        vec!["--logs", "lab"],
        vec!["--lab-log", log, "--logs", log, "--lab-log-format", "json"],
        vec!["--lab-log", log, "--logs", &command],
    ] {
        let (done, report) = run(&bench, &more);
        assert_eq!(done.code, Some(0), "{more:?}: {}", done.stderr);
        let logs = &report["logs"];
        assert_eq!(logs["ids_seen"], logs["ok"], "{more:?}: {logs:#}");
        assert!(logs["supported"].as_bool().unwrap(), "{logs:#}");
        assert_eq!(logs["problems"].as_array().unwrap().len(), 0, "{logs:#}");
        assert!(
            done.stderr.contains("request ids seen: 100 %"),
            "{}",
            done.stderr
        );
        assert!(report["anomalies"]["log-mismatch"].is_null(), "{report:#}");
    }
}

#[test]
fn each_fault_in_the_log_is_found() {
    let bench = Bench::new();
    for (fault, exit) in [
        ("log-no-user:rate=0.3", 0),
        ("log-wrong-user:rate=0.3", 0),
        ("log-completed-not-stored:rate=0.3", 1),
    ] {
        let (done, report) = run(&bench, &["--lab-fault", fault, "--logs", "lab"]);
        assert_eq!(done.code, Some(exit), "{fault}: {}", done.stderr);
        let roots = report["anomalies"]["log-mismatch"]["roots"].as_u64();
        assert!(roots.unwrap() > 0, "{fault}: {report:#}");
    }
}

#[test]
fn half_of_the_lines_prove_nothing() {
    let bench = Bench::new();
    let (_, whole) = run(&bench, &["--logs", "lab"]);
    assert_eq!(whole["findings"].as_array().unwrap().len(), 0);
    let log = bench.folder.path().join("half.log");
    let half = log.to_str().unwrap();
    fs::write(&log, "").unwrap();
    let lab_log = bench.folder.path().join("lab.log");
    let lab_log = lab_log.to_str().unwrap();
    let command = format!(
        "cmd:while [ ! -e {lab_log} ]; do sleep 0.05; done; \
         tail -n +1 -F {lab_log} | awk 'NR % 5 < 2 {{ print; fflush() }}'"
    );
    let (done, report) = run(
        &bench,
        &["--lab-log", lab_log, "--logs", &command, "--logs", half],
    );
    assert_eq!(done.code, Some(0), "{}", done.stderr);
    assert_eq!(
        report["findings"].as_array().unwrap().len(),
        0,
        "{report:#}"
    );
    let seen = |key: &str| report["logs"][key].as_u64().unwrap();
    assert!(
        seen("ids_seen") > 0 && seen("ids_seen") < seen("ok"),
        "{report:#}"
    );
}
