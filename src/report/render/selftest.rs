//! The self-test's table: a line for each thing that was tried, in 80 columns.

use std::fmt::Write as _;

use super::text::{clean, count, wall, wrap};
use crate::report::selftest::{SelfTest, SelfTestRow, TrialVerdict};

/// Columns of the table.
const WIDTH: usize = 80;

/// The table, what was not right below it, and the verdict last.
pub fn render(tested: &SelfTest) -> String {
    let mut text = line(&[
        "fault", "affected", "found", "missed", "false", "other", "roots", "hint", "",
    ]);
    for row in &tested.rows {
        text.push_str(&line(&[
            &clean(&row.name),
            &count(if row.codes.is_empty() {
                row.clean
            } else {
                row.affected
            }),
            &count(row.found),
            &count(row.missed),
            &count(row.extra),
            &count(row.miscoded),
            &roots(row),
            &pattern(row),
            row.verdict.name(),
        ]));
    }
    for row in &tested.rows {
        for reason in &row.reasons {
            for part in wrap("  ", &clean(&format!("{}: {reason}", row.name)), WIDTH) {
                let _ = writeln!(text, "{part}");
            }
        }
    }
    text.push_str(&last_lines(tested));
    text
}

fn line(cells: &[&str; 9]) -> String {
    let [
        name,
        affected,
        found,
        missed,
        extra,
        other,
        roots,
        hint,
        verdict,
    ] = cells;
    let text = format!(
        "{name:<18}{affected:>9}{found:>8}{missed:>7}{extra:>6}{other:>6}{roots:>12}{hint:>6} {verdict}"
    );
    format!("{}\n", text.trim_end())
}

fn roots(row: &SelfTestRow) -> String {
    match (row.roots_found, row.roots_injected) {
        (Some(found), Some(injected)) if row.codes.is_empty() && found + injected == 0 => {
            String::new()
        }
        (Some(found), Some(injected)) => format!("{found}/{injected}"),
        (Some(_) | None, _) => "-".to_owned(),
    }
}

fn pattern(row: &SelfTestRow) -> String {
    match row.pattern {
        Some(_) => format!("{}/{}", row.pattern_right, row.runs),
        None if row.pattern_false > 0 => format!("!{}", row.pattern_false),
        None => "-".to_owned(),
    }
}

fn last_lines(tested: &SelfTest) -> String {
    let runs: u64 = tested.rows.iter().map(|row| u64::from(row.runs)).sum();
    let sum = |of: fn(&SelfTestRow) -> u64| tested.rows.iter().map(of).sum::<u64>();
    let word = match tested.verdict {
        TrialVerdict::Right => "RIGHT  every fault was found, rightly named, and nothing else",
        TrialVerdict::TooFew => "UNDECIDED  no error was seen, but too little was tried",
        TrialVerdict::Wrong => {
            "WRONG  the detector erred; do not trust it here before you know why"
        }
    };
    let mut text = String::from("\n");
    for part in wrap("", word, WIDTH) {
        let _ = writeln!(text, "{part}");
    }
    let repeated: u64 = tested.rows.iter().map(|row| u64::from(row.repeated)).sum();
    let again = match repeated {
        0 => String::new(),
        _ => format!(" and {} made again", count(repeated)),
    };
    let figures = format!(
        "{} runs{again} in {}, {} at once: {} wrong records found, {} missed; {} clean records, {} \
         found wrong",
        count(runs),
        wall(tested.wall_seconds),
        tested.jobs,
        count(sum(|row| row.found)),
        count(sum(|row| row.missed)),
        count(sum(|row| row.clean)),
        count(sum(|row| row.extra)),
    );
    for part in wrap("  ", &figures, WIDTH) {
        let _ = writeln!(text, "{part}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Code, Pattern};
    use crate::report::selftest::SELFTEST_SCHEMA;

    fn row(name: &str, verdict: TrialVerdict) -> SelfTestRow {
        SelfTestRow {
            name: name.to_owned(),
            planted: vec![format!("--lab-fault {name}")],
            codes: vec![Code::WrongOwner],
            runs: 3,
            repeated: 0,
            affected: 1_270,
            wanted: 300,
            clean: 200_000,
            clean_wanted: 0,
            found: 1_270,
            missed: 0,
            extra: 0,
            miscoded: 0,
            roots_found: Some(401),
            roots_injected: Some(401),
            pattern: Some(Pattern::LateBinding),
            pattern_right: 3,
            pattern_false: 0,
            exit: 1,
            exit_right: 3,
            verdict,
            reasons: Vec::new(),
        }
    }

    fn test(rows: Vec<SelfTestRow>) -> SelfTest {
        let verdict = SelfTest::verdict_of(&rows);
        SelfTest {
            schema_version: SELFTEST_SCHEMA.to_owned(),
            tool_version: "0.1.0".to_owned(),
            mode: "quick".to_owned(),
            jobs: 2,
            cpus: 2,
            wall_seconds: 123.0,
            verdict,
            exit_code: verdict.exit_code(),
            rows,
        }
    }

    #[test]
    fn the_table_fits_the_screen_and_says_why() {
        let mut wrong = row("first-writer-owns", TrialVerdict::Wrong);
        wrong.missed = 1_000_000;
        wrong.roots_found = Some(123_456);
        wrong.reasons = vec!["word ".repeat(40)];
        let text = render(&test(vec![row("late-binding", TrialVerdict::Right), wrong]));
        assert!(
            text.lines().all(|line| line.chars().count() <= WIDTH),
            "{text}"
        );
        assert!(text.contains("401/401   3/3 right\n"), "{text}");
        assert!(text.contains("\nWRONG  the detector erred"), "{text}");
        let right = render(&test(vec![row("late-binding", TrialVerdict::Right)]));
        assert!(right.contains("\nRIGHT  every fault was found"), "{right}");
    }

    #[test]
    fn it_reads_back() {
        let test = test(vec![row("late-binding", TrialVerdict::Right)]);
        let json = serde_json::to_value(&test).unwrap();
        assert_eq!(json["rows"][0]["false"], 0);
        assert_eq!(serde_json::from_value::<SelfTest>(json).unwrap(), test);
    }
}
