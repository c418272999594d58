//! Request bodies: one buffer, or pieces that are made while they are sent.

use std::convert::Infallible;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
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
        cut: Option<Cut>,
    },
}

/// Where a body breaks off although more of it was announced.
#[derive(Debug, Clone)]
pub(super) struct Cut {
    bytes_left: u64,
    reached: Arc<AtomicBool>,
    /// Bytes that are sent, and bytes that were announced.
    pub(super) share: (u64, u64),
}

impl Cut {
    /// Is everything handed over that is to be sent?
    pub(super) fn is_reached(&self) -> bool {
        self.reached.load(Ordering::Relaxed)
    }

    /// What may still be sent of a piece; `None` if nothing.
    fn take(&mut self, pieces: &mut dyn Iterator<Item = Bytes>) -> Option<Bytes> {
        if self.bytes_left == 0 {
            self.reached.store(true, Ordering::Relaxed);
            return None;
        }
        let mut piece = pieces.next()?;
        let bytes_max = usize::try_from(self.bytes_left).unwrap_or(usize::MAX);
        piece.truncate(bytes_max);
        self.bytes_left -= piece.len() as u64;
        Some(piece)
    }
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
            cut: None,
        })
    }

    /// Lets a body of pieces break off after so many thousandths of its bytes, at least one byte
    /// before its end. The exchange then closes the connection.
    #[must_use]
    pub fn cut_after(mut self, per_mille: u16) -> Self {
        if let Source::Pieces {
            bytes_left, cut, ..
        } = &mut self.0
        {
            let share = u128::from(*bytes_left) * u128::from(per_mille) / 1_000;
            let sent = u64::try_from(share)
                .unwrap_or(u64::MAX)
                .min(bytes_left.saturating_sub(1));
            *cut = Some(Cut {
                bytes_left: sent,
                reached: Arc::default(),
                share: (sent, *bytes_left),
            });
        }
        self
    }

    pub(super) fn cut(&self) -> Option<Cut> {
        match &self.0 {
            Source::Whole(_) => None,
            Source::Pieces { cut, .. } => cut.clone(),
        }
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
            Source::Pieces {
                pieces,
                bytes_left,
                cut,
            } => {
                let piece = match cut {
                    Some(cut) => match cut.take(pieces.as_mut()) {
                        Some(piece) => Some(piece),
                        // Nobody wakes it: the exchange looks at the cut itself.
                        None => return Poll::Pending,
                    },
                    None => pieces.next(),
                };
                if let Some(piece) = &piece {
                    *bytes_left = bytes_left.saturating_sub(piece.len() as u64);
                }
                piece
            }
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
