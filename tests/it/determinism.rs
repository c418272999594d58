//! Equal seeds send equal things.

use std::path::Path;

use crate::support::Bench;

/// What was sent, whatever the run id and the times: (user, session, sequence, text hash), sorted.
fn sent(run: &Path) -> Vec<(i64, i64, i64, i64)> {
    let ledger = rusqlite::Connection::open(run.join("run.db")).unwrap();
    let mut statement = ledger
        .prepare("SELECT user_ix, session_ix, seq, text_hash FROM ops ORDER BY 1, 2, 3")
        .unwrap();
    let rows = statement
        .query_map([], |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?))
        })
        .unwrap();
    rows.map(Result::unwrap).collect()
}

fn run_with_seed(seed: &str) -> (String, Vec<(i64, i64, i64, i64)>) {
    let bench = Bench::new();
    let done = bench.run_unsaturated(&["run", "--seed", seed, "--report", "json=-"]);
    assert_eq!(done.code, Some(0), "{}{}", done.stdout, done.stderr);
    let report = done.json();
    assert_eq!(report["verdict"], "pass");
    assert_eq!(report["seed"], seed.parse::<u64>().unwrap());
    (
        report["plan_digest"].as_str().unwrap().to_owned(),
        sent(&bench.only_run()),
    )
}

#[test]
fn a_seed_names_the_plan_and_the_texts() {
    let (digest, rows) = run_with_seed("7");
    let (digest_again, rows_again) = run_with_seed("7");
    assert_eq!(digest, digest_again);
    assert_eq!(rows, rows_again);
    assert!(rows.len() >= 300, "{}", rows.len());
    let (other_digest, other_rows) = run_with_seed("8");
    assert_ne!(digest, other_digest);
    assert_ne!(rows, other_rows);
}
