//! The trials of one row, added up, and what they come to. Decisions only.

use crate::report::selftest::{SelfTestRow, TrialVerdict};

use super::matrix::Row;
use super::trial::Trial;

/// How much is wanted.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wanted {
    /// Wrong records of each fault.
    pub affected: u64,
    /// Clean records where nothing is wrong.
    pub clean: u64,
    /// Runs of each fault, at least.
    pub runs_min: u32,
    /// Runs of each fault that is a race or whose cause is hinted at.
    pub runs_hinted: u32,
    /// Runs of each quirk.
    pub runs_odd: u32,
    /// Runs of each fault, at most.
    pub runs_max: u32,
}

/// Share of a row's runs that must bear the right hint, in hundredths.
const PATTERN_RIGHT_PERCENT_MIN: u32 = 95;
/// Runs of a row after one that lacked its hint: fewer cannot tell whether 95 in 100 bear it.
const RUNS_AFTER_MISSED_HINT: u32 = 20;

/// Share of a run's findings of which the kind must be told, in hundredths.
const KIND_TOLD_PERCENT_MIN: u64 = 50;

/// A row before its first run.
pub(super) fn begin(row: &Row, wanted: Wanted) -> SelfTestRow {
    let counted = row.roots != crate::score::RootsPer::Uncounted;
    SelfTestRow {
        name: row.name.to_owned(),
        planted: row
            .planted()
            .map(|(flag, planted)| format!("{flag} {planted}"))
            .collect(),
        codes: row.codes.to_vec(),
        runs: 0,
        repeated: 0,
        affected: 0,
        wanted: if row.codes.is_empty() {
            0
        } else {
            wanted.affected
        },
        clean: 0,
        clean_wanted: if row.is_clean() { wanted.clean } else { 0 },
        found: 0,
        missed: 0,
        extra: 0,
        miscoded: 0,
        roots_found: counted.then_some(0),
        roots_injected: counted.then_some(0),
        pattern: row.pattern,
        pattern_right: 0,
        pattern_false: 0,
        exit: row.exit,
        exit_right: 0,
        verdict: TrialVerdict::TooFew,
        reasons: Vec::new(),
    }
}

/// Is one more run needed?
pub(super) fn wants_more(of: &Row, row: &SelfTestRow, wanted: Wanted) -> bool {
    let short = row.affected < row.wanted || row.clean < row.clean_wanted;
    // What is right must be so in at least one run, and in three where each run says one thing.
    let runs_min = match (of.is_odd(), of.pattern.is_some(), of.is_of_runs()) {
        (true, ..) => wanted.runs_odd,
        (false, true, _) => wanted.runs_hinted,
        (false, false, true) => wanted.runs_min,
        (false, false, false) => 1,
    };
    let few = row.runs < runs_min;
    row.runs == 0 || (row.runs < wanted.runs_max && (short || few)) || hint_is_open(row)
}

/// Have too few runs borne the hint, and can more of them still make it enough?
fn hint_is_open(row: &SelfTestRow) -> bool {
    let missed = row.runs - row.pattern_right;
    let missed_max = RUNS_AFTER_MISSED_HINT * (100 - PATTERN_RIGHT_PERCENT_MIN) / 100;
    hint_is_rare(row) && missed <= missed_max && row.runs < RUNS_AFTER_MISSED_HINT
}

fn hint_is_rare(row: &SelfTestRow) -> bool {
    row.pattern.is_some() && row.pattern_right * 100 < row.runs * PATTERN_RIGHT_PERCENT_MIN
}

