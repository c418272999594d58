//! When the chunks of streamed answers came.

use std::time::Duration;

use super::rows::Columns;
use super::{LedgerError, LedgerReader};
use crate::model::ChunkTimes;

/// The table, which ledgers of format 2.2 and before do not have.
pub(super) const SCHEMA: &str = "
CREATE TABLE IF NOT EXISTS streams (
    op_id INTEGER PRIMARY KEY,
    first_us INTEGER NOT NULL,
    chunks INTEGER NOT NULL,
    gaps BLOB NOT NULL
) STRICT;";

pub(super) const STREAMED: &str =
    "INSERT OR IGNORE INTO streams (op_id, first_us, chunks, gaps) VALUES (?1, ?2, ?3, ?4)";

/// Bytes of one packed gap.
const PACKED_BYTES: usize = 4;

/// Gaps in microseconds, 4 bytes each, big-endian; longer ones than 71 minutes count as that.
pub(super) fn pack(gaps: &[Duration]) -> Vec<u8> {
    let packed = gaps.iter().flat_map(|gap| {
        let gap_us = u32::try_from(gap.as_micros()).unwrap_or(u32::MAX);
        gap_us.to_be_bytes()
    });
    packed.collect()
}

/// The inverse of [`pack`]; `None` if the bytes are not packed gaps.
fn unpack(bytes: &[u8]) -> Option<Vec<Duration>> {
    let (packed, rest) = bytes.as_chunks::<PACKED_BYTES>();
    let gap = |bytes: &[u8; PACKED_BYTES]| {
        let gap_us = u32::from_be_bytes(*bytes);
        Duration::from_micros(u64::from(gap_us))
    };
    rest.is_empty().then(|| packed.iter().map(gap).collect())
}

fn times(columns: &mut Columns<'_, '_>) -> rusqlite::Result<ChunkTimes> {
    Ok(ChunkTimes {
        op: columns.op()?,
        first: Duration::from_micros(columns.int()?),
        chunks: columns.int()?,
        gaps: columns.blob(unpack)?,
    })
}

impl LedgerReader {
    /// Hands over when the chunks of each streamed answer came, in order of operations.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn chunk_times(&self, take: &mut dyn FnMut(ChunkTimes)) -> Result<(), LedgerError> {
        if !self.has_table("streams")? {
            return Ok(());
        }
        let all = "SELECT op_id, first_us, chunks, gaps FROM streams ORDER BY op_id";
        self.each(all, [], times, take)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gaps_read_back_and_other_bytes_are_refused() {
        let gaps = [0, 1, 1_000_000, u64::from(u32::MAX)].map(Duration::from_micros);
        assert_eq!(unpack(&pack(&gaps)), Some(gaps.to_vec()));
        assert_eq!(unpack(&pack(&[Duration::MAX])), Some(vec![gaps[3]]));
        assert_eq!(unpack(&[0; 3]), None);
    }
}
