//! The JSON Schema of the scenario file, for editors, and the check of a file's keys against it.
//!
//! Schema and parser are derived from the same types, so they cannot differ.

use std::collections::BTreeSet;
use std::ops::Range;

use schemars::generate::SchemaSettings;
use serde_json::Value;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::error::{nearest, quoted};
use super::file::RawFile;

/// k6's names for things that have another name here.
const OTHER_NAMES: [(&str, &str); 6] = [
    ("preallocatedvus", "max_vus"),
    ("exec", "session"),
    ("scenarios", "load"),
    ("groups", "load"),
    ("session_id", "session_ids"),
    ("timeout", "timeouts"),
];

/// A key that the file must not have, or a section that is not one.
#[derive(Debug)]
pub(super) struct WrongKey {
    /// Its path from the top.
    pub(super) path: Vec<String>,
    /// Where it stands.
    pub(super) span: Range<usize>,
    /// What is wrong with it.
    pub(super) fault: KeyFault,
}

/// What is wrong with a key.
#[derive(Debug)]
pub(super) enum KeyFault {
    /// There is no such key here.
    Unknown {
        /// The keys that there are.
        allowed: Vec<String>,
        /// What to do.
        help: Option<String>,
    },
    /// A section was expected.
    NotTable,
    /// A list of sections was expected.
    NotList,
    /// A value was expected.
    IsTable,
}

/// The JSON Schema of the scenario file, as indented JSON.
pub fn json_schema() -> String {
    format!("{:#}", schema())
}

/// Every key of the tree that the schema does not know, in the order of the tree.
pub(super) fn wrong_keys(tree: &DeTable<'_>) -> Vec<WrongKey> {
    let schema = schema();
    let mut walk = Walk {
        schema: &schema,
        found: Vec::new(),
    };
    walk.table(&mut Vec::new(), &schema, tree);
    walk.found
}

fn schema() -> Value {
    let settings =
        SchemaSettings::draft2020_12().with(|settings| settings.inline_subschemas = true);
    settings
        .into_generator()
        .into_root_schema_for::<RawFile>()
        .to_value()
}

struct Walk<'a> {
    schema: &'a Value,
    found: Vec<WrongKey>,
}

impl Walk<'_> {
    fn table(&mut self, path: &mut Vec<String>, schema: &Value, table: &DeTable<'_>) {
        for (key, value) in table {
            path.push(key.get_ref().to_string());
            match child(schema, key.get_ref()) {
                Some(child) => self.value(path, child, value),
                None => self.found.push(WrongKey {
                    path: path.clone(),
                    span: key.span(),
                    fault: self.unknown(schema, key.get_ref()),
                }),
            }
            path.pop();
        }
    }

    fn value(&mut self, path: &mut Vec<String>, schema: &Value, value: &Spanned<DeValue<'_>>) {
        if let Some(entry) = entries(schema) {
            return self.list(path, entry, value);
        }
        let expects_table = schema.get("type").is_some_and(|kind| kind == "object");
        let fault = match (value.get_ref().as_table(), expects_table) {
            (Some(table), true) => return self.table(path, schema, table),
            (None, false) => return,
            (Some(_), false) => KeyFault::IsTable,
            (None, true) => KeyFault::NotTable,
        };
        self.found.push(WrongKey {
            path: path.clone(),
            span: value.span(),
            fault,
        });
    }

    fn list(&mut self, path: &mut Vec<String>, entry: &Value, value: &Spanned<DeValue<'_>>) {
        let Some(entries) = value.get_ref().as_array() else {
            self.found.push(WrongKey {
                path: path.clone(),
                span: value.span(),
                fault: KeyFault::NotList,
            });
            return;
        };
        for (place, value) in entries.iter().enumerate() {
            path.push(place.to_string());
            self.value(path, entry, value);
            path.pop();
        }
    }

    fn unknown(&self, schema: &Value, key: &str) -> KeyFault {
        let allowed: Vec<String> = properties(schema).map(|(name, _)| name.clone()).collect();
        let names: Vec<&str> = allowed.iter().map(String::as_str).collect();
        let folded = key.to_lowercase();
        let other = OTHER_NAMES
            .iter()
            .find(|(k6, ours)| *k6 == folded && names.contains(ours));
        let near = other
            .map(|(_, ours)| *ours)
            .or_else(|| nearest(key, &names));
        let help = match near {
            Some(near) => Some(format!("did you mean `{near}`?")),
            None => self.elsewhere(key),
        };
        KeyFault::Unknown { allowed, help }
    }

    /// Where a key belongs that is known, but not here.
    fn elsewhere(&self, key: &str) -> Option<String> {
        let mut homes = BTreeSet::new();
        sections_with(self.schema, key, "", &mut homes);
        let homes: Vec<String> = homes.into_iter().collect();
        let known = !homes.is_empty();
        known.then(|| format!("`{}` is a key of {}", quoted(key), homes.join(", ")))
    }
}

