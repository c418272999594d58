//! Background tasks that store a document as facts, and what planted faults make of them.
#![expect(
    clippy::disallowed_methods,
    reason = "background tasks are what this file is about"
)]

use std::sync::Arc;

use serde_json::{Value, json};
use tokio::task::JoinHandle;

use super::hearing::{Hearing, Told};
use super::persist::{Running, misbound_user};
use super::{Handle, echo};
use crate::lab::faults::FaultKind;
use crate::lab::races::{Hits, Meeting};
use crate::lab::truth::{Wrong, owner_code};
use crate::lab::zep::{Fact, Metadata};
use crate::model::{Code, OpKind, RecordType};

/// A document that was accepted.
#[derive(Debug)]
pub(super) struct Document {
    /// Who sent it.
    pub(super) author: Arc<str>,
    pub(super) file: String,
    pub(super) file_type: String,
    /// At least one.
    pub(super) chunks: Vec<String>,
    pub(super) hearing: Hearing,
}

/// For whom a task writes, and what planted faults make of its chunks.
struct Work {
    /// As whom it writes.
    user: Arc<str>,
    cause: Option<FaultKind>,
    /// The place of a chunk that is skipped.
    skipped: Option<usize>,
    mixed: Option<Mixed>,
}

/// A chunk whose buffer holds somebody else's text too.
struct Mixed {
    place: usize,
    intruder: Arc<str>,
    text: String,
}

/// Starts the task that stores a document.
pub(super) fn start(engram: &Handle, document: Document, hits: Hits) -> JoinHandle<()> {
    let running = Running::new(engram);
    tokio::spawn(async move { index(&running.0, &document, &hits).await })
}

async fn index(engram: &Handle, document: &Document, hits: &Hits) {
    let (count, file) = (document.chunks.len(), &document.file);
    let line = |step, doing, user: &str| {
        let user = format!("{user}, file: {file}");
        engram.info(step, &format!("{doing} {count} chunks"), &user);
    };
    line("started", "indexing", &document.author);
    if hits.has(FaultKind::DropAfterAck) {
        return lost(engram, document).await;
    }
    let work = work(engram, document, hits).await;
    for chunk in 0..count {
        store_chunk(engram, document, &work, chunk, None).await;
    }
    if hits.has(FaultKind::DoubleWrite) {
        for chunk in 0..count {
            let again = Some(FaultKind::DoubleWrite);
            store_chunk(engram, document, &work, chunk, again).await;
        }
    }
    line("completed", "indexed", &work.user);
}

/// Lets the planted faults decide for whom the task writes and what becomes of its chunks.
async fn work(engram: &Handle, document: &Document, hits: &Hits) -> Work {
    let mut work = Work {
        user: Arc::clone(&document.author),
        cause: None,
        skipped: None,
        mixed: None,
    };
    if let Some((user, fault)) = misbound_user(engram, OpKind::Upload, hits).await {
        work.user = user;
        work.cause = Some(fault);
    }
    if let Some(window) = hits.window(FaultKind::CrossedTasks) {
        let own = Arc::clone(&work.user);
        let exchange = &engram.faults.uploads;
        work.user = match exchange.meet(&document.author, own, window).await {
            Meeting::Alone(own) => own,
            Meeting::Waited(other) | Meeting::Came(other) => {
                work.cause = Some(FaultKind::CrossedTasks);
                other
            }
        };
    }
    let count = document.chunks.len();
    // The only chunk is not lost: that would be a lost document, which is another fault.
    if hits.has(FaultKind::LoseChunk) && count > 1 {
        work.skipped = Some(engram.dice.pick(count));
    }
    if let Some(window) = hits.window(FaultKind::MixChunks) {
        let place = engram.dice.pick(count);
        let own = document.chunks.get(place).cloned().unwrap_or_default();
        let own = (Arc::clone(&document.author), own);
        let buffer = &engram.faults.chunks;
        // Whoever waits finds in its buffer what the other has put there.
        work.mixed = match buffer.meet(&document.author, own, window).await {
            Meeting::Waited((intruder, text)) => Some(Mixed {
                place,
                intruder,
                text,
            }),
            Meeting::Alone(_) | Meeting::Came(_) => None,
        };
    }
    work
}

