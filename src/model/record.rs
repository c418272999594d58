//! What was read back: sightings of records, and the scans they came from.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::name::UnknownName;
use super::{CanaryId, Micros, RunId};

/// The kind of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RecordType {
    /// A session, with its owner.
    Session,
    /// A message; its owner is its session's.
    Message,
    /// A fact: what a store keeps of a chunk.
    Fact,
    /// An answer as it came back to the user who asked.
    Answer,
    /// What the target's log says of an operation's task; its id is the request id.
    Log,
}

impl RecordType {
    /// All types, in ledger order.
    pub const ALL: [Self; 5] = [
        Self::Session,
        Self::Message,
        Self::Fact,
        Self::Answer,
        Self::Log,
    ];

    /// The name used in files, tables and reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Session => "session",
            Self::Message => "message",
            Self::Fact => "fact",
            Self::Answer => "answer",
            Self::Log => "log",
        }
    }

    /// The inverse of [`RecordType::name`].
    ///
    /// # Errors
    /// No type has this name.
    pub fn from_name(name: &str) -> Result<Self, UnknownName> {
        UnknownName::look_up("record type", &Self::ALL, Self::name, name)
    }
}

/// Who speaks in a message. A store may lose it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// The synthetic user.
    User,
    /// The agent.
    Assistant,
    /// Blank, unknown or not applicable.
    Other,
}

impl Role {
    /// All roles, in ledger order.
    pub const ALL: [Self; 3] = [Self::User, Self::Assistant, Self::Other];

    /// The name used in the ledger.
    pub fn name(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Assistant => "assistant",
            Self::Other => "other",
        }
    }

    /// The inverse of [`Role::name`].
    ///
    /// # Errors
    /// No role has this name.
    pub fn from_name(name: &str) -> Result<Self, UnknownName> {
        UnknownName::look_up("role", &Self::ALL, Self::name, name)
    }
}

/// How sure a canary is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Exactness {
    /// Its check holds as read: it proves.
    Exact,
    /// Its check holds after one letter was corrected: it only suggests.
    Corrected,
}

/// A canary found in a record's body.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct SeenCanary {
    /// What it says.
    pub id: CanaryId,
    /// How sure it is.
    pub exactness: Exactness,
}

/// How a stored text compares with the one that was sent, for a user's message that holds exactly
/// one of this run's canaries: other records may rightly differ. One without any canary is `Same`
/// if it is the question that all users ask in the same words, in whatever style.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Likeness {
    /// Not compared.
    Unjudged,
    /// The same after normalisation.
    Same,
    /// A strict prefix or suffix of it, or with one hole in it.
    Torn {
        /// Characters that are left.
        kept: u32,
        /// Characters that were sent.
        sent: u32,
    },
    /// Neither the same nor torn.
    Altered,
}

impl Likeness {
    /// One integer for the ledger: 0, 1, 2, or 3 with 30 bits each of what was kept and sent.
    pub fn to_i64(self) -> i64 {
        match self {
            Self::Unjudged => 0,
            Self::Same => 1,
            Self::Altered => 2,
            Self::Torn { kept, sent } => {
                let bits = |chars: u32| i64::from(chars & Self::CHARS_MASK);
                3 | (bits(kept) << 2) | (bits(sent) << 32)
            }
        }
    }

    /// The inverse of [`Likeness::to_i64`]; what it cannot have written is unjudged.
    pub fn from_i64(bits: i64) -> Self {
        let chars = |shift: u32| {
            let masked = (bits >> shift) & i64::from(Self::CHARS_MASK);
            u32::try_from(masked).unwrap_or(0)
        };
        match bits & 3 {
            1 => Self::Same,
            2 => Self::Altered,
            3 => Self::Torn {
                kept: chars(2),
                sent: chars(32),
            },
            _ => Self::Unjudged,
        }
    }

    const CHARS_MASK: u32 = (1 << 30) - 1;
}

