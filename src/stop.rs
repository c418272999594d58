//! Asking the phases to stop: first no new work, then leave at once.

use tokio::sync::watch;

/// How urgent the request is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum StopLevel {
    /// Go on.
    Run,
    /// Start nothing new, finish what is in flight.
    Drain,
    /// Leave at once.
    Leave,
}

/// The asking end.
#[derive(Debug, Clone)]
pub struct Stopper(watch::Sender<StopLevel>);

/// The listening end. Copies hear the same request.
#[derive(Debug, Clone)]
pub struct Stop(watch::Receiver<StopLevel>);

/// A connected pair.
pub fn stop_pair() -> (Stopper, Stop) {
    let (sender, receiver) = watch::channel(StopLevel::Run);
    (Stopper(sender), Stop(receiver))
}

impl Stopper {
    /// Asks for at least this level; never takes a request back.
    pub fn ask(&self, level: StopLevel) {
        self.0.send_if_modified(|current| {
            let raised = level > *current;
            *current = (*current).max(level);
            raised
        });
    }
}

impl Stop {
    /// What has been asked so far.
    pub fn level(&self) -> StopLevel {
        *self.0.borrow()
    }

    /// Returns once at least this level has been asked; never, if nobody can ask any more.
    pub async fn reached(&mut self, level: StopLevel) {
        if self.0.wait_for(|current| *current >= level).await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}
