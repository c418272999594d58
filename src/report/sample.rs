//! Reports to test renderers with: a pass, a failure, and a crashed run that proves nothing.

use std::collections::BTreeMap;

use super::{
    AnomalyCount, Bound, Control, Ended, Exposure, FindingDetail, Generator, HintDetail, Latency,
    Left, OpCounts, OpDetail, PersistenceLag, Quantiles, ReadBack, RecordCounts, Report,
    ScheduleLag, SightingDetail, next_step, not_tried, schema_version,
};
use crate::model::{
    Code, InconclusiveReason, OpKind, Pattern, Proof, RecordType, RunId, Seed, Severity, Trait,
    Verdict,
};

/// A clean run against the lab.
pub(super) fn passed() -> Report {
    let mut report = Report {
        logs: None,
        schema_version: schema_version(),
        tool_version: "0.1.0".to_owned(),
        created: "2026-01-31T14:03:11.480Z".to_owned(),
        run_id: RunId(0x7a3b_01c2),
        run_folder: "reports/7a3b01c2".to_owned(),
        scenario: "quick".to_owned(),
        target: "lab".to_owned(),
        memory: "lab".to_owned(),
        lab_faults: Vec::new(),
        lab_quirks: Vec::new(),
        lab_profile: None,
        seed: Seed(7),
        plan_digest: "5f1c0e8a9b7d4c3e2a1f0d9c8b7a6e5d".to_owned(),
        verdict: Verdict::Pass,
        exit_code: 0,
        inconclusive_reasons: Vec::new(),
        ended: Ended::Finished,
        wall_seconds: 41.37,
        unjudged_ms: None,
        anomalies: BTreeMap::new(),
        findings: Vec::new(),
        accepted: Vec::new(),
        ops: BTreeMap::from([
            (OpKind::Chat, counts(Some(1_000), 1_000)),
            (OpKind::Upload, counts(Some(60), 60)),
            (OpKind::Voice, counts(None, 80)),
        ]),
        records: RecordCounts {
            sessions: 240,
            messages: 2_160,
            facts: 360,
            unattributable: 0,
        },
        read_back: read_back(),
        exposure: Exposure {
            pairs: 48_210,
            peak_users: 100,
        },
        traits: traits(),
        not_tried: not_tried(&traits()),
        routes: BTreeMap::new(),
        bound: Bound {
            unit: "sessions".to_owned(),
            n: 300,
            crossed: 0,
            upper_95: 0.009_936,
        },
        control: Control {
            planted: 2,
            found: 2,
        },
        control_arm: None,
        streams: None,
        latency_us: BTreeMap::from([
            (OpKind::Chat, latency(84_000)),
            (OpKind::Upload, latency(120_400)),
            (OpKind::Voice, latency(1_310_000)),
        ]),
        persistence_lag_ms: BTreeMap::from([
            (OpKind::Chat, lag(400)),
            (OpKind::Upload, lag(1_900)),
        ]),
        generator: generator(),
        left: Left::default(),
        next: String::new(),
    };
    report.next = next_step(&report);
    report
}

/// A staging run in which late binding crossed users.
pub(super) fn failed() -> Report {
    let mut report = Report {
        run_id: RunId(0x9d2f_00aa),
        run_folder: "reports/9d2f00aa".to_owned(),
        scenario: "staging".to_owned(),
        target: "https://staging.example".to_owned(),
        memory: "https://zep.staging.example".to_owned(),
        seed: Seed(8),
        verdict: Verdict::Fail,
        exit_code: 1,
        wall_seconds: 190.2,
        anomalies: BTreeMap::from([
            (
                Code::WrongOwner,
                AnomalyCount {
                    roots: 5,
                    records: 13,
                },
            ),
            (
                Code::Lost,
                AnomalyCount {
                    roots: 1,
                    records: 1,
                },
            ),
        ]),
        findings: vec![
            wrong_owner(17, 18),
            wrong_owner(4, 31),
            lost(),
            wrong_owner(8, 9),
        ],
        left: Left {
            sessions: 240,
            facts: 360,
        },
        routes: BTreeMap::new(),
        bound: Bound {
            unit: "sessions".to_owned(),
            n: 300,
            crossed: 5,
            upper_95: 0.038_4,
        },
        ..passed()
    };
    report.next = next_step(&report);
    report
}

/// A run whose tester died, against a target that then stopped answering.
pub(super) fn crashed() -> Report {
    let mut report = Report {
        run_id: RunId(0x0000_00c4),
        run_folder: "reports/000000c4".to_owned(),
        target: "http://127.0.0.1:8080".to_owned(),
        memory: "http://127.0.0.1:8081".to_owned(),
        verdict: Verdict::Inconclusive,
        exit_code: 4,
        inconclusive_reasons: vec![
            InconclusiveReason::ReadBackIncomplete,
            InconclusiveReason::Interrupted,
        ],
        ended: Ended::Crashed,
        wall_seconds: 12.0,
        unjudged_ms: Some(1_250),
        ops: BTreeMap::from([
            (
                OpKind::Chat,
                OpCounts {
                    planned: Some(20_000),
                    ok: 9_100,
                    soft_fail: 3,
                    refused: 12,
                    unsent: 41,
                    unknown: 87,
                    recovered: 40,
                    not_started: 10_717,
                },
            ),
            (OpKind::Voice, counts(Some(80), 80)),
        ]),
        read_back: ReadBack {
            complete: false,
            incomplete_reason: Some("page 3 of the sessions did not answer within 30 s".to_owned()),
            settled: false,
            settled_after_ms: None,
            scans: 2,
            unsteady_sessions: 0,
        },
        routes: BTreeMap::new(),
        bound: Bound {
            unit: "sessions".to_owned(),
            n: 0,
            crossed: 0,
            upper_95: 1.0,
        },
        left: Left {
            sessions: 240,
            facts: 360,
        },
        ..passed()
    };
    report.next = next_step(&report);
    report
}

