//! One HTTP/1.1 request and its whole answer.
//!
//! A connection is driven by the task that uses it: no second task, no channel between threads,
//! and dropping the exchange closes the connection.

use std::collections::HashMap;
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
use hyper::header::RETRY_AFTER;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{sleep, timeout};

use super::body::{Cut, OutBody};
use super::dial::{DialError, Dialer};
use super::pool::{Lane, Pool};
use super::tap::{Link, Tap};
use crate::model::limits::ANSWER_BYTES_MAX;
use crate::model::{GroupIx, Micros};

/// Characters of a `Retry-After` that are kept.
const RETRY_AFTER_CHARS_MAX: usize = 40;

/// How one request went.
#[derive(Debug)]
pub struct Exchange {
    /// When its first byte was written; `None` if none was.
    pub sent: Option<Micros>,
    /// When the answer was complete, or when it was given up.
    pub completed: Micros,
    /// The status, once its line was read.
    pub status: Option<u16>,
    /// When the target wants to be asked again, in its words; of an answer with status 429 only.
    pub retry_after: Option<String>,
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
    /// The client gave it up on purpose, as its plan wants; the text says how.
    #[error("{0}")]
    GivenUp(String),
}

/// How one request is carried out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Manner {
    /// It is given up after this time.
    pub limit: Duration,
    /// The client hangs up on purpose after this time, whatever is in flight then.
    pub cancel_after: Option<Duration>,
    /// How long the client waits between the answer's head and its body.
    pub read_pause: Duration,
}

/// Sends requests to one target and keeps connections alive, each for one lane.
#[derive(Debug)]
pub struct HttpClient {
    dialer: Arc<Dialer>,
    pool: Mutex<Pool<Connection>>,
    /// Of each group that shares connections, those that are not in use.
    shared: HashMap<GroupIx, Arc<Semaphore>>,
}

/// A connection of a lane that may be used, until this is dropped.
#[derive(Debug)]
pub struct Seat {
    _permit: Option<OwnedSemaphorePermit>,
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
    retry_after: Option<String>,
}

struct Failed {
    fault: Fault,
    /// The request, where nothing of it has been looked at.
    untouched: Option<Request<OutBody>>,
}

impl Manner {
    /// Undisturbed, within this time.
    pub fn within(limit: Duration) -> Self {
        Self {
            limit,
            cancel_after: None,
            read_pause: Duration::ZERO,
        }
    }

    /// When the exchange ends at the latest, and why.
    fn end(self) -> (Duration, Fault) {
        match self.cancel_after {
            Some(after) if after < self.limit => {
                let text = format!("cancelled after {} ms", after.as_millis());
                (after, Fault::GivenUp(text))
            }
            Some(_) | None => (self.limit, Fault::Timeout(self.limit)),
        }
    }
}

impl HttpClient {
    /// A client without a connection yet. Each group of `shared` has so many connections, at
    /// least one, that its users take turns on.
    pub fn new(dialer: Arc<Dialer>, shared: impl IntoIterator<Item = (GroupIx, u32)>) -> Self {
        let seats = |connections: u32| {
            let connections = usize::try_from(connections).unwrap_or(usize::MAX);
            Arc::new(Semaphore::new(connections.clamp(1, Semaphore::MAX_PERMITS)))
        };
        Self {
            dialer,
            pool: Mutex::new(Pool::new()),
            shared: shared
                .into_iter()
                .map(|(group, connections)| (group, seats(connections)))
                .collect(),
        }
    }

    /// Waits until a connection of the lane may be used, first come, first served. A user's own
    /// may always be.
    pub async fn seat(&self, lane: Lane) -> Seat {
        let seats = match lane {
            Lane::Own(_) => None,
            Lane::Shared(group) => self.shared.get(&group),
        };
        let permit = match seats {
            // It is never closed, so there is no error to be told.
            Some(seats) => Arc::clone(seats).acquire_owned().await.ok(),
            None => None,
        };
        Seat { _permit: permit }
    }

