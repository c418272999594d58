//! A hint as the report shows it: with names instead of numbers.

use serde::{Deserialize, Serialize};

use super::detail::{Lookup, OpDetail, op_detail};
use crate::model::Hint;

/// What speaks for a hint about the cause.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "pattern", rename_all = "kebab-case")]
pub enum HintDetail {
    /// From some time on records of several users carry one owner.
    Latch {
        /// Name of the owner that stuck.
        owner: String,
        /// When the first affected operation began, as an offset from the run's start.
        since_us: u64,
        /// Users of whom something is under it.
        senders: u32,
    },
    /// The owner is the user of a request that came in while the task was at work, or just before.
    LateBinding {
        /// The owner's request.
        op: OpDetail,
        /// From the beginning of the affected operation to the beginning of that request;
        /// negative if that one began first.
        apart_us: i64,
    },
    /// Two operations that overlapped are each under the other's user.
    Swap {
        /// The other operation.
        op: OpDetail,
        /// The record of it that is under this one's user.
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
        before: OpDetail,
        /// Answers in a row that are one behind.
        answers: u32,
    },
    /// Nothing that was sent after some moment is stored, for any user.
    Stall {
        /// When the first operation of which nothing is stored began, as an offset from the
        /// run's start.
        since_us: u64,
        /// Operations since then that were answered, of which nothing is stored.
        operations: u32,
    },
}

/// A hint with its names; `None` if the ledger does not have the operation that it speaks of.
pub(super) fn hint_detail(hint: &Hint, lookup: &Lookup<'_>) -> Option<HintDetail> {
    let op = |id| Some(op_detail(&(lookup.op)(id)?, lookup));
    Some(match hint {
        Hint::Latch {
            owner,
            since,
            senders,
        } => HintDetail::Latch {
            owner: (lookup.user)(*owner),
            since_us: since.0,
            senders: *senders,
        },
        Hint::LateBinding { op: next, apart_us } => HintDetail::LateBinding {
            op: op(*next)?,
            apart_us: *apart_us,
        },
        Hint::Swap {
            op: other,
            record_id,
        } => HintDetail::Swap {
            op: op(*other)?,
            record_id: record_id.clone(),
        },
        Hint::FixedOwner => HintDetail::FixedOwner,
        Hint::Silent => HintDetail::Silent,
        Hint::Shift { before, answers } => HintDetail::Shift {
            before: op(*before)?,
            answers: *answers,
        },
        Hint::Stall { since, operations } => HintDetail::Stall {
            since_us: since.0,
            operations: *operations,
        },
    })
}
