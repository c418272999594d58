//! Who and what: runs, users, sessions, operations and canaries, by number and by name.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::limits::{SESSIONS_MAX, USERS_MAX};

/// Prefix of every id that Crosswire makes in a store, so that stores can be filtered by it.
const NAME_PREFIX: &str = "cw-";

/// A number or a name outside its range.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{what} is out of range or malformed")]
pub struct OutOfRange {
    /// The kind of id that was asked for.
    pub what: &'static str,
}

/// One run: 32 random bits, shown as eight lower-case hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct RunId(pub u32);

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08x}", self.0)
    }
}

impl FromStr for RunId {
    type Err = OutOfRange;

    fn from_str(text: &str) -> Result<Self, OutOfRange> {
        let well_formed = text.len() == 8
            && text
                .bytes()
                .all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
        let number = well_formed
            .then(|| u32::from_str_radix(text, 16).ok())
            .flatten();
        number.map(Self).ok_or(OutOfRange { what: "run id" })
    }
}

impl From<RunId> for String {
    fn from(run: RunId) -> Self {
        run.to_string()
    }
}

impl TryFrom<String> for RunId {
    type Error = OutOfRange;

    fn try_from(text: String) -> Result<Self, OutOfRange> {
        text.parse()
    }
}

impl RunId {
    /// The name a synthetic user goes by at the target: `cw-<run>-u<user>`.
    pub fn user_name(self, user: UserIx) -> String {
        format!("{NAME_PREFIX}{self}-u{}", user.0)
    }

    /// The id a session goes by where the client names it: `cw-<run>-u<user>-s<session>`.
    pub fn session_name(self, user: UserIx, session: SessionIx) -> String {
        format!("{NAME_PREFIX}{self}-u{}-s{}", user.0, session.0)
    }

    /// The prefix of all ids of this run: `cw-<run>-`.
    pub fn name_prefix(self) -> String {
        format!("{NAME_PREFIX}{self}-")
    }

    /// Reads a user name of any run; `None` if the text is not exactly one.
    pub fn parse_user_name(name: &str) -> Option<(Self, UserIx)> {
        let (run, rest) = Self::split_run(name)?;
        Some((run, UserIx::new(decimal(rest.strip_prefix('u')?)?).ok()?))
    }

    /// Reads a session name of any run; `None` if the text is not exactly one.
    pub fn parse_session_name(name: &str) -> Option<(Self, UserIx, SessionIx)> {
        let (run, rest) = Self::split_run(name)?;
        let (user, session) = rest.strip_prefix('u')?.split_once('-')?;
        let session = session.strip_prefix('s')?;
        let user = UserIx::new(decimal(user)?).ok()?;
        let session = SessionIx::new(decimal(session)?).ok()?;
        Some((run, user, session))
    }

    fn split_run(name: &str) -> Option<(Self, &str)> {
        let (run, rest) = name.strip_prefix(NAME_PREFIX)?.split_once('-')?;
        Some((run.parse().ok()?, rest))
    }
}

/// Reads a decimal number in its one canonical spelling (no sign, no leading zero).
fn decimal(text: &str) -> Option<u32> {
    let canonical =
        text.bytes().all(|b| b.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
    canonical.then(|| text.parse().ok()).flatten()
}

/// A synthetic user, counted from 0. Fits in 24 bits.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
pub struct UserIx(pub u32);

impl UserIx {
    /// # Errors
    /// The number does not fit in 24 bits.
    pub fn new(number: u32) -> Result<Self, OutOfRange> {
        if number < USERS_MAX {
            Ok(Self(number))
        } else {
            Err(OutOfRange {
                what: "user number",
            })
        }
    }
}

/// A session (one iteration of a virtual user, or one arrival), counted from 0 over the whole
/// run. Fits in 20 bits.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
pub struct SessionIx(pub u32);

impl SessionIx {
    /// # Errors
    /// The number does not fit in 20 bits.
    pub fn new(number: u32) -> Result<Self, OutOfRange> {
        if number < SESSIONS_MAX {
            Ok(Self(number))
        } else {
            Err(OutOfRange {
                what: "session number",
            })
        }
    }
}

/// A load group of the scenario, in file order, counted from 0.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
pub struct GroupIx(pub u16);

/// One operation: a session and the operation's place in it, counted from 0.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
pub struct OpId {
    /// The session it belongs to.
    pub session: SessionIx,
    /// Its place in the session.
    pub seq: u16,
}

impl OpId {
    /// One integer for the ledger: session in the high bits, sequence in the low 16.
    pub fn to_i64(self) -> i64 {
        (i64::from(self.session.0) << 16) | i64::from(self.seq)
    }

    /// The inverse of [`OpId::to_i64`].
    ///
    /// # Errors
    /// The integer is negative or its session number is out of range.
    pub fn from_i64(number: i64) -> Result<Self, OutOfRange> {
        let out = OutOfRange {
            what: "operation id",
        };
        let session = u32::try_from(number >> 16).map_err(|_| out)?;
        let seq = u16::try_from(number & 0xffff).map_err(|_| out)?;
        Ok(Self {
            session: SessionIx::new(session).map_err(|_| out)?,
            seq,
        })
    }
}

impl fmt::Display for OpId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "s{}.{}", self.session.0, self.seq)
    }
}

/// The number from which a plan is computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Seed(pub u64);

impl fmt::Display for Seed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// What a canary proves the identity of. Fits in 2 bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CanaryKind {
    /// A chat or voice turn; `item` is the operation's sequence number.
    Turn,
    /// A block of an uploaded document; `item` counts blocks over the whole session.
    Block,
    /// The planted positive control of the observation path.
    Control,
}

/// What a canary says: which run, user, session and item the text around it comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct CanaryId {
    /// The run that planted it.
    pub run: RunId,
    /// The user that sent it.
    pub user: UserIx,
    /// The session it was sent in.
    pub session: SessionIx,
    /// The turn or block within the session.
    pub item: u16,
    /// What `item` counts.
    pub kind: CanaryKind,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_read_back() {
        let run = RunId(0x0012_abcd);
        let name = run.session_name(UserIx(17), SessionIx(203));
        assert_eq!(name, "cw-0012abcd-u17-s203");
        assert_eq!(
            RunId::parse_session_name(&name),
            Some((run, UserIx(17), SessionIx(203)))
        );
        assert_eq!(
            RunId::parse_user_name("cw-0012abcd-u17"),
            Some((run, UserIx(17)))
        );
    }

    #[test]
    fn only_the_exact_spelling_is_a_name() {
        for name in [
            "",
            "cw-0012abcd-u017",
            "cw-0012ABCD-u17",
            "cw-0012abcd-u17-s",
            "cw-0012abcd-u17-s1048576",
            "cw-0012abcd-u16777216-s1",
            "xcw-0012abcd-u17-s1",
            "cw-0012abcd-u17-s+1",
        ] {
            assert_eq!(RunId::parse_session_name(name), None, "{name}");
            assert_eq!(RunId::parse_user_name(name), None, "{name}");
        }
    }

    #[test]
    fn operation_ids_read_back() {
        let op = OpId {
            session: SessionIx(SESSIONS_MAX - 1),
            seq: u16::MAX,
        };
        assert_eq!(OpId::from_i64(op.to_i64()), Ok(op));
        assert!(OpId::from_i64(-1).is_err());
        assert!(OpId::from_i64(i64::from(SESSIONS_MAX) << 16).is_err());
    }
}
