//! The values of a file, section by section, and the defaults of those that it leaves out.

use std::collections::BTreeMap;
use std::time::Duration;

use super::auth::{AuthSettings, OwnerForm};
use super::error::{BadValue, Problem, nearest, quoted};
use super::file::{
    RawAnswers, RawBodies, RawCaps, RawFile, RawGroup, RawLogs, RawMemory, RawOwners, RawTarget,
    RawTaskLines,
};
use super::overrides::Given;
use super::read::Reader;
use super::text::{ExecutorName, ExecutorText, Starts};
use super::value::Leaf;
use super::{
    Answers, Bodies, Caps, Connections, Executor, Group, Memory, OwnerTemplate, Paths, Pause,
    PerChannel, Scenario, SessionSpec, Settle, Store, Target, Timeouts, VoiceSpec,
    default_memory_path, default_session_path,
};
use crate::logs::{PatternTexts, StepTexts};
use crate::model::GroupIx;

/// Stand-in users that an Engram backend is known to write as.
const PLACEHOLDERS: [&str; 12] = [
    "poc-user",
    "dev-user",
    "dev-oid-dev-user",
    "ws-user",
    "voice-user",
    "mcp-user",
    "sage",
    "elena-delegate",
    "marcus-delegate",
    "internal-agent",
    "system-ingestion",
    "user-derek",
];
/// Words that start tools in Engram's agents.
const TRIGGER_WORDS: [&str; 24] = [
    "story",
    "acceptance",
    "stakeholder",
    "ingest",
    "source",
    "validate",
    "timeline",
    "schedule",
    "status",
    "report",
    "risk",
    "bau",
    "flow",
    "narrative",
    "visual",
    "diagram",
    "draw",
    "paint",
    "image",
    "picture",
    "create",
    "generate",
    "make",
    "show",
];
/// How Engram's answer begins when the agent has failed.
const APOLOGY: &str = "I apologize, but I encountered an issue";
/// Characters of the name of a load group or session.
const NAME_CHARS_MAX: usize = 60;
/// Sessions in flight at once in an open group that does not say.
const MAX_VUS: u32 = 50;

