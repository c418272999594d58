//! Which faults there are, and whom they strike where nothing else is said.
//!
//! What a fault does stands where it does it: in the tasks, the uploads, the sockets and the
//! store. Here is only its name and its settings; how it is asked for stands in `spec.rs`.

mod spec;

use std::fmt;
use std::time::Duration;

use crate::model::{OpKind, Route};

pub use self::spec::{FaultSpec, FaultSpecError};

/// A fault that can be planted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FaultKind {
    /// The task reads the shared request context after a pause, not what it was started with.
    LateBinding,
    /// A session is made by the message write, without an owner.
    NoOwner,
    /// The channel writes as a placeholder user.
    AuthFallback,
    /// The task is lost after the answer.
    DropAfterAck,
    /// Everything is stored twice, under new ids.
    DoubleWrite,
    /// Tasks read a process-wide current user that is set once and never again.
    GlobalUser,
    /// Two tasks in flight exchange their contexts.
    CrossedTasks,
    /// A chunk of a document is skipped.
    LoseChunk,
    /// Chunks of two uploads in flight share a buffer.
    MixChunks,
    /// Another user's answer is stored in the session too.
    ForeignAnswer,
    /// Two sockets that wait for an answer get each other's.
    CrossedSockets,
    /// Stored, and then refused or broken off.
    StoreThenFail,
    /// Stored in another session of the same user.
    WrongSession,
    /// The request's pooled object goes to the next request while its task still reads it.
    ReusedObject,
    /// A worker keeps the identity of the request that started it.
    InheritedContext,
    /// Session ids that the server makes repeat for sessions begun at one moment.
    CollidingIds,
    /// A connection to the agent stays one answer behind after a client has hung up.
    StaleConnection,
    /// A question is answered out of everybody's memories.
    GlobalRetrieval,
    /// Answers are cached by the question's words alone.
    SharedCache,
    /// A session id that belongs to somebody else is written into.
    FirstWriterOwns,
    /// Half of a session's tasks write into a second listing of it, of another owner.
    SplitOwner,
    /// The user of a session id is looked up once, whatever credential comes later.
    StaleLogin,
    /// Whoever sends over a connection is taken for the first who did.
    StickyConnection,
    /// The new credential of a session is looked up in a cache whose keys collide.
    CollidingLogins,
    /// Uploads of one file name share a temporary file.
    SharedFile,
    /// From one moment on nothing reaches the store any more.
    Wedge,
    /// Long texts are refused in silence.
    LengthLimit,
    /// A task stores the last two messages of its session, whosever turn they are of.
    LastTwoTurns,
    /// A turn is stored after the next one of its session.
    ReorderWrites,
    /// Long texts are cut.
    Truncate,
    /// Letters of a text are changed, its canaries apart.
    FlipBytes,
    /// A message of an older run comes back.
    ReplayOldRun,
    /// A user's message that nobody sent is stored.
    Invent,
    /// A write is seen only when no operation has begun for a while.
    SlowStore,
    /// The canaries of a text are damaged beyond repair.
    DamageCanary,
    /// A page of messages is missing from what the store gives back.
    PageLost,
    /// The log names nobody.
    LogNoUser,
    /// The log names another user.
    LogWrongUser,
    /// The log begins a task and never ends it.
    LogNoEnd,
    /// The task is lost, and the log says that it is done.
    LogCompletedNotStored,
    /// Questions are answered out of what anybody has told the same agent.
    SharedAgent,
    /// What the store was slow to take is written again, without a key that says that it is the
    /// same.
    BlindRetry,
    /// Tasks that begin while the worker is being started act as whoever started it.
    ColdStart,
    /// A chunk of one user's streamed answer comes out at another one's socket.
    StreamMix,
    /// One route asks nobody whether they may.
    OpenRoute,
}

