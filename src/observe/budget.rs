//! What reading the store while the load runs may cost.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

/// Operations that must have begun for each read, so that all reading while the load runs adds at
/// most 5 % to it.
const OPS_PER_READ: i64 = 20;
/// Reads that the first operations may cost, so that a short run is watched too.
const READS_AT_FIRST: i64 = 40;

/// Which part of the budget a reader has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Share {
    /// All of it.
    Whole,
    /// Half of it: two readers share it.
    Half,
}

/// The reads that the load so far allows, in operations.
#[derive(Debug, Clone)]
pub(super) struct ReadsLeft {
    ops: Arc<AtomicI64>,
    ops_per_read: i64,
}

impl ReadsLeft {
    pub(super) fn new(share: Share) -> Self {
        let ops_per_read = match share {
            Share::Whole => OPS_PER_READ,
            Share::Half => OPS_PER_READ * 2,
        };
        Self {
            ops: Arc::new(AtomicI64::new(READS_AT_FIRST * OPS_PER_READ)),
            ops_per_read,
        }
    }

    pub(super) fn operation_began(&self) {
        self.ops.fetch_add(1, Ordering::Relaxed);
    }

    /// Takes a read off the budget, even if there is none left: what is being watched is read on,
    /// and new reads then wait until the load has caught up.
    pub(super) fn read(&self) {
        self.ops.fetch_sub(self.ops_per_read, Ordering::Relaxed);
    }

    pub(super) fn any(&self) -> bool {
        self.ops.load(Ordering::Relaxed) >= self.ops_per_read
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_follow_the_load() {
        for (share, at_first, ops_per_read) in [(Share::Whole, 40, 20), (Share::Half, 20, 40)] {
            let reads = ReadsLeft::new(share);
            for _ in 0..at_first {
                assert!(reads.any());
                reads.read();
            }
            assert!(!reads.any());
            for _ in 0..ops_per_read {
                assert!(!reads.any());
                reads.operation_began();
            }
            assert!(reads.any());
        }
    }
}
