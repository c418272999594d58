//! Whose behaviour the lab has.

use std::fmt;
use std::str::FromStr;

use super::zep::World;

/// A backend that the lab stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Profile {
    /// Engram as it should be: every channel knows its user, and writes never mix.
    #[default]
    Engram,
    /// The public snapshot f878ddb, with its known faults: voice belongs to one placeholder, a
    /// session to whoever names it first, its owner is written only if that is quick, and turns
    /// of one session that overlap overwrite each other. What comes out wrong by that is not in
    /// the truth, but for the turns that overlap.
    F878ddb,
    /// Engram as it should be, before a Zep 0.2x without its extension: it makes no users, so that
    /// no session has an owner unless somebody else makes them.
    StrictV1,
    /// A backend like it that was written for Zep's Community Edition.
    V2,
    /// A backend like it that was written for the hosted Zep.
    Cloud,
}

/// No profile has this name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown profile `{name}`; profiles: engram, f878ddb, strict-v1, v2, cloud")]
pub struct ProfileError {
    /// What was given.
    name: String,
}

impl Profile {
    /// All profiles, the usual one first.
    pub const ALL: [Self; 5] = [
        Self::Engram,
        Self::F878ddb,
        Self::StrictV1,
        Self::V2,
        Self::Cloud,
    ];

    /// The name used on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Engram => "engram",
            Self::F878ddb => "f878ddb",
            Self::StrictV1 => "strict-v1",
            Self::V2 => "v2",
            Self::Cloud => "cloud",
        }
    }

    /// What its store is.
    pub(super) fn world(self) -> World {
        match self {
            Self::Engram | Self::F878ddb => World::Extended,
            Self::StrictV1 => World::Strict,
            Self::V2 => World::V2,
            Self::Cloud => World::Cloud,
        }
    }

    /// Is it the snapshot, with its known faults?
    pub(super) fn is_snapshot(self) -> bool {
        self == Self::F878ddb
    }
}

impl fmt::Display for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Profile {
    type Err = ProfileError;

    fn from_str(text: &str) -> Result<Self, ProfileError> {
        let named = Self::ALL.into_iter().find(|profile| profile.name() == text);
        named.ok_or_else(|| ProfileError {
            name: text.to_owned(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read() {
        for profile in Profile::ALL {
            assert_eq!(profile.name().parse(), Ok(profile));
        }
        let error = "zep".parse::<Profile>().unwrap_err();
        assert!(error.to_string().contains("engram, f878ddb"));
    }
}
