//! The run's clock: offsets from one epoch, taken once on the wall and on the monotonic clock.
#![expect(
    clippy::disallowed_methods,
    reason = "this is the one place that reads the clocks"
)]

use std::time::{Instant, SystemTime};

use crate::model::Micros;

/// A clock that starts at zero. Copies share the epoch.
#[derive(Debug, Clone, Copy)]
pub struct RunClock {
    epoch: Instant,
    epoch_wall: SystemTime,
}

impl RunClock {
    /// A clock whose zero is now.
    pub fn start() -> Self {
        Self {
            epoch: Instant::now(),
            epoch_wall: SystemTime::now(),
        }
    }

    /// A clock that continues an earlier run: zero is `epoch_wall`. Only as steady as the wall
    /// clock between then and now, so offsets of an earlier process and of this one must not be
    /// subtracted at finer grain than the wall clock allows.
    pub fn resume(epoch_wall: SystemTime) -> Self {
        let since = epoch_wall.elapsed().unwrap_or_default();
        let now = Instant::now();
        Self {
            epoch: now.checked_sub(since).unwrap_or(now),
            epoch_wall,
        }
    }

    /// The offset of this moment.
    pub fn now(&self) -> Micros {
        Micros::from_duration(self.epoch.elapsed())
    }

    /// The moment of an offset, for timers.
    pub fn instant(&self, at: Micros) -> Instant {
        self.epoch + at.duration()
    }

    /// The wall-clock time of zero.
    pub fn epoch_wall(&self) -> SystemTime {
        self.epoch_wall
    }
}
