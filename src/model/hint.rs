//! Hints about the cause of a finding, each with what speaks for it. Never part of a verdict.

use serde::{Deserialize, Serialize};

use super::{Micros, OpId, UserIx};

/// The kinds of hints.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Pattern {
    /// From some time on all records carry one owner.
    Latch,
    /// The wrong owner is the user of a neighbouring request.
    LateBinding,
    /// Two in-flight tasks exchanged their users.
    Swap,
    /// A placeholder stands where every user should.
    FixedOwner,
    /// Accepted, never stored.
    Silent,
    /// Answers on one connection are one request behind.
    Shift,
    /// From some moment on nothing more is stored, for any user.
    Stall,
}

impl Pattern {
    /// All patterns, in report order.
    pub const ALL: [Self; 7] = [
        Self::Latch,
        Self::LateBinding,
        Self::Swap,
        Self::Shift,
        Self::FixedOwner,
        Self::Silent,
        Self::Stall,
    ];

    /// The name used in reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Latch => "latch",
            Self::LateBinding => "late-binding",
            Self::Swap => "swap",
            Self::FixedOwner => "fixed-owner",
            Self::Silent => "silent",
            Self::Shift => "shift",
            Self::Stall => "stall",
        }
    }

    /// Does it speak of the order in which things happened? What goes wrong without any load must
    /// never be given such a hint.
    pub fn is_race(self) -> bool {
        match self {
            Self::Latch | Self::LateBinding | Self::Swap | Self::Shift => true,
            Self::FixedOwner | Self::Silent | Self::Stall => false,
        }
    }
}

/// A hint about the cause, with its evidence. Never part of the verdict.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "pattern", rename_all = "kebab-case")]
pub enum Hint {
    /// From some time on records of several users carry one owner.
    Latch {
        /// The owner that stuck.
        owner: UserIx,
        /// When the first affected operation began.
        since: Micros,
        /// Users of whom something is under it.
        senders: u32,
    },
    /// The owner is the user of a request that came in while the task was at work, or just before.
    LateBinding {
        /// The owner's request.
        op: OpId,
        /// Microseconds from the beginning of the affected operation to the beginning of that
        /// request; negative if that one began first.
        apart_us: i64,
    },
    /// Two operations that overlapped are each under the other's user.
    Swap {
        /// The other operation.
        op: OpId,
        /// The record of it that is under this one's user; `None` if the store has no id for it.
        record_id: Option<String>,
    },
    /// A stand-in where every user should be.
    FixedOwner,
    /// Accepted, and nothing of it is stored.
    Silent,
    /// The answer is the one to another request, whose own answer was the one to the request before
    /// it, and so on: a connection of the target's, or on the way to it, is one behind.
    Shift {
        /// The request whose answer it is.
        before: OpId,
        /// Answers in a row that are one behind.
        answers: u32,
    },
    /// Nothing that was sent after some moment is stored, for any user.
    Stall {
        /// When the first operation of which nothing is stored began.
        since: Micros,
        /// Operations since then that were answered `ok`, of which nothing is stored.
        operations: u32,
    },
}

impl Hint {
    /// Its kind.
    pub fn pattern(&self) -> Pattern {
        match self {
            Self::Latch { .. } => Pattern::Latch,
            Self::LateBinding { .. } => Pattern::LateBinding,
            Self::Swap { .. } => Pattern::Swap,
            Self::FixedOwner => Pattern::FixedOwner,
            Self::Silent => Pattern::Silent,
            Self::Shift { .. } => Pattern::Shift,
            Self::Stall { .. } => Pattern::Stall,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hint_reads_back_and_bears_the_name_of_its_pattern() {
        let op = OpId::default();
        for hint in [
            Hint::Latch {
                owner: UserIx(1),
                since: Micros(2),
                senders: 3,
            },
            Hint::LateBinding { op, apart_us: -5 },
            Hint::Swap {
                op,
                record_id: None,
            },
            Hint::FixedOwner,
            Hint::Silent,
            Hint::Shift {
                before: op,
                answers: 3,
            },
            Hint::Stall {
                since: Micros(2),
                operations: 9,
            },
        ] {
            let json = serde_json::to_value(&hint).unwrap();
            assert_eq!(json["pattern"], hint.pattern().name());
            assert_eq!(serde_json::from_value::<Hint>(json).unwrap(), hint);
        }
    }
}
