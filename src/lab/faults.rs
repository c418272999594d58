//! Which faults there are, and how one is asked for.
//!
//! What a fault does stands where it does it: in the tasks, the uploads and the sockets. Here is
//! only its name, its settings and the decision whether it strikes an operation.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use crate::model::OpKind;

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
}

impl FaultKind {
    /// All faults, in the order in which messages list them.
    pub const ALL: [Self; 13] = [
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
    ];

    /// The name used on the command line and in the truth.
    pub fn name(self) -> &'static str {
        match self {
            Self::LateBinding => "late-binding",
            Self::NoOwner => "no-owner",
            Self::AuthFallback => "auth-fallback",
            Self::DropAfterAck => "drop-after-ack",
            Self::DoubleWrite => "double-write",
            Self::GlobalUser => "global-user",
            Self::CrossedTasks => "crossed-tasks",
            Self::LoseChunk => "lose-chunk",
            Self::MixChunks => "mix-chunks",
            Self::ForeignAnswer => "foreign-answer",
            Self::CrossedSockets => "crossed-sockets",
            Self::StoreThenFail => "store-then-fail",
            Self::WrongSession => "wrong-session",
        }
    }

    /// Can it strike operations of this kind?
    pub fn touches(self, kind: OpKind) -> bool {
        match self {
            Self::LateBinding
            | Self::GlobalUser
            | Self::CrossedTasks
            | Self::AuthFallback
            | Self::DropAfterAck
            | Self::DoubleWrite
            | Self::StoreThenFail => true,
            Self::NoOwner | Self::ForeignAnswer | Self::WrongSession => kind != OpKind::Upload,
            Self::LoseChunk | Self::MixChunks => kind == OpKind::Upload,
            Self::CrossedSockets => kind == OpKind::Voice,
        }
    }

    /// The share of the operations that it strikes where nothing is said. Where all operations
    /// fail there is nothing left to judge.
    fn rate_default(self) -> f64 {
        if self == Self::StoreThenFail {
            0.1
        } else {
            1.0
        }
    }

    /// How long the race is open where nothing is said; `None` for a fault that is no race.
    fn window_default(self) -> Option<Duration> {
        match self {
            Self::LateBinding | Self::GlobalUser => Some(Duration::from_millis(2)),
            Self::CrossedTasks => Some(Duration::from_millis(20)),
            Self::MixChunks | Self::CrossedSockets => Some(Duration::from_millis(100)),
            Self::NoOwner
            | Self::AuthFallback
            | Self::DropAfterAck
            | Self::DoubleWrite
            | Self::LoseChunk
            | Self::ForeignAnswer
            | Self::StoreThenFail
            | Self::WrongSession => None,
        }
    }
}

impl fmt::Display for FaultKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// A fault with its settings: `NAME[:rate=0.01][:window=2ms][:from=concurrency][:after=ops]`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FaultSpec {
    /// The fault.
    pub kind: FaultKind,
    /// The share of the operations that it strikes, above 0 and at most 1. Default 1, and
    /// 0.1 for `store-then-fail`.
    pub rate: f64,
    /// How long the race is open; zero for a fault that is no race.
    pub window: Duration,
    /// Strikes only while at least this many operations are in flight, the struck one
    /// included. Default 0.
    pub from: u32,
    /// Strikes only after this many operations have begun. Default 0.
    pub after: u64,
}

/// Why a fault's text is not understood.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FaultSpecError {
    /// No fault has this name.
    #[error("unknown fault `{name}`; did you mean `{nearest}`? Faults: {known}")]
    UnknownFault {
        /// What was given.
        name: String,
        /// The nearest name there is.
        nearest: &'static str,
        /// All names, separated by commas.
        known: String,
    },
    /// Faults have no such setting.
    #[error("unknown setting `{key}` of fault `{fault}`: one of rate, window, from, after")]
    UnknownKey {
        /// The fault.
        fault: &'static str,
        /// What was given.
        key: String,
    },
    /// The setting was given twice.
    #[error("setting `{key}` of fault `{fault}` is given twice")]
    Repeated {
        /// The fault.
        fault: &'static str,
        /// The setting.
        key: String,
    },
    /// The setting has no such value.
    #[error("bad value `{value}` for `{key}` of fault `{fault}`: {wanted}")]
    BadValue {
        /// The fault.
        fault: &'static str,
        /// The setting.
        key: String,
        /// What was given.
        value: String,
        /// What is allowed.
        wanted: &'static str,
    },
}

impl FromStr for FaultSpec {
    type Err = FaultSpecError;