fn traits() -> BTreeMap<Trait, u64> {
    BTreeMap::from([
        (Trait::ServerIds, 60),
        (Trait::SameFileName, 0),
        (Trait::SameAgent, 1_080),
        (Trait::ManyShortSessions, 300),
    ])
}

fn read_back() -> ReadBack {
    ReadBack {
        complete: true,
        incomplete_reason: None,
        settled: true,
        settled_after_ms: Some(6_000),
        scans: 4,
        unsteady_sessions: 0,
    }
}

fn generator() -> Generator {
    Generator {
        saturated: false,
        schedule_lag_us: ScheduleLag {
            p50: 40,
            p99: 210,
            max: 1_900,
        },
        cpu_seconds: 3.25,
        rss_max_bytes: 61_440_000,
    }
}

fn counts(planned: Option<u64>, ok: u64) -> OpCounts {
    OpCounts {
        planned,
        ok,
        ..OpCounts::default()
    }
}

fn latency(p95: u64) -> Latency {
    let service = Quantiles {
        p50: p95 / 2,
        p90: p95 - p95 / 10,
        p95,
        p99: p95 * 2,
        p999: p95 * 3,
        max: p95 * 4,
        samples: 1_000,
    };
    Latency {
        service,
        from_intended: service,
    }
}

fn lag(p95: u64) -> PersistenceLag {
    PersistenceLag {
        p50: p95 / 2,
        p90: p95 - p95 / 10,
        p95,
        p99: p95 * 2,
        max: p95 * 3,
        samples: 50,
    }
}

fn op(user: u32, session: u32, seq: u16, sent_at_us: u64) -> OpDetail {
    OpDetail {
        op: format!("s{session}.{seq}"),
        seq,
        user: format!("cw-9d2f00aa-u{user}"),
        session: format!("cw-9d2f00aa-u{user}-s{session}"),
        kind: OpKind::Chat,
        sent_at: format!("2026-01-31T14:02:{:02}.480Z", sent_at_us / 1_000_000),
        sent_at_us,
        ended_at_us: Some(sent_at_us + 84_000),
        request_id: format!("{:016x}", 0x5f1c_0000_0000_0000 + u64::from(user)),
    }
}

fn wrong_owner(from: u32, under: u32) -> FindingDetail {
    let session = format!("cw-9d2f00aa-u{from}-s{}", from * 2);
    FindingDetail {
        code: Code::WrongOwner,
        severity: Severity::S1,
        proof: Proof::Proved,
        claim: format!("user {from}'s message is stored under user {under}"),
        because: format!(
            "the message holds a canary that only user {from} sent, and two reads name user \
             {under} as its owner"
        ),
        sender: Some(format!("cw-9d2f00aa-u{from}")),
        found_under: Some(format!("cw-9d2f00aa-u{under}")),
        ops: vec![
            op(from, from * 2, 3, 11_000_000),
            op(under, under * 2, 0, 11_042_300),
        ],
        sightings: ["session", "message", "message"]
            .iter()
            .enumerate()
            .map(|(n, what)| SightingDetail {
                code: Code::WrongOwner,
                record_type: RecordType::from_name(what).unwrap(),
                record_id: Some(format!("0b8e4d1c-2f6a-4c1e-9a{from:02}-7d5e3f1a2b{n:02}")),
                owner: Some(format!("dev-oid-cw-9d2f00aa-u{under}")),
                session: Some(session.clone()),
                op: Some(format!("s{}.3", from * 2)),
                canary: None,
                excerpt: None,
            })
            .collect(),
        sightings_total: 3,
        explains: 2,
        pattern: Some(Pattern::LateBinding),
        hint: Some(HintDetail::LateBinding {
            op: op(under, under * 2, 0, 11_042_300),
            apart_us: 42_300,
        }),
        kind: None,
        accepted: None,
    }
}

fn lost() -> FindingDetail {
    FindingDetail {
        code: Code::Lost,
        severity: Severity::S2,
        proof: Proof::Proved,
        claim: "user 22's chat turn was answered and never stored".to_owned(),
        because: "the answer promised a message, and three equal complete scans lack it".to_owned(),
        sender: Some("cw-9d2f00aa-u22".to_owned()),
        found_under: None,
        ops: vec![op(22, 44, 1, 20_000_000)],
        sightings: vec![SightingDetail {
            code: Code::Lost,
            record_type: RecordType::Message,
            record_id: None,
            owner: None,
            session: None,
            op: Some("s44.1".to_owned()),
            canary: Some("zqlusabbabadbabafgutihgutihdabohsabablusabba".to_owned()),
            excerpt: None,
        }],
        sightings_total: 1,
        explains: 0,
        pattern: Some(Pattern::Silent),
        hint: Some(HintDetail::Silent),
        kind: None,
        accepted: None,
    }
}
