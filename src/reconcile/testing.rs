//! Perfect histories for tests, to be spoilt one item at a time.

use std::collections::BTreeSet;
use std::ops::Range;
use std::time::Duration;

use crate::model::{
    CanaryId, CanaryKind, Completion, Echo, Exactness, Finding, GroupIx, Invocation, Likeness,
    LogCoverage, Micros, OpId, OpKind, OpRow, Outcome, Promise, Proof, RecordType, Role, RunId,
    Scan, SeenCanary, SessionIx, Sighting, Trait, TraitSet, UserIx,
};
use crate::scenario::{
    AuthKind, Connections, Disturbances, Executor, Group, Memory, OwnerTemplate, Paths, Pause,
    PerChannel, Scenario, SessionSpec, Settle, Store, Target, Timeouts, UploadSpec,
};

use super::{
    Bucket, Context, Control, Judgement, NEIGHBOURS_EACH_SIDE, Neighbour, ReadBack, RunEnd,
    Surroundings, combine, judge_users,
};

pub(crate) const RUN: RunId = RunId(0x0012_abcd);
/// Sessions of each user in a [`History`]: chat, upload, voice.
pub(crate) const SESSIONS_EACH: u32 = 3;
/// Blocks of each document, in three facts.
pub(crate) const BLOCKS: u16 = 9;

pub(crate) fn owner(user: u32) -> String {
    format!("dev-oid-{}", RUN.user_name(UserIx(user)))
}

pub(crate) fn scenario() -> Scenario {
    let template = || OwnerTemplate {
        before: "dev-oid-".to_owned(),
        after: String::new(),
    };
    let second = Duration::from_secs(1);
    Scenario {
        name: "test".to_owned(),
        description: String::new(),
        target: Target {
            url: None,
            paths: Paths {
                chat: "/chat".to_owned(),
                upload: "/upload".to_owned(),
                voice: "/voice/{session}".to_owned(),
                stream: "/stream/{session}".to_owned(),
                turn: "/turn".to_owned(),
                health: "/health".to_owned(),
                memory: "/memory".to_owned(),
                session: "/session/{session}".to_owned(),
            },
            auth: AuthKind::Dev,
            socket_token: crate::scenario::TokenPlace::Header,
            bodies: crate::scenario::Bodies::default(),
            answers: crate::scenario::Answers::default(),
            expected_owner: PerChannel {
                chat: template(),
                upload: template(),
                voice: template(),
                stream: template(),
                turn: template(),
            },
            placeholders: vec!["poc-user".to_owned(), "voice-user".to_owned()],
            timeouts: Timeouts {
                connect: second,
                chat: second,
                upload: second,
                voice: second,
                stream: second,
                turn: second,
            },
            trigger_words: Vec::new(),
            apologies: Vec::new(),
        },
        memory: Memory {
            store: Store::Lab,
            settle: Settle {
                task_limit: Duration::from_millis(200),
                deadline: Duration::from_secs(5),
                pause: Duration::from_millis(100),
            },
            read_timeout: second,
            read_concurrency: 1,
            lag_sample_every: 0,
            dialect: None,
            key_env: String::new(),
            create_users: false,
            also_create: Vec::new(),
        },
        users: 1,
        groups: vec![group()],
        disturbances: Disturbances::NONE,
        pool: Vec::new(),
        accept: Vec::new(),
        caps: crate::scenario::Caps::default(),
        logs: crate::scenario::PatternTexts::default(),
    }
}

fn group() -> Group {
    Group {
        ix: GroupIx(0),
        name: "uploads".to_owned(),
        session: SessionSpec::Upload(UploadSpec {
            uploads: 1..=1,
            think: Pause {
                min: Duration::ZERO,
                max: Duration::ZERO,
            },
            characters: 300..=300,
            file_name: crate::scenario::FileName::Unique,
        }),
        executor: Executor::PerVuIterations {
            vus: 1,
            iterations: 1,
            max_duration: Duration::from_secs(1),
        },
        start_time: Duration::ZERO,
        graceful_stop: Duration::ZERO,
        connections: Connections::Own,
        starts_together: false,
    }
}

/// A finished run that was read back long after its end.
pub(crate) fn context(scenario: &Scenario) -> Context<'_> {
    Context {
        run: RUN,
        scenario,
        ended: RunEnd::Finished,
        read_back: ReadBack::Some {
            settled: true,
            complete: true,
            read_from: Micros(100_000_000),
        },
        facts_listed: true,
        users_asked: None,
        scans: &[],
        log_lines: &[],
        log_coverage: LogCoverage::default(),
    }
}

