//! From the file's text to a [`Scenario`]: first its syntax, then its keys, then its values.
//!
//! Each stage reports everything that it finds; a later stage runs only on a file that passed
//! the earlier ones, because a misspelt key would look like a missing one.

use std::ops::Range;

use toml::de::{DeTable, DeValue};
use toml::{Spanned, Value};

use super::Scenario;
use super::auth::{AuthSettings, SHOWN_CHARS_MAX};
use super::error::{BadValue, Place, Problem, ScenarioError, quoted};
use super::file::RawFile;
use super::overrides::{Overrides, resolve};
use super::schema::{KeyFault, wrong_keys};
use super::text::AuthName;
use super::value::{Field, Leaf};

/// Reads a scenario file.
///
/// # Errors
/// Everything that is wrong with it.
pub fn parse(name: &str, text: &str, file: &str) -> Result<Scenario, ScenarioError> {
    parse_with(name, text, file, &Overrides::default())
}

/// Reads a scenario file and puts the values of flags in the place of the file's.
///
/// # Errors
/// Everything that is wrong with the file, or a flag that does not fit it.
pub fn parse_with(
    name: &str,
    text: &str,
    file: &str,
    overrides: &Overrides,
) -> Result<Scenario, ScenarioError> {
    let failed = |problems| ScenarioError {
        file: file.to_owned(),
        problems,
    };
    let tree = DeTable::parse(text).map_err(|error| failed(vec![toml_problem(text, &error)]))?;
    let tree = tree.get_ref();
    let wrong: Vec<Problem> = wrong_keys(tree)
        .into_iter()
        .map(|wrong| {
            let place = Some(Place::of(text, &wrong.span));
            key_problem(place, &dotted(&wrong.path), wrong.fault)
        })
        .collect();
    if !wrong.is_empty() {
        return Err(failed(wrong));
    }
    let raw: RawFile =
        toml::from_str(text).map_err(|error| failed(vec![value_problem(text, &error)]))?;
    let mut reader = Reader {
        text,
        tree,
        problems: Vec::new(),
    };
    let (scenario, given) = reader.file(name, &raw);
    if !reader.problems.is_empty() {
        return Err(failed(reader.problems));
    }
    resolve(scenario, &given, overrides).map_err(failed)
}

/// Reads the section `[auth]` of a file that may hold nothing else.
///
/// # Errors
/// Everything that is wrong with it, or that there is none.
pub fn parse_auth(text: &str, file: &str) -> Result<AuthSettings, ScenarioError> {
    let failed = |problems| ScenarioError {
        file: file.to_owned(),
        problems,
    };
    let tree = DeTable::parse(text).map_err(|error| failed(vec![toml_problem(text, &error)]))?;
    let tree = tree.get_ref();
    let wrong = wrong_keys(tree).into_iter().map(|wrong| {
        let place = Some(Place::of(text, &wrong.span));
        key_problem(place, &dotted(&wrong.path), wrong.fault)
    });
    let wrong: Vec<Problem> = wrong.collect();
    if !wrong.is_empty() {
        return Err(failed(wrong));
    }
    let raw: RawFile =
        toml::from_str(text).map_err(|error| failed(vec![value_problem(text, &error)]))?;
    let mut reader = Reader {
        text,
        tree,
        problems: Vec::new(),
    };
    let short = reader.opt(&["target", "auth"], &raw.target.auth);
    if raw.auth.kind.value.is_none() && short.is_none() {
        reader.need(&["auth", "kind"], &raw.auth.kind, AuthName::Dev);
    }
    let settings = reader.auth(&raw.auth, short);
    if reader.problems.is_empty() {
        Ok(settings)
    } else {
        Err(failed(reader.problems))
    }
}

/// The text of a scenario file.
///
/// # Errors
/// The bytes are not UTF-8; the error names the first that is not.
pub fn decode<'a>(bytes: &'a [u8], file: &str) -> Result<&'a str, ScenarioError> {
    std::str::from_utf8(bytes).map_err(|error| {
        let offset = error.valid_up_to();
        let good = std::str::from_utf8(bytes.get(..offset).unwrap_or_default()).unwrap_or_default();
        let byte = bytes.get(offset).copied().unwrap_or_default();
        let wide = bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]);
        let help = if wide {
            "the file is UTF-16: save it as UTF-8"
        } else {
            "save the file as UTF-8"
        };
        ScenarioError {
            file: file.to_owned(),
            problems: vec![Problem {
                place: Some(Place::of(good, &(offset..offset))),
                key: None,
                value: None,
                what: format!("byte {offset} (0x{byte:02x}) is not UTF-8"),
                allowed: None,
                help: Some(help.to_owned()),
            }],
        }
    })
}

/// Reads the values of one file and collects what is wrong with them.
///
/// Where a value is wrong a stand-in takes its place, so that the rest is checked too; a reader
/// with problems never gives its result away.
pub(super) struct Reader<'a> {
    text: &'a str,
    tree: &'a DeTable<'a>,
    pub(super) problems: Vec<Problem>,
}

