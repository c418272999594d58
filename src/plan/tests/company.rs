//! Second users, new credentials, overlap, disturbances, and the traits that tell of them.

use proptest::prelude::*;

use super::*;
use crate::model::Trait;

/// A scenario of one chat group after a change to what its sessions do.
fn chats(users: u32, change: impl Fn(&mut ChatSpec)) -> Scenario {
    let SessionSpec::Chat(mut spec) = chat() else {
        panic!("a chat is a chat");
    };
    spec.turns = 4..=5;
    change(&mut spec);
    let groups = vec![("chat", SessionSpec::Chat(spec), per_vu(users, 2))];
    scenario(users, groups)
}

fn steps_of(scenario: Scenario) -> Vec<Script> {
    scripts(&Plan::new(scenario, Seed(7)), 40)
}

fn texts(scripts: &[Script]) -> Vec<String> {
    let steps = scripts.iter().flat_map(|script| &script.steps);
    steps.map(sent).collect()
}

/// All disturbances at once.
fn disturbed(mut scenario: Scenario) -> Scenario {
    scenario.disturbances = Disturbances {
        cancel_rate: 0.3,
        drop_rate: 0.3,
        early_close_rate: 0.5,
        double_submit_rate: 0.3,
        slow_read_rate: 0.3,
        ..Disturbances::NONE
    };
    scenario
}

fn has(script: &Script, seq: usize, asked: Trait) -> bool {
    script.steps[seq].traits.has(asked)
}

#[test]
fn the_second_half_is_handed_over() {
    let shared = steps_of(chats(8, |spec| spec.second_user = SecondUser::HandOver));
    let mut seconds = BTreeSet::new();
    for script in &shared {
        let half = script.steps.len().div_ceil(2);
        for (seq, step) in script.steps.iter().enumerate() {
            assert_eq!(step.user == script.user, seq < half, "{:?}", step.op);
            assert_eq!(has(script, seq, Trait::HandOver), seq >= half);
            assert_eq!((step.user.0 < 8, step.login), (true, 0));
        }
        assert!(
            script.steps[half..]
                .windows(2)
                .all(|two| two[0].user == two[1].user)
        );
        seconds.insert(script.steps[half].user);
    }
    assert!(seconds.len() > 4, "{seconds:?}");
}

#[test]
fn two_users_send_turn_about() {
    for script in steps_of(chats(2, |spec| spec.second_user = SecondUser::Alternating)) {
        for (seq, step) in script.steps.iter().enumerate() {
            assert_eq!(step.user == script.user, seq % 2 == 0, "{:?}", step.op);
            assert!(has(&script, seq, Trait::SharedSession) && !has(&script, seq, Trait::HandOver));
        }
    }
}

#[test]
fn one_user_alone_shares_with_nobody() {
    for second in [SecondUser::HandOver, SecondUser::Alternating] {
        for script in steps_of(chats(1, |spec| spec.second_user = second)) {
            for (seq, step) in script.steps.iter().enumerate() {
                assert_eq!(step.user, script.user);
                assert!(!has(&script, seq, Trait::HandOver));
                assert!(!has(&script, seq, Trait::SharedSession));
            }
        }
    }
}

#[test]
fn the_second_half_has_a_new_credential() {
    for script in steps_of(chats(3, |spec| spec.relogin = true)) {
        for (seq, step) in script.steps.iter().enumerate() {
            let is_new = seq >= script.steps.len().div_ceil(2);
            assert_eq!((step.user, step.login), (script.user, u8::from(is_new)));
            assert_eq!(has(&script, seq, Trait::Relogin), is_new);
        }
    }
}

#[test]
fn so_many_turns_overlap_and_no_more() {
    for (overlap, rows) in [
        (0, [false, false, false, false]),
        (1, [false, true, false, true]),
        (2, [false, true, true, false]),
        (u16::MAX, [false, true, true, true]),
    ] {
        for script in steps_of(chats(3, |spec| spec.overlap = overlap)) {
            let steps = script.steps.iter().take(4);
            let overlapping: Vec<bool> = steps.map(|step| step.overlaps).collect();
            assert_eq!(overlapping, rows, "{overlap}");
            assert_eq!(has(&script, 1, Trait::SessionOverlap), rows[1]);
            assert!(!has(&script, 0, Trait::SessionOverlap));
        }
    }
}

