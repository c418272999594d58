//! What is not the run's: people and other runs in the same store. Nobody's name and nobody's words
//! are kept, and what pooled users had before is not judged.

use std::path::Path;

use serde_json::{Value, json};

use crate::support::{Bench, Done, OwnLab};

/// Names and words that nobody else would use.
const MARKS: [&str; 4] = ["quokka-jones", "quokka-talk", "quokka-words", "quokka-fact"];
/// What the lab's own strangers are called: a person, and the runs whose texts they hold.
const LAB_MARKS: [&str; 4] = ["person0", "talk-0", "0badcafe", "0c011ea6"];

const POOL: &str = r#"version = 1
[users]
pool = ["anna", "bob", "carl", "dora"]
[memory.settle]
task_limit = "200ms"
deadline = "3s"
[load.talk]
executor = "per-vu-iterations"
vus = 4
iterations = 2
session = "chat"
[load.read]
executor = "per-vu-iterations"
vus = 4
iterations = 1
session = "upload"
[sessions.chat]
kind = "chat"
turns = 3
[sessions.upload]
kind = "upload"
"#;

fn blocking<T>(work: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(work)
}

/// Writes to a store as a backend does.
fn post(base: &str, path: &str, body: &Value) {
    let url = format!("{base}/api/v1/{path}");
    let answer = blocking(reqwest::Client::new().post(url).json(body).send());
    let status = answer.unwrap().status();
    assert!(status.is_success(), "{path}: {status}");
}

/// Everything that a run has left or shown holds none of the marks.
#[track_caller]
fn assert_unmarked(folder: &Path, shown: &[&Done], marks: &[&str]) {
    let mut texts: Vec<(String, Vec<u8>)> = shown
        .iter()
        .flat_map(|done| [&done.stdout, &done.stderr])
        .map(|text| ("output".to_owned(), text.clone().into_bytes()))
        .collect();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let bytes = std::fs::read(&path).unwrap();
        texts.push((path.display().to_string(), bytes));
    }
    assert!(texts.len() > 3);
    for (name, bytes) in texts {
        for mark in marks {
            let is_there = bytes
                .windows(mark.len())
                .any(|window| window.eq_ignore_ascii_case(mark.as_bytes()));
            assert!(!is_there, "{mark} stands in {name}");
        }
    }
}

fn run_at(bench: &Bench, lab: &OwnLab, scenario: &str, more: &[&str]) -> Done {
    let mut args = vec![
        "run",
        scenario,
        "--target",
        &lab.target,
        "--memory",
        &lab.memory,
    ];
    args.extend(["--seed", "7", "--report", "json=-"]);
    args.extend_from_slice(more);
    bench.run_unsaturated(&args)
}

#[test]
fn nothing_is_kept_of_others_who_use_the_store_meanwhile() {
    let bench = Bench::new();
    let file = bench.file("pool.toml", POOL.as_bytes());
    let mut args = vec!["run", file.to_str().unwrap(), "--report", "json=-"];
    args.extend(["--lab-quirk", "colleague", "--lab-quirk", "other-runs"]);
    let done = bench.run_unsaturated(&args);
    assert_eq!(done.code, Some(0), "{}{}", done.stdout, done.stderr);
    let run = bench.only_run();
    let again = bench.run(&["report", "last"]);
    assert_unmarked(&run, &[&done, &again], &LAB_MARKS);
}

/// A stranger's session and facts under marked names, and a text of the run that has got among
/// them: it is a finding, and names nobody.
#[test]
fn a_stranger_under_whom_a_text_of_the_run_stands_is_not_named() {
    let bench = Bench::new();
    let lab = OwnLab::start(&bench, &[]);
    let (name, talk) = ("dev-oid-quokka-jones", "quokka-talk");
    let session = json!({"session_id": talk, "user_id": name});
    post(&lab.memory, "sessions", &session);
    let into = format!("sessions/{talk}/memory");
    post(&lab.memory, &into, &message("quokka-words of mine"));
    let fact = json!({"fact": "quokka-fact"});
    post(&lab.memory, &format!("users/{name}/facts"), &fact);
    let file = bench.file("fresh.toml", POOL.replace("pool = [", "# [").as_bytes());
    let done = run_at(&bench, &lab, file.to_str().unwrap(), &["--watch"]);
    assert_eq!(done.code, Some(0), "{}{}", done.stdout, done.stderr);
    let run = bench.only_run();

    post(&lab.memory, &into, &message(&sent_text(&run, &lab.memory)));
    let observe = ["observe", "last", "--report", "json=-"];
    let found = bench.run(&observe);
    assert_eq!(found.code, Some(1), "{}{}", found.stdout, found.stderr);
    assert_eq!(found.json()["anomalies"]["foreign-owner"]["roots"], 1);
    assert!(found.stdout.contains("stranger-"), "{}", found.stdout);
    // Read by a third process: the same stranger is the same one.
    let again = bench.run(&observe);
    let claim = |done: &Done| done.json()["findings"][0]["claim"].clone();
    assert_eq!(claim(&again), claim(&found));
    let shown = bench.run(&["report", "last"]);
    assert_unmarked(&run, &[&done, &found, &again, &shown], &MARKS);
}

fn message(content: &str) -> Value {
    json!({"messages": [{"role_type": "user", "content": content}]})
}

/// A text of one of the run's users, as the store has it.
fn sent_text(run: &Path, memory: &str) -> String {
    let ledger = rusqlite::Connection::open(run.join("run.db")).unwrap();
    let sql = "SELECT session FROM v_sightings WHERE role = 'user' AND NOT control LIMIT 1";
    let session: String = ledger.query_row(sql, [], |row| row.get(0)).unwrap();
    let url = format!("{memory}/api/v1/sessions/{session}/messages");
    let answer = blocking(async move { reqwest::get(url).await?.json::<Value>().await });
    let answer = answer.unwrap();
    answer["messages"][0]["content"]
        .as_str()
        .unwrap()
        .to_owned()
}

#[test]
fn two_runs_of_one_pool_pass_one_after_the_other() {
    let bench = Bench::new();
    let lab = OwnLab::start(&bench, &[]);
    let file = bench.file("pool.toml", POOL.as_bytes());
    let scenario = file.to_str().unwrap();
    let first = run_at(&bench, &lab, scenario, &[]);
    assert_eq!(first.code, Some(0), "{}{}", first.stdout, first.stderr);
    assert!(!first.stderr.contains("from before"), "{}", first.stderr);
    let second = run_at(&bench, &lab, scenario, &[]);
    assert_eq!(second.code, Some(0), "{}{}", second.stdout, second.stderr);
    assert_eq!(second.json()["anomalies"], first.json()["anomalies"]);
    assert!(
        second.stderr.contains("from before") && second.stderr.contains("none of them is judged"),
        "{}",
        second.stderr
    );
}

#[test]
fn a_text_of_the_run_before_that_comes_back_under_a_pooled_user_is_found() {
    let bench = Bench::new();
    let lab = OwnLab::start(&bench, &["--lab-fault", "replay-old-run:rate=0.2"]);
    let file = bench.file("pool.toml", POOL.as_bytes());
    for _ in 0..2 {
        let done = run_at(&bench, &lab, file.to_str().unwrap(), &[]);
        assert_eq!(done.code, Some(1), "{}{}", done.stdout, done.stderr);
        let anomalies = done.json()["anomalies"].clone();
        let found: Vec<&String> = anomalies.as_object().unwrap().keys().collect();
        assert_eq!(found, ["resurrected"], "{anomalies:#}");
    }
}
