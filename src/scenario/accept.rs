//! Findings that are known and accepted: `[[accept]]`.

use std::fmt;
use std::str::FromStr;
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};

use super::error::BadValue;
use super::file::RawAccept;
use super::read::Reader;
use crate::model::{BleedKind, Code, OpKind};

/// Mix-ups between two synthetic users: there is no reason for which these are right. Another user's
/// text in an answer may be what a shared memory is for, and nothing else.
const NEVER: [Code; 4] = [
    Code::WrongOwner,
    Code::SplitIdentity,
    Code::StaleIdentity,
    Code::ChunkMix,
];
/// How an entry names records without an owner.
const NOBODY: &str = "none";
/// How a day is written.
const DAY_ALLOWED: &str = "a day such as \"2027-03-31\"";

/// Findings that are known: shown and counted, not failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Accept {
    /// The anomaly.
    pub check: Code,
    /// The channel; `None` for all.
    pub channel: Option<OpKind>,
    /// Under whom the records are; `None` for any.
    pub owner: Option<AcceptedOwner>,
    /// How another user's text came into an answer; `None` for any other anomaly.
    #[serde(default)]
    pub kind: Option<BleedKind>,
    /// Why, for people.
    pub reason: String,
    /// The last day on which the entry counts; `None` for always.
    pub until: Option<Day>,
}

/// Whose records an entry accepts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AcceptedOwner {
    /// Nobody's.
    Nobody,
    /// Those of exactly this owner.
    Named(String),
}

impl AcceptedOwner {
    /// Is this the owner that a store names?
    pub fn is(&self, owner: Option<&str>) -> bool {
        let owner = owner.filter(|owner| !owner.trim().is_empty());
        match self {
            Self::Nobody => owner.is_none(),
            Self::Named(name) => owner == Some(name.as_str()),
        }
    }
}

impl fmt::Display for AcceptedOwner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Nobody => NOBODY,
            Self::Named(name) => name,
        })
    }
}

/// A day of the calendar, UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Day((u16, u8, u8));

/// A text that is no day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a day of the calendar, written as in 2027-03-31")]
pub struct NotADay;

impl Day {
    /// The day of a time; one before 1970 or after 9999 counts as the nearest that can be.
    pub fn of(time: SystemTime) -> Self {
        const SECONDS_MAX: u64 = 253_402_300_799;
        let since = time.duration_since(SystemTime::UNIX_EPOCH);
        let since = since
            .unwrap_or_default()
            .min(Duration::from_secs(SECONDS_MAX));
        let text = humantime::format_rfc3339_seconds(SystemTime::UNIX_EPOCH + since).to_string();
        let day = text.split('T').next().and_then(|day| day.parse().ok());
        day.unwrap_or(Self((1970, 1, 1)))
    }
}

impl FromStr for Day {
    type Err = NotADay;

    fn from_str(text: &str) -> Result<Self, NotADay> {
        let shape = |(place, byte): (usize, u8)| match place {
            4 | 7 => byte == b'-',
            _ => byte.is_ascii_digit(),
        };
        let exact = text.len() == 10 && text.bytes().enumerate().all(shape);
        // The calendar itself is humantime's: it knows the length of each month.
        let time = humantime::parse_rfc3339(&format!("{text}T00:00:00Z"));
        if !exact || time.is_err() {
            return Err(NotADay);
        }
        let part = |from: usize, to: usize| text.get(from..to).unwrap_or_default();
        let year = part(0, 4).parse().map_err(|_| NotADay)?;
        let month = part(5, 7).parse().map_err(|_| NotADay)?;
        let day = part(8, 10).parse().map_err(|_| NotADay)?;
        Ok(Self((year, month, day)))
    }
}

impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (year, month, day) = self.0;
        write!(f, "{year:04}-{month:02}-{day:02}")
    }
}

impl From<Day> for String {
    fn from(day: Day) -> Self {
        day.to_string()
    }
}

impl TryFrom<String> for Day {
    type Error = NotADay;

    fn try_from(text: String) -> Result<Self, NotADay> {
        text.parse()
    }
}

