//! The screen at the end of a run: the verdict first, what to do next last.

use super::coverage::{self, Field};
use super::text::{clean, columns, duration_ms, unglued, wall, wrap};
use super::{arms, capsule, table};
use crate::model::{Proof, Verdict};
use crate::report::{Ended, Report};

/// Columns below which no screen is made: its labels and some words must fit.
const WIDTH_MIN: usize = 40;

/// How a screen looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Style {
    /// Columns; fewer than 40 count as 40.
    pub width: usize,
    /// Are ANSI colours used? They never carry a meaning of their own.
    pub color: bool,
}

impl Style {
    /// 80 columns without colour, for files, pipes and tests.
    pub fn plain() -> Self {
        Self {
            width: 80,
            color: false,
        }
    }
}

/// The screen, each line ending with a line end.
pub fn render(report: &Report, style: &Style) -> String {
    let width = style.width.max(WIDTH_MIN);
    let headline = headline_finding(report);
    let mut lines = head(report, headline, width);
    lines.extend(field_lines(&reasons(report), width));
    lines.extend(capsule::lines(report, headline, width));
    lines.extend(field_lines(&arms::fields(report), width));
    lines.extend(field_lines(&coverage::tested(report), width));
    lines.extend(table::lines(report, width));
    lines.extend(field_lines(&coverage::rest(report), width));
    lines.extend(next(&report.next, width));

    let mut text = unglued(&lines.join("\n"));
    text.push('\n');
    if style.color {
        paint(report.verdict, &text)
    } else {
        text
    }
}

fn field_lines(fields: &[Field], width: usize) -> Vec<String> {
    fields
        .iter()
        .flat_map(|(label, text)| wrap(&format!("  {label:<11}"), &clean(text), width))
        .collect()
}

/// The place of the finding whose claim is the head line: the first that fails the run.
fn headline_finding(report: &Report) -> Option<usize> {
    report
        .findings
        .iter()
        .position(|f| f.proof == Proof::Proved && f.code.fails() && f.accepted.is_none())
        .filter(|_| report.verdict == Verdict::Fail)
}

fn head(report: &Report, headline: Option<usize>, width: usize) -> Vec<String> {
    let verdict = report.verdict.name().to_uppercase();
    let text = match report.verdict {
        Verdict::Pass => "nothing crossed between users".to_owned(),
        Verdict::Inconclusive => "this run proves nothing either way".to_owned(),
        Verdict::Fail => headline
            .and_then(|ix| report.findings.get(ix))
            .map_or("at least one finding was proved".to_owned(), |f| {
                clean(&f.claim)
            }),
    };
    let run = format!(
        "run {}  seed {}  {}",
        report.run_id,
        report.seed,
        wall(report.wall_seconds)
    );
    let mut lines = wrap(&format!("{verdict}  "), &text, width);
    let room = width.saturating_sub(lines.last().map_or(0, |line| columns(line)));
    if columns(&run) + 2 <= room {
        if let Some(last) = lines.last_mut() {
            *last = format!("{last}{run:>room$}");
        }
    } else if columns(&run) <= width {
        lines.push(format!("{run:>width$}"));
    } else {
        lines.extend(wrap("  ", &run, width));
    }
    lines
}

/// Why nothing is proved, and how the run ended if not by itself.
fn reasons(report: &Report) -> Vec<Field> {
    let mut fields: Vec<Field> = report
        .inconclusive_reasons
        .iter()
        .map(|reason| ("reason", format!("{reason}: {}", reason.advice())))
        .collect();
    match report.ended {
        Ended::Finished => {}
        Ended::Interrupted => fields.push(("ended", "told to stop".to_owned())),
        Ended::StoppedAtFinding => {
            fields.push(("ended", "stopped at the first proved finding".to_owned()));
        }
        Ended::TargetThrottled => {
            fields.push(("ended", "the target asked for less load".to_owned()));
        }
        Ended::MaxOps => fields.push(("ended", "at the bound `--max-ops`".to_owned())),
        Ended::MaxModelCalls => {
            fields.push(("ended", "at the bound `--max-model-calls`".to_owned()));
        }
        Ended::MaxWall => fields.push(("ended", "at the bound `--max-wall`".to_owned())),
        Ended::TargetLost => fields.push(("ended", "the target stopped answering".to_owned())),
        Ended::Crashed => fields.push((
            "ended",
            "crosswire died in mid-run; this is judged from what it had committed".to_owned(),
        )),
    }
    if let Some(ms) = report.unjudged_ms {
        let time = duration_ms(ms);
        fields.push((
            "unjudged",
            format!("the last {time} before the end cannot be judged for loss"),
        ));
    }
    fields
}

