//! What the doctor has seen: a line a check.

use std::fmt::Write as _;

use serde::Serialize;

/// Columns of a check's name.
const NAME_WIDTH: usize = 14;
/// Characters of what was seen.
const SEEN_CHARS_MAX: usize = 400;

/// How a check went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum State {
    /// As it should be.
    Ok,
    /// A run can go on; its verdict may say less.
    Warn,
    /// A run would fail or say nothing.
    Fail,
    /// It was not tried.
    Skipped,
}

#[derive(Debug, Serialize)]
struct Line {
    check: String,
    state: State,
    seen: String,
    remedy: Option<String>,
}

/// Everything that was seen; its serde form is the JSON report.
#[derive(Debug, Default, Serialize)]
pub(super) struct Sheet {
    checks: Vec<Line>,
    /// Entries to paste into a scenario.
    accept: Vec<String>,
}

#[derive(Serialize)]
struct Document<'a> {
    exit_code: u8,
    #[serde(flatten)]
    sheet: &'a Sheet,
}

impl State {
    fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warn => "warn",
            Self::Fail => "fail",
            Self::Skipped => "skipped",
        }
    }
}

impl Sheet {
    /// Adds a check; an empty remedy is none.
    pub(super) fn line(
        &mut self,
        check: impl Into<String>,
        state: State,
        seen: impl AsRef<str>,
        remedy: &str,
    ) {
        let printable = |c: char| if c.is_control() { ' ' } else { c };
        let seen = seen.as_ref().chars().map(printable);
        self.checks.push(Line {
            check: check.into(),
            state,
            seen: seen.take(SEEN_CHARS_MAX).collect(),
            remedy: (!remedy.is_empty()).then(|| remedy.to_owned()),
        });
    }

    /// Adds an entry to paste, once.
    pub(super) fn accept(&mut self, entry: String) {
        if !self.accept.contains(&entry) {
            self.accept.push(entry);
        }
    }

    /// Does a check fail?
    pub(super) fn fails(&self) -> bool {
        self.checks.iter().any(|line| line.state == State::Fail)
    }

    /// The whole screen.
    pub(super) fn screen(&self) -> String {
        let mut text = String::new();
        for line in &self.checks {
            // Writing to a string cannot fail.
            let _ = writeln!(
                text,
                "{:<8}{:<NAME_WIDTH$}  {}",
                line.state.name(),
                line.check,
                line.seen
            );
            if let Some(remedy) = &line.remedy {
                let _ = writeln!(text, "{:8}{:<NAME_WIDTH$}  do: {remedy}", "", "");
            }
        }
        if !self.accept.is_empty() {
            text.push_str("\nIf this is known and wanted to be so, paste into the scenario:\n\n");
            text.push_str(&self.accept.join("\n"));
        }
        let count = |state| {
            self.checks
                .iter()
                .filter(|line| line.state == state)
                .count()
        };
        let _ = writeln!(
            text,
            "\n{} ok, {} warn, {} fail, {} skipped",
            count(State::Ok),
            count(State::Warn),
            count(State::Fail),
            count(State::Skipped)
        );
        text
    }

    /// The JSON report.
    ///
    /// # Errors
    /// It cannot be written down.
    pub(super) fn json(&self, exit_code: u8) -> serde_json::Result<String> {
        serde_json::to_string_pretty(&Document {
            exit_code,
            sheet: self,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_seen_is_one_line_and_what_to_do_another() {
        let mut sheet = Sheet::default();
        sheet.line("store", State::Fail, "down\nand out", "start it");
        sheet.line("disk", State::Ok, "9 GiB", "");
        sheet.accept("[[accept]]\n".to_owned());
        sheet.accept("[[accept]]\n".to_owned());
        assert!(sheet.fails());
        let screen = sheet.screen();
        assert!(
            screen.starts_with("fail    store           down and out\n"),
            "{screen}"
        );
        assert!(screen.contains("do: start it\nok "), "{screen}");
        assert_eq!(screen.matches("[[accept]]").count(), 1);
        assert!(
            screen.ends_with("1 ok, 0 warn, 1 fail, 0 skipped\n"),
            "{screen}"
        );
        let json = sheet.json(1).unwrap();
        assert!(json.contains("\"state\": \"fail\""), "{json}");
    }
}
