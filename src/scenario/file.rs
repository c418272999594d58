//! The scenario file as it is written: every key, with the text that explains it.
//!
//! The doc comments of the fields are the descriptions of the published JSON Schema. What the
//! values become is decided in `convert.rs`.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

use super::text::{
    AlgorithmText, Auth, AuthText, BaseUrl, BleedText, BodyText, ChannelText, CheckText, Claim,
    DayText, DialectText, EndpointText, ExecutorText, FileNames, IdsText, KindText, Line,
    LineTemplates, Name, OwnerText, Path, PlaceText, PointerText, Pool, Routes, SecondText,
    SecretText, SessionPath, StartsText, StoreUrl, Template, Texts, TriggerWords,
};
use super::value::{Counts, Field, Flag, Int, Pauses, Rate, Speed, Time};
use crate::model::limits::{PLANNED_USERS_MAX, SESSIONS_MAX};

/// Operations of one session.
const STEPS_MAX: u32 = 10_000;
/// Words of a chat turn. Zep CE refuses messages above 2 500 characters, without a sound.
const WORDS_MAX: u32 = 250;
/// Characters of a document below which a store's chunk may hold no canary.
const CHARACTERS_MIN: u32 = 300;
/// Characters of a document.
const CHARACTERS_MAX: u32 = 10_000_000;
/// Characters of all documents of one session: beyond them a canary would come too seldom.
pub(super) const SESSION_CHARACTERS_MAX: u64 = 1_000_000_000;
/// Turns of one session that may begin before the answer to an earlier one.
const OVERLAP_MAX: u32 = 100;
/// Connections that the users of one load group share.
const SHARED_CONNECTIONS_MAX: u32 = 10_000;
/// Operations that may begin in a second.
const RATE_MAX: u32 = 1_000_000;
/// Reads of the store in flight at once.
const READ_CONCURRENCY_MAX: u32 = 1_024;

/// A scenario: what Crosswire does to which backend.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(title = "Crosswire scenario", extend("required" = ["load", "sessions"]))]
pub(super) struct RawFile {
    /// Version of the file format. Default 1.
    pub(super) version: Field<Int<1, 1>>,
    /// One line for people: what the scenario does.
    pub(super) description: Field<Line>,
    /// The synthetic users.
    pub(super) users: RawUsers,
    /// The backend under test. Without a URL, here or as a flag, the embedded lab.
    pub(super) target: RawTarget,
    /// How requests prove who sends them.
    pub(super) auth: RawAuth,
    /// The memory store that is read back.
    pub(super) memory: RawMemory,
    /// Load groups by name: which sessions start when. At least one.
    pub(super) load: BTreeMap<String, RawGroup>,
    /// What sessions do, by name.
    pub(super) sessions: BTreeMap<String, RawSession>,
    /// What goes wrong on the client's side, on purpose.
    pub(super) disturbances: RawDisturbances,
    /// Findings that are known: shown and counted, not failed.
    pub(super) accept: Vec<RawAccept>,
    /// What a run may do at most. A flag wins over the value here.
    pub(super) caps: RawCaps,
    /// How the lines of the target's log look that speak of background tasks.
    pub(super) logs: RawLogs,
}

/// How the lines of the target's log look that speak of background tasks. A list replaces the
/// lines that are looked for if nothing is said, which are `Background task started: …`,
/// `completed` and `failed`; an empty one looks for none.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct RawLogs {
    /// Lines about the task of a chat turn.
    pub(super) chat: RawTaskLines,
    /// Lines about the task of an upload.
    pub(super) upload: RawTaskLines,
    /// Lines about the task of a spoken turn.
    pub(super) voice: RawTaskLines,
}

/// How the lines about the tasks of one channel look. Each entry is text that is looked for
/// anywhere in a line, with `{user}`, `{file}`, `{count}` and `{error}` for what differs, and `[…]`
/// around what may be missing.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct RawTaskLines {
    /// A task has begun.
    pub(super) started: Field<LineTemplates>,
    /// It is done.
    pub(super) completed: Field<LineTemplates>,
    /// It has given up.
    pub(super) failed: Field<LineTemplates>,
}

