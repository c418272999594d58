//! The report as JSON: the view model's own serde form.

use crate::report::Report;

/// Indented JSON with a line end.
pub(super) fn render(report: &Report) -> String {
    // Every map key is a name and every number is a JSON number, so this cannot fail; should a
    // later field break that, the text says so instead of a panic.
    let mut text = serde_json::to_string_pretty(report)
        .unwrap_or_else(|error| format!("{{\"error\": \"could not write the report: {error}\"}}"));
    text.push('\n');
    text
}
