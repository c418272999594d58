//! Folding in time: what a store did to many at once, because it could not keep up or stood still,
//! is one root.
//!
//! Sessions that a store had no time to give their owner are one root if nearly all that were
//! opened in one stretch of time came out so: single failures, however many, leave most of their
//! neighbours whole, and stay a root each. A stretch holds sessions whose first operations overlap
//! one another, and is counted from the first ownerless session to the last one. Losses are one
//! root if nothing that was sent after some moment is stored, as the hint says that they bear.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::{Code, Hint, Micros, OpId, OpKind, Proof, RecordType, UserIx};

use super::counts::count;
use super::draft::Draft;
use super::pattern::Surroundings;
use super::wording::{counted, len};

/// Ownerless sessions of one stretch from which on they may be one fault: fewer may all fail by
/// chance, one by one.
const SESSIONS_MIN: u64 = 20;
/// Of ten sessions of a stretch, how many are ownerless at least.
const IN_TEN_MIN: u64 = 9;
/// Users from which on a fault is no one's own.
const USERS_MIN: u64 = 2;

/// Ownerless sessions of one channel that were opened one beside the other.
#[derive(Debug)]
struct Stretch {
    kind: OpKind,
    /// Places of their drafts.
    places: Vec<usize>,
    /// When the first and when the last was opened.
    opened: (Micros, Micros),
    /// When the first operation of none of them was at work any more.
    ended: Micros,
}

/// Makes one root of the sessions of a stretch of which nearly all are without an owner. Drafts
/// are in their final order, so the first becomes the root.
pub(crate) fn fold_ownerless(
    drafts: Vec<Draft>,
    surroundings: &mut dyn Surroundings,
) -> Vec<Draft> {
    let mut drafts: Vec<Option<Draft>> = drafts.into_iter().map(Some).collect();
    for stretch in stretches(&drafts) {
        let ownerless = len(&stretch.places);
        let users = senders(&drafts, &stretch.places);
        if ownerless < SESSIONS_MIN || users < USERS_MIN {
            continue;
        }
        let opened = surroundings.sessions_opened(stretch.kind, stretch.opened);
        let nearly_all = ownerless.saturating_mul(10) >= opened.saturating_mul(IN_TEN_MIN);
        if opened == 0 || !nearly_all {
            continue;
        }
        let Some(mut root) = take_as_one(&mut drafts, &stretch.places) else {
            continue;
        };
        let (first, last) = stretch.opened;
        let (kind, within) = (stretch.kind, seconds(last.since(first).as_secs_f64()));
        root.1.finding.claim = format!(
            "{ownerless} {kind} sessions of {users} users, opened within {within}, are stored \
             without an owner"
        );
        root.1.finding.because = format!(
            "{}; and so it is for {ownerless} of the {} that were opened in that time",
            root.1.finding.because,
            opened.max(ownerless)
        );
        put(&mut drafts, root);
    }
    drafts.into_iter().flatten().collect()
}

/// The ownerless sessions that are a root each, by channel, in the order of their opening.
fn stretches(drafts: &[Option<Draft>]) -> Vec<Stretch> {
    let mut opened: BTreeSet<(OpKind, Micros, Micros, usize)> = BTreeSet::new();
    for (place, draft) in drafts.iter().enumerate() {
        let Some(draft) = draft else { continue };
        let finding = &draft.finding;
        let root = finding.affected.first();
        let is_session = root.is_some_and(|record| record.record_type == RecordType::Session);
        let fits =
            finding.code == Code::MissingOwner && finding.proof == Proof::Proved && is_session;
        if let (true, Some(kind), Some((begun, ended))) = (fits, draft.channel, draft.span) {
            opened.insert((kind, begun, ended, place));
        }
    }
    let mut stretches: Vec<Stretch> = Vec::new();
    for (kind, begun, ended, place) in opened {
        match stretches.last_mut() {
            Some(last) if last.kind == kind && begun <= last.ended => {
                last.places.push(place);
                last.opened.1 = begun;
                last.ended = last.ended.max(ended);
            }
            Some(_) | None => stretches.push(Stretch {
                kind,
                places: vec![place],
                opened: (begun, begun),
                ended,
            }),
        }
    }
    stretches
}