impl Reader<'_> {
    /// The scenario without what follows from flags, and what they may decide.
    pub(super) fn file(&mut self, name: &str, raw: &RawFile) -> (Scenario, Given) {
        self.take(&["version"], &raw.version, 1);
        let short = self.opt(&["target", "auth"], &raw.target.auth);
        let auth = self.auth(&raw.auth, short);
        let target = self.target(&raw.target, auth);
        let (memory, store) = self.memory(&raw.memory);
        let sessions: BTreeMap<&str, SessionSpec> = raw
            .sessions
            .iter()
            .map(|(name, raw)| (name.as_str(), self.session(name, raw)))
            .collect();
        let groups = self.groups(&raw.load, &sessions);
        let users = self.opt(&["users", "count"], &raw.users.count);
        let given = Given {
            users,
            store,
            owners: self.owners(&raw.target.expected_owner),
            pool_file: self.opt(&["users", "pool_file"], &raw.users.pool_file),
        };
        let scenario = Scenario {
            name: name.to_owned(),
            description: self.take(&["description"], &raw.description, String::new()),
            target,
            memory,
            users: users.unwrap_or(1),
            groups,
            disturbances: self.disturbances(&raw.disturbances),
            pool: self.take(&["users", "pool"], &raw.users.pool, Vec::new()),
            accept: self.accept(&raw.accept),
            caps: self.caps(&raw.caps),
            logs: self.logs(&raw.logs),
        };
        (scenario, given)
    }

    /// The templates of log lines; those of a list that is not given are the default's.
    fn logs(&mut self, raw: &RawLogs) -> PatternTexts {
        let PatternTexts {
            chat,
            upload,
            voice,
        } = PatternTexts::default();
        PatternTexts {
            chat: self.task_lines("chat", &raw.chat, chat),
            upload: self.task_lines("upload", &raw.upload, upload),
            voice: self.task_lines("voice", &raw.voice, voice),
        }
    }

    fn task_lines(&mut self, channel: &str, raw: &RawTaskLines, default: StepTexts) -> StepTexts {
        let at = |step| ["logs", channel, step];
        StepTexts {
            started: self.take(&at("started"), &raw.started, default.started),
            completed: self.take(&at("completed"), &raw.completed, default.completed),
            failed: self.take(&at("failed"), &raw.failed, default.failed),
        }
    }

    fn caps(&mut self, raw: &RawCaps) -> Caps {
        let at = |key| ["caps", key];
        Caps {
            ops: self.opt(&at("max_ops"), &raw.max_ops).map(u64::from),
            rate: self.opt(&at("max_rate"), &raw.max_rate),
            model_calls: self
                .opt(&at("max_model_calls"), &raw.max_model_calls)
                .map(u64::from),
            wall: self.opt(&at("max_wall"), &raw.max_wall),
        }
    }

    fn target(&mut self, raw: &RawTarget, auth: AuthSettings) -> Target {
        let strings = |words: &[&str]| {
            words
                .iter()
                .map(|word| (*word).to_owned())
                .collect::<Vec<_>>()
        };
        let placeholders = strings(&PLACEHOLDERS);
        let apologies = strings(&[APOLOGY]);
        let trigger_words = strings(&TRIGGER_WORDS);
        let (paths, limits) = (&raw.paths, &raw.timeouts);
        let path = |key| ["target", "paths", key];
        let limit = |key| ["target", "timeouts", key];
        // Follows from the credentials, which flags may change.
        let of_owner = || OwnerTemplate {
            before: String::new(),
            after: String::new(),
        };
        let chat = "/api/v1/chat".to_owned();
        let upload = "/api/v1/etl/ingest".to_owned();
        let voice = "/api/v1/voice/voicelive/{session}".to_owned();
        let stream = super::default_stream_path();
        let turn = super::default_turn_path();
        let health = "/health".to_owned();
        Target {
            url: self.opt(&["target", "url"], &raw.url),
            paths: Paths {
                chat: self.take(&path("chat"), &paths.chat, chat),
                upload: self.take(&path("upload"), &paths.upload, upload),
                voice: self.take(&path("voice"), &paths.voice, voice),
                stream: self.take(&path("stream"), &paths.stream, stream),
                turn: self.take(&path("turn"), &paths.turn, turn),
                health: self.take(&path("health"), &paths.health, health),
                memory: self.take(&path("memory"), &paths.memory, default_memory_path()),
                session: self.take(&path("session"), &paths.session, default_session_path()),
            },
            bodies: self.bodies(&raw.bodies),
            answers: self.answers(&raw.answers),
            auth: auth.kind,
            socket_token: auth.socket,
            expected_owner: PerChannel {
                chat: of_owner(),
                upload: of_owner(),
                voice: of_owner(),
                stream: of_owner(),
                turn: of_owner(),
            },
            placeholders: self.take(&["target", "placeholders"], &raw.placeholders, placeholders),
            timeouts: Timeouts {
                connect: self.take(&limit("connect"), &limits.connect, seconds(10)),
                chat: self.take(&limit("chat"), &limits.chat, seconds(60)),
                upload: self.take(&limit("upload"), &limits.upload, seconds(60)),
                voice: self.take(&limit("voice"), &limits.voice, seconds(30)),
                stream: self.take(&limit("stream"), &limits.stream, seconds(60)),
                turn: self.take(&limit("turn"), &limits.turn, seconds(60)),
            },
            trigger_words: self.take(
                &["target", "trigger_words"],
                &raw.trigger_words,
                trigger_words,
            ),
            apologies: self.take(&["target", "apologies"], &raw.apologies, apologies),
        }
    }

    fn bodies(&mut self, raw: &RawBodies) -> Bodies {
        let at = |key| ["target", "bodies", key];
        Bodies {
            chat: self.opt(&at("chat"), &raw.chat),
            turn: self.opt(&at("turn"), &raw.turn),
            stream: self.opt(&at("stream"), &raw.stream),
        }
    }

    fn answers(&mut self, raw: &RawAnswers) -> Answers {
        let at = |key| ["target", "answers", key];
        Answers {
            text: self.opt(&at("text"), &raw.text),
            session: self.opt(&at("session"), &raw.session),
        }
    }

    fn owners(&mut self, raw: &RawOwners) -> PerChannel<Option<OwnerForm>> {
        let at = |key| ["target", "expected_owner", key];
        PerChannel {
            chat: self.opt(&at("chat"), &raw.chat),
            upload: self.opt(&at("upload"), &raw.upload),
            voice: self.opt(&at("voice"), &raw.voice),
            stream: self.opt(&at("stream"), &raw.stream),
            turn: self.opt(&at("turn"), &raw.turn),
        }
    }

    fn memory(&mut self, raw: &RawMemory) -> (Memory, Option<Store>) {
        let settle = |key| ["memory", "settle", key];
        let memory = Memory {
            store: Store::Lab,
            settle: Settle {
                task_limit: self.take(&settle("task_limit"), &raw.settle.task_limit, seconds(10)),
                deadline: self.take(&settle("deadline"), &raw.settle.deadline, seconds(120)),
                pause: self.take(&settle("pause"), &raw.settle.pause, seconds(2)),
            },
            read_timeout: self.take(&["memory", "read_timeout"], &raw.read_timeout, seconds(90)),
            read_concurrency: self.take(&["memory", "read_concurrency"], &raw.read_concurrency, 16),
            lag_sample_every: self.take(&["memory", "lag_sample_every"], &raw.lag_sample_every, 50),
            dialect: self.take(&["memory", "dialect"], &raw.dialect, None),
            key_env: self.take(
                &["memory", "key_env"],
                &raw.key_env,
                super::default_key_env(),
            ),
            create_users: self.take(&["memory", "create_users"], &raw.create_users, false),
            also_create: self.take(&["memory", "also_create"], &raw.also_create, Vec::new()),
        };
        if memory.settle.deadline < memory.settle.task_limit {
            let what = "the deadline is shorter than `task_limit`: what is still being written \
                        would count as lost";
            let allowed = format!(
                "at least \"{}\"",
                humantime::format_duration(memory.settle.task_limit)
            );
            let path: &[&str] = match raw.settle.deadline.value {
                Some(_) => &settle("deadline"),
                None => &settle("task_limit"),
            };
            self.bad(path, BadValue::new(what, allowed));
        }
        let store = self.opt(&["memory", "url"], &raw.url);
        (memory, store)
    }

    /// The name of a section that its author chooses, which is shown in reports.
    pub(super) fn section_name(&mut self, section: &str, name: &str) {
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        if name.is_empty() || name.len() > NAME_CHARS_MAX || !name.chars().all(plain) {
            let what = format!("`{}` is not a usable name", quoted(name));
            let allowed = format!("1 to {NAME_CHARS_MAX} of a-z, A-Z, 0-9, - and _");
            self.bad(&[section, name], BadValue::new(what, allowed));
        }
    }

    fn groups(
        &mut self,
        load: &BTreeMap<String, RawGroup>,
        sessions: &BTreeMap<&str, SessionSpec>,
    ) -> Vec<Group> {
        if load.is_empty() {
            self.problems.push(Problem {
                place: None,
                key: Some("load".to_owned()),
                value: None,
                what: "there is no load group, so nothing would be sent".to_owned(),
                allowed: Some("one section [load.NAME] or more".to_owned()),
                help: None,
            });
        }
        let numbered = (0..=u16::MAX).zip(load);
        numbered
            .map(|(ix, (name, raw))| self.group(GroupIx(ix), name, raw, sessions))
            .collect()
    }

    fn group(
        &mut self,
        ix: GroupIx,
        name: &str,
        raw: &RawGroup,
        sessions: &BTreeMap<&str, SessionSpec>,
    ) -> Group {
        let at = |key| ["load", name, key];
        self.section_name("load", name);
        let executor = self.executor(name, raw);
        let wanted = self.need(&at("session"), &raw.session, String::new());
        let found = sessions.get(wanted.as_str());
        if found.is_none() && !wanted.is_empty() {
            let names: Vec<&str> = sessions.keys().copied().collect();
            let allowed = match names.as_slice() {
                [] => "a [sessions.NAME] section, and there is none".to_owned(),
                names => quoted(&names.join(", ")),
            };
            let what = format!("there is no section [sessions.{}]", quoted(&wanted));
            let bad = BadValue::new(what, allowed);
            self.bad(
                &at("session"),
                match nearest(&wanted, &names) {
                    Some(near) => bad.help(format!("did you mean `{}`?", quoted(near))),
                    None => bad,
                },
            );
        }
        let start_time = self.take(&at("start_time"), &raw.start_time, Duration::ZERO);
        let graceful_stop = self.take(&at("graceful_stop"), &raw.graceful_stop, seconds(30));
        Group {
            ix,
            name: name.to_owned(),
            connections: self.connections(name, raw, found),
            starts_together: self.starts_together(name, raw, &executor),
            session: found.cloned().unwrap_or_else(stand_in),
            executor,
            start_time,
            graceful_stop,
        }
    }

    fn connections(
        &mut self,
        name: &str,
        raw: &RawGroup,
        session: Option<&SessionSpec>,
    ) -> Connections {
        let at = ["load", name, "shared_connections"];
        let Some(count) = self.opt(&at, &raw.shared_connections) else {
            return Connections::Own;
        };
        if let Some(SessionSpec::Voice(_) | SessionSpec::Stream(_)) = session {
            let what = "such a session has its socket to itself";
            let allowed = "only for groups of chat, recall, turn and upload sessions";
            self.bad(&at, BadValue::new(what, allowed).help("take the line out"));
        }
        Connections::Shared(count)
    }

    fn starts_together(&mut self, name: &str, raw: &RawGroup, executor: &Executor) -> bool {
        let at = ["load", name, "starts"];
        let together = self.take(&at, &raw.starts, Starts::Freely) == Starts::Together;
        if together && matches!(executor, Executor::ConstantArrivalRate { .. }) {
            let what = "arrivals start by the clock, whoever else is ready";
            let allowed = "\"freely\" for `constant-arrival-rate`";
            let help = "use `constant-vus` or `per-vu-iterations`";
            self.bad(&at, BadValue::new(what, allowed).help(help));
        }
        together
    }

    fn executor(&mut self, name: &str, raw: &RawGroup) -> Executor {
        let at = |key| ["load", name, key];
        let executor = self.need(
            &at("executor"),
            &raw.executor,
            ExecutorName::PerVuIterations,
        );
        let known = raw
            .executor
            .value
            .as_ref()
            .is_some_and(|value| ExecutorText::read(value).is_ok());
        if !known {
            // Which keys belong to it cannot be said, but each value can still be checked.
            self.opt(&at("vus"), &raw.vus);
            self.opt(&at("duration"), &raw.duration);
            self.opt(&at("rate"), &raw.rate);
            return Executor::PerVuIterations {
                vus: 1,
                iterations: 1,
                max_duration: seconds(1),
            };
        }
        let label = name_of(ExecutorText::CHOICES, executor);
        self.foreign(&["load", name], label, &group_keys(raw, executor));
        match executor {
            ExecutorName::PerVuIterations => Executor::PerVuIterations {
                vus: self.need(&at("vus"), &raw.vus, 1),
                iterations: self.take(&at("iterations"), &raw.iterations, 1),
                max_duration: self.take(&at("max_duration"), &raw.max_duration, seconds(600)),
            },
            ExecutorName::ConstantVus => Executor::ConstantVus {
                vus: self.need(&at("vus"), &raw.vus, 1),
                duration: self.need(&at("duration"), &raw.duration, seconds(1)),
            },
            ExecutorName::ConstantArrivalRate => Executor::ConstantArrivalRate {
                rate: self.need(&at("rate"), &raw.rate, 1),
                time_unit: self.take(&at("time_unit"), &raw.time_unit, seconds(1)),
                duration: self.need(&at("duration"), &raw.duration, seconds(1)),
                max_vus: self.take(&at("max_vus"), &raw.max_vus, MAX_VUS),
            },
        }
    }

    /// Reports each key that is given but belongs to another executor or session kind.
    pub(super) fn foreign(&mut self, section: &[&str], label: &str, keys: &[Key]) {
        let own: Vec<&str> = keys
            .iter()
            .filter(|key| key.own)
            .map(|key| key.name)
            .collect();
        for key in keys.iter().filter(|key| key.given && !key.own) {
            let path: Vec<&str> = section.iter().copied().chain([key.name]).collect();
            let what = format!("`{label}` has no `{}`", key.name);
            let allowed = format!("{} for `{label}`", own.join(", "));
            self.bad(&path, BadValue::new(what, allowed));
        }
    }
}