async fn store_chunk(
    engram: &Handle,
    document: &Document,
    work: &Work,
    place: usize,
    again: Option<FaultKind>,
) {
    let Some(chunk) = document.chunks.get(place) else {
        return;
    };
    if work.skipped == Some(place) {
        if again.is_none() {
            missing(engram, document, chunk).await;
        }
        return;
    }
    engram.store_delay().await;
    let mixed = work.mixed.as_ref().filter(|mixed| mixed.place == place);
    let text = match mixed {
        Some(mixed) => format!("{chunk}\n\n{}", mixed.text),
        None => chunk.clone(),
    };
    let fact = engram.store.add_fact(&work.user, text, &about(document));
    if engram.truth.heard() {
        judge(
            engram,
            document,
            (chunk, mixed),
            again.or(work.cause),
            &fact,
        );
    }
}

fn about(document: &Document) -> Metadata {
    [
        ("source", json!("document_upload")),
        ("filename", json!(document.file)),
        ("etl_source", json!("unstructured_etl")),
        ("etl_filename", json!(document.file)),
        ("page_number", Value::Null),
        ("filetype", json!(document.file_type)),
    ]
    .into_iter()
    .map(|(key, value)| (key.to_owned(), value))
    .collect()
}

/// Tells the truth about a fact that was just stored, if it is not as it should be.
fn judge(
    engram: &Handle,
    document: &Document,
    (chunk, mixed): (&str, Option<&Mixed>),
    cause: Option<FaultKind>,
    fact: &Fact,
) {
    let (mut true_user, mut text) = (&document.author, chunk);
    let wrong = if let Some(mixed) = mixed {
        (true_user, text) = (&mixed.intruder, &mixed.text);
        Some((Code::ChunkMix, FaultKind::MixChunks))
    } else if let Some(code) = owner_code(true_user, Some(&fact.user_id)) {
        cause.map(|fault| (code, fault))
    } else if cause == Some(FaultKind::DoubleWrite) {
        Some((Code::Duplicate, FaultKind::DoubleWrite))
    } else if document.hearing.refused() {
        Some((Code::Ghost, FaultKind::StoreThenFail))
    } else {
        None
    };
    if let Some((code, fault)) = wrong {
        engram.truth.tell(Wrong {
            fault,
            code,
            record_type: RecordType::Fact,
            record_id: Some(fact.uuid.to_string()),
            canary: echo::reference_word(text).as_deref(),
            true_user,
            stored_owner: Some(&fact.user_id),
        });
    }
}

/// Tells the truth about a chunk that was never stored: a line for each of its blocks.
async fn missing(engram: &Handle, document: &Document, chunk: &str) {
    if engram.truth.heard() && document.hearing.told().await == Told::Accepted {
        for canary in echo::reference_words(chunk) {
            let code = Code::PartialIngest;
            tell_absence(
                engram,
                document,
                (FaultKind::LoseChunk, code),
                Some(&canary),
            );
        }
    }
}

/// Tells the truth about a document of which nothing was stored: one line, by its first canary.
async fn lost(engram: &Handle, document: &Document) {
    if engram.truth.heard() && document.hearing.told().await == Told::Accepted {
        let first = document.chunks.iter().find_map(|c| echo::reference_word(c));
        let wrong = (FaultKind::DropAfterAck, Code::Lost);
        tell_absence(engram, document, wrong, first.as_deref());
    }
}

fn tell_absence(
    engram: &Handle,
    document: &Document,
    (fault, code): (FaultKind, Code),
    canary: Option<&str>,
) {
    engram.truth.tell(Wrong {
        fault,
        code,
        record_type: RecordType::Fact,
        record_id: None,
        canary,
        true_user: &document.author,
        stored_owner: None,
    });
}