/// What a run may do at most. A plan that exceeds a bound is refused where that is known before
/// the start; a run that reaches one stops, reads back and judges.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[expect(
    clippy::struct_field_names,
    reason = "the keys have the names of the flags"
)]
pub(super) struct RawCaps {
    /// Operations that may begin (`--max-ops`). Default: no bound.
    pub(super) max_ops: Field<Int<1, { u32::MAX }>>,
    /// Operations that may begin in a second; what would come faster waits (`--max-rate`).
    /// Default: no bound.
    pub(super) max_rate: Field<Int<1, RATE_MAX>>,
    /// Calls of a language model, one a turn (`--max-model-calls`). Default: no bound.
    pub(super) max_model_calls: Field<Int<0, { u32::MAX }>>,
    /// How long operations may begin (`--max-wall`). Default: no bound.
    pub(super) max_wall: Field<Time<1>>,
}

/// The synthetic users.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct RawUsers {
    /// How many there are. Default: the number of virtual users of the largest load group.
    pub(super) count: Field<Int<1, PLANNED_USERS_MAX>>,
    /// Users that are at the target already, by their names there; the first `count` of them are
    /// used. Default: none, each run makes users of its own.
    pub(super) pool: Field<Pool>,
    /// A file with the pool's names, one a line; its path is relative to this file.
    pub(super) pool_file: Field<Name>,
}

/// Findings that are known: shown and counted, not failed.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(extend("required" = ["check", "reason"]))]
pub(super) struct RawAccept {
    /// The anomaly. A mix-up between two users cannot be accepted, a memory that is shared can.
    pub(super) check: Field<CheckText>,
    /// The channel: "chat", "upload", "voice", "stream" or "turn". Default: all.
    pub(super) channel: Field<ChannelText>,
    /// Under whom the records are: an owner exactly as the store names it, or "none" for nobody.
    /// Default: any.
    pub(super) owner: Field<OwnerText>,
    /// Of `response-bleed`, how the text came into the answer. Only "retrieval" can be accepted, and
    /// only of one channel: a memory that is meant to be shared.
    pub(super) kind: Field<BleedText>,
    /// Why it is accepted, for people.
    pub(super) reason: Field<Name>,
    /// The last day on which the entry counts, such as "2027-03-31". Default: it never ends.
    pub(super) until: Field<DayText>,
}

/// The backend under test.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct RawTarget {
    /// Base URL of the backend. Default: none, which starts the embedded lab.
    pub(super) url: Field<BaseUrl>,
    /// How requests prove who sends them, where nothing else is to be said of it: "dev" sends
    /// development tokens (`Authorization: Bearer dev_<user>_analyst`), "dev-header" the same in
    /// `X-Dev-Token`, "none" sends nothing. Other ways are written in `[auth]`. Default "dev".
    pub(super) auth: Field<Auth>,
    /// Stand-in users that the target is known to write as. Default: Engram's.
    pub(super) placeholders: Field<Texts>,
    /// Lower-case words that generated text must not contain, because they start tools at the
    /// target. Default: Engram's.
    pub(super) trigger_words: Field<TriggerWords>,
    /// Texts with which a 200 answer begins when the agent has failed. Default: Engram's.
    pub(super) apologies: Field<Texts>,
    /// Paths below the base URL.
    pub(super) paths: RawPaths,
    /// What requests say, for backends that name things otherwise than Engram: JSON in whose
    /// values `{text}`, `{session}`, `{agent}` and `{user}` stand for what is sent.
    pub(super) bodies: RawBodies,
    /// Where the answer to a chat turn says what: JSON pointers (RFC 6901).
    pub(super) answers: RawAnswers,
    /// The owner that the store should name, for each channel: text with one `{user}`, which
    /// stands for the user's name at the target, or one `{oid}`, which stands for the owner that
    /// the user's credential names.
    pub(super) expected_owner: RawOwners,
    /// How long things may take before they are given up as unknown.
    pub(super) timeouts: RawTimeouts,
}

