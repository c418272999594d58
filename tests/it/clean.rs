//! A healthy target passes, and the pass says what it is worth.

use crate::support::Bench;

/// Seeds that a healthy lab must pass.
const SEEDS: u64 = 3;

#[test]
fn the_first_command_of_a_newcomer() {
    let bench = Bench::new();
    let done = bench.run_unsaturated(&["run", "--report", "json=-"]);
    assert_eq!(done.code, Some(0), "{}{}", done.stdout, done.stderr);
    let report = done.json();
    assert_eq!(report["schema_version"], "1.3");
    assert_eq!(report["verdict"], "pass");
    assert_eq!(report["exit_code"], 0);
    assert_eq!(report["inconclusive_reasons"], serde_json::json!([]));
    assert_eq!(report["anomalies"], serde_json::json!({}));
    let number = |pointer: &str| report.pointer(pointer).unwrap().as_f64().unwrap();
    assert!(number("/exposure/pairs") >= 2_000.0, "{report:#}");
    assert!(number("/exposure/peak_users") >= 20.0);
    assert!(number("/bound/n") >= 300.0);
    assert_eq!(report["bound"]["crossed"], 0);
    let upper = number("/bound/upper_95");
    assert!(upper > 0.0 && upper < 0.01, "{upper}");
    assert_eq!(
        report["control"],
        serde_json::json!({"planted": 2, "found": 2})
    );
    for kind in ["chat", "upload", "voice"] {
        let count = |key: &str| number(&format!("/ops/{kind}/{key}"));
        assert!(count("ok") > 0.0, "{kind}");
        assert_eq!(
            report["ops"][kind]["ok"], report["ops"][kind]["planned"],
            "{kind}"
        );
        assert!(
            number(&format!("/latency_us/{kind}/from_intended/p50")) > 0.0,
            "{kind}"
        );
        assert!(
            number(&format!("/persistence_lag_ms/{kind}/samples")) > 0.0,
            "{kind}"
        );
    }
    assert!(number("/records/facts") > 0.0);
    assert_eq!(report["records"]["unattributable"], 0);
    assert!(number("/traits/same-file-name") > 0.0 && number("/traits/server-ids") > 0.0);
}

#[test]
fn the_screen_says_pass_and_the_bound() {
    let bench = Bench::new();
    let done = bench.run_unsaturated(&["run", "--seed", "1"]);
    assert_eq!(done.code, Some(0), "{}{}", done.stdout, done.stderr);
    assert!(done.stdout.starts_with("PASS"), "{}", done.stdout);
    assert!(done.stdout.contains("bound"), "{}", done.stdout);
    assert!(
        done.stdout.lines().all(|line| line.chars().count() <= 80),
        "{}",
        done.stdout
    );
    assert!(
        done.stdout
            .trim_end()
            .lines()
            .last()
            .unwrap()
            .contains("next"),
        "{}",
        done.stdout
    );
}

#[test]
fn many_seeds_of_mixed_pass() {
    for seed in 1..=SEEDS {
        let bench = Bench::new();
        let seed = seed.to_string();
        let args = [
            "run",
            "mixed",
            "--seed",
            &seed,
            "--duration",
            "2s",
            "--report",
            "json=-",
        ];
        let done = bench.run_unsaturated(&args);
        assert_eq!(
            done.code,
            Some(0),
            "seed {seed}: {}{}",
            done.stdout,
            done.stderr
        );
        assert_eq!(done.json()["verdict"], "pass", "seed {seed}");
    }
}
