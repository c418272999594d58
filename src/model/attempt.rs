//! Attempts at what is somebody else's: which route, with whose credential, and what for.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::name::UnknownName;

/// A way to what a session holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Route {
    /// Reads the messages of one session, by its id.
    Transcript,
    /// Lists the sessions of whoever asks.
    Episodes,
    /// Reads the facts of whoever asks.
    Facts,
    /// Searches the memory of whoever asks.
    Search,
    /// Writes a chat turn into one session, by its id.
    Chat,
    /// Deletes one session, by its id.
    Delete,
}

impl Route {
    /// All routes, in the order in which they are tried: nothing is written or deleted before all
    /// is read.
    pub const ALL: [Self; 6] = [
        Self::Transcript,
        Self::Episodes,
        Self::Facts,
        Self::Search,
        Self::Chat,
        Self::Delete,
    ];

    /// The name used in files and reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Transcript => "transcript",
            Self::Episodes => "episodes",
            Self::Facts => "facts",
            Self::Search => "search",
            Self::Chat => "chat",
            Self::Delete => "delete",
        }
    }

    /// The inverse of [`Route::name`].
    ///
    /// # Errors
    /// No route has this name.
    pub fn from_name(name: &str) -> Result<Self, UnknownName> {
        UnknownName::look_up("route", &Self::ALL, Self::name, name)
    }

    /// Does it show what is stored?
    pub fn reads(self) -> bool {
        !matches!(self, Self::Chat | Self::Delete)
    }
}

impl fmt::Display for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// With whose credential something is tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Standing {
    /// That of the user whose session it is.
    Founder,
    /// A valid one of another user.
    OtherUser,
    /// One of the session's own user that has ended.
    Expired,
    /// None at all.
    Nobody,
}

impl Standing {
    /// Those that have no right to the session, in the order in which they are tried.
    pub const STRANGERS: [Self; 3] = [Self::OtherUser, Self::Expired, Self::Nobody];

    /// The name used in files and reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Founder => "founder",
            Self::OtherUser => "other-user",
            Self::Expired => "expired",
            Self::Nobody => "nobody",
        }
    }
}

impl fmt::Display for Standing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// What an operation of a trespass session is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Part {
    /// The session's own user must get through: else the route shows nothing, and proves nothing.
    Control,
    /// A session that does not exist must show nothing: else the route shows anything.
    NegativeControl,
    /// Somebody without the right tries.
    Trial,
    /// The session's own user looks whether all is still there.
    Afterwards,
}

/// One operation of a trespass session, behind the turn that tells what is to be kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Attempt {
    /// What is asked.
    pub route: Route,
    /// With whose credential.
    pub standing: Standing,
    /// What for.
    pub part: Part,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_read_back() {
        for route in Route::ALL {
            assert_eq!(Route::from_name(route.name()), Ok(route));
            assert_eq!(serde_json::to_value(route).unwrap(), route.name());
        }
        for standing in Standing::STRANGERS {
            assert_eq!(serde_json::to_value(standing).unwrap(), standing.name());
        }
        assert!(Route::from_name("door").is_err());
    }
}
