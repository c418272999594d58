//! A target for tests, on loopback: answers by script, well or badly.
#![expect(clippy::disallowed_methods, reason = "a server is tasks")]

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::sleep;
use url::Url;

/// A request as it came.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    /// Method, path and version.
    pub(crate) line: String,
    /// By lower-case name.
    pub(crate) headers: HashMap<String, String>,
    pub(crate) body: Vec<u8>,
    /// Which connection it came on, counted from 0.
    pub(crate) connection: usize,
}

/// What is done with a request.
#[derive(Debug, Clone)]
pub(crate) enum Reply {
    /// An answer with this status, content type and body.
    Answer(u16, &'static str, String),
    /// The same, then the connection is closed without a word.
    AnswerAndClose(u16, &'static str, String),
    /// These bytes, then the connection is closed.
    Raw(Vec<u8>),
    /// These bytes, then the connection is reset.
    RawAndReset(Vec<u8>),
    /// A JSON answer, byte by byte with a pause before each.
    Drip(Vec<u8>, Duration),
    /// Later.
    Late(Duration, Box<Reply>),
}

/// A running target. Dropping it closes the port and all connections.
#[derive(Debug)]
pub(crate) struct Fake {
    pub(crate) url: Url,
    connections: Arc<AtomicUsize>,
    server: JoinHandle<()>,
}

impl Drop for Fake {
    fn drop(&mut self) {
        self.server.abort();
    }
}

pub(crate) fn json(body: impl Into<String>) -> Reply {
    Reply::Answer(200, "application/json", body.into())
}

impl Fake {
    /// Answers each request by the script.
    pub(crate) async fn start<F>(script: F) -> Self
    where
        F: Fn(&Request) -> Reply + Send + Sync + 'static,
    {
        let script = Arc::new(script);
        Self::serve(move |stream, connection| {
            let script = Arc::clone(&script);
            async move {
                converse(stream, connection, script.as_ref()).await;
            }
        })
        .await
    }

    /// Hands each connection over as it is.
    pub(crate) async fn serve<F, W>(handle: F) -> Self
    where
        F: Fn(TcpStream, usize) -> W + Send + 'static,
        W: Future<Output = ()> + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap())
            .parse()
            .unwrap();
        let connections = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&connections);
        let server = tokio::spawn(async move {
            let mut open = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                open.spawn(handle(stream, counted.fetch_add(1, Ordering::SeqCst)));
            }
        });
        Self {
            url,
            connections,
            server,
        }
    }

    /// Connections taken so far.
    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}

/// A URL at which nothing listens.
pub(crate) async fn nobody() -> Url {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    format!("http://{}", listener.local_addr().unwrap())
        .parse()
        .unwrap()
}

async fn converse(
    mut stream: TcpStream,
    connection: usize,
    script: &(dyn Fn(&Request) -> Reply + Send + Sync),
) {
    let mut buffer = Vec::new();
    while let Some(request) = read_request(&mut stream, &mut buffer, connection).await {
        let mut reply = script(&request);
        while let Reply::Late(delay, then) = reply {
            sleep(delay).await;
            reply = *then;
        }
        let (bytes, goes_on) = match reply {
            Reply::Answer(status, kind, body) => (answer(status, kind, &body), true),
            Reply::AnswerAndClose(status, kind, body) => (answer(status, kind, &body), false),
            Reply::Raw(bytes) => (bytes, false),
            Reply::RawAndReset(bytes) => {
                stream.set_zero_linger().unwrap();
                (bytes, false)
            }
            Reply::Drip(body, pause) => {
                drip(&mut stream, &body, pause).await;
                return;
            }
            Reply::Late(..) => unreachable!("unwrapped above"),
        };
        if stream.write_all(&bytes).await.is_err() || !goes_on {
            return;
        }
    }
}

async fn drip(stream: &mut TcpStream, body: &[u8], pause: Duration) {
    let whole = answer(200, "application/json", &String::from_utf8_lossy(body));
    for byte in whole {
        sleep(pause).await;
        if stream.write_all(&[byte]).await.is_err() {
            return;
        }
    }
}

fn answer(status: u16, kind: &str, body: &str) -> Vec<u8> {
    format!(
        "HTTP/1.1 {status} X\r\nContent-Type: {kind}\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

async fn read_request(
    stream: &mut TcpStream,
    buffer: &mut Vec<u8>,
    connection: usize,
) -> Option<Request> {
    let head_end = loop {
        if let Some(end) = buffer.windows(4).position(|four| four == b"\r\n\r\n") {
            break end;
        }
        if stream.read_buf(buffer).await.ok()? == 0 {
            return None;
        }
    };
    let head = String::from_utf8(buffer.drain(..head_end + 4).collect()).unwrap();
    let mut lines = head.trim_end().lines();
    let line = lines.next().unwrap().to_owned();
    let headers: HashMap<_, _> = lines
        .map(|line| {
            let (name, value) = line.split_once(':').unwrap();
            (name.to_ascii_lowercase(), value.trim().to_owned())
        })
        .collect();
    let length = headers
        .get("content-length")
        .map_or(0, |text| text.parse().unwrap());
    while buffer.len() < length {
        if stream.read_buf(buffer).await.ok()? == 0 {
            return None;
        }
    }
    let body = buffer.drain(..length).collect();
    Some(Request {
        line,
        headers,
        body,
        connection,
    })
}