impl Reader<'_> {
    /// The entries of `[[accept]]`, in the order of the file.
    pub(super) fn accept(&mut self, raw: &[RawAccept]) -> Vec<Accept> {
        let entries = raw.iter().enumerate();
        entries
            .map(|(place, raw)| {
                let number = place.to_string();
                let path = |key| ["accept", number.as_str(), key];
                let entry = Accept {
                    check: self.need(&path("check"), &raw.check, Code::MissingOwner),
                    channel: self.opt(&path("channel"), &raw.channel),
                    owner: self.opt(&path("owner"), &raw.owner),
                    kind: self.opt(&path("kind"), &raw.kind),
                    reason: self.need(&path("reason"), &raw.reason, String::new()),
                    until: self.opt(&path("until"), &raw.until),
                };
                let is_bleed = entry.check == Code::ResponseBleed;
                if is_bleed && (entry.kind.is_none() || entry.channel.is_none()) {
                    let what = "another user's text in an answer is accepted only where a memory is \
                                meant to be shared";
                    let allowed = "together with `kind = \"retrieval\"` and one `channel`";
                    self.bad(&path("check"), BadValue::new(what, allowed));
                } else if !is_bleed && entry.kind.is_some() {
                    let what = format!("`{}` has no kinds", entry.check);
                    let bad = BadValue::new(what, "only for `check = \"response-bleed\"`");
                    self.bad(&path("kind"), bad);
                }
                entry
            })
            .collect()
    }
}

/// Reads an anomaly that can be accepted.
pub(super) fn read_check(text: &str) -> Result<Code, BadValue> {
    let names: Vec<&str> = Code::ALL
        .into_iter()
        .filter(|code| !NEVER.contains(code))
        .map(Code::name)
        .collect();
    let allowed = || format!("one of {}", names.join(", "));
    match Code::from_name(text) {
        Ok(code) if NEVER.contains(&code) => {
            let what = format!("`{code}` is a mix-up between two users and cannot be accepted");
            Err(BadValue::new(what, allowed()))
        }
        Ok(code) => Ok(code),
        Err(_) => {
            let bad = BadValue::new("there is no such check", allowed());
            Err(match super::error::nearest(text, &names) {
                Some(near) => bad.help(format!("did you mean `{near}`?")),
                None => bad,
            })
        }
    }
}

/// Reads whose records are accepted.
pub(super) fn read_owner(text: &str) -> Result<AcceptedOwner, BadValue> {
    Ok(match super::text::read_name(text)? {
        name if name == NOBODY => AcceptedOwner::Nobody,
        name => AcceptedOwner::Named(name),
    })
}

/// Reads a day.
pub(super) fn read_day(text: &str) -> Result<Day, BadValue> {
    text.parse()
        .map_err(|NotADay| BadValue::new("not a day of the calendar", DAY_ALLOWED))
}

#[cfg(test)]
mod tests {
    use super::super::parse;
    use super::*;

    const REST: &str = "[load.a]\nexecutor = \"per-vu-iterations\"\nsession = \"s\"\nvus = 1\n\
        [sessions.s]\nkind = \"chat\"\n";

    fn read(entries: &str) -> Result<Vec<Accept>, String> {
        parse("t", &format!("{REST}{entries}"), "t.toml")
            .map(|scenario| scenario.accept)
            .map_err(|error| error.to_string())
    }

    #[test]
    fn entries_are_read_in_order() {
        let entries = read(
            "[[accept]]\ncheck = \"missing-owner\"\nchannel = \"voice\"\nowner = \"none\"\n\
             reason = \"known\"\nuntil = \"2027-02-28\"\n\
             [[accept]]\ncheck = \"placeholder-owner\"\nowner = \"poc-user\"\nreason = \"old\"\n",
        )
        .unwrap();
        assert_eq!(
            entries,
            [
                Accept {
                    check: Code::MissingOwner,
                    channel: Some(OpKind::Voice),
                    owner: Some(AcceptedOwner::Nobody),
                    kind: None,
                    reason: "known".to_owned(),
                    until: Some("2027-02-28".parse().unwrap()),
                },
                Accept {
                    check: Code::PlaceholderOwner,
                    channel: None,
                    owner: Some(AcceptedOwner::Named("poc-user".to_owned())),
                    kind: None,
                    reason: "old".to_owned(),
                    until: None,
                },
            ]
        );
    }

