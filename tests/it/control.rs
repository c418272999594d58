//! The control arm: what goes wrong under load alone, and what goes wrong one at a time too.

use serde_json::Value;

use crate::support::Bench;

/// A smaller load than the embedded ones, with the channels that the faults strike.
const SCENARIO: &str = r#"
version = 1
[users]
count = 40
[memory.settle]
task_limit = "100ms"
deadline = "2s"
pause = "50ms"
[load.chat]
executor = "per-vu-iterations"
session = "chat"
vus = 40
iterations = 3
max_duration = "30s"
[load.uploads]
executor = "per-vu-iterations"
session = "upload"
vus = 20
iterations = 1
max_duration = "30s"
[sessions.chat]
kind = "chat"
turns = "1..2"
think = "0ms..50ms"
[sessions.upload]
kind = "upload"
uploads = 1
think = "0ms..50ms"
characters = 2000
"#;

/// What the control arm says of a fault, by channel.
fn compared(bench: &Bench, fault: &str) -> Vec<Value> {
    let scenario = bench.file("arms.toml", SCENARIO.as_bytes());
    let done = bench.run(&[
        "run",
        scenario.to_str().unwrap(),
        "--seed",
        "7",
        "--lab-fault",
        fault,
        "--control",
        "--report",
        "json=-",
    ]);
    assert_eq!(done.code, Some(1), "{}{}", done.stdout, done.stderr);
    let report = done.json();
    let arm = &report["control_arm"];
    assert!(arm["run_id"].is_string(), "{report:#}");
    let shown = bench.run(&["report", "last", "--report", "json=-"]).json();
    assert_eq!(shown["control_arm"], *arm, "it is in the run's ledger");
    arm["compared"].as_array().unwrap().clone()
}

#[test]
fn what_fails_one_at_a_time_too_is_no_race() {
    let bench = Bench::new();
    let compared = compared(&bench, "auth-fallback");
    let channels: Vec<&str> = compared
        .iter()
        .map(|one| one["channel"].as_str().unwrap())
        .collect();
    assert_eq!(channels, ["chat", "upload"]);
    for one in &compared {
        assert_eq!(one["verdict"], "deterministic", "{one:#}");
        assert_eq!(one["control"]["k"], one["control"]["n"], "{one:#}");
    }
    assert!(bench.only_run().join("control/run.db").is_file());
}

#[test]
fn what_fails_under_load_alone_is_a_race() {
    let bench = Bench::new();
    let compared = compared(&bench, "late-binding:window=2ms");
    let chat = compared
        .iter()
        .find(|one| one["channel"] == "chat")
        .unwrap_or_else(|| panic!("{compared:#?}"));
    assert_eq!(chat["verdict"], "race", "{chat:#}");
    assert_eq!(chat["control"]["k"], 0);
    assert!(chat["load"]["k"].as_u64().unwrap() > 5);
    assert!(chat["p"].as_f64().unwrap() < 0.05);
}