/// The share of the operations that is struck where all would leave nothing to judge.
const SOME: f64 = 0.1;
/// Characters of a text from which on it is refused, as one store of messages has it.
const REFUSED_CHARS: usize = 2_500;
/// Characters of a text to which it is cut.
const CUT_CHARS: usize = 1_000;
/// Longer than the deadline of the shortest scenario, and shorter than twice that.
const SLOW: Duration = Duration::from_secs(7);
/// How long a turn is held back for the next one.
const HELD: Duration = Duration::from_secs(2);
/// How long a write may take before it is tried again.
const RETRIED: Duration = Duration::from_secs(1);
/// Operations before a store that wedges does so.
const WEDGED_AFTER: u64 = 200;

/// What a fault is called and where it can strike.
struct About {
    name: &'static str,
    kinds: &'static [OpKind],
    rate: f64,
    window: Option<Duration>,
    delay: Option<Duration>,
    limit: Option<usize>,
    after: u64,
    route: Option<Route>,
}

/// Operations of every kind.
const ALL: &[OpKind] = &OpKind::ALL;
/// Turns over REST.
const CHAT: &[OpKind] = &[OpKind::Chat];
/// Turns over any channel.
const TURNS: &[OpKind] = &[OpKind::Chat, OpKind::Voice, OpKind::Stream, OpKind::Turn];
/// Turns that are answered before they are stored.
const ANSWERED: &[OpKind] = &[OpKind::Chat, OpKind::Voice, OpKind::Stream];
/// Turns that are written, not spoken.
const TEXTS: &[OpKind] = &[OpKind::Chat, OpKind::Stream, OpKind::Turn];
const STREAM: &[OpKind] = &[OpKind::Stream];
const UPLOAD: &[OpKind] = &[OpKind::Upload];
const VOICE: &[OpKind] = &[OpKind::Voice];

impl About {
    const fn new(name: &'static str, kinds: &'static [OpKind]) -> Self {
        Self {
            name,
            kinds,
            rate: 1.0,
            window: None,
            delay: None,
            limit: None,
            after: 0,
            route: None,
        }
    }

    /// A race that is open so many milliseconds.
    const fn race(name: &'static str, kinds: &'static [OpKind], window_ms: u64) -> Self {
        let mut about = Self::new(name, kinds);
        about.window = Some(Duration::from_millis(window_ms));
        about
    }

    const fn rate(mut self, rate: f64) -> Self {
        self.rate = rate;
        self
    }

    const fn delay(mut self, delay: Duration) -> Self {
        self.delay = Some(delay);
        self
    }

    const fn limit(mut self, chars: usize) -> Self {
        self.limit = Some(chars);
        self
    }

    const fn route(mut self, route: Route) -> Self {
        self.route = Some(route);
        self
    }

    const fn after(mut self, ops: u64) -> Self {
        self.after = ops;
        self
    }
}

impl FaultKind {
    /// All faults, in the order in which messages list them.
    pub const ALL: [Self; 45] = [
        Self::LateBinding,
        Self::NoOwner,
        Self::AuthFallback,
        Self::DropAfterAck,
        Self::DoubleWrite,
        Self::GlobalUser,
        Self::CrossedTasks,
        Self::LoseChunk,
        Self::MixChunks,
        Self::ForeignAnswer,
        Self::CrossedSockets,
        Self::StoreThenFail,
        Self::WrongSession,
        Self::ReusedObject,
        Self::InheritedContext,
        Self::CollidingIds,
        Self::StaleConnection,
        Self::GlobalRetrieval,
        Self::SharedCache,
        Self::FirstWriterOwns,
        Self::SplitOwner,
        Self::StaleLogin,
        Self::StickyConnection,
        Self::CollidingLogins,
        Self::SharedFile,
        Self::Wedge,
        Self::LengthLimit,
        Self::LastTwoTurns,
        Self::ReorderWrites,
        Self::Truncate,
        Self::FlipBytes,
        Self::ReplayOldRun,
        Self::Invent,
        Self::SlowStore,
        Self::DamageCanary,
        Self::PageLost,
        Self::LogNoUser,
        Self::LogWrongUser,
        Self::LogNoEnd,
        Self::LogCompletedNotStored,
        Self::SharedAgent,
        Self::BlindRetry,
        Self::ColdStart,
        Self::StreamMix,
        Self::OpenRoute,
    ];

