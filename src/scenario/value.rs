//! Single values of a scenario file: how each is read, what is allowed, and its JSON Schema.
//!
//! A [`Field`] takes any TOML value, so that one wrong value does not hide the next; what it
//! must be is its type parameter, which checks it when it is read.

use std::borrow::Cow;
use std::marker::PhantomData;
use std::ops::RangeInclusive;
use std::time::Duration;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer};
use toml::Value;
use url::Url;

use super::error::{BadValue, nearest, quoted};
use super::{AuthKind, FileName, OwnerTemplate, Pause, SessionIds, Store};

/// The longest time that a scenario can name.
pub(super) const TIME_MAX: Duration = Duration::from_hours(30 * 24);
/// Characters of a text in a scenario: names, paths, apologies.
const TEXT_CHARS_MAX: usize = 400;
/// Entries of a list in a scenario.
const LIST_ENTRIES_MAX: usize = 1_000;
/// Letters below which a trigger word would forbid most texts.
const TRIGGER_LETTERS_MIN: usize = 3;
/// The fastest speech: beyond it a turn has fewer than one frame.
const SPEED_MAX: f64 = 1_000.0;

/// How a duration is written.
const TIME_ALLOWED: &str = "a number with a unit, such as \"500ms\", \"20s\" or \"1m 30s\"";
/// How a number or a range of them is written.
const COUNTS_ALLOWED: &str = "a whole number such as 4, or a range such as \"2..6\"";

/// A kind of value.
pub(super) trait Leaf {
    /// What it becomes.
    type Out;

    /// Checks a value.
    fn read(value: &Value) -> Result<Self::Out, BadValue>;
}

/// A key of the file that may be absent.
#[derive(Debug)]
pub(super) struct Field<T> {
    /// The value as written; `None` if the key is absent.
    pub(super) value: Option<Value>,
    kind: PhantomData<T>,
}

impl<T> Default for Field<T> {
    fn default() -> Self {
        Self {
            value: None,
            kind: PhantomData,
        }
    }
}

impl<'de, T> Deserialize<'de> for Field<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self {
            value: Some(Value::deserialize(deserializer)?),
            kind: PhantomData,
        })
    }
}

impl<T: JsonSchema> JsonSchema for Field<T> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        T::schema_name()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        T::json_schema(generator)
    }
}

/// Reads a duration with its unit, such as `500ms`.
///
/// # Errors
/// The text is no duration, or longer than 30 days.
pub fn read_duration(text: &str) -> Result<Duration, BadValue> {
    let duration = match humantime::parse_duration(text) {
        Ok(duration) => duration,
        Err(humantime::DurationError::UnknownUnit { unit, .. }) if !unit.is_empty() => {
            let what = format!("there is no unit `{}`", quoted(&unit));
            return Err(BadValue::new(what, TIME_ALLOWED));
        }
        Err(_) if text.parse::<u64>().is_ok() => {
            let bad = BadValue::new("a duration needs a unit", TIME_ALLOWED);
            return Err(bad.help(format!("write \"{text}s\" for seconds")));
        }
        Err(_) => return Err(BadValue::new("not a duration", TIME_ALLOWED)),
    };
    if duration > TIME_MAX {
        return Err(BadValue::new("too long", "at most \"30days\""));
    }
    Ok(duration)
}

/// Reads a base URL.
///
/// # Errors
/// The text is no URL of a server: not `http` or `https`, with a password, query or fragment.
pub fn read_url(text: &str) -> Result<Url, BadValue> {
    const ALLOWED: &str = "a base URL such as \"http://127.0.0.1:8082\"";
    let url = match Url::parse(text) {
        Ok(url) => url,
        Err(url::ParseError::RelativeUrlWithoutBase) => {
            let bad = BadValue::new("not a URL: it has no scheme", ALLOWED);
            return Err(bad.help(format!("write \"http://{}\"", quoted(text))));
        }
        Err(error) => return Err(BadValue::new(format!("not a URL: {error}"), ALLOWED)),
    };
    let fault = if !matches!(url.scheme(), "http" | "https") {
        Some("the scheme is not http or https")
    } else if url.host_str().is_none_or(str::is_empty) {
        Some("it names no host")
    } else if !url.username().is_empty() || url.password().is_some() {
        Some("a URL must not hold a user name or password")
    } else if url.query().is_some() || url.fragment().is_some() {
        Some("a base URL has neither query nor fragment")
    } else {
        None
    };
    match fault {
        Some(what) => Err(BadValue::new(what, ALLOWED)),
        None => Ok(url),
    }
}

