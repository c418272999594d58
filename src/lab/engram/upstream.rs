//! The connections between the REST handlers and the agent, as a gateway keeps them.
//!
//! A connection carries one request at a time and answers them in turn; nothing says which answer
//! is whose. A client that hangs up between request and answer leaves its answer in the
//! connection. A sound pool throws such a connection away; the fault keeps it, and whoever uses
//! it next gets the answer of the one before.
#![expect(
    clippy::disallowed_methods,
    reason = "the agent's end of a connection is a task of its own"
)]

use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Semaphore, mpsc};
use tokio::time::sleep;

/// Connections at most; more requests wait.
const CONNECTIONS_MAX: usize = 16;

/// The pool.
#[derive(Debug)]
pub(super) struct Upstream<T> {
    free: Arc<Mutex<Vec<Connection<T>>>>,
    permits: Semaphore,
}

/// One connection.
#[derive(Debug)]
struct Connection<T> {
    requests: mpsc::UnboundedSender<Request<T>>,
    answers: mpsc::UnboundedReceiver<T>,
}

type Request<T> = Work<T>;

/// What the agent does for one request.
struct Work<T>(Pin<Box<dyn Future<Output = T> + Send>>);

impl<T> std::fmt::Debug for Work<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Work")
    }
}

/// What becomes of a connection whose client has hung up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Aborted {
    /// It is thrown away.
    Discarded,
    /// It goes back into the pool with the answer in it.
    Reused,
}

/// A connection in use.
struct Lent<T> {
    connection: Option<Connection<T>>,
    free: Arc<Mutex<Vec<Connection<T>>>>,
    aborted: Aborted,
    answered: bool,
}

impl<T> Default for Upstream<T> {
    fn default() -> Self {
        Self {
            free: Arc::default(),
            permits: Semaphore::new(CONNECTIONS_MAX),
        }
    }
}

impl<T: Send + 'static> Upstream<T> {
    /// Sends a request over a connection and takes the next answer that comes out of it, which
    /// takes `pause` longer than the work. `None` if the agent broke off.
    pub(super) async fn ask(
        &self,
        work: impl Future<Output = T> + Send + 'static,
        pause: Duration,
        aborted: Aborted,
    ) -> Option<T> {
        let _permit = self.permits.acquire().await.ok()?;
        let used = lock(&self.free).pop();
        let mut lent = Lent {
            connection: Some(used.unwrap_or_else(connect)),
            free: Arc::clone(&self.free),
            aborted,
            answered: false,
        };
        let connection = lent.connection.as_mut()?;
        let work = async move {
            let done = work.await;
            sleep(pause).await;
            done
        };
        connection.requests.send(Work(Box::pin(work))).ok()?;
        let answer = connection.answers.recv().await;
        lent.answered = true;
        answer
    }
}

/// Opens a connection. Its other end works through the requests even if nobody waits.
fn connect<T: Send + 'static>() -> Connection<T> {
    let (requests, mut incoming) = mpsc::unbounded_channel::<Request<T>>();
    let (outgoing, answers) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        while let Some(Work(work)) = incoming.recv().await {
            // A connection that was thrown away still does its work.
            let _ = outgoing.send(work.await);
        }
    });
    Connection { requests, answers }
}

impl<T> Drop for Lent<T> {
    fn drop(&mut self) {
        if (self.answered || self.aborted == Aborted::Reused)
            && let Some(connection) = self.connection.take()
        {
            lock(&self.free).push(connection);
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn abort(pool: &Arc<Upstream<u32>>, aborted: Aborted) {
        let (starts, started) = tokio::sync::oneshot::channel();
        let client = tokio::spawn({
            let pool = Arc::clone(pool);
            async move {
                let work = async {
                    let _ = starts.send(());
                    1
                };
                pool.ask(work, Duration::from_millis(20), aborted).await
            }
        });
        started.await.unwrap();
        client.abort();
        let _ = client.await;
    }

    #[tokio::test]
    async fn an_abort_shifts_the_answers_of_a_connection_that_is_used_again() {
        for (aborted, expected) in [
            (Aborted::Discarded, [2, 3, 4]),
            (Aborted::Reused, [1, 2, 3]),
        ] {
            let pool = Arc::new(Upstream::default());
            abort(&pool, aborted).await;
            for (asked, expected) in [2, 3, 4].into_iter().zip(expected) {
                let answer = pool.ask(async move { asked }, Duration::ZERO, aborted);
                assert_eq!(answer.await, Some(expected), "{aborted:?}");
            }
        }
    }
}
