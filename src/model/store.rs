//! The APIs that a memory store may speak, by name.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The key that the lab's stores take where they want one. It is no secret.
pub const LAB_STORE_KEY: &str = "crosswire-lab";

/// The API of a memory store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StoreDialect {
    /// Zep's open-source server, 0.2x.
    V1,
    /// The same, with the facts that Engram expects of it.
    V1Engram,
    /// Zep's Community Edition 1.0.
    V2,
    /// Zep's hosted API with threads.
    Cloud,
}

impl StoreDialect {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::V1, Self::V1Engram, Self::V2, Self::Cloud];

    /// The name used in files, flags and reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::V1 => "v1",
            Self::V1Engram => "v1-engram",
            Self::V2 => "v2",
            Self::Cloud => "cloud",
        }
    }
}

impl fmt::Display for StoreDialect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// Does the store know the users of the run, some of whom it was asked for?
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct UsersAsked {
    /// Users that it was asked for.
    pub asked: u32,
    /// Of these, users that it does not know.
    pub unknown: u32,
}

impl UsersAsked {
    /// Is there nobody whom it knows?
    pub fn knows_nobody(self) -> bool {
        self.asked > 0 && self.unknown == self.asked
    }
}
