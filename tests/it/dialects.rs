//! Each store that is known: found out by its URL alone, and what can be proved there.

use serde_json::{Value, json};

use crate::support::{Bench, Done, OwnLab};

pub(crate) const TALKS: &str = r#"
version = 1
[users]
count = 10
[memory.settle]
task_limit = "100ms"
deadline = "5s"
pause = "100ms"
[load.chat]
executor = "per-vu-iterations"
session = "chat"
vus = 10
iterations = 2
[load.calls]
executor = "per-vu-iterations"
session = "call"
vus = 3
iterations = 1
[sessions.chat]
kind = "chat"
turns = 2
think = "10ms"
[sessions.call]
kind = "voice"
turns = 1
speed = 20
"#;

pub(crate) const UPLOADS: &str = r#"
[load.uploads]
executor = "per-vu-iterations"
session = "upload"
vus = 4
iterations = 1
[sessions.upload]
kind = "upload"
uploads = 1
"#;

pub(crate) const WITH_USERS: &str = r"
[memory]
create_users = true
";

/// A run against a lab of one's own.
pub(crate) fn run(bench: &Bench, lab: &OwnLab, scenario: &str) -> Done {
    let file = bench.file("dialects.toml", scenario.as_bytes());
    bench.run_unsaturated(&[
        "run",
        file.to_str().unwrap(),
        "--target",
        &lab.target,
        "--memory",
        &lab.memory,
        "--report",
        "json=-",
    ])
}

/// The report of a run that found its store out and ended like this.
pub(crate) fn judged(done: &Done, dialect: &str, code: i32) -> Value {
    assert_eq!(done.code, Some(code), "{}{}", done.stdout, done.stderr);
    let said = format!("which speaks {dialect} (");
    assert!(done.stderr.contains(&said), "{}", done.stderr);
    done.json()
}

#[test]
fn where_facts_are_listed_everything_is_proved() {
    for (profile, dialect) in [("engram", "v1-engram"), ("cloud", "cloud")] {
        let bench = Bench::new();
        let lab = OwnLab::start(&bench, &["--profile", profile]);
        let done = run(&bench, &lab, &format!("{TALKS}{UPLOADS}"));
        let report = judged(&done, dialect, 0);
        assert!(report["records"]["facts"].as_u64() > Some(0), "{report:#}");
    }
}

#[test]
fn where_they_are_not_uploads_are_not_called_kept() {
    let bench = Bench::new();
    let lab = OwnLab::start(&bench, &["--profile", "v2"]);
    let done = run(&bench, &lab, &format!("{TALKS}{UPLOADS}"));
    let report = judged(&done, "v2", 4);
    assert_eq!(report["inconclusive_reasons"], json!(["no-read-back"]));
    assert_eq!(report["anomalies"], json!({}), "{report:#}");
    assert!(
        done.stderr.contains("uploads cannot be proved"),
        "{}",
        done.stderr
    );
}

#[test]
fn a_strict_store_keeps_sessions_of_unknown_users_for_nobody() {
    let bench = Bench::new();
    let lab = OwnLab::start(&bench, &["--profile", "strict-v1"]);
    let done = run(&bench, &lab, TALKS);
    let report = judged(&done, "v1", 1);
    let codes: Vec<_> = report["anomalies"].as_object().unwrap().keys().collect();
    assert_eq!(codes, ["missing-owner"], "{report:#}");
    assert_eq!(
        report["anomalies"]["missing-owner"]["roots"], 1,
        "{report:#}"
    );
    let why = report["findings"][0]["because"].as_str().unwrap();
    assert!(
        why.contains("the store knows none of the 10 users"),
        "{why}"
    );
    assert!(
        done.stderr.contains("`memory.create_users`"),
        "{}",
        done.stderr
    );

    std::fs::remove_dir_all(bench.folder.path().join("reports")).unwrap();
    let with_users = TALKS.replace("[memory.settle]", &format!("{WITH_USERS}[memory.settle]"));
    let done = run(&bench, &lab, &with_users);
    judged(&done, "v1", 0);
    assert!(
        done.stderr.contains("made 10 users in the store"),
        "{}",
        done.stderr
    );
    let done = bench.run(&["clean", "last", "--yes"]);
    assert_eq!(done.code, Some(0), "{}{}", done.stdout, done.stderr);
}