#[test]
fn each_disturbance_strikes_its_kind_at_its_rate() {
    let plan = Plan::new(disturbed(with_recall()), Seed(7));
    let mut seen = std::collections::BTreeMap::new();
    let mut ops = std::collections::BTreeMap::new();
    for script in scripts(&plan, 160) {
        for step in &script.steps {
            let told = disturbance_traits(step);
            match (&step.action, step.disturbance) {
                (_, None) => assert_eq!(told, []),
                (Action::Ask(_), Some(_)) => panic!("a question was struck"),
                (Action::Chat(_) | Action::Upload(_), Some(Disturbance::Cancel { after })) => {
                    let span = Disturbances::NONE.cancel_after;
                    assert!(span.min <= after && after <= span.max);
                    assert_eq!(told, [Trait::Cancels]);
                }
                (Action::Upload(_), Some(Disturbance::Drop { sent_per_mille })) => {
                    assert!((50..=950).contains(&sent_per_mille));
                    assert_eq!(told, [Trait::DroppedUploads]);
                }
                (Action::Voice(_), Some(Disturbance::CloseEarly)) => {
                    assert_eq!(told, [Trait::EarlyCloses]);
                }
                (Action::Chat(_), Some(Disturbance::SubmitTwice)) => {
                    assert_eq!(told, [Trait::DoubleSubmits]);
                }
                (Action::Chat(_) | Action::Upload(_), Some(Disturbance::ReadSlowly { pause })) => {
                    assert_eq!(pause, Disturbances::NONE.slow_read_pause);
                    assert_eq!(told, [Trait::SlowReaders]);
                }
                other => panic!("{other:?}"),
            }
            if !matches!(step.action, Action::Ask(_)) {
                *ops.entry(script.kind).or_insert(0_u32) += 1;
                *seen.entry(script.kind).or_insert(0_u32) += u32::from(step.disturbance.is_some());
            }
        }
    }
    for (kind, percent) in [
        (OpKind::Chat, 90),
        (OpKind::Upload, 90),
        (OpKind::Voice, 50),
    ] {
        let struck = seen[&kind] * 100 / ops[&kind];
        assert!(
            (percent - 20..=percent + 10).contains(&struck),
            "{kind}: {struck} %"
        );
    }
}

fn disturbance_traits(step: &Step) -> Vec<Trait> {
    use Trait::{Cancels, DoubleSubmits, DroppedUploads, EarlyCloses, SlowReaders};
    let told = [
        Cancels,
        DroppedUploads,
        EarlyCloses,
        DoubleSubmits,
        SlowReaders,
    ];
    let held = told.into_iter().filter(|told| step.traits.has(*told));
    held.collect()
}

#[test]
fn groups_bear_their_traits() {
    use Trait::{LongTexts, ManyUsers, SharedConnections, StartsTogether};

    let traits = |users, change: fn(&mut Group)| {
        let mut scenario = chats(users, |spec| spec.turns = 2..=2);
        change(&mut scenario.groups[0]);
        let script = Plan::new(scenario, Seed(7)).script(SessionIx(0)).unwrap();
        let asked = [StartsTogether, ManyUsers, SharedConnections, LongTexts];
        asked.map(|asked| script.steps.iter().all(|step| step.traits.has(asked)))
    };
    let together: fn(&mut Group) = |group| group.starts_together = true;
    let shared: fn(&mut Group) = |group| group.connections = Connections::Shared(2);
    let long: fn(&mut Group) = |group| {
        if let SessionSpec::Chat(spec) = &mut group.session {
            spec.words = 250..=250;
        }
    };
    for (users, change, expect) in [
        (2, together, [true, false, false, false]),
        (1, together, [false; 4]),
        (49, (|_| ()) as fn(&mut Group), [false; 4]),
        (50, |_| (), [false, true, false, false]),
        (2, shared, [false, false, true, false]),
        (1, shared, [false; 4]),
        (2, long, [false, false, false, true]),
    ] {
        assert_eq!(traits(users, change), expect, "{users}");
    }
}