/// One record as it was read. The body itself is not kept.
///
/// Two readings of an unchanged record differ only in `scan` and `seen_at`. `first_scan` and
/// `reads` are filled in by the ledger, which counts equal readings.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sighting {
    /// Its type.
    pub record_type: RecordType,
    /// The store's id for it; for an answer, the operation's id.
    pub record_id: String,
    /// The owner that the store names: the record's own, else its container's.
    pub owner: Option<String>,
    /// The id of the session it was found in, where it has one.
    pub session: Option<String>,
    /// Who speaks, for a message.
    pub role: Role,
    /// Its place in its container, counted from 0; [`Sighting::UNSTEADY`] where readings of the
    /// same record named different places.
    pub position: u32,
    /// Canaries of this run found in the normalised body, each once, sorted.
    pub canaries: Vec<SeenCanary>,
    /// Keyed hash of the normalised body.
    pub body_hash: u64,
    /// How its text compares with the one that was sent.
    pub likeness: Likeness,
    /// Holds something that looks like a canary whose check fails, away from the edges of the
    /// text, where chunks are cut.
    pub damaged: bool,
    /// Another run whose exact canary it holds, where it holds none of this run and was not in
    /// the store before.
    pub older_run: Option<RunId>,
    /// Text around the first canary, only where the record is under a wrong owner.
    pub excerpt: Option<String>,
    /// The scan that first read it just so; before the ledger has counted, that of this reading.
    pub first_scan: u32,
    /// The scan that last saw it; 0 for answers seen while driving. Partial readings while the
    /// load ran have numbers, too, though they are no [`Scan`].
    pub scan: u32,
    /// When it was last read.
    pub seen_at: Micros,
    /// In how many scans it was read just so. Answers are kept as raw evidence and count 1.
    pub reads: u32,
    /// Planted by the positive control, not read from the store.
    pub control: bool,
}

impl Sighting {
    /// The place of a record that was read in different places: the store's order says nothing.
    pub const UNSTEADY: u32 = u32::MAX;
}

/// One complete or failed reading of the whole store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Scan {
    /// Its number, from 1.
    pub scan: u32,
    /// When it began.
    pub started: Micros,
    /// When it ended.
    pub ended: Micros,
    /// Order-free 128-bit sum of keyed record hashes, 32 hexadecimal digits.
    pub digest: String,
    /// Sessions of this run that were read.
    pub sessions: u64,
    /// Messages of this run's sessions that were read.
    pub messages: u64,
    /// Facts that were read under this run's users or with its canaries.
    pub facts: u64,
    /// Records without a canary of this run, in sessions or under users of this run, or with
    /// only a corrected one.
    pub unattributable: u64,
    /// Were all pages read and all counts equal to their announced totals?
    pub complete: bool,
    /// Why not, where not.
    pub incomplete_reason: Option<String>,
}

/// How long the store has surely stood still by the last of these scans: how many of the last
/// ones are complete and equal, and the time from the end of the first of them to the beginning
/// of the last, during which every record was as it is.
pub fn standstill(scans: &[Scan]) -> (usize, Duration) {
    let Some(last) = scans.last() else {
        return (0, Duration::ZERO);
    };
    let equal = scans
        .iter()
        .rev()
        .take_while(|scan| scan.complete && scan.digest == last.digest);
    let first = equal.clone().last();
    let held = first.map_or(Duration::ZERO, |first| last.started.since(first.ended));
    (equal.count(), held)
}

/// One letter a scan, which begins every 100 ms and takes 10; `!` for an incomplete one.
#[cfg(test)]
pub(crate) fn scans(digests: &str) -> Vec<Scan> {
    (1..)
        .zip(digests.chars())
        .map(|(scan, digest)| Scan {
            scan,
            started: Micros(u64::from(scan) * 100_000),
            ended: Micros(u64::from(scan) * 100_000 + 10_000),
            digest: digest.to_string(),
            sessions: 1,
            messages: 2,
            facts: 0,
            unattributable: 0,
            complete: digest != '!',
            incomplete_reason: None,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn likeness_reads_back() {
        for likeness in [
            Likeness::Unjudged,
            Likeness::Same,
            Likeness::Altered,
            Likeness::Torn { kept: 0, sent: 1 },
            Likeness::Torn {
                kept: 1_000,
                sent: 1_800,
            },
        ] {
            assert_eq!(Likeness::from_i64(likeness.to_i64()), likeness);
        }
    }

    #[test]
    fn only_equal_complete_scans_in_a_row_stand_still() {
        for (digests, count, held_ms) in [
            ("", 0, 0),
            ("!", 0, 0),
            ("a", 1, 0),
            ("aa", 2, 90),
            ("aaaa", 4, 290),
            ("baaa", 3, 190),
            ("aaab", 1, 0),
            ("aa!aa", 2, 90),
            ("aaa!", 0, 0),
        ] {
            let held = Duration::from_millis(held_ms);
            assert_eq!(standstill(&scans(digests)), (count, held), "{digests}");
        }
    }
}
