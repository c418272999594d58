//! What to do to which target: a [`Scenario`] that is valid by construction.
//!
//! `file.rs` holds the raw TOML form, `read.rs` checks a file, `convert.rs` and `sessions.rs` turn
//! it into these types, `overrides.rs` puts flags in the place of its values; nothing else may build them from
//! user input. The values here are complete: every default is filled in.

use std::ops::RangeInclusive;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use url::Url;

use crate::model::limits::EQUAL_SCANS_MIN;
use crate::model::{GroupIx, OpKind, Route, Scan, Standing, StoreDialect, standstill};

mod accept;
mod auth;
mod caps;
mod convert;
mod embedded;
mod error;
mod file;
mod overrides;
mod pool;
mod read;
mod schema;
mod sessions;
mod template;
mod text;
#[cfg(test)]
mod tests;
mod trespass;
mod value;

pub use crate::logs::PatternTexts;
pub use accept::{Accept, AcceptedOwner, Day, NotADay};
pub use auth::{
    Account, Accounts, AuthKind, AuthSettings, ClientCredentials, Mint, SecretRef, Signing,
    TokenPlace, read_secret_ref,
};
pub use caps::Caps;
pub use embedded::embedded;
pub use error::{BadValue, Place, Problem, ScenarioError};
pub use overrides::Overrides;
pub use pool::{PoolText, fits_dev_token, pool_file};
pub use read::{decode, parse, parse_auth, parse_with};
pub use schema::json_schema;
pub use template::{Answers, Bodies, BodyTemplate, Pointer, Slots};
pub use text::{read_auth, read_store, read_url};
pub use value::read_duration;

/// What stands for the user in an agent's id.
pub const AGENT_USER: &str = "{user}";

/// A valid scenario.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Scenario {
    /// Its name: the file's stem.
    pub name: String,
    /// One line for people.
    pub description: String,
    /// The backend under test.
    pub target: Target,
    /// The store that is read back.
    pub memory: Memory,
    /// Number of synthetic users; at least one, at most `PLANNED_USERS_MAX`.
    pub users: u32,
    /// Load groups in name order; at least one. `Group::ix` is the place in this list.
    pub groups: Vec<Group>,
    /// What goes wrong on the client's side, on purpose.
    pub disturbances: Disturbances,
    /// Names at the target of the users, from the first on; empty if the run makes fresh ones.
    #[serde(default)]
    pub pool: Vec<String>,
    /// Findings that are known: shown and counted, not failed.
    #[serde(default)]
    pub accept: Vec<Accept>,
    /// What a run may do at most.
    #[serde(default)]
    pub caps: Caps,
    /// How the lines of the target's log look that speak of background tasks.
    #[serde(default)]
    pub logs: PatternTexts,
}

/// What goes wrong on the client's side, on purpose: each with the share of the operations it
/// strikes, from 0 to 1. An operation is struck by one of them at most.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Disturbances {
    /// Chat turns and uploads whose client hangs up after the request is sent.
    pub cancel_rate: f64,
    /// How long after its beginning a cancelled operation is given up.
    pub cancel_after: Pause,
    /// Uploads that break off in the middle of the body.
    pub drop_rate: f64,
    /// Voice sockets that are closed after the speech and before its answer.
    pub early_close_rate: f64,
    /// Chat turns that are sent twice at once.
    pub double_submit_rate: f64,
    /// Chat turns and uploads whose answer is read slowly.
    pub slow_read_rate: f64,
    /// How long a slow reader waits between the answer's head and its body.
    pub slow_read_pause: Duration,
}

impl Disturbances {
    /// Nothing goes wrong.
    pub const NONE: Self = Self {
        cancel_rate: 0.0,
        cancel_after: Pause {
            min: Duration::from_millis(1),
            max: Duration::from_millis(50),
        },
        drop_rate: 0.0,
        early_close_rate: 0.0,
        double_submit_rate: 0.0,
        slow_read_rate: 0.0,
        slow_read_pause: Duration::from_millis(50),
    };
}

/// The backend under test.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Target {
    /// Base URL (`http` or `https`), or `None` for the embedded lab.
    pub url: Option<Url>,
    /// Paths below the base URL. `voice` and `stream` hold `{session}`.
    pub paths: Paths,
    /// What requests say, where it is not what Engram takes.
    #[serde(default)]
    pub bodies: Bodies,
    /// Where answers say it, where it is not as in Engram's.
    #[serde(default)]
    pub answers: Answers,
    /// How requests prove who sends them.
    pub auth: AuthKind,
    /// Where the credential stands when a WebSocket is opened.
    #[serde(default)]
    pub socket_token: TokenPlace,
    /// The owner that the store should name, for each channel.
    pub expected_owner: PerChannel<OwnerTemplate>,
    /// Stand-in users that the target is known to write as.
    pub placeholders: Vec<String>,
    /// How long an operation may take before it is given up as unknown.
    pub timeouts: Timeouts,
    /// Lower-case words that generated text must not contain: they start tools at the target.
    pub trigger_words: Vec<String>,
    /// Texts with which a 200 answer begins when the agent has failed.
    pub apologies: Vec<String>,
}

