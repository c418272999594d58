//! The judge as a whole: silent on what is clean, and the same in any order and any division.

use proptest::prelude::*;

use super::testing::{
    History, SESSIONS_EACH, answer, canary, check, exact, owner, session_name, spoilt,
};
use super::*;
use crate::model::{CanaryKind, Exactness, Outcome, Proof, RecordType, Role, SessionIx, Trait};

#[test]
fn a_clean_history_is_silent_whatever_the_outcomes() {
    check(|_| {}, &[]);
    for outcome in [Outcome::Ok, Outcome::Unknown] {
        check(
            |history| {
                for op in &mut history.ops {
                    op.completion.as_mut().unwrap().outcome = outcome;
                }
            },
            &[],
        );
    }
    check(
        |history| history.ops.iter_mut().for_each(|op| op.completion = None),
        &[],
    );
    for outcome in Outcome::ALL
        .into_iter()
        .filter(|outcome| *outcome != Outcome::Ok)
    {
        check(
            |history| {
                history.sightings.clear();
                for op in &mut history.ops {
                    op.completion.as_mut().unwrap().outcome = outcome;
                }
            },
            &[],
        );
    }
}

#[test]
fn a_clean_history_is_counted() {
    let mut history = History::new(3, 2);
    history.op(0, 1).completion = None;
    history.end(4, 0).outcome = Outcome::Unknown;
    let judgement = history.judge();
    assert_eq!(judgement.findings, []);
    assert_eq!(
        judgement.recovered,
        BTreeMap::from([(OpKind::Chat, 1), (OpKind::Upload, 1)])
    );
    // The session of the unknown upload has nothing else.
    assert_eq!((judgement.sessions, judgement.crossed_sessions), (8, 0));
    assert_eq!(
        (
            judgement.ledger_gap,
            judgement.unattributable,
            judgement.pending
        ),
        (0, 0, 0)
    );
}

#[test]
fn what_the_ledger_does_not_know_is_a_gap() {
    let history = spoilt(|history| {
        history
            .ops
            .retain(|op| op.invocation.op.session != SessionIx(0));
    });
    let judgement = history.judge();
    assert_eq!((judgement.findings.len(), judgement.ledger_gap), (0, 2));
    // Its owner is judged all the same.
    let history = spoilt(|history| {
        history
            .ops
            .retain(|op| op.invocation.op.session != SessionIx(0));
        history.own_session(0, Some(&owner(1)));
    });
    assert_eq!(history.findings()[0].affected.len(), 5);
}

#[test]
fn records_of_other_runs_and_of_the_control_are_passed_over() {
    check(
        |history| {
            let mut other = history.record("m0.1u").clone();
            other.record_id = "other".to_owned();
            other.owner = Some(owner(2));
            other.canaries[0].id.run = RunId(7);
            history.sightings.push(other);
            let mut planted = history.record("m0.1u").clone();
            planted.record_id = "planted".to_owned();
            planted.owner = Some(owner(2));
            planted.control = true;
            history.sightings.push(planted);
        },
        &[],
    );
}

/// One thing that may be wrong: what, with which row, and how.
type Spoil = (u8, usize, u32);

/// Users of the histories that are spoilt at random.
const USERS: u32 = 4;

/// Moves a record to a session, or renames a session.
fn put_in(record: &mut Sighting, session: String) {
    if record.record_type == RecordType::Session {
        record.record_id.clone_from(&session);
    }
    record.session = Some(session);
}

