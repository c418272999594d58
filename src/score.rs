//! Findings against the lab's truth: what was found, missed, found too much, or under another
//! name.
//!
//! The truth names each record that is not as it should be. Only proved findings are claims (what
//! nothing can prove is claimed by a suggestion), and of these the records of the finding's own
//! code. What a root of another code explains was not claimed by itself, so it is never found too
//! much; but where it is wrong in the way that was said, it was found. Nothing here knows how a
//! finding was come by.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

use crate::canary;
use crate::model::{
    Affected, CanaryId, Code, Exactness, Finding, Pattern, Proof, RecordType, RunId, SessionIx,
};

/// The code that sorts before all others.
const FIRST_CODE: Code = Code::WrongOwner;

/// One line of the truth: a record that came out wrong.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct TruthLine {
    /// The planted fault that did it.
    pub fault: String,
    /// What a checker should call it.
    pub code: Code,
    /// The type of the record.
    pub record_type: RecordType,
    /// The store's id; for an answer, the session of the user who received it; `None` where
    /// nothing was stored.
    pub record_id: Option<String>,
    /// The canary that it carries, or should have carried, as planted.
    pub canary: Option<String>,
    /// The owner that it should have.
    pub true_user: String,
    /// The owner that it has.
    pub stored_owner: Option<String>,
    /// The session that holds a stored message.
    #[serde(default)]
    pub session: Option<String>,
    /// The canary of the question that an answer was given to.
    #[serde(default)]
    pub asked: Option<String>,
    /// When, by the lab's clock.
    pub at: String,
}

/// A truth that cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("line {line} of the truth is not as the lab writes it")]
pub struct TruthError {
    /// Its number, from 1.
    pub line: usize,
    /// What is wrong with it.
    #[source]
    pub source: serde_json::Error,
}

/// A record that was found under another name than the truth's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Miscoded {
    /// What it is.
    pub truth: TruthLine,
    /// What it was called.
    pub found: Affected,
}

/// How findings and truth agree. Each wrong record is counted once, however often it is told of.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Score {
    /// Records that are wrong and were found so.
    pub found: u64,
    /// Records that are wrong and were not found.
    pub missed: Vec<TruthLine>,
    /// Records that were found wrong and are not.
    pub extra: Vec<Affected>,
    /// Records that are wrong and were found, but called something else.
    pub miscoded: Vec<Miscoded>,
}

impl Score {
    /// Do findings and truth agree in every record?
    pub fn is_full(&self) -> bool {
        self.missed.is_empty() && self.extra.is_empty() && self.miscoded.is_empty()
    }
}

/// How many roots a fault has: what its wrong records have in common.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RootsPer {
    /// Each wrong record is one.
    Record,
    /// All wrong records of one operation are one, as their canary says.
    Operation,
    /// All wrong records of one operation in one session under one owner are one.
    Place,
    /// All wrong records of one session are one.
    Session,
    /// So many in a run that it strikes at all.
    Run(u64),
    /// Not counted: the wrong records do not say what they have in common.
    Uncounted,
}

/// How many roots the truth of a run tells of; `None` where they are not counted.
pub fn roots_injected(truth: &[TruthLine], run: RunId, per: RootsPer) -> Option<u64> {
    let of_run = || truth.iter().filter(|line| is_of_run(line, run));
    match per {
        RootsPer::Record => Some(count(by_record(of_run(), record_of_line).len())),
        RootsPer::Operation => {
            let by_canary = |line: &TruthLine| line.canary.as_deref().and_then(decode);
            let ops: BTreeSet<CanaryId> = of_run().filter_map(by_canary).collect();
            Some(count(ops.len()))
        }
        RootsPer::Place => {
            let place = |line: &'_ TruthLine| {
                let op = line.canary.as_deref().and_then(decode);
                (op, line.session.clone(), line.stored_owner.clone())
            };
            let places: BTreeSet<_> = of_run().map(place).collect();
            Some(count(places.len()))
        }
        // A session that the server named is told of by its messages.
        RootsPer::Session => {
            let sessions: BTreeSet<SessionIx> = of_run().filter_map(session_of_line).collect();
            Some(count(sessions.len()))
        }
        RootsPer::Run(roots) => Some(if of_run().next().is_some() { roots } else { 0 }),
        RootsPer::Uncounted => None,
    }
}