/// Reads where the store is: a base URL, or `none`.
///
/// # Errors
/// The text is neither.
pub fn read_store(text: &str) -> Result<Store, BadValue> {
    if text == "none" {
        return Ok(Store::None);
    }
    read_url(text).map(Store::Url).map_err(|mut bad| {
        bad.allowed.push_str(", or \"none\"");
        bad
    })
}

/// Reads how requests prove who sends them: `dev` or `none`.
///
/// # Errors
/// The text is neither.
pub fn read_auth(text: &str) -> Result<AuthKind, BadValue> {
    choose(text, "way to authenticate", Auth::CHOICES)
}

/// A whole number within bounds.
#[derive(Debug)]
pub(super) struct Int<const MIN: u32, const MAX: u32>;

impl<const MIN: u32, const MAX: u32> Leaf for Int<MIN, MAX> {
    type Out = u32;

    fn read(value: &Value) -> Result<u32, BadValue> {
        let allowed = if MIN == MAX {
            format!("{MIN}")
        } else {
            format!("a whole number from {MIN} to {MAX}")
        };
        let Some(number) = value.as_integer() else {
            let bad = BadValue::new("not a whole number", allowed);
            let digits = value.as_str().filter(|text| text.parse::<u32>().is_ok());
            return Err(match digits {
                Some(digits) => bad.help(format!("write {digits} without quotes")),
                None => bad,
            });
        };
        let within = u32::try_from(number)
            .ok()
            .filter(|n| (MIN..=MAX).contains(n));
        within.ok_or_else(|| BadValue::new(out_of_bounds(number), allowed))
    }
}

impl<const MIN: u32, const MAX: u32> JsonSchema for Int<MIN, MAX> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Int".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "integer", "minimum": MIN, "maximum": MAX})
    }
}

/// A whole number within bounds, or a range of them with both ends included.
#[derive(Debug)]
pub(super) struct Counts<const MIN: u32, const MAX: u32>;

impl<const MIN: u32, const MAX: u32> Leaf for Counts<MIN, MAX> {
    type Out = RangeInclusive<u32>;

    fn read(value: &Value) -> Result<RangeInclusive<u32>, BadValue> {
        let allowed = || format!("{COUNTS_ALLOWED}, from {MIN} to {MAX}");
        let bounded = |number: i64| {
            let number_u32 = u32::try_from(number).ok();
            let within = number_u32.filter(|n| (MIN..=MAX).contains(n));
            within.ok_or_else(|| BadValue::new(out_of_bounds(number), allowed()))
        };
        if let Some(number) = value.as_integer() {
            let number = bounded(number)?;
            return Ok(number..=number);
        }
        let not_range = || BadValue::new("not a number or a range", allowed());
        let text = value.as_str().ok_or_else(not_range)?;
        let Some((low, high)) = split_range(text) else {
            return Err(match text.trim().parse::<u32>() {
                Ok(digits) => not_range().help(format!("write {digits} without quotes")),
                Err(_) => not_range(),
            });
        };
        let low = bounded(low.parse().map_err(|_| not_range())?)?;
        let high = bounded(high.parse().map_err(|_| not_range())?)?;
        if low > high {
            let bad = BadValue::new("the range is reversed", allowed());
            return Err(bad.help(format!("write \"{high}..{low}\"")));
        }
        Ok(low..=high)
    }
}

impl<const MIN: u32, const MAX: u32> JsonSchema for Counts<MIN, MAX> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Counts".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"oneOf": [
            {"type": "integer", "minimum": MIN, "maximum": MAX},
            {"type": "string", "pattern": r"^\s*[0-9]+\s*\.\.\s*[0-9]+\s*$", "examples": ["2..6"]},
        ]})
    }
}

/// A duration of at least so many milliseconds.
#[derive(Debug)]
pub(super) struct Time<const MIN_MS: u64>;

