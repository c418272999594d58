//! How a text came into an answer to somebody else.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::name::UnknownName;

/// The kinds of `response-bleed`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum BleedKind {
    /// The answer to one operation was given to another one, and not to its own.
    Transport,
    /// It was looked up in what was stored or kept.
    Retrieval,
    /// The whole answer to the same words, kept and given again.
    Cached,
    /// It came on a socket beside the own answer.
    Streamed,
    /// The evidence does not say.
    Untold,
}

impl BleedKind {
    /// All kinds, in the order in which messages list them.
    pub const ALL: [Self; 5] = [
        Self::Transport,
        Self::Retrieval,
        Self::Cached,
        Self::Streamed,
        Self::Untold,
    ];

    /// The name used in files and reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Transport => "transport",
            Self::Retrieval => "retrieval",
            Self::Cached => "cached",
            Self::Streamed => "streamed",
            Self::Untold => "untold",
        }
    }

    /// The inverse of [`BleedKind::name`].
    ///
    /// # Errors
    /// No kind has this name.
    pub fn from_name(name: &str) -> Result<Self, UnknownName> {
        UnknownName::look_up("kind of answer", &Self::ALL, Self::name, name)
    }
}

impl fmt::Display for BleedKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_read_back() {
        for kind in BleedKind::ALL {
            assert_eq!(BleedKind::from_name(kind.name()), Ok(kind));
            assert_eq!(serde_json::to_value(kind).unwrap(), kind.name());
        }
        assert!(BleedKind::from_name("shown").is_err());
    }
}
