//! What is told is read back, and equal readings fold.

use std::time::Duration;

use proptest::prelude::*;

use crate::event::Event;
use crate::ledger::samples::*;
use crate::ledger::{Ledger, LedgerError, LedgerReader};
use crate::model::{
    CanaryKind, ChunkTimes, Code, Completion, Echo, Exactness, GroupIx, InconclusiveReason,
    Invocation, LagSample, Likeness, Micros, OpId, OpKind, OpRow, Outcome, Promise, RecordType,
    Role, RunId, SeenCanary, SessionIx, Sighting, TraitSet, UserIx, Verdict,
};

#[test]
fn a_small_run_reads_back() {
    let folder = tempfile::tempdir().unwrap();
    let lag = LagSample {
        op: op(1, 0),
        kind: OpKind::Chat,
        lag: Duration::from_micros(1_234),
    };
    let times = ChunkTimes {
        op: op(1, 0),
        first: Duration::from_micros(77),
        chunks: 3,
        gaps: [5, 900].map(Duration::from_micros).to_vec(),
    };
    let beside = [Event::Lagged(lag), Event::Streamed(times.clone())];
    written(folder.path(), small_run().into_iter().chain(beside));
    let reader = LedgerReader::open(folder.path()).unwrap();
    assert_eq!(reader.manifest().unwrap(), manifest());
    assert_eq!(reader.users().unwrap(), 2);
    assert_eq!(reader.scans().unwrap(), [scan(1)]);
    assert_eq!(reader.samples().unwrap(), [sample(1)]);
    assert_eq!(reader.lags().unwrap(), [lag]);
    let mut read = Vec::new();
    reader.chunk_times(&mut |times| read.push(times)).unwrap();
    assert_eq!(read, [times]);
    let counts = reader.op_counts().unwrap();
    assert_eq!(counts.get(&(OpKind::Chat, Some(Outcome::Ok))), Some(&5));
    assert_eq!(counts.get(&(OpKind::Chat, None)), Some(&1));
    assert_eq!(counts.len(), 2);
}

#[test]
fn notes_are_replaced_and_the_manifest_stays() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = Ledger::create(folder.path(), &manifest()).unwrap();
    ledger.note("drive_end", "interrupted").unwrap();
    ledger.note("drive_end", "done").unwrap();
    ledger.note("drive_ended_us", 17_u64).unwrap();
    ledger.store_baseline(&[3, u64::MAX, 1, 3]).unwrap();
    ledger.finish().unwrap();
    let reader = LedgerReader::open(folder.path()).unwrap();
    assert_eq!(reader.note("drive_end").unwrap(), Some("done".into()));
    assert_eq!(reader.note("drive_ended_us").unwrap(), Some(17.into()));
    assert_eq!(reader.note("observe_end").unwrap(), None);
    assert_eq!(reader.manifest().unwrap(), manifest());
    assert_eq!(reader.baseline().unwrap(), [1, 3, u64::MAX]);
}

#[test]
fn an_equal_reading_in_a_later_scan_only_raises_the_count() {
    let folder = tempfile::tempdir().unwrap();
    let first = message(1, op(1, 0), Role::User);
    let later = Sighting {
        scan: 3,
        seen_at: Micros(9_000_000),
        ..first.clone()
    };
    let changed = Sighting {
        body_hash: 5,
        first_scan: 3,
        scan: 3,
        ..first.clone()
    };
    let told = [&first, &first, &later, &changed, &first, &later];
    written(folder.path(), told.map(|seen| Event::Sighted(seen.clone())));
    let reader = LedgerReader::open(folder.path()).unwrap();
    let read = reader.sightings_of_users(0..10).unwrap();
    assert_eq!(read, [Sighting { reads: 2, ..later }, changed]);
    assert_eq!((read[0].first_scan, read[0].scan), (1, 3));
    assert_eq!(reader.last_scan().unwrap(), 3);
}

