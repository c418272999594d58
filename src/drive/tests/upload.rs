//! Uploads arrive byte for byte, and their answers have outcomes of their own.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use super::{RUN, plan, run};
use crate::canary;
use crate::model::{CanaryId, CanaryKind, Echo, Outcome};
use crate::plan::{Action, Piece, Script};
use crate::wire::fake::{self, Fake, Reply};

const UPLOADS: &str = r#"
[load.upload]
executor = "per-vu-iterations"
session = "upload"
vus = 3
iterations = 1
max_duration = "20s"
[sessions.upload]
kind = "upload"
uploads = 2
think = "0ms"
characters = "300..200000"
file_name = "same:my notes.txt"
"#;

/// The text of a step's document, put together here from the plan alone.
fn document(script: &Script, step: usize) -> String {
    let step = &script.steps[step];
    let Action::Upload(document) = &step.action else {
        panic!("not an upload")
    };
    document
        .pieces()
        .map(|piece| match piece {
            Piece::Filler(text) => text,
            Piece::Canary(block) => canary::plant(
                CanaryId {
                    run: RUN,
                    user: script.user,
                    session: script.session,
                    item: step.item_first + block,
                    kind: CanaryKind::Block,
                },
                &plan(UPLOADS).scenario().target.trigger_words,
            ),
        })
        .collect()
}

#[tokio::test]
async fn a_document_arrives_byte_for_byte() {
    let requests = Arc::new(Mutex::new(HashMap::new()));
    let log = Arc::clone(&requests);
    let fake = Fake::start(move |request| {
        let id = request.headers["x-request-id"].clone();
        log.lock().unwrap().insert(id, request.clone());
        fake::json("{\"success\":true}")
    })
    .await;
    let driven = run(&fake.url, UPLOADS).await;
    let completions = driven.completions();
    assert_eq!(completions.len(), 6);
    let plan = plan(UPLOADS);
    let requests = requests.lock().unwrap();
    for invocation in driven.invocations() {
        let completion = completions[&invocation.op];
        assert_eq!(completion.outcome, Outcome::Ok, "{completion:?}");
        assert_eq!(completion.echo, Echo::NotExpected);
        assert_eq!(completion.promise.blocks, invocation.item_count);
        assert!(!completion.promise.user_message);
        let request = &requests[&format!("{:016x}", invocation.request_id)];
        let script = plan.script(invocation.op.session).unwrap();
        let text = document(&script, usize::from(invocation.op.seq));
        let (_, boundary) = request.headers["content-type"]
            .split_once("boundary=")
            .unwrap();
        let expect = format!(
            "--{boundary}\r\nContent-Disposition: form-data; name=\"file\"; \
             filename=\"my notes.txt\"\r\nContent-Type: text/plain\r\n\r\n\
             {text}\r\n--{boundary}--\r\n"
        );
        assert_eq!(request.headers["content-length"], expect.len().to_string());
        assert_eq!(request.body, expect.as_bytes());
    }
}

#[tokio::test]
async fn each_answer_has_its_outcome() {
    let answer = |status, body: &str| Reply::Answer(status, "application/json", body.to_owned());
    for (reply, outcome) in [
        (
            answer(200, "{\"success\":true,\"chunks_processed\":1}"),
            Outcome::Ok,
        ),
        (answer(200, "{\"success\":false}"), Outcome::SoftFail),
        (answer(200, "accepted"), Outcome::Unknown),
        (answer(200, "{\"success\":1}"), Outcome::SoftFail),
        (answer(400, "{\"detail\":\"No text\"}"), Outcome::Refused),
        (Reply::Raw(Vec::new()), Outcome::Unknown),
    ] {
        let shown = format!("{reply:?}");
        let fake = Fake::start(move |_| reply.clone()).await;
        let scenario = UPLOADS
            .replace("vus = 3", "vus = 1")
            .replace("uploads = 2", "uploads = 1");
        let driven = run(&fake.url, &scenario).await;
        let completion = driven.only();
        assert_eq!(completion.outcome, outcome, "{shown}");
        assert_eq!(completion.echo, Echo::NotExpected, "{shown}");
        assert_eq!(
            completion.promise.blocks > 0,
            outcome == Outcome::Ok,
            "{shown}"
        );
    }
}