/// Paths below the target's base URL.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Paths {
    /// `POST`, a chat turn.
    pub chat: String,
    /// `POST`, a multipart upload.
    pub upload: String,
    /// The voice socket; `{session}` stands for the session id.
    pub voice: String,
    /// The chat socket; `{session}` stands for the session id.
    #[serde(default = "default_stream_path")]
    pub stream: String,
    /// `POST`, a turn to keep.
    #[serde(default = "default_turn_path")]
    pub turn: String,
    /// `GET`, answers 200 while the target is up.
    pub health: String,
    /// Below it stands what shows the memory of whoever asks.
    #[serde(default = "default_memory_path")]
    pub memory: String,
    /// `DELETE`, a session; `{session}` stands for its id.
    #[serde(default = "default_session_path")]
    pub session: String,
}

fn default_memory_path() -> String {
    "/api/v1/memory".to_owned()
}

fn default_session_path() -> String {
    "/api/v1/chat/session/{session}".to_owned()
}

/// Where Engram's chat socket is.
fn default_stream_path() -> String {
    "/api/v1/chat/ws/{session}".to_owned()
}

/// Where Engram keeps turns.
fn default_turn_path() -> String {
    "/api/v1/voice/conversation/turn".to_owned()
}

/// One value for each channel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(
    from = "WrittenChannels<T>",
    bound(deserialize = "T: Clone + Deserialize<'de>")
)]
pub struct PerChannel<T> {
    /// REST chat.
    pub chat: T,
    /// Multipart upload.
    pub upload: T,
    /// The voice socket.
    pub voice: T,
    /// The chat socket.
    pub stream: T,
    /// Turns to keep.
    pub turn: T,
}

/// One value for each channel as earlier versions wrote it, who had fewer.
#[derive(Deserialize)]
struct WrittenChannels<T> {
    chat: T,
    upload: T,
    voice: T,
    stream: Option<T>,
    turn: Option<T>,
}

impl<T: Clone> From<WrittenChannels<T>> for PerChannel<T> {
    fn from(written: WrittenChannels<T>) -> Self {
        Self {
            stream: written.stream.unwrap_or_else(|| written.chat.clone()),
            turn: written.turn.unwrap_or_else(|| written.voice.clone()),
            chat: written.chat,
            upload: written.upload,
            voice: written.voice,
        }
    }
}

impl<T> PerChannel<T> {
    /// The value of one channel.
    pub fn get(&self, kind: OpKind) -> &T {
        match kind {
            OpKind::Chat => &self.chat,
            OpKind::Upload => &self.upload,
            OpKind::Voice => &self.voice,
            OpKind::Stream => &self.stream,
            OpKind::Turn => &self.turn,
        }
    }
}

/// The owner that the store should name: text with exactly one `{user}` in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OwnerTemplate {
    /// What stands before the user's name.
    pub before: String,
    /// What stands after it.
    pub after: String,
}

impl OwnerTemplate {
    /// The owner of one user, by the user's name at the target.
    pub fn owner(&self, user_name: &str) -> String {
        format!("{}{user_name}{}", self.before, self.after)
    }

    /// The user's name within an owner; `None` if the owner is not of this form.
    pub fn user_name<'a>(&self, owner: &'a str) -> Option<&'a str> {
        owner
            .strip_prefix(self.before.as_str())?
            .strip_suffix(self.after.as_str())
    }
}

/// How long things may take.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Timeouts {
    /// Opening a connection.
    pub connect: Duration,
    /// One chat turn.
    pub chat: Duration,
    /// One upload, to its answer.
    pub upload: Duration,
    /// One voice turn, from its last audio frame to the last transcript.
    pub voice: Duration,
    /// One streamed turn, to its last chunk.
    #[serde(default = "default_turn_limit")]
    pub stream: Duration,
    /// One turn to keep.
    #[serde(default = "default_turn_limit")]
    pub turn: Duration,
}

/// The limit of a turn in ledgers whose version did not have it.
fn default_turn_limit() -> Duration {
    Duration::from_mins(1)
}

