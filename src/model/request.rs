//! Request ids: how an operation is named in the target's logs.
//!
//! Each is computed from run and operation and can be read back, so that a log line that holds one
//! names its operation without any table, and a number of anybody else is told from ours.

use super::{OpId, RunId};

/// The odd numbers of the finaliser of `SplitMix64`, and what undoes each.
const STEP: u64 = 0x9e37_79b9_7f4a_7c15;
const FIRST: u64 = 0xbf58_476d_1ce4_e5b9;
const FIRST_UNDONE: u64 = 0x96de_1b17_3f11_9089;
const SECOND: u64 = 0x94d0_49bb_1331_11eb;
const SECOND_UNDONE: u64 = 0x3196_42b2_d24d_8ec3;

/// The number by which logs name the request of an operation. Differs between all operations of a
/// run, and is never zero.
pub fn request_id(run: RunId, op: OpId) -> u64 {
    let op_number = u64::try_from(op.to_i64()).unwrap_or_default() + 1;
    mix(mix(u64::from(run.0)) ^ op_number).max(1)
}

/// The inverse of [`request_id`]: the operation of this run that a request id names; `None` if it
/// names none.
pub fn op_of_request_id(run: RunId, request_id: u64) -> Option<OpId> {
    let op_number = unmix(request_id) ^ mix(u64::from(run.0));
    let op_number = i64::try_from(op_number.checked_sub(1)?).ok()?;
    OpId::from_i64(op_number).ok()
}

/// The trace that a request belongs to: its upper half is drawn from the run, its lower half is
/// the request id.
pub fn trace_id(run: RunId, request_id: u64) -> u128 {
    let high = mix(u64::from(run.0) ^ request_id).max(1);
    (u128::from(high) << 64) | u128::from(request_id)
}

/// The operation that a trace id names; `None` if it is not one of this run's.
pub fn op_of_trace_id(run: RunId, trace: u128) -> Option<OpId> {
    let request_id = u64::try_from(trace & u128::from(u64::MAX)).ok()?;
    (trace_id(run, request_id) == trace).then(|| op_of_request_id(run, request_id))?
}

/// A bijection that spreads neighbours over all 64 bits (the finaliser of `SplitMix64`).
fn mix(number: u64) -> u64 {
    let number = number.wrapping_add(STEP);
    let number = (number ^ (number >> 30)).wrapping_mul(FIRST);
    let number = (number ^ (number >> 27)).wrapping_mul(SECOND);
    number ^ (number >> 31)
}

fn unmix(number: u64) -> u64 {
    let number = number ^ (number >> 31) ^ (number >> 62);
    let number = number.wrapping_mul(SECOND_UNDONE);
    let number = number ^ (number >> 27) ^ (number >> 54);
    let number = number.wrapping_mul(FIRST_UNDONE);
    let number = number ^ (number >> 30) ^ (number >> 60);
    number.wrapping_sub(STEP)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::model::SessionIx;

    #[test]
    fn request_ids_differ_within_a_run_and_name_their_operation() {
        let mut seen = HashSet::new();
        for session in 0..300 {
            for seq in 0..30 {
                let op = OpId {
                    session: SessionIx(session),
                    seq,
                };
                let id = request_id(RunId(7), op);
                assert!(seen.insert(id), "{op}");
                assert_eq!(op_of_request_id(RunId(7), id), Some(op));
                assert_eq!(op_of_request_id(RunId(8), id), None, "{op}");
                let trace = trace_id(RunId(7), id);
                assert_eq!(op_of_trace_id(RunId(7), trace), Some(op));
                assert_eq!(op_of_trace_id(RunId(7), trace ^ (1 << 70)), None);
            }
        }
    }
}
