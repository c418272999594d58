//! Samples that the tester takes of itself and of the store's delay.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{Micros, OpId, OpKind};

/// The generator's own use of the machine, once a second.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResourceSample {
    /// When it was taken.
    pub at: Micros,
    /// CPU time used by the process so far, user and system.
    pub cpu: Duration,
    /// Resident memory, bytes.
    pub rss_bytes: u64,
    /// Operations in flight.
    pub in_flight: u32,
}

/// One measured delay between an answer and the visibility of what it promised.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct LagSample {
    /// Whose record was looked for.
    pub op: OpId,
    /// Its kind.
    pub kind: OpKind,
    /// From the answer to the first read that showed it.
    pub lag: Duration,
}

/// When the chunks of one streamed answer came.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChunkTimes {
    /// The operation.
    pub op: OpId,
    /// From its actual start to the first chunk.
    pub first: Duration,
    /// How many chunks came.
    pub chunks: u32,
    /// From each chunk to the next; the first `CHUNK_GAPS_MAX`.
    pub gaps: Vec<Duration>,
}

/// What the generator says of itself at the end of a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct GeneratorHealth {
    /// Was the generator the limit? Then the run proves nothing about the target's speed and is
    /// inconclusive.
    pub saturated: bool,
    /// Actual minus intended start, microseconds: median, 99th percentile, largest.
    pub schedule_lag_us: [u64; 3],
    /// CPU seconds used.
    pub cpu_seconds: f64,
    /// Largest resident memory seen, bytes.
    pub rss_max_bytes: u64,
}