impl<const MIN_MS: u64> Leaf for Time<MIN_MS> {
    type Out = Duration;

    fn read(value: &Value) -> Result<Duration, BadValue> {
        let duration = read_duration(duration_text(value)?)?;
        if duration < Duration::from_millis(MIN_MS) {
            let allowed = format!("at least \"{MIN_MS}ms\"");
            return Err(BadValue::new("too short", allowed));
        }
        Ok(duration)
    }
}

impl<const MIN_MS: u64> JsonSchema for Time<MIN_MS> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Time".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "string", "examples": ["500ms", "20s", "1m 30s"]})
    }
}

/// A duration, or a range of them with both ends included.
#[derive(Debug)]
pub(super) struct Pauses;

impl Leaf for Pauses {
    type Out = Pause;

    fn read(value: &Value) -> Result<Pause, BadValue> {
        let or_range = |mut bad: BadValue| {
            bad.allowed.push_str(", or a range such as \"50ms..200ms\"");
            bad
        };
        let text = duration_text(value).map_err(or_range)?;
        let Some((min, max)) = split_range(text) else {
            let pause = read_duration(text).map_err(or_range)?;
            return Ok(Pause {
                min: pause,
                max: pause,
            });
        };
        let pause = Pause {
            min: read_duration(min).map_err(or_range)?,
            max: read_duration(max).map_err(or_range)?,
        };
        if pause.min > pause.max {
            let bad = or_range(BadValue::new("the range is reversed", TIME_ALLOWED));
            return Err(bad.help(format!("write \"{}..{}\"", quoted(max), quoted(min))));
        }
        Ok(pause)
    }
}

impl JsonSchema for Pauses {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Pauses".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "string", "examples": ["100ms", "50ms..200ms"]})
    }
}

/// How many times as fast as real time.
#[derive(Debug)]
pub(super) struct Speed;

impl Leaf for Speed {
    type Out = f64;

    fn read(value: &Value) -> Result<f64, BadValue> {
        let whole = value.as_integer().and_then(|n| i32::try_from(n).ok());
        let number = value.as_float().or(whole.map(f64::from));
        let above_zero = number.filter(|speed| *speed > 0.0 && *speed <= SPEED_MAX);
        above_zero.ok_or_else(|| {
            let allowed = format!("a number above 0, at most {SPEED_MAX}; 1 is real time");
            BadValue::new("not a speed", allowed)
        })
    }
}

impl JsonSchema for Speed {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Speed".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "number", "exclusiveMinimum": 0, "maximum": SPEED_MAX})
    }
}

/// Declares a kind of value that is written as text: its type, how it is read, its schema.
macro_rules! text_leaf {
    ($(#[$doc:meta])* $name:ident -> $out:ty, $read:expr, $schema:tt) => {
        $(#[$doc])*
        #[derive(Debug)]
        pub(super) struct $name;

        impl Leaf for $name {
            type Out = $out;

            fn read(value: &Value) -> Result<$out, BadValue> {
                let read: fn(&str) -> Result<$out, BadValue> = $read;
                let not_text = || BadValue::new("not text", "text in quotes");
                read(value.as_str().ok_or_else(not_text)?)
            }
        }

        impl JsonSchema for $name {
            fn inline_schema() -> bool {
                true
            }

            fn schema_name() -> Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!($schema)
            }
        }
    };
}

text_leaf!(
    /// Any text.
    Text -> String, |text| Ok(text.to_owned()), {"type": "string"});
text_leaf!(
    /// A name that is sent along: not empty, printable, of bounded length.
    Name -> String, read_name, {"type": "string", "minLength": 1, "maxLength": TEXT_CHARS_MAX});
text_leaf!(
    /// The base URL of a server.
    BaseUrl -> Url, read_url, {"type": "string", "format": "uri", "pattern": "^https?://"});
text_leaf!(
    /// The base URL of a store, or `none`.
    StoreUrl -> Store, read_store, {"type": "string", "pattern": "^(none|https?://.+)$"});
text_leaf!(
    /// How requests prove who sends them.
    Auth -> AuthKind, read_auth, {"type": "string", "enum": ["dev", "none"]});
text_leaf!(
    /// A load group's executor.
    ExecutorText -> ExecutorName,
    |text| choose(text, "executor", ExecutorText::CHOICES),
    {"type": "string", "enum": ["per-vu-iterations", "constant-vus", "constant-arrival-rate"]});
text_leaf!(
    /// What a session does.
    KindText -> KindName,
    |text| choose(text, "session kind", KindText::CHOICES),
    {"type": "string", "enum": ["chat", "upload", "voice"]});
text_leaf!(
    /// Who names a session.
    IdsText -> SessionIds,
    |text| choose(text, "side that names sessions", IdsText::CHOICES),
    {"type": "string", "enum": ["client", "server"]});
text_leaf!(
    /// What uploaded files are called.
    FileNames -> FileName, read_file_name, {"type": "string", "pattern": "^(unique|same:.+)$"});
text_leaf!(
    /// An owner with exactly one `{user}`.
    Template -> OwnerTemplate, read_template, {"type": "string", "pattern": r"\{user\}"});
text_leaf!(
    /// A path.
    Path -> String, |text| read_path(text, 0), {"type": "string", "pattern": "^/"});
text_leaf!(
    /// A path with exactly one `{session}`.
    SessionPath -> String, |text| read_path(text, 1),
    {"type": "string", "pattern": r"^/.*\{session\}"});

/// The executors by name, before their fields are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ExecutorName {
    PerVuIterations,
    ConstantVus,
    ConstantArrivalRate,
}

