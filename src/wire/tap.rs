//! A link to the target that notes what is written to it, so that a request of which nothing was
//! written can be told from one of which the fate is unknown.

use std::fmt;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::OwnedSemaphorePermit;
use tokio_rustls::client::TlsStream;

use crate::clock::RunClock;
use crate::model::Micros;

/// In [`Tap`]: nothing was written since it was armed.
const NOTHING: u64 = u64::MAX;

/// An open connection to the target. It holds its place among the connections that may be open.
pub struct Link {
    stream: Stream,
    tap: Arc<Tap>,
    clock: RunClock,
    _place: OwnedSemaphorePermit,
}

/// When the first byte since [`Tap::arm`] was written to a link. Over TLS a byte counts as written
/// once it is handed over for encryption.
#[derive(Debug)]
pub struct Tap {
    first_us: AtomicU64,
}

pub(super) enum Stream {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

impl Tap {
    /// Forgets what was written so far.
    pub fn arm(&self) {
        self.first_us.store(NOTHING, Ordering::Relaxed);
    }

    /// When the first byte was written; `None` if none was.
    pub fn sent(&self) -> Option<Micros> {
        let first_us = self.first_us.load(Ordering::Relaxed);
        (first_us != NOTHING).then_some(Micros(first_us))
    }

    fn wrote(&self, clock: RunClock) {
        if self.first_us.load(Ordering::Relaxed) == NOTHING {
            self.first_us.store(clock.now().0, Ordering::Relaxed);
        }
    }
}

impl Link {
    pub(super) fn new(stream: Stream, clock: RunClock, place: OwnedSemaphorePermit) -> Self {
        Self {
            stream,
            tap: Arc::new(Tap {
                first_us: AtomicU64::new(NOTHING),
            }),
            clock,
            _place: place,
        }
    }

    /// The notes on what is written.
    pub fn tap(&self) -> Arc<Tap> {
        Arc::clone(&self.tap)
    }
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Link")
            .field("tap", &self.tap)
            .finish_non_exhaustive()
    }
}

impl AsyncRead for Link {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match &mut self.stream {
            Stream::Plain(stream) => Pin::new(stream).poll_read(context, buffer),
            Stream::Tls(stream) => Pin::new(stream.as_mut()).poll_read(context, buffer),
        }
    }
}

impl AsyncWrite for Link {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = ready!(match &mut self.stream {
            Stream::Plain(stream) => Pin::new(stream).poll_write(context, bytes),
            Stream::Tls(stream) => Pin::new(stream.as_mut()).poll_write(context, bytes),
        })?;
        if written > 0 {
            self.tap.wrote(self.clock);
        }
        Poll::Ready(Ok(written))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = ready!(match &mut self.stream {
            Stream::Plain(stream) => Pin::new(stream).poll_write_vectored(context, slices),
            Stream::Tls(stream) => Pin::new(stream.as_mut()).poll_write_vectored(context, slices),
        })?;
        if written > 0 {
            self.tap.wrote(self.clock);
        }
        Poll::Ready(Ok(written))
    }

    fn is_write_vectored(&self) -> bool {
        match &self.stream {
            Stream::Plain(stream) => stream.is_write_vectored(),
            Stream::Tls(stream) => stream.is_write_vectored(),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.stream {
            Stream::Plain(stream) => Pin::new(stream).poll_flush(context),
            Stream::Tls(stream) => Pin::new(stream.as_mut()).poll_flush(context),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.stream {
            Stream::Plain(stream) => Pin::new(stream).poll_shutdown(context),
            Stream::Tls(stream) => Pin::new(stream.as_mut()).poll_shutdown(context),
        }
    }
}