/// Adds a run.
pub(super) fn add(of: &Row, row: &mut SelfTestRow, trial: &Trial) {
    let count = |records: usize| u64::try_from(records).unwrap_or(u64::MAX);
    row.runs += 1;
    row.affected += trial.affected;
    row.clean += trial.clean();
    row.found += trial.score.found;
    row.missed += count(trial.score.missed.len());
    row.extra += count(trial.score.extra.len());
    row.miscoded += count(trial.score.miscoded.len()) + trial.kinds[1];
    let told = trial.kinds[0] * 100 >= trial.roots_found * KIND_TOLD_PERCENT_MIN;
    if of.kind.is_some() && !told {
        row.reasons.push(format!(
            "run {}: the kind of {} findings of {} was told",
            trial.report.run_id, trial.kinds[0], trial.roots_found
        ));
        row.exit_right = row.exit_right.saturating_sub(1);
    }
    if let (Some(found), Some(injected), Some(more)) = (
        row.roots_found.as_mut(),
        row.roots_injected.as_mut(),
        trial.roots_injected,
    ) {
        *found += trial.roots_found;
        *injected += more;
    }
    let named = row.pattern.is_some() && trial.pattern == row.pattern;
    row.pattern_right += u32::from(named);
    row.pattern_false += u32::from(row.pattern.is_none() && trial.hints_at_race);
    row.exit_right += u32::from(trial.exit == Some(row.exit));
    if trial.exit != Some(row.exit) {
        row.reasons.push(exit_reason(trial));
    }
    if let Some(lacking) = of.blind.filter(|lacking| !trial.says_untried(*lacking)) {
        row.exit_right = row.exit_right.saturating_sub(1);
        row.reasons.push(format!(
            "run {} does not say that it had no {}",
            trial.report.run_id,
            lacking.name()
        ));
    }
    if !trial.other_codes.is_empty() {
        let codes: Vec<&str> = trial.other_codes.iter().map(|code| code.name()).collect();
        row.reasons.push(format!(
            "run {} has {} too",
            trial.report.run_id,
            codes.join(", ")
        ));
    }
}

fn exit_reason(trial: &Trial) -> String {
    let run = trial.report.run_id;
    let reasons: Vec<String> = trial
        .report
        .inconclusive_reasons
        .iter()
        .map(ToString::to_string)
        .collect();
    let exit = trial
        .exit
        .map_or("a signal".to_owned(), |code| format!("exit {code}"));
    if reasons.is_empty() {
        format!("run {run} ended with {exit}")
    } else {
        format!("run {run} ended with {exit}: {}", reasons.join(", "))
    }
}

/// What all runs of a row come to.
pub(super) fn conclude(row: &mut SelfTestRow, only_busy: bool) {
    let mut wrong = Vec::new();
    if row.missed > 0 {
        wrong.push(format!("{} missed", row.missed));
    }
    if row.extra > 0 {
        wrong.push(format!("{} found that are not there", row.extra));
    }
    if row.miscoded > 0 {
        wrong.push(format!("{} under another name", row.miscoded));
    }
    if row.roots_found != row.roots_injected {
        wrong.push("as many roots as were planted were not found".to_owned());
    }
    if hint_is_rare(row) {
        wrong.push(format!(
            "the hint was right in {} of {} runs only",
            row.pattern_right, row.runs
        ));
    }
    if row.pattern_false > 0 {
        wrong.push(format!(
            "a race was hinted at in {} runs",
            row.pattern_false
        ));
    }
    let exits_wrong = row.exit_right < row.runs;
    let short = row.affected < row.wanted || row.clean < row.clean_wanted || row.runs == 0;
    row.verdict = if !wrong.is_empty() || (exits_wrong && !only_busy) {
        TrialVerdict::Wrong
    } else if short || exits_wrong {
        TrialVerdict::TooFew
    } else {
        TrialVerdict::Right
    };
    row.reasons.extend(wrong);
    if short {
        row.reasons.push(format!(
            "{} wrong records of the {} wanted, {} clean ones of {}",
            row.affected, row.wanted, row.clean, row.clean_wanted
        ));
    }
}

#[cfg(test)]
mod tests {
    use super::super::matrix::MATRIX;
    use super::*;

    const WANTED: Wanted = Wanted {
        affected: 300,
        clean: 50_000,
        runs_min: 3,
        runs_hinted: 3,
        runs_odd: 1,
        runs_max: 8,
    };

    #[test]
    fn a_missed_hint_is_tried_until_its_share_can_be_told() {
        let of = MATRIX.iter().find(|row| row.pattern.is_some()).unwrap();
        for (runs, right, more, verdict) in [
            (2, 2, true, TrialVerdict::Right),
            (3, 3, false, TrialVerdict::Right),
            (3, 2, true, TrialVerdict::Wrong),
            (19, 18, true, TrialVerdict::Wrong),
            (20, 19, false, TrialVerdict::Right),
            (20, 18, false, TrialVerdict::Wrong),
            (3, 1, false, TrialVerdict::Wrong),
        ] {
            let mut row = begin(of, WANTED);
            row.affected = row.wanted;
            (row.runs, row.exit_right, row.pattern_right) = (runs, runs, right);
            assert_eq!(wants_more(of, &row, WANTED), more, "{right}/{runs}");
            conclude(&mut row, false);
            assert_eq!(row.verdict, verdict, "{right}/{runs}");
        }
    }
}
