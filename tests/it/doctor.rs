//! `crosswire doctor` against the lab: healthy, known faults, a store that is down, nobody there.

use serde_json::Value;

use crate::support::{Bench, Done, OwnLab, finish};

/// A small load that settles soon, without anything accepted.
const SCENARIO: &str = r#"
version = 1
[users]
count = 2
[memory.settle]
task_limit = "200ms"
deadline = "10s"
pause = "200ms"
[load.chat]
executor = "per-vu-iterations"
session = "chat"
vus = 2
[load.call]
executor = "per-vu-iterations"
session = "call"
vus = 2
[sessions.chat]
kind = "chat"
turns = 2
think = "50ms"
[sessions.call]
kind = "voice"
speed = 10
"#;

fn doctor(bench: &Bench, more: &[&str]) -> (Done, Value) {
    let report = bench.folder.path().join("doctor.json");
    let output = format!("json={}", report.display());
    let mut args = vec!["doctor", "--report", &output];
    args.extend(more);
    let done = bench.run(&args);
    let text = std::fs::read_to_string(&report).unwrap_or_else(|error| {
        panic!("{error}\n{}\n{}", done.stdout, done.stderr);
    });
    (done, serde_json::from_str(&text).unwrap())
}

/// How a check went; `absent` if it was not made.
fn state(report: &Value, check: &str) -> String {
    let checks = report["checks"].as_array().unwrap();
    let line = checks.iter().find(|line| line["check"] == check);
    line.map_or("absent".to_owned(), |line| {
        line["state"].as_str().unwrap().to_owned()
    })
}

#[test]
fn a_healthy_lab_is_well() {
    let bench = Bench::new();
    let (done, report) = doctor(&bench, &[]);
    assert_eq!(done.code, Some(0), "{}{}", done.stdout, done.stderr);
    let checks = [
        "target",
        "clock",
        "store",
        "credential",
        "voice",
        "owner chat",
        "owner upload",
        "owner voice",
        "logs",
        "retrieval",
        "disk",
    ];
    for check in checks {
        assert_eq!(state(&report, check), "ok", "{check}\n{}", done.stdout);
    }
}

#[test]
fn what_the_doctor_accepts_lets_the_run_pass_and_nothing_is_left() {
    let bench = Bench::new();
    let lab = OwnLab::start(&bench, &["--profile", "f878ddb"]);
    let scenario = bench.file("known.toml", SCENARIO.as_bytes());
    let at = ["--target", &lab.target, "--memory", &lab.memory];
    let mut args = vec![scenario.to_str().unwrap()];
    args.extend(at);
    let (done, report) = doctor(&bench, &args);
    let told = format!("{}{}", done.stdout, done.stderr);
    assert_eq!(done.code, Some(1), "{told}");
    for (check, expect) in [
        ("owner chat", "ok"),
        ("owner upload", "skipped"),
        ("owner voice", "fail"),
        ("voice door", "warn"),
        ("retrieval", "warn"),
    ] {
        assert_eq!(state(&report, check), expect, "{check}\n{told}");
    }
    let entries = report["accept"].as_array().unwrap();
    assert_eq!(entries.len(), 1, "{told}");
    let entry = entries[0].as_str().unwrap();
    assert!(
        done.stdout.contains(entry) && entry.contains("\"voice-user\""),
        "{told}"
    );
    let accepting = bench.file("accepting.toml", format!("{SCENARIO}{entry}").as_bytes());
    std::fs::remove_dir_all(bench.folder.path().join("reports")).unwrap();
    let mut args = vec!["run", accepting.to_str().unwrap()];
    args.extend(at);
    let done = bench.run_unsaturated(&args);
    assert_eq!(done.code, Some(0), "{}{}", done.stdout, done.stderr);
}

#[test]
fn who_is_not_there_is_named() {
    let bench = Bench::new();
    let lab = OwnLab::start(&bench, &[]);
    let nobody = "http://127.0.0.1:9";
    let (done, report) = doctor(&bench, &["--target", &lab.target, "--memory", nobody]);
    assert_eq!(done.code, Some(1), "{}{}", done.stdout, done.stderr);
    assert_eq!(state(&report, "target"), "ok");
    assert_eq!(state(&report, "store"), "fail");
    let (done, report) = doctor(&bench, &["--target", nobody, "--memory", &lab.memory]);
    assert_eq!(done.code, Some(3), "{}{}", done.stdout, done.stderr);
    assert_eq!(state(&report, "target"), "fail");
    assert!(bench.runs().is_empty());
}

/// What the load above lacks.
const UPLOADS: &str = r#"
[load.uploads]
executor = "per-vu-iterations"
session = "uploads"
vus = 2
[sessions.uploads]
kind = "upload"
"#;

#[test]
fn each_store_is_told_with_what_it_cannot_show_and_what_to_do() {
    let bench = Bench::new();
    let scenario = bench.file("all.toml", format!("{SCENARIO}{UPLOADS}").as_bytes());
    let at_once = ["strict-v1", "engram", "v2", "cloud"].map(|profile| {
        let lab = OwnLab::start(&bench, &["--profile", profile]);
        let report = bench.folder.path().join(format!("{profile}.json"));
        let output = format!("json={}", report.display());
        let scenario = scenario.to_str().unwrap();
        let mut args = vec!["doctor", scenario, "--report", &output];
        args.extend(["--target", &lab.target, "--memory", &lab.memory]);
        (profile, bench.spawn(&args), report, lab)
    });
    for (profile, child, report, _lab) in at_once {
        let done = finish(child);
        let told = format!("{profile}\n{}{}", done.stdout, done.stderr);
        let text =
            std::fs::read_to_string(&report).unwrap_or_else(|error| panic!("{error} {told}"));
        let report: Value = serde_json::from_str(&text).unwrap();
        let (talk, upload, clean_up) = match profile {
            "strict-v1" => ("fail", "skipped", "warn"),
            "v2" => ("ok", "skipped", "warn"),
            _ => ("ok", "ok", "ok"),
        };
        assert_eq!(done.code, Some(i32::from(talk == "fail")), "{told}");
        for (check, expect) in [
            ("owner chat", talk),
            ("owner voice", talk),
            ("owner upload", upload),
            ("second path", if talk == "ok" { "ok" } else { "skipped" }),
            ("clean-up", clean_up),
        ] {
            assert_eq!(state(&report, check), expect, "{check}\n{told}");
        }
        let facts = state(&report, "store facts");
        assert_eq!(facts == "warn", upload == "skipped", "{told}");
        for line in report["checks"].as_array().unwrap() {
            let (remedy, is_well) = (&line["remedy"], line["state"] == "ok");
            assert_eq!(remedy.is_null(), is_well, "{line}\n{told}");
            // Nothing is left that it could delete.
            let again = remedy
                .as_str()
                .is_some_and(|text| text.contains("crosswire clean"));
            assert!(!again, "{line}\n{told}");
        }
    }
}