/// Wrong records that the truth of a run tells of.
pub fn affected(truth: &[TruthLine], run: RunId) -> u64 {
    let of_run = truth.iter().filter(|line| is_of_run(line, run));
    count(by_record(of_run, record_of_line).len())
}

/// The hint that most proved findings of a run bear; `None` where they bear none.
pub fn pattern_named(findings: &[Finding]) -> Option<Pattern> {
    let proved = findings
        .iter()
        .filter(|finding| finding.proof == Proof::Proved);
    let mut counts: BTreeMap<Pattern, usize> = BTreeMap::new();
    for pattern in proved.filter_map(Finding::pattern) {
        *counts.entry(pattern).or_default() += 1;
    }
    let most = counts.into_iter().max_by_key(|(_, findings)| *findings);
    most.map(|(pattern, _)| pattern)
}

/// Reads a truth: one JSON object a line, empty lines passed over.
///
/// # Errors
/// A line is not of the lab's form; the error says which.
pub fn parse_truth(text: &str) -> Result<Vec<TruthLine>, TruthError> {
    text.lines()
        .zip(1..)
        .filter(|(line, _)| !line.trim().is_empty())
        .map(|(line, number)| {
            serde_json::from_str(line).map_err(|source| TruthError {
                line: number,
                source,
            })
        })
        .collect()
}

/// Drops answers that nobody has read to the end. The lab tells of an answer when it writes it, and
/// a client that hangs up in that moment has seen nothing. `is_read` says of the canary of a
/// question whether its operation ended with an answer.
pub fn drop_unread(truth: &mut Vec<TruthLine>, is_read: impl Fn(CanaryId) -> bool) {
    truth.retain(|line| {
        let asked = line.asked.as_deref().and_then(decode);
        asked.is_none_or(&is_read)
    });
}

/// Compares findings with the truth of one run.
///
/// Records are joined by code and id, and where there is no id by code and canary. An answer has
/// no id of its own, so it is joined by session and canary.
pub fn score(findings: &[Finding], truth: &[TruthLine], run: RunId) -> Score {
    let of_run = truth.iter().filter(|line| is_of_run(line, run));
    let mut truth = by_record(of_run, record_of_line);
    let mut claimed = by_record(claims(findings), record_of_claim);
    let explained = by_record(explained(findings), record_of_claim);
    let mut score = Score::default();
    truth.retain(|record, _| {
        let found = claimed.remove(record).is_some() || explained.contains_key(record);
        score.found += u64::from(found);
        !found
    });
    for ((subject, _), line) in truth {
        let first = (subject.clone(), FIRST_CODE);
        let same = claimed
            .range(first..)
            .next()
            .filter(|(claim, _)| claim.0 == subject);
        let same = same.map(|(claim, _)| claim.clone());
        match same.and_then(|claim| claimed.remove(&claim)) {
            Some(found) => score.miscoded.push(Miscoded {
                truth: line.clone(),
                found: found.clone(),
            }),
            None => score.missed.push(line.clone()),
        }
    }
    score.extra = claimed.into_values().cloned().collect();
    score
}

/// What tells wrong records apart: what it is about, and what it is called.
type Record = (Subject, Code);

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Subject {
    /// A stored record, by type and id.
    Stored(RecordType, String),
    /// An answer, by the session that received it and the canary in it.
    Answer(String, Option<CanaryId>),
    /// Something that was not stored.
    Absent(Option<CanaryId>),
}

fn by_record<'a, T>(
    items: impl Iterator<Item = &'a T>,
    record: impl Fn(&T) -> Record,
) -> BTreeMap<Record, &'a T> {
    items.map(|item| (record(item), item)).collect()
}