/// How requests prove who sends them. No secret stands here: `env:NAME` and `file:PATH` say where
/// it is.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct RawAuth {
    /// "dev" and "dev-header": development tokens. "none": nothing. "shared": one token for
    /// everybody. "file": a file with a token for each user. "mint": tokens that are signed here.
    /// "oauth2": tokens that an issuer gives for client ids and secrets.
    pub(super) kind: Field<AuthText>,
    /// Where the token is (shared): `env:NAME` or `file:PATH`.
    pub(super) token: Field<SecretText>,
    /// The file of users: CSV with a first line of column names, or a JSON object a line. With
    /// `user` and `token` (file), or `user`, `client_id` and `client_secret` (oauth2), where the
    /// secret is `env:NAME` or `file:PATH`; and `oid`, if the owner cannot be read in the token.
    /// Its path is relative to this file.
    pub(super) file: Field<Name>,
    /// Where the key is (mint): a private key in PEM, or the secret of HS256.
    pub(super) key: Field<SecretText>,
    /// How tokens are signed (mint): "RS256", "ES256" or "HS256"; if nothing is
    /// said "RS256".
    pub(super) algorithm: Field<AlgorithmText>,
    /// What the target finds the key by (mint). Default: the key's thumbprint.
    pub(super) key_id: Field<Name>,
    /// How long a token is valid (mint); if nothing is said ten minutes.
    pub(super) lifetime: Field<Time<1_000>>,
    /// What tokens say (mint), with `{user}` for the user's name. Default: `oid` and `sub` are
    /// the user's name. `iat`, `nbf`, `exp` and `jti` are computed.
    pub(super) claims: BTreeMap<String, Field<Claim>>,
    /// Where tokens are asked for (oauth2).
    pub(super) token_url: Field<EndpointText>,
    /// The scope that is asked for (oauth2). Default: none.
    pub(super) scope: Field<Name>,
    /// The audience that is asked for (oauth2). Default: none.
    pub(super) audience: Field<Name>,
    /// Where the credential stands when a WebSocket is opened: "header", "query:NAME",
    /// "subprotocol:NAME" (behind one of this name), or "first-frame:TEXT" with `{token}` in it.
    /// Default "header".
    pub(super) socket: Field<PlaceText>,
}

/// Paths below the base URL.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct RawPaths {
    /// Chat turns (`POST`). Default "/api/v1/chat".
    pub(super) chat: Field<Path>,
    /// Document uploads (`POST`, multipart). Default "/api/v1/etl/ingest".
    pub(super) upload: Field<Path>,
    /// The voice socket; `{session}` stands for the session id.
    /// Default "/api/v1/voice/voicelive/{session}".
    pub(super) voice: Field<SessionPath>,
    /// The chat socket; `{session}` stands for the session id.
    /// Default "/api/v1/chat/ws/{session}".
    pub(super) stream: Field<SessionPath>,
    /// Turns to keep (`POST`). Default "/api/v1/voice/conversation/turn".
    pub(super) turn: Field<Path>,
    /// Answers 200 while the target is up (`GET`). Default "/health".
    pub(super) health: Field<Path>,
    /// Below it stands what shows the memory of whoever asks: `/episodes`, `/episodes/{session}`,
    /// `/graph`, `/search`. Default "/api/v1/memory".
    pub(super) memory: Field<Path>,
    /// Sessions that are deleted (`DELETE`); `{session}` stands for the session id.
    /// Default "/api/v1/chat/session/{session}".
    pub(super) session: Field<SessionPath>,
}

/// What requests say. What is left out is what Engram takes.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct RawBodies {
    /// A chat turn, such as '{"message": "{text}", "thread": "{session}"}'. A value that is nothing
    /// but `{session}` is null while the server has not named it.
    pub(super) chat: Field<BodyText>,
    /// A turn to keep.
    pub(super) turn: Field<BodyText>,
    /// A message on the chat socket.
    pub(super) stream: Field<BodyText>,
}

/// Where the answer to a chat turn says what.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct RawAnswers {
    /// The reply, such as "/data/reply"; Engram has it in `/content`.
    pub(super) text: Field<PointerText>,
    /// The session's id, which an answer may lack; Engram has it in `/session_id`.
    pub(super) session: Field<PointerText>,
}

/// The owner that the store should name, for each channel.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct RawOwners {
    /// Of what is chatted. Default "dev-oid-{user}".
    pub(super) chat: Field<Template>,
    /// Of what is uploaded. Default "dev-oid-{user}".
    pub(super) upload: Field<Template>,
    /// Of what is spoken. Default "dev-oid-{user}".
    pub(super) voice: Field<Template>,
    /// Of what is chatted on the chat socket. Default "dev-oid-{user}".
    pub(super) stream: Field<Template>,
    /// Of turns to keep. Default "dev-oid-{user}".
    pub(super) turn: Field<Template>,
}