pub(crate) fn op_at(user: u32, session: u32, invoked: Micros, ended: Option<Micros>) -> OpRow {
    let op = OpId {
        session: SessionIx(session),
        seq: 0,
    };
    OpRow {
        invocation: Invocation {
            op,
            user: UserIx(user),
            founder: UserIx(user),
            kind: OpKind::Chat,
            group: GroupIx(0),
            intended: invoked,
            invoked,
            text_hash: 0,
            item_first: 0,
            item_count: 1,
            request_id: 0,
            traits: TraitSet::default(),
        },
        completion: ended.map(|completed| Completion {
            op,
            completed,
            sent: Some(invoked),
            outcome: Outcome::Ok,
            status: Some(200),
            promise: Promise {
                user_message: true,
                assistant_message: true,
                blocks: 0,
            },
            echo: Echo::Own,
            server_session: None,
            detail: None,
        }),
    }
}

/// What every user of some history did, and where all of it was found.
#[derive(Debug, Clone)]
pub(crate) struct History {
    pub scenario: Scenario,
    pub users: u32,
    pub ops: Vec<OpRow>,
    pub sightings: Vec<Sighting>,
}

impl History {
    /// So many users with so many chat turns each, one document and one spoken turn, all of it
    /// stored as it should be.
    pub(crate) fn new(users: u32, turns: u16) -> Self {
        let mut history = Self {
            scenario: scenario(),
            users,
            ops: Vec::new(),
            sightings: Vec::new(),
        };
        for user in 0..users {
            let first = user * SESSIONS_EACH;
            history.talk(user, first, OpKind::Chat, turns);
            history.upload(user, first + 1);
            history.talk(user, first + 2, OpKind::Voice, 1);
        }
        history
    }

    pub(crate) fn context(&self) -> Context<'_> {
        context(&self.scenario)
    }

    /// The judgement over buckets of so many users.
    pub(crate) fn judge_sharded(&self, context: &Context<'_>, width: u32) -> Judgement {
        let mut buckets: Vec<Bucket> = Vec::new();
        let mut from = 0;
        while from < self.users {
            let to = (from + width).min(self.users);
            let range = from..to;
            let takes_part = |op: &&OpRow| {
                let Invocation { user, founder, .. } = op.invocation;
                range.contains(&user.0) || range.contains(&founder.0)
            };
            let sessions: BTreeSet<SessionIx> = self
                .ops
                .iter()
                .filter(takes_part)
                .map(|op| op.invocation.op.session)
                .collect();
            let ops: Vec<OpRow> = self
                .ops
                .iter()
                .filter(|op| sessions.contains(&op.invocation.op.session))
                .cloned()
                .collect();
            let sightings: Vec<Sighting> = self
                .sightings
                .iter()
                .filter(|sighting| belongs(sighting, &self.ops, &range))
                .cloned()
                .collect();
            buckets.push(judge_users(context, range, &ops, &sightings));
            from = to;
        }
        combine(
            buckets,
            Control {
                planted: 2,
                found: 2,
            },
            &mut &*self,
        )
    }

    pub(crate) fn judge(&self) -> Judgement {
        self.judge_sharded(&self.context(), self.users.max(1))
    }

    /// The findings, each as code, affected records of that code, and sender.
    pub(crate) fn findings(&self) -> Vec<Finding> {
        self.judge().findings
    }

    pub(crate) fn op(&mut self, session: u32, seq: u16) -> &mut OpRow {
        let id = OpId {
            session: SessionIx(session),
            seq,
        };
        let place = self.ops.iter().position(|op| op.invocation.op == id);
        &mut self.ops[place.unwrap()]
    }

    pub(crate) fn end(&mut self, session: u32, seq: u16) -> &mut Completion {
        self.op(session, seq).completion.as_mut().unwrap()
    }

    pub(crate) fn record(&mut self, id: &str) -> &mut Sighting {
        let place = self.sightings.iter().position(|s| s.record_id == id);
        &mut self.sightings[place.unwrap_or_else(|| panic!("no record {id}"))]
    }

    pub(crate) fn remove(&mut self, id: &str) -> Sighting {
        let place = self.sightings.iter().position(|s| s.record_id == id);
        self.sightings.remove(place.unwrap())
    }

    /// Puts everything of a session under another owner, as a store does that keeps the owner
    /// with the session.
    pub(crate) fn own_session(&mut self, session: u32, owner: Option<&str>) {
        let name = session_name(session);
        for sighting in &mut self.sightings {
            if sighting.session.as_deref() == Some(&name) || sighting.record_id == name {
                sighting.owner = owner.map(str::to_owned);
            }
        }
    }

    fn talk(&mut self, user: u32, session: u32, kind: OpKind, turns: u16) {
        let name = session_name(session);
        let mut record = sighting(RecordType::Session, &name, user);
        record.session = Some(name.clone());
        self.sightings.push(record);
        for seq in 0..turns {
            let invoked = Micros(u64::from(session) * 10 + u64::from(seq) * 1_000_000);
            let mut op = op_at(user, session, invoked, Some(Micros(invoked.0 + 500_000)));
            op.invocation.kind = kind;
            op.invocation.op.seq = seq;
            op.invocation.item_first = seq;
            let id = op.invocation.op;
            op.completion.as_mut().unwrap().op = id;
            self.ops.push(op);
            let canary = canary(user, session, seq, CanaryKind::Turn);
            for (role, letter, half) in [(Role::User, 'u', 0), (Role::Assistant, 'a', 1)] {
                let mut message = sighting(
                    RecordType::Message,
                    &format!("m{session}.{seq}{letter}"),
                    user,
                );
                message.session = Some(name.clone());
                message.role = role;
                message.position = u32::from(seq) * 2 + half;
                message.canaries = vec![exact(canary)];
                message.body_hash = u64::from(session) << 32 | u64::from(message.position);
                self.sightings.push(message);
            }
        }
    }

    pub(crate) fn upload(&mut self, user: u32, session: u32) {
        let invoked = Micros(u64::from(session) * 10);
        let mut op = op_at(user, session, invoked, Some(Micros(invoked.0 + 500_000)));
        op.invocation.kind = OpKind::Upload;
        op.invocation.item_count = BLOCKS;
        let end = op.completion.as_mut().unwrap();
        end.promise = Promise {
            blocks: BLOCKS,
            ..Promise::NONE
        };
        end.echo = Echo::NotExpected;
        self.ops.push(op);
        for piece in 0..3_u16 {
            let mut fact = sighting(RecordType::Fact, &format!("f{session}.{piece}"), user);
            fact.position = u32::from(piece);
            fact.body_hash = u64::from(session) << 32 | u64::from(piece);
            fact.canaries = (piece * 3..piece * 3 + 3)
                .map(|item| exact(canary(user, session, item, CanaryKind::Block)))
                .collect();
            self.sightings.push(fact);
        }
    }
}

