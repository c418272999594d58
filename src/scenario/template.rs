//! What a backend like Engram calls the parts of a request and of an answer: JSON with places to
//! fill, and pointers into JSON.
//!
//! Places stand in values only: what is filled in can never change the form of a request.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::error::{BadValue, nearest, quoted};

/// Bytes of a body's template.
const TEMPLATE_BYTES_MAX: usize = 16 * 1024;
/// Bytes of a pointer.
const POINTER_BYTES_MAX: usize = 400;
/// Levels of a template.
const DEPTH_MAX: usize = 32;

/// What the bodies of a target's requests are; `None` for what Engram takes.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Bodies {
    /// Of a chat turn.
    pub chat: Option<BodyTemplate>,
    /// Of a turn to keep.
    pub turn: Option<BodyTemplate>,
    /// Of a message on the chat socket.
    pub stream: Option<BodyTemplate>,
}

/// JSON with places to fill in its texts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BodyTemplate(Value);

/// What is filled in.
#[derive(Debug, Clone, Copy)]
pub struct Slots<'a> {
    /// What the user says.
    pub text: &'a str,
    /// The session; `None` where the target has not named it yet.
    pub session: Option<&'a str>,
    /// The agent that is asked.
    pub agent: &'a str,
    /// The user's name at the target.
    pub user: &'a str,
}

/// Where the answer to a chat turn says what; `None` for where Engram does.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answers {
    /// The reply.
    pub text: Option<Pointer>,
    /// The session's id; an answer may lack it.
    pub session: Option<Pointer>,
}

/// A place in a JSON document, as RFC 6901 writes it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pointer(String);

/// The places that a template may have.
const SLOTS: [&str; 4] = ["text", "session", "agent", "user"];

impl BodyTemplate {
    /// The body with its places filled. A value that is nothing but the session is null where
    /// there is none.
    pub fn fill(&self, slots: Slots<'_>) -> Value {
        fill(&self.0, slots)
    }
}

impl Pointer {
    /// The text at this place.
    pub fn text<'v>(&self, document: &'v Value) -> Option<&'v str> {
        document.pointer(&self.0)?.as_str()
    }
}

impl std::fmt::Display for Pointer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// Reads the template of a body.
///
/// # Errors
/// It is not JSON, has an unknown place, one in a key, or none for the text.
pub(super) fn read_body(text: &str) -> Result<BodyTemplate, BadValue> {
    const ALLOWED: &str = "JSON with {text}, and where wanted {session}, {agent} and {user}, in its \
                           values, such as '{\"message\": \"{text}\", \"thread\": \"{session}\"}'";
    let bad = |what: String| BadValue::new(what, ALLOWED);
    if text.len() > TEMPLATE_BYTES_MAX {
        return Err(bad(format!("longer than {TEMPLATE_BYTES_MAX} bytes")));
    }
    let value: Value =
        serde_json::from_str(text).map_err(|error| bad(format!("not JSON: {error}")))?;
    let mut used = Vec::new();
    look(&value, 0, &mut used).map_err(|fault| match fault {
        Fault::TooDeep => bad(format!("more than {DEPTH_MAX} levels")),
        Fault::InKey(key) => bad(format!("a place in the key `{}`", quoted(&key)))
            .help("places stand in values only"),
        Fault::Unknown(name) => {
            let bad = bad(format!("there is no {{{}}}", quoted(&name)));
            match nearest(&name, &SLOTS) {
                Some(near) => bad.help(format!("did you mean {{{near}}}?")),
                None => bad,
            }
        }
    })?;
    if !used.contains(&"text") {
        return Err(bad("it has no {text}, so nothing would be said".to_owned()));
    }
    Ok(BodyTemplate(value))
}

/// Reads a pointer.
///
/// # Errors
/// It is not of the form of RFC 6901.
pub(super) fn read_pointer(text: &str) -> Result<Pointer, BadValue> {
    const ALLOWED: &str = "a JSON pointer, such as \"/data/reply\" or \"/choices/0/text\"";
    let mut after_tilde = text.split('~').skip(1);
    let what = if text.len() > POINTER_BYTES_MAX {
        format!("longer than {POINTER_BYTES_MAX} bytes")
    } else if !text.starts_with('/') {
        let bad = BadValue::new("a JSON pointer begins with `/`", ALLOWED);
        return Err(bad.help(format!("write \"/{}\"", quoted(&text.replace('.', "/")))));
    } else if after_tilde.any(|rest| !rest.starts_with(['0', '1'])) {
        "`~` is written `~0`, and `/` within a name `~1`".to_owned()
    } else {
        return Ok(Pointer(text.to_owned()));
    };
    Err(BadValue::new(what, ALLOWED))
}

enum Fault {
    TooDeep,
    InKey(String),
    Unknown(String),
}

/// Looks for the places of a template, and for what is wrong with them.
fn look(value: &Value, depth: usize, used: &mut Vec<&'static str>) -> Result<(), Fault> {
    if depth > DEPTH_MAX {
        return Err(Fault::TooDeep);
    }
    match value {
        Value::String(text) => {
            for part in parts(text) {
                if let Part::Slot(name) = part {
                    let known = SLOTS.iter().find(|slot| **slot == name);
                    used.push(known.ok_or_else(|| Fault::Unknown(name.to_owned()))?);
                }
            }
            Ok(())
        }
        Value::Array(items) => items
            .iter()
            .try_for_each(|item| look(item, depth + 1, used)),
        Value::Object(fields) => fields.iter().try_for_each(|(key, value)| {
            let mut parts = parts(key);
            if parts.any(|part| matches!(part, Part::Slot(_))) {
                return Err(Fault::InKey(key.clone()));
            }
            look(value, depth + 1, used)
        }),
        Value::Null | Value::Bool(_) | Value::Number(_) => Ok(()),
    }
}