#[test]
fn operations_in_a_shared_session_belong_to_who_sent_them() {
    let folder = tempfile::tempdir().unwrap();
    let sent = |user, seq| {
        let begun = invocation(user, op(1, seq), OpKind::Chat);
        Event::Invoked(Invocation {
            founder: UserIx(1),
            ..begun
        })
    };
    // The guest, user 3, begins first.
    written(
        folder.path(),
        [(3, 0), (1, 1), (3, 2), (1, 3)].map(|(user, seq)| sent(user, seq)),
    );
    let reader = LedgerReader::open(folder.path()).unwrap();
    let seqs = |users| {
        let ops = reader.ops_of_users(users).unwrap();
        let of = |row: &OpRow| (row.invocation.user.0, row.invocation.op.seq);
        ops.iter().map(of).collect::<Vec<_>>()
    };
    assert_eq!(seqs(0..3), [(1, 1), (1, 3)]);
    assert_eq!(seqs(3..4), [(3, 0), (3, 2)]);
    assert_eq!(seqs(0..4), [(1, 1), (1, 3), (3, 0), (3, 2)]);
    let near = reader
        .op_of_user_near(UserIx(1), Micros(0))
        .unwrap()
        .unwrap();
    assert_eq!(near.invocation.op, op(1, 1));
    assert_eq!(reader.users().unwrap(), 4);
}

#[test]
fn a_reader_that_holds_still_sees_one_moment() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = Ledger::create(folder.path(), &manifest()).unwrap();
    tell(&ledger, small_run());
    let read = |reader: &LedgerReader| reader.op_counts().unwrap().values().sum::<u64>();
    let held = LedgerReader::open(folder.path())
        .unwrap()
        .hold_still()
        .unwrap();
    let moving = LedgerReader::open(folder.path()).unwrap();
    assert_eq!((read(&held), read(&moving)), (6, 6));
    tell(
        &ledger,
        [Event::Invoked(invocation(4, op(4, 0), OpKind::Chat))],
    );
    assert_eq!((read(&held), read(&moving)), (6, 7));
    assert_eq!(held.ops_around(Micros(0), 10).unwrap().len(), 6);
    drop(held);
    ledger.finish().unwrap();
}

#[test]
fn a_record_listed_in_another_place_is_the_same_reading_without_a_place() {
    let first = message(1, op(1, 0), Role::User);
    let moved = Sighting {
        position: 77,
        scan: 2,
        ..first.clone()
    };
    let answer = Sighting {
        record_type: RecordType::Answer,
        first_scan: 0,
        scan: 0,
        ..first.clone()
    };
    let next_answer = Sighting {
        position: 77,
        ..answer.clone()
    };
    let told = [&first, &moved, &answer, &next_answer];
    let folder = tempfile::tempdir().unwrap();
    written(folder.path(), told.map(|seen| Event::Sighted(seen.clone())));
    let reader = LedgerReader::open(folder.path()).unwrap();
    let read_twice = Sighting {
        reads: 2,
        scan: 2,
        position: Sighting::UNSTEADY,
        ..first
    };
    assert_eq!(
        reader.sightings_of_users(0..10).unwrap(),
        [read_twice, answer, next_answer]
    );
}

#[test]
fn whatever_differs_is_a_reading_of_its_own() {
    let base = message(1, op(1, 0), Role::User);
    let corrected = SeenCanary {
        exactness: Exactness::Corrected,
        ..canary(1, 1, 0, CanaryKind::Turn)
    };
    let variants = [
        base.clone(),
        Sighting {
            record_id: "other".to_owned(),
            ..base.clone()
        },
        Sighting {
            owner: None,
            ..base.clone()
        },
        Sighting {
            owner: Some(String::new()),
            ..base.clone()
        },
        Sighting {
            session: None,
            ..base.clone()
        },
        Sighting {
            role: Role::Other,
            ..base.clone()
        },
        Sighting {
            record_type: RecordType::Fact,
            ..base.clone()
        },
        Sighting {
            excerpt: Some("words".to_owned()),
            ..base.clone()
        },
        Sighting {
            canaries: vec![corrected],
            ..base.clone()
        },
        Sighting {
            likeness: Likeness::Altered,
            ..base.clone()
        },
        Sighting {
            damaged: true,
            ..base.clone()
        },
        Sighting {
            older_run: Some(RunId(0)),
            ..base.clone()
        },
    ];
    let folder = tempfile::tempdir().unwrap();
    written(folder.path(), variants.clone().map(Event::Sighted));
    let reader = LedgerReader::open(folder.path()).unwrap();
    assert_eq!(reader.sightings_of_users(0..10).unwrap(), variants);
}

