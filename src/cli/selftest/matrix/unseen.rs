//! What a workload does not show: each fault that only one trait shows, against a workload that lacks
//! the trait. Such a run must pass, and say what it lacked.

use crate::model::Trait;

use super::workload::{BUSY, CHAT, FEW, LONG, OWN_AGENTS, OWN_FILES, PACED, SPREAD, Workload};
use super::{Row, fault};

/// Each fault that only one trait shows, against a workload that lacks it: what the full self-test
/// tries beside.
pub(in crate::cli::selftest) const UNSEEN: &[Row] = &[
    blind("no same words", &["shared-cache"], CHAT, Trait::SameWords),
    blind(
        "no early question",
        &["global-retrieval"],
        CHAT,
        Trait::AskBeforeTelling,
    ),
    blind(
        "no same file",
        &["shared-file"],
        OWN_FILES,
        Trait::SameFileName,
    ),
    blind("no server ids", &["colliding-ids"], CHAT, Trait::ServerIds),
    blind("no hand-over", &["stale-login"], CHAT, Trait::HandOver),
    blind(
        "no shared session",
        &["first-writer-owns"],
        CHAT,
        Trait::SharedSession,
    ),
    blind("no cancels", &["stale-connection"], CHAT, Trait::Cancels),
    blind(
        "no overlap",
        &["last-two-turns"],
        PACED,
        Trait::SessionOverlap,
    ),
    blind(
        "no long texts",
        &["length-limit:limit=1000"],
        CHAT,
        Trait::LongTexts,
    ),
    blind(
        "no short sessions",
        &["late-binding:window=2ms:after=300"],
        LONG,
        Trait::ManyShortSessions,
    ),
    blind(
        "no common start",
        &["colliding-ids:from=20"],
        SPREAD,
        Trait::StartsTogether,
    ),
    blind(
        "no many users",
        &["reused-object:users=50"],
        FEW,
        Trait::ManyUsers,
    ),
    blind(
        "no shared connect.",
        &["sticky-connection"],
        CHAT,
        Trait::SharedConnections,
    ),
    blind("no re-login", &["colliding-logins"], CHAT, Trait::Relogin),
    blind(
        "no same agent",
        &["shared-agent"],
        OWN_AGENTS,
        Trait::SameAgent,
    ),
    blind("no slow store", &["blind-retry"], BUSY, Trait::SlowStore),
    blind(
        "no first start",
        &["cold-start"],
        CHAT,
        Trait::FirstAfterStart,
    )
    .quirks(&["warmed-up"]),
];

/// A fault that a workload without this trait does not show.
const fn blind(
    name: &'static str,
    faults: &'static [&'static str],
    scenario: Workload,
    lacking: Trait,
) -> Row {
    let mut row = fault(name, faults, scenario, &[]).exit(0);
    row.blind = Some(lacking);
    row
}