fn claims(findings: &[Finding]) -> impl Iterator<Item = &Affected> {
    findings
        .iter()
        .filter(|finding| is_claim(finding))
        .flat_map(|finding| {
            let own = |record: &&Affected| record.code == finding.code;
            finding.affected.iter().filter(own)
        })
}

/// What claims explain beside their own.
fn explained(findings: &[Finding]) -> impl Iterator<Item = &Affected> {
    findings
        .iter()
        .filter(|finding| is_claim(finding))
        .flat_map(|finding| {
            let other = |record: &&Affected| record.code != finding.code;
            finding.affected.iter().filter(other)
        })
}

/// Does a finding claim something? What is proved does; that a canary is damaged, that a record
/// came late or that a task has no end in the log is only ever suggested.
pub fn is_claim(finding: &Finding) -> bool {
    finding.proof == Proof::Proved
        || matches!(
            finding.code,
            Code::Unattributable | Code::Late | Code::LogMismatch
        )
}

fn record_of_line(line: &TruthLine) -> Record {
    let canary = line.canary.as_deref().and_then(decode);
    let subject = subject(line.record_type, line.record_id.as_ref(), canary);
    (subject, line.code)
}

fn record_of_claim(claim: &Affected) -> Record {
    let subject = subject(claim.record_type, claim.record_id.as_ref(), claim.canary);
    (subject, claim.code)
}

fn subject(record_type: RecordType, id: Option<&String>, canary: Option<CanaryId>) -> Subject {
    match (record_type, id) {
        (RecordType::Answer, Some(session)) => Subject::Answer(session.clone(), canary),
        (_, Some(id)) => Subject::Stored(record_type, id.clone()),
        (_, None) => Subject::Absent(canary),
    }
}

/// A lab may serve several runs one after another and tell of all of them.
fn is_of_run(line: &TruthLine, run: RunId) -> bool {
    let by_canary = line.canary.as_deref().and_then(decode).map(|id| id.run);
    let prefix = run.name_prefix();
    let by_name = || {
        let id = line.record_id.as_deref().unwrap_or_default();
        line.true_user.contains(&prefix) || id.contains(&prefix)
    };
    by_canary.map_or_else(by_name, |of| of == run)
}

/// The session of a wrong record: as its canary says, else as the name of the session does.
fn session_of_line(line: &TruthLine) -> Option<SessionIx> {
    let by_canary = line.canary.as_deref().and_then(decode).map(|id| id.session);
    let by_name = || {
        let id = line
            .record_id
            .as_deref()
            .filter(|_| matches!(line.record_type, RecordType::Session | RecordType::Answer))?;
        RunId::parse_session_name(id).map(|(_, _, session)| session)
    };
    by_canary.or_else(by_name)
}

fn count(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}