#[test]
fn events_that_contradict_earlier_ones_are_counted_and_change_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let begun = invocation(1, op(1, 0), OpKind::Chat);
    let ended = completion(op(1, 0), BOTH_MESSAGES);
    let other_end = Completion {
        outcome: Outcome::Unknown,
        ..ended.clone()
    };
    let never_begun = completion(op(2, 0), BOTH_MESSAGES);
    let begun_again = Invocation {
        user: UserIx(2),
        ..begun.clone()
    };
    written(
        folder.path(),
        [
            Event::Invoked(begun.clone()),
            Event::Completed(ended.clone()),
            Event::Invoked(begun_again),
            Event::Completed(other_end),
            Event::Completed(never_begun),
        ],
    );
    let reader = LedgerReader::open(folder.path()).unwrap();
    let expected = OpRow {
        invocation: begun,
        completion: Some(ended),
    };
    assert_eq!(reader.ops_of_users(0..10).unwrap(), [expected]);
    assert_eq!(reader.conflicts().unwrap(), 3);
}

#[test]
fn a_judgement_replaces_the_one_before() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = Ledger::create(folder.path(), &manifest()).unwrap();
    let first = [finding(Code::Lost, 3), finding(Code::Ghost, 1)];
    ledger.store_judgement(Verdict::Fail, &[], &first).unwrap();
    let second = [finding(Code::WrongOwner, 2)];
    let reasons = [InconclusiveReason::NotSettled];
    ledger
        .store_judgement(Verdict::Inconclusive, &reasons, &second)
        .unwrap();
    let reader = LedgerReader::open(folder.path()).unwrap();
    assert_eq!(reader.findings().unwrap(), second);
    assert_eq!(reader.note("verdict").unwrap(), Some("inconclusive".into()));
    let noted = reader.note("inconclusive_reasons").unwrap().unwrap();
    assert_eq!(noted, serde_json::json!(["not-settled"]));
    ledger.finish().unwrap();
}

#[test]
fn readers_see_what_is_written_meanwhile() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = Ledger::create(folder.path(), &manifest()).unwrap();
    let reader = LedgerReader::open(folder.path()).unwrap();
    assert_eq!(reader.users().unwrap(), 0);
    for session in 0..20 {
        let begun = invocation(session, op(session, 0), OpKind::Voice);
        tell(&ledger, [Event::Invoked(begun)]);
        assert_eq!(reader.users().unwrap(), session + 1);
        assert_eq!(reader.ops_of_users(session..session + 1).unwrap().len(), 1);
    }
    ledger.finish().unwrap();
    assert_eq!(reader.users().unwrap(), 20);
}

#[test]
fn a_ledger_is_written_by_one_process_at_a_time_and_never_twice() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = Ledger::create(folder.path(), &manifest()).unwrap();
    let second = Ledger::open_for_append(folder.path());
    assert!(
        matches!(second, Err(LedgerError::InUse { .. })),
        "{second:?}"
    );
    ledger.finish().unwrap();
    let again = Ledger::create(folder.path(), &manifest());
    assert!(
        matches!(again, Err(LedgerError::Exists { .. })),
        "{again:?}"
    );
    let appended = Ledger::open_for_append(folder.path()).unwrap();
    tell(&appended, [Event::Scanned(scan(1))]);
    appended.finish().unwrap();
    let reader = LedgerReader::open(folder.path()).unwrap();
    assert_eq!(reader.scans().unwrap(), [scan(1)]);
}