    /// The name used on the command line and in the truth.
    pub fn name(self) -> &'static str {
        self.about().name
    }

    /// Can it strike operations of this kind?
    pub fn touches(self, kind: OpKind) -> bool {
        self.about().kinds.contains(&kind)
    }

    /// Is it a race, with a window that can be set?
    pub fn is_race(self) -> bool {
        self.about().window.is_some()
    }

    fn about(self) -> About {
        match self {
            Self::LateBinding => About::race("late-binding", ALL, 2),
            Self::NoOwner => About::new("no-owner", TURNS),
            Self::AuthFallback => About::new("auth-fallback", ALL),
            Self::DropAfterAck => About::new("drop-after-ack", ALL),
            Self::DoubleWrite => About::new("double-write", ALL),
            Self::GlobalUser => About::race("global-user", ALL, 2),
            Self::CrossedTasks => About::race("crossed-tasks", ALL, 20),
            Self::LoseChunk => About::new("lose-chunk", UPLOAD),
            Self::MixChunks => About::race("mix-chunks", UPLOAD, 100),
            Self::ForeignAnswer => About::new("foreign-answer", TURNS),
            Self::CrossedSockets => About::race("crossed-sockets", VOICE, 100),
            Self::StoreThenFail => About::new("store-then-fail", ALL).rate(SOME),
            Self::WrongSession => About::new("wrong-session", TURNS),
            Self::ReusedObject => About::race("reused-object", ALL, 5),
            Self::InheritedContext => About::new("inherited-context", ALL),
            Self::CollidingIds => About::race("colliding-ids", CHAT, 10),
            Self::StaleConnection => About::race("stale-connection", CHAT, 20),
            Self::GlobalRetrieval => About::new("global-retrieval", CHAT),
            Self::SharedCache => About::new("shared-cache", CHAT),
            Self::FirstWriterOwns => About::new("first-writer-owns", CHAT),
            Self::SplitOwner => About::new("split-owner", TURNS),
            Self::StaleLogin => About::new("stale-login", CHAT),
            Self::StickyConnection => About::new("sticky-connection", CHAT),
            Self::CollidingLogins => About::new("colliding-logins", CHAT),
            Self::SharedFile => About::race("shared-file", UPLOAD, 20),
            Self::Wedge => About::new("wedge", ALL).after(WEDGED_AFTER),
            Self::LengthLimit => About::new("length-limit", ALL).limit(REFUSED_CHARS),
            Self::LastTwoTurns => About::new("last-two-turns", CHAT),
            Self::ReorderWrites => About::new("reorder-writes", ANSWERED).delay(HELD),
            Self::Truncate => About::new("truncate", TEXTS).limit(CUT_CHARS),
            Self::FlipBytes => About::new("flip-bytes", TEXTS),
            Self::ReplayOldRun => About::new("replay-old-run", TURNS),
            Self::Invent => About::new("invent", TURNS),
            Self::SlowStore => About::new("slow-store", ALL).delay(SLOW),
            Self::DamageCanary => About::new("damage-canary", TEXTS),
            // It strikes pages that are read, not operations.
            Self::PageLost => About::new("page-lost", &[]).rate(SOME),
            Self::LogNoUser => About::new("log-no-user", ALL),
            Self::LogWrongUser => About::new("log-wrong-user", ALL),
            // Where no task ended, nobody could tell that a log lacks ends.
            Self::LogNoEnd => About::new("log-no-end", ALL).rate(SOME),
            Self::LogCompletedNotStored => About::new("log-completed-not-stored", ALL),
            Self::SharedAgent => About::new("shared-agent", CHAT),
            Self::BlindRetry => About::new("blind-retry", ANSWERED).delay(RETRIED),
            Self::ColdStart => About::race("cold-start", ALL, 200),
            Self::StreamMix => About::race("stream-mix", STREAM, 100),
            // It strikes whoever asks, not operations.
            Self::OpenRoute => About::new("open-route", &[]).route(Route::Transcript),
        }
    }
}

impl fmt::Display for FaultKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}
