//! What a self-test tries: a table of faults, each with what it should be called, and of what is
//! no fault.
//!
//! To add one: a row here, and a scenario beside it if it needs a workload that none has.

use crate::model::{BleedKind, Code, Pattern, Trait};
use crate::score::RootsPer;

use workload::{
    ALL_KINDS, ALTERNATING, BUSY, CHAT, CLEAN, GATEWAY, HAND_OVER, LETTERS, LOGGED, LOGIN, OVERLAP,
    RECALL, SAME_FILE, SHARED, SLOW, STREAMS, TRESPASS, TURNS, UPLOADS, VISITS, VOICE, Workload,
};

pub(super) use quirks::ODD;
pub(super) use unseen::UNSEEN;

mod quirks;
mod unseen;
mod workload;

/// One thing to try.
#[derive(Debug, Clone, Copy)]
pub(super) struct Row {
    /// What the table calls it.
    pub name: &'static str,
    /// The `--lab-fault`s to plant.
    pub faults: &'static [&'static str],
    /// The `--lab-quirk`s to have beside.
    pub quirks: &'static [&'static str],
    /// The workload that it needs.
    pub scenario: Workload,
    /// What each wrong record should be called, one of these; empty where nothing is wrong.
    pub codes: &'static [Code],
    /// How each text came into an answer that should not hold it.
    pub kind: Option<BleedKind>,
    /// What wrong records have in common.
    pub roots: RootsPer,
    /// The hint at the cause that should be given.
    pub pattern: Option<Pattern>,
    /// How each run should end.
    pub exit: u8,
    /// The trait that the workload lacks, so that the fault must stay unseen and its class be told
    /// as not looked for.
    pub blind: Option<Trait>,
    /// Is the lab's log read too?
    pub reads_log: bool,
}

/// Channels of the workload that has all of them.
const CHANNELS: u64 = 3;

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
        quirks: &[],
        scenario,
        codes,
        kind: None,
        roots: RootsPer::Session,
        pattern: None,
        exit: 1,
        blind: None,
        reads_log: false,
    }
}

