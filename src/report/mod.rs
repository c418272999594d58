//! What a run has shown, for people and for programs.
//!
//! [`Report`] is the one view model. Its serde form is the JSON report; every other form is a
//! function of it in [`render`]. What a self-test has shown is [`selftest::SelfTest`]. Nothing
//! here judges: verdict, findings and counts come in as they were decided, and nothing here reads
//! a clock, a disk or a network.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::model::{
    BleedKind, Code, InconclusiveReason, OpKind, Route, RunId, Seed, Standing, Trait, Verdict,
};

mod arms;
mod detail;
mod hint;
mod next;
pub mod render;
pub mod selftest;
mod tally;
#[cfg(test)]
mod sample;
mod version;

pub use arms::ControlArmDetail;
pub use detail::{
    FindingDetail, Lookup, OpDetail, SIGHTINGS_PER_FINDING_MAX, SightingDetail, finding_details,
    rfc3339,
};
pub use hint::HintDetail;
pub use next::next_step;
pub use tally::{Began, Tally};
pub use version::{ReadError, read, schema_version};

/// Everything that a run has shown. Maps hold one entry for each kind, trait or anomaly that
/// occurs; times are in the unit that the field's name ends in.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// Version of this form, `major.minor`.
    pub schema_version: String,
    /// Version of the Crosswire that made the report.
    pub tool_version: String,
    /// When the report was made, RFC 3339, UTC.
    pub created: String,
    /// The run: eight hexadecimal digits, part of every name that it left at the target.
    pub run_id: RunId,
    /// Where the run's ledger is, as the user would type it.
    pub run_folder: String,
    /// The scenario's name.
    pub scenario: String,
    /// Base URL of the backend under test; `lab` for the embedded practice target.
    pub target: String,
    /// Base URL of the store that was read back; `lab` for the embedded one, `none` without.
    pub memory: String,
    /// Faults that were switched on in the embedded lab, as they were asked for.
    pub lab_faults: Vec<String>,
    /// Oddities of the embedded lab that are no faults, as they were asked for. Since 1.1.
    #[serde(default)]
    pub lab_quirks: Vec<String>,
    /// Whose behaviour the embedded lab had; null for the usual one. Since 1.1.
    #[serde(default)]
    pub lab_profile: Option<String>,
    /// The number from which the plan was computed.
    pub seed: Seed,
    /// Identifies the plan; equal for equal scenario, seed and version, whatever the run.
    pub plan_digest: String,
    /// What the run has shown.
    pub verdict: Verdict,
    /// The exit code that goes with it: 0 pass, 1 fail, 4 inconclusive.
    pub exit_code: u8,
    /// Why nothing was shown, each reason once. Filled beside a `fail` too, where something
    /// else is missing.
    pub inconclusive_reasons: Vec<InconclusiveReason>,
    /// How the run ended.
    pub ended: Ended,
    /// Seconds from the first operation's start to the end of the judgement.
    pub wall_seconds: f64,
    /// Milliseconds at the end of a crashed run that cannot be judged for loss; null otherwise.
    pub unjudged_ms: Option<u64>,
    /// Exact counts of each anomaly that was proved.
    pub anomalies: BTreeMap<Code, AnomalyCount>,
    /// The findings, gravest first, at most `CAPSULES_PER_CODE_MAX` of each code.
    pub findings: Vec<FindingDetail>,
    /// Findings that the scenario accepts: shown and counted, not failed.
    pub accepted: Vec<Accepted>,
    /// What became of the operations of each kind.
    pub ops: BTreeMap<OpKind, OpCounts>,
    /// What was read from the store.
    pub records: RecordCounts,
    /// How completely the store was read.
    pub read_back: ReadBack,
    /// What the target's logs said; left out where none were read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub logs: Option<Logs>,
    /// How much opportunity for a mix-up there was.
    pub exposure: Exposure,
    /// Operations that had each trait; 0 for a trait that the load did not try.
    pub traits: BTreeMap<Trait, u64>,
    /// The traits that no operation had, with the classes of bugs that were not looked for.
    pub not_tried: Vec<NotTried>,
    /// What became of attempts to reach sessions without the right to them, for each route that
    /// was tried; left out where none was. Since 1.3.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub routes: BTreeMap<Route, RouteTried>,
    /// What the run allows to say about this load.
    pub bound: Bound,
    /// The planted mix-up that the checker must find.
    pub control: Control,
    /// The same operations one at a time; left out where there was no control arm.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub control_arm: Option<ControlArmDetail>,
    /// Answer times of each kind with at least one answer.
    pub latency_us: BTreeMap<OpKind, Latency>,
    /// How the chunks of streamed answers came; left out where there were none. Since 1.3.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub streams: Option<Streams>,
    /// From the answer until the promised record was visible, of a polled sample.
    pub persistence_lag_ms: BTreeMap<OpKind, PersistenceLag>,
    /// What the generator says of itself.
    pub generator: Generator,
    /// Records that the run left at the target; zero for the embedded lab, which is gone.
    pub left: Left,
    /// What to do next: words, a colon, and a command, or words alone.
    pub next: String,
}

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Ended {
    /// The plan was done.
    Finished,
    /// The user stopped it.
    Interrupted,
    /// It stopped at the first proved finding, as it was asked to. Since 1.1.
    StoppedAtFinding,
    /// The target stopped answering.
    TargetLost,
    /// The target asked for less load.
    TargetThrottled,
    /// So many operations had begun as it was allowed. Since 1.1.
    MaxOps,
    /// So many calls of a language model had been made as it was allowed. Since 1.1.
    MaxModelCalls,
    /// Operations had begun for as long as it was allowed. Since 1.1.
    MaxWall,
    /// The tester died; the report was made from what was committed.
    Crashed,
}

