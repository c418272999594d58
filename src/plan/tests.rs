use std::collections::BTreeSet;

use super::words::ENGRAM_TRIGGERS;
use super::*;
use crate::canary::{CANARY_LETTERS, plant};
use crate::model::{CanaryId, CanaryKind, RunId};
use crate::scenario::{
    AuthKind, ChatSpec, Connections, Disturbances, Executor, FileName, Memory, OwnerTemplate,
    Paths, Pause, PerChannel, RecallSpec, SecondUser, SessionIds, SessionSpec, Settle, Store,
    Target, Timeouts, UploadSpec, VoiceSpec,
};

mod company;
mod sessions;

const SECOND: Duration = Duration::from_secs(1);

fn target() -> Target {
    let owner = OwnerTemplate {
        before: "dev-oid-".to_owned(),
        after: String::new(),
    };
    Target {
        url: None,
        paths: Paths {
            chat: "/chat".to_owned(),
            upload: "/upload".to_owned(),
            voice: "/voice/{session}".to_owned(),
            stream: "/stream/{session}".to_owned(),
            turn: "/turn".to_owned(),
            health: "/health".to_owned(),
            memory: "/memory".to_owned(),
            session: "/session/{session}".to_owned(),
        },
        auth: AuthKind::Dev,
        socket_token: crate::scenario::TokenPlace::Header,
        bodies: crate::scenario::Bodies::default(),
        answers: crate::scenario::Answers::default(),
        expected_owner: PerChannel {
            chat: owner.clone(),
            upload: owner.clone(),
            stream: owner.clone(),
            turn: owner.clone(),
            voice: owner,
        },
        placeholders: Vec::new(),
        timeouts: Timeouts {
            connect: SECOND,
            chat: SECOND,
            upload: SECOND,
            voice: SECOND,
            stream: SECOND,
            turn: SECOND,
        },
        trigger_words: ENGRAM_TRIGGERS.map(str::to_owned).to_vec(),
        apologies: Vec::new(),
    }
}

fn think() -> Pause {
    Pause {
        min: Duration::from_millis(100),
        max: Duration::from_millis(300),
    }
}

fn chat() -> SessionSpec {
    SessionSpec::Chat(ChatSpec {
        turns: 2..=4,
        think: think(),
        words: 8..=20,
        agent: "elena".to_owned(),
        session_ids: SessionIds::Client,
        second_user: SecondUser::None,
        relogin: false,
        overlap: 0,
    })
}

fn upload(file_name: FileName) -> SessionSpec {
    SessionSpec::Upload(UploadSpec {
        uploads: 1..=3,
        think: think(),
        characters: 300..=3_000,
        file_name,
    })
}

fn voice() -> SessionSpec {
    SessionSpec::Voice(VoiceSpec {
        turns: 2..=2,
        think: think(),
        speed: 1.0,
        agent: "elena".to_owned(),
    })
}

fn per_vu(vus: u32, iterations: u32) -> Executor {
    Executor::PerVuIterations {
        vus,
        iterations,
        max_duration: 60 * SECOND,
    }
}

fn constant_vus(vus: u32) -> Executor {
    Executor::ConstantVus {
        vus,
        duration: 60 * SECOND,
    }
}

fn arrivals(rate: u32, seconds: u32) -> Executor {
    Executor::ConstantArrivalRate {
        rate,
        time_unit: SECOND,
        duration: seconds * SECOND,
        max_vus: 100,
    }
}

