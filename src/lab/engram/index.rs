//! Background tasks that store a document as facts, and what planted faults make of them.
#![expect(
    clippy::disallowed_methods,
    reason = "background tasks are what this file is about"
)]

use std::sync::Arc;

use serde_json::{Value, json};
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::diary::Diary;
use super::files::Taken;
use super::hearing::{Hearing, Told};
use super::persist::{Running, misbound_user};
use super::{Handle, echo};
use crate::lab::exchange::Meeting;
use crate::lab::faults::FaultKind;
use crate::lab::log::Named;
use crate::lab::races::Hits;
use crate::lab::truth::{Wrong, owner_code};
use crate::lab::zep::{Fact, Metadata};
use crate::model::{Code, OpKind, RecordType};

/// Chunks that are read when the document comes in; the rest is read by its task.
const HEAD_CHUNKS: usize = 1;

/// A document that was accepted.
#[derive(Debug)]
pub(super) struct Document {
    /// What its request calls itself.
    pub(super) named: Named,
    /// Who sent it.
    pub(super) author: Arc<str>,
    pub(super) file: String,
    pub(super) file_type: String,
    /// At least one.
    pub(super) chunks: Arc<Vec<String>>,
    /// What its client is told.
    pub(super) hearing: Hearing,
    /// Where it lies in a file that others may read.
    pub(super) taken: Taken,
}

/// For whom a task writes, and what planted faults make of its chunks.
struct Work<'a> {
    engram: &'a Handle,
    document: &'a Document,
    hits: &'a Hits,
    /// As whom it writes.
    user: Arc<str>,
    cause: Option<FaultKind>,
    /// What it writes, in order.
    pieces: Vec<Piece>,
    /// The place of a chunk that is skipped.
    skipped: Option<usize>,
    mixed: Option<Mixed>,
}

/// A chunk, and whose it is.
struct Piece {
    author: Arc<str>,
    text: String,
}

/// A chunk whose buffer holds somebody else's text too.
struct Mixed {
    place: usize,
    intruder: Arc<str>,
    text: String,
}

/// What of a document is nowhere.
#[derive(Default)]
struct Gone {
    /// Its blocks, each with the fault that lost it.
    blocks: Vec<(FaultKind, String)>,
    /// Is anything of it stored?
    some_kept: bool,
}

/// Starts the task that stores a document.
pub(super) fn start(engram: &Handle, mut document: Document, hits: Hits) -> JoinHandle<()> {
    let running = Running::new(engram);
    document.chunks = engram.grouped(document.chunks);
    if hits.has(FaultKind::SharedFile) {
        let files = &engram.files;
        document.taken = files.write(&document.file, &document.author, &document.chunks);
    }
    tokio::spawn(async move { index(&running.0, &document, &hits).await })
}

async fn index(engram: &Handle, document: &Document, hits: &Hits) {
    let count = document.chunks.len();
    let canary = document
        .chunks
        .iter()
        .find_map(|chunk| echo::reference_word(chunk));
    let about = (Some(document.file.as_str()), canary.as_deref());
    let diary = Diary::new(engram, (&document.named, hits), &document.author, about);
    let done = format!("indexed {count} chunks");
    diary.started(&format!("indexing {count} chunks"), &document.author);
    engram.dawdle(Instant::now()).await;
    let mut gone = Gone::default();
    let losing = [FaultKind::DropAfterAck, FaultKind::LogCompletedNotStored];
    if let Some(fault) = losing.into_iter().find(|fault| hits.has(*fault)) {
        for chunk in document.chunks.iter() {
            gone.add(fault, chunk);
        }
        if fault == FaultKind::LogCompletedNotStored {
            diary.completed(&done, &document.author);
            if document.hearing.told().await == Told::Accepted {
                diary.tell(fault);
            }
        }
        return gone.tell(engram, document).await;
    }
    let work = work(engram, document, hits, &mut gone).await;
    if let Some(spec) = hits.of(FaultKind::SlowStore) {
        engram.faults.quiet(spec.delay).await;
    }
    for place in 0..work.pieces.len() {
        store_chunk(&work, place, &mut gone).await;
    }
    if hits.has(FaultKind::DoubleWrite) {
        for place in 0..work.pieces.len() {
            store_again(&work, place).await;
        }
    }
    gone.tell(engram, document).await;
    if !engram.faults.wedged() {
        diary.completed(&done, &work.user);
    }
}

