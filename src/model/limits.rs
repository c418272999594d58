//! Every bound that more than one room relies on, with its unit.

/// Users a run can tell apart: 24 bits of the canary.
pub const USERS_MAX: u32 = 1 << 24;
/// Sessions a run can tell apart: 20 bits of the canary.
pub const SESSIONS_MAX: u32 = 1 << 20;
/// Turns or blocks of one session that can be told apart: 16 bits of the canary.
pub const ITEMS_PER_SESSION_MAX: u32 = 1 << 16;
/// The two users of the planted control; no plan ever uses them.
pub const CONTROL_USERS: [u32; 2] = [USERS_MAX - 2, USERS_MAX - 1];
/// Users that a plan may use: all but the two of the control.
pub const PLANNED_USERS_MAX: u32 = USERS_MAX - 2;

/// Bytes of an answer's body that are read before the rest counts as a broken answer.
pub const ANSWER_BYTES_MAX: usize = 1 << 20;
/// Bytes of a read-back page that are read before the read counts as incomplete.
pub const PAGE_BYTES_MAX: usize = 64 << 20;
/// Records asked for on one page of a read-back (`limit`).
pub const PAGE_RECORDS: u32 = 500;
/// Equal complete scans in a row that make a store settled.
pub const EQUAL_SCANS_MIN: usize = 3;
/// Characters quoted on either side of a canary in somebody else's record.
pub const EXCERPT_CHARS_AROUND: usize = 40;
/// Characters of an answer or error text kept as an operation's detail.
pub const DETAIL_CHARS_MAX: usize = 200;
/// Capsules shown for one anomaly; the run's store holds every record.
pub const CAPSULES_PER_CODE_MAX: usize = 100;
/// Gaps between the chunks of one answer that are kept; further ones are not measured.
pub const CHUNK_GAPS_MAX: usize = 1_024;
/// Events that may wait between the session tasks and the collector.
pub const EVENT_QUEUE_MAX: usize = 16_384;

const _: () = assert!(PLANNED_USERS_MAX + 2 == USERS_MAX);
const _: () = assert!(CONTROL_USERS[1] < USERS_MAX);