fn scenario(users: u32, groups: Vec<(&str, SessionSpec, Executor)>) -> Scenario {
    let groups = groups.into_iter().zip(0..);
    Scenario {
        name: "mixed".to_owned(),
        description: String::new(),
        target: target(),
        memory: Memory {
            store: Store::Lab,
            settle: Settle {
                task_limit: SECOND,
                deadline: SECOND,
                pause: SECOND,
            },
            read_timeout: SECOND,
            read_concurrency: 1,
            lag_sample_every: 0,
            dialect: None,
            key_env: String::new(),
            create_users: false,
            also_create: Vec::new(),
        },
        users,
        groups: groups
            .map(|((name, session, executor), ix)| Group {
                ix: GroupIx(ix),
                name: name.to_owned(),
                session,
                executor,
                start_time: 2 * SECOND,
                graceful_stop: SECOND,
                connections: Connections::Own,
                starts_together: false,
            })
            .collect(),
        disturbances: Disturbances::NONE,
        pool: Vec::new(),
        accept: Vec::new(),
        caps: crate::scenario::Caps::default(),
        logs: crate::scenario::PatternTexts::default(),
    }
}

fn mixed() -> Scenario {
    scenario(
        10,
        vec![
            ("chat", chat(), per_vu(10, 2)),
            ("upload", upload(FileName::Unique), arrivals(5, 4)),
            ("voice", voice(), constant_vus(5)),
        ],
    )
}

fn recall() -> SessionSpec {
    SessionSpec::Recall(RecallSpec {
        turns: 1..=3,
        think: think(),
        words: 8..=20,
        agent: "elena".to_owned(),
    })
}

/// The mixed scenario with a group of recall sessions.
fn with_recall() -> Scenario {
    scenario(
        10,
        vec![
            ("chat", chat(), per_vu(10, 2)),
            ("upload", upload(FileName::Unique), arrivals(5, 4)),
            ("voice", voice(), constant_vus(5)),
            ("recall", recall(), per_vu(10, 2)),
        ],
    )
}

/// A canary of a turn.
fn canary_of(step: &Step, item: u16) -> CanaryId {
    CanaryId {
        run: RunId(1),
        user: step.user,
        session: step.op.session,
        item,
        kind: CanaryKind::Turn,
    }
}

fn scripts(plan: &Plan, sessions: u32) -> Vec<Script> {
    let scripts = (0..sessions).filter_map(|number| plan.script(SessionIx(number)));
    scripts.collect()
}

/// Everything that a step sends, with `#` for each canary.
fn sent(step: &Step) -> String {
    match &step.action {
        Action::Chat(turn) => turn.text("#"),
        Action::Ask(question) => question.text.clone(),
        Action::Upload(document) => {
            let pieces = document.pieces().map(|piece| match piece {
                Piece::Canary(_) => "#".to_owned(),
                Piece::Filler(words) => words,
            });
            pieces.collect()
        }
        Action::Voice(_) => "#".to_owned(),
        Action::Trespass(trespass) => trespass.query.clone(),
    }
}

#[test]
fn the_digest_of_a_plan_stays_what_it_is() {
    // Reports are compared by it: when it changes on purpose, raise the version in `digest.rs`.
    assert_eq!(
        Plan::new(mixed(), Seed(7)).digest(),
        "8d5ebd37cf09ae3947c8b7f347901550"
    );
}

#[test]
fn the_digest_knows_what_shapes_the_plan_and_nothing_else() {
    let digest = |change: fn(&mut Scenario)| {
        let mut scenario = mixed();
        change(&mut scenario);
        Plan::new(scenario, Seed(7)).digest()
    };
    let plain = digest(|_| ());
    assert_eq!(plain.len(), 32);
    assert_ne!(plain, Plan::new(mixed(), Seed(8)).digest());
    for change in [
        (|s| s.users = 11) as fn(&mut Scenario),
        |s| s.groups[2].executor = constant_vus(6),
        |s| s.groups[0].start_time = Duration::ZERO,
        |s| s.target.trigger_words = vec!["garden".to_owned()],
        |s| s.groups.truncate(2),
    ] {
        assert_ne!(digest(change), plain);
    }
    for change in [
        (|s| s.target.timeouts.chat = 2 * SECOND) as fn(&mut Scenario),
        |s| s.target.url = "http://127.0.0.1:8000".parse().ok(),
        |s| s.memory.store = Store::None,
    ] {
        assert_eq!(digest(change), plain);
    }
}

