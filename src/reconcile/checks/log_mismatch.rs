//! `log-mismatch`: the target's log and its store tell different stories.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::{
    Affected, Code, LogLine, LogStep, OpId, OpKind, OpRow, Proof, RecordType, Severity,
};

use super::super::draft::proof;
use super::super::evidence::{Absence, Evidence};
use super::super::missing::{self, Missing};
use super::super::owner::{Owner, classify};
use super::super::{Context, Draft, wording};
use super::Check;
use crate::plan;

/// Characters of a log line that a finding shows.
const EXCERPT_CHARS_MAX: usize = 160;

#[derive(Debug)]
pub(crate) struct LogMismatch;

impl Check for LogMismatch {
    fn code(&self) -> Code {
        Code::LogMismatch
    }

    fn definition(&self) -> &'static str {
        "The log says something else of an operation than the store: another user, nobody, or \
         that it is done while nothing is stored."
    }

    fn explanation(&self) -> &'static str {
        "Whoever looks for a person's data by the log finds somebody else's, or believes that all \
         is well. The usual causes are a user that the task does not take along and looks up when \
         it logs, and a line that is written whatever the store has answered. A line is told to \
         be of an operation by the request or trace id that was sent with it; where a target logs \
         none, by the user and the file, if but one such operation of that user fits. That a task has no end in \
         the log is only a hint, and is not even that where fewer than 99 % of the request ids \
         were seen. Times are not compared."
    }

    fn check(&self, evidence: &Evidence<'_>) -> Vec<Draft> {
        let by_op = lines_by_op(evidence);
        let own = by_op.iter().filter_map(|(op, lines)| {
            let op = *evidence.ops.get(op)?;
            let is_attempt = evidence.attempts.at(op.invocation.op).is_some();
            (evidence.has(op.invocation.user) && !is_attempt).then_some((op, lines))
        });
        own.flat_map(|(op, lines)| {
            let request = Request::of(evidence, op, lines);
            let false_ends = request.false_ends();
            if false_ends.is_empty() {
                request.odd_line().into_iter().collect()
            } else {
                false_ends
            }
        })
        .collect()
    }
}

/// The lines about tasks, by the operation that they are about.
fn lines_by_op<'a>(evidence: &Evidence<'a>) -> BTreeMap<OpId, Vec<&'a LogLine>> {
    let context = evidence.context;
    if context.log_lines.is_empty() {
        return BTreeMap::new();
    }
    let mut only: BTreeMap<_, BTreeSet<OpId>> = BTreeMap::new();
    for op in evidence.own_ops() {
        let whose = (op.invocation.user, said_as(op.invocation.kind));
        only.entry(whose).or_default().insert(op.invocation.op);
    }
    let by_user = |line: &LogLine, kind| match classify(context, line.user.as_deref()) {
        Owner::User(user) => {
            let ops = only.get(&(user, kind))?.iter().copied();
            let mut fitting = ops.filter(|op| line.file.as_deref().is_none_or(names(context, *op)));
            let first = fitting.next();
            first.filter(|_| fitting.next().is_none())
        }
        Owner::Placeholder(_) | Owner::Nobody | Owner::Foreign(_) => None,
    };
    let mut by_op: BTreeMap<OpId, Vec<&LogLine>> = BTreeMap::new();
    for line in context.log_lines {
        let Some(kind) = line.kind else { continue };
        let Some(op) = line.op.or_else(|| by_user(line, kind)) else {
            continue;
        };
        let is_its_kind = |row: &&OpRow| said_as(row.invocation.kind) == kind;
        if evidence.ops.get(&op).is_some_and(is_its_kind) {
            by_op.entry(op).or_default().push(line);
        }
    }
    for lines in by_op.values_mut() {
        lines.sort();
    }
    by_op
}

/// Is this the file that an operation uploads? A log may have its path.
fn names(context: &Context<'_>, op: OpId) -> impl Fn(&str) -> bool {
    let sent = plan::file_name(context.scenario, op);
    move |file| sent.is_some() && file.rsplit('/').next() == sent.as_deref()
}

/// As which kind a log speaks of an operation: it does not tell by which channel a chat came.
fn said_as(kind: OpKind) -> OpKind {
    match kind {
        OpKind::Chat | OpKind::Stream => OpKind::Chat,
        OpKind::Upload | OpKind::Voice | OpKind::Turn => kind,
    }
}

