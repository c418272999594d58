//! The tester as an instrument, through the command itself: one fault of each kind is found, record
//! by record, and nothing else is. `crosswire selftest` tries every fault there is.

use std::path::Path;

use crosswire::ledger::LedgerReader;
use crosswire::model::Code;
use crosswire::score;
use serde_json::Value;

use crate::support::{Bench, Done};

/// Runs the lab with a fault and returns what came out with the folder of the run.
fn run_with(bench: &Bench, fault: &str, scenario: &str) -> Done {
    bench.run(&[
        "run",
        scenario,
        "--seed",
        "7",
        "--lab-fault",
        fault,
        "--report",
        "json=-",
    ])
}

/// Joins the findings with what the lab says really went wrong: nothing missed, nothing false,
/// nothing under another name.
#[track_caller]
fn assert_full_score(run: &Path, fault: &str, code: Code) {
    let truth = std::fs::read_to_string(run.join("lab-truth.jsonl")).unwrap();
    let truth = score::parse_truth(&truth).unwrap();
    assert!(!truth.is_empty(), "{fault} did not strike");
    let ledger = LedgerReader::open(run).unwrap();
    let findings = ledger.findings().unwrap();
    let score = score::score(&findings, &truth, ledger.manifest().unwrap().run);
    assert!(
        score.missed.is_empty(),
        "{fault}: missed {:?}",
        score.missed
    );
    assert!(score.extra.is_empty(), "{fault}: false {:?}", score.extra);
    assert!(
        score.miscoded.is_empty(),
        "{fault}: mis-coded {:?}",
        score.miscoded
    );
    assert!(score.is_full() && score.found > 0, "{fault}");
    assert!(
        findings.iter().all(|finding| finding.code == code),
        "{fault}"
    );
}

/// The first finding names the sender, the stored record and, where there is one, the other user.
#[track_caller]
fn assert_evidence(report: &Value, fault: &str, code: Code) {
    let finding = &report["findings"][0];
    assert_eq!(finding["code"], code.name(), "{fault}");
    assert!(finding["sender"].is_string(), "{fault}: {finding:#}");
    assert!(!finding["ops"].as_array().unwrap().is_empty(), "{fault}");
    let record = &finding["sightings"][0];
    match code {
        Code::WrongOwner | Code::ResponseBleed | Code::Trespass | Code::ChunkMix => {
            assert!(finding["found_under"].is_string(), "{fault}: {finding:#}");
            assert_ne!(finding["found_under"], finding["sender"], "{fault}");
            assert!(record["record_id"].is_string(), "{fault}");
            assert_eq!(finding["ops"][0]["user"], finding["sender"], "{fault}");
            assert_eq!(finding["ops"][1]["user"], finding["found_under"], "{fault}");
        }
        Code::Lost | Code::PartialIngest => assert!(record["canary"].is_string(), "{fault}"),
        Code::ForeignOwner
        | Code::PlaceholderOwner
        | Code::MissingOwner
        | Code::SessionBleed
        | Code::Duplicate
        | Code::SplitIdentity
        | Code::StaleIdentity
        | Code::Phantom
        | Code::Resurrected
        | Code::Reordered
        | Code::Torn
        | Code::Altered
        | Code::Late
        | Code::LogMismatch
        | Code::Unattributable
        | Code::Ghost => assert!(record["record_id"].is_string(), "{fault}"),
    }
}

#[track_caller]
fn caught(fault: &str, scenario: &str, code: Code, exit: i32) {
    let bench = Bench::new();
    let done = run_with(&bench, fault, scenario);
    assert_eq!(
        done.code,
        Some(exit),
        "{fault}: {}{}",
        done.stdout,
        done.stderr
    );
    let report = done.json();
    assert!(
        report["anomalies"][code.name()]["roots"].as_u64().unwrap() > 0,
        "{fault}"
    );
    assert_evidence(&report, fault, code);
    assert_full_score(&bench.only_run(), fault, code);
}

macro_rules! faults {
    ($($test:ident: $fault:literal in $scenario:literal is $code:ident, exit $exit:literal;)*) => {
        $(#[test] fn $test() { caught($fault, $scenario, Code::$code, $exit); })*
    };
}

faults! {
    late_binding: "late-binding" in "quick" is WrongOwner, exit 1;
    auth_fallback: "auth-fallback" in "quick" is PlaceholderOwner, exit 1;
    drop_after_ack: "drop-after-ack" in "quick" is Lost, exit 1;
    mix_chunks: "mix-chunks" in "upload" is ChunkMix, exit 1;
    crossed_sockets: "crossed-sockets" in "quick" is ResponseBleed, exit 1;
    open_route: "open-route" in "trespass" is Trespass, exit 1;
    store_then_fail: "store-then-fail" in "quick" is Ghost, exit 0;
    rare_late_binding: "late-binding:rate=0.02" in "quick" is WrongOwner, exit 1;
}
