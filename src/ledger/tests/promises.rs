//! Which promises no reading has shown yet.

use crate::event::Event;
use crate::ledger::LedgerReader;
use crate::ledger::samples::*;
use crate::model::{
    CanaryKind, Completion, Invocation, OpKind, Outcome, Promise, RecordType, Role, Sighting,
};

fn missing(events: impl IntoIterator<Item = Event>) -> u64 {
    let folder = tempfile::tempdir().unwrap();
    written(folder.path(), events);
    let reader = LedgerReader::open(folder.path()).unwrap();
    let all = reader.missing_promises(&OpKind::ALL).unwrap();
    let apart = OpKind::ALL.map(|kind| reader.missing_promises(&[kind]).unwrap());
    assert_eq!(apart.into_iter().sum::<u64>(), all);
    all
}

fn turn(promise: Promise) -> Vec<Event> {
    vec![
        Event::Invoked(invocation(1, op(1, 2), OpKind::Chat)),
        Event::Completed(completion(op(1, 2), promise)),
    ]
}

#[test]
fn a_turn_needs_a_message_of_each_promised_role() {
    let seen = |role| Event::Sighted(message(1, op(1, 2), role));
    let other_turn = Event::Sighted(message(1, op(1, 1), Role::User));
    let fact = Event::Sighted(Sighting {
        record_type: RecordType::Fact,
        ..message(1, op(1, 2), Role::Other)
    });
    let planted = Event::Sighted(Sighting {
        control: true,
        ..message(1, op(1, 2), Role::User)
    });
    let user_only = Promise {
        assistant_message: false,
        ..BOTH_MESSAGES
    };
    for (name, promise, sightings, expected) in [
        ("nothing seen", BOTH_MESSAGES, vec![], 1),
        (
            "both seen",
            BOTH_MESSAGES,
            vec![seen(Role::User), seen(Role::Assistant)],
            0,
        ),
        (
            "one of two seen",
            BOTH_MESSAGES,
            vec![seen(Role::Assistant)],
            1,
        ),
        (
            "the role was lost",
            BOTH_MESSAGES,
            vec![seen(Role::Other)],
            0,
        ),
        (
            "one promised, one seen",
            user_only,
            vec![seen(Role::User)],
            0,
        ),
        ("another turn seen", user_only, vec![other_turn], 1),
        ("only a fact seen", user_only, vec![fact], 1),
        ("only the control saw it", user_only, vec![planted], 1),
        ("nothing promised", Promise::NONE, vec![], 0),
    ] {
        let told = turn(promise).into_iter().chain(sightings);
        assert_eq!(missing(told), expected, "{name}");
    }
}

#[test]
fn only_ok_operations_promise() {
    for outcome in Outcome::ALL {
        let ended = Completion {
            outcome,
            ..completion(op(1, 2), BOTH_MESSAGES)
        };
        let told = [
            Event::Invoked(invocation(1, op(1, 2), OpKind::Chat)),
            Event::Completed(ended),
        ];
        assert_eq!(
            missing(told),
            u64::from(outcome == Outcome::Ok),
            "{outcome:?}"
        );
    }
    let open = [Event::Invoked(invocation(1, op(1, 2), OpKind::Chat))];
    assert_eq!(missing(open), 0);
}

#[test]
fn an_upload_needs_all_its_blocks() {
    let promise = Promise {
        blocks: 3,
        ..Promise::NONE
    };
    let begun = Invocation {
        item_first: 10,
        item_count: 3,
        ..invocation(1, op(1, 2), OpKind::Upload)
    };
    let fact = |blocks: &[u16]| {
        let canaries = blocks
            .iter()
            .map(|block| canary(1, 1, *block, CanaryKind::Block));
        Event::Sighted(Sighting {
            record_type: RecordType::Fact,
            canaries: canaries.collect(),
            body_hash: blocks.iter().map(|block| u64::from(*block)).sum(),
            ..message(1, op(1, 2), Role::Other)
        })
    };
    for (name, facts, expected) in [
        ("none", vec![], 1),
        ("all in one", vec![fact(&[10, 11, 12])], 0),
        (
            "all, overlapping",
            vec![fact(&[10, 11]), fact(&[11, 12])],
            0,
        ),
        ("one missing", vec![fact(&[10, 11]), fact(&[11])], 1),
        ("others seen", vec![fact(&[10, 12]), fact(&[9, 13])], 1),
    ] {
        let told = [
            Event::Invoked(begun.clone()),
            Event::Completed(completion(op(1, 2), promise)),
        ];
        assert_eq!(missing(told.into_iter().chain(facts)), expected, "{name}");
    }
}