    #[test]
    fn a_mix_up_between_two_users_cannot_be_accepted() {
        for code in NEVER {
            let entry = format!("[[accept]]\ncheck = \"{code}\"\nreason = \"no\"\n");
            let error = read(&entry).unwrap_err();
            assert!(error.contains("cannot be accepted"), "{error}");
        }
    }

    #[test]
    fn of_texts_in_answers_only_those_looked_up_over_one_channel_can_be_accepted() {
        let entry = |more: &str| {
            read(&format!(
                "[[accept]]\ncheck = \"response-bleed\"\nreason = \"shared\"\n{more}"
            ))
        };
        let read = entry("kind = \"retrieval\"\nchannel = \"chat\"\n").unwrap();
        assert_eq!(read[0].kind, Some(BleedKind::Retrieval));
        for (more, said) in [
            ("", "together with `kind"),
            ("kind = \"retrieval\"\n", "together with `kind"),
            ("channel = \"chat\"\n", "together with `kind"),
            ("kind = \"transport\"\nchannel = \"chat\"\n", "retrieval"),
        ] {
            let error = entry(more).unwrap_err();
            assert!(error.contains(said), "{more}: {error}");
        }
    }

    #[test]
    fn what_is_wrong_is_named_with_its_place() {
        for (entry, said) in [
            ("[[accept]]\ncheck = \"lost\"\n", "`reason` is missing"),
            ("[[accept]]\nreason = \"x\"\n", "`check` is missing"),
            (
                "[[accept]]\ncheck = \"losst\"\nreason = \"x\"\n",
                "did you mean `lost`",
            ),
            (
                "[[accept]]\ncheck = \"lost\"\nreason = \"x\"\nuntil = \"2027-02-29\"\n",
                "not a day",
            ),
            (
                "[[accept]]\ncheck = \"lost\"\nreason = \"x\"\nuntil = \"soon\"\n",
                "not a day",
            ),
            (
                "[[accept]]\ncheck = \"lost\"\nreason = \"x\"\nchannel = \"fax\"\n",
                "chat, upload, voice",
            ),
            (
                "[[accept]]\ncheck = \"lost\"\nreason = \"x\"\nsort = \"y\"\n",
                "unknown key `accept.0.sort`",
            ),
            (
                "[[accept]]\ncheck = \"lost\"\nreason = \"x\"\nkind = \"retrieval\"\n",
                "`lost` has no kinds",
            ),
            ("[accept]\ncheck = \"lost\"\n", "[[accept]]"),
        ] {
            let error = read(entry).unwrap_err();
            assert!(error.contains(said), "{entry}: {error}");
            assert!(error.contains("t.toml:"), "{error}");
        }
    }

    #[test]
    fn days_are_those_of_the_calendar() {
        let day = |text: &str| text.parse::<Day>();
        assert!(day("2028-02-29").unwrap() > day("2027-12-31").unwrap());
        assert_eq!(day("2027-01-05").unwrap().to_string(), "2027-01-05");
        for text in ["2027-1-5", "2027-02-29", "2027-13-01", "+027-01-01", ""] {
            assert_eq!(day(text), Err(NotADay), "{text}");
        }
        let at = SystemTime::UNIX_EPOCH + Duration::from_secs(86_399);
        assert_eq!(Day::of(at).to_string(), "1970-01-01");
        assert_eq!(
            Day::of(at + Duration::from_secs(1)).to_string(),
            "1970-01-02"
        );
    }

    #[test]
    fn an_entry_for_nobody_is_not_one_for_everybody() {
        assert!(AcceptedOwner::Nobody.is(None));
        assert!(AcceptedOwner::Nobody.is(Some(" ")));
        assert!(!AcceptedOwner::Nobody.is(Some("a")));
        let named = AcceptedOwner::Named("a".to_owned());
        assert!(named.is(Some("a")));
        assert!(!named.is(Some("ab")));
        assert!(!named.is(None));
    }
}