/// A key of a section whose keys depend on its kind.
pub(super) struct Key {
    pub(super) name: &'static str,
    /// The file has it.
    pub(super) given: bool,
    /// This kind has it.
    pub(super) own: bool,
}

fn group_keys(raw: &RawGroup, executor: ExecutorName) -> [Key; 7] {
    use ExecutorName::{ConstantArrivalRate, ConstantVus, PerVuIterations};
    let key = |name, given, of: &[ExecutorName]| Key {
        name,
        given,
        own: of.contains(&executor),
    };
    let (closed, timed) = (
        [ConstantVus, PerVuIterations],
        [ConstantVus, ConstantArrivalRate],
    );
    let (counted, open) = ([PerVuIterations], [ConstantArrivalRate]);
    [
        key("vus", raw.vus.value.is_some(), &closed),
        key("iterations", raw.iterations.value.is_some(), &counted),
        key("max_duration", raw.max_duration.value.is_some(), &counted),
        key("duration", raw.duration.value.is_some(), &timed),
        key("rate", raw.rate.value.is_some(), &open),
        key("time_unit", raw.time_unit.value.is_some(), &open),
        key("max_vus", raw.max_vus.value.is_some(), &open),
    ]
}

pub(super) fn name_of<T: Copy + PartialEq>(
    choices: &[(&'static str, T)],
    value: T,
) -> &'static str {
    let found = choices.iter().find(|(_, choice)| *choice == value);
    found.map_or("", |(name, _)| name)
}

/// Takes the place of a session that is not defined.
fn stand_in() -> SessionSpec {
    SessionSpec::Voice(VoiceSpec {
        turns: 1..=1,
        think: Pause {
            min: Duration::ZERO,
            max: Duration::ZERO,
        },
        speed: 1.0,
        agent: String::new(),
    })
}

pub(super) fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}