pub(crate) fn session_name(session: u32) -> String {
    RUN.session_name(UserIx(session / SESSIONS_EACH), SessionIx(session))
}

pub(crate) fn canary(user: u32, session: u32, item: u16, kind: CanaryKind) -> CanaryId {
    CanaryId {
        run: RUN,
        user: UserIx(user),
        session: SessionIx(session),
        item,
        kind,
    }
}

pub(crate) fn exact(id: CanaryId) -> SeenCanary {
    SeenCanary {
        id,
        exactness: Exactness::Exact,
    }
}

pub(crate) fn sighting(record_type: RecordType, id: &str, user: u32) -> Sighting {
    Sighting {
        record_type,
        record_id: id.to_owned(),
        owner: Some(owner(user)),
        session: None,
        role: Role::Other,
        position: 0,
        canaries: Vec::new(),
        body_hash: 0,
        likeness: Likeness::Unjudged,
        damaged: false,
        older_run: None,
        excerpt: None,
        first_scan: 1,
        scan: 3,
        seen_at: Micros(100_000_000),
        reads: 3,
        control: false,
    }
}

/// Scans that began at these times, in seconds, the first with number 1; `!` before a time, or
/// instead of one, for an incomplete scan.
pub(crate) fn scans(times: &[&str]) -> Vec<Scan> {
    (1..)
        .zip(times)
        .map(|(scan, time)| {
            let seconds: f64 = time.trim_start_matches('!').parse().unwrap_or(0.0);
            let started = Micros::from_duration(Duration::from_secs_f64(seconds));
            Scan {
                scan,
                started,
                ended: started,
                digest: String::new(),
                sessions: 0,
                messages: 0,
                facts: 0,
                unattributable: 0,
                complete: !time.starts_with('!'),
                incomplete_reason: None,
            }
        })
        .collect()
}

/// An answer to `asker` in a session, with somebody's canary.
pub(crate) fn answer(asker: u32, session: u32, holds: CanaryId) -> Sighting {
    let name = session_name(session);
    let mut answer = sighting(RecordType::Answer, &name, asker);
    answer.session = Some(name);
    answer.canaries = vec![exact(holds)];
    answer.reads = 1;
    answer.scan = 0;
    answer
}

/// Each finding as `code proof: records`, the record or what is absent, with `+` before those
/// of another code.
pub(crate) fn told(findings: &[Finding]) -> Vec<String> {
    let tell = |finding: &Finding| {
        let records: Vec<String> = finding
            .affected
            .iter()
            .map(|record| {
                let canary = record
                    .canary
                    .map(|c| format!("s{}.{}", c.session.0, c.item));
                let absent = format!("no {}", canary.unwrap_or_default());
                let id = record.record_id.clone().unwrap_or(absent);
                let folded = if record.code == finding.code { "" } else { "+" };
                format!("{folded}{id}")
            })
            .collect();
        let proof = match finding.proof {
            Proof::Proved => "",
            Proof::Suggested => "?",
        };
        format!("{}{proof}: {}", finding.code, records.join(" "))
    };
    findings.iter().map(tell).collect()
}

