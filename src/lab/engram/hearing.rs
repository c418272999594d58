//! Whether the client hears how its operation ended.
//!
//! A task that stores what was asked runs beside the answer, and what it may tell of as lost
//! depends on whether anybody was promised anything: a client that has hung up was not.

use tokio::sync::watch;

use crate::lab::races::Failure;

/// What the client is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Told {
    /// It has an answer.
    Accepted,
    /// It is told that nothing was done.
    Refused,
    /// It never hears the end.
    Nothing,
}

/// The end that answers the client. Dropped before, the client hears nothing.
#[derive(Debug)]
pub(super) struct Telling(watch::Sender<Option<Told>>);

/// The end that waits for what the client was told.
#[derive(Debug, Clone)]
pub(super) struct Hearing(watch::Receiver<Option<Told>>);

/// Two ends of which the outcome is still open.
pub(super) fn hearing() -> (Telling, Hearing) {
    let (telling, hearing) = watch::channel(None);
    (Telling(telling), Hearing(hearing))
}

impl Told {
    /// What a client is told whose stored operation is denied so.
    pub(super) fn by(failure: Failure) -> Self {
        match failure {
            Failure::Internal | Failure::BadRequest => Self::Refused,
            Failure::Broken => Self::Nothing,
        }
    }
}

impl Telling {
    /// The client is being told this now.
    pub(super) fn tell(&self, told: Told) {
        self.0.send_replace(Some(told));
    }
}

impl Hearing {
    /// Of an outcome that is decided.
    pub(super) fn of(told: Told) -> Self {
        Self(watch::channel(Some(told)).1)
    }

    /// What the client was told; waits until that is decided.
    pub(super) async fn told(&self) -> Told {
        let mut hearing = self.0.clone();
        let told = hearing.wait_for(Option::is_some).await;
        told.ok().and_then(|told| *told).unwrap_or(Told::Nothing)
    }

    /// Was the client told that nothing was done? That is decided before anything is stored.
    pub(super) fn refused(&self) -> bool {
        *self.0.borrow() == Some(Told::Refused)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_client_that_is_gone_was_told_nothing() {
        let (telling, hearing) = hearing();
        drop(telling);
        assert_eq!(hearing.told().await, Told::Nothing);
    }

    #[tokio::test]
    async fn what_was_told_stays_told() {
        let (telling, hearing) = hearing();
        assert!(!hearing.refused());
        telling.tell(Told::Refused);
        drop(telling);
        assert!(hearing.refused());
        assert_eq!(hearing.told().await, Told::Refused);
    }
}
