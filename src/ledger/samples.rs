//! Sample runs for the tests of this room.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use super::{Ledger, Manifest};
use crate::event::Event;
use crate::model::{
    Affected, BleedKind, CanaryId, CanaryKind, Code, Completion, Echo, Exactness, Finding, GroupIx,
    Hint, Invocation, Likeness, Micros, OpId, OpKind, Outcome, Promise, Proof, RecordType,
    ResourceSample, Role, RunId, Scan, Seed, SeenCanary, SessionIx, Severity, Sighting, TraitSet,
    UserIx,
};

pub(super) const RUN: RunId = RunId(0x0012_abcd);

pub(super) fn manifest() -> Manifest {
    Manifest {
        run: RUN,
        seed: Seed(7),
        plan_digest: "0".repeat(32),
        scenario_json: r#"{"name":"quick"}"#.to_owned(),
        created: "2026-01-31T14:02:11Z".to_owned(),
        created_unix_us: 1_769_868_131_000_000,
        tool_version: "0.1.0".to_owned(),
        target: "http://127.0.0.1:1".to_owned(),
        memory: Some("http://127.0.0.1:2".to_owned()),
        lab_faults: vec!["late-binding".to_owned()],
        lab_quirks: Vec::new(),
        lab_profile: None,
        planned: BTreeMap::from([(OpKind::Chat, Some(10)), (OpKind::Voice, None)]),
        generator_cpus: 2,
    }
}

pub(super) fn op(session: u32, seq: u16) -> OpId {
    OpId {
        session: SessionIx(session),
        seq,
    }
}

pub(super) fn invocation(user: u32, op: OpId, kind: OpKind) -> Invocation {
    Invocation {
        op,
        user: UserIx(user),
        founder: UserIx(user),
        kind,
        group: GroupIx(0),
        intended: Micros(1_000 * u64::from(op.seq)),
        invoked: Micros(1_000 * u64::from(op.seq) + 10),
        text_hash: u64::MAX - u64::from(op.session.0),
        item_first: op.seq,
        item_count: 1,
        request_id: 0x00ab,
        traits: TraitSet(3),
    }
}

pub(super) fn completion(op: OpId, promise: Promise) -> Completion {
    Completion {
        op,
        completed: Micros(1_000 * u64::from(op.seq) + 500),
        sent: Some(Micros(1_000 * u64::from(op.seq) + 20)),
        outcome: Outcome::Ok,
        status: Some(200),
        promise,
        echo: Echo::Own,
        server_session: None,
        detail: None,
    }
}

pub(super) const BOTH_MESSAGES: Promise = Promise {
    user_message: true,
    assistant_message: true,
    blocks: 0,
};

pub(super) fn canary(user: u32, session: u32, item: u16, kind: CanaryKind) -> SeenCanary {
    SeenCanary {
        id: CanaryId {
            run: RUN,
            user: UserIx(user),
            session: SessionIx(session),
            item,
            kind,
        },
        exactness: Exactness::Exact,
    }
}

pub(super) fn owner(user: u32) -> String {
    format!("dev-oid-{}", RUN.user_name(UserIx(user)))
}

pub(super) fn session_name(user: u32, session: u32) -> String {
    RUN.session_name(UserIx(user), SessionIx(session))
}

/// A message of one user in a session of theirs, as the first scan read it.
pub(super) fn message(user: u32, op: OpId, role: Role) -> Sighting {
    let session = session_name(user, op.session.0);
    Sighting {
        record_type: RecordType::Message,
        record_id: format!("{session}-{}-{}", op.seq, role.name()),
        owner: Some(owner(user)),
        session: Some(session),
        role,
        position: u32::from(op.seq) * 2 + u32::from(role == Role::Assistant),
        canaries: vec![canary(user, op.session.0, op.seq, CanaryKind::Turn)],
        body_hash: u64::MAX / 3 + u64::from(op.seq),
        likeness: Likeness::Unjudged,
        damaged: false,
        older_run: None,
        excerpt: None,
        first_scan: 1,
        scan: 1,
        seen_at: Micros(1_000_000),
        reads: 1,
        control: false,
    }
}

pub(super) fn scan(number: u32) -> Scan {
    Scan {
        scan: number,
        started: Micros(1_000_000 * u64::from(number)),
        ended: Micros(1_000_000 * u64::from(number) + 5),
        digest: "f".repeat(32),
        sessions: 1,
        messages: 2,
        facts: 3,
        unattributable: 0,
        complete: true,
        incomplete_reason: None,
    }
}

pub(super) fn sample(second: u64) -> ResourceSample {
    ResourceSample {
        at: Micros(second * 1_000_000),
        cpu: Duration::from_millis(second * 10),
        rss_bytes: 50_000_000,
        in_flight: 3,
    }
}

/// A finding with so many records, some of which know less than others.
pub(super) fn finding(code: Code, records: u32) -> Finding {
    let affected = (0..records).map(|number| Affected {
        code,
        record_type: RecordType::Message,
        record_id: (number > 0).then(|| format!("record {number}")),
        canary: (number != 1).then(|| canary(number, 2, 3, CanaryKind::Block).id),
        op: (number != 2).then(|| op(2, 3)),
        owner: Some(owner(9)),
        session: None,
        excerpt: Some("…".to_owned()),
    });
    Finding {
        code,
        severity: Severity::S1,
        proof: Proof::Proved,
        claim: "user 1's message is stored under user 9".to_owned(),
        because: "it holds user 1's canary".to_owned(),
        sender: Some(UserIx(1)),
        found_under: None,
        ops: vec![op(1, 2), op(9, 0)],
        affected: affected.collect(),
        hint: Some(Hint::LateBinding {
            op: op(9, 0),
            apart_us: -250,
        }),
        kind: (code == Code::ResponseBleed).then_some(BleedKind::Retrieval),
        accepted: (records > 2).then(|| "known, see the tracker".to_owned()),
    }
}

/// Writes events to the ledger and waits until they are durable.
pub(super) fn tell(ledger: &Ledger, events: impl IntoIterator<Item = Event>) {
    let mut sink = ledger.sink();
    for event in events {
        sink.event(&event).unwrap();
    }
    sink.finish().unwrap();
}

/// A finished ledger in a folder.
pub(super) fn written(folder: &Path, events: impl IntoIterator<Item = Event>) {
    let ledger = Ledger::create(folder, &manifest()).unwrap();
    tell(&ledger, events);
    ledger.finish().unwrap();
}

/// The events of two users with one chat session each: the second turn of user 1 went wrong and
/// is stored under user 0.
pub(super) fn small_run() -> Vec<Event> {
    let mut events = Vec::new();
    for user in 0..2 {
        for seq in 0..3 {
            let op = op(user, seq);
            events.push(Event::Invoked(invocation(user, op, OpKind::Chat)));
            if (user, seq) == (1, 2) {
                continue;
            }
            events.push(Event::Completed(completion(op, BOTH_MESSAGES)));
            for role in [Role::User, Role::Assistant] {
                let mut sighting = message(user, op, role);
                if (user, seq) == (1, 1) {
                    sighting.owner = Some(owner(0));
                    sighting.excerpt = Some("somebody else's words".to_owned());
                }
                events.push(Event::Sighted(sighting));
            }
        }
    }
    events.push(Event::Scanned(scan(1)));
    events.push(Event::Sampled(sample(1)));
    events
}
