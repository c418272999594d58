//! The lab's listening sockets, which can all close once and come back.

use std::future::pending;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::extract::connect_info::Connected;
use axum::serve::{IncomingStream, Listener};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use super::quirks::RESTART_PAUSE;

/// How long to wait before a port that is taken is tried again.
const RETRY_PAUSE: Duration = Duration::from_millis(10);

/// A listening socket, and who may close it.
#[derive(Debug)]
pub(super) struct Doors {
    address: SocketAddr,
    /// None while the lab restarts.
    listener: Option<TcpListener>,
    /// Changes when the lab restarts.
    restarts: watch::Receiver<u32>,
    /// Connections so far.
    accepted: u64,
}

/// Which of the connections of a listening socket it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct ConnectionIx(pub(super) u64);

impl Connected<IncomingStream<'_, Doors>> for ConnectionIx {
    fn connect_info(stream: IncomingStream<'_, Doors>) -> Self {
        stream.io().number
    }
}

impl Doors {
    pub(super) fn new(
        listener: TcpListener,
        restarts: watch::Receiver<u32>,
    ) -> Result<Self, io::Error> {
        Ok(Self {
            address: listener.local_addr()?,
            listener: Some(listener),
            restarts,
            accepted: 0,
        })
    }

    async fn next(&mut self) -> Option<(TcpStream, SocketAddr)> {
        let Some(listener) = &mut self.listener else {
            match super::listening(self.address) {
                Ok(listener) => self.listener = Some(listener),
                Err(_) => tokio::time::sleep(RETRY_PAUSE).await,
            }
            return None;
        };
        tokio::select! {
            accepted = Listener::accept(listener) => return Some(accepted),
            () = restarted(&mut self.restarts) => {}
        }
        self.listener = None;
        tokio::time::sleep(RESTART_PAUSE).await;
        None
    }
}

impl Listener for Doors {
    type Io = Connection;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Connection, SocketAddr) {
        loop {
            if let Some((stream, address)) = self.next().await {
                // Without it small answers wait for the client's acknowledgement.
                let _ = stream.set_nodelay(true);
                let mut restarts = self.restarts.clone();
                let cut = Box::pin(async move { restarted(&mut restarts).await });
                self.accepted += 1;
                let number = ConnectionIx(self.accepted);
                return (Connection::new(stream, number, cut), address);
            }
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.address)
    }
}

/// Waits for a restart; for ever if there will be none.
async fn restarted(restarts: &mut watch::Receiver<u32>) {
    if restarts.changed().await.is_err() {
        pending::<()>().await;
    }
}

/// A connection that breaks off when the lab restarts.
pub(super) struct Connection {
    stream: TcpStream,
    number: ConnectionIx,
    /// Ends when the lab restarts; none after that.
    cut: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
}

impl Connection {
    fn new(
        stream: TcpStream,
        number: ConnectionIx,
        cut: Pin<Box<dyn Future<Output = ()> + Send>>,
    ) -> Self {
        Self {
            stream,
            number,
            cut: Some(cut),
        }
    }

    fn check(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        if let Some(cut) = &mut self.cut
            && cut.as_mut().poll(cx).is_ready()
        {
            self.cut = None;
        }
        match &self.cut {
            Some(_) => Ok(()),
            None => Err(io::ErrorKind::ConnectionReset.into()),
        }
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.check(cx)?;
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Connection {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.check(cx)?;
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.check(cx)?;
        Pin::new(&mut self.stream).poll_write_vectored(cx, parts)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