/// The session kinds by name, before their fields are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum KindName {
    Chat,
    Upload,
    Voice,
}

impl Auth {
    const CHOICES: &[(&str, AuthKind)] = &[("dev", AuthKind::Dev), ("none", AuthKind::None)];
}

impl ExecutorText {
    /// Every executor and its name.
    pub(super) const CHOICES: &[(&str, ExecutorName)] = &[
        ("per-vu-iterations", ExecutorName::PerVuIterations),
        ("constant-vus", ExecutorName::ConstantVus),
        ("constant-arrival-rate", ExecutorName::ConstantArrivalRate),
    ];
}

impl KindText {
    /// Every session kind and its name.
    pub(super) const CHOICES: &[(&str, KindName)] = &[
        ("chat", KindName::Chat),
        ("upload", KindName::Upload),
        ("voice", KindName::Voice),
    ];
}

impl IdsText {
    const CHOICES: &[(&str, SessionIds)] = &[
        ("client", SessionIds::Client),
        ("server", SessionIds::Server),
    ];
}

/// A list of texts, none of them empty.
#[derive(Debug)]
pub(super) struct Texts;

impl Leaf for Texts {
    type Out = Vec<String>;

    fn read(value: &Value) -> Result<Vec<String>, BadValue> {
        let not_list = || BadValue::new("not a list of texts", "a list such as [\"one\", \"two\"]");
        let entries = value.as_array().ok_or_else(not_list)?;
        if entries.len() > LIST_ENTRIES_MAX {
            let allowed = format!("at most {LIST_ENTRIES_MAX} entries");
            return Err(BadValue::new("the list is too long", allowed));
        }
        let texts = entries
            .iter()
            .map(|entry| read_name(entry.as_str().ok_or_else(not_list)?));
        texts.collect()
    }
}

impl JsonSchema for Texts {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Texts".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "array", "items": {"type": "string", "minLength": 1}})
    }
}

/// A list of lower-case words.
#[derive(Debug)]
pub(super) struct TriggerWords;

impl Leaf for TriggerWords {
    type Out = Vec<String>;

    fn read(value: &Value) -> Result<Vec<String>, BadValue> {
        let words = Texts::read(value)?;
        for word in &words {
            let allowed = format!("lower-case letters, at least {TRIGGER_LETTERS_MIN}");
            let letters = word.chars().all(char::is_alphabetic);
            if !letters || *word != word.to_lowercase() {
                let what = format!("`{}` is not a lower-case word", quoted(word));
                let bad = BadValue::new(what, allowed);
                return Err(bad.help(format!("write \"{}\"", quoted(&word.to_lowercase()))));
            }
            if word.chars().count() < TRIGGER_LETTERS_MIN {
                let what = format!("`{word}` is too short: hardly a text is without it");
                return Err(BadValue::new(what, allowed));
            }
        }
        Ok(words)
    }
}