#[test]
fn equal_inputs_give_equal_scripts() {
    let plan = Plan::new(mixed(), Seed(7));
    let first = scripts(&plan, 200);
    assert_eq!(first, scripts(&Plan::new(mixed(), Seed(7)), 200));
    let other = scripts(&Plan::new(mixed(), Seed(8)), 200);
    let hashes = |scripts: &[Script]| -> BTreeSet<u64> {
        let steps = scripts.iter().flat_map(|script| &script.steps);
        let texts = steps.filter(|step| matches!(step.action, Action::Chat(_)));
        texts.map(|step| step.text_hash).collect()
    };
    assert!(hashes(&first).is_disjoint(&hashes(&other)));
}

#[test]
fn every_operation_has_a_text_of_its_own() {
    let plan = Plan::new(mixed(), Seed(7));
    let mut hashes = BTreeSet::new();
    let mut texts = BTreeSet::new();
    for script in scripts(&plan, 60) {
        for step in script.steps.iter().filter(|_| script.kind != OpKind::Voice) {
            assert!(hashes.insert(step.text_hash), "{:?}", step.op);
            assert!(texts.insert(sent(step)), "{:?}", step.op);
        }
    }
}

#[test]
fn a_group_more_leaves_the_texts_of_the_others() {
    let with = Plan::new(mixed(), Seed(7));
    let mut fewer = mixed();
    fewer.groups.truncate(2);
    let without = Plan::new(fewer, Seed(7));
    for number in 0..40 {
        let there = with.script(SessionIx(number / 2 * 3 + number % 2)).unwrap();
        let here = without.script(SessionIx(number)).unwrap();
        assert_eq!(there.user, here.user);
        if there.kind == OpKind::Chat {
            let texts = |script: &Script| script.steps.iter().map(sent).collect::<Vec<_>>();
            assert_eq!(texts(&there), texts(&here));
        }
    }
}

#[test]
fn fewer_users_or_virtual_users_leave_the_texts_of_the_others() {
    let texts = |users, vus| {
        let groups = vec![("chat", chat(), per_vu(vus, 3))];
        let plan = Plan::new(scenario(users, groups), Seed(7));
        let session = plan.closed_session(GroupIx(0), 4, 2).unwrap();
        let script = plan.script(session).unwrap();
        script
            .steps
            .iter()
            .map(|step| step.text_hash)
            .collect::<Vec<_>>()
    };
    assert_eq!(texts(10, 10), texts(9, 10));
    assert_eq!(texts(10, 10), texts(10, 9));
}

#[test]
fn texts_hold_their_canaries_and_no_trigger_word() {
    let plan = Plan::new(mixed(), Seed(7));
    for script in scripts(&plan, 120) {
        for step in &script.steps {
            let text = sent(step).to_lowercase();
            let canaries = match step.action {
                Action::Chat(_) => 2 * step.item_count,
                Action::Ask(_) | Action::Upload(_) | Action::Voice(_) | Action::Trespass(_) => {
                    step.item_count
                }
            };
            assert_eq!(text.matches('#').count(), usize::from(canaries));
            for trigger in ENGRAM_TRIGGERS {
                assert!(!text.contains(trigger), "{trigger} in {text}");
            }
        }
    }
}

#[test]
fn chat_turns_begin_and_end_in_a_stable_frame() {
    let plan = Plan::new(mixed(), Seed(7));
    let script = plan.script(SessionIx(0)).unwrap();
    for step in &script.steps {
        let text = sent(step);
        assert!(text.starts_with("For reference #: "), "{text}");
        assert!(
            text.ends_with(". Please finish your answer with the reference word #."),
            "{text}"
        );
    }
}

#[test]
fn long_chat_turns_stay_below_the_limit_of_stores() {
    let mut scenario = mixed();
    if let SessionSpec::Chat(spec) = &mut scenario.groups[0].session {
        spec.words = u16::MAX..=u16::MAX;
    }
    let script = Plan::new(scenario, Seed(7)).script(SessionIx(0)).unwrap();
    let text = sent(&script.steps[0]);
    assert!(text.chars().count() > 1_000);
    assert!(text.len() + 2 * CANARY_LETTERS < 2_500);
}

