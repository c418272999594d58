//! Numbers, durations and line breaks for people. Unlike JSON these may round, and they group
//! digits with blanks.
//!
//! What must stay on one line, as a number and its unit, is held together by [`GLUE`], which is a
//! blank on the screen.

use std::time::Duration;

/// Microseconds in a second.
const SECOND_US: u64 = 1_000_000;

/// A blank at which no line breaks.
pub(super) const GLUE: char = '\u{a0}';

/// A text that stays on one line where it can.
pub(super) fn glued(text: &str) -> String {
    text.chars()
        .map(|c| if c == ' ' { GLUE } else { c })
        .collect()
}

/// A text as it is shown: with blanks for the glue.
pub(super) fn unglued(text: &str) -> String {
    text.chars()
        .map(|c| if c == GLUE { ' ' } else { c })
        .collect()
}

/// A count with its digits in groups of three.
pub(super) fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (ix, digit) in digits.chars().enumerate() {
        if ix > 0 && (digits.len() - ix).is_multiple_of(3) {
            text.push(GLUE);
        }
        text.push(digit);
    }
    text
}

/// A count and what is counted; the noun gets an `s` unless there is one of it.
pub(super) fn count_of(number: u64, noun: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{}{GLUE}{noun}{plural}", count(number))
}

/// A duration in the unit that fits it, at most three digits.
pub(super) fn duration_us(us: u64) -> String {
    glued(&rounded_us(us))
}

fn rounded_us(us: u64) -> String {
    if us == 0 {
        "0 ms".to_owned()
    } else if us < 100 {
        "<0.1 ms".to_owned()
    } else if us < 10_000 {
        format!("{} ms", tenths((us + 50) / 100))
    } else if us < SECOND_US - 500 {
        format!("{} ms", (us + 500) / 1_000)
    } else if us < 100 * SECOND_US {
        format!("{} s", hundredths((us + 5_000) / 10_000))
    } else {
        clock(us / SECOND_US)
    }
}

/// The same of milliseconds.
pub(super) fn duration_ms(ms: u64) -> String {
    duration_us(ms.saturating_mul(1_000))
}

/// Seconds as on a clock: `0m41s`, `1h02m03s`. What is not a duration is shown as zero.
pub(super) fn wall(seconds: f64) -> String {
    clock(
        Duration::try_from_secs_f64(seconds)
            .unwrap_or_default()
            .as_secs(),
    )
}

/// A share of 0 to 1 in per cent, rounded up so that "below" stays true.
pub(super) fn percent_up(share: f64) -> String {
    // Rounding errors of the product must not lift a round figure to the next one.
    const SLACK: f64 = 1e-9;
    let percent = share * 100.0;
    let (steps, decimals) = if percent >= 0.1 {
        (10.0, 1)
    } else if percent >= 0.001 {
        (1_000.0, 3)
    } else {
        (100_000.0, 5)
    };
    let rounded = (percent * steps - SLACK).ceil() / steps;
    format!("{rounded:.decimals$}{GLUE}%")
}

/// Text that came from outside, on one line: without control characters, and without those that
/// reverse the direction of writing.
pub(super) fn clean(text: &str) -> String {
    text.chars()
        .map(|c| match c {
            '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => '\u{fffd}',
            '\n' | '\t' => ' ',
            c if c.is_control() => '\u{fffd}',
            c => c,
        })
        .collect()
}

/// Characters of a text, which is the number of its columns for all that Crosswire writes.
pub(super) fn columns(text: &str) -> usize {
    text.chars().count()
}

/// Breaks a text at blanks so that no line is longer than `width`. The first line begins with
/// `first`, the others with as many blanks. A word that fits on no line is cut.
pub(super) fn wrap(first: &str, text: &str, width: usize) -> Vec<String> {
    let indent = " ".repeat(columns(first));
    let room = width.saturating_sub(columns(first)).max(1);
    let mut lines = Vec::new();
    let mut line = String::new();
    for word in text.split(' ') {
        if !line.is_empty() && columns(&line) + 1 + columns(word) > room {
            lines.push(std::mem::take(&mut line));
        }
        let mut rest: Vec<char> = word.chars().collect();
        while rest.len() > room {
            let behind = rest.split_off(room);
            lines.push(rest.iter().collect());
            rest = behind;
        }
        // An empty word stands for one of two blanks; behind a line break it is not wanted.
        if !line.is_empty() {
            line.push(' ');
        }
        line.extend(rest);
    }
    lines.push(line);
    lines
        .iter()
        .enumerate()
        .map(|(ix, line)| {
            let lead = if ix == 0 { first } else { &indent };
            format!("{lead}{line}").trim_end().to_owned()
        })
        .collect()
}

