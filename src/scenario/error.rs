//! What is wrong with a scenario, told so that it can be mended: place, key, value, what is
//! allowed, and a suggestion.
//!
//! Text comes from a file that may hold anything, so everything quoted from it is made printable
//! and cut to a bounded length.

use std::fmt;
use std::ops::Range;

/// Characters of a source line that are shown.
const LINE_CHARS_MAX: usize = 100;
/// Characters of a value or key that are quoted.
const QUOTE_CHARS_MAX: usize = 60;
/// Problems that are printed; the rest is counted.
const PROBLEMS_SHOWN_MAX: usize = 20;

/// A scenario that cannot be used. Its text fits after "could not use the scenario: ".
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct ScenarioError {
    /// The file as the user named it.
    pub file: String,
    /// Everything that was found, in the order of the checks; at least one.
    pub problems: Vec<Problem>,
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Where it stands; `None` for a flag or for something missing from the whole file.
    pub place: Option<Place>,
    /// The dotted key, such as `load.chat.vus`, or the flag, such as `--vus`.
    pub key: Option<String>,
    /// The value as it is written.
    pub value: Option<String>,
    /// What is wrong.
    pub what: String,
    /// What would be right.
    pub allowed: Option<String>,
    /// What to do.
    pub help: Option<String>,
}

/// A place in the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// Line, counted from 1.
    pub line: usize,
    /// Column in characters, counted from 1.
    pub column: usize,
    /// The line or the part of it around the place, printable.
    pub source: String,
    /// The characters of `source` that are meant, counted from 0; at least one.
    pub mark: Range<usize>,
}

/// A value that is not what its key needs.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what}; allowed: {allowed}")]
pub struct BadValue {
    /// What is wrong with it.
    pub what: String,
    /// What would be right.
    pub allowed: String,
    /// What to do.
    pub help: Option<String>,
}

impl BadValue {
    /// A bad value without a suggestion.
    pub(super) fn new(what: impl Into<String>, allowed: impl Into<String>) -> Self {
        Self {
            what: what.into(),
            allowed: allowed.into(),
            help: None,
        }
    }

    /// Adds a suggestion.
    pub(super) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
}

impl Place {
    /// The same place without what stands there.
    pub(super) fn hidden(mut self) -> Self {
        let behind = self.source.chars().skip(self.mark.end);
        let behind: String = behind.collect();
        let before: String = self.source.chars().take(self.mark.start).collect();
        self.mark = self.mark.start..self.mark.start + 3;
        self.source = format!("{before}***{behind}");
        self
    }

    /// The place of a byte range of a text. A range that ends behind its first line is cut there.
    pub(super) fn of(text: &str, span: &Range<usize>) -> Self {
        let start = text.floor_char_boundary(span.start);
        let end = text.floor_char_boundary(span.end).max(start);
        let line_start = text[..start].rfind('\n').map_or(0, |newline| newline + 1);
        let line_end = text[start..]
            .find('\n')
            .map_or(text.len(), |newline| start + newline);
        let line_text = text[line_start..line_end].trim_end_matches('\r');
        let before = text[line_start..start].chars().count();
        let marked = text[start..end.min(line_end)].chars().count();
        // A window that holds the mark, with some of what stands before it.
        let skipped = (before + marked.min(LINE_CHARS_MAX / 2)).saturating_sub(LINE_CHARS_MAX);
        let source: String = masked(line_text)
            .chars()
            .skip(skipped)
            .take(LINE_CHARS_MAX)
            .map(printable_char)
            .collect();
        let mark_start = before - skipped;
        let mark_end = (mark_start + marked).min(source.chars().count());
        Self {
            line: text[..start].matches('\n').count() + 1,
            column: before + 1,
            mark: mark_start..mark_end.max(mark_start + 1),
            source,
        }
    }
}

impl fmt::Display for ScenarioError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, problem) in self.problems.iter().take(PROBLEMS_SHOWN_MAX).enumerate() {
            if number > 0 {
                f.write_str("\n\n")?;
            }
            show(f, &self.file, problem)?;
        }
        match self.problems.len().saturating_sub(PROBLEMS_SHOWN_MAX) {
            0 => Ok(()),
            more => write!(f, "\n\n… and {more} more"),
        }
    }
}

/// Text from outside as it may be printed: on one line, without control characters, and cut.
pub(super) fn quoted(text: &str) -> String {
    let mut shown: String = masked(text)
        .chars()
        .take(QUOTE_CHARS_MAX)
        .map(|c| if c.is_whitespace() { ' ' } else { c })
        .map(printable_char)
        .collect();
    if text.chars().nth(QUOTE_CHARS_MAX).is_some() {
        shown.push('…');
    }
    shown
}