/// Exact counts of one anomaly, whatever number of findings is listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct AnomalyCount {
    /// Proved findings of this code.
    pub roots: u64,
    /// Records and absences with this anomaly that these findings are about.
    pub records: u64,
}

/// An entry of the scenario's `[[accept]]`, and what it accepted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Accepted {
    /// The anomaly.
    pub code: Code,
    /// Why it is accepted, in the scenario's words.
    pub reason: String,
    /// Its channel; null for all.
    pub channel: Option<OpKind>,
    /// Of `response-bleed`, the kind that it names; left out otherwise. Since 1.2.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<BleedKind>,
    /// The owner that it names, `none` for nobody; null for any.
    pub owner: Option<String>,
    /// Its last day; null if it never ends.
    pub until: Option<String>,
    /// Is its last day over, so that it accepts nothing?
    pub expired: bool,
    /// Findings that were moved here.
    pub roots: u64,
    /// Their affected records.
    pub records: u64,
}

/// What became of the operations of one kind. Each operation is counted once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct OpCounts {
    /// In the plan; null where the number depends on the target's speed.
    pub planned: Option<u64>,
    /// Answered as promised.
    pub ok: u64,
    /// A success status whose body is an error.
    pub soft_fail: u64,
    /// A claimed failure: 4xx or 5xx.
    pub refused: u64,
    /// Not one byte was written.
    pub unsent: u64,
    /// The target may or may not have done it, and no record of it was found.
    pub unknown: u64,
    /// Without a known outcome, yet found in the store.
    pub recovered: u64,
    /// Planned and never begun; 0 where the plan is open-ended.
    pub not_started: u64,
}

/// Records in the last complete scan, else in the last one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct RecordCounts {
    /// Sessions of this run.
    pub sessions: u64,
    /// Messages of this run's sessions.
    pub messages: u64,
    /// Facts under this run's users or with its canaries.
    pub facts: u64,
    /// Records without a sound canary, in sessions or under users of this run.
    pub unattributable: u64,
}

