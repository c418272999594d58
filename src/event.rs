//! The one thing that the engine says, and who listens.

use std::io;

use crate::model::{
    ChunkTimes, Completion, Invocation, LagSample, LogLine, ResourceSample, Scan, Sighting,
};

/// Something happened. Times are offsets from the run's epoch.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// An operation began.
    Invoked(Invocation),
    /// An operation ended.
    Completed(Completion),
    /// A record was read from the store, or a foreign canary from an answer.
    Sighted(Sighting),
    /// The whole store was read once.
    Scanned(Scan),
    /// The generator measured itself.
    Sampled(ResourceSample),
    /// The store's delay was measured.
    Lagged(LagSample),
    /// An answer came in chunks.
    Streamed(ChunkTimes),
    /// A line of the target's log was read that speaks of this run.
    Logged(LogLine),
}

/// Listens to events. A sink that fails is told no more; the run goes on and says so.
pub trait Sink: Send {
    /// Takes one event.
    ///
    /// # Errors
    /// The event could not be recorded or shown.
    fn event(&mut self, event: &Event) -> io::Result<()>;

    /// Takes the last leave: everything told so far is durable or shown when this returns.
    ///
    /// # Errors
    /// What was held back could not be written.
    fn finish(self: Box<Self>) -> io::Result<()>;
}
