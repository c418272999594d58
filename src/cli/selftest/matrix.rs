//! What a self-test tries: a table of faults, each with what it should be called, and of what is
//! no fault.
//!
//! To add one: a row here, and a scenario beside it if it needs a workload that none has.

use crate::model::{Code, Pattern};
use crate::score::RootsPer;

/// One thing to try.
#[derive(Debug, Clone, Copy)]
pub(super) struct Row {
    /// What the table calls it.
    pub name: &'static str,
    /// The `--lab-fault`s to plant.
    pub faults: &'static [&'static str],
    /// The workload that it needs.
    pub scenario: Workload,
    /// What each wrong record should be called, one of these; empty where nothing is wrong.
    pub codes: &'static [Code],
    /// What wrong records have in common.
    pub roots: RootsPer,
    /// The hint at the cause that should be given.
    pub pattern: Option<Pattern>,
    /// How each run should end.
    pub exit: u8,
}

/// A scenario that is made for finding something in a few seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Workload {
    /// Its file's stem.
    pub name: &'static str,
    /// Its TOML.
    pub text: &'static str,
}

const CHAT: Workload = workload("chat", include_str!("scenarios/chat.toml"));
const UPLOADS: Workload = workload("uploads", include_str!("scenarios/uploads.toml"));
const VOICE: Workload = workload("voice", include_str!("scenarios/voice.toml"));
const ALL_KINDS: Workload = workload("all", include_str!("scenarios/all.toml"));
const CLEAN: Workload = workload("clean", include_str!("scenarios/clean.toml"));

/// Channels of the workload that has all of them.
const CHANNELS: u64 = 3;

const fn workload(name: &'static str, text: &'static str) -> Workload {
    Workload { name, text }
}

/// A fault that fails the run, with a root for each session.
const fn fault(
    name: &'static str,
    faults: &'static [&'static str],
    scenario: Workload,
    codes: &'static [Code],
) -> Row {
    Row {
        name,
        faults,
        scenario,
        codes,
        roots: RootsPer::Session,
        pattern: None,
        exit: 1,
    }
}

impl Row {
    const fn roots(mut self, roots: RootsPer) -> Self {
        self.roots = roots;
        self
    }

    const fn pattern(mut self, pattern: Pattern) -> Self {
        self.pattern = Some(pattern);
        self
    }

    const fn exit(mut self, exit: u8) -> Self {
        self.exit = exit;
        self
    }

    /// Is there nothing to find?
    pub(super) fn is_clean(&self) -> bool {
        self.codes.is_empty()
    }
}

/// The matrix, in the order of its table.
pub(super) const MATRIX: &[Row] = &[
    fault("clean", &[], CLEAN, &[]).exit(0),
    fault(
        "late-binding",
        &["late-binding:window=2ms"],
        CHAT,
        &[Code::WrongOwner],
    )
    .pattern(Pattern::LateBinding),
    fault(
        "crossed-tasks",
        &["crossed-tasks"],
        CHAT,
        &[Code::WrongOwner],
    )
    .roots(RootsPer::Operation)
    .pattern(Pattern::Swap),
    fault("global-user", &["global-user"], CHAT, &[Code::WrongOwner]).pattern(Pattern::Latch),
    fault(
        "foreign-answer",
        &["foreign-answer:rate=0.3"],
        CHAT,
        &[Code::WrongOwner],
    )
    .roots(RootsPer::Record),
    fault(
        "crossed-sockets",
        &["crossed-sockets"],
        VOICE,
        &[Code::ResponseBleed],
    )
    .roots(RootsPer::Record),
    fault(
        "auth-fallback",
        &["auth-fallback"],
        ALL_KINDS,
        &[Code::PlaceholderOwner],
    )
    .roots(RootsPer::Run(CHANNELS))
    .pattern(Pattern::FixedOwner),
    fault("no-owner", &["no-owner"], CHAT, &[Code::MissingOwner]).roots(RootsPer::Run(1)),
    fault(
        "no-owner, rare",
        &["no-owner:rate=0.2"],
        CHAT,
        &[Code::MissingOwner],
    ),
    fault(
        "wrong-session",
        &["wrong-session:rate=0.3"],
        CHAT,
        &[Code::SessionBleed],
    )
    .roots(RootsPer::Operation),
    fault("mix-chunks", &["mix-chunks"], UPLOADS, &[Code::ChunkMix]).roots(RootsPer::Record),
    fault(
        "drop-after-ack",
        &["drop-after-ack:rate=0.3"],
        CHAT,
        &[Code::Lost],
    )
    .roots(RootsPer::Operation)
    .pattern(Pattern::Silent),
    fault(
        "lose-chunk",
        &["lose-chunk:rate=0.5"],
        UPLOADS,
        &[Code::PartialIngest],
    ),
    fault(
        "double-write",
        &["double-write:rate=0.3"],
        CHAT,
        &[Code::Duplicate],
    )
    .roots(RootsPer::Operation),
    fault(
        "store-then-fail",
        &["store-then-fail:rate=0.3"],
        CHAT,
        &[Code::Ghost],
    )
    .roots(RootsPer::Operation)
    .exit(0),
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::lab::FaultSpec;
    use crate::scenario;

    #[test]
    fn every_row_has_its_own_name_and_plants_what_the_lab_knows() {
        let mut names = BTreeSet::new();
        for row in MATRIX {
            assert!(names.insert(row.name), "{} is there twice", row.name);
            for fault in row.faults {
                assert!(fault.parse::<FaultSpec>().is_ok(), "{fault}");
            }
        }
    }

    #[test]
    fn every_workload_is_valid_and_for_the_lab() {
        for row in MATRIX {
            let Workload { name, text } = row.scenario;
            let valid = scenario::parse(name, text, name).unwrap();
            assert_eq!(valid.target.url, None, "{name}");
            assert!(valid.users >= 50, "{name}");
        }
    }
}