/// Makes one root of the losses of a store that stood still from some moment on. Its story has the
/// first operation of each channel.
pub(crate) fn fold_lost(drafts: Vec<Draft>) -> Vec<Draft> {
    let mut drafts: Vec<Option<Draft>> = drafts.into_iter().map(Some).collect();
    let mut lost: Vec<(Micros, usize)> = Vec::new();
    let mut story: BTreeMap<OpKind, (Micros, OpId)> = BTreeMap::new();
    let mut since = None;
    for (place, draft) in drafts.iter().enumerate() {
        let Some(draft) = draft else { continue };
        let finding = &draft.finding;
        if finding.code != Code::Lost || finding.proof != Proof::Proved {
            continue;
        }
        let (Some(Hint::Stall { since: from, .. }), Some((begun, _))) = (&finding.hint, draft.span)
        else {
            continue;
        };
        since = Some(*from);
        lost.push((begun, place));
        if let (Some(kind), Some(op)) = (draft.channel, finding.ops.first()) {
            let first = story.entry(kind).or_insert((begun, *op));
            *first = (*first).min((begun, *op));
        }
    }
    lost.sort_unstable();
    let places: Vec<usize> = lost.into_iter().map(|(_, place)| place).collect();
    let (Some(since), 2..) = (since, places.len()) else {
        return drafts.into_iter().flatten().collect();
    };
    let (operations, users) = (len(&places), senders(&drafts, &places));
    if let Some(mut root) = take_as_one(&mut drafts, &places) {
        let finding = &mut root.1.finding;
        let mut first: Vec<(Micros, OpId)> = story.into_values().collect();
        first.sort_unstable();
        finding.ops = first.into_iter().map(|(_, op)| op).collect();
        finding.claim = format!(
            "the store stood still from {} on: {operations} operations of {} are lost",
            seconds(since.duration().as_secs_f64()),
            counted(users, "user", "users")
        );
        finding.because = format!(
            "{}; and so it is for everything that was sent since then and answered as done, \
             and for what was at work at that moment",
            finding.because
        );
        put(&mut drafts, root);
    }
    drafts.into_iter().flatten().collect()
}

fn senders(drafts: &[Option<Draft>], places: &[usize]) -> u64 {
    let of = |place: &usize| drafts.get(*place)?.as_ref()?.finding.sender;
    let users: BTreeSet<UserIx> = places.iter().filter_map(of).collect();
    count(users)
}

/// Takes the drafts at these places out, as one root with the records of all: the first of these
/// places, and what belongs there.
fn take_as_one(drafts: &mut [Option<Draft>], places: &[usize]) -> Option<(usize, Draft)> {
    let mut taken = places
        .iter()
        .filter_map(|place| Some((*place, drafts.get_mut(*place)?.take()?)));
    let (at, mut root) = taken.next()?;
    for (_, draft) in taken {
        root.finding.affected.extend(draft.finding.affected);
    }
    Some((at, root))
}

fn put(drafts: &mut [Option<Draft>], (place, root): (usize, Draft)) {
    if let Some(free) = drafts.get_mut(place) {
        *free = Some(root);
    }
}

