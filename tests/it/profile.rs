//! The lab as the public snapshot f878ddb: its known findings, and nothing else.

use serde_json::{Value, json};

use crate::support::{Bench, Done};

const SNAPSHOT: &str = include_str!("../../scenarios/f878ddb.toml");

/// Sessions that are opened at once, and answered after the time that the snapshot gives itself
/// to write down whose they are.
const AT_ONCE: &str = r#"
version = 1
[users]
count = 400
[memory.settle]
task_limit = "1s"
deadline = "20s"
pause = "250ms"
[load.chat]
executor = "per-vu-iterations"
session = "chat"
vus = 400
iterations = 1
starts = "together"
[sessions.chat]
kind = "chat"
turns = 1
think = "0s"
"#;

fn run(bench: &Bench, scenario: &str) -> Done {
    let file = bench.file("snapshot.toml", scenario.as_bytes());
    let file = file.to_str().unwrap();
    bench.run_unsaturated(&[
        "run",
        file,
        "--lab-profile",
        "f878ddb",
        "--report",
        "json=-",
    ])
}

/// The scenario without its accepted findings.
fn without_accept() -> String {
    let entries = SNAPSHOT.find("[[accept]]").unwrap();
    let after = entries + SNAPSHOT[entries..].find("[load.").unwrap();
    format!("{}{}", &SNAPSHOT[..entries], &SNAPSHOT[after..])
}

fn codes(report: &Value) -> Vec<&String> {
    report["anomalies"].as_object().unwrap().keys().collect()
}

#[test]
fn below_its_capacity_only_the_voice_channel_is_wrong() {
    let bench = Bench::new();
    let done = run(&bench, &without_accept());
    assert_eq!(done.code, Some(1), "{}{}", done.stdout, done.stderr);
    let report = done.json();
    assert_eq!(codes(&report), ["placeholder-owner"], "{report:#}");
    assert_eq!(report["anomalies"]["placeholder-owner"]["roots"], 1);
}

#[test]
fn what_is_known_can_be_accepted() {
    let bench = Bench::new();
    let done = run(&bench, SNAPSHOT);
    assert_eq!(done.code, Some(0), "{}{}", done.stdout, done.stderr);
    let report = done.json();
    assert_eq!(report["anomalies"], json!({}));
    assert_eq!(report["accepted"][0]["roots"], 1, "{report:#}");
}

#[test]
fn four_hundred_sessions_at_once_are_nobodys() {
    let bench = Bench::new();
    let done = run(&bench, AT_ONCE);
    assert_eq!(done.code, Some(1), "{}{}", done.stdout, done.stderr);
    let report = done.json();
    assert_eq!(report["ops"]["chat"]["ok"], 400, "{report:#}");
    assert_eq!(codes(&report), ["missing-owner"], "{report:#}");
    // Each session with both of its messages, and one cause.
    let missing = &report["anomalies"]["missing-owner"];
    assert_eq!(missing["records"], 3 * 400, "{report:#}");
    assert_eq!(missing["roots"], 1, "{report:#}");
}