impl Timeouts {
    /// The limit of one operation kind.
    pub fn of(&self, kind: OpKind) -> Duration {
        match kind {
            OpKind::Chat => self.chat,
            OpKind::Upload => self.upload,
            OpKind::Voice => self.voice,
            OpKind::Stream => self.stream,
            OpKind::Turn => self.turn,
        }
    }
}

/// The store that is read back.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Memory {
    /// Where it is.
    pub store: Store,
    /// When the store counts as settled.
    pub settle: Settle,
    /// Time limit of one read. A real store can stand still for a minute.
    pub read_timeout: Duration,
    /// Reads in flight at once.
    pub read_concurrency: u32,
    /// One in so many operations is polled for its persistence lag; 0 for none.
    pub lag_sample_every: u32,
    /// What the store speaks; `None` to find out.
    #[serde(default)]
    pub dialect: Option<StoreDialect>,
    /// The environment variable that holds the store's key, where it wants one.
    #[serde(default = "default_key_env")]
    pub key_env: String,
    /// Are the run's users made in the store before the run?
    #[serde(default)]
    pub create_users: bool,
    /// Other users that are made there, by id: stand-ins that the target writes under.
    #[serde(default)]
    pub also_create: Vec<String>,
}

/// Where the store's key is looked for if nothing else is said: where the vendor's clients look.
fn default_key_env() -> String {
    "ZEP_API_KEY".to_owned()
}

/// Where the store is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Store {
    /// The embedded lab's.
    Lab,
    /// At this base URL.
    Url(Url),
    /// There is none: answers only.
    None,
}

/// When the store counts as settled.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settle {
    /// The longest time limit of the target's own background tasks.
    pub task_limit: Duration,
    /// What an answer promised must be visible this long after it: later is late, never is lost.
    pub deadline: Duration,
    /// Pause between two scans.
    pub pause: Duration,
}

impl Settle {
    /// How long the store must stand still: one and a half of the target's own time limit for
    /// background work, and three times the 99.9th percentile of the delay that was seen.
    pub fn hold(&self, lag_p999: Duration) -> Duration {
        let limit = self.task_limit.saturating_mul(3) / 2;
        limit.max(lag_p999.saturating_mul(3))
    }

    /// Have these scans, in order, shown the store standing still for long enough? Whoever reads
    /// the store and whoever judges its scans later ask here.
    pub fn is_settled(&self, scans: &[Scan], lag_p999: Duration) -> bool {
        let (equal, held) = standstill(scans);
        equal >= EQUAL_SCANS_MIN && held >= self.hold(lag_p999)
    }
}

/// A load group: an executor that starts sessions of one kind.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Group {
    /// Its place in `Scenario::groups`.
    pub ix: GroupIx,
    /// Its name in the file.
    pub name: String,
    /// What its sessions do.
    pub session: SessionSpec,
    /// When they start.
    pub executor: Executor,
    /// Offset of the group's first start from the run's start.
    pub start_time: Duration,
    /// How long running sessions may go on after the group's end.
    pub graceful_stop: Duration,
    /// Over which connections its requests go.
    pub connections: Connections,
    /// Do the virtual users of a closed group wait for each other before each session, so that
    /// their first operations begin at one moment?
    pub starts_together: bool,
}

/// Over which connections the requests of a group go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Connections {
    /// Each user has connections of their own.
    Own,
    /// Users take turns on so many kept-alive connections, as behind a gateway; at least 1.
    Shared(u32),
}

/// When the sessions of a group start. Names and fields are k6's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Executor {
    /// So many virtual users, each running one session after another until the time is up.
    ConstantVus {
        /// Virtual users, at least 1.
        vus: u32,
        /// How long new sessions are started.
        duration: Duration,
    },
    /// So many virtual users, each running so many sessions.
    PerVuIterations {
        /// Virtual users, at least 1.
        vus: u32,
        /// Sessions of each, at least 1.
        iterations: u32,
        /// New sessions are no longer started after this time.
        max_duration: Duration,
    },
    /// The open model: sessions start at a constant rate whatever the target does.
    ConstantArrivalRate {
        /// Sessions per `time_unit`, at least 1.
        rate: u32,
        /// The unit of the rate.
        time_unit: Duration,
        /// How long sessions are started.
        duration: Duration,
        /// Sessions in flight at once; an arrival beyond it does not start and makes the
        /// generator saturated.
        max_vus: u32,
    },
}

/// What a session does.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SessionSpec {
    /// Chat turns, one after another.
    Chat(ChatSpec),
    /// Document uploads, one after another.
    Upload(UploadSpec),
    /// Spoken turns on one socket.
    Voice(VoiceSpec),
    /// Chat turns between two questions, in everybody's same words, for what was said in them.
    Recall(RecallSpec),
    /// Chat turns on one socket, answered in chunks.
    Stream(TalkSpec),
    /// Turns that are told to be kept, and not answered.
    Turn(TalkSpec),
    /// A turn, and then attempts of others at its session.
    Trespass(TrespassSpec),
}