/// A time for a sentence, such as `1.25 s`.
fn seconds(seconds: f64) -> String {
    format!("{seconds:.2} s")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::super::testing::{History, SESSIONS_EACH, session_name, told};
    use crate::model::{Code, Finding, Micros, OpKind, Pattern};

    const USERS: u32 = 60;

    /// So many users who all open their chat at one moment; of some its owner is missing.
    fn burst(is_ownerless: impl Fn(u32) -> bool) -> History {
        let mut history = History::new(USERS, 1);
        for user in (0..USERS).filter(|user| is_ownerless(*user)) {
            history.own_session(user * SESSIONS_EACH, None);
        }
        history
    }

    fn counts(findings: &[Finding]) -> Vec<(Code, usize)> {
        let counts = findings.iter().map(|f| (f.code, f.affected.len()));
        counts.collect()
    }

    #[test]
    fn nearly_all_sessions_of_one_moment_are_one_root() {
        let findings = burst(|user| user >= 5).findings();
        assert_eq!(counts(&findings), [(Code::MissingOwner, 55 * 3)]);
        assert!(
            findings[0]
                .claim
                .starts_with("55 chat sessions of 55 users")
        );
        // Those that were quick are the first; those between the others count.
        let between = burst(|user| user >= 5 && user % 8 != 0).findings();
        assert!(between.len() > 40);
    }

    #[test]
    fn single_failures_are_a_root_each_however_many() {
        for (ownerless, roots) in [
            (burst(|user| user % 5 == 0), 12),
            (burst(|user| user % 2 == 0), 30),
            (burst(|user| user % 5 != 0), 48),
            // Too few to be more than chance.
            (burst(|user| user < 15), 15),
        ] {
            assert_eq!(ownerless.findings().len(), roots);
        }
    }

    #[test]
    fn sessions_far_apart_are_no_burst() {
        let mut history = burst(|user| user >= 5);
        for user in 0..USERS {
            let op = history.op(user * SESSIONS_EACH, 0);
            let apart = Micros(u64::from(user) * 10_000_000);
            op.invocation.invoked = apart;
            op.completion.as_mut().unwrap().completed = apart;
        }
        assert_eq!(history.findings().len(), 55);
    }

    #[test]
    fn any_division_into_buckets_gives_the_same_root() {
        let history = burst(|user| user >= 5);
        let whole = told(&history.findings());
        for width in [1, 7, 60] {
            let judgement = history.judge_sharded(&history.context(), width);
            assert_eq!(told(&judgement.findings), whole);
        }
    }

    /// From the turns with this number on nothing is stored, and no document at all.
    fn stalled(from: u16, keep: &[&str]) -> History {
        let mut history = History::new(USERS, 8);
        let gone = |id: &str| {
            let turn = id.strip_prefix('m').and_then(|id| id.split_once('.'));
            let turn = turn.and_then(|(session, turn)| {
                let seq = turn.trim_end_matches(['u', 'a']).parse().ok()?;
                Some((session.parse::<u32>().ok()?, seq))
            });
            turn.is_some_and(|(session, seq): (u32, u16)| {
                session.is_multiple_of(SESSIONS_EACH) && seq >= from
            })
        };
        history
            .sightings
            .retain(|s| !gone(&s.record_id) || keep.contains(&s.record_id.as_str()));
        history
    }

    #[test]
    fn what_a_store_that_stands_still_loses_is_one_root() {
        let findings = stalled(4, &[]).findings();
        assert_eq!(counts(&findings), [(Code::Lost, 4 * 60)]);
        assert_eq!(findings[0].pattern(), Some(Pattern::Stall));
        assert_eq!(findings[0].ops.len(), 1);
        assert!(findings[0].claim.contains("240 operations of 60 users"));
    }

    #[test]
    fn a_stall_of_all_channels_tells_the_first_of_each() {
        let mut history = stalled(4, &[]);
        let late = Micros(20_000_000);
        for user in 0..USERS {
            for session in [1, 2].map(|beside| user * SESSIONS_EACH + beside) {
                let op = history.op(session, 0);
                op.invocation.invoked = late;
                op.completion.as_mut().unwrap().completed = late;
                let (message, fact) = (format!("m{session}."), format!("f{session}."));
                history.sightings.retain(|s| {
                    !s.record_id.starts_with(&message) && !s.record_id.starts_with(&fact)
                });
            }
        }
        let findings = history.findings();
        assert_eq!(counts(&findings), [(Code::Lost, 6 * 60)]);
        let channels: BTreeSet<OpKind> = findings[0]
            .ops
            .iter()
            .map(|op| history.op(op.session.0, op.seq).invocation.kind)
            .collect();
        assert_eq!(
            channels,
            BTreeSet::from([OpKind::Chat, OpKind::Upload, OpKind::Voice])
        );
    }

    #[test]
    fn what_was_at_work_when_it_stood_still_belongs_to_it() {
        // The turn before, whose task may take 200 ms after its answer, is lost too; one long
        // before is another matter.
        for (begun, roots) in [(3_600_000, 1), (3_000_000, 2)] {
            let mut history = stalled(4, &[]);
            let op = history.op(9, 3);
            op.invocation.invoked = Micros(begun);
            op.completion.as_mut().unwrap().completed = Micros(begun + 300_000);
            for id in ["m9.3u", "m9.3a"] {
                history.remove(id);
            }
            assert_eq!(history.findings().len(), roots, "{begun}");
        }
    }

    #[test]
    fn losses_with_something_kept_after_them_are_a_root_each() {
        let last = format!("m{}.7u", (USERS - 1) * SESSIONS_EACH);
        let findings = stalled(4, &[&last]).findings();
        assert!(findings.len() > 100, "{}", findings.len());
        assert!(session_name(0).contains("-s0"));
    }
}