#[test]
fn recall_asks_in_the_same_words_and_without_a_canary() {
    let groups = vec![("recall", recall(), per_vu(10, 2))];
    for script in steps_of(scenario(10, groups)) {
        let last = script.steps.len() - 1;
        assert!(last >= 2);
        for (seq, step) in script.steps.iter().enumerate() {
            let is_question = seq == 0 || seq == last;
            assert_eq!(has(&script, seq, Trait::SameWords), is_question);
            assert_eq!(has(&script, seq, Trait::AskBeforeTelling), seq == 0);
            assert_eq!(step.item_count, u16::from(!is_question));
            assert_eq!(sent(step) == RECALL_QUESTION, is_question);
        }
    }
}

proptest! {
    #[test]
    fn one_trait_more_leaves_texts_and_users(
        seed in any::<u64>(), second in 0..3_usize, relogin: bool, overlap in 0..4_u16,
        rates in (0.0..0.3, 0.0..0.3, 0.0..0.3),
    ) {
        let scripts_of = |scenario| scripts(&Plan::new(scenario, Seed(seed)), 20);
        let plain = scripts_of(chats(10, |_| ()));
        let mut scenario = chats(10, |spec| {
            spec.second_user = [SecondUser::None, SecondUser::HandOver, SecondUser::Alternating][second];
            spec.relogin = relogin;
            spec.overlap = overlap;
        });
        scenario.disturbances.cancel_rate = rates.0;
        scenario.disturbances.double_submit_rate = rates.1;
        scenario.disturbances.slow_read_rate = rates.2;
        scenario.groups[0].starts_together = true;
        scenario.groups[0].connections = Connections::Shared(1);
        let changed = scripts_of(scenario.clone());
        prop_assert_eq!(texts(&plain), texts(&changed));
        for (before, after) in plain.iter().zip(&changed) {
            prop_assert_eq!(before.user, after.user);
            for (before, after) in before.steps.iter().zip(&after.steps) {
                prop_assert_eq!((before.op, before.pause), (after.op, after.pause));
            }
        }
        // The same once more, and with other disturbances the same users.
        prop_assert_eq!(&scripts_of(scenario.clone()), &changed);
        let calm = scripts_of(Scenario { disturbances: Disturbances::NONE, ..scenario });
        let users = |scripts: &[Script]| -> Vec<UserIx> {
            scripts.iter().flat_map(|script| script.steps.iter().map(|step| step.user)).collect()
        };
        prop_assert_eq!(users(&calm), users(&changed));
    }

    #[test]
    fn a_user_less_leaves_the_texts_of_the_others(seed in any::<u64>(), users in 2..9_u32) {
        let scenario = |users| {
            let mut scenario = chats(8, |spec| spec.second_user = SecondUser::HandOver);
            scenario.users = users;
            disturbed(scenario)
        };
        let of = |users| scripts(&Plan::new(scenario(users), Seed(seed)), 16);
        let (all, fewer) = (of(8), of(users - 1));
        prop_assert_eq!(texts(&all), texts(&fewer));
        for script in &fewer {
            prop_assert!(script.steps.iter().all(|step| step.user.0 < users - 1));
        }
    }

    #[test]
    fn canaries_of_all_turns_are_unique_and_give_their_texts(seed in any::<u64>(), second in 1..3_usize) {
        let scenario = chats(5, |spec| {
            spec.second_user = [SecondUser::None, SecondUser::HandOver, SecondUser::Alternating][second];
        });
        let triggers = scenario.target.trigger_words.clone();
        let plan = Plan::new(scenario, Seed(seed));
        let mut planted = BTreeSet::new();
        for script in scripts(&plan, 10) {
            for step in &script.steps {
                let id = canary_of(step, step.op.seq);
                let canary = plant(id, &triggers);
                let Action::Chat(turn) = &step.action else { continue };
                prop_assert_eq!(plan.turn_text(id), Some(turn.text(&canary)));
                prop_assert!(planted.insert(canary));
                let founder = CanaryId { user: script.user, ..id };
                prop_assert_eq!(plan.turn_text(founder).is_some(), step.user == script.user);
            }
        }
    }
}