/// The nearest of the candidates, if one is near enough to be meant.
pub(super) fn nearest<'a>(word: &str, candidates: &[&'a str]) -> Option<&'a str> {
    /// Jaro-Winkler similarity from which a word counts as meant.
    const NEAR_ENOUGH: f64 = 0.85;
    let plain = fold(word);
    let letters = plain.chars().count();
    let near = candidates.iter().filter_map(|candidate| {
        let folded = fold(candidate);
        let edits = strsim::osa_distance(&plain, &folded);
        let similar = strsim::jaro_winkler(&plain, &folded) >= NEAR_ENOUGH;
        // One slip in three letters.
        (similar || edits * 3 <= letters).then_some((edits, *candidate))
    });
    near.min_by_key(|(edits, _)| *edits).map(|(_, name)| name)
}

/// Spellings that differ only in case, hyphens and underscores fold to the same word, so that
/// `maxVUs` is near to `max_vus`.
fn fold(word: &str) -> String {
    word.chars()
        .filter(|c| *c != '_' && *c != '-')
        .flat_map(char::to_lowercase)
        .collect()
}

/// Hides the user name and password of a URL, one star for each character, so that columns stay.
fn masked(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(scheme_end) = rest.find("://").map(|start| start + "://".len()) {
        let (before, after) = rest.split_at(scheme_end);
        shown.push_str(before);
        let ends = |c: char| c.is_whitespace() || matches!(c, '"' | '\'');
        let address = &after[..after.find(ends).unwrap_or(after.len())];
        let secret = &address[..address.rfind('@').unwrap_or(0)];
        shown.extend(secret.chars().map(|_| '*'));
        rest = &after[secret.len()..];
    }
    shown.push_str(rest);
    shown
}

fn printable_char(c: char) -> char {
    if c == '\t' {
        ' '
    } else if c.is_control() {
        char::REPLACEMENT_CHARACTER
    } else {
        c
    }
}

fn show(f: &mut fmt::Formatter<'_>, file: &str, problem: &Problem) -> fmt::Result {
    write!(
        f,
        "{}",
        file.chars().map(printable_char).collect::<String>()
    )?;
    if let Some(place) = &problem.place {
        write!(f, ":{}:{}", place.line, place.column)?;
    }
    f.write_str(": ")?;
    match (&problem.key, &problem.value) {
        (Some(key), Some(value)) => write!(f, "`{key} = {value}`: ")?,
        (Some(key), None) => write!(f, "`{key}`: ")?,
        (None, Some(_) | None) => {}
    }
    f.write_str(&problem.what)?;
    if let Some(place) = &problem.place {
        let number = place.line.to_string();
        let margin = " ".repeat(number.len());
        let indent = " ".repeat(place.mark.start);
        let caret = "^".repeat(place.mark.len());
        write!(f, "\n{number} | {}", place.source)?;
        write!(f, "\n{margin} | {indent}{caret}")?;
    }
    if let Some(allowed) = &problem.allowed {
        write!(f, "\nallowed: {allowed}")?;
    }
    if let Some(help) = &problem.help {
        write!(f, "\nhelp: {help}")?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_counted_in_characters() {
        let text = "a = 1\r\nß = \"ä\"\r\n";
        let value = text.find("\"ä\"").unwrap();
        let place = Place::of(text, &(value..value + 4));
        assert_eq!((place.line, place.column), (2, 5));
        assert_eq!(place.source, "ß = \"ä\"");
        assert_eq!(place.mark, 4..7);
    }

    #[test]
    fn a_place_is_always_within_bounds() {
        for text in [
            "",
            "\n",
            "a",
            "äöü\n\nx",
            &"long ".repeat(100),
            "\t\u{1b}[31m",
        ] {
            for start in 0..text.len() + 3 {
                for end in start..text.len() + 5 {
                    let place = Place::of(text, &(start..end));
                    assert!(place.source.chars().count() <= LINE_CHARS_MAX);
                    assert!(place.mark.start < place.mark.end);
                    assert!(place.mark.end <= LINE_CHARS_MAX + 1, "{place:?}");
                    assert!(!place.source.contains(char::is_control));
                }
            }
        }
    }

    #[test]
    fn passwords_are_not_shown() {
        for (text, shown) in [
            ("http://me:secret@host/a", "http://*********@host/a"),
            (
                "a = \"http://h\" # http://x@y",
                "a = \"http://h\" # http://*@y",
            ),
            ("mail me@host", "mail me@host"),
            ("://", "://"),
        ] {
            assert_eq!(masked(text), shown);
        }
    }

    #[test]
    fn other_spellings_are_near() {
        let keys = ["max_vus", "time_unit", "turns", "think", "vus"];
        for (word, meant) in [
            ("maxVUs", Some("max_vus")),
            ("timeUnit", Some("time_unit")),
            ("turn", Some("turns")),
            ("vsu", Some("vus")),
            ("colour", None),
        ] {
            assert_eq!(nearest(word, &keys), meant, "{word}");
        }
    }
}