fn spoil(history: &mut History, (what, place, how): Spoil) {
    let user = how % USERS;
    let session = how % (USERS * SESSIONS_EACH);
    let records = history.sightings.len();
    let ops = history.ops.len();
    let Some(record) = history.sightings.get_mut(place % records.max(1)) else {
        return;
    };
    let end = history.ops[place % ops].completion.as_mut();
    match what % 14 {
        0 => record.owner = Some(owner(user)),
        1 => record.owner = None,
        2 => record.owner = Some("poc-user".to_owned()),
        3 => record.owner = Some("alice".to_owned()),
        4 => put_in(record, session_name(session)),
        5 => record.reads = 1,
        6 => record.role = [Role::User, Role::Assistant, Role::Other][how as usize % 3],
        // A session's body is its id, which holds no canary.
        7 if record.record_type != RecordType::Session => {
            let foreign = canary(user, user * SESSIONS_EACH, 0, CanaryKind::Turn);
            record.canaries.push(exact(foreign));
        }
        8 => record.canaries.clear(),
        9 => {
            let mut copy = record.clone();
            copy.record_id = format!("copy-{what}-{place}-{how}");
            copy.scan = how % 4;
            history.sightings.push(copy);
        }
        10 => drop(history.sightings.remove(place % records)),
        11 => {
            let asked = canary(user, user * SESSIONS_EACH, 1, CanaryKind::Turn);
            history
                .sightings
                .push(answer(session / SESSIONS_EACH, session, asked));
        }
        12 => {
            if let Some(end) = end {
                end.outcome = Outcome::ALL[how as usize % 5];
            }
        }
        _ => {
            for seen in &mut record.canaries {
                seen.exactness = Exactness::Corrected;
            }
            let op = &mut history.ops[place % ops];
            op.invocation.traits = op.invocation.traits.with(Trait::ServerIds);
            if let Some(end) = op.completion.as_mut() {
                end.server_session = Some(format!("server-{}", how % 3));
            }
            if let Some(record) = history.sightings.get_mut(place % records) {
                put_in(record, format!("server-{}", how % 3));
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn order_and_division_change_nothing(
        spoils in proptest::collection::vec((any::<u8>(), any::<usize>(), any::<u32>()), 0..24),
        order in any::<u64>(),
    ) {
        let mut history = History::new(USERS, 2);
        for one in spoils {
            spoil(&mut history, one);
        }
        let whole = history.judge();
        for width in 1..USERS {
            prop_assert_eq!(&history.judge_sharded(&history.context(), width), &whole);
        }
        let key = |n: usize| (n as u64 + 1).wrapping_mul(order | 1).rotate_left(17);
        let mut n = 0;
        history.sightings.sort_by_cached_key(|_| { n += 1; key(n) });
        history.ops.sort_by_cached_key(|_| { n += 1; key(n) });
        prop_assert_eq!(&history.judge(), &whole);
    }

    #[test]
    fn more_reads_and_more_records_take_no_disclosure_back(
        spoils in proptest::collection::vec((0_u8..8, any::<usize>(), any::<u32>()), 0..12),
        more in proptest::collection::vec((any::<usize>(), any::<u32>()), 1..6),
    ) {
        // A wrong owner may turn out to be part of something greater.
        let grave = |history: &History| -> Vec<Option<String>> {
            let proved = history.findings().into_iter().filter(|finding| {
                finding.proof == Proof::Proved && finding.severity == crate::model::Severity::S1
            });
            let records = proved.flat_map(|finding| finding.affected);
            let disclosed = records.filter(|record| matches!(record.code,
                crate::model::Code::WrongOwner | crate::model::Code::ForeignOwner
                | crate::model::Code::SplitIdentity | crate::model::Code::StaleIdentity)
                // What is under a stand-in for a while may be on its way home.
                && record.owner.as_deref() != Some("poc-user"));
            disclosed.map(|record| record.record_id).collect()
        };
        let mut history = History::new(USERS, 2);
        for one in spoils {
            spoil(&mut history, one);
        }
        let before = grave(&history);
        for (place, how) in more {
            // Later, the same record was read under its owner, or a new one appeared.
            let mut later = history.sightings[place % history.sightings.len()].clone();
            later.scan += 1;
            later.owner = Some(owner(how % USERS));
            if how % 2 == 0 {
                later.record_id = format!("new-{place}-{how}");
            }
            history.sightings.push(later);
        }
        let after = grave(&history);
        for record in before {
            prop_assert!(after.contains(&record), "{record:?} was taken back");
        }
    }

    #[test]
    fn clean_users_do_not_change_what_is_found(
        spoils in proptest::collection::vec((any::<u8>(), any::<usize>(), any::<u32>()), 0..12),
    ) {
        let mut few = History::new(USERS, 2);
        let mut many = History::new(USERS, 2);
        for one in spoils {
            spoil(&mut few, one);
            spoil(&mut many, one);
        }
        let clean = History::new(USERS + 2, 2);
        many.users = USERS + 2;
        many.ops.extend(clean.ops.into_iter().filter(|op| op.invocation.user.0 >= USERS));
        let last = USERS * SESSIONS_EACH;
        let names: Vec<String> = (last..last + 2 * SESSIONS_EACH).map(session_name).collect();
        many.sightings.extend(clean.sightings.into_iter().filter(|sighting| {
            let by_canary = sighting.canaries.iter().any(|seen| seen.id.user.0 >= USERS);
            by_canary || names.contains(&sighting.record_id)
        }));
        // Whole channels at fault are one root only while nobody is served well.
        let records = |history: &History| {
            let all = history.findings().into_iter().flat_map(|finding| finding.affected);
            let mut all: Vec<crate::model::Affected> = all.collect();
            all.sort();
            all
        };
        prop_assert_eq!(records(&few), records(&many));
    }
}
