//! One file for each form that a report can take. All are pure: report in, text out; where the
//! text goes is somebody else's job.

use super::Report;

mod arms;
mod capsule;
mod coverage;
pub mod json;
pub mod selftest;
mod table;
pub mod terminal;
mod text;

/// A form that a report can take.
#[derive(Debug, Clone, Copy)]
pub struct Format {
    /// Its name, as in `--report NAME=PATH`.
    pub name: &'static str,
    /// Renders a report; the text ends with a line end.
    ///
    /// # Errors
    /// The report cannot be written in this form.
    pub render: fn(&Report) -> serde_json::Result<String>,
}

/// All forms.
pub const ALL: &[Format] = &[
    Format {
        name: "terminal",
        render: |report| Ok(terminal::render(report, &terminal::Style::plain())),
    },
    Format {
        name: "json",
        render: json::render,
    },
];
