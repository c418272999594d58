//! The screen of a check.

use std::fmt::Write as _;

use crate::model::OpKind;

use super::{Advice, Checked, Grade, Test};

const WIDTH: usize = 60;
/// Lines of one sort that are shown; the report has all.
const LINES_MAX: usize = 6;

/// The whole screen.
pub(super) fn screen(checked: &Checked) -> String {
    let mut text = String::new();
    let double = "=".repeat(WIDTH);
    let which = match checked.tests.as_slice() {
        [only] => argument(only.kind),
        _ => "all",
    };
    // Writing to a string cannot fail.
    let _ = writeln!(
        text,
        "{double}\nBackground Tasks User ID Preservation Test\n{double}\nUser ID: {}\nTest: {which}",
        checked.user_id
    );
    if checked.background_users > 0 {
        let _ = writeln!(
            text,
            "Background traffic: {} other users, since one user alone cannot race",
            checked.background_users
        );
    }
    for test in &checked.tests {
        one(&mut text, test, &checked.user_id);
    }
    let _ = writeln!(text, "\n{double}\nTest Summary\n{double}");
    for test in &checked.tests {
        let (sign, word) = match test.grade {
            Grade::Passed => ("✅", "PASSED"),
            Grade::Failed => ("❌", "FAILED"),
            Grade::Inconclusive => ("⚠️", "INCONCLUSIVE"),
        };
        let _ = writeln!(text, "{sign} {}: {word}", argument(test.kind));
    }
    let count = |grade| {
        checked
            .tests
            .iter()
            .filter(|test| test.grade == grade)
            .count()
    };
    let end = match (count(Grade::Failed), count(Grade::Inconclusive)) {
        (0, 0) => "✅ All tests passed!".to_owned(),
        (0, open) => format!(
            "⚠️ {open} of {} tests could not be decided",
            checked.tests.len()
        ),
        (failed, _) => format!("❌ {failed} of {} tests failed", checked.tests.len()),
    };
    let _ = writeln!(text, "\n{end}");
    text
}

fn one(screen: &mut String, test: &Test, user: &str) {
    let single = "-".repeat(WIDTH);
    let (number, title, doing, what) = match test.kind {
        OpKind::Chat => (
            1,
            "Chat Persistence",
            "chat persistence",
            "Chat persistence",
        ),
        OpKind::Upload => (
            2,
            "Document Ingestion",
            "document ingestion",
            "Document ingestion",
        ),
        OpKind::Voice => (
            3,
            "Voice Persistence",
            "voice persistence",
            "Voice persistence",
        ),
        OpKind::Stream => (4, "Chat Stream", "the chat stream", "Chat stream"),
        OpKind::Turn => (5, "Kept Turn", "kept turns", "Kept turn"),
    };
    let _ = writeln!(
        screen,
        "\nTest {number}: {title} Background Task\n{single}\nTesting {doing} with user_id: {user}"
    );
    listed(screen, &test.log_lines, "  ");
    for note in &test.notes {
        let _ = writeln!(screen, "  ({note})");
    }
    match test.grade {
        Grade::Passed => {
            if test.kind == OpKind::Upload {
                let _ = writeln!(screen, "✅ Document ingestion accepted with user_id");
            }
            let _ = writeln!(screen, "✅ {what} preserved user_id correctly");
        }
        Grade::Failed => {
            listed(screen, &test.reasons, &format!("❌ {what}: "));
        }
        Grade::Inconclusive => {
            for reason in &test.reasons {
                let _ = writeln!(screen, "⚠️ {what}: {reason}");
            }
        }
    }
    if let Some(advice) = test.advice {
        screen.push_str(words_of(advice));
    }
}

/// What is left at a real target, and how to remove it.
pub(super) fn left(checked: &Checked) -> String {
    let left = checked.left;
    format!(
        "left at the target: sessions {}, facts {}; remove them: crosswire clean {}",
        left.sessions, left.facts, checked.run_id
    )
}

/// The first of some lines, and how many more there are.
fn listed(screen: &mut String, lines: &[String], before: &str) {
    for line in lines.iter().take(LINES_MAX) {
        let _ = writeln!(screen, "{before}{line}");
    }
    if lines.len() > LINES_MAX {
        let _ = writeln!(screen, "  … and {} more", lines.len() - LINES_MAX);
    }
}

/// The name of a test on the command line.
fn argument(kind: OpKind) -> &'static str {
    match kind {
        OpKind::Chat => "chat",
        OpKind::Upload => "document",
        OpKind::Voice => "voice",
        OpKind::Stream => "stream",
        OpKind::Turn => "turn",
    }
}

fn words_of(advice: Advice) -> &'static str {
    match advice {
        Advice::NoUser => {
            "   Hint: logs without user\n   \
             - the user is not extracted from the request in the task\n   \
             - the closure does not capture the user\n   \
             - the logging is missing\n"
        }
        Advice::WrongUser => {
            "   Hint: wrong user\n   \
             - global state holds the user\n   \
             - the context changed before the task ran\n   \
             - concurrent requests interfere with each other\n"
        }
        Advice::SilentFailure => {
            "   Hint: silent failure\n   \
             - the exception is not logged with the user\n   \
             - the error handling has no user\n   \
             - the task is not awaited\n"
        }
    }
}
