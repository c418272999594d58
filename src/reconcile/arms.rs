//! Two arms of one experiment: the load, and the same operations one at a time.
//!
//! What goes wrong under load and never one at a time is a race; what goes wrong as good as
//! always one at a time needs no load. Rounds are sessions, never records, because the records of
//! a session fail together. Fisher's exact test must separate the arms before anything is called
//! a race.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::model::{Code, Finding, OpKind, Proof, RunId, SessionIx};
use crate::stats::{Confidence, clopper_pearson, fisher_one_sided};

/// The arms are told apart where chance would do it less often than this.
pub const P_RACE_MAX: f64 = 0.05;
/// One at a time fails as good as always where its rate is at least this, even at the lower end
/// of its 95 % interval: 17 of 17 rounds, or 57 of 60.
pub const ALWAYS_MIN: f64 = 0.8;
/// Rounds beyond which more of them are not asked for.
const ROUNDS_MORE_MAX: u64 = 1_000_000;

/// The rounds of one arm.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Rounds {
    /// Sessions that began, by channel.
    pub sessions: BTreeMap<OpKind, u64>,
    /// Sessions of these with at least one proved finding.
    pub failed: Vec<Failed>,
}

/// How many sessions of a channel had an anomaly.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failed {
    /// The anomaly.
    pub code: Code,
    /// The channel.
    pub channel: OpKind,
    /// Sessions.
    pub sessions: u64,
}

/// What the control arm came to, as the ledger of the run keeps it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ControlArm {
    /// Its own run, whose ledger is in the folder `control` of the run.
    pub run: RunId,
    /// Its rounds.
    pub rounds: Rounds,
}

/// A rate with its exact 95 % interval.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Rate {
    /// Sessions that failed.
    pub k: u64,
    /// Sessions.
    pub n: u64,
    /// Lowest share that these allow, 0 to 1.
    pub low: f64,
    /// Highest share that these allow, 0 to 1.
    pub high: f64,
}

/// What two arms say about an anomaly.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ArmsVerdict {
    /// Under load, and never one at a time.
    Race,
    /// One at a time too, as good as always.
    Deterministic,
    /// One at a time too, but not always.
    Mixed,
    /// Too few rounds to tell.
    Undecided,
}

impl ArmsVerdict {
    /// The name used in reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Race => "race",
            Self::Deterministic => "deterministic",
            Self::Mixed => "mixed",
            Self::Undecided => "undecided",
        }
    }
}

/// One anomaly on one channel, in both arms.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Compared {
    /// The anomaly.
    pub code: Code,
    /// The channel.
    pub channel: OpKind,
    /// Under load.
    pub load: Rate,
    /// One at a time.
    pub control: Rate,
    /// How likely chance alone would give the load at least so large a share of the failures.
    pub p: f64,
    /// What follows.
    pub verdict: ArmsVerdict,
    /// Rounds that are wanting one at a time, where nothing follows yet.
    pub rounds_wanting: Option<u64>,
}

/// Counts the rounds of one arm. What the scenario accepts is known already, and does not count.
/// `channel_of` names the channel of a session that began.
pub fn rounds(
    findings: &[Finding],
    sessions: BTreeMap<OpKind, u64>,
    channel_of: &mut dyn FnMut(SessionIx) -> Option<OpKind>,
) -> Rounds {
    let mut failed: BTreeMap<(Code, OpKind), BTreeSet<SessionIx>> = BTreeMap::new();
    let mut known: BTreeMap<SessionIx, Option<OpKind>> = BTreeMap::new();
    let proved = findings
        .iter()
        .filter(|finding| finding.proof == Proof::Proved && finding.accepted.is_none());
    for finding in proved {
        let by_op = finding.affected.iter().map(|record| {
            let by_canary = || record.canary.map(|canary| canary.session);
            record.op.map(|op| op.session).or_else(by_canary)
        });
        // A finding of nobody's record is one of the session that tells its story.
        let story = finding.ops.first().map(|op| op.session);
        let mut sessions: BTreeSet<SessionIx> = by_op.flatten().collect();
        if sessions.is_empty() {
            sessions.extend(story);
        }
        for session in sessions {
            let channel = *known.entry(session).or_insert_with(|| channel_of(session));
            if let Some(channel) = channel {
                failed
                    .entry((finding.code, channel))
                    .or_default()
                    .insert(session);
            }
        }
    }
    let failed = failed
        .into_iter()
        .map(|((code, channel), sessions)| Failed {
            code,
            channel,
            sessions: u64::try_from(sessions.len()).unwrap_or(u64::MAX),
        })
        .collect();
    Rounds { sessions, failed }
}

/// Compares the arms, for each anomaly and channel that failed in either.
pub fn compare(load: &Rounds, control: &Rounds) -> Vec<Compared> {
    let all = load.failed.iter().chain(&control.failed);
    let keys: BTreeSet<(Code, OpKind)> = all.map(|f| (f.code, f.channel)).collect();
    keys.into_iter()
        .map(|(code, channel)| {
            let load = rate(load, code, channel);
            let control = rate(control, code, channel);
            let p = fisher_one_sided((load.k, load.n), (control.k, control.n));
            let verdict = verdict(&control, p);
            let rounds_wanting = (verdict == ArmsVerdict::Undecided)
                .then(|| rounds_wanting(&load, &control))
                .flatten();
            Compared {
                code,
                channel,
                load,
                control,
                p,
                verdict,
                rounds_wanting,
            }
        })
        .collect()
}