fn decode(canary: &str) -> Option<CanaryId> {
    canary::find(&canary::normalise(canary))
        .into_iter()
        .find(|seen| seen.exactness == Exactness::Exact)
        .map(|seen| seen.id)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{CanaryKind, Hint, Severity, UserIx};

    const RUN: RunId = RunId(0x0012_abcd);

    fn turn(user: u32, item: u16) -> CanaryId {
        CanaryId {
            run: RUN,
            user: UserIx(user),
            session: SessionIx(user),
            item,
            kind: CanaryKind::Turn,
        }
    }

    fn record(code: Code, record_type: RecordType, id: Option<&str>, item: u16) -> Affected {
        Affected {
            code,
            record_type,
            record_id: id.map(str::to_owned),
            canary: Some(turn(3, item)),
            op: None,
            owner: None,
            session: None,
            excerpt: None,
        }
    }

    fn finding(affected: Vec<Affected>) -> Finding {
        Finding {
            code: affected[0].code,
            severity: Severity::S1,
            proof: Proof::Proved,
            claim: String::new(),
            because: String::new(),
            sender: None,
            found_under: None,
            ops: Vec::new(),
            affected,
            hint: None,
            kind: None,
            accepted: None,
        }
    }

    fn line(of: &Affected) -> TruthLine {
        TruthLine {
            fault: "late-binding".to_owned(),
            code: of.code,
            record_type: of.record_type,
            record_id: of.record_id.clone(),
            canary: of.canary.map(|canary| canary::plant(canary, &[])),
            true_user: format!("dev-oid-{}", RUN.user_name(UserIx(3))),
            stored_owner: None,
            session: None,
            asked: None,
            at: "2026-01-31T14:02:11.480Z".to_owned(),
        }
    }

    fn counts(score: &Score) -> (u64, usize, usize, usize) {
        let Score {
            found,
            missed,
            extra,
            miscoded,
        } = score;
        (*found, missed.len(), extra.len(), miscoded.len())
    }

    #[test]
    fn the_labs_lines_are_read() {
        let text = r#"{"fault":"late-binding","code":"wrong-owner","record_type":"message","record_id":"9ab2","canary":null,"true_user":"dev-oid-a","stored_owner":"dev-oid-b","at":"2026-01-31T14:02:11.480Z"}

{"fault":"drop-after-ack","code":"lost","record_type":"message","record_id":null,"canary":"zq","true_user":"dev-oid-a","stored_owner":null,"at":"2026-01-31T14:02:11.480Z"}
"#;
        let truth = parse_truth(text).unwrap();
        assert_eq!(truth.len(), 2);
        assert_eq!(
            (truth[0].code, truth[1].code),
            (Code::WrongOwner, Code::Lost)
        );
        let error = parse_truth(&format!("{text}{{}}")).unwrap_err();
        assert_eq!(error.line, 4);
    }

    #[test]
    fn records_are_joined_by_id_and_absences_by_canary() {
        let stored = record(Code::WrongOwner, RecordType::Message, Some("m1"), 0);
        let lost = record(Code::Lost, RecordType::Message, None, 1);
        let truth = [line(&stored), line(&lost), line(&lost)];
        let findings = [finding(vec![stored.clone()]), finding(vec![lost.clone()])];
        let full = score(&findings, &truth, RUN);
        assert_eq!(counts(&full), (2, 0, 0, 0));
        assert!(full.is_full());
        assert_eq!(counts(&score(&[], &truth, RUN)), (0, 2, 0, 0));
        assert_eq!(counts(&score(&findings, &[], RUN)), (0, 0, 2, 0));
        // The canary of a stored record is not compared: a piece of a document has several.
        let mut other_canary = line(&stored);
        other_canary.canary = Some(canary::plant(turn(3, 9), &[]));
        let score = score(&findings, &[other_canary, line(&lost)], RUN);
        assert_eq!(counts(&score), (2, 0, 0, 0));
    }

    #[test]
    fn an_answer_that_nobody_has_read_is_no_truth() {
        let answer = record(Code::ResponseBleed, RecordType::Answer, Some("s"), 0);
        let to = |item| TruthLine {
            asked: Some(canary::plant(turn(4, item), &[])),
            ..line(&answer)
        };
        let mut truth = vec![to(1), to(2), line(&answer)];
        drop_unread(&mut truth, |asked| asked == turn(4, 2));
        assert_eq!(truth, [to(2), line(&answer)]);
    }

    #[test]
    fn what_stands_twice_in_one_place_is_one_root() {
        let at = |id: &str, session: &str, owner: &str| TruthLine {
            session: Some(session.to_owned()),
            stored_owner: Some(owner.to_owned()),
            ..line(&record(Code::WrongOwner, RecordType::Message, Some(id), 0))
        };
        let truth = [
            at("m1", "a", "u1"),
            at("m2", "a", "u1"),
            at("m3", "b", "u1"),
            at("m4", "a", "u2"),
        ];
        assert_eq!(roots_injected(&truth, RUN, RootsPer::Place), Some(3));
        assert_eq!(roots_injected(&truth, RUN, RootsPer::Record), Some(4));
    }

    #[test]
    fn another_name_is_miscoded_and_counted_once() {
        let stored = record(Code::WrongOwner, RecordType::Fact, Some("f1"), 0);
        let mixed = record(Code::ChunkMix, RecordType::Fact, Some("f1"), 0);
        let score = score(&[finding(vec![stored])], &[line(&mixed)], RUN);
        assert_eq!(counts(&score), (0, 0, 0, 1));
        assert!(!score.is_full());
    }

    #[test]
    fn answers_of_one_session_are_told_apart_by_canary() {
        let first = record(Code::ResponseBleed, RecordType::Answer, Some("s1"), 0);
        let second = record(Code::ResponseBleed, RecordType::Answer, Some("s1"), 1);
        let findings = [finding(vec![first.clone()])];
        let score = score(&findings, &[line(&first), line(&second)], RUN);
        assert_eq!(counts(&score), (1, 1, 0, 0));
    }

    #[test]
    fn only_proved_records_of_the_roots_own_code_are_claims() {
        let root = record(Code::WrongOwner, RecordType::Message, Some("m1"), 0);
        let folded = record(Code::Lost, RecordType::Message, None, 1);
        let mut suggested = finding(vec![record(Code::Lost, RecordType::Message, None, 2)]);
        suggested.proof = Proof::Suggested;
        let findings = [finding(vec![root.clone(), folded]), suggested];
        assert_eq!(counts(&score(&findings, &[line(&root)], RUN)), (1, 0, 0, 0));
    }

    #[test]
    fn what_a_root_explains_is_found_and_never_too_much() {
        let root = record(Code::PartialIngest, RecordType::Fact, Some("f1"), 0);
        let folded = record(Code::Lost, RecordType::Message, None, 1);
        let findings = [finding(vec![root.clone(), folded.clone()])];
        let truth = [line(&root), line(&folded)];
        assert_eq!(counts(&score(&findings, &truth, RUN)), (2, 0, 0, 0));
        assert_eq!(counts(&score(&findings, &truth[..1], RUN)), (1, 0, 0, 0));
    }

    #[test]
    fn roots_are_counted_by_what_records_have_in_common() {
        let one = record(Code::WrongOwner, RecordType::Message, Some("m1"), 0);
        let echo = record(Code::WrongOwner, RecordType::Message, Some("m2"), 0);
        let next = record(Code::WrongOwner, RecordType::Message, Some("m3"), 1);
        let mut session = record(Code::WrongOwner, RecordType::Session, None, 0);
        session.record_id = Some(RUN.session_name(UserIx(3), SessionIx(9)));
        session.canary = None;
        let truth = [line(&one), line(&echo), line(&next), line(&session)];
        for (per, roots) in [
            (RootsPer::Record, Some(4)),
            (RootsPer::Operation, Some(2)),
            (RootsPer::Session, Some(2)),
            (RootsPer::Run(1), Some(1)),
            (RootsPer::Uncounted, None),
        ] {
            assert_eq!(roots_injected(&truth, RUN, per), roots, "{per:?}");
        }
        assert_eq!(roots_injected(&[], RUN, RootsPer::Run(1)), Some(0));
        assert_eq!(affected(&truth, RUN), 4);
    }

    #[test]
    fn the_hint_of_most_findings_is_the_runs() {
        let bearing = |hint| {
            let mut finding = finding(vec![record(Code::Lost, RecordType::Message, None, 1)]);
            finding.hint = hint;
            finding
        };
        let [fixed, silent] = [Hint::FixedOwner, Hint::Silent].map(Some);
        let named = |findings: &[Finding]| pattern_named(findings);
        assert_eq!(named(&[]), None);
        let [none, one, other] = [None, fixed, silent].map(bearing);
        let both = [none, one.clone()];
        assert_eq!(named(&both), Some(Pattern::FixedOwner));
        assert_eq!(named(&[other.clone(), one, other]), Some(Pattern::Silent));
    }

    #[test]
    fn lines_of_other_runs_are_passed_over() {
        let stored = record(Code::WrongOwner, RecordType::Message, Some("m1"), 0);
        let mut nameless = line(&stored);
        nameless.canary = None;
        let truth = [line(&stored), nameless];
        assert_eq!(counts(&score(&[], &truth, RUN)), (0, 1, 0, 0));
        assert_eq!(counts(&score(&[], &truth, RunId(7))), (0, 0, 0, 0));
    }
}
