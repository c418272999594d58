//! The screen at the end of a run.

use crate::report::Report;

/// How a screen looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Style {
    /// Columns.
    pub width: usize,
    /// Is colour used? It never carries a meaning of its own.
    pub colour: Colour,
}

/// Is colour used?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Colour {
    /// ANSI colours.
    On,
    /// None.
    Off,
}

impl Default for Style {
    fn default() -> Self {
        Self {
            width: 80,
            colour: Colour::Off,
        }
    }
}

/// The screen, each line ending with a line end.
pub fn render(report: &Report, style: &Style) -> String {
    let _ = style;
    format!(
        "{}  run {}\n  next       {}\n",
        report.verdict.name().to_uppercase(),
        report.run_id,
        report.next
    )
}

/// The screen at 80 columns without colour, for files.
pub(super) fn render_plain(report: &Report) -> String {
    render(report, &Style::default())
}