/// Lets the planted faults decide for whom the task writes and what becomes of its chunks.
async fn work<'a>(
    engram: &'a Handle,
    document: &'a Document,
    hits: &'a Hits,
    gone: &mut Gone,
) -> Work<'a> {
    let author = &document.author;
    let mut work = Work {
        engram,
        document,
        hits,
        user: Arc::clone(author),
        cause: None,
        pieces: read_file(engram, document, hits, gone).await,
        skipped: None,
        mixed: None,
    };
    if let Some((user, fault)) = misbound_user(engram, OpKind::Upload, author, hits).await {
        work.user = user;
        work.cause = Some(fault);
    }
    if let Some(window) = hits.window(FaultKind::CrossedTasks) {
        let own = Arc::clone(&work.user);
        work.user = match engram.faults.uploads.meet(author, own, window).await {
            Meeting::Alone(own) => own,
            Meeting::Waited(other) | Meeting::Came(other) => {
                work.cause = Some(FaultKind::CrossedTasks);
                other
            }
        };
    }
    let count = work.pieces.len();
    // The only chunk is not lost: that would be a lost document, which is another fault.
    if hits.has(FaultKind::LoseChunk) && count > 1 {
        work.skipped = Some(engram.dice.pick(count));
    }
    if let Some(window) = hits.window(FaultKind::MixChunks) {
        let place = engram.dice.pick(count);
        let own = work.pieces.get(place).map(|piece| piece.text.clone());
        let own = (Arc::clone(author), own.unwrap_or_default());
        // Whoever waits finds in its buffer what the other has put there.
        work.mixed = match engram.faults.chunks.meet(author, own, window).await {
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

/// What the task reads. The head was read when the document came; the fault leaves the rest in a
/// file that an upload of the same name by somebody else may have replaced since.
async fn read_file(
    engram: &Handle,
    document: &Document,
    hits: &Hits,
    gone: &mut Gone,
) -> Vec<Piece> {
    let piece = |author: &Arc<str>, text: &String| Piece {
        author: Arc::clone(author),
        text: text.clone(),
    };
    let own = |chunks: &[String]| -> Vec<Piece> {
        let pieces = chunks.iter().map(|text| piece(&document.author, text));
        pieces.collect()
    };
    let Some(window) = hits.window(FaultKind::SharedFile) else {
        return own(&document.chunks);
    };
    tokio::time::sleep(window).await;
    match engram.files.read(&document.file) {
        Some(read) if read.author != document.author => {
            let (head, rest) = document
                .chunks
                .split_at(HEAD_CHUNKS.min(document.chunks.len()));
            // What an upload before has read is stored for that one.
            for chunk in rest.iter().filter(|_| !document.taken.is()) {
                gone.add(FaultKind::SharedFile, chunk);
            }
            let mut pieces = own(head);
            let theirs = read.chunks.iter().skip(HEAD_CHUNKS);
            if !rest.is_empty() {
                read.taken.take();
                pieces.extend(theirs.map(|text| piece(&read.author, text)));
            }
            pieces
        }
        Some(_) | None => own(&document.chunks),
    }
}

async fn store_chunk(work: &Work<'_>, place: usize, gone: &mut Gone) {
    let Some(piece) = work.pieces.get(place) else {
        return;
    };
    let swallowed = if work.skipped == Some(place) {
        Some(FaultKind::LoseChunk)
    } else {
        work.engram.store_delay().await;
        work.swallows(piece)
    };
    if let Some(fault) = swallowed {
        if piece.author == work.document.author {
            gone.add(fault, &piece.text);
        }
        return;
    }
    gone.some_kept |= piece.author == work.document.author;
    store_piece(work, place, piece, work.cause).await;
}

async fn store_again(work: &Work<'_>, place: usize) {
    let Some(piece) = work.pieces.get(place) else {
        return;
    };
    if work.skipped != Some(place) && work.swallows(piece).is_none() {
        work.engram.store_delay().await;
        store_piece(work, place, piece, Some(FaultKind::DoubleWrite)).await;
    }
}

async fn store_piece(work: &Work<'_>, place: usize, piece: &Piece, cause: Option<FaultKind>) {
    let mixed = work.mixed.as_ref().filter(|mixed| mixed.place == place);
    let text = match mixed {
        Some(mixed) => format!("{}\n\n{}", piece.text, mixed.text),
        None => piece.text.clone(),
    };
    let text = work.engram.styled(&text).unwrap_or(text);
    let store = &work.engram.store;
    let fact = store.add_fact(&work.user, text, &about(work.document));
    if work.engram.truth.heard() {
        judge(work, (piece, mixed), cause, &fact).await;
    }
}

impl Work<'_> {
    /// The fault that keeps a chunk from the store without anybody noticing.
    fn swallows(&self, piece: &Piece) -> Option<FaultKind> {
        if self.engram.faults.wedged() {
            return Some(FaultKind::Wedge);
        }
        let limit = self.hits.of(FaultKind::LengthLimit)?.limit;
        (piece.text.chars().count() > limit).then_some(FaultKind::LengthLimit)
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
async fn judge(
    work: &Work<'_>,
    (piece, mixed): (&Piece, Option<&Mixed>),
    cause: Option<FaultKind>,
    fact: &Fact,
) {
    let hearing = &work.document.hearing;
    let (mut true_user, mut text) = (&piece.author, &piece.text);
    let shared = (piece.author != work.document.author).then_some(FaultKind::SharedFile);
    let wrong = if let Some(mixed) = mixed {
        (true_user, text) = (&mixed.intruder, &mixed.text);
        Some((Code::ChunkMix, FaultKind::MixChunks))
    } else if let Some(code) = owner_code(true_user, Some(&fact.user_id)) {
        shared.or(cause).map(|fault| (code, fault))
    } else if cause == Some(FaultKind::DoubleWrite) {
        Some((Code::Duplicate, FaultKind::DoubleWrite))
    } else if hearing.refused() {
        Some((Code::Ghost, FaultKind::StoreThenFail))
    } else {
        let slow = work.hits.has(FaultKind::SlowStore);
        let late = slow && hearing.told().await == Told::Accepted;
        late.then_some((Code::Late, FaultKind::SlowStore))
    };
    if let Some((code, fault)) = wrong {
        work.engram.truth.tell(Wrong {
            fault,
            code,
            record_type: RecordType::Fact,
            record_id: Some(fact.uuid.to_string()),
            canary: echo::reference_word(text).as_deref(),
            true_user,
            stored_owner: Some(&fact.user_id),
            session: None,
            asked: None,
        });
    }
}

impl Gone {
    /// The blocks of a chunk are nowhere.
    fn add(&mut self, fault: FaultKind, chunk: &str) {
        let blocks = echo::reference_words(chunk);
        self.blocks.extend(blocks.map(|canary| (fault, canary)));
    }

    /// Tells the truth about what is nowhere: of a part a line for each block, of the whole
    /// document one line, by its first block.
    async fn tell(&self, engram: &Handle, document: &Document) {
        let heard = engram.truth.heard() && !self.blocks.is_empty();
        if !heard || document.hearing.told().await != Told::Accepted {
            return;
        }
        let (code, told) = if self.some_kept {
            (Code::PartialIngest, self.blocks.as_slice())
        } else {
            (Code::Lost, self.blocks.get(..1).unwrap_or_default())
        };
        for (fault, canary) in told {
            engram.truth.tell(Wrong {
                fault: *fault,
                code,
                record_type: RecordType::Fact,
                record_id: None,
                canary: Some(canary),
                true_user: &document.author,
                stored_owner: None,
                session: None,
                asked: None,
            });
        }
    }
}
