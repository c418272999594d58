//! Documents over multipart, made while they are sent.

use std::iter;

use bytes::Bytes;
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::{Method, Request};

use super::Context;
use crate::canary::{self, CANARY_LETTERS};
use crate::model::{CanaryId, CanaryKind};
use crate::plan::{Disturbance, Document, Piece, Step};
use crate::wire::OutBody;

/// Bytes that are gathered before they are handed to the connection.
const CHUNK_BYTES: usize = 16 * 1024;

/// The request of an upload.
pub(super) fn request(
    context: &Context<'_>,
    step: &Step,
    document: &Document,
    request_id: u64,
) -> Request<OutBody> {
    // Texts hold no digit, so no text holds the boundary.
    let boundary = format!("crosswire-{request_id:016x}");
    let head = part_head(&boundary, &document.file_name);
    let tail = format!("\r\n--{boundary}--\r\n");
    let bytes_total = (head.len() + tail.len()) as u64 + document.byte_len(CANARY_LETTERS);
    let chunks = Chunks {
        pieces: iter::once(head)
            .chain(texts(context, step, document))
            .chain(iter::once(tail)),
    };
    let body = OutBody::pieces(Box::new(chunks), bytes_total);
    let mut request = Request::new(match step.disturbance {
        Some(Disturbance::Drop { sent_per_mille }) => body.cut_after(sent_per_mille),
        Some(
            Disturbance::Cancel { .. }
            | Disturbance::CloseEarly
            | Disturbance::SubmitTwice
            | Disturbance::ReadSlowly { .. },
        )
        | None => body,
    });
    *request.method_mut() = Method::POST;
    *request.uri_mut() = context.engine.routes.upload.clone();
    let content_type = format!("multipart/form-data; boundary={boundary}");
    if let Ok(value) = HeaderValue::from_maybe_shared(content_type) {
        request.headers_mut().insert(CONTENT_TYPE, value);
    }
    request
}

fn part_head(boundary: &str, file_name: &str) -> String {
    let name = escape(file_name);
    format!(
        "--{boundary}\r\nContent-Disposition: form-data; name=\"file\"; filename=\"{name}\"\r\n\
         Content-Type: text/plain\r\n\r\n"
    )
}

/// As browsers do it.
fn escape(file_name: &str) -> String {
    file_name
        .replace('"', "%22")
        .replace('\r', "%0D")
        .replace('\n', "%0A")
}

/// The document's text, piece by piece, with its canaries planted.
fn texts(
    context: &Context<'_>,
    step: &Step,
    document: &Document,
) -> impl Iterator<Item = String> + Send + use<> {
    let first = CanaryId {
        run: context.engine.run,
        user: step.user,
        session: context.script.session,
        item: step.item_first,
        kind: CanaryKind::Block,
    };
    let trigger_words = context.engine.target().trigger_words.clone();
    document.pieces().map(move |piece| match piece {
        Piece::Filler(text) => text,
        Piece::Canary(block) => {
            let item = first.item.saturating_add(block);
            canary::plant(CanaryId { item, ..first }, &trigger_words)
        }
    })
}

/// Gathers small pieces, so that not every word is a write of its own.
struct Chunks<I> {
    pieces: I,
}

impl<I: Iterator<Item = String>> Iterator for Chunks<I> {
    type Item = Bytes;

    fn next(&mut self) -> Option<Bytes> {
        let mut chunk = self.pieces.next()?;
        while chunk.len() < CHUNK_BYTES
            && let Some(piece) = self.pieces.next()
        {
            chunk.push_str(&piece);
        }
        Some(Bytes::from(chunk))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_name_cannot_end_its_header() {
        let head = part_head("b", "a\"\r\nx: y.txt");
        assert!(
            head.contains("filename=\"a%22%0D%0Ax: y.txt\"\r\n"),
            "{head}"
        );
    }

    #[test]
    fn small_pieces_are_gathered_and_none_is_lost() {
        let pieces = (0..50_000).map(|number| format!("{number} "));
        let expect: String = pieces.clone().collect();
        let chunks: Vec<_> = Chunks { pieces }.collect();
        assert_eq!(chunks.concat(), expect.as_bytes());
        assert!(chunks.len() <= expect.len() / CHUNK_BYTES + 1);
    }
}
