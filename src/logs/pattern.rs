//! How the lines of a target look that speak of background tasks: templates with named fields.
//!
//! `{user}`, `{file}`, `{count}` and `{error}` stand for what differs; what stands in square
//! brackets may be missing. A template is looked for anywhere in a line, and what stands behind it
//! is passed over.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::model::{LogStep, OpKind};

/// Nested brackets of a template.
const DEPTH_MAX: usize = 8;
/// Words that stand where no user is named.
const NOBODY: [&str; 4] = ["", "None", "null", "undefined"];

/// The templates as they are written, by channel; each list may have several.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PatternTexts {
    /// Of chat.
    pub chat: StepTexts,
    /// Of uploads.
    pub upload: StepTexts,
    /// Of voice.
    pub voice: StepTexts,
}

/// The templates of one channel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepTexts {
    /// A task has begun.
    pub started: Vec<String>,
    /// It is done.
    pub completed: Vec<String>,
    /// It has given up.
    pub failed: Vec<String>,
}

/// A template that is no template.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("template `{template}` {what}")]
pub struct BadPattern {
    /// As it was given.
    pub template: String,
    /// What is wrong with it.
    pub what: &'static str,
}

/// What differs from line to line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Field {
    User,
    File,
    Count,
    Error,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Item {
    Words(String),
    Field(Field),
    Optional(Vec<Item>),
}

/// One template, taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern {
    /// The words that it begins with.
    begins: String,
    rest: Vec<Item>,
}

/// All templates, taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Patterns(Vec<(OpKind, LogStep, Pattern)>);

/// What a message says of a task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Told {
    pub(super) kind: OpKind,
    pub(super) step: LogStep,
    pub(super) user: Option<String>,
    pub(super) file: Option<String>,
    pub(super) text: String,
}

#[derive(Default)]
struct Fields {
    user: Option<String>,
    file: Option<String>,
}

impl Default for PatternTexts {
    fn default() -> Self {
        let channel = |doing: &str, done: &str, after: &str| StepTexts {
            started: vec![format!(
                "Background task started: {doing}[ for user: {{user}}{after}]"
            )],
            completed: vec![format!(
                "Background task completed: {done}[ for user: {{user}}{after}]"
            )],
            failed: vec![
                format!("Background task failed: {doing}[ for user: {{user}}{after}[: {{error}}]]"),
                format!("Background task failed: {done}[ for user: {{user}}{after}[: {{error}}]]"),
            ],
        };
        Self {
            chat: channel("persisting conversation", "conversation persisted", ""),
            upload: channel(
                "indexing [{count} ]chunks",
                "indexed [{count} ]chunks",
                "[, file: {file}]",
            ),
            voice: channel(
                "persisting voice conversation",
                "voice conversation persisted",
                "",
            ),
        }
    }
}

impl Patterns {
    /// Takes the templates apart.
    ///
    /// # Errors
    /// One of them has an unknown field, brackets that do not match, or no words to be found by.
    pub fn new(texts: &PatternTexts) -> Result<Self, BadPattern> {
        let mut all = Vec::new();
        for (kind, channel) in [
            (OpKind::Chat, &texts.chat),
            (OpKind::Upload, &texts.upload),
            (OpKind::Voice, &texts.voice),
        ] {
            for (step, templates) in [
                (LogStep::Started, &channel.started),
                (LogStep::Completed, &channel.completed),
                (LogStep::Failed, &channel.failed),
            ] {
                for template in templates {
                    all.push((kind, step, Pattern::new(template)?));
                }
            }
        }
        Ok(Self(all))
    }

    /// What a message says of a task; of several templates that fit, the first counts.
    pub(super) fn find(&self, message: &str) -> Option<Told> {
        self.0.iter().find_map(|(kind, step, pattern)| {
            let (fields, text) = pattern.find(message)?;
            Some(Told {
                kind: *kind,
                step: *step,
                user: fields.user,
                file: fields.file,
                text: text.trim_end().to_owned(),
            })
        })
    }
}

