//! How a fault is asked for.

use std::str::FromStr;
use std::time::Duration;

use super::FaultKind;
use crate::model::{Route, UnknownName};

/// A fault with its settings:
/// `NAME[:rate=0.01][:window=2ms][:from=concurrency][:after=ops][:users=50][:delay=7s][:limit=1000]`, and of
/// `open-route` `[:route=chat]`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FaultSpec {
    /// The fault.
    pub kind: FaultKind,
    /// The share of the operations that it strikes, above 0 and at most 1. Default 1, and
    /// 0.1 where all would leave nothing to judge; of `page-lost`, the share of pages.
    pub rate: f64,
    /// How long the race is open; zero for a fault that is no race.
    pub window: Duration,
    /// Strikes only while at least this many operations are in flight, the struck one
    /// included. Default 0.
    pub from: u32,
    /// Strikes only after this many operations have begun. Default 0, of `wedge` 200.
    pub after: u64,
    /// Strikes only once so many users have sent something, as what is pooled is used up only then.
    /// Default 0.
    pub users: usize,
    /// How long a write is held back, or may take before it is tried again; zero for a fault that
    /// does neither.
    pub delay: Duration,
    /// Characters of a text up to which it is left alone; 0 for a fault without a limit.
    pub limit: usize,
    /// The route that is open; `None` for a fault that opens none.
    pub route: Option<Route>,
}

/// Why a fault's text is not understood.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FaultSpecError {
    /// No fault has this name.
    #[error(transparent)]
    UnknownFault(#[from] UnknownName),
    /// Faults have no such setting.
    #[error(
        "unknown setting `{key}` of fault `{fault}`: one of rate, window, from, after, users, \
         delay, limit, route"
    )]
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
        let name = parts.next().unwrap_or_default();
        let kind = UnknownName::look_up("fault", &FaultKind::ALL, FaultKind::name, name)?;
        let about = kind.about();
        let mut spec = Self {
            kind,
            rate: about.rate,
            window: about.window.unwrap_or_default(),
            from: 0,
            after: about.after,
            users: 0,
            delay: about.delay.unwrap_or_default(),
            limit: about.limit.unwrap_or_default(),
            route: about.route,
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
                if !self.kind.is_race() {
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
            "users" => {
                let wanted = "a number of users, as 50";
                self.users = value.parse().map_err(|_| bad(wanted))?;
            }
            "delay" => {
                if self.kind.about().delay.is_none() {
                    return Err(bad("this fault holds nothing back and has no delay"));
                }
                let delay = humantime::parse_duration(value).ok();
                let delay = delay.filter(|delay| *delay <= DELAY_MAX);
                self.delay = delay.ok_or_else(|| bad("a time of at most 5min, as 7s"))?;
            }
            "limit" => {
                if self.kind.about().limit.is_none() {
                    return Err(bad("this fault is not one of length and has no limit"));
                }
                let limit = value.parse().ok().filter(|limit| *limit >= LIMIT_CHARS_MIN);
                self.limit = limit.ok_or_else(|| bad("at least 200 characters, as 1000"))?;
            }
            "route" => {
                if self.kind.about().route.is_none() {
                    return Err(bad("this fault opens no route"));
                }
                let wanted = "one of transcript, episodes, search, chat, delete";
                let route = Route::from_name(value).ok();
                // No facts are made of what is chatted.
                let route = route.filter(|route| *route != Route::Facts);
                self.route = Some(route.ok_or_else(|| bad(wanted))?);
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
/// The longest delay of a write.
const DELAY_MAX: Duration = Duration::from_mins(5);
/// The smallest limit, in characters: with less not even the first canary of a text is left.
const LIMIT_CHARS_MIN: usize = 200;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_read() {
        let spec: FaultSpec = "late-binding:rate=0.01:window=5ms:from=50:after=1000:users=7"
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
                users: 7,
                delay: Duration::ZERO,
                limit: 0,
                route: None,
            }
        );
        let cut: FaultSpec = "truncate:limit=300".parse().unwrap();
        let slow: FaultSpec = "slow-store:delay=9s".parse().unwrap();
        assert_eq!((cut.limit, slow.delay), (300, Duration::from_secs(9)));
        let open: FaultSpec = "open-route:route=delete".parse().unwrap();
        assert_eq!(open.route, Some(Route::Delete));
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
                "unknown fault `late-bindign`; did you mean `late-binding`? One of late-binding, \
                 no-owner, ",
            ),
            ("", "unknown fault ``; did you mean `wedge`?"),
            (
                "no-owner:rat=1",
                "unknown setting `rat` of fault `no-owner`: one of rate, window, from, \
                 after, users, delay, limit, route",
            ),
            (
                "no-owner:delay=1s",
                "this fault holds nothing back and has no delay",
            ),
            ("slow-store:delay=1h", "bad value `1h` for `delay`"),
            (
                "invent:limit=300",
                "this fault is not one of length and has no limit",
            ),
            ("open-route:route=facts", "one of transcript, episodes"),
            ("no-owner:route=chat", "this fault opens no route"),
            ("truncate:limit=20", "bad value `20` for `limit`"),
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
            ("no-owner:users=many", "bad value `many` for `users`"),
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
