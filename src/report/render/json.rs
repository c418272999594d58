//! The report as JSON: the view model's own serde form.

use crate::report::Report;

/// Indented JSON with a line end.
///
/// # Errors
/// A field of the report has no JSON form. None of this version is such.
pub fn render(report: &Report) -> serde_json::Result<String> {
    let mut text = serde_json::to_string_pretty(report)?;
    text.push('\n');
    Ok(text)
}