impl Reader<'_> {
    /// The value of a key, or a default.
    pub(super) fn take<T: Leaf>(
        &mut self,
        path: &[&str],
        field: &Field<T>,
        default: T::Out,
    ) -> T::Out {
        self.opt(path, field).unwrap_or(default)
    }

    /// The value of a key that must be there.
    pub(super) fn need<T: Leaf>(
        &mut self,
        path: &[&str],
        field: &Field<T>,
        stand_in: T::Out,
    ) -> T::Out {
        if field.value.is_none() {
            let (key, section) = path.split_last().unwrap_or((&"", &[]));
            let place = self.span(section).map(|span| Place::of(self.text, &span));
            self.problems.push(Problem {
                place,
                key: Some(dotted(section)),
                value: None,
                what: format!("`{key}` is missing"),
                // Any value of a wrong type brings out what is allowed.
                allowed: T::read(&Value::Array(Vec::new()))
                    .err()
                    .map(|bad| bad.allowed),
                help: Some(format!("add a line `{key} = …` to this section")),
            });
        }
        self.take(path, field, stand_in)
    }

    /// The value of a key, if it is there and right.
    pub(super) fn opt<T: Leaf>(&mut self, path: &[&str], field: &Field<T>) -> Option<T::Out> {
        match T::read(field.value.as_ref()?) {
            Ok(value) => Some(value),
            Err(bad) => {
                self.bad(path, bad);
                None
            }
        }
    }

    /// Records that the value of a key is wrong.
    pub(super) fn bad(&mut self, path: &[&str], bad: BadValue) {
        let span = self.span(path);
        let written = span.as_ref().and_then(|span| self.text.get(span.clone()));
        let written = written.filter(|_| !self.is_section(path));
        let hidden = may_be_secret(path, written);
        let written = written.filter(|_| !hidden);
        let place = span.as_ref().map(|span| Place::of(self.text, span));
        self.problems.push(Problem {
            place: place.map(|place| if hidden { place.hidden() } else { place }),
            key: Some(dotted(path)),
            value: written.map(quoted),
            what: bad.what,
            allowed: Some(bad.allowed),
            help: bad.help,
        });
    }

    /// Where the value of a path stands in the text; a section stands at its header.
    fn span(&self, path: &[&str]) -> Option<Range<usize>> {
        Some(self.item(path)?.span())
    }

    fn is_section(&self, path: &[&str]) -> bool {
        let item = self.item(path);
        item.is_some_and(|item| item.get_ref().is_table())
    }

    fn item(&self, path: &[&str]) -> Option<&Spanned<DeValue<'_>>> {
        let (first, rest) = path.split_first()?;
        let mut item = self.tree.get(*first)?;
        for key in rest {
            let value = item.get_ref();
            item = match value.as_array() {
                Some(entries) => entries.get(key.parse::<usize>().ok()?)?,
                None => value.as_table()?.get(*key)?,
            };
        }
        Some(item)
    }
}

/// May somebody have written a credential where only its place belongs?
fn may_be_secret(path: &[&str], written: Option<&str>) -> bool {
    let is_long = written.is_some_and(|text| text.chars().count() > SHOWN_CHARS_MAX);
    match path {
        ["auth", "token" | "key"] => true,
        ["auth", "kind"] | ["target", "auth"] => is_long,
        _ => false,
    }
}

/// What the syntax check found.
fn toml_problem(text: &str, error: &toml::de::Error) -> Problem {
    let span = error.span().unwrap_or(0..0);
    let marked = text.get(span.clone()).unwrap_or_default();
    let (what, help) = if error.message() == "duplicate key" {
        let what = format!("duplicate key `{}`", quoted(marked));
        (what, "a key stands once in its section: remove one of them")
    } else {
        let what = format!("not valid TOML: {}", error.message().replace('\n', ", "));
        (
            what,
            "a scenario is TOML: lines `key = value` in [sections]",
        )
    };
    Problem {
        place: Some(Place::of(text, &span)),
        key: None,
        value: None,
        what,
        allowed: None,
        help: Some(help.to_owned()),
    }
}

/// What stopped reading after syntax and keys were right: only a number that no type holds.
fn value_problem(text: &str, error: &toml::de::Error) -> Problem {
    Problem {
        place: error.span().map(|span| Place::of(text, &span)),
        key: None,
        value: None,
        what: "a value that cannot be read".to_owned(),
        allowed: Some("whole numbers have at most 64 bits".to_owned()),
        help: None,
    }
}

fn key_problem(place: Option<Place>, key: &str, fault: KeyFault) -> Problem {
    let (what, allowed, help) = match fault {
        KeyFault::Unknown { allowed, help } => {
            let allowed = allowed.join(", ");
            (format!("unknown key `{key}`"), Some(allowed), help)
        }
        KeyFault::NotTable => {
            let help = format!("write a section [{key}]");
            (
                format!("`{key}` is a section, not a value"),
                None,
                Some(help),
            )
        }
        KeyFault::NotList => {
            let help = format!("write sections [[{key}]], one for each entry");
            let what = format!("`{key}` is a list of sections");
            (what, None, Some(help))
        }
        KeyFault::IsTable => {
            let help = format!("write `{key} = …`");
            (
                format!("`{key}` is a value, not a section"),
                None,
                Some(help),
            )
        }
    };
    Problem {
        place,
        key: None,
        value: None,
        what,
        allowed,
        help,
    }
}

/// A path as it is written in TOML, printable.
fn dotted<S: AsRef<str>>(path: &[S]) -> String {
    let parts = path.iter().map(|part| {
        let part = part.as_ref();
        let bare = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
        if !part.is_empty() && part.chars().all(bare) {
            part.to_owned()
        } else {
            format!("\"{}\"", quoted(part))
        }
    });
    parts.collect::<Vec<_>>().join(".")
}
