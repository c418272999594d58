//! `crosswire check` against the embedded lab: its form, and which test fails with which hint.

use serde_json::Value;

use crate::support::{Bench, Done};

fn check(bench: &Bench, more: &[&str]) -> (Done, Value) {
    let report = bench.folder.path().join("check.json");
    let output = format!("json={}", report.display());
    let mut args = vec!["check", "--user-id", "user-1", "--report", &output];
    args.extend(more);
    let done = bench.run(&args);
    let text = std::fs::read_to_string(&report).unwrap_or_else(|error| {
        panic!("{error}\n{}\n{}", done.stdout, done.stderr);
    });
    (done, serde_json::from_str(&text).unwrap())
}

#[test]
fn a_clean_lab_passes_in_the_demanded_form() {
    let bench = Bench::new();
    let (done, report) = check(&bench, &[]);
    let screen = &done.stdout;
    assert_eq!(done.code, Some(0), "{screen}{}", done.stderr);
    let (double, single) = ("=".repeat(60), "-".repeat(60));
    let mut rest = screen.as_str();
    for part in [
        &format!(
            "{double}\nBackground Tasks User ID Preservation Test\n{double}\nUser ID: user-1\nTest: all\n"
        ),
        &format!(
            "Test 1: Chat Persistence Background Task\n{single}\nTesting chat persistence with user_id: user-1\n"
        ),
        "Background task started: persisting conversation for user: dev-oid-user-1\n",
        "Background task completed: conversation persisted for user: dev-oid-user-1\n",
        "✅ Chat persistence preserved user_id correctly\n",
        &format!(
            "Test 2: Document Ingestion Background Task\n{single}\nTesting document ingestion with user_id: user-1\n"
        ),
        "Background task started: indexing ",
        "✅ Document ingestion accepted with user_id\n✅ Document ingestion preserved user_id correctly\n",
        &format!(
            "Test 3: Voice Persistence Background Task\n{single}\nTesting voice persistence with user_id: user-1\n"
        ),
        "Background task completed: voice conversation persisted for user: dev-oid-user-1\n",
        "✅ Voice persistence preserved user_id correctly\n",
        &format!(
            "{double}\nTest Summary\n{double}\n✅ chat: PASSED\n✅ document: PASSED\n✅ voice: PASSED\n\n✅ All tests passed!\n"
        ),
    ] {
        let at = rest
            .find(part)
            .unwrap_or_else(|| panic!("no {part:?} in\n{screen}"));
        rest = &rest[at + part.len()..];
    }
    assert_eq!(rest, "");
    assert_eq!(report["exit_code"], 0);
    assert_eq!(report["background_users"], 0);
}

#[test]
fn each_fault_fails_its_tests_with_its_hint() {
    let bench = Bench::new();
    for (fault, test, advice) in [
        ("late-binding:window=20ms", "all", "wrong-user"),
        ("auth-fallback", "document", "wrong-user"),
        ("drop-after-ack", "chat", "silent-failure"),
        ("log-no-user", "voice", "no-user"),
        ("log-completed-not-stored", "chat", "silent-failure"),
    ] {
        let (done, report) = check(&bench, &["--test", test, "--lab-fault", fault]);
        let told = format!("{fault}\n{}{}", done.stdout, done.stderr);
        assert_eq!(done.code, Some(1), "{told}");
        let failed = report["tests"].as_array().unwrap().iter();
        let failed: Vec<&Value> = failed.filter(|test| test["grade"] == "failed").collect();
        assert!(!failed.is_empty(), "{told}");
        assert!(failed.iter().all(|test| test["advice"] == advice), "{told}");
        assert!(
            done.stdout.contains("❌") && done.stdout.contains("Hint: "),
            "{told}"
        );
        let races = fault.starts_with("late-binding");
        assert_eq!(done.stdout.contains("other users"), races, "{told}");
    }
}

#[test]
fn a_voice_socket_that_lets_anybody_in_fails() {
    let bench = Bench::new();
    let (done, _) = check(&bench, &["--test", "voice", "--lab-profile", "f878ddb"]);
    assert_eq!(done.code, Some(1), "{}", done.stdout);
    assert!(
        done.stdout.contains("opens without a token"),
        "{}",
        done.stdout
    );
}

#[test]
fn only_the_users_own_token_is_used_and_none_is_printed() {
    let bench = Bench::new();
    let with = |token: &str, more: &[&str]| {
        let mut args = vec!["check", "--user-id", "user-1", "--test", "chat"];
        args.extend(more);
        let mut command = bench.command(&args);
        command.env("AUTH_TOKEN", token);
        let output = command.output().unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let told = text(&output.stdout) + &text(&output.stderr);
        assert!(!told.contains(token), "{told}");
        (output.status.code(), told)
    };
    assert_eq!(with("dev_user-1_viewer", &[]).0, Some(0));
    let (code, told) = with("dev_user-2_viewer", &[]);
    assert_eq!(code, Some(2), "{told}");
    let users = bench.file("users.csv", b"user,token\nuser-1,dev_user-2_viewer\n");
    let users = format!("users:{}", users.display());
    let (code, told) = with("dev_user-2_viewer", &["--auth", &users]);
    assert_eq!(code, Some(2), "the file calls it user-1: {told}");
    assert!(told.contains("is that of `user-2`"), "{told}");
    let (code, told) = with("dev_user-1_viewer", &["--print-curl"]);
    assert_eq!(code, Some(0), "{told}");
    assert!(told.contains("Bearer $AUTH_TOKEN"), "{told}");
}