/// How long things may take.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct RawTimeouts {
    /// Opening a connection. Default "10s".
    pub(super) connect: Field<Time<1>>,
    /// One chat turn. Default "60s".
    pub(super) chat: Field<Time<1>>,
    /// One upload, to its answer. Default "60s".
    pub(super) upload: Field<Time<1>>,
    /// One voice turn, from its last audio to the last transcript. Default "30s".
    pub(super) voice: Field<Time<1>>,
    /// One streamed turn, to its last chunk. Default "60s".
    pub(super) stream: Field<Time<1>>,
    /// One turn to keep. Default "60s".
    pub(super) turn: Field<Time<1>>,
}

/// The memory store that is read back.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct RawMemory {
    /// Base URL of the store, or "none": then only answers are judged. Default: the lab's store
    /// where the target is the embedded lab, else "none".
    pub(super) url: Field<StoreUrl>,
    /// Time limit of one read. Default "90s", because a real store can stand still for a minute.
    pub(super) read_timeout: Field<Time<1>>,
    /// Reads in flight at once. Default 16.
    pub(super) read_concurrency: Field<Int<1, READ_CONCURRENCY_MAX>>,
    /// One in so many operations is polled to measure how late it becomes visible; 0 for none.
    /// Default 50.
    pub(super) lag_sample_every: Field<Int<0, { u32::MAX }>>,
    /// What the store speaks: "v1", "v1-engram", "v2", "cloud", or "auto" to find out by reading.
    /// Default "auto".
    pub(super) dialect: Field<DialectText>,
    /// The environment variable that holds the store's key, which is sent only where the store
    /// wants one; by default `ZEP_API_KEY`.
    pub(super) key_env: Field<Name>,
    /// Make the run's users in the store before the run, where the store makes no session for a
    /// user that it does not know. Default false.
    pub(super) create_users: Field<Flag>,
    /// Other users to make there, by id: the stand-ins that the target writes under. They are left
    /// there; by default there are none.
    pub(super) also_create: Field<Texts>,
    /// When the store counts as settled, so that what is missing counts as lost.
    pub(super) settle: RawSettle,
}

/// When the store counts as settled.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct RawSettle {
    /// The longest time limit of the target's own background tasks. Default "10s".
    pub(super) task_limit: Field<Time<0>>,
    /// What an answer promised must be visible this long after it: later is late, never is
    /// lost. At least `task_limit`. Default "120s".
    pub(super) deadline: Field<Time<1>>,
    /// Pause between two readings of the whole store. Default "2s".
    pub(super) pause: Field<Time<1>>,
}

/// A load group: starts sessions of one kind.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(extend("required" = ["executor", "session"]))]
pub(super) struct RawGroup {
    /// When sessions start. "per-vu-iterations": each virtual user runs so many sessions.
    /// "constant-vus": each virtual user runs sessions until the time is up.
    /// "constant-arrival-rate": sessions start at a constant rate, whatever the target does.
    pub(super) executor: Field<ExecutorText>,
    /// Which sessions: the NAME of a `[sessions.NAME]` section.
    pub(super) session: Field<Name>,
    /// Virtual users (per-vu-iterations, constant-vus).
    pub(super) vus: Field<Int<1, SESSIONS_MAX>>,
    /// Sessions of each virtual user (per-vu-iterations). Default 1.
    pub(super) iterations: Field<Int<1, SESSIONS_MAX>>,
    /// No session starts after this time (per-vu-iterations). Default "10m".
    pub(super) max_duration: Field<Time<1>>,
    /// How long sessions are started (constant-vus, constant-arrival-rate).
    pub(super) duration: Field<Time<1>>,
    /// Sessions started in each `time_unit` (constant-arrival-rate).
    pub(super) rate: Field<Int<1, SESSIONS_MAX>>,
    /// The unit of the rate (constant-arrival-rate). Default "1s".
    pub(super) time_unit: Field<Time<1>>,
    /// Sessions in flight at once; what arrives beyond it does not start
    /// (constant-arrival-rate). Default 50.
    pub(super) max_vus: Field<Int<1, SESSIONS_MAX>>,
    /// Offset of the group's first start from the start of the run. Default "0s".
    pub(super) start_time: Field<Time<0>>,
    /// How long running sessions may go on after the group's end. Default "30s".
    pub(super) graceful_stop: Field<Time<0>>,
    /// Users take turns on so many kept-alive connections, as behind a gateway (chat, recall, turn,
    /// upload). Without it each user has connections of their own.
    pub(super) shared_connections: Field<Int<1, SHARED_CONNECTIONS_MAX>>,
    /// When the virtual users begin their next session: "freely", or "together", as soon as all
    /// of them are ready (per-vu-iterations, constant-vus). Default "freely".
    pub(super) starts: Field<StartsText>,
}

