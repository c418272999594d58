//! Times as a histogram of fixed size: exact to three digits from 1 µs to 1 h.
//!
//! All histograms have the same bounds, so that they merge exactly; percentiles are never
//! averaged. The encoding is V2 of `HdrHistogram`, which other tools read.

use std::time::Duration;

use hdrhistogram::Histogram;
use hdrhistogram::serialization::{Deserializer, Serializer, V2Serializer};
use serde::{Deserialize, Serialize};

/// Shortest time that is told apart, microseconds; shorter ones count as this.
const LOWEST_US: u64 = 1;
/// Longest time that is told apart, microseconds: one hour. Longer ones count as this.
const HIGHEST_US: u64 = 3_600_000_000;
/// Decimal digits that stay exact.
const DIGITS: u8 = 3;
/// Bytes of a V2 header: cookie, payload length, offset, digits, lowest, highest, ratio.
const HEADER_BYTES: usize = 40;

/// Times counted by their length.
#[derive(Debug, Clone, PartialEq)]
pub struct Latency(Histogram<u64>);

/// The quantiles that reports show, microseconds; all zero if nothing was counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Quantiles {
    /// Median.
    pub p50: u64,
    /// Nine of ten are not longer.
    pub p90: u64,
    /// 99 of 100 are not longer.
    pub p99: u64,
    /// 999 of 1 000 are not longer.
    pub p999: u64,
    /// Longest.
    pub max: u64,
}

/// A histogram that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LatencyError {
    /// The bytes are not a V2 histogram with the bounds of this crate.
    #[error("read a latency histogram: {0}")]
    Malformed(String),
    /// A count does not fit the encoding.
    #[error("write a latency histogram: {0}")]
    Unwritable(String),
}

impl Default for Latency {
    fn default() -> Self {
        Self::new()
    }
}

impl Latency {
    /// Counts nothing yet. Takes about 200 KiB.
    ///
    /// # Panics
    /// Never: the bounds are constants.
    pub fn new() -> Self {
        #[expect(
            clippy::expect_used,
            reason = "the three bounds are constants, valid by a test"
        )]
        let histogram = Histogram::new_with_bounds(LOWEST_US, HIGHEST_US, DIGITS)
            .expect("constant bounds are valid");
        Self(histogram)
    }

    /// Counts one time; one outside the bounds counts as the nearest bound.
    pub fn record(&mut self, time: Duration) {
        let time_us = u64::try_from(time.as_micros()).unwrap_or(HIGHEST_US);
        self.0
            .saturating_record(time_us.clamp(LOWEST_US, HIGHEST_US));
    }

    /// How many times were counted.
    pub fn count(&self) -> u64 {
        self.0.len()
    }

    /// The time that a share of all (0 to 1) does not exceed, microseconds; 0 if none was counted.
    pub fn quantile_us(&self, share: f64) -> u64 {
        if self.0.is_empty() {
            return 0;
        }
        self.0.value_at_quantile(share).min(HIGHEST_US)
    }

    /// The quantiles that reports show.
    pub fn quantiles(&self) -> Quantiles {
        Quantiles {
            p50: self.quantile_us(0.5),
            p90: self.quantile_us(0.9),
            p99: self.quantile_us(0.99),
            p999: self.quantile_us(0.999),
            max: self.quantile_us(1.0),
        }
    }

    /// Adds all times of another, as if they had been recorded here.
    ///
    /// # Panics
    /// Never: all histograms have the same bounds.
    pub fn merge(&mut self, other: &Self) {
        #[expect(clippy::expect_used, reason = "both have the same constant bounds")]
        self.0.add(&other.0).expect("equal bounds always add");
    }

    /// The V2 encoding.
    ///
    /// # Errors
    /// A count is above `i64::MAX`.
    pub fn to_bytes(&self) -> Result<Vec<u8>, LatencyError> {
        let mut bytes = Vec::new();
        V2Serializer::new()
            .serialize(&self.0, &mut bytes)
            .map_err(|error| LatencyError::Unwritable(error.to_string()))?;
        Ok(bytes)
    }

    /// Reads the V2 encoding.
    ///
    /// # Errors
    /// The bytes are cut off, not V2, or of a histogram with other bounds.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, LatencyError> {
        // Length and bounds decide how much memory the reader takes, so they are checked first.
        if !has_own_header(bytes) {
            return Err(LatencyError::Malformed(
                "not one V2 histogram from 1 µs to 1 h with three digits".to_owned(),
            ));
        }
        let histogram: Histogram<u64> = Deserializer::new()
            .deserialize(&mut &*bytes)
            .map_err(|error| LatencyError::Malformed(error.to_string()))?;
        let mut latency = Self::new();
        latency
            .0
            .add(&histogram)
            .map_err(|error| LatencyError::Malformed(error.to_string()))?;
        Ok(latency)
    }
}

