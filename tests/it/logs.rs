//! Logs as evidence: each way of reading them, and each fault in them.

use std::fs;

use serde_json::Value;

use crate::support::{Bench, Done, OwnLab};

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

/// The words of the export's lines about chat, which are not the default's.
const OTHER_WORDS: &str = r#"
[logs.chat]
started = []
completed = ["Talk kept[ of {user}]"]
failed = []
"#;

/// A line about a chat of the user's neighbour.
fn for_the_next_user(line: &str) -> String {
    let (before, named) = line.split_once(" of ").unwrap();
    let (user, after) = named.split_once('"').unwrap();
    let (run, number) = user.rsplit_once('u').unwrap();
    let next = (number.parse::<u32>().unwrap() + 1) % 12;
    format!("{before} of {run}u{next}\"{after}")
}

#[test]
fn a_late_export_is_read_by_the_scenarios_own_words() {
    let bench = Bench::new();
    let lab = OwnLab::start(&bench, &["--log-format", "json"]);
    let scenario = format!("{SCENARIO}{OTHER_WORDS}");
    let scenario = bench.file("words.toml", scenario.as_bytes());
    let scenario = scenario.to_str().unwrap();
    let at = ["--target", &lab.target, "--memory", &lab.memory];
    let mut args = vec!["run", scenario, "--report", "json=-"];
    args.extend(at);
    let done = bench.run_unsaturated(&args);
    assert_eq!(done.code, Some(0), "{}", done.stderr);
    assert!(done.json()["logs"].is_null());

    let log = fs::read_to_string(bench.folder.path().join("own-lab.log")).unwrap();
    let kept = "Background task completed: conversation persisted for user: ";
    let mut lines: Vec<String> = log
        .lines()
        .map(|l| l.replace(kept, "Talk kept of "))
        .collect();
    // The last run's: a busy machine may have had several.
    let wrong = lines
        .iter_mut()
        .rfind(|line| line.contains("Talk kept"))
        .unwrap();
    *wrong = for_the_next_user(wrong);
    let export = bench.file("export.log", lines.join("\n").as_bytes());
    let export = export.to_str().unwrap();
    let done = bench.run(&["observe", "last", "--logs", export, "--report", "json=-"]);
    let report = done.json();
    let logs = &report["logs"];
    assert_eq!(logs["ids_seen"], logs["ok"], "{logs:#}");
    assert!(
        logs["task_lines"].as_u64() >= logs["ok"].as_u64(),
        "{logs:#}"
    );
    assert_eq!(
        report["anomalies"]["log-mismatch"]["roots"], 1,
        "{report:#}"
    );
    assert_eq!(
        report["findings"].as_array().unwrap().len(),
        1,
        "{report:#}"
    );
    assert!(
        done.stderr.contains("request ids seen: 100 %"),
        "{}",
        done.stderr
    );
}