/// How completely the store was read.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ReadBack {
    /// Was everything read, page counts equal to announced totals?
    pub complete: bool,
    /// Why not, where not and where known.
    pub incomplete_reason: Option<String>,
    /// Were the last scans equal for long enough?
    pub settled: bool,
    /// From the last operation's end until then; null if it never settled.
    pub settled_after_ms: Option<u64>,
    /// Scans of the whole store.
    pub scans: u64,
    /// Sessions whose messages the store listed in another order from one reading to the next.
    /// With any, its order says nothing, and in no session was the order of turns compared.
    /// Since 1.1.
    #[serde(default)]
    pub unsteady_sessions: u64,
}

/// What was read of the target's logs.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Logs {
    /// Where from, as given.
    pub sources: Vec<String>,
    /// Lines.
    pub lines: u64,
    /// Lines about background tasks of this run.
    pub task_lines: u64,
    /// Was any line about a background task seen, of whatever run? If not, the target does not
    /// log them.
    pub supported: bool,
    /// Operations that ended `ok`.
    pub ok: u64,
    /// Of these, those whose request or trace id was seen.
    pub ids_seen: u64,
    /// Lines about background tasks that name neither a request of this run nor a user.
    pub nameless: u64,
    /// What went wrong with sources.
    pub problems: Vec<String>,
}

/// How much opportunity for a mix-up there was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Exposure {
    /// Pairs of operations of different users that overlapped in time.
    pub pairs: u64,
    /// Users with an operation in flight at one moment, at most.
    pub peak_users: u64,
}

/// A trait that no operation had.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NotTried {
    /// The trait.
    #[serde(rename = "trait")]
    pub name: Trait,
    /// The class of bugs that stays hidden without it.
    pub shows: String,
}

/// What became of attempts to reach sessions over one route without the right to them.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct RouteTried {
    /// Sessions at which it was tried.
    pub sessions: u64,
    /// Of these, sessions of which it could be judged: their own user got through, and a session
    /// that nobody has showed nothing.
    pub provable: u64,
    /// Attempts that were turned away.
    pub refused: u64,
    /// Attempts that were answered as done, whatever they showed.
    pub answered: u64,
    /// Of these, attempts of which it is proved that they got through.
    pub proved: u64,
    /// Attempts without an answer.
    pub unknown: u64,
    /// With whose credentials it was tried.
    pub tried: Vec<Standing>,
    /// With whose it was not: there are none such.
    pub not_tried: Vec<Standing>,
}

/// The traits among those counted that no operation had, in report order.
pub fn not_tried(traits: &BTreeMap<Trait, u64>) -> Vec<NotTried> {
    let untried = traits.iter().filter(|(_, ops)| **ops == 0);
    untried
        .map(|(name, _)| NotTried {
            name: *name,
            shows: name.shows().to_owned(),
        })
        .collect()
}

/// What the run allows to say about this load.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Bound {
    /// What is counted: `sessions`, because records of one session are not independent.
    pub unit: String,
    /// How many were judged.
    pub n: u64,
    /// How many of them crossed between users.
    pub crossed: u64,
    /// Upper end of the 95 % interval of the true share, 0 to 1; 1 if nothing was judged.
    pub upper_95: f64,
}

/// The planted mix-up that the checker must find.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Control {
    /// Records that were planted between reading and judging.
    pub planted: u64,
    /// Planted records that were found.
    pub found: u64,
}

/// Answer times of one kind, in microseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Latency {
    /// From the actual start of the operation.
    pub service: Quantiles,
    /// From the start that the plan intended, so that waiting is not hidden.
    pub from_intended: Quantiles,
}

/// How the chunks of streamed answers came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Streams {
    /// From the actual start of an operation to its first chunk.
    pub first_chunk_us: Quantiles,
    /// From each chunk to the next.
    pub chunk_gap_us: Quantiles,
}

/// Quantiles of answer times, in microseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Quantiles {
    /// Half were at most this.
    pub p50: u64,
    /// 90 in 100 were at most this.
    pub p90: u64,
    /// 95 in 100 were at most this.
    pub p95: u64,
    /// 99 in 100 were at most this.
    pub p99: u64,
    /// 999 in 1 000 were at most this.
    pub p999: u64,
    /// The largest.
    pub max: u64,
    /// How many were measured.
    pub samples: u64,
}

