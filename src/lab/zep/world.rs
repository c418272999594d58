//! The product that the store stands for, and what it refuses.

/// A product.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(in crate::lab) enum World {
    /// Zep 0.2x with the extension that Engram assumes: unknown users are made, both roles are
    /// kept, facts are listed.
    #[default]
    Extended,
    /// Zep 0.2x as it is.
    Strict,
    /// Zep's Community Edition.
    V2,
    /// The hosted Zep, as its third generation of clients speaks it.
    Cloud,
}

impl World {
    /// Is a session refused whose user is not known?
    pub(super) fn refuses_unknown_users(self) -> bool {
        self != Self::Extended
    }

    /// Must the user be known before the id is looked at?
    pub(super) fn looks_at_the_user_first(self) -> bool {
        matches!(self, Self::V2 | Self::Cloud)
    }

    /// Does a message that is sent to an unknown session make it?
    pub(super) fn makes_sessions_by_message(self) -> bool {
        self != Self::Cloud
    }

    /// Does a backend that was written for this product make its users itself?
    pub(super) fn backend_makes_users(self) -> bool {
        matches!(self, Self::V2 | Self::Cloud)
    }

    /// Is there anything that keeps facts?
    pub(super) fn keeps_facts(self) -> bool {
        self != Self::Strict
    }

    /// Is a message's `role_type` kept?
    pub(super) fn keeps_role_type(self) -> bool {
        self != Self::Strict
    }

    /// Characters of a message at most.
    pub(super) fn message_chars_max(self) -> usize {
        match self {
            Self::Extended | Self::Strict => usize::MAX,
            Self::V2 => 2_500,
            Self::Cloud => 4_096,
        }
    }
}
