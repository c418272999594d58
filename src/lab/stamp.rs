//! What the lab takes from its surroundings: the time of day and chance.
//!
//! Ids and delays are drawn from one stream; nothing here decides what is stored.
#![expect(
    clippy::disallowed_methods,
    reason = "this is the one place of the lab that reads the clock of the day"
)]

use std::fmt;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::str::FromStr;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::{Serialize, Serializer};

/// A moment by the wall clock, written as RFC 3339 with microseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stamp(SystemTime);

/// A version 4 UUID.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Uuid(u128);

/// Where ids, delays and the fate of a request come from.
#[derive(Debug)]
pub(super) struct Dice {
    stream: Mutex<ChaCha8Rng>,
    /// Keeps ids made from a clock apart from those of another lab.
    salt: u64,
}

impl Stamp {
    pub(super) fn now() -> Self {
        Self(SystemTime::now())
    }

    /// The same moment by a clock that is so far ahead.
    pub(super) fn ahead(self, by: Duration) -> Self {
        Self(self.0.checked_add(by).unwrap_or(self.0))
    }
}

impl fmt::Display for Stamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        humantime::format_rfc3339_micros(self.0).fmt(f)
    }
}

impl Serialize for Stamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl Uuid {
    fn of(random: u128) -> Self {
        let version = 0x4 << 76;
        let variant = 0b10 << 62;
        Self(random & !(0xf << 76) & !(0b11 << 62) | version | variant)
    }
}

impl fmt::Display for Uuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let id = self.0;
        write!(
            f,
            "{:08x}-{:04x}-{:04x}-{:04x}-{:012x}",
            id >> 96,
            (id >> 80) & 0xffff,
            (id >> 64) & 0xffff,
            (id >> 48) & 0xffff,
            id & 0xffff_ffff_ffff,
        )
    }
}

/// The text is not a UUID.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct NotUuid;

impl FromStr for Uuid {
    type Err = NotUuid;

    fn from_str(text: &str) -> Result<Self, NotUuid> {
        let grouped = text.split('-').map(str::len).eq([8, 4, 4, 4, 12]);
        let digits = text.replace('-', "");
        if !grouped || !digits.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Err(NotUuid);
        }
        u128::from_str_radix(&digits, 16)
            .map(Self)
            .map_err(|_| NotUuid)
    }
}

impl Serialize for Uuid {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl Dice {
    /// A stream that no other process shares.
    pub(super) fn new() -> Self {
        let entropy = || RandomState::new().build_hasher().finish();
        Self {
            stream: Mutex::new(ChaCha8Rng::seed_from_u64(entropy())),
            salt: entropy(),
        }
    }

    pub(super) fn uuid(&self) -> Uuid {
        Uuid::of(self.draw(rand::RngExt::random::<u128>))
    }

    /// The same id whenever it is asked for the same tick of a clock.
    pub(super) fn uuid_of_tick(&self, tick: u128) -> Uuid {
        let tick = u64::try_from(tick).unwrap_or(u64::MAX);
        Uuid::of(ChaCha8Rng::seed_from_u64(tick ^ self.salt).random())
    }

    /// Draws uniformly between the two.
    pub(super) fn delay(&self, from: Duration, to: Duration) -> Duration {
        self.draw(|rng| rng.random_range(from..=to))
    }

    /// True in this share of all draws; the share is cut to 0..=1.
    pub(super) fn chance(&self, rate: f64) -> bool {
        rate >= 1.0 || (rate > 0.0 && self.draw(|rng| rng.random_bool(rate)))
    }

    /// Puts things into any order.
    pub(super) fn shuffle<T>(&self, things: &mut [T]) {
        self.draw(|rng| things.shuffle(rng));
    }

    /// One of `0..count`; 0 if there is none.
    pub(super) fn pick(&self, count: usize) -> usize {
        self.draw(|rng| rng.random_range(0..count.max(1)))
    }

    fn draw<T>(&self, draw: impl FnOnce(&mut ChaCha8Rng) -> T) -> T {
        draw(&mut self.stream.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uuids_read_back_and_differ() {
        let dice = Dice::new();
        let (one, other) = (dice.uuid(), dice.uuid());
        assert_ne!(one, other);
        assert_eq!(dice.uuid_of_tick(7), dice.uuid_of_tick(7));
        assert_ne!(dice.uuid_of_tick(7), dice.uuid_of_tick(8));
        assert_eq!(one.to_string().parse(), Ok(one));
        assert_eq!(one.to_string().as_bytes()[14], b'4');
        assert_eq!("5f1e".parse::<Uuid>(), Err(NotUuid));
        assert_eq!("".parse::<Uuid>(), Err(NotUuid));
    }

    #[test]
    fn a_share_of_nothing_and_of_all_needs_no_luck() {
        let dice = Dice::new();
        assert!(dice.chance(1.0) && dice.chance(7.0));
        assert!(!dice.chance(0.0) && !dice.chance(-1.0) && !dice.chance(f64::NAN));
        assert_eq!(dice.pick(0), 0);
    }
}