/// Quantiles of the delay from answer to visibility, in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct PersistenceLag {
    /// Half were at most this.
    pub p50: u64,
    /// 90 in 100 were at most this.
    pub p90: u64,
    /// 95 in 100 were at most this.
    pub p95: u64,
    /// 99 in 100 were at most this.
    pub p99: u64,
    /// The largest.
    pub max: u64,
    /// How many were measured.
    pub samples: u64,
}

/// What the generator says of itself.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Generator {
    /// Was the generator the limit? Then the run is inconclusive.
    pub saturated: bool,
    /// Actual minus intended start.
    pub schedule_lag_us: ScheduleLag,
    /// CPU seconds used.
    pub cpu_seconds: f64,
    /// Largest resident memory seen, bytes.
    pub rss_max_bytes: u64,
}

/// Quantiles of actual minus intended start, in microseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ScheduleLag {
    /// Half were at most this.
    pub p50: u64,
    /// 99 in 100 were at most this.
    pub p99: u64,
    /// The largest.
    pub max: u64,
}

/// Records that the run left at the target.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Left {
    /// Sessions.
    pub sessions: u64,
    /// Facts.
    pub facts: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_golden_reports_look_as_they_did() {
        for report in [sample::passed(), sample::failed(), sample::crashed()] {
            for format in render::ALL {
                let name = format!("{}-{}", format.name, report.verdict.name());
                insta::assert_snapshot!(name, (format.render)(&report).unwrap());
            }
        }
    }

    #[test]
    fn reports_read_back() {
        for report in [sample::passed(), sample::failed(), sample::crashed()] {
            let json = serde_json::to_string(&report).unwrap();
            assert_eq!(read(&json).unwrap(), report);
        }
    }

    #[test]
    fn the_json_has_every_field_that_readers_rely_on() {
        let value = serde_json::to_value(sample::failed()).unwrap();
        for pointer in [
            "/schema_version",
            "/run_id",
            "/seed",
            "/plan_digest",
            "/verdict",
            "/exit_code",
            "/inconclusive_reasons",
            "/anomalies/wrong-owner/roots",
            "/anomalies/wrong-owner/records",
            "/findings/0/code",
            "/findings/0/severity",
            "/findings/0/claim",
            "/findings/0/ops/0/op",
            "/findings/0/sightings/0/type",
            "/findings/0/explains",
            "/findings/0/pattern",
            "/accepted",
            "/ops/chat/planned",
            "/ops/upload/ok",
            "/ops/voice/soft_fail",
            "/ops/chat/refused",
            "/ops/chat/unsent",
            "/ops/chat/unknown",
            "/ops/chat/recovered",
            "/ops/chat/not_started",
            "/records/sessions",
            "/records/messages",
            "/records/facts",
            "/records/unattributable",
            "/exposure/pairs",
            "/exposure/peak_users",
            "/traits/server-ids",
            "/not_tried/0/trait",
            "/not_tried/0/shows",
            "/bound/unit",
            "/bound/n",
            "/bound/crossed",
            "/bound/upper_95",
            "/control/planted",
            "/control/found",
            "/latency_us/chat/service/p50",
            "/latency_us/chat/service/p90",
            "/latency_us/chat/service/p99",
            "/latency_us/chat/service/p999",
            "/latency_us/chat/service/max",
            "/latency_us/chat/from_intended/p999",
            "/persistence_lag_ms/chat/p50",
            "/persistence_lag_ms/chat/samples",
            "/generator/saturated",
            "/generator/schedule_lag_us/p50",
            "/generator/schedule_lag_us/p99",
            "/generator/schedule_lag_us/max",
            "/generator/cpu_seconds",
            "/generator/rss_max_bytes",
        ] {
            assert!(value.pointer(pointer).is_some(), "{pointer} is missing");
        }
        assert_eq!(value["run_id"], "9d2f00aa");
        assert_eq!(value["verdict"], "fail");
        assert_eq!(value["seed"], 8);
        assert!(value["ops"]["voice"]["planned"].is_null());
    }
}
