//! Request bodies: one buffer, or pieces that are made while they are sent.

use std::convert::Infallible;
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};

/// A request body of known length.
pub struct OutBody(Source);

enum Source {
    Whole(Option<Bytes>),
    Pieces {
        pieces: Box<dyn Iterator<Item = Bytes> + Send>,
        bytes_left: u64,
    },
}

impl OutBody {
    /// A body that is in memory.
    pub fn whole(bytes: impl Into<Bytes>) -> Self {
        Self(Source::Whole(Some(bytes.into())))
    }

    /// A body without a byte.
    pub fn empty() -> Self {
        Self(Source::Whole(None))
    }

    /// A body that is made while it is sent and never held whole. `bytes_total` is announced as
    /// its length; pieces that do not add up to it break the request off.
    pub fn pieces(pieces: Box<dyn Iterator<Item = Bytes> + Send>, bytes_total: u64) -> Self {
        Self(Source::Pieces {
            pieces,
            bytes_left: bytes_total,
        })
    }
}

impl fmt::Debug for OutBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OutBody")
            .field("bytes_left", &self.size_hint().exact())
            .finish_non_exhaustive()
    }
}

impl Body for OutBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let piece = match &mut self.0 {
            Source::Whole(bytes) => bytes.take(),
            Source::Pieces { pieces, bytes_left } => pieces.next().inspect(|piece| {
                *bytes_left = bytes_left.saturating_sub(piece.len() as u64);
            }),
        };
        Poll::Ready(piece.map(|bytes| Ok(Frame::data(bytes))))
    }

    fn is_end_stream(&self) -> bool {
        match &self.0 {
            Source::Whole(bytes) => bytes.is_none(),
            Source::Pieces { bytes_left, .. } => *bytes_left == 0,
        }
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(match &self.0 {
            Source::Whole(bytes) => bytes.as_ref().map_or(0, |bytes| bytes.len() as u64),
            Source::Pieces { bytes_left, .. } => *bytes_left,
        })
    }
}
