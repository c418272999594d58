//! One HTTP/1.1 request and its whole answer.
//!
//! A connection is driven by the task that uses it: no second task, no channel between threads,
//! and dropping the exchange closes the connection.

use std::error::Error as _;
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use hyper::body::{Body, Incoming};
use hyper::client::conn::TrySendError;
use hyper::client::conn::http1::{self, SendRequest};
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::time::timeout;

use super::body::OutBody;
use super::dial::{DialError, Dialer};
use super::pool::Pool;
use super::tap::{Link, Tap};
use crate::model::limits::ANSWER_BYTES_MAX;
use crate::model::{Micros, UserIx};

/// How one request went.
#[derive(Debug)]
pub struct Exchange {
    /// When its first byte was written; `None` if none was.
    pub sent: Option<Micros>,
    /// When the answer was complete, or when it was given up.
    pub completed: Micros,
    /// The status, once its line was read.
    pub status: Option<u16>,
    /// The whole body of the answer, or why there is none.
    pub body: Result<Bytes, Fault>,
}

/// Why a request has no whole answer.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// No connection could be opened.
    #[error("could not {0}")]
    Dial(#[from] DialError),
    /// The connection was reset or closed before the answer was complete.
    #[error("the connection broke: {0}")]
    Broken(String),
    /// The answer is not HTTP.
    #[error("the answer is not HTTP: {0}")]
    Malformed(String),
    /// The answer's body is larger than `ANSWER_BYTES_MAX`.
    #[error("the answer is larger than {ANSWER_BYTES_MAX} bytes")]
    TooLarge,
    /// The time limit of the operation was reached.
    #[error("no whole answer within {} ms", .0.as_millis())]
    Timeout(Duration),
}

/// Sends requests to one target and keeps connections alive, each for one user.
#[derive(Debug)]
pub struct HttpClient {
    dialer: Arc<Dialer>,
    pool: Mutex<Pool<Connection>>,
}

type Driver = http1::Connection<TokioIo<Link>, OutBody>;

struct Connection {
    sender: SendRequest<OutBody>,
    /// `None` once it has ended.
    driver: Option<Box<Driver>>,
    tap: Arc<Tap>,
}

/// What is known of an exchange while it goes on, for the case that it is given up.
#[derive(Default)]
struct Progress {
    tap: Option<Arc<Tap>>,
    status: Option<u16>,
}

struct Failed {
    fault: Fault,
    /// The request, where nothing of it has been looked at.
    untouched: Option<Request<OutBody>>,
}

impl HttpClient {
    /// A client without a connection yet.
    pub fn new(dialer: Arc<Dialer>) -> Self {
        Self {
            dialer,
            pool: Mutex::new(Pool::new()),
        }
    }

    /// Sends one request, once, for a user, and reads the answer; gives up after `limit`.
    pub async fn exchange(
        &self,
        user: UserIx,
        request: Request<OutBody>,
        limit: Duration,
    ) -> Exchange {
        let mut progress = Progress::default();
        let body = timeout(limit, self.run(user, request, &mut progress))
            .await
            .unwrap_or(Err(Fault::Timeout(limit)));
        Exchange {
            sent: progress.tap.and_then(|tap| tap.sent()),
            completed: self.dialer.clock().now(),
            status: progress.status,
            body,
        }
    }

    /// A kept connection may turn out closed. As long as no byte was written another one carries
    /// the same request: that is not a retry, because the target has seen nothing.
    async fn run(
        &self,
        user: UserIx,
        mut request: Request<OutBody>,
        progress: &mut Progress,
    ) -> Result<Bytes, Fault> {
        while let Some(mut connection) = self.kept(user) {
            connection.tap.arm();
            progress.tap = Some(Arc::clone(&connection.tap));
            if !connection.usable().await {
                continue;
            }
            match connection.exchange(request, progress).await {
                Ok(body) => {
                    self.keep(user, connection);
                    return Ok(body);
                }
                Err(failed) => match failed.untouched {
                    Some(untouched) if connection.tap.sent().is_none() => request = untouched,
                    Some(_) | None => return Err(failed.fault),
                },
            }
        }
        progress.tap = None;
        let mut connection = self.open().await?;
        progress.tap = Some(Arc::clone(&connection.tap));
        if !connection.usable().await {
            return Err(Fault::Broken("closed at once".to_owned()));
        }
        let body = connection.exchange(request, progress).await;
        let body = body.map_err(|failed| failed.fault)?;
        self.keep(user, connection);
        Ok(body)
    }

