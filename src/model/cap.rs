//! Bounds that the user sets on a run.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A bound at which a run stops by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Cap {
    /// Operations that may begin.
    MaxOps,
    /// Calls of a language model that they may cost.
    MaxModelCalls,
    /// How long operations may begin.
    MaxWall,
}

impl Cap {
    /// All bounds, in the order in which they are told.
    pub const ALL: [Self; 3] = [Self::MaxOps, Self::MaxModelCalls, Self::MaxWall];

    /// The name used in files and reports; with two dashes before it, the flag.
    pub fn name(self) -> &'static str {
        match self {
            Self::MaxOps => "max-ops",
            Self::MaxModelCalls => "max-model-calls",
            Self::MaxWall => "max-wall",
        }
    }
}

impl fmt::Display for Cap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}