/// The schema of the sections of a list; `None` if it is no list of sections.
fn entries(schema: &Value) -> Option<&Value> {
    let entry = schema.get("items")?;
    (entry.get("type")? == "object").then_some(entry)
}

/// The schema of a key of a section; `None` if the section has no such key.
fn child<'a>(schema: &'a Value, key: &str) -> Option<&'a Value> {
    let named = schema.get("properties").and_then(|keys| keys.get(key));
    let any = schema.get("additionalProperties");
    named.or(any.filter(|schema| schema.is_object()))
}

fn properties(schema: &Value) -> impl Iterator<Item = (&String, &Value)> {
    let keys = schema.get("properties").and_then(Value::as_object);
    keys.into_iter().flatten()
}

fn sections_with(schema: &Value, key: &str, path: &str, homes: &mut BTreeSet<String>) {
    for (name, child) in properties(schema) {
        if name == key {
            homes.insert(match path {
                "" => "the top of the file".to_owned(),
                path => format!("[{path}]"),
            });
        }
        let path = match path {
            "" => name.clone(),
            path => format!("{path}.{name}"),
        };
        sections_with(child, key, &path, homes);
        if let Some(entry) = entries(child) {
            sections_with(entry, key, &path, homes);
        }
        if let Some(any) = child.get("additionalProperties") {
            sections_with(any, key, &format!("{path}.NAME"), homes);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every key of the schema as a dotted path, with its description.
    fn keys(schema: &Value, path: &str, all: &mut Vec<(String, Option<String>)>) {
        let any = schema
            .get("additionalProperties")
            .filter(|any| any.is_object());
        let named = properties(schema).map(|(name, child)| (name.as_str(), child));
        for (name, child) in named.chain(any.map(|any| ("NAME", any))) {
            let path = format!("{path}.{name}");
            let description = child.get("description").and_then(Value::as_str);
            all.push((path.clone(), description.map(str::to_owned)));
            keys(entries(child).unwrap_or(child), &path, all);
        }
    }

    #[test]
    fn every_key_is_described() {
        let schema: Value = serde_json::from_str(&json_schema()).unwrap();
        let mut all = Vec::new();
        keys(&schema, "", &mut all);
        assert!(all.len() > 50, "{all:?}");
        for (path, description) in all {
            assert!(description.is_some_and(|text| text.len() > 10), "{path}");
        }
    }

    #[test]
    fn keys_that_the_parser_refuses_are_not_in_the_schema() {
        // The parser's own refusal, without the walk over the schema.
        for (text, known) in [
            ("[target.paths]\nchat = 1", true),
            ("[load.a]\nmax_vus = 1", true),
            ("[load.a]\nmaxVUs = 1", false),
            ("[target.path]\nchat = 1", false),
            ("colour = 1", false),
        ] {
            let tree = DeTable::parse(text).unwrap();
            assert_eq!(wrong_keys(tree.get_ref()).is_empty(), known, "{text}");
            assert_eq!(toml::from_str::<RawFile>(text).is_ok(), known, "{text}");
        }
    }
}
