//! What the snapshot does before it answers: it looks its session up, makes it with its owner, and
//! searches the memory, all within a limit. When that is cut off the turn goes on, and the write
//! of its messages makes the session without an owner.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde_json::json;
use tokio::sync::Semaphore;
use tokio::time::{Instant, sleep_until, timeout};

use super::Engram;
use crate::lab::zep::{Metadata, NewSession};
use crate::model::OpKind;

/// The limit of the whole step.
const ENRICHMENT_LIMIT: Duration = Duration::from_secs(2);
/// The limit of a task that stores a turn.
pub(super) const PERSISTENCE_LIMIT: Duration = Duration::from_secs(10);
/// What one call to the store takes, while no other moves. With three for a turn and one for its
/// task the snapshot carries 28 turns a second, and of sessions that are opened at once it gives
/// a hundred their owner.
const CALL: Duration = Duration::from_micros(8_400);
/// What the call of a task takes that stores a turn.
const WRITE: Duration = Duration::from_micros(10_500);
/// After so long without a call the connections to the store are closed.
const KEPT_OPEN: Duration = Duration::from_secs(5);
/// How long it takes to open them again. All who come meanwhile wait, so that of many sessions
/// that are opened at once none is looked up and made before the others have come.
const OPENING: Duration = Duration::from_millis(300);
/// How late a timer may be without the next call being late for it.
const TIMER_SLACK: Duration = Duration::from_millis(20);

/// The one way to the store, with a queue before it.
#[derive(Debug)]
pub(super) struct StoreCalls {
    one_at_a_time: Semaphore,
    /// When the last call was due to end.
    ended: Mutex<Option<Instant>>,
}

impl Default for StoreCalls {
    fn default() -> Self {
        Self {
            one_at_a_time: Semaphore::new(1),
            ended: Mutex::default(),
        }
    }
}

impl StoreCalls {
    async fn call(&self, takes: Duration) {
        // It is never closed.
        let _permit = self.one_at_a_time.acquire().await;
        let until = {
            let mut ended = self.ended.lock().unwrap_or_else(PoisonError::into_inner);
            let now = Instant::now();
            let earliest = now.checked_sub(TIMER_SLACK).unwrap_or(now);
            let is_open = |ended: Instant| ended + KEPT_OPEN >= now;
            let begins = match *ended {
                Some(ended) if ended >= earliest => ended,
                Some(ended) if is_open(ended) => now,
                Some(_) | None => now + OPENING,
            };
            *ended.insert(begins + takes)
        };
        sleep_until(until).await;
    }

    /// Waits for the call that writes a turn.
    pub(super) async fn write(&self) {
        self.call(WRITE).await;
    }
}

impl Engram {
    /// Carries the step out, or as much of it as the limit lets.
    pub(super) async fn enrich(&self, session: &Arc<str>, user: &Arc<str>, kind: OpKind) {
        let step = async {
            self.store_calls.call(CALL).await;
            if self.store.session(session).is_none() {
                self.store_calls.call(CALL).await;
                let mut metadata = Metadata::new();
                metadata.insert("tenant_id".to_owned(), json!("dev-tenant"));
                metadata.insert("channel".to_owned(), json!(kind.name()));
                // Somebody else may have made it meanwhile: then it is taken as it is.
                let _ = self.store.open_session(NewSession {
                    session_id: session.as_ref().to_owned(),
                    user_id: Some(user.as_ref().to_owned()),
                    metadata: Some(metadata),
                });
            }
            self.store_calls.call(CALL).await;
        };
        if timeout(ENRICHMENT_LIMIT, step).await.is_err() {
            self.log.warn("Memory enrichment timed out after 2.0s");
        }
    }
}
