//! Numbers, users, counts and traits of sessions.

use proptest::prelude::*;

use super::*;
use crate::model::Trait;
use crate::model::limits::SESSIONS_MAX;

#[test]
fn sessions_are_found_by_their_number() {
    let plan = Plan::new(mixed(), Seed(7));
    let session = plan.closed_session(GroupIx(0), 3, 1).unwrap();
    assert_eq!(session, SessionIx(13 * 3));
    let script = plan.script(session).unwrap();
    assert_eq!((script.user, script.kind), (UserIx(3), OpKind::Chat));
    let (session, start) = plan.arrival(GroupIx(1), 7).unwrap();
    assert_eq!(session, SessionIx(7 * 3 + 1));
    assert_eq!(start, 2 * SECOND + 7 * SECOND / 5);
    assert_eq!(plan.script(session).unwrap().kind, OpKind::Upload);
}

#[test]
fn there_are_no_sessions_behind_the_last() {
    let plan = Plan::new(mixed(), Seed(7));
    assert_eq!(plan.closed_session(GroupIx(0), 10, 0), None);
    assert_eq!(plan.closed_session(GroupIx(0), 0, 2), None);
    assert_eq!(plan.script(SessionIx(20 * 3)), None);
    assert_eq!(plan.arrival(GroupIx(1), 20), None);
    assert_eq!(plan.script(SessionIx(20 * 3 + 1)), None);
    assert_eq!(plan.closed_session(GroupIx(2), 0, SESSIONS_MAX), None);
    assert_eq!(plan.closed_session(GroupIx(2), 4, u32::MAX), None);
    assert_eq!(plan.arrival(GroupIx(0), 0), None, "not an open group");
    assert_eq!(
        plan.closed_session(GroupIx(1), 0, 0),
        None,
        "not a closed group"
    );
    assert_eq!(plan.closed_session(GroupIx(3), 0, 0), None, "no such group");
    assert_eq!(plan.script(SessionIx(SESSIONS_MAX)), None);
    assert_eq!(
        [0, 1, 2, 3].map(|ix| plan.session_count(GroupIx(ix))),
        [Some(20), Some(20), None, None]
    );
}

#[test]
fn planned_operations_are_those_of_the_scripts() {
    let plan = Plan::new(mixed(), Seed(7));
    let planned = plan.planned_ops();
    let of = |kind| -> u64 {
        let scripts = scripts(&plan, 200).into_iter().filter(|s| s.kind == kind);
        scripts.map(|s| u64::try_from(s.steps.len()).unwrap()).sum()
    };
    assert_eq!(planned[&OpKind::Chat], Some(of(OpKind::Chat)));
    assert_eq!(planned[&OpKind::Upload], Some(of(OpKind::Upload)));
    assert_eq!(planned[&OpKind::Voice], None);
    let groups = vec![
        ("a", chat(), per_vu(1, 1)),
        ("b", chat(), constant_vus(1)),
        ("c", voice(), per_vu(3, 5)),
    ];
    let planned = Plan::new(scenario(2, groups), Seed(7)).planned_ops();
    let expect = [(OpKind::Chat, None), (OpKind::Voice, Some(30))];
    assert_eq!(planned, expect.into());
}

#[test]
fn users_have_sessions_in_several_groups_and_several_at_once() {
    let groups = vec![
        ("chat", chat(), constant_vus(8)),
        ("upload", upload(FileName::Unique), constant_vus(4)),
    ];
    let plan = Plan::new(scenario(4, groups), Seed(7));
    let users = |group, vus| -> Vec<u32> {
        let sessions = (0..vus).map(|vu| plan.closed_session(GroupIx(group), vu, 0).unwrap());
        sessions.map(|s| plan.script(s).unwrap().user.0).collect()
    };
    assert_eq!(users(0, 8), [0, 1, 2, 3, 0, 1, 2, 3]);
    assert_eq!(users(1, 4), [0, 1, 2, 3]);
}

