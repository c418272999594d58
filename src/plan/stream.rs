//! The plan's randomness: many named streams from one seed.
//!
//! A stream is named by its purpose, its group, the session's place in the group and the
//! operation. Nothing is drawn from a stream that somebody else reads, so taking away a user, a
//! turn or a whole group leaves every other text as it was.

use std::ops::RangeInclusive;
use std::time::Duration;

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

use crate::model::Seed;
use crate::scenario::Pause;

use super::arrival::Place;

const STREAM_KEY: &[u8; 32] = b"crosswire random stream, vers. 1";

/// What a stream is for.
#[derive(Debug, Clone, Copy)]
pub(super) enum Purpose {
    /// How many operations a session has.
    OpCount,
    /// How long a user thinks.
    Think,
    /// What a user writes.
    Text,
    /// How large a document is.
    Size,
    /// Who else sends in a session.
    SecondUser,
    /// What goes wrong with an operation.
    Disturbance,
}

/// The streams of one session.
#[derive(Debug)]
pub(super) struct Streams<'a> {
    seed: Seed,
    group: &'a str,
    place: Place,
}

impl<'a> Streams<'a> {
    pub(super) fn new(seed: Seed, group: &'a str, place: Place) -> Self {
        Self { seed, group, place }
    }

    /// The session's place within its group.
    pub(super) fn place(&self) -> Place {
        self.place
    }

    /// Key of the stream of an operation.
    pub(super) fn key(&self, purpose: Purpose, seq: u16) -> [u8; 32] {
        let purpose = match purpose {
            Purpose::OpCount => 1,
            Purpose::Think => 2,
            Purpose::Text => 3,
            Purpose::Size => 4,
            Purpose::SecondUser => 5,
            Purpose::Disturbance => 6,
        };
        let (model, first, second) = match self.place {
            Place::Closed { vu, iteration } => (1, vu, iteration),
            Place::Open { number } => (2, number, 0),
        };
        let mut hasher = blake3::Hasher::new_keyed(STREAM_KEY);
        hasher.update(&self.seed.0.to_le_bytes());
        hasher.update(&[purpose, model]);
        hasher.update(&first.to_le_bytes());
        hasher.update(&second.to_le_bytes());
        hasher.update(&seq.to_le_bytes());
        // Last, because it is the only part whose length is not fixed.
        hasher.update(self.group.as_bytes());
        *hasher.finalize().as_bytes()
    }

    /// The stream of an operation, from its beginning.
    pub(super) fn rng(&self, purpose: Purpose, seq: u16) -> ChaCha8Rng {
        ChaCha8Rng::from_seed(self.key(purpose, seq))
    }

    /// One number of a range, both ends included; its start if it ends before that. Costs one
    /// hash.
    pub(super) fn one_of(&self, purpose: Purpose, seq: u16, range: &RangeInclusive<u32>) -> u32 {
        let key = self.key(purpose, seq);
        let random = u64::from_le_bytes([
            key[0], key[1], key[2], key[3], key[4], key[5], key[6], key[7],
        ]);
        let span = u64::from(range.end().saturating_sub(*range.start())) + 1;
        let above = scaled(random, span);
        range
            .start()
            .saturating_add(u32::try_from(above).unwrap_or(u32::MAX))
    }

    /// A time span to think for.
    pub(super) fn pause(&self, seq: u16, pause: Pause) -> Duration {
        time_of(&mut self.rng(Purpose::Think, seq), pause)
    }
}

/// A time of a span, in whole microseconds above its shortest.
pub(super) fn time_of(rng: &mut ChaCha8Rng, span: Pause) -> Duration {
    let wide = span.max.saturating_sub(span.min).as_micros();
    let wide = u64::try_from(wide).unwrap_or(u64::MAX).saturating_add(1);
    let above = scaled(rng.next_u64(), wide);
    span.min.saturating_add(Duration::from_micros(above))
}

/// Key of the order in which a lap of an open-model group serves the users.
pub(super) fn lap_key(seed: Seed, group: &str, lap: u32) -> u64 {
    let mut hasher = blake3::Hasher::new_keyed(STREAM_KEY);
    hasher.update(&seed.0.to_le_bytes());
    hasher.update(&[0]);
    hasher.update(&lap.to_le_bytes());
    hasher.update(group.as_bytes());
    let mut first = [0; 8];
    first.copy_from_slice(&hasher.finalize().as_bytes()[..8]);
    u64::from_le_bytes(first)
}

/// Scrambles a number (the finaliser of `SplitMix64`) and keeps the high half.
pub(super) fn mix(number: u64) -> u32 {
    let mut mixed = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    u32::try_from((mixed ^ (mixed >> 31)) >> 32).unwrap_or(0)
}

/// A number below `count`, which is at least 1. Written here so that plans do not change with the
/// version of a library.
pub(super) fn below(rng: &mut ChaCha8Rng, count: usize) -> usize {
    let count = u64::try_from(count).unwrap_or(u64::MAX);
    usize::try_from(scaled(rng.next_u64(), count)).unwrap_or(0)
}

/// Maps 64 random bits to a number below `count`.
fn scaled(random: u64, count: u64) -> u64 {
    u64::try_from((u128::from(random) * u128::from(count)) >> 64).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_name_has_a_stream_of_its_own() {
        let closed = |vu, iteration| Place::Closed { vu, iteration };
        let mut keys = BTreeSet::new();
        let mut names = 0;
        for seed in [1, 2] {
            for group in ["chat", "chat2"] {
                for place in [closed(1, 2), closed(2, 1), Place::Open { number: 1 }] {
                    for purpose in [
                        Purpose::OpCount,
                        Purpose::Think,
                        Purpose::Text,
                        Purpose::Size,
                        Purpose::SecondUser,
                        Purpose::Disturbance,
                    ] {
                        for seq in [0, 1] {
                            names += 1;
                            keys.insert(Streams::new(Seed(seed), group, place).key(purpose, seq));
                        }
                    }
                }
            }
        }
        assert_eq!(keys.len(), names);
    }

    #[test]
    fn draws_stay_in_their_range_and_reach_both_ends() {
        let place = Place::Open { number: 0 };
        let streams = Streams::new(Seed(7), "chat", place);
        let think = Pause {
            min: Duration::from_micros(10),
            max: Duration::from_micros(12),
        };
        let drawn: BTreeSet<u32> = (0..200)
            .map(|seq| streams.one_of(Purpose::Size, seq, &(3..=5)))
            .collect();
        assert_eq!(drawn, [3, 4, 5].into());
        let drawn: BTreeSet<u128> = (0..200)
            .map(|seq| streams.pause(seq, think).as_micros())
            .collect();
        assert_eq!(drawn, [10, 11, 12].into());
    }

    #[test]
    fn senseless_ranges_give_their_start() {
        let streams = Streams::new(Seed(7), "chat", Place::Open { number: 0 });
        let (low, high) = (3, 5);
        assert_eq!(streams.one_of(Purpose::Size, 0, &(high..=low)), 5);
        let think = Pause {
            min: Duration::MAX,
            max: Duration::ZERO,
        };
        assert_eq!(streams.pause(0, think), Duration::MAX);
        let all = streams.one_of(Purpose::Size, 0, &(0..=u32::MAX));
        assert_eq!(all, streams.one_of(Purpose::Size, 0, &(0..=u32::MAX)));
    }
}
