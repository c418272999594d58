//! Single values of a scenario file, and those that are numbers or durations: how each is read,
//! what is allowed, and its JSON Schema. `text.rs` has those that are text.
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

use super::Pause;
use super::error::{BadValue, quoted};

/// The longest time that a scenario can name.
pub(super) const TIME_MAX: Duration = Duration::from_hours(30 * 24);
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

/// A share of operations, from 0 to 1.
#[derive(Debug)]
pub(super) struct Rate;

impl Leaf for Rate {
    type Out = f64;

    fn read(value: &Value) -> Result<f64, BadValue> {
        let whole = value.as_integer().and_then(|n| i32::try_from(n).ok());
        let number = value.as_float().or(whole.map(f64::from));
        let share = number.filter(|share| (0.0..=1.0).contains(share));
        share.ok_or_else(|| {
            let bad = BadValue::new("not a share of operations", "a number from 0 to 1");
            match number.filter(|percent| *percent > 1.0 && *percent <= 100.0) {
                Some(percent) => bad.help(format!("for {percent} % write {}", percent / 100.0)),
                None => bad,
            }
        })
    }
}

impl JsonSchema for Rate {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Rate".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "number", "minimum": 0, "maximum": 1})
    }
}

/// Yes or no.
#[derive(Debug)]
pub(super) struct Flag;

impl Leaf for Flag {
    type Out = bool;

    fn read(value: &Value) -> Result<bool, BadValue> {
        let bad = || BadValue::new("neither true nor false", "true or false");
        value.as_bool().ok_or_else(bad)
    }
}

impl JsonSchema for Flag {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Flag".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "boolean"})
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
