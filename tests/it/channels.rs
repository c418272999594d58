//! The channels beside chat, upload and voice: the chat socket, and turns that are kept.

use serde_json::json;

use crate::support::Bench;

/// Few users, who hang up now and then.
const SCENARIO: &str = r#"
version = 1
[users]
count = 20
[memory]
lag_sample_every = 0
[memory.settle]
task_limit = "100ms"
deadline = "20s"
pause = "50ms"
[disturbances]
cancel_rate = 0.1
cancel_after = "1ms..20ms"
[load.streams]
executor = "per-vu-iterations"
session = "stream"
vus = 20
iterations = 1
[load.turns]
executor = "per-vu-iterations"
session = "turn"
vus = 20
iterations = 1
[sessions.stream]
kind = "stream"
turns = 4
think = "20ms..100ms"
[sessions.turn]
kind = "turn"
turns = 4
think = "20ms..100ms"
"#;

#[test]
fn the_chat_socket_and_kept_turns_of_a_healthy_lab_pass() {
    let bench = Bench::new();
    let file = bench.file("channels.toml", SCENARIO.as_bytes());
    let done = bench.run_unsaturated(&["run", file.to_str().unwrap(), "--report", "json=-"]);
    // A machine that is too slow for the load says nothing of the target.
    assert!(
        matches!(done.code, Some(0 | 4)),
        "{}{}",
        done.stdout,
        done.stderr
    );
    let report = done.json();
    assert_eq!(report["anomalies"], json!({}));
    for kind in ["stream", "turn"] {
        let counts = &report["ops"][kind];
        assert_eq!(counts["planned"], 80, "{counts}");
        assert!(counts["ok"].as_u64() > Some(0), "{counts}");
    }
    let chunks = &report["streams"]["first_chunk_us"]["samples"];
    assert!(chunks.as_u64() > Some(0), "{chunks}");
}
