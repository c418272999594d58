//! Numbers that stand for closed sets in the tables, and canaries packed into bytes.
//!
//! A number is the place in the set's list. Changing one changes the format.

use crate::model::{
    CanaryId, CanaryKind, Echo, Exactness, LogStep, OpKind, Outcome, RecordType, Role, RunId,
    SeenCanary, SessionIx, UserIx,
};

/// Kinds of canaries, in ledger order.
pub(super) const CANARY_KINDS: [CanaryKind; 3] =
    [CanaryKind::Turn, CanaryKind::Block, CanaryKind::Control];
/// How sure canaries are, in ledger order.
pub(super) const EXACTNESSES: [Exactness; 2] = [Exactness::Exact, Exactness::Corrected];

/// Bytes of one packed canary.
const PACKED_BYTES: usize = 16;

pub(super) fn op_kind(kind: OpKind) -> u8 {
    match kind {
        OpKind::Chat => 0,
        OpKind::Upload => 1,
        OpKind::Voice => 2,
        OpKind::Stream => 3,
        OpKind::Turn => 4,
    }
}

pub(super) fn outcome(outcome: Outcome) -> u8 {
    match outcome {
        Outcome::Ok => 0,
        Outcome::SoftFail => 1,
        Outcome::Refused => 2,
        Outcome::Unsent => 3,
        Outcome::Unknown => 4,
    }
}

pub(super) fn echo(echo: Echo) -> u8 {
    match echo {
        Echo::Own => 0,
        Echo::None => 1,
        Echo::Foreign => 2,
        Echo::NotExpected => 3,
    }
}

pub(super) fn record_type(record_type: RecordType) -> u8 {
    match record_type {
        RecordType::Session => 0,
        RecordType::Message => 1,
        RecordType::Fact => 2,
        RecordType::Answer => 3,
        RecordType::Log => 4,
    }
}

pub(super) fn role(role: Role) -> u8 {
    match role {
        Role::User => 0,
        Role::Assistant => 1,
        Role::Other => 2,
    }
}

pub(super) fn log_step(step: LogStep) -> u8 {
    match step {
        LogStep::Started => 0,
        LogStep::Completed => 1,
        LogStep::Failed => 2,
        LogStep::Mentioned => 3,
    }
}

pub(super) fn canary_kind(kind: CanaryKind) -> u8 {
    match kind {
        CanaryKind::Turn => 0,
        CanaryKind::Block => 1,
        CanaryKind::Control => 2,
    }
}

pub(super) fn exactness(exactness: Exactness) -> u8 {
    match exactness {
        Exactness::Exact => 0,
        Exactness::Corrected => 1,
    }
}

/// Appends canaries, 16 bytes each: run, user, session (4, big-endian), item (2), kind,
/// exactness.
pub(super) fn pack(canaries: &[SeenCanary], bytes: &mut Vec<u8>) {
    for seen in canaries {
        bytes.extend(seen.id.run.0.to_be_bytes());
        bytes.extend(seen.id.user.0.to_be_bytes());
        bytes.extend(seen.id.session.0.to_be_bytes());
        bytes.extend(seen.id.item.to_be_bytes());
        bytes.push(canary_kind(seen.id.kind));
        bytes.push(exactness(seen.exactness));
    }
}

/// The inverse of [`pack`]; `None` if the bytes are not packed canaries.
pub(super) fn unpack(bytes: &[u8]) -> Option<Vec<SeenCanary>> {
    let packed = bytes.chunks_exact(PACKED_BYTES);
    if !packed.remainder().is_empty() {
        return None;
    }
    packed.map(unpack_one).collect()
}

fn unpack_one(bytes: &[u8]) -> Option<SeenCanary> {
    let number = |from: usize| -> Option<u32> {
        Some(u32::from_be_bytes(
            bytes.get(from..from + 4)?.try_into().ok()?,
        ))
    };
    Some(SeenCanary {
        id: CanaryId {
            run: RunId(number(0)?),
            user: UserIx::new(number(4)?).ok()?,
            session: SessionIx::new(number(8)?).ok()?,
            item: u16::from_be_bytes(bytes.get(12..14)?.try_into().ok()?),
            kind: *CANARY_KINDS.get(usize::from(*bytes.get(14)?))?,
        },
        exactness: *EXACTNESSES.get(usize::from(*bytes.get(15)?))?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places<T: Copy>(all: &[T], code: impl Fn(T) -> u8) {
        for (place, item) in all.iter().enumerate() {
            assert_eq!(usize::from(code(*item)), place);
        }
    }

    #[test]
    fn codes_are_places_in_the_lists_that_decode_them() {
        places(&OpKind::ALL, op_kind);
        places(&LogStep::ALL, log_step);
        places(&Outcome::ALL, outcome);
        places(&Echo::ALL, echo);
        places(&RecordType::ALL, record_type);
        places(&Role::ALL, role);
        places(&CANARY_KINDS, canary_kind);
        places(&EXACTNESSES, exactness);
    }

    #[test]
    fn the_views_spell_out_the_kinds_of_operations() {
        let views = include_str!("schema.sql");
        for kind in OpKind::ALL {
            let spelt = format!("WHEN {} THEN '{kind}'", op_kind(kind));
            assert!(views.contains(&spelt), "{spelt}");
        }
    }

    #[test]
    fn bytes_that_are_no_canaries_are_refused() {
        assert_eq!(unpack(&[]), Some(Vec::new()));
        assert_eq!(unpack(&[0; PACKED_BYTES - 1]), None);
        assert_eq!(unpack(&[0xff; PACKED_BYTES]), None);
        assert!(unpack(&[0; PACKED_BYTES]).is_some());
    }
}
