//! Log lines of a target: what each says of a background task, in whatever shape it comes.
//!
//! Bytes in, meaning out: there is no file, no process and no clock here. Of a line that speaks
//! neither of a task nor of an operation of the run nothing is kept, as it may be about anybody.

use crate::model::{LogStep, OpId, OpKind, RunId, op_of_request_id, op_of_trace_id};

mod pattern;
mod shape;
mod split;
#[cfg(test)]
mod tests;
mod time;

pub use pattern::{BadPattern, Pattern, PatternTexts, Patterns, StepTexts};
pub use split::{LINE_BYTES_MAX, Splitter};

/// Characters of the words about a task that are kept.
const TEXT_CHARS_MAX: usize = 300;
/// Hexadecimal digits of a request id.
const REQUEST_DIGITS: usize = 16;
/// Hexadecimal digits of a trace id.
const TRACE_DIGITS: usize = 32;

/// What a line says.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Said {
    /// The operation of the run whose request or trace id stands in it.
    pub op: Option<OpId>,
    /// The task that it is about, and what it says of it.
    pub task: Option<(OpKind, LogStep)>,
    /// The user that it names.
    pub user: Option<String>,
    /// The file that it names.
    pub file: Option<String>,
    /// The words about the task, without what stands before them; empty without a task.
    pub text: String,
    /// When it was written, in microseconds since 1970, where it names its zone.
    pub logged_unix_us: Option<i64>,
}

/// Reads one line; `None` if it speaks neither of a task nor of an operation of the run.
pub fn read(line: &[u8], run: RunId, patterns: &Patterns) -> Option<Said> {
    let text = String::from_utf8_lossy(line);
    let text = shape::without_colours(&text);
    let op = op_in(&text, run);
    let shaped = shape::shaped(&text);
    let told = patterns.find(&shaped.message);
    if op.is_none() && told.is_none() {
        return None;
    }
    let mut said = Said {
        op,
        logged_unix_us: shaped.logged_unix_us,
        ..Said::default()
    };
    if let Some(told) = told {
        said.task = Some((told.kind, told.step));
        said.user = told.user.or(shaped.user);
        said.file = told.file;
        said.text = told.text.chars().take(TEXT_CHARS_MAX).collect();
    }
    Some(said)
}

/// The operation of the run that a line names by a request or trace id, wherever that stands.
fn op_in(text: &str, run: RunId) -> Option<OpId> {
    let mut words = text.split(|c: char| !c.is_ascii_hexdigit());
    words.find_map(|word| match word.len() {
        REQUEST_DIGITS => op_of_request_id(run, u64::from_str_radix(word, 16).ok()?),
        TRACE_DIGITS => op_of_trace_id(run, u128::from_str_radix(word, 16).ok()?),
        _ => None,
    })
}