#[test]
fn canaries_of_a_session_are_unique() {
    let plan = Plan::new(mixed(), Seed(7));
    for script in scripts(&plan, 90) {
        let mut canaries = BTreeSet::new();
        for step in &script.steps {
            for item in step.item_first..step.item_first + step.item_count {
                let canary = plant(canary_of(step, item), &[]);
                assert!(canaries.insert(canary), "{:?} {item}", step.op);
            }
        }
    }
}

#[test]
fn the_text_of_a_turn_is_made_again_from_its_canary() {
    let plan = Plan::new(with_recall(), Seed(7));
    let (mut told, mut silent) = (0, 0);
    for script in scripts(&plan, 160) {
        for step in &script.steps {
            let id = canary_of(step, step.op.seq);
            let expect = match &step.action {
                Action::Chat(turn) => {
                    Some(turn.text(&plant(id, &ENGRAM_TRIGGERS.map(str::to_owned))))
                }
                Action::Ask(_) | Action::Upload(_) | Action::Voice(_) | Action::Trespass(_) => None,
            };
            assert_eq!(plan.turn_text(id), expect, "{:?}", step.op);
            match expect {
                Some(_) => told += 1,
                None => silent += 1,
            }
            let others = [
                CanaryId {
                    kind: CanaryKind::Block,
                    ..id
                },
                CanaryId {
                    user: UserIx(step.user.0 + 1),
                    ..id
                },
                CanaryId {
                    item: u16::MAX,
                    ..id
                },
                CanaryId {
                    session: SessionIx(u32::MAX),
                    ..id
                },
            ];
            assert!(others.iter().all(|other| plan.turn_text(*other).is_none()));
        }
    }
    assert!(told > 50 && silent > 50, "{told} {silent}");
}

#[test]
fn blocks_of_a_session_fit_in_its_item_numbers() {
    let spec = SessionSpec::Upload(UploadSpec {
        uploads: 7..=7,
        think: think(),
        characters: u32::MAX..=u32::MAX,
        file_name: FileName::Unique,
    });
    let plan = Plan::new(scenario(1, vec![("upload", spec, per_vu(1, 1))]), Seed(7));
    let steps = plan.script(SessionIx(0)).unwrap().steps;
    let mut next = 0;
    for step in &steps {
        assert_eq!(step.item_first, next);
        next = next.checked_add(step.item_count).unwrap();
    }
    assert!(next > u16::MAX - 7);
}

#[test]
fn first_turns_start_at_once_and_others_think() {
    let plan = Plan::new(mixed(), Seed(7));
    for script in scripts(&plan, 120) {
        for step in &script.steps {
            let is_arrival = script.group == GroupIx(1);
            let is_first_of_vu = script.session.0 < 3 * 10 && script.group == GroupIx(0)
                || script.session.0 < 3 * 5 && script.group == GroupIx(2);
            if step.op.seq == 0 && (is_arrival || is_first_of_vu) {
                assert_eq!(step.pause, Duration::ZERO, "{:?}", step.op);
            } else {
                let think = think();
                assert!(
                    think.min <= step.pause && step.pause <= think.max,
                    "{:?}",
                    step.op
                );
            }
        }
    }
}

#[test]
fn the_first_session_of_each_virtual_user_is_known() {
    let plan = Plan::new(mixed(), Seed(7));
    for (group, vus) in [(GroupIx(0), 3), (GroupIx(2), 3)] {
        for vu in 0..vus {
            for iteration in 0..2 {
                let session = plan.closed_session(group, vu, iteration).unwrap();
                assert_eq!(plan.is_first_of_vu(session), iteration == 0, "{session:?}");
            }
        }
    }
    let (arrival, _) = plan.arrival(GroupIx(1), 0).unwrap();
    assert!(
        !plan.is_first_of_vu(arrival),
        "an arrival has no virtual user"
    );
}