#[test]
fn operations_bear_the_traits_of_their_group() {
    use Trait::{ManyShortSessions, SameAgent, SameFileName, ServerIds};

    let notes = || upload(FileName::Same("notes.txt".to_owned()));
    let mut server_ids = chat();
    if let SessionSpec::Chat(spec) = &mut server_ids {
        spec.session_ids = SessionIds::Server;
        spec.agent = "marcus".to_owned();
    }
    let traits = |users, group: (SessionSpec, Executor)| -> Vec<Trait> {
        let scenario = scenario(users, vec![("group", group.0, group.1)]);
        let script = Plan::new(scenario, Seed(7)).script(SessionIx(0)).unwrap();
        script.steps[0].traits.iter().collect()
    };
    for (users, group, expect) in [
        (10, (chat(), per_vu(10, 1)), vec![SameAgent]),
        (
            10,
            (chat(), per_vu(10, 2)),
            vec![ManyShortSessions, SameAgent],
        ),
        (
            5,
            (chat(), per_vu(10, 1)),
            vec![ManyShortSessions, SameAgent],
        ),
        (1, (chat(), per_vu(1, 1)), vec![]),
        (9, (chat(), per_vu(1, 1)), vec![]),
        (9, (chat(), constant_vus(1)), vec![ManyShortSessions]),
        (9, (server_ids, per_vu(2, 1)), vec![ServerIds, SameAgent]),
        (9, (notes(), arrivals(1, 9)), vec![SameFileName]),
        (
            9,
            (notes(), arrivals(1, 10)),
            vec![ManyShortSessions, SameFileName],
        ),
        (1, (notes(), arrivals(1, 1)), vec![]),
        (9, (upload(FileName::Unique), arrivals(1, 9)), vec![]),
    ] {
        assert_eq!(traits(users, group.clone()), expect, "{users} {group:?}");
    }
}

#[test]
fn an_agent_is_shared_across_groups() {
    let groups = vec![("a", chat(), per_vu(1, 1)), ("b", voice(), per_vu(2, 1))];
    let plan = Plan::new(scenario(2, groups), Seed(7));
    let script = plan.script(SessionIx(0)).unwrap();
    assert!(script.steps[0].traits.has(Trait::SameAgent));
}

#[test]
fn users_can_have_an_agent_each() {
    let mut own = chat();
    if let SessionSpec::Chat(spec) = &mut own {
        spec.agent = "sage-{user}".to_owned();
    }
    let plan = Plan::new(scenario(3, vec![("a", own, per_vu(3, 2))]), Seed(7));
    let mut agents = BTreeSet::new();
    for session in 0..6 {
        let script = plan.script(SessionIx(session)).unwrap();
        for step in &script.steps {
            let Action::Chat(turn) = &step.action else {
                panic!("{step:?}");
            };
            assert_eq!(turn.agent, format!("sage-u{}", script.user.0));
            assert!(!step.traits.has(Trait::SameAgent));
            agents.insert(turn.agent.clone());
        }
    }
    assert_eq!(agents.len(), 3);
}

proptest! {
    #[test]
    fn senseless_scenarios_do_not_panic(
        users in prop::sample::select(vec![0, 1, u32::MAX]),
        vus in prop::sample::select(vec![0, 1, u32::MAX]),
        iterations in prop::sample::select(vec![0, 1, u32::MAX]),
        number in prop::sample::select(vec![0, 1, SESSIONS_MAX - 1, u32::MAX]),
    ) {
        let mut empty = chat();
        if let SessionSpec::Chat(spec) = &mut empty {
            let (few, many) = (0, 9);
            spec.turns = many..=few;
            spec.words = 0..=0;
        }
        let groups = vec![
            ("a", empty, per_vu(vus, iterations)),
            ("b", voice(), arrivals(iterations, 0)),
        ];
        let plan = Plan::new(scenario(users, groups), Seed(7));
        let script = plan.script(SessionIx(number));
        prop_assert!(script.is_none_or(|script| !script.steps.is_empty()));
        let _ = plan.closed_session(GroupIx(0), number, iterations);
        let _ = plan.arrival(GroupIx(1), number);
    }
}