/// What to do next. A command that does not fit beside its words has a line of its own, so that
/// it can be copied; a longer one goes on behind a backslash.
fn next(text: &str, width: usize) -> Vec<String> {
    let text = clean(text);
    let label = format!("  {:<11}", "next");
    if columns(&label) + columns(&text) <= width {
        return vec![format!("{label}{text}")];
    }
    let Some((words, command)) = text.split_once(": ") else {
        return wrap(&label, &text, width);
    };
    let mut lines = wrap(&label, &format!("{words}:"), width);
    let indent = " ".repeat(4);
    if columns(&indent) + columns(command) <= width {
        lines.push(format!("{indent}{command}"));
        return lines;
    }
    let mut pieces = wrap(&indent, command, width.saturating_sub(2));
    let last = pieces.pop();
    lines.extend(pieces.into_iter().map(|piece| format!("{piece} \\")));
    lines.extend(last);
    lines
}

/// Colours the verdict's word, which the screen begins with.
fn paint(verdict: Verdict, text: &str) -> String {
    let colour = match verdict {
        Verdict::Pass => "\u{1b}[1;32m",
        Verdict::Inconclusive => "\u{1b}[1;33m",
        Verdict::Fail => "\u{1b}[1;31m",
    };
    let word = verdict.name().to_uppercase();
    let rest = text.strip_prefix(word.as_str()).unwrap_or(text);
    format!("{colour}{word}\u{1b}[0m{rest}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{OpKind, Trait};
    use crate::report::{OpCounts, Quantiles, Streams, sample};

    fn render_plain(report: &Report) -> String {
        render(report, &Style::plain())
    }

    fn longest_line(text: &str) -> usize {
        text.lines().map(columns).max().unwrap_or(0)
    }

    /// A report in which everything that can be long is.
    fn overlong() -> Report {
        let mut report = sample::failed();
        for kind in OpKind::ALL {
            report.ops.insert(
                kind,
                OpCounts {
                    planned: Some(u64::MAX),
                    ok: u64::MAX,
                    soft_fail: u64::MAX,
                    refused: u64::MAX,
                    unsent: u64::MAX,
                    unknown: u64::MAX,
                    recovered: u64::MAX,
                    not_started: u64::MAX,
                },
            );
        }
        report.exposure.pairs = u64::MAX;
        report.run_folder = "folder/".repeat(30);
        report.memory = format!("http://{}.example", "zep".repeat(40));
        report.read_back.complete = false;
        report.read_back.incomplete_reason = Some("page ".repeat(50));
        report.lab_faults = vec!["late-binding:window=2ms".to_owned(); 12];
        for finding in &mut report.findings {
            finding.claim = "x".repeat(300);
            finding.sightings[0].owner = Some("y\n\u{1b}[31m".repeat(60));
        }
        report.next = format!("run again: crosswire run {} --seed 7", "z".repeat(150));
        report
    }

    #[test]
    fn no_line_is_longer_than_the_screen() {
        for report in [
            sample::passed(),
            sample::failed(),
            sample::crashed(),
            overlong(),
        ] {
            for width in [80, 40, 132] {
                let style = Style {
                    width,
                    ..Style::plain()
                };
                let text = render(&report, &style);
                assert!(longest_line(&text) <= width, "at {width}:\n{text}");
            }
        }
    }

    #[test]
    fn text_of_the_target_reaches_no_terminal_control() {
        let text = render_plain(&overlong());
        assert!(text.chars().all(|c| c == '\n' || !c.is_control()), "{text}");
    }

    #[test]
    fn the_last_line_says_what_to_do_next() {
        let mut report = sample::passed();
        for (next, lines) in [
            ("rest", vec!["  next       rest"]),
            (
                "run again: crosswire run staging --target http://127.0.0.1:8080 --seed 8",
                vec![
                    "  next       run again:",
                    "    crosswire run staging --target http://127.0.0.1:8080 --seed 8",
                ],
            ),
            (
                "run again: crosswire run staging --target http://127.0.0.1:8080 \
                 --memory http://127.0.0.1:8081 --seed 8",
                vec![
                    "  next       run again:",
                    "    crosswire run staging --target http://127.0.0.1:8080 --memory \\",
                    "    http://127.0.0.1:8081 --seed 8",
                ],
            ),
        ] {
            next.clone_into(&mut report.next);
            let text = render_plain(&report);
            let last: Vec<&str> = text.lines().rev().take(lines.len()).collect();
            assert!(last.into_iter().rev().eq(lines), "{text}");
        }
    }

    #[test]
    fn what_the_lab_was_and_what_was_not_compared_is_said() {
        let mut report = sample::passed();
        for silent in ["lab quirk", "  order ", "  ended ", "  lab "] {
            assert!(!render_plain(&report).contains(silent), "{silent}");
        }
        report.lab_quirks = vec!["shuffled-pages".to_owned(), "slow-store".to_owned()];
        report.lab_profile = Some("f878ddb".to_owned());
        report.read_back.unsteady_sessions = 12;
        report.ended = Ended::StoppedAtFinding;
        let text = render_plain(&report);
        for line in [
            "  lab quirk  shuffled-pages, slow-store\n",
            "  lab        as f878ddb\n",
            "  order      not compared: the store listed 12 sessions in another order each\n",
            "  ended      stopped at the first proved finding\n",
        ] {
            assert!(text.contains(line), "{line}{text}");
        }
    }

    #[test]
    fn how_chunks_came_is_one_line() {
        let mut report = sample::passed();
        assert!(!render_plain(&report).contains("  chunks "));
        let quantiles = |p50: u64, samples| Quantiles {
            p50,
            p95: 3 * p50,
            max: 9 * p50,
            samples,
            ..Quantiles::default()
        };
        let first_chunk_us = quantiles(20_000, 7);
        let mut line = |gaps| {
            report.streams = Some(Streams {
                first_chunk_us,
                chunk_gap_us: gaps,
            });
            let text = render_plain(&report);
            let line = text.lines().find(|line| line.starts_with("  chunks "));
            line.unwrap().to_owned()
        };
        assert_eq!(
            line(quantiles(1_500, 9)),
            "  chunks     first p50 20 ms, p95 60 ms; gap p95 4.5 ms, longest 14 ms"
        );
        let alone = "  chunks     first p50 20 ms, p95 60 ms";
        assert_eq!(line(Quantiles::default()), alone);
    }

    #[test]
    fn classes_of_bugs_that_were_not_looked_for_are_named() {
        let mut report = sample::passed();
        for (ops, held) in (0..).zip(Trait::ALL) {
            report.traits.insert(held, ops % 2 * 1_080);
        }
        let lines = |report: &Report| -> Vec<String> {
            let text = render_plain(report);
            let lines = text.lines().skip_while(|line| !line.contains("traits"));
            let lines = lines.take_while(|line| !line.contains("read back"));
            lines.map(str::to_owned).collect()
        };
        insta::assert_snapshot!(lines(&report).join("\n"));
        report.traits.values_mut().for_each(|ops| *ops = 7);
        assert!(!render_plain(&report).contains("not looked for"));
        report.traits.values_mut().for_each(|ops| *ops = 0);
        assert_eq!(lines(&report)[0], "  traits     none");
        assert!(lines(&report)[1].starts_with("             not looked for: same words, "));
    }

    #[test]
    fn colour_adds_nothing_but_colour() {
        let style = Style {
            color: true,
            ..Style::plain()
        };
        for report in [sample::passed(), sample::failed(), sample::crashed()] {
            let painted = render(&report, &style);
            assert!(painted.starts_with("\u{1b}[1;3"));
            let (before, rest) = painted.split_once("\u{1b}[0m").unwrap();
            let word = before.split_once('m').unwrap().1;
            assert_eq!(format!("{word}{rest}"), render_plain(&report));
        }
    }

    #[test]
    fn what_is_shown_but_not_failed_says_so() {
        let mut report = sample::failed();
        report.verdict = Verdict::Pass;
        for finding in &mut report.findings {
            finding.proof = Proof::Suggested;
        }
        report.anomalies.clear();
        let text = render_plain(&report);
        assert!(
            text.starts_with("PASS  nothing crossed between users"),
            "{text}"
        );
        assert!(
            text.contains("wrong-owner   3 only suggested, not failed"),
            "{text}"
        );
    }
}