    /// Opens the lane's connection before it is needed. That there is none is told to the request
    /// that needs it.
    pub async fn open_ahead(&self, lane: Lane) {
        while let Some(mut kept) = self.kept(lane) {
            if kept.usable().await {
                self.keep(lane, kept);
                return;
            }
        }
        if let Ok(mut opened) = self.open().await
            && opened.usable().await
        {
            self.keep(lane, opened);
        }
    }

    /// Sends one request, once, and reads the answer. Who sends on a shared lane needs a
    /// [`Seat`].
    pub async fn exchange(
        &self,
        lane: Lane,
        request: Request<OutBody>,
        manner: Manner,
    ) -> Exchange {
        let mut progress = Progress::default();
        let (limit, fault) = manner.end();
        let running = self.run(lane, request, manner.read_pause, &mut progress);
        let body = timeout(limit, running).await.unwrap_or(Err(fault));
        Exchange {
            sent: progress.tap.and_then(|tap| tap.sent()),
            completed: self.dialer.clock().now(),
            status: progress.status,
            retry_after: progress.retry_after,
            body,
        }
    }

    /// A kept connection may turn out closed. As long as no byte was written another one carries
    /// the same request: that is not a retry, because the target has seen nothing.
    async fn run(
        &self,
        lane: Lane,
        mut request: Request<OutBody>,
        read_pause: Duration,
        progress: &mut Progress,
    ) -> Result<Bytes, Fault> {
        while let Some(mut connection) = self.kept(lane) {
            connection.tap.arm();
            progress.tap = Some(Arc::clone(&connection.tap));
            if !connection.usable().await {
                continue;
            }
            match connection.exchange(request, read_pause, progress).await {
                Ok(body) => {
                    self.keep(lane, connection);
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
        let body = connection.exchange(request, read_pause, progress).await;
        let body = body.map_err(|failed| failed.fault)?;
        self.keep(lane, connection);
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

    fn kept(&self, lane: Lane) -> Option<Connection> {
        let now = self.dialer.clock().now();
        self.pool().take(lane, now)
    }

    fn keep(&self, lane: Lane, connection: Connection) {
        if connection.driver.is_some() {
            let now = self.dialer.clock().now();
            self.pool().put(lane, connection, now);
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
        read_pause: Duration,
        progress: &mut Progress,
    ) -> Result<Bytes, Failed> {
        let response = self.head(request).await?;
        progress.status = Some(response.status().as_u16());
        progress.retry_after = retry_after(&response);
        if !read_pause.is_zero() {
            sleep(read_pause).await;
        }
        self.body(response.into_body())
            .await
            .map_err(|fault| Failed {
                fault,
                untouched: None,
            })
    }

    async fn head(&mut self, request: Request<OutBody>) -> Result<Response<Incoming>, Failed> {
        let cut = request.body().cut();
        let mut response = pin!(self.sender.try_send_request(request));
        let driver = &mut self.driver;
        let result: Option<Result<_, TrySendError<Request<OutBody>>>> = poll_fn(|context| {
            poll_driver(driver, context);
            match response.as_mut().poll(context) {
                Poll::Ready(result) => Poll::Ready(Some(result)),
                // The driver has written what it was given, as far as the target takes it.
                Poll::Pending if cut.as_ref().is_some_and(Cut::is_reached) => Poll::Ready(None),
                Poll::Pending => Poll::Pending,
            }
        })
        .await;
        match result {
            Some(result) => result.map_err(|mut refused| Failed {
                untouched: refused.take_message(),
                fault: fault(refused.error()),
            }),
            None => Err(Failed {
                untouched: None,
                fault: cut_short(cut.as_ref()),
            }),
        }
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

fn cut_short(cut: Option<&Cut>) -> Fault {
    let (sent, announced) = cut.map_or((0, 0), |cut| cut.share);
    Fault::GivenUp(format!("broken off after {sent} of {announced} bytes"))
}

fn retry_after(response: &Response<Incoming>) -> Option<String> {
    if response.status() != StatusCode::TOO_MANY_REQUESTS {
        return None;
    }
    let text = response.headers().get(RETRY_AFTER)?.to_str().ok()?;
    Some(text.trim().chars().take(RETRY_AFTER_CHARS_MAX).collect())
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