/// Spoils a history of three users with two chat turns each.
pub(crate) fn spoilt(spoil: impl FnOnce(&mut History)) -> History {
    let mut history = History::new(3, 2);
    spoil(&mut history);
    history
}

pub(crate) fn check(spoil: impl FnOnce(&mut History), expected: &[&str]) {
    assert_eq!(told(&spoilt(spoil).findings()), expected);
}

/// The ledger's rule for buckets.
impl Surroundings for &History {
    fn around(&mut self, time: Micros) -> Vec<Neighbour> {
        let mut all: Vec<Neighbour> = self
            .ops
            .iter()
            .map(|op| Neighbour {
                op: op.invocation.op,
                user: op.invocation.user,
                invoked: op.invocation.invoked,
            })
            .collect();
        all.sort_by_key(|neighbour| (neighbour.invoked, neighbour.op));
        let after = all.partition_point(|neighbour| neighbour.invoked <= time);
        let from = after.saturating_sub(NEIGHBOURS_EACH_SIDE);
        let to = all.len().min(after + NEIGHBOURS_EACH_SIDE);
        all[from..to].to_vec()
    }

    fn answered(&mut self, user: UserIx, session: &str, seq: u16) -> Option<OpId> {
        let answered = self.ops.iter().find(|op| {
            let begun = &op.invocation;
            let named = RUN.session_name(begun.founder, begun.op.session);
            let end = op.completion.as_ref();
            let given = end.and_then(|end| end.server_session.as_deref());
            let same = named == session || given == Some(session);
            begun.user == user && begun.op.seq == seq && same
        });
        answered.map(|op| op.invocation.op)
    }

    fn op(&mut self, op: OpId) -> Option<OpRow> {
        let known = self.ops.iter().find(|known| known.invocation.op == op);
        known.cloned()
    }

    fn users(&mut self) -> u32 {
        self.users
    }

    fn promised(&mut self, since: Micros, having: Option<Trait>) -> u64 {
        let promised = self.ops.iter().filter(|op| {
            let begun = &op.invocation;
            op.promise() != Promise::NONE
                && begun.invoked >= since
                && having.is_none_or(|having| begun.traits.has(having))
        });
        promised.count() as u64
    }

    fn sessions_opened(&mut self, kind: OpKind, (from, to): (Micros, Micros)) -> u64 {
        let opened = self.ops.iter().filter(|op| {
            let begun = &op.invocation;
            begun.op.seq == 0
                && begun.kind == kind
                && (from..=to).contains(&begun.invoked)
                && op.outcome() == Outcome::Ok
        });
        opened.count() as u64
    }

    fn users_of_session(&mut self, name: &str) -> BTreeSet<UserIx> {
        let named = self.ops.iter().filter(|op| {
            let end = op.completion.as_ref();
            end.and_then(|end| end.server_session.as_deref()) == Some(name)
        });
        named.map(|op| op.invocation.user).collect()
    }

    fn nearest_of(&mut self, user: UserIx, time: Micros) -> Option<OpId> {
        let of_user = self.ops.iter().map(|op| &op.invocation);
        of_user
            .filter(|begun| begun.user == user)
            .min_by_key(|begun| (begun.invoked.0.abs_diff(time.0), begun.op))
            .map(|begun| begun.op)
    }
}

/// Is it read with these users: by a canary, else its session, else its owner? As the ledger does.
pub(crate) fn belongs(sighting: &Sighting, all_ops: &[OpRow], users: &Range<u32>) -> bool {
    let ours = |user: UserIx| users.contains(&user.0);
    if !sighting.canaries.is_empty() {
        return sighting.canaries.iter().any(|seen| ours(seen.id.user));
    }
    let session = sighting.session.as_deref();
    if let Some((_, user, _)) = session.and_then(RunId::parse_session_name) {
        return ours(user);
    }
    let claims = |op: &&OpRow| {
        let end = op.completion.as_ref();
        let name = end.and_then(|end| end.server_session.as_deref());
        name.is_some() && name == session
    };
    let claimants: Vec<&OpRow> = all_ops.iter().filter(claims).collect();
    if !claimants.is_empty() {
        return claimants.iter().any(|op| ours(op.invocation.user));
    }
    let owner = sighting.owner.as_deref();
    let name = owner.and_then(|owner| owner.strip_prefix("dev-oid-"));
    name.and_then(RunId::parse_user_name)
        .is_some_and(|(_, user)| ours(user))
}