impl JsonSchema for TriggerWords {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "TriggerWords".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "array",
            "items": {"type": "string", "minLength": TRIGGER_LETTERS_MIN},
        })
    }
}

fn duration_text(value: &Value) -> Result<&str, BadValue> {
    value.as_str().ok_or_else(|| match value.as_integer() {
        Some(number) if number >= 0 => BadValue::new("a duration needs a unit", TIME_ALLOWED)
            .help(format!("write \"{number}s\" for seconds")),
        Some(_) | None => BadValue::new("not a duration", TIME_ALLOWED),
    })
}

/// The two ends of `low..high`; `low..=high` means the same.
fn split_range(text: &str) -> Option<(&str, &str)> {
    let (low, high) = text.split_once("..")?;
    let high = high.strip_prefix('=').unwrap_or(high);
    Some((low.trim(), high.trim()))
}

fn out_of_bounds(number: i64) -> &'static str {
    match number {
        ..0 => "the number is negative",
        0 => "the number is zero",
        1.. => "the number is out of bounds",
    }
}

/// The value of the choice that a text names.
fn choose<T: Copy>(text: &str, noun: &str, choices: &[(&str, T)]) -> Result<T, BadValue> {
    if let Some((_, value)) = choices.iter().find(|(name, _)| *name == text) {
        return Ok(*value);
    }
    let names: Vec<&str> = choices.iter().map(|(name, _)| *name).collect();
    let bad = BadValue::new(format!("unknown {noun}"), names.join(", "));
    Err(match nearest(text, &names) {
        Some(near) => bad.help(format!("did you mean `{near}`?")),
        None => bad,
    })
}

fn read_name(text: &str) -> Result<String, BadValue> {
    let printable = !text.trim().is_empty() && !text.contains(char::is_control);
    if !printable || text.chars().count() > TEXT_CHARS_MAX {
        let allowed = format!("1 to {TEXT_CHARS_MAX} printable characters");
        return Err(BadValue::new("not a usable text", allowed));
    }
    Ok(text.to_owned())
}

fn read_file_name(text: &str) -> Result<FileName, BadValue> {
    let allowed = "\"unique\", or \"same:\" and a name, such as \"same:notes.txt\"";
    if text == "unique" {
        return Ok(FileName::Unique);
    }
    let Some(name) = text.strip_prefix("same:") else {
        let bad = BadValue::new("not a way to name files", allowed);
        return Err(bad.help(format!("did you mean \"same:{}\"?", quoted(text))));
    };
    // The name stands in a multipart header and on somebody's disk.
    let unfit = |c: char| c.is_control() || matches!(c, '/' | '\\' | '"');
    if name.trim().is_empty() || name.contains(unfit) || name.len() > 200 {
        return Err(BadValue::new("not a file name", allowed));
    }
    Ok(FileName::Same(name.to_owned()))
}

fn read_template(text: &str) -> Result<OwnerTemplate, BadValue> {
    let bad = |what: &str| {
        let allowed = "text with exactly one {user}, such as \"dev-oid-{user}\"";
        Err(BadValue::new(what, allowed))
    };
    let Some((before, after)) = text.split_once("{user}") else {
        return bad("the template has no {user}");
    };
    if after.contains("{user}") {
        return bad("the template has more than one {user}");
    }
    read_name(text)?;
    Ok(OwnerTemplate {
        before: before.to_owned(),
        after: after.to_owned(),
    })
}

fn read_path(text: &str, sessions: usize) -> Result<String, BadValue> {
    let allowed = match sessions {
        0 => "a path such as \"/api/v1/chat\"",
        _ => "a path with one {session}, such as \"/voice/{session}\"",
    };
    let bad = |what: &str| Err(BadValue::new(what, allowed));
    if !text.starts_with('/') {
        return bad("a path begins with `/`");
    }
    if text.contains(|c: char| c.is_whitespace() || c.is_control() || matches!(c, '?' | '#')) {
        return bad("a path has no blanks, query or fragment");
    }
    if text.matches("{session}").count() != sessions {
        return bad("the path has the wrong number of {session}");
    }
    read_name(text)
}