/// What was sent under one request id, and what the log says of it.
struct Request<'e, 'a> {
    evidence: &'e Evidence<'a>,
    /// The operation that its id names.
    op: &'a OpRow,
    /// All its operations: the turns of one voice socket share its id.
    ops: Vec<&'a OpRow>,
    lines: &'e [&'a LogLine],
}

impl<'e, 'a> Request<'e, 'a> {
    fn of(evidence: &'e Evidence<'a>, op: &'a OpRow, lines: &'e [&'a LogLine]) -> Self {
        let begun = &op.invocation;
        let ops = match begun.kind {
            OpKind::Chat | OpKind::Upload | OpKind::Turn => vec![op],
            OpKind::Voice | OpKind::Stream => {
                let shares = |other: &&&OpRow| {
                    let other = &other.invocation;
                    other.op.session == begun.op.session && other.request_id == begun.request_id
                };
                evidence.ops.values().filter(shares).copied().collect()
            }
        };
        Self {
            evidence,
            op,
            ops,
            lines,
        }
    }

    fn count(&self, steps: &[LogStep]) -> usize {
        let is_one = |line: &&&LogLine| steps.contains(&line.step);
        self.lines.iter().filter(is_one).count()
    }

    /// Operations that are said to be done, of which nothing is stored. Each turn of a socket must
    /// be said to be done, as nobody knows which line is of which.
    fn false_ends(&self) -> Vec<Draft> {
        if self.count(&[LogStep::Completed]) < self.ops.len() {
            return Vec::new();
        }
        let absent = self.ops.iter().copied().filter(|op| self.is_absent(op));
        absent.map(|op| self.false_end(op)).collect()
    }

    fn is_absent(&self, op: &OpRow) -> bool {
        self.evidence.absence(op) == Absence::Proved
            && match missing::of_op(self.evidence, op) {
                Missing::Turn { all, .. } => all,
                Missing::Document => true,
                Missing::Nothing | Missing::Blocks(_) => false,
            }
    }

    fn false_end(&self, op: &OpRow) -> Draft {
        let id = op.invocation.op;
        let line = self
            .lines
            .iter()
            .find(|line| line.step == LogStep::Completed);
        let proof = proof(!self.evidence.beside_unknown(id));
        let mut draft = self.draft(op, line.copied(), proof).saying(
            format!(
                "{}'s {} is said in the log to be stored, and is not",
                wording::user(op.invocation.user),
                op.invocation.kind
            ),
            format!(
                "the log names the request of operation {id} and says that its task is done, and \
                 its canary is in no record of the store, which was read completely and stood \
                 still"
            ),
        );
        draft.finding.severity = Severity::S2;
        draft
    }

    /// The line that says most that is wrong.
    fn odd_line(&self) -> Option<Draft> {
        let op = self.op;
        let user = wording::user(op.invocation.user);
        let id = op.invocation.op;
        let wrong = self.lines.iter().find_map(|line| {
            let name = line.user.as_deref()?;
            (!self.may_name(name)).then_some((*line, name))
        });
        if let Some((line, name)) = wrong {
            let draft = self.draft(op, Some(line), Proof::Proved);
            let name = wording::plain(name);
            return Some(draft.saying(
                format!("the log names `{name}` for {user}'s {}", op.invocation.kind),
                format!(
                    "the line bears the request of operation {id}, which {user} sent, and neither \
                     that user nor any record of the operation is under `{name}`"
                ),
            ));
        }
        if let Some(line) = self.lines.iter().find(|line| line.user.is_none()) {
            let step = line.step.name();
            let draft = self.draft(op, Some(line), Proof::Proved);
            return Some(draft.saying(
                format!("the log names nobody for {user}'s {}", op.invocation.kind),
                format!(
                    "the line that says that the task of operation {id} is {step} names no user"
                ),
            ));
        }
        self.without_end()
    }

    /// Stored, and yet without an end in a log of which nearly everything was seen.
    fn without_end(&self) -> Option<Draft> {
        let ends = self.count(&[LogStep::Completed, LogStep::Failed]);
        let begun = self
            .lines
            .iter()
            .find(|line| line.step == LogStep::Started)?;
        let is_kept = |op: &&OpRow| missing::of_op(self.evidence, op) == Missing::Nothing;
        let is_odd = self.count(&[LogStep::Started]) > ends
            && self.evidence.context.log_coverage.is_telling()
            && self.evidence.absence(self.op) == Absence::Proved
            && self.ops.iter().all(is_kept);
        let id = self.op.invocation.op;
        is_odd.then(|| {
            self.draft(self.op, Some(begun), Proof::Suggested).saying(
                format!(
                    "the log begins {}'s {} and never ends it",
                    wording::user(self.op.invocation.user),
                    self.op.invocation.kind
                ),
                format!(
                    "a line says that the task of operation {id} has begun, none that it is done \
                     or has failed, and nearly all request ids were seen in the log"
                ),
            )
        })
    }

    /// May the log name this user? The sender by any of their names, and whoever the store names.
    fn may_name(&self, name: &str) -> bool {
        let context = self.evidence.context;
        let sender = self.op.invocation.user;
        if classify(context, Some(name)) == Owner::User(sender)
            || context.scenario.user_name(context.run, sender) == name
        {
            return true;
        }
        self.ops.iter().any(|op| {
            let canaries = self.evidence.canaries_of(op);
            canaries
                .flat_map(|canary| self.evidence.stored(canary))
                .any(|record| record.sighting.owner.as_deref() == Some(name))
        })
    }

    fn draft(&self, op: &OpRow, line: Option<&LogLine>, proof: Proof) -> Draft {
        let affected = Affected {
            code: Code::LogMismatch,
            record_type: RecordType::Log,
            record_id: Some(format!("{:016x}", self.op.invocation.request_id)),
            canary: self.evidence.canaries_of(op).next(),
            op: Some(op.invocation.op),
            owner: line.and_then(|line| line.user.clone()),
            session: None,
            excerpt: line.map(|line| line.text.chars().take(EXCERPT_CHARS_MAX).collect()),
        };
        let sender = op.invocation.user;
        Draft::new(
            self.evidence,
            Code::LogMismatch,
            proof,
            sender,
            vec![affected],
        )
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::ReadBack;
    use super::super::super::testing::{History, owner};
    use super::*;
    use crate::model::{LogCoverage, Micros, SessionIx};

    fn line(op: Option<(u32, u16)>, kind: OpKind, step: LogStep, user: Option<String>) -> LogLine {
        LogLine {
            source: 0,
            occurrence: 0,
            op: op.map(|(session, seq)| OpId {
                session: SessionIx(session),
                seq,
            }),
            kind: Some(kind),
            step,
            user,
            file: None,
            text: "Background task".to_owned(),
            logged_unix_us: None,
            seen_at: Micros(1),
        }
    }

    /// What a log that is right says of a history.
    fn right(history: &History) -> Vec<LogLine> {
        let ops = history.ops.iter().map(|op| &op.invocation);
        ops.flat_map(|begun| {
            let op = Some((begun.op.session.0, begun.op.seq));
            let user = || Some(owner(begun.user.0));
            [LogStep::Started, LogStep::Completed].map(|step| line(op, begun.kind, step, user()))
        })
        .collect()
    }

    fn whole(history: &History) -> LogCoverage {
        let ok = u64::try_from(history.ops.len()).unwrap();
        LogCoverage {
            ok,
            ids_seen: ok,
            ended: ok,
            started: ok,
            task_lines: 2 * ok,
        }
    }

    /// Code, proof and severity of each finding.
    fn told(history: &History, lines: &[LogLine], coverage: LogCoverage) -> Vec<String> {
        let context = Context {
            log_lines: lines,
            log_coverage: coverage,
            ..history.context()
        };
        let judge = |width| history.judge_sharded(&context, width).findings;
        assert_eq!(judge(1), judge(3));
        let told = |finding: &crate::model::Finding| {
            let sure = match finding.proof {
                Proof::Proved => "",
                Proof::Suggested => "?",
            };
            format!("{}{sure} {}", finding.code, finding.severity)
        };
        judge(2).iter().map(told).collect()
    }

    #[test]
    fn a_log_that_is_right_says_nothing() {
        let history = History::new(3, 2);
        let lines = right(&history);
        assert!(told(&history, &lines, whole(&history)).is_empty());
        assert!(told(&history, &[], LogCoverage::default()).is_empty());
    }

    #[test]
    fn a_line_for_another_user_or_for_nobody_is_odd() {
        let history = History::new(3, 2);
        for user in [None, Some(owner(2)), Some("alice".to_owned())] {
            let mut lines = right(&history);
            lines[1].user = user;
            assert_eq!(told(&history, &lines, whole(&history)), ["log-mismatch S4"]);
        }
    }

    #[test]
    fn a_line_that_agrees_with_the_store_is_no_second_finding() {
        let mut history = History::new(3, 2);
        for id in ["m0.1u", "m0.1a"] {
            history.record(id).owner = Some(owner(2));
        }
        let mut lines = right(&history);
        let wrong = OpId {
            session: SessionIx(0),
            seq: 1,
        };
        for line in lines.iter_mut().filter(|line| line.op == Some(wrong)) {
            line.user = Some(owner(2));
        }
        let told = told(&history, &lines, whole(&history));
        assert!(
            told.iter().all(|told| !told.starts_with("log-mismatch")),
            "{told:?}"
        );
    }

    #[test]
    fn done_and_not_stored_is_grave() {
        let mut history = History::new(3, 2);
        history.remove("m0.1u");
        history.remove("m0.1a");
        let lines = right(&history);
        let expected = ["lost S2", "log-mismatch S2"];
        assert_eq!(told(&history, &lines, whole(&history)), expected);
        // While nobody can tell that it is not stored, nothing is said.
        let context = Context {
            log_lines: &lines,
            read_back: ReadBack::None,
            ..history.context()
        };
        assert!(history.judge_sharded(&context, 3).findings.is_empty());
    }

    #[test]
    fn an_end_that_is_missing_is_a_hint_where_nearly_all_was_seen() {
        let history = History::new(3, 2);
        let mut lines = right(&history);
        lines.remove(1);
        let whole = whole(&history);
        assert_eq!(told(&history, &lines, whole), ["log-mismatch? S4"]);
        let ids_seen = whole.ok * 98 / 100;
        assert!(told(&history, &lines, LogCoverage { ids_seen, ..whole }).is_empty());
    }

    #[test]
    fn half_of_the_lines_prove_nothing() {
        let history = History::new(8, 4);
        for keep in 0..7 {
            let mut lines = right(&history);
            let mut number = 0;
            lines.retain(|_| {
                number += 1;
                (number * 5 + keep) % 7 < 3
            });
            let half = LogCoverage {
                ids_seen: whole(&history).ok * 3 / 4,
                ..whole(&history)
            };
            assert!(told(&history, &lines, half).is_empty(), "{keep}");
        }
    }

    #[test]
    fn without_ids_a_users_only_operation_is_told_by_the_name() {
        let mut history = History::new(2, 1);
        for id in ["m0.0u", "m0.0a"] {
            history.remove(id);
        }
        let lines = [line(None, OpKind::Chat, LogStep::Completed, Some(owner(0)))];
        let told = told(&history, &lines, LogCoverage::default());
        assert_eq!(told, ["lost S2", "log-mismatch S2"]);
    }

    #[test]
    fn without_ids_an_upload_is_told_by_its_user_and_its_file() {
        let mut history = History::new(2, 1);
        history.upload(0, 6);
        for piece in 0..3 {
            history.remove(&format!("f6.{piece}"));
        }
        let upload = |file: Option<&str>| LogLine {
            file: file.map(str::to_owned),
            ..line(None, OpKind::Upload, LogStep::Completed, Some(owner(0)))
        };
        let lost = ["lost S2"];
        let false_end = ["lost S2", "log-mismatch S2"];
        for (file, expected) in [
            (Some("notes-6-0.txt"), &false_end[..]),
            (Some("/tmp/up/notes-6-0.txt"), &false_end[..]),
            (Some("notes-1-0.txt"), &lost[..]),
            (Some("other.txt"), &lost[..]),
            // The user has two uploads.
            (None, &lost[..]),
        ] {
            let told = told(&history, &[upload(file)], LogCoverage::default());
            assert_eq!(told, expected, "{file:?}");
        }
        // Nobody else has sent this file.
        let others = LogLine {
            user: Some(owner(1)),
            ..upload(Some("notes-6-0.txt"))
        };
        assert_eq!(told(&history, &[others], LogCoverage::default()), lost);
    }
}