/// Does the header announce exactly the bytes that follow it, and the bounds of this crate?
fn has_own_header(bytes: &[u8]) -> bool {
    let Some(payload_bytes) = bytes.len().checked_sub(HEADER_BYTES) else {
        return false;
    };
    let mut bounds = u32::from(DIGITS).to_be_bytes().to_vec();
    bounds.extend(LOWEST_US.to_be_bytes());
    bounds.extend(HIGHEST_US.to_be_bytes());
    let announced = u32::try_from(payload_bytes).map(u32::to_be_bytes);
    announced.is_ok_and(|announced| bytes.get(4..8) == Some(announced.as_slice()))
        && bytes.get(12..32) == Some(bounds.as_slice())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn of(times_us: &[u64]) -> Latency {
        let mut latency = Latency::new();
        for time_us in times_us {
            latency.record(Duration::from_micros(*time_us));
        }
        latency
    }

    #[test]
    fn nothing_counted_is_all_zero() {
        assert_eq!(Latency::new().quantiles(), Quantiles::default());
        assert_eq!(Latency::new().count(), 0);
    }

    #[test]
    fn quantiles_are_the_nearest_rank() {
        let times: Vec<u64> = (1..=1_000).collect();
        let quantiles = of(&times).quantiles();
        assert_eq!(
            quantiles,
            Quantiles {
                p50: 500,
                p90: 900,
                p99: 990,
                p999: 999,
                max: 1_000
            }
        );
    }

    #[test]
    fn times_outside_the_bounds_count_as_the_bounds() {
        let mut latency = Latency::new();
        latency.record(Duration::ZERO);
        latency.record(Duration::MAX);
        assert_eq!(latency.count(), 2);
        assert_eq!(latency.quantile_us(0.0), 1);
        assert_eq!(latency.quantile_us(1.0), HIGHEST_US);
    }

    #[test]
    fn foreign_bytes_are_refused_without_a_panic() {
        let bytes = of(&[1, 2, 3_000_000]).to_bytes().unwrap();
        for cut in 0..bytes.len() {
            assert!(Latency::from_bytes(&bytes[..cut]).is_err(), "cut at {cut}");
        }
        let mut other_bounds = bytes.clone();
        other_bounds[24] = 0x7f;
        assert!(Latency::from_bytes(&other_bounds).is_err());
        let mut other_cookie = bytes;
        other_cookie[0] ^= 1;
        assert!(Latency::from_bytes(&other_cookie).is_err());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]

        #[test]
        fn bytes_read_back(times_us in prop::collection::vec(0_u64..5_000_000_000, 0..50)) {
            let latency = of(&times_us);
            prop_assert_eq!(Latency::from_bytes(&latency.to_bytes().unwrap()).unwrap(), latency);
        }

        #[test]
        fn damaged_bytes_never_panic(
            times_us in prop::collection::vec(0_u64..5_000_000_000, 1..20),
            place in any::<prop::sample::Index>(),
            flip in 1_u8..,
        ) {
            let mut bytes = of(&times_us).to_bytes().unwrap();
            let place = place.index(bytes.len());
            bytes[place] ^= flip;
            let _ = Latency::from_bytes(&bytes);
        }

        #[test]
        fn merged_is_as_if_recorded_in_one(
            left in prop::collection::vec(0_u64..5_000_000_000, 0..50),
            right in prop::collection::vec(0_u64..5_000_000_000, 0..50),
        ) {
            let mut merged = of(&left);
            merged.merge(&of(&right));
            let all: Vec<u64> = left.iter().chain(&right).copied().collect();
            prop_assert_eq!(merged, of(&all));
        }
    }
}
