//! The table of operations: one row for each kind.

use super::text::{columns, count, duration_ms, duration_us, wrap};
use crate::model::OpKind;
use crate::report::{OpCounts, Report};

/// Columns of the first cell: the kind, indented as the labels of the lines around.
const LABEL_COLUMNS: usize = 13;

/// The heads of the columns behind the kind.
const HEADS: [&str; 7] = [
    "planned",
    "ok",
    "soft",
    "refused",
    "unknown",
    "p95 start",
    "p95 stored",
];

/// The rows with their head, then one line for each kind with operations of rarer outcomes.
/// Where the numbers are too long for a table, each kind is a sentence.
pub(super) fn lines(report: &Report, width: usize) -> Vec<String> {
    let rows: Vec<(OpKind, [String; 7])> = report
        .ops
        .iter()
        .map(|(kind, counts)| (*kind, cells(report, *kind, *counts)))
        .collect();
    if rows.is_empty() {
        return Vec::new();
    }
    let mut widths = HEADS.map(columns);
    for (_, cells) in &rows {
        for (wide, cell) in widths.iter_mut().zip(cells) {
            *wide = columns(cell).max(*wide);
        }
    }
    let total = LABEL_COLUMNS + widths.iter().sum::<usize>() + 2 * (HEADS.len() - 1);
    let mut lines = if total <= width {
        table(&rows, widths)
    } else {
        sentences(&rows, width)
    };
    for (kind, counts) in &report.ops {
        if let Some(text) = rarer(*counts) {
            lines.extend(wrap("  also       ", &format!("{kind}: {text}"), width));
        }
    }
    lines
}

fn cells(report: &Report, kind: OpKind, counts: OpCounts) -> [String; 7] {
    let start = report.latency_us.get(&kind);
    let stored = report.persistence_lag_ms.get(&kind);
    [
        counts.planned.map_or("open".to_owned(), count),
        count(counts.ok),
        count(counts.soft_fail),
        count(counts.refused),
        count(counts.unknown),
        start.map_or("-".to_owned(), |t| duration_us(t.from_intended.p95)),
        stored.map_or("-".to_owned(), |t| duration_ms(t.p95)),
    ]
}

fn table(rows: &[(OpKind, [String; 7])], widths: [usize; 7]) -> Vec<String> {
    let line = |label: &str, cells: [&str; 7]| {
        let cells: Vec<String> = cells
            .iter()
            .zip(widths)
            .map(|(cell, wide)| format!("{cell:>wide$}"))
            .collect();
        format!("{label:LABEL_COLUMNS$}{}", cells.join("  "))
    };
    let mut lines = vec![line("", HEADS)];
    for (kind, cells) in rows {
        lines.push(line(
            &format!("  {kind}"),
            cells.each_ref().map(String::as_str),
        ));
    }
    lines
}

fn sentences(rows: &[(OpKind, [String; 7])], width: usize) -> Vec<String> {
    rows.iter()
        .flat_map(|(kind, cells)| {
            let parts: Vec<String> = HEADS
                .iter()
                .zip(cells)
                .map(|(head, cell)| format!("{head} {cell}"))
                .collect();
            wrap(&format!("  {:<11}", kind.name()), &parts.join(", "), width)
        })
        .collect()
}

/// Outcomes that have no column, where there are any.
fn rarer(counts: OpCounts) -> Option<String> {
    let parts: Vec<String> = [
        (counts.unsent, "unsent"),
        (counts.recovered, "unknown but found stored"),
        (counts.not_started, "not started"),
    ]
    .iter()
    .filter(|(number, _)| *number > 0)
    .map(|(number, what)| format!("{} {what}", count(*number)))
    .collect();
    (!parts.is_empty()).then(|| parts.join(", "))
}