fn any_text() -> impl Strategy<Value = String> {
    prop_oneof![Just(String::new()), "[a-z0-9-]{1,12}", "\\PC{0,12}"]
}

fn any_time() -> impl Strategy<Value = Micros> {
    (0..i64::MAX.cast_unsigned()).prop_map(Micros)
}

fn any_op() -> impl Strategy<Value = OpId> {
    (0_u32..1 << 20, any::<u16>()).prop_map(|(session, seq)| op(session, seq))
}

prop_compose! {
    fn any_invocation()(
        op in any_op(),
        kind in prop::sample::select(OpKind::ALL.to_vec()),
        group in any::<u16>(),
        (intended, invoked) in (any_time(), any_time()),
        (text_hash, request_id) in any::<(u64, u64)>(),
        (item_first, item_count) in any::<(u16, u16)>(),
        traits in any::<u32>(),
    ) -> Invocation {
        Invocation {
            op,
            // A session belongs to one user, so the user follows from it.
            user: UserIx(op.session.0 % 50),
            founder: UserIx(op.session.0 % 50),
            kind,
            group: GroupIx(group),
            intended,
            invoked,
            text_hash,
            item_first,
            item_count,
            request_id,
            traits: TraitSet(traits),
        }
    }
}

prop_compose! {
    fn any_completion()(
        (completed, sent) in (any_time(), prop::option::of(any_time())),
        outcome in prop::sample::select(Outcome::ALL.to_vec()),
        status in any::<Option<u16>>(),
        (user_message, assistant_message, blocks) in any::<(bool, bool, u16)>(),
        echo in prop::sample::select(Echo::ALL.to_vec()),
        server_session in prop::option::of(any_text()),
        detail in prop::option::of(any_text()),
    ) -> Completion {
        Completion {
            op: op(0, 0),
            completed,
            sent,
            outcome,
            status,
            promise: Promise { user_message, assistant_message, blocks },
            echo,
            server_session,
            detail,
        }
    }
}

prop_compose! {
    fn any_canary()(
        run in prop_oneof![Just(RUN), any::<u32>().prop_map(RunId)],
        user in 0_u32..60,
        session in 0_u32..1 << 20,
        item in any::<u16>(),
        is_block in any::<bool>(),
        is_exact in any::<bool>(),
    ) -> SeenCanary {
        let kind = if is_block { CanaryKind::Block } else { CanaryKind::Turn };
        let mut seen = canary(user, session, item, kind);
        seen.id.run = run;
        seen.exactness = if is_exact { Exactness::Exact } else { Exactness::Corrected };
        seen
    }
}

prop_compose! {
    fn any_sighting()(
        record_type in prop::sample::select(RecordType::ALL.to_vec()),
        role in prop::sample::select(Role::ALL.to_vec()),
        record_id in any_text(),
        owner in prop::option::of(prop_oneof![any_text(), (0_u32..60).prop_map(owner)]),
        session in prop::option::of(prop_oneof![
            any_text(),
            (0_u32..60, 0_u32..99).prop_map(|(user, session)| session_name(user, session)),
        ]),
        (position, body_hash) in any::<(u32, u64)>(),
        canaries in prop::collection::btree_set(any_canary_key(), 0..4),
        excerpt in prop::option::of(any_text()),
        (scan, seen_at) in (1_u32..9, any_time()),
        (control, damaged) in any::<(bool, bool)>(),
        older_run in any::<Option<u32>>(),
        likeness in prop_oneof![
            Just(Likeness::Unjudged),
            Just(Likeness::Same),
            Just(Likeness::Altered),
            (0_u32..5_000, 1_u32..5_000).prop_map(|(kept, sent)| Likeness::Torn { kept, sent }),
        ],
    ) -> Sighting {
        Sighting {
            record_type,
            record_id,
            owner,
            session,
            role,
            position,
            canaries: canaries.into_iter().map(|(id, exactness)| SeenCanary { id, exactness })
                .collect(),
            body_hash,
            likeness,
            damaged,
            older_run: older_run.map(RunId),
            excerpt,
            first_scan: scan,
            scan,
            seen_at,
            reads: 1,
            control,
        }
    }
}

