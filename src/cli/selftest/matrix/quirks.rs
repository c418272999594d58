//! What honest targets do too: in none of these runs is anything wrong, so nothing may be found, and
//! none may fail.

use super::workload::QUIRKS;
use super::{Row, fault};

/// Every quirk of the lab, and how a run against it ends.
pub(in crate::cli::selftest) const ODD: &[Row] = &[
    quirk("slow-writes", &["slow-writes"]),
    quirk("double-listing", &["double-listing"]),
    quirk("restyled-text", &["restyled-text"]),
    quirk("summariser", &["summariser"]),
    quirk("merged-chunks", &["merged-chunks"]),
    quirk("apologies", &["apologies"]),
    quirk("lost-answers", &["lost-answers"]),
    quirk("lost-requests", &["lost-requests"]),
    quirk("clock-off", &["clock-off"]),
    quirk("shuffled-pages", &["shuffled-pages"]),
    quirk("other-runs", &["other-runs"]),
    quirk("echo-refused", &["echo-refused"]),
    quirk("restart", &["restart"]),
    quirk("colleague", &["colleague"]),
    quirk("warmed-up", &["warmed-up"]),
];

/// A target with an oddity, and nothing wrong: the run passes.
const fn quirk(name: &'static str, quirks: &'static [&'static str]) -> Row {
    let mut row = fault(name, &[], QUIRKS, &[]).exit(0);
    row.quirks = quirks;
    row
}