/// A lie in the log about what is stored as it should be. That a line is missing is told only after
/// the deadline, which a store that is quick to settle would not let pass.
const fn log_fault(name: &'static str, faults: &'static [&'static str]) -> Row {
    fault(name, faults, LOGGED, &[Code::LogMismatch])
        .roots(RootsPer::Operation)
        .exit(0)
        .reads_log()
}

impl Row {
    const fn roots(mut self, roots: RootsPer) -> Self {
        self.roots = roots;
        self
    }

    const fn kind(mut self, kind: BleedKind) -> Self {
        self.kind = Some(kind);
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

    const fn quirks(mut self, quirks: &'static [&'static str]) -> Self {
        self.quirks = quirks;
        self
    }

    const fn reads_log(mut self) -> Self {
        self.reads_log = true;
        self
    }

    /// Is nothing wrong at all, so that clean records are what is counted?
    pub(super) fn is_clean(&self) -> bool {
        self.faults.is_empty() && self.quirks.is_empty()
    }

    /// Is the target odd, and nothing wrong?
    pub(super) fn is_odd(&self) -> bool {
        self.faults.is_empty() && !self.quirks.is_empty()
    }

    /// What is planted, as on the command line.
    pub(super) fn planted(&self) -> impl Iterator<Item = (&'static str, &'static str)> {
        let faults = self.faults.iter().map(|fault| ("--lab-fault", *fault));
        faults.chain(self.quirks.iter().map(|quirk| ("--lab-quirk", *quirk)))
    }

    /// Must three runs be right, whatever is wrong in each?
    pub(super) fn is_of_runs(&self) -> bool {
        let whole = matches!(self.roots, RootsPer::Run(_));
        let says_one_thing = whole || self.pattern.is_some() || self.codes.is_empty();
        says_one_thing && self.blind.is_none() && !self.faults.is_empty()
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
        "late-binding, 300+",
        &["late-binding:window=2ms:after=300"],
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
    fault(
        "reused-object",
        &["reused-object"],
        CHAT,
        &[Code::WrongOwner],
    )
    .pattern(Pattern::LateBinding),
    fault(
        "reused-object, 50+",
        &["reused-object:users=50"],
        CHAT,
        &[Code::WrongOwner],
    )
    .pattern(Pattern::LateBinding),
    fault("global-user", &["global-user"], CHAT, &[Code::WrongOwner]).pattern(Pattern::Latch),
    fault(
        "inherited-context",
        &["inherited-context"],
        CHAT,
        &[Code::WrongOwner],
    )
    .pattern(Pattern::Latch),
    fault(
        "colliding-ids",
        &["colliding-ids"],
        VISITS,
        &[Code::WrongOwner],
    ),
    fault(
        "colliding-ids, 20+",
        &["colliding-ids:from=20"],
        VISITS,
        &[Code::WrongOwner],
    ),
    fault(
        "first-writer-owns",
        &["first-writer-owns"],
        ALTERNATING,
        &[Code::WrongOwner],
    )
    .roots(RootsPer::Operation),
    fault(
        "foreign-answer",
        &["foreign-answer:rate=0.3"],
        CHAT,
        &[Code::WrongOwner],
    )
    .roots(RootsPer::Place),
    fault(
        "split-owner",
        &["split-owner"],
        TURNS,
        &[Code::SplitIdentity],
    ),
    fault(
        "stale-login",
        &["stale-login"],
        HAND_OVER,
        &[Code::StaleIdentity],
    )
    .roots(RootsPer::Operation),
    fault(
        "sticky-connection",
        &["sticky-connection"],
        SHARED,
        &[Code::WrongOwner],
    )
    .pattern(Pattern::Latch),
    fault(
        "colliding-logins",
        &["colliding-logins"],
        LOGIN,
        &[Code::WrongOwner],
    )
    .pattern(Pattern::Latch),
    fault(
        "stale-connection",
        &["stale-connection"],
        GATEWAY,
        &[Code::ResponseBleed],
    )
    .kind(BleedKind::Transport)
    .roots(RootsPer::Record)
    .pattern(Pattern::Shift),
    fault(
        "crossed-sockets",
        &["crossed-sockets"],
        VOICE,
        &[Code::ResponseBleed],
    )
    .kind(BleedKind::Transport)
    .roots(RootsPer::Record),
    fault(
        "stream-mix",
        &["stream-mix"],
        STREAMS,
        &[Code::ResponseBleed],
    )
    .kind(BleedKind::Streamed)
    .roots(RootsPer::Record),
    fault(
        "global-retrieval",
        &["global-retrieval"],
        RECALL,
        &[Code::ResponseBleed],
    )
    .kind(BleedKind::Retrieval)
    .roots(RootsPer::Record),
    fault(
        "shared-cache",
        &["shared-cache"],
        RECALL,
        &[Code::ResponseBleed],
    )
    .kind(BleedKind::Cached)
    .roots(RootsPer::Record),
    fault(
        "shared-agent",
        &["shared-agent"],
        RECALL,
        &[Code::ResponseBleed],
    )
    .kind(BleedKind::Retrieval)
    .roots(RootsPer::Record),
    fault("cold-start", &["cold-start"], CHAT, &[Code::WrongOwner]).pattern(Pattern::Latch),
    // Who may not is kept out, and nothing is found.
    fault("no open route", &[], TRESPASS, &[])
        .exit(0)
        .quirks(&["warmed-up"]),
    fault("open-route", &["open-route"], TRESPASS, &[Code::Trespass]).roots(RootsPer::Run(1)),
    fault(
        "open-route, a turn",
        &["open-route:route=chat"],
        TRESPASS,
        &[Code::Trespass],
    )
    .roots(RootsPer::Uncounted),
    fault(
        "open-route, deletion",
        &["open-route:route=delete"],
        TRESPASS,
        &[Code::Trespass],
    )
    .roots(RootsPer::Uncounted),
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
        "shared-file",
        &["shared-file"],
        SAME_FILE,
        &[Code::WrongOwner, Code::PartialIngest],
    )
    .roots(RootsPer::Uncounted),
    fault(
        "lose-chunk",
        &["lose-chunk:rate=0.5"],
        UPLOADS,
        &[Code::PartialIngest],
    ),
    fault(
        "drop-after-ack",
        &["drop-after-ack:rate=0.3"],
        CHAT,
        &[Code::Lost],
    )
    .roots(RootsPer::Operation)
    .pattern(Pattern::Silent),
    fault("wedge", &["wedge"], CHAT, &[Code::Lost])
        .roots(RootsPer::Run(1))
        .pattern(Pattern::Stall),
    fault(
        "length-limit",
        &["length-limit:limit=1000"],
        LETTERS,
        &[Code::Lost],
    )
    .roots(RootsPer::Operation),
    fault(
        "last-two-turns",
        &["last-two-turns"],
        OVERLAP,
        &[Code::Lost, Code::Duplicate],
    )
    .roots(RootsPer::Uncounted),
    fault(
        "double-write",
        &["double-write:rate=0.3"],
        CHAT,
        &[Code::Duplicate],
    )
    .roots(RootsPer::Operation),
    fault("blind-retry", &["blind-retry"], BUSY, &[Code::Duplicate])
        .quirks(&["slow-writes"])
        .roots(RootsPer::Operation),
    fault(
        "reorder-writes",
        &["reorder-writes:rate=0.3:delay=500ms"],
        TURNS,
        &[Code::Reordered],
    )
    .roots(RootsPer::Session),
    fault("truncate", &["truncate"], LETTERS, &[Code::Torn]).roots(RootsPer::Operation),
    fault(
        "flip-bytes",
        &["flip-bytes:rate=0.3"],
        CHAT,
        &[Code::Altered],
    )
    .roots(RootsPer::Operation),
    fault(
        "replay-old-run",
        &["replay-old-run:rate=0.3"],
        CHAT,
        &[Code::Resurrected],
    )
    .roots(RootsPer::Record),
    fault("invent", &["invent:rate=0.3"], CHAT, &[Code::Phantom]).roots(RootsPer::Record),
    fault(
        "damage-canary",
        &["damage-canary:rate=0.3"],
        CHAT,
        &[Code::Unattributable],
    )
    .roots(RootsPer::Record)
    .exit(4),
    fault(
        "store-then-fail",
        &["store-then-fail:rate=0.3"],
        CHAT,
        &[Code::Ghost],
    )
    .roots(RootsPer::Operation)
    .exit(0),
    fault("slow-store", &["slow-store"], SLOW, &[Code::Late])
        .roots(RootsPer::Operation)
        .exit(0),
    fault("page-lost", &["page-lost"], CHAT, &[]).exit(4),
    log_fault("log-no-user", &["log-no-user:rate=0.3"]),
    log_fault("log-wrong-user", &["log-wrong-user:rate=0.3"]),
    log_fault("log-no-end", &["log-no-end:rate=0.3"]),
    fault(
        "log-completed-not-stored",
        &["log-completed-not-stored:rate=0.3"],
        CHAT,
        &[Code::Lost, Code::LogMismatch],
    )
    .roots(RootsPer::Uncounted)
    .reads_log(),
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::lab::{FaultKind, FaultSpec, QuirkKind};
    use crate::scenario;

    fn all() -> impl Iterator<Item = &'static Row> {
        MATRIX.iter().chain(ODD).chain(UNSEEN)
    }

    #[test]
    fn every_row_has_its_own_name_and_plants_what_the_lab_knows() {
        let mut names = BTreeSet::new();
        for row in all() {
            assert!(names.insert(row.name), "{} is there twice", row.name);
            for fault in row.faults {
                assert!(fault.parse::<FaultSpec>().is_ok(), "{fault}");
            }
        }
    }

    #[test]
    fn every_fault_that_a_workload_does_not_show_is_shown_by_another() {
        for row in UNSEEN {
            let seen = |other: &&Row| other.faults == row.faults && !other.codes.is_empty();
            let seen = MATRIX.iter().find(seen);
            let seen = seen.map(|other| (other.scenario, other.quirks));
            assert!(row.blind.is_some() && seen.is_some(), "{}", row.name);
            assert_ne!(seen, Some((row.scenario, row.quirks)), "{}", row.name);
        }
    }

    #[test]
    fn every_fault_has_a_row() {
        let kind = |fault: &&str| fault.parse::<FaultSpec>().unwrap().kind;
        let planted: Vec<FaultKind> = MATRIX
            .iter()
            .flat_map(|row| row.faults.iter().map(kind))
            .collect();
        for fault in FaultKind::ALL {
            assert!(planted.contains(&fault), "{fault}");
        }
    }

    #[test]
    fn every_quirk_has_a_row() {
        let planted: Vec<QuirkKind> = ODD
            .iter()
            .flat_map(|row| row.quirks.iter().map(|quirk| quirk.parse().unwrap()))
            .collect();
        assert_eq!(planted, QuirkKind::ALL);
    }

    #[test]
    fn every_workload_is_valid_and_for_the_lab() {
        for row in all() {
            let Workload { name, text } = row.scenario;
            let valid = scenario::parse(name, text, name).unwrap();
            assert_eq!(valid.target.url, None, "{name}");
            let few = row.blind == Some(Trait::ManyUsers);
            assert_eq!(valid.users < 50, few, "{name}");
        }
    }
}