fn rate(arm: &Rounds, code: Code, channel: OpKind) -> Rate {
    let n = arm.sessions.get(&channel).copied().unwrap_or(0);
    let of_key = |failed: &&Failed| failed.code == code && failed.channel == channel;
    let failed = arm.failed.iter().find(of_key);
    let k = failed.map_or(0, |failed| failed.sessions).min(n);
    let interval = clopper_pearson(k, n, Confidence::P95);
    Rate {
        k,
        n,
        low: interval.low,
        high: interval.high,
    }
}

fn verdict(control: &Rate, p: f64) -> ArmsVerdict {
    if control.k == 0 {
        return if p < P_RACE_MAX {
            ArmsVerdict::Race
        } else {
            ArmsVerdict::Undecided
        };
    }
    if control.low >= ALWAYS_MIN {
        ArmsVerdict::Deterministic
    } else if control.k == control.n {
        ArmsVerdict::Undecided
    } else {
        ArmsVerdict::Mixed
    }
}

/// How many more rounds one at a time would settle it, if they went on as they did.
fn rounds_wanting(load: &Rate, control: &Rate) -> Option<u64> {
    let settles = |rounds: u64| {
        if control.k == 0 {
            fisher_one_sided((load.k, load.n), (0, rounds)) < P_RACE_MAX
        } else {
            clopper_pearson(rounds, rounds, Confidence::P95).low >= ALWAYS_MIN
        }
    };
    if !settles(control.n + ROUNDS_MORE_MAX) {
        return None;
    }
    let (mut too_few, mut enough) = (control.n, control.n + ROUNDS_MORE_MAX);
    while enough - too_few > 1 {
        let middle = u64::midpoint(too_few, enough);
        if settles(middle) {
            enough = middle;
        } else {
            too_few = middle;
        }
    }
    Some(enough - control.n)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Affected, CanaryId, CanaryKind, OpId, RecordType, Severity, UserIx};

    const CODE: Code = Code::WrongOwner;

    fn arm(failed: u64, sessions: u64) -> Rounds {
        let one = Failed {
            code: CODE,
            channel: OpKind::Chat,
            sessions: failed,
        };
        Rounds {
            sessions: BTreeMap::from([(OpKind::Chat, sessions)]),
            failed: if failed == 0 { Vec::new() } else { vec![one] },
        }
    }

    #[test]
    fn the_arms_are_told_apart_by_their_rounds() {
        use ArmsVerdict::{Deterministic, Mixed, Race, Undecided};
        for (load, control, verdict, wanting) in [
            ((5, 100), (0, 100), Race, None),
            ((4, 100), (0, 100), Undecided, Some(10)),
            ((41, 480), (0, 96), Race, None),
            ((100, 100), (60, 60), Deterministic, None),
            ((100, 100), (57, 60), Deterministic, None),
            ((100, 100), (30, 60), Mixed, None),
            ((100, 100), (5, 5), Undecided, Some(12)),
            ((0, 100), (3, 60), Mixed, None),
            ((0, 100), (60, 60), Deterministic, None),
            ((5, 100), (0, 0), Undecided, Some(81)),
        ] {
            let compared = compare(&arm(load.0, load.1), &arm(control.0, control.1));
            assert_eq!(compared.len(), 1);
            let told = (compared[0].verdict, compared[0].rounds_wanting);
            assert_eq!(told, (verdict, wanting), "{load:?} {control:?}");
        }
        assert!(compare(&arm(0, 100), &arm(0, 100)).is_empty());
    }

    fn record(session: u32, by_op: bool) -> Affected {
        let session = SessionIx(session);
        Affected {
            code: CODE,
            record_type: RecordType::Message,
            record_id: Some("m".to_owned()),
            canary: (!by_op).then_some(CanaryId {
                run: RunId(1),
                user: UserIx(1),
                session,
                item: 0,
                kind: CanaryKind::Turn,
            }),
            op: by_op.then_some(OpId { session, seq: 0 }),
            owner: None,
            session: None,
            excerpt: None,
        }
    }

    #[test]
    fn a_session_counts_once_and_only_what_is_proved() {
        let finding = |proof, affected: Vec<Affected>| Finding {
            code: CODE,
            severity: Severity::S1,
            proof,
            claim: String::new(),
            because: String::new(),
            sender: None,
            found_under: None,
            ops: Vec::new(),
            affected,
            hint: None,
            kind: None,
            accepted: None,
        };
        let findings = [
            finding(
                Proof::Proved,
                vec![record(1, true), record(1, false), record(2, false)],
            ),
            finding(Proof::Proved, vec![record(2, true), record(3, true)]),
            finding(Proof::Suggested, vec![record(4, true)]),
        ];
        let sessions = BTreeMap::from([(OpKind::Chat, 9), (OpKind::Upload, 2)]);
        let counted = rounds(&findings, sessions, &mut |session| match session.0 {
            3 => Some(OpKind::Upload),
            _ => Some(OpKind::Chat),
        });
        let told: Vec<_> = counted
            .failed
            .iter()
            .map(|failed| (failed.channel, failed.sessions))
            .collect();
        assert_eq!(told, [(OpKind::Chat, 2), (OpKind::Upload, 1)]);
    }
}
