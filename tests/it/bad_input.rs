//! Every input can be bad: a clear message that names file, key, value and remedy, and exit 2.

use crate::support::Bench;

/// A scenario that is right but for one line.
fn scenario(replaced: &str, by: &str) -> String {
    let good = "version = 1\n\
                [users]\n\
                count = 2\n\
                [load.talk]\n\
                executor = \"per-vu-iterations\"\n\
                session = \"talk\"\n\
                vus = 2\n\
                iterations = 1\n\
                [load.flow]\n\
                executor = \"constant-arrival-rate\"\n\
                session = \"talk\"\n\
                rate = 10\n\
                time_unit = \"1s\"\n\
                duration = \"1s\"\n\
                max_vus = 10\n\
                [sessions.talk]\n\
                kind = \"chat\"\n\
                turns = 2\n";
    let changed = good.replacen(replaced, by, 1);
    assert!(
        replaced.is_empty() || changed != good,
        "{replaced} is not in the good scenario"
    );
    changed
}

/// The scenario is refused with exit 2, and the message holds each of these.
#[track_caller]
fn refused(content: &[u8], expected: &[&str]) {
    let bench = Bench::new();
    let path = bench.file("mine.toml", content);
    let done = bench.run(&["run", path.to_str().unwrap()]);
    assert_eq!(done.code, Some(2), "{}{}", done.stdout, done.stderr);
    for part in expected {
        assert!(
            done.stderr.contains(part),
            "{part:?} is not in:\n{}",
            done.stderr
        );
    }
    assert!(bench.runs().is_empty(), "nothing is begun");
}

#[test]
fn the_good_scenario_is_accepted() {
    let bench = Bench::new();
    let path = bench.file("mine.toml", scenario("", "").as_bytes());
    let done = bench.run(&["scenario", "validate", path.to_str().unwrap()]);
    assert_eq!(done.code, Some(0), "{}{}", done.stdout, done.stderr);
}

#[test]
fn an_unknown_key() {
    let content = scenario("vus = 2", "vsu = 2");
    refused(content.as_bytes(), &["mine.toml:7", "load.talk.vsu", "vus"]);
}

#[test]
fn a_wrong_unit() {
    let content = scenario("duration = \"1s\"", "duration = \"1 parsec\"");
    refused(
        content.as_bytes(),
        &["mine.toml:14", "load.flow.duration", "1 parsec"],
    );
}

#[test]
fn a_negative_rate() {
    let content = scenario("rate = 10", "rate = -10");
    refused(
        content.as_bytes(),
        &["mine.toml:12", "load.flow.rate", "-10"],
    );
}

#[test]
fn zero_users() {
    refused(
        scenario("count = 2", "count = 0").as_bytes(),
        &["mine.toml:3", "users.count", "0"],
    );
    let bench = Bench::new();
    let done = bench.run(&["run", "--users", "0"]);
    assert_eq!(done.code, Some(2), "{}", done.stderr);
}

#[test]
fn an_unknown_executor() {
    let content = scenario("\"constant-arrival-rate\"", "\"constant-arival-rate\"");
    refused(
        content.as_bytes(),
        &[
            "mine.toml:10",
            "load.flow.executor",
            "constant-arival-rate",
            "constant-vus",
            "per-vu-iterations",
            "constant-arrival-rate",
        ],
    );
}

#[test]
fn not_utf_8() {
    refused(
        b"version = 1\ndescription = \"\xff\xfe\"\n",
        &["mine.toml:2", "UTF-8"],
    );
}

#[test]
fn a_missing_file_and_a_folder() {
    let bench = Bench::new();
    let missing = bench.run(&["run", "no-such.toml"]);
    assert_eq!(missing.code, Some(2));
    assert!(
        missing.stderr.contains("no-such.toml"),
        "{}",
        missing.stderr
    );
    assert!(missing.stderr.contains("quick"), "{}", missing.stderr);
    let folder = bench.folder.path().to_str().unwrap();
    let directory = bench.run(&["run", folder]);
    assert_eq!(directory.code, Some(2));
    assert!(directory.stderr.contains("folder"), "{}", directory.stderr);
}

#[test]
fn an_unknown_fault() {
    let bench = Bench::new();
    let done = bench.run(&["run", "--lab-fault", "late-bindign"]);
    assert_eq!(done.code, Some(2), "{}", done.stderr);
    for part in ["late-bindign", "late-binding", "drop-after-ack"] {
        assert!(done.stderr.contains(part), "{}", done.stderr);
    }
    let rate = bench.run(&["run", "--lab-fault", "late-binding:rate=2"]);
    assert_eq!(rate.code, Some(2), "{}", rate.stderr);
}

/// One wording for every name that is none.
#[test]
fn unknown_names_are_told_the_nearest() {
    let bench = Bench::new();
    for (args, told) in [
        (
            vec!["run", "quik"],
            "scenario `quik`; did you mean `quick`?",
        ),
        (
            vec!["run", "--lab-fault", "late-bindign"],
            "fault `late-bindign`; did you mean `late-binding`?",
        ),
        (
            vec!["run", "--lab-quirk", "colleage"],
            "a similar value exists: 'colleague'",
        ),
        (
            vec!["run", "--report", "jsno=-"],
            "report kind `jsno`; did you mean `json`?",
        ),
        (
            vec!["explain", "wrongowner"],
            "trait `wrongowner`; did you mean `wrong-owner`?",
        ),
    ] {
        let done = bench.run(&args);
        assert_eq!(done.code, Some(2), "{args:?}: {}", done.stderr);
        assert!(done.stderr.contains(told), "{args:?}: {}", done.stderr);
    }
    assert!(bench.runs().is_empty(), "nothing is begun");
}