    /// Closes a kept connection if no further one could be opened otherwise.
    pub fn make_room(&self) {
        if self.dialer.full() {
            self.pool().evict();
        }
    }

    async fn open(&self) -> Result<Connection, Fault> {
        self.make_room();
        let link = self.dialer.dial().await?;
        let tap = link.tap();
        let (sender, driver) = http1::handshake(TokioIo::new(link))
            .await
            .map_err(|error| fault(&error))?;
        Ok(Connection {
            sender,
            driver: Some(Box::new(driver)),
            tap,
        })
    }

    fn kept(&self, user: UserIx) -> Option<Connection> {
        let now = self.dialer.clock().now();
        self.pool().take(user, now)
    }

    fn keep(&self, user: UserIx, connection: Connection) {
        if connection.driver.is_some() {
            let now = self.dialer.clock().now();
            self.pool().put(user, connection, now);
        }
    }

    /// A panic elsewhere leaves no half-done change in the pool, so a poisoned lock is as good as
    /// any.
    fn pool(&self) -> std::sync::MutexGuard<'_, Pool<Connection>> {
        self.pool.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for Connection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Connection")
            .field("open", &self.driver.is_some())
            .finish_non_exhaustive()
    }
}

impl Connection {
    /// Can a request be written, as far as can be seen from here?
    async fn usable(&mut self) -> bool {
        poll_fn(|context| {
            self.poll_driver(context);
            if self.driver.is_none() {
                return Poll::Ready(false);
            }
            Poll::Ready(matches!(
                self.sender.poll_ready(context),
                Poll::Ready(Ok(()))
            ))
        })
        .await
    }

    async fn exchange(
        &mut self,
        request: Request<OutBody>,
        progress: &mut Progress,
    ) -> Result<Bytes, Failed> {
        let response = self.head(request).await?;
        progress.status = Some(response.status().as_u16());
        self.body(response.into_body())
            .await
            .map_err(|fault| Failed {
                fault,
                untouched: None,
            })
    }

    async fn head(&mut self, request: Request<OutBody>) -> Result<Response<Incoming>, Failed> {
        let mut response = pin!(self.sender.try_send_request(request));
        let driver = &mut self.driver;
        let result: Result<_, TrySendError<Request<OutBody>>> = poll_fn(|context| {
            poll_driver(driver, context);
            response.as_mut().poll(context)
        })
        .await;
        result.map_err(|mut refused| Failed {
            untouched: refused.take_message(),
            fault: fault(refused.error()),
        })
    }

    /// Most answers come in one frame, which is then passed on as it is.
    async fn body(&mut self, mut incoming: Incoming) -> Result<Bytes, Fault> {
        let mut first = Bytes::new();
        let mut all = BytesMut::new();
        loop {
            let frame = poll_fn(|context| {
                match Pin::new(&mut incoming).poll_frame(context) {
                    Poll::Ready(frame) => return Poll::Ready(frame),
                    Poll::Pending => self.poll_driver(context),
                }
                Pin::new(&mut incoming).poll_frame(context)
            })
            .await;
            let Some(frame) = frame else { break };
            let frame = frame.map_err(|error| fault(&error))?;
            let Ok(bytes) = frame.into_data() else {
                continue;
            };
            if first.len() + all.len() + bytes.len() > ANSWER_BYTES_MAX {
                return Err(Fault::TooLarge);
            }
            if first.is_empty() && all.is_empty() {
                first = bytes;
            } else {
                all.extend_from_slice(&std::mem::take(&mut first));
                all.extend_from_slice(&bytes);
            }
        }
        Ok(if all.is_empty() { first } else { all.freeze() })
    }

    fn poll_driver(&mut self, context: &mut Context<'_>) {
        poll_driver(&mut self.driver, context);
    }
}

/// The driver's own result says nothing that the request's does not say.
fn poll_driver(driver: &mut Option<Box<Driver>>, context: &mut Context<'_>) {
    if let Some(running) = driver
        && Pin::new(running).poll(context).is_ready()
    {
        *driver = None;
    }
}

fn fault(error: &hyper::Error) -> Fault {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        text.push_str(": ");
        text.push_str(&inner.to_string());
        cause = inner.source();
    }
    if error.is_parse() {
        Fault::Malformed(text)
    } else {
        Fault::Broken(text)
    }
}
