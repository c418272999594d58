//! Times that name their zone. A time without one orders nothing and is not read.

/// Days of each month before the next, in a year that is not a leap year.
const MONTH_DAYS: [i64; 12] = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
const SECOND_US: i64 = 1_000_000;
const DAY_SECONDS: i64 = 86_400;

/// Microseconds since 1970 of a time such as `2026-11-23T00:46:04.123Z` or `… +02:00`; `None` for
/// anything else, a time without a zone included.
pub(super) fn unix_us(text: &str) -> Option<i64> {
    let (date, rest) = text.split_at_checked(10)?;
    let rest = rest.strip_prefix(['T', 't', ' ', '_'])?;
    let (clock, rest) = rest.split_at_checked(8)?;
    let [year, month, day] = numbers(date, '-')?;
    let [hour, minute, second] = numbers(clock, ':')?;
    let (fraction_us, zone) = match rest.strip_prefix(['.', ',']) {
        Some(fraction) => {
            let end = fraction.find(|c: char| !c.is_ascii_digit())?;
            let (digits, zone) = fraction.split_at_checked(end)?;
            let padded: String = digits.chars().chain("000000".chars()).take(6).collect();
            (padded.parse::<i64>().ok()?, zone)
        }
        None => (0, rest),
    };
    let offset = offset_seconds(zone.trim())?;
    let in_range = (1..=12).contains(&month)
        && (1..=31).contains(&day)
        && (0..24).contains(&hour)
        && (0..60).contains(&minute)
        && (0..=60).contains(&second);
    if !in_range {
        return None;
    }
    let seconds = days(year, month, day) * DAY_SECONDS + hour * 3_600 + minute * 60 + second;
    Some((seconds - offset) * SECOND_US + fraction_us)
}

fn numbers(text: &str, between: char) -> Option<[i64; 3]> {
    let mut parts = text.split(between).map(|part| {
        let digits = !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
        digits.then(|| part.parse().ok()).flatten()
    });
    let numbers = [parts.next()??, parts.next()??, parts.next()??];
    parts.next().is_none().then_some(numbers)
}

/// `Z`, `+02:00`, `+0200` or `+02`.
fn offset_seconds(zone: &str) -> Option<i64> {
    if zone.eq_ignore_ascii_case("z") || zone == "UTC" {
        return Some(0);
    }
    let (sign, digits) = match zone.strip_prefix('+') {
        Some(digits) => (1, digits),
        None => (-1, zone.strip_prefix('-')?),
    };
    let digits: String = digits.chars().filter(|c| *c != ':').collect();
    let well_formed = matches!(digits.len(), 2 | 4) && digits.bytes().all(|b| b.is_ascii_digit());
    let hours: i64 = well_formed
        .then(|| digits.get(..2)?.parse().ok())
        .flatten()?;
    let minutes: i64 = digits.get(2..4).unwrap_or("0").parse().ok()?;
    Some(sign * (hours * 3_600 + minutes * 60))
}

/// Days from 1970 to a day.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let leap_years = |year: i64| {
        let before = year - 1;
        before.div_euclid(4) - before.div_euclid(100) + before.div_euclid(400)
    };
    let is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let months = usize::try_from(month - 1).unwrap_or(0);
    let of_months: i64 = MONTH_DAYS.iter().take(months).sum();
    let leap_day = i64::from(is_leap && month > 2);
    let of_years = (year - 1970) * 365 + leap_years(year) - leap_years(1970);
    of_years + of_months + leap_day + day - 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_times_with_a_zone_are_read() {
        for (text, expected) in [
            ("1970-01-01T00:00:00Z", Some(0)),
            ("1970-01-01T00:00:00.5Z", Some(500_000)),
            ("1970-01-01T02:00:00+02:00", Some(0)),
            ("1970-01-01 00:00:01 +0000", Some(1_000_000)),
            ("2000-03-01T00:00:00Z", Some(951_868_800_000_000)),
            (
                "2026-11-23T00:46:04.123456789Z",
                Some(1_795_394_764_123_456),
            ),
            ("2026-11-23T00:46:04", None),
            ("2026-11-23T00:46:04.123", None),
            ("2026-13-23T00:46:04Z", None),
            ("00:46:04.123", None),
            ("2026-11-23", None),
            ("äääääääääääääääääääää", None),
            ("", None),
        ] {
            assert_eq!(unix_us(text), expected, "{text}");
        }
    }
}
