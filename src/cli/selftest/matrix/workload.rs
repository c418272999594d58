//! The workloads of a self-test: scenarios that are made for finding something in a few seconds.

/// A scenario that is made for finding something in a few seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::cli::selftest) struct Workload {
    /// Its file's stem.
    pub name: &'static str,
    /// Its TOML.
    pub text: &'static str,
}

pub(super) const CHAT: Workload = workload("chat", include_str!("../scenarios/chat.toml"));
pub(super) const TURNS: Workload = workload("turns", include_str!("../scenarios/turns.toml"));
pub(super) const LETTERS: Workload = workload("letters", include_str!("../scenarios/letters.toml"));
pub(super) const RECALL: Workload = workload("recall", include_str!("../scenarios/recall.toml"));
pub(super) const OWN_AGENTS: Workload =
    workload("own-agents", include_str!("../scenarios/own-agents.toml"));
pub(super) const BUSY: Workload = workload("busy", include_str!("../scenarios/busy.toml"));
pub(super) const HAND_OVER: Workload =
    workload("hand-over", include_str!("../scenarios/hand-over.toml"));
pub(super) const ALTERNATING: Workload =
    workload("alternating", include_str!("../scenarios/alternating.toml"));
pub(super) const OVERLAP: Workload = workload("overlap", include_str!("../scenarios/overlap.toml"));
pub(super) const VISITS: Workload = workload("visits", include_str!("../scenarios/visits.toml"));
pub(super) const GATEWAY: Workload = workload("gateway", include_str!("../scenarios/gateway.toml"));
pub(super) const UPLOADS: Workload = workload("uploads", include_str!("../scenarios/uploads.toml"));
pub(super) const OWN_FILES: Workload =
    workload("own-files", include_str!("../scenarios/own-files.toml"));
pub(super) const SAME_FILE: Workload =
    workload("same-file", include_str!("../scenarios/same-file.toml"));
pub(super) const SLOW: Workload = workload("slow", include_str!("../scenarios/slow.toml"));
pub(super) const PACED: Workload = workload("paced", include_str!("../scenarios/paced.toml"));
pub(super) const VOICE: Workload = workload("voice", include_str!("../scenarios/voice.toml"));
pub(super) const STREAMS: Workload = workload("streams", include_str!("../scenarios/streams.toml"));
pub(super) const ALL_KINDS: Workload = workload("all", include_str!("../scenarios/all.toml"));
pub(super) const CLEAN: Workload = workload("clean", include_str!("../scenarios/clean.toml"));
pub(super) const LONG: Workload = workload("long", include_str!("../scenarios/long.toml"));
pub(super) const SPREAD: Workload = workload("spread", include_str!("../scenarios/spread.toml"));
pub(super) const SHARED: Workload = workload("shared", include_str!("../scenarios/shared.toml"));
pub(super) const FEW: Workload = workload("few", include_str!("../scenarios/few.toml"));
pub(super) const LOGGED: Workload = workload("logged", include_str!("../scenarios/logged.toml"));
pub(super) const LOGIN: Workload = workload("login", include_str!("../scenarios/login.toml"));
pub(super) const TRESPASS: Workload =
    workload("trespass", include_str!("../scenarios/trespass.toml"));
pub(super) const QUIRKS: Workload = workload("quirks", include_str!("../scenarios/quirks.toml"));

const fn workload(name: &'static str, text: &'static str) -> Workload {
    Workload { name, text }
}