impl Pattern {
    /// Takes a template apart.
    ///
    /// # Errors
    /// It has an unknown field, brackets that do not match, or does not begin with words.
    pub fn new(template: &str) -> Result<Self, BadPattern> {
        let bad = |what| BadPattern {
            template: template.to_owned(),
            what,
        };
        let mut rest = template;
        let items = items(&mut rest, 0).map_err(bad)?;
        if !rest.is_empty() {
            return Err(bad("has a `]` without a `[`"));
        }
        let mut items = items.into_iter();
        match items.next() {
            Some(Item::Words(begins)) if !begins.trim().is_empty() => Ok(Self {
                begins,
                rest: items.collect(),
            }),
            Some(_) | None => Err(bad("does not begin with words by which it could be found")),
        }
    }

    /// The fields of the first place where the template fits, and the message from there on.
    fn find<'m>(&self, message: &'m str) -> Option<(Fields, &'m str)> {
        message.match_indices(&self.begins).find_map(|(at, _)| {
            let (_, text) = message.split_at_checked(at)?;
            let behind = text.get(self.begins.len()..)?;
            let mut fields = Fields::default();
            fit(&self.rest, behind, &mut fields)?;
            Some((fields, text))
        })
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.begins)
    }
}

/// Reads items up to the end or to a `]` that closes them, and leaves that one.
fn items(rest: &mut &str, depth: usize) -> Result<Vec<Item>, &'static str> {
    let mut items = Vec::new();
    while let Some(first) = rest.chars().next() {
        match first {
            ']' => break,
            '[' if depth == DEPTH_MAX => return Err("has too many brackets in each other"),
            '[' => {
                *rest = behind(rest, 1);
                items.push(Item::Optional(self::items(rest, depth + 1)?));
                if !rest.starts_with(']') {
                    return Err("has a `[` without a `]`");
                }
                *rest = behind(rest, 1);
            }
            '{' => {
                let end = rest.find('}').ok_or("has a `{` without a `}`")?;
                items.push(Item::Field(match rest.get(1..end) {
                    Some("user") => Field::User,
                    Some("file") => Field::File,
                    Some("count") => Field::Count,
                    Some("error") => Field::Error,
                    Some(_) | None => {
                        return Err(
                            "has a field that is none of {user}, {file}, {count} and {error}",
                        );
                    }
                }));
                *rest = behind(rest, end + 1);
            }
            _ => {
                let end = rest.find(['[', ']', '{']).unwrap_or(rest.len());
                items.push(Item::Words(rest.get(..end).unwrap_or_default().to_owned()));
                *rest = behind(rest, end);
            }
        }
    }
    Ok(items)
}

fn behind(text: &str, bytes: usize) -> &str {
    text.get(bytes..).unwrap_or_default()
}

/// What is left behind the items; `None` if they do not fit.
fn fit<'m>(items: &[Item], text: &'m str, fields: &mut Fields) -> Option<&'m str> {
    let mut text = text;
    for item in items {
        match item {
            Item::Words(words) => text = text.strip_prefix(words.as_str())?,
            Item::Field(field) => text = take(*field, text, fields)?,
            Item::Optional(items) => {
                let mut found = Fields::default();
                if let Some(behind) = fit(items, text, &mut found) {
                    text = behind;
                    fields.user = found.user.or(fields.user.take());
                    fields.file = found.file.or(fields.file.take());
                }
            }
        }
    }
    Some(text)
}

/// Takes a field off a text: a count is digits, a user ends at the first comma, a file and an
/// error at the end of the line. What loggers add behind a message ends all of them.
fn take<'m>(field: Field, text: &'m str, fields: &mut Fields) -> Option<&'m str> {
    let ends: &[&str] = match field {
        Field::User => &[",", ": ", " (", "\n", "\r"],
        Field::File | Field::Count | Field::Error => &["\n", "\r"],
    };
    let line_end = ends.iter().filter_map(|end| text.find(end)).min();
    let end = match field {
        Field::Count => text.find(|c: char| !c.is_ascii_digit()),
        Field::User | Field::File | Field::Error => line_end,
    };
    let (found, rest) = text.split_at_checked(end.unwrap_or(text.len()))?;
    let found = found.trim();
    match field {
        Field::Count if found.is_empty() => return None,
        Field::User => fields.user = (!NOBODY.contains(&found)).then(|| found.to_owned()),
        Field::File => fields.file = Some(found.to_owned()),
        Field::Count | Field::Error => {}
    }
    Some(rest)
}