/// What a session does.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(extend("required" = ["kind"]))]
pub(super) struct RawSession {
    /// "chat": turns by REST. "upload": documents. "voice": spoken turns on one socket.
    /// "recall": chat turns between two questions, in everybody's same words, for what was said
    /// in them. "stream": chat turns on one socket, answered in chunks. "turn": turns that are told
    /// to be kept, and not answered. "trespass": one turn, and then attempts of others to reach its
    /// session.
    pub(super) kind: Field<KindText>,
    /// Turns (chat, stream, turn, voice; of recall those between the questions): a number, or a
    /// range to draw from. Default 1.
    pub(super) turns: Field<Counts<1, STEPS_MAX>>,
    /// Think time between an answer and the next operation, or a range to draw from.
    /// Default "1s".
    pub(super) think: Field<Pauses>,
    /// Words of a turn beside its canary (chat, recall, stream, turn, trespass), or a
    /// range.
    /// Default "12..40".
    pub(super) words: Field<Counts<1, WORDS_MAX>>,
    /// The agent that is asked (chat, recall, stream, turn, trespass, voice); `{user}` in it stands
    /// for the user, `u7` for the eighth, so that each has an agent of their own. Default "elena".
    pub(super) agent: Field<Name>,
    /// Who names the session (chat): "client", or "server" in its first answer.
    /// Default "client".
    pub(super) session_ids: Field<IdsText>,
    /// Another user who sends in the session too (chat): "hand-over" gives them the second half
    /// of the turns, "alternating" every second turn. Default "none".
    pub(super) second_user: Field<SecondText>,
    /// Is the second half of the turns sent with a new credential of the same user (chat)?
    /// Default false.
    pub(super) relogin: Field<Flag>,
    /// So many further turns may begin before the answer to an earlier one is there (chat).
    /// Default 0.
    pub(super) intra_session_overlap: Field<Int<0, OVERLAP_MAX>>,
    /// Documents (upload), or a range. Default 1.
    pub(super) uploads: Field<Counts<1, STEPS_MAX>>,
    /// Characters of a document (upload), or a range. Default 4000.
    pub(super) characters: Field<Counts<CHARACTERS_MIN, CHARACTERS_MAX>>,
    /// What the files are called (upload): "unique" gives each its own name,
    /// "same:notes.txt" gives all of them this one. Default "unique".
    pub(super) file_name: Field<FileNames>,
    /// What is tried (trespass): "transcript", "episodes", "facts", "search", "chat", "delete".
    /// Default: all but "facts", which only targets show that make facts of what is chatted.
    pub(super) routes: Field<Routes>,
    /// How fast is spoken (voice): 1 is real time, 10 ten times as fast. Default 1.
    pub(super) speed: Field<Speed>,
}

/// What goes wrong on the client's side, on purpose. A rate is the share of the operations that
/// are struck, from 0 to 1; an operation is struck by one thing at most.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct RawDisturbances {
    /// Chat turns, streamed and kept ones too, and uploads whose client hangs up before the answer
    /// or in the middle of it. Default 0.
    pub(super) cancel_rate: Field<Rate>,
    /// How long after its beginning a cancelled operation is given up, or a range to draw from.
    /// Default "1ms..50ms".
    pub(super) cancel_after: Field<Pauses>,
    /// Uploads that break off in the middle of the body. Default 0.
    pub(super) drop_rate: Field<Rate>,
    /// Spoken turns whose socket is closed before the answer. Default 0.
    pub(super) early_close_rate: Field<Rate>,
    /// Chat turns, and turns to keep, that are sent twice at once. Default 0.
    pub(super) double_submit_rate: Field<Rate>,
    /// Chat turns, turns to keep, and uploads whose answer is read slowly. Default 0.
    pub(super) slow_read_rate: Field<Rate>,
    /// How long a slow reader waits between the answer's head and its body. Default "50ms".
    pub(super) slow_read_pause: Field<Time<1>>,
}