#[test]
fn a_target_that_is_not_loopback() {
    let bench = Bench::new();
    let done = bench.run(&[
        "run",
        "--target",
        "http://staging.example",
        "--memory",
        "none",
    ]);
    assert_eq!(done.code, Some(3), "{}", done.stderr);
    assert!(
        done.stderr.contains("--allow-host staging.example"),
        "{}",
        done.stderr
    );
}

#[test]
fn flags_that_contradict_each_other() {
    let bench = Bench::new();
    let target = [
        "run",
        "--target",
        "http://127.0.0.1:9",
        "--lab-fault",
        "late-binding",
    ];
    let done = bench.run(&target);
    assert_eq!(done.code, Some(2), "{}", done.stderr);
    assert!(done.stderr.contains("--lab-fault"), "{}", done.stderr);
    let memory = bench.run(&["run", "--memory", "http://127.0.0.1:9"]);
    assert_eq!(memory.code, Some(2), "{}", memory.stderr);
}

#[test]
fn no_such_run() {
    let bench = Bench::new();
    for command in ["observe", "reconcile", "report"] {
        let done = bench.run(&[command, "last"]);
        assert_eq!(done.code, Some(2), "{}", done.stderr);
    }
}

#[test]
fn no_target_is_listening() {
    // A port that was free a moment ago and that nobody listens on.
    let port = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let url = format!("http://127.0.0.1:{port}");
    let bench = Bench::new();
    let done = bench.run(&["run", "--target", &url, "--memory", &url]);
    assert_eq!(done.code, Some(3), "{}", done.stderr);
    assert!(done.stderr.contains(&url), "{}", done.stderr);
    assert!(
        bench.runs().is_empty(),
        "nothing was sent, so there is no run"
    );
}

#[test]
fn a_dry_run_says_the_cost_and_sends_nothing_and_a_bound_refuses_what_exceeds_it() {
    let bench = Bench::new();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let target = format!("http://{}", listener.local_addr().unwrap());
    let run = ["run", "staging", "--target", &target, "--memory", &target];
    let done = bench.run(&[&run[..], &["--dry-run"]].concat());
    assert_eq!(done.code, Some(0), "{}", done.stderr);
    for line in [
        &format!("target       {target}/"),
        "operations   60 chat",
        "model calls  60",
        "leaves       60 sessions, 120 messages and 0 facts",
        "time         50s to 3m 30s of load, then 15s to 4m 30s until the store has settled",
    ] {
        assert!(done.stdout.contains(line), "{line:?}: {}", done.stdout);
    }
    for (bound, told) in [
        (["--max-ops", "59"], "the plan has 60 operations"),
        (["--max-model-calls", "59"], "the plan costs 60 model calls"),
        (["--max-wall", "49s"], "the plan takes at least 50s"),
    ] {
        let done = bench.run(&[&run[..], &bound].concat());
        assert_eq!(done.code, Some(3), "{}", done.stderr);
        assert!(done.stderr.contains(told), "{told:?}: {}", done.stderr);
    }
    assert!(listener.accept().is_err(), "nobody has called");
    assert!(bench.runs().is_empty(), "nothing is begun");
}

#[test]
fn a_report_that_cannot_be_written_is_found_before_the_work() {
    let bench = Bench::new();
    for command in [
        &["run"][..],
        &["run", "--dry-run"],
        &["check", "--user-id", "user-1"],
        &["doctor", "--target", "http://127.0.0.1:9"],
        &["selftest"],
    ] {
        let report = ["--report", "json=no/such/folder/out.json"];
        let done = bench.run(&[command, &report[..]].concat());
        assert_eq!(done.code, Some(2), "{command:?} {}", done.stderr);
        assert!(done.stderr.contains("no/such/folder"), "{}", done.stderr);
        assert!(bench.runs().is_empty(), "nothing is begun");
    }
}

#[test]
fn an_id_that_no_user_has_is_not_checked() {
    let bench = Bench::new();
    for id in ["", " user-1", "user\n1"] {
        let done = bench.run(&["check", "--user-id", id]);
        assert_eq!(done.code, Some(2), "{id:?} {}", done.stderr);
        assert!(done.stderr.contains("--user-id"), "{}", done.stderr);
    }
}

#[test]
fn an_error_that_nobody_hears_keeps_its_exit_code() {
    let full = std::fs::File::options().write(true).open("/dev/full");
    let Ok(full) = full else {
        return; // Not every system has it.
    };
    let status = std::process::Command::new(env!("CARGO_BIN_EXE_crosswire"))
        .args(["run", "no-such-scenario"])
        .stderr(full)
        .status();
    assert_eq!(status.unwrap().code(), Some(2));
}