fn any_canary_key() -> impl Strategy<Value = (crate::model::CanaryId, Exactness)> {
    any_canary().prop_map(|seen| (seen.id, seen.exactness))
}

fn sorted(mut sightings: Vec<Sighting>) -> Vec<String> {
    sightings.sort_by_key(|seen| seen.body_hash);
    sightings.iter().map(|seen| format!("{seen:?}")).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn operations_read_back(
        begun in prop::collection::btree_map(
            any_op(), (any_invocation(), prop::option::of(any_completion())), 1..30),
        time in any_time(),
    ) {
        let folder = tempfile::tempdir().unwrap();
        let rows: Vec<OpRow> = begun.into_iter().map(|(op, (invocation, completion))| OpRow {
            invocation: Invocation { op, user: UserIx(op.session.0 % 50), ..invocation },
            completion: completion.map(|completion| Completion { op, ..completion }),
        }).collect();
        let invoked = rows.iter().map(|row| Event::Invoked(row.invocation.clone()));
        let completed = rows.iter().filter_map(|row| row.completion.clone().map(Event::Completed));
        written(folder.path(), invoked.chain(completed));

        let reader = LedgerReader::open(folder.path()).unwrap();
        let mut by_user = rows.clone();
        by_user.sort_by_key(|row| (row.invocation.user, row.invocation.op));
        prop_assert_eq!(&reader.ops_of_users(0..50).unwrap(), &by_user);
        let bucketed: Vec<OpRow> = (0..reader.users().unwrap())
            .flat_map(|user| reader.ops_of_users(user..user + 1).unwrap())
            .collect();
        prop_assert_eq!(&bucketed, &by_user);
        for user in (0..50).map(UserIx) {
            let nearest = rows
                .iter()
                .filter(|row| row.invocation.user == user)
                .min_by_key(|row| (row.invocation.invoked.0.abs_diff(time.0), row.invocation.op));
            prop_assert_eq!(reader.op_of_user_near(user, time).unwrap(), nearest.cloned());
        }
        let mut by_time = rows;
        by_time.sort_by_key(|row| (row.invocation.invoked, row.invocation.op));
        let mut streamed = Vec::new();
        reader.ops_in_time_order(&mut |row| streamed.push(row)).unwrap();
        prop_assert_eq!(streamed, by_time);
    }

    #[test]
    fn every_sighting_is_in_some_bucket_as_it_was_told(
        told in prop::collection::vec(any_sighting(), 1..30),
    ) {
        let folder = tempfile::tempdir().unwrap();
        written(folder.path(), told.iter().cloned().map(Event::Sighted));
        let reader = LedgerReader::open(folder.path()).unwrap();
        let users = reader.users().unwrap();
        let mut read = reader.sightings_of_users(0..users).unwrap();
        read.extend(reader.sightings_of_nobody().unwrap());
        read.extend(reader.control_sightings().unwrap());
        prop_assert_eq!(sorted(read), sorted(told.clone()));
        for seen in reader.control_sightings().unwrap() {
            prop_assert!(seen.control);
        }
    }

    #[test]
    fn session_numbers_keep_their_users(sessions in prop::collection::btree_set(0_u32..1 << 20, 1..40)) {
        let folder = tempfile::tempdir().unwrap();
        written(folder.path(), sessions.iter().map(|session| {
            Event::Invoked(invocation(session % 7, op(*session, 0), OpKind::Chat))
        }));
        let reader = LedgerReader::open(folder.path()).unwrap();
        for user in 0..7 {
            let read: Vec<SessionIx> = reader.ops_of_users(user..user + 1).unwrap()
                .into_iter().map(|row| row.invocation.op.session).collect();
            let told: Vec<SessionIx> = sessions.iter().copied()
                .filter(|session| session % 7 == user).map(SessionIx).collect();
            prop_assert_eq!(read, told);
        }
    }
}
