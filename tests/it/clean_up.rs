//! `crosswire clean`: the store holds afterwards what it held before the run, and nothing else.

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::{Bench, OwnLab, finish, signal, wait_for_ops};

/// After this the lab's own late tasks have written.
const LATE_TASKS: Duration = Duration::from_secs(1);

/// Everything in a lab's store.
fn dump(memory: &str) -> Value {
    block_on(async {
        let get = |path: String| async move {
            let url = format!("{memory}/api/v1/{path}");
            let text = reqwest::get(url).await.unwrap().text().await.unwrap();
            serde_json::from_str::<Value>(&text).unwrap()
        };
        let sessions = get("sessions".to_owned()).await;
        let users = get("user".to_owned()).await;
        let mut held = vec![sessions.clone(), users.clone()];
        for session in sessions.as_array().unwrap() {
            let id = session["session_id"].as_str().unwrap();
            held.push(get(format!("sessions/{id}/messages")).await);
        }
        for user in users.as_array().unwrap() {
            let id = user["user_id"].as_str().unwrap();
            held.push(get(format!("users/{id}/facts")).await);
        }
        Value::Array(held)
    })
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    runtime.unwrap().block_on(future)
}

/// People with sessions and facts of their own, and one session without an owner.
fn people_write(memory: &str) {
    block_on(async {
        let http = reqwest::Client::new();
        for (path, body) in [
            (
                "sessions",
                json!({"session_id": "annas", "user_id": "anna"}),
            ),
            (
                "sessions/annas/memory",
                json!({"messages": [{"role": "user", "content": "good morning"}]}),
            ),
            (
                "sessions/nobodys/memory",
                json!({"messages": [{"role": "user", "content": "good evening"}]}),
            ),
            ("users/anna/facts", json!({"fact": "likes tea"})),
        ] {
            let url = format!("{memory}/api/v1/{path}");
            let answer = http.post(url).json(&body).send().await.unwrap();
            assert!(answer.status().is_success(), "{path}");
        }
    });
}

/// A session and a fact of somebody else's that came under a user of the run, whose id is given.
fn wrongly_written(memory: &str) -> String {
    block_on(async {
        let http = reqwest::Client::new();
        let users = http.get(format!("{memory}/api/v1/user")).send().await;
        let users: Value = serde_json::from_str(&users.unwrap().text().await.unwrap()).unwrap();
        let mut ids = users.as_array().unwrap().iter();
        let user = ids
            .find_map(|user| {
                let id = user["user_id"].as_str().unwrap();
                id.contains("cw-").then(|| id.to_owned())
            })
            .unwrap();
        let message = json!({"messages": [{"role": "user", "content": "remember my pin"}]});
        for (path, body) in [
            (
                "sessions".to_owned(),
                json!({"session_id": "strays", "user_id": user}),
            ),
            ("sessions/strays/memory".to_owned(), message),
            (
                format!("users/{user}/facts"),
                json!({"fact": "likes coffee"}),
            ),
        ] {
            let url = format!("{memory}/api/v1/{path}");
            let answer = http.post(url).json(&body).send().await.unwrap();
            assert!(answer.status().is_success(), "{path}");
        }
        user
    })
}

#[test]
fn a_store_is_as_before_after_a_run_and_its_cleaning() {
    let bench = Bench::new();
    let lab = OwnLab::start(&bench, &[]);
    people_write(&lab.memory);
    let before = dump(&lab.memory);
    let args = [
        "run",
        "mixed",
        "--target",
        &lab.target,
        "--memory",
        &lab.memory,
        "--duration",
        "1s",
    ];
    let done = bench.run(&args);
    assert!(
        matches!(done.code, Some(0 | 4)),
        "{}{}",
        done.stdout,
        done.stderr
    );
    assert!(done.stdout.contains("crosswire clean"), "{}", done.stdout);
    let full = dump(&lab.memory);
    assert_ne!(full, before);

    let shown = bench.run(&["clean", "last"]);
    assert_eq!(shown.code, Some(1), "{}{}", shown.stdout, shown.stderr);
    assert!(shown.stdout.contains("--yes"), "{}", shown.stdout);
    assert!(!shown.stdout.contains("annas"), "{}", shown.stdout);
    assert_eq!(dump(&lab.memory), full, "only `--yes` deletes");

    let user = wrongly_written(&lab.memory);
    let cleaned = bench.run(&["clean", "last", "--yes"]);
    let told = format!("{}{}", cleaned.stdout, cleaned.stderr);
    assert_eq!(cleaned.code, Some(1), "{told}");
    let kept = format!("user {user}, with 1 sessions and 1 facts");
    assert!(told.contains(&kept), "{kept}: {told}");
    let left = dump(&lab.memory).to_string();
    for text in ["remember my pin", "likes coffee"] {
        assert!(left.contains(text), "{text} is not the run's: {told}");
    }

    let cleaned = bench.run(&["clean", "last", "--yes", "--whole-users"]);
    let told = format!("{}{}", cleaned.stdout, cleaned.stderr);
    assert_eq!(cleaned.code, Some(0), "{told}");
    assert_eq!(dump(&lab.memory), before);
    let again = bench.run(&["clean", "last", "--yes"]);
    assert_eq!(again.code, Some(0), "{}{}", again.stdout, again.stderr);
    assert!(again.stdout.contains("nothing of it"), "{}", again.stdout);
}

#[test]
fn a_killed_run_is_cleaned_up_too() {
    let bench = Bench::new();
    let lab = OwnLab::start(&bench, &[]);
    people_write(&lab.memory);
    let before = dump(&lab.memory);
    let child = bench.spawn(&[
        "run",
        "mixed",
        "--target",
        &lab.target,
        "--memory",
        &lab.memory,
    ]);
    wait_for_ops(&bench, 100);
    signal(child.id(), "KILL");
    finish(child);
    std::thread::sleep(LATE_TASKS);
    assert_ne!(dump(&lab.memory), before);
    let cleaned = bench.run(&["clean", "last", "--yes"]);
    assert_eq!(
        cleaned.code,
        Some(0),
        "{}{}",
        cleaned.stdout,
        cleaned.stderr
    );
    assert_eq!(dump(&lab.memory), before);
}

#[test]
fn there_is_nothing_to_do_after_the_embedded_lab() {
    let bench = Bench::new();
    let done = bench.run(&["run", "--users", "4", "--vus", "4"]);
    assert!(
        matches!(done.code, Some(0 | 4)),
        "{}{}",
        done.stdout,
        done.stderr
    );
    let cleaned = bench.run(&["clean", "last", "--yes"]);
    assert_eq!(cleaned.code, Some(0), "{}", cleaned.stderr);
    assert!(
        cleaned.stdout.contains("nothing to do"),
        "{}",
        cleaned.stdout
    );
}