    fn from_str(text: &str) -> Result<Self, FaultSpecError> {
        let mut parts = text.split(':');
        let kind = kind_named(parts.next().unwrap_or_default())?;
        let mut spec = Self {
            kind,
            rate: kind.rate_default(),
            window: kind.window_default().unwrap_or_default(),
            from: 0,
            after: 0,
        };
        let mut seen = Vec::new();
        for part in parts {
            let (key, value) = part.split_once('=').unwrap_or((part, ""));
            if seen.contains(&key) {
                return Err(FaultSpecError::Repeated {
                    fault: kind.name(),
                    key: key.to_owned(),
                });
            }
            seen.push(key);
            spec.set(key, value)?;
        }
        Ok(spec)
    }
}

impl FaultSpec {
    fn set(&mut self, key: &str, value: &str) -> Result<(), FaultSpecError> {
        let fault = self.kind.name();
        let bad = |wanted| FaultSpecError::BadValue {
            fault,
            key: key.to_owned(),
            value: value.to_owned(),
            wanted,
        };
        match key {
            "rate" => {
                let rate = value
                    .parse()
                    .ok()
                    .filter(|rate| *rate > 0.0 && *rate <= 1.0);
                self.rate = rate.ok_or_else(|| bad("a share above 0 and at most 1, as 0.01"))?;
            }
            "window" => {
                if self.kind.window_default().is_none() {
                    return Err(bad("this fault is no race and has no window"));
                }
                let window = humantime::parse_duration(value).ok();
                let window = window.filter(|window| *window <= WINDOW_MAX);
                self.window = window.ok_or_else(|| bad("a time of at most 10s, as 2ms"))?;
            }
            "from" => {
                let wanted = "a number of operations in flight, as 50";
                self.from = value.parse().map_err(|_| bad(wanted))?;
            }
            "after" => {
                let wanted = "a number of operations, as 1000";
                self.after = value.parse().map_err(|_| bad(wanted))?;
            }
            _ => {
                return Err(FaultSpecError::UnknownKey {
                    fault,
                    key: key.to_owned(),
                });
            }
        }
        Ok(())
    }
}

/// The longest window: a task that waits longer would look lost.
const WINDOW_MAX: Duration = Duration::from_secs(10);

fn kind_named(name: &str) -> Result<FaultKind, FaultSpecError> {
    let known = FaultKind::ALL.into_iter();
    known
        .clone()
        .find(|kind| kind.name() == name)
        .ok_or_else(|| {
            let nearness = |kind: &FaultKind| strsim::damerau_levenshtein(kind.name(), name);
            FaultSpecError::UnknownFault {
                name: name.to_owned(),
                nearest: known
                    .clone()
                    .min_by_key(nearness)
                    .map_or("", FaultKind::name),
                known: known.map(FaultKind::name).collect::<Vec<_>>().join(", "),
            }
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_read() {
        let spec: FaultSpec = "late-binding:rate=0.01:window=5ms:from=50:after=1000"
            .parse()
            .unwrap();
        assert_eq!(
            spec,
            FaultSpec {
                kind: FaultKind::LateBinding,
                rate: 0.01,
                window: Duration::from_millis(5),
                from: 50,
                after: 1000,
            }
        );
        for kind in FaultKind::ALL {
            let spec: FaultSpec = kind.name().parse().unwrap();
            assert_eq!(spec.kind, kind);
            assert!(spec.rate > 0.0 && spec.rate <= 1.0);
        }
    }

    #[test]
    fn mistakes_are_named() {
        for (text, told) in [
            (
                "late-bindign",
                "unknown fault `late-bindign`; did you mean `late-binding`? Faults: late-binding, \
                 no-owner, ",
            ),
            ("", "unknown fault ``; did you mean `no-owner`?"),
            (
                "no-owner:rat=1",
                "unknown setting `rat` of fault `no-owner`: one of rate, window, from, after",
            ),
            (
                "no-owner:rate=0",
                "bad value `0` for `rate` of fault `no-owner`: a share",
            ),
            ("no-owner:rate=nan", "bad value `nan` for `rate`"),
            ("no-owner:rate=1.5", "bad value `1.5` for `rate`"),
            ("no-owner:rate", "bad value `` for `rate`"),
            ("late-binding:window=2", "bad value `2` for `window`"),
            ("late-binding:window=1h", "bad value `1h` for `window`"),
            (
                "no-owner:window=2ms",
                "this fault is no race and has no window",
            ),
            ("no-owner:from=-1", "bad value `-1` for `from`"),
            ("no-owner:after=x", "bad value `x` for `after`"),
            (
                "no-owner:after=1:after=2",
                "setting `after` of fault `no-owner` is given twice",
            ),
        ] {
            let error = text.parse::<FaultSpec>().unwrap_err().to_string();
            assert!(error.contains(told), "{text}: {error}");
        }
    }
}