impl SessionSpec {
    /// The kind of the session's operations.
    pub fn kind(&self) -> OpKind {
        match self {
            Self::Chat(_) | Self::Recall(_) | Self::Trespass(_) => OpKind::Chat,
            Self::Upload(_) => OpKind::Upload,
            Self::Voice(_) => OpKind::Voice,
            Self::Stream(_) => OpKind::Stream,
            Self::Turn(_) => OpKind::Turn,
        }
    }

    /// The agent that it talks to; [`AGENT_USER`] in it stands for the user.
    pub fn agent(&self) -> Option<&str> {
        match self {
            Self::Chat(spec) => Some(&spec.agent),
            Self::Voice(spec) => Some(&spec.agent),
            Self::Recall(spec) => Some(&spec.agent),
            Self::Stream(spec) | Self::Turn(spec) => Some(&spec.agent),
            Self::Trespass(spec) => Some(&spec.agent),
            Self::Upload(_) => None,
        }
    }
}

/// A time span to draw from, both ends included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pause {
    /// Shortest.
    pub min: Duration,
    /// Longest, at least `min`.
    pub max: Duration,
}

/// A chat session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChatSpec {
    /// Turns, at least 1.
    pub turns: RangeInclusive<u16>,
    /// Think time between an answer and the next turn.
    pub think: Pause,
    /// Words of a turn beside its canary, at least 1.
    pub words: RangeInclusive<u16>,
    /// The agent that is asked.
    pub agent: String,
    /// Who names the session.
    pub session_ids: SessionIds,
    /// Another user who sends in the session too.
    pub second_user: SecondUser,
    /// Is the second half of the turns sent with a new credential of the same user?
    pub relogin: bool,
    /// So many further turns may begin before the answer to an earlier one is there; 0 for one
    /// turn at a time.
    pub overlap: u16,
}

/// A session of turns, one after another, with nothing beside.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TalkSpec {
    /// Turns, at least 1.
    pub turns: RangeInclusive<u16>,
    /// Think time between an answer and the next turn.
    pub think: Pause,
    /// Words of a turn beside its canary, at least 1.
    pub words: RangeInclusive<u16>,
    /// The agent that is asked.
    pub agent: String,
}

/// Another user who sends in a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SecondUser {
    /// There is none.
    None,
    /// The second half of the turns is another user's, on the same connection.
    HandOver,
    /// Two users send under one session id, turn about.
    Alternating,
}

/// A session that asks, tells and asks again. The question has the same words for everybody, and
/// no canary; the right answer is what only this session was told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecallSpec {
    /// Turns that tell something, between the two questions; at least 1.
    pub turns: RangeInclusive<u16>,
    /// Think time between an answer and the next turn.
    pub think: Pause,
    /// Words of a telling turn beside its canary, at least 1.
    pub words: RangeInclusive<u16>,
    /// The agent that is asked.
    pub agent: String,
}

/// A session that tells something in one turn, at which then others try their hands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrespassSpec {
    /// What is tried, each once, in the order of [`Route::ALL`].
    pub routes: Vec<Route>,
    /// Who tries, as far as the credentials allow it; none of them has a right to the session.
    pub standings: Vec<Standing>,
    /// Think time between an answer and the next operation.
    pub think: Pause,
    /// Words of a turn beside its canary, at least 1.
    pub words: RangeInclusive<u16>,
    /// The agent that is asked.
    pub agent: String,
}

/// Who names a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SessionIds {
    /// The client, with an id that says whose it is.
    Client,
    /// The server, in its first answer.
    Server,
}

/// An upload session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UploadSpec {
    /// Uploads, at least 1.
    pub uploads: RangeInclusive<u16>,
    /// Pause between an answer and the next upload.
    pub think: Pause,
    /// Characters of a document, at least 300.
    pub characters: RangeInclusive<u32>,
    /// What the files are called.
    pub file_name: FileName,
}

/// What uploaded files are called.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FileName {
    /// `notes-<session>-<seq>.txt`.
    Unique,
    /// The same name for everybody.
    Same(String),
}

/// A voice session.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct VoiceSpec {
    /// Spoken turns, at least 1.
    pub turns: RangeInclusive<u16>,
    /// Think time between an answer and the next turn.
    pub think: Pause,
    /// 1 speaks in real time, 10 ten times as fast. Above 0.
    pub speed: f64,
    /// The agent that is spoken to.
    pub agent: String,
}