fn clock(seconds: u64) -> String {
    let (hours, minutes, seconds) = (seconds / 3_600, seconds / 60 % 60, seconds % 60);
    if hours > 0 {
        format!("{hours}h{minutes:02}m{seconds:02}s")
    } else {
        format!("{minutes}m{seconds:02}s")
    }
}

fn tenths(number: u64) -> String {
    match number % 10 {
        0 => (number / 10).to_string(),
        rest => format!("{}.{rest}", number / 10),
    }
}

fn hundredths(number: u64) -> String {
    match number % 100 {
        0 => (number / 100).to_string(),
        rest if rest % 10 == 0 => format!("{}.{}", number / 100, rest / 10),
        rest => format!("{}.{rest:02}", number / 100),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn numbers_are_grouped() {
        for (number, text) in [
            (0, "0"),
            (999, "999"),
            (1_000, "1 000"),
            (48_210, "48 210"),
            (u64::MAX, "18 446 744 073 709 551 615"),
        ] {
            assert_eq!(unglued(&count(number)), text);
        }
        assert_eq!(unglued(&count_of(1, "root")), "1 root");
        assert_eq!(unglued(&count_of(0, "root")), "0 roots");
    }

    #[test]
    fn durations_have_the_unit_that_fits() {
        for (us, text) in [
            (0, "0 ms"),
            (99, "<0.1 ms"),
            (210, "0.2 ms"),
            (9_999, "10 ms"),
            (84_000, "84 ms"),
            (999_499, "999 ms"),
            (999_500, "1 s"),
            (1_310_000, "1.31 s"),
            (1_900_000, "1.9 s"),
            (6_000_000, "6 s"),
            (1_050_000, "1.05 s"),
            (190_200_000, "3m10s"),
            (3_723_000_000, "1h02m03s"),
        ] {
            assert_eq!(unglued(&duration_us(us)), text, "{us}");
        }
        assert_eq!(duration_ms(u64::MAX), duration_us(u64::MAX));
        assert_eq!(wall(41.97), "0m41s");
        assert_eq!(wall(f64::NAN), "0m00s");
    }

    #[test]
    fn shares_are_rounded_up() {
        for (share, text) in [
            (0.009_936, "1.0 %"),
            (0.01, "1.0 %"),
            (0.07, "7.0 %"),
            (0.038_41, "3.9 %"),
            (0.000_03, "0.003 %"),
            (0.000_000_3, "0.00003 %"),
            (1.0, "100.0 %"),
        ] {
            assert_eq!(unglued(&percent_up(share)), text, "{share}");
        }
    }

    #[test]
    fn lines_break_at_blanks_and_double_blanks_stay_inside_a_line() {
        assert_eq!(
            wrap("  next  ", "one  two three four five six seven eight", 40),
            [
                "  next  one  two three four five six",
                "        seven eight"
            ]
        );
        assert_eq!(wrap("  next  ", "", 40), ["  next"]);
    }

    #[test]
    fn a_number_and_its_unit_stay_on_one_line() {
        let text = format!("settled in {} of {}", duration_us(1_650_000), count(48_210));
        for width in 20..50 {
            let lines = wrap("  ", &text, width);
            for whole in ["1.65 s", "48 210"] {
                let shown = lines.iter().map(|line| unglued(line));
                let times = shown.filter(|line| line.contains(whole)).count();
                assert_eq!(times, 1, "{lines:?}");
            }
        }
    }

    #[test]
    fn text_from_outside_cannot_steer_the_terminal() {
        assert_eq!(clean("a\u{1b}[2Jb\nc\u{202e}d"), "a\u{fffd}[2Jb c\u{fffd}d");
    }

    proptest! {
        #[test]
        fn no_line_is_too_long_and_no_letter_is_lost(text in "[a-z ]{0,300}", width in 40_usize..120) {
            let lines = wrap("  label  ", &text, width);
            for line in &lines {
                prop_assert!(columns(line) <= width, "{line:?}");
            }
            let letters = |text: &str| text.replace(' ', "");
            prop_assert_eq!(letters(&lines.concat()), format!("label{}", letters(&text)));
        }
    }
}