fn fill(value: &Value, slots: Slots<'_>) -> Value {
    match value {
        Value::String(text) if text == "{session}" => {
            slots.session.map_or(Value::Null, Value::from)
        }
        Value::String(text) => {
            let filled = parts(text).map(|part| match part {
                Part::Text(text) => text,
                Part::Slot("text") => slots.text,
                Part::Slot("session") => slots.session.unwrap_or_default(),
                Part::Slot("agent") => slots.agent,
                Part::Slot("user") => slots.user,
                // There are no others, as was looked for.
                Part::Slot(_) => "",
            });
            Value::String(filled.collect())
        }
        Value::Array(items) => items.iter().map(|item| fill(item, slots)).collect(),
        Value::Object(fields) => {
            let filled = fields.iter();
            let filled = filled.map(|(key, value)| (key.clone(), fill(value, slots)));
            Value::Object(filled.collect::<Map<String, Value>>())
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => value.clone(),
    }
}

/// A piece of a text.
#[derive(Debug, PartialEq, Eq)]
enum Part<'a> {
    Text(&'a str),
    Slot(&'a str),
}

/// A text cut at its places: lower-case names in braces. Other braces are text.
fn parts(text: &str) -> impl Iterator<Item = Part<'_>> {
    let mut rest = text;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let (begin, slot) = next_slot(rest).unwrap_or((rest.len(), ""));
        if begin > 0 {
            let (text, behind) = rest.split_at(begin);
            rest = behind;
            return Some(Part::Text(text));
        }
        rest = rest.get(slot.len() + 2..).unwrap_or_default();
        Some(Part::Slot(slot))
    })
}

/// The first place of a text: where its brace is, and its name.
fn next_slot(text: &str) -> Option<(usize, &str)> {
    let braces = text.match_indices('{');
    let mut named = braces.filter_map(|(at, _)| {
        let (name, _) = text.get(at + 1..)?.split_once('}')?;
        let is_name = !name.is_empty() && name.bytes().all(|b| b.is_ascii_lowercase() || b == b'_');
        is_name.then_some((at, name))
    });
    named.next()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const SAID: Slots<'_> = Slots {
        text: "say \"{session}\"",
        session: Some("s-1"),
        agent: "elena",
        user: "u-1",
    };

    #[test]
    fn places_are_filled_in_values_and_nothing_else_changes() {
        let template = read_body(
            r#"{"input": {"message": "{text}", "thread": "{session}"}, "n": [1, null, true],
                "who": "user {user} asks {agent} {x y} {Text} {}", "open": "{text"}"#,
        );
        let filled = template.unwrap().fill(SAID);
        let expect = json!({
            "input": {"message": "say \"{session}\"", "thread": "s-1"}, "n": [1, null, true],
            "who": "user u-1 asks elena {x y} {Text} {}", "open": "{text",
        });
        assert_eq!(filled, expect);
        let unnamed = Slots {
            session: None,
            ..SAID
        };
        let template = read_body(r#"["{text}", "{session}", "in {session}."]"#).unwrap();
        let expect = json!(["say \"{session}\"", null, "in ."]);
        assert_eq!(template.fill(unnamed), expect);
    }

    #[test]
    fn what_is_no_template_is_told_why() {
        let deep = format!("{}\"{{text}}\"{}", "[".repeat(40), "]".repeat(40));
        for (text, what, help) in [
            ("{text}", "not JSON: ", None),
            (r#"{"a": "b"}"#, "it has no {text}", None),
            (
                r#"{"{text}": "{text}"}"#,
                "a place in the key `{text}`",
                Some("places stand in values only"),
            ),
            (
                r#"{"a": "{text} {sesion}"}"#,
                "there is no {sesion}",
                Some("did you mean {session}?"),
            ),
            (deep.as_str(), "more than 32 levels", None),
            (&" ".repeat(20_000), "longer than 16384 bytes", None),
        ] {
            let bad = read_body(text).unwrap_err();
            assert!(bad.what.starts_with(what), "{text}: {}", bad.what);
            assert_eq!(bad.help.as_deref(), help, "{text}");
        }
    }

    #[test]
    fn pointers_find_texts() {
        let document = json!({"data": [{"a/b": "one", "m~n": 2}], "": "empty"});
        for (pointer, found) in [
            ("/data/0/a~1b", Some("one")),
            ("/data/0/m~0n", None),
            ("/data/1", None),
            ("/", Some("empty")),
        ] {
            let pointer = read_pointer(pointer).unwrap();
            assert_eq!(pointer.text(&document), found, "{pointer}");
        }
        for bad in ["data.reply", "", "/a~2", "/a~"] {
            assert!(read_pointer(bad).is_err(), "{bad}");
        }
        let help = read_pointer("data.reply").unwrap_err().help;
        assert_eq!(help.as_deref(), Some("write \"/data/reply\""));
    }
}
