use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;
use crate::canary::{find, normalise};
use crate::model::limits::{CONTROL_USERS, SESSIONS_MAX, USERS_MAX};

fn any_id() -> impl Strategy<Value = CanaryId> {
    (
        any::<u32>(),
        0..USERS_MAX,
        0..SESSIONS_MAX,
        any::<u16>(),
        0..3_u8,
    )
        .prop_map(|(run, user, session, item, kind)| CanaryId {
            run: RunId(run),
            user: UserIx(user),
            session: SessionIx(session),
            item,
            kind: match kind {
                0 => CanaryKind::Turn,
                1 => CanaryKind::Block,
                _ => CanaryKind::Control,
            },
        })
}

fn turn(user: u32, session: u32, item: u16) -> CanaryId {
    CanaryId {
        run: RunId(0x0012_abcd),
        user: UserIx(user),
        session: SessionIx(session),
        item,
        kind: CanaryKind::Turn,
    }
}

fn exact(id: CanaryId) -> Vec<SeenCanary> {
    vec![SeenCanary {
        id,
        exactness: Exactness::Exact,
    }]
}

/// Replaces the letter at `ix` by another one.
fn damage(canary: &mut String, ix: usize, choice: u8) {
    let old = canary.as_bytes()[ix];
    let new = (b'a'..=b'z')
        .filter(|letter| *letter != old)
        .nth(usize::from(choice % 25));
    canary.replace_range(ix..=ix, &char::from(new.unwrap()).to_string());
}

proptest! {
    #[test]
    fn an_identity_reads_back_from_any_surroundings(
        id in any_id(), before in "[a-zA-Z0-9 .,;:'*_-]{0,12}", after in "[ -~]{0,12}",
    ) {
        let canary = plant(id, &[]);
        prop_assert_eq!(canary.len(), CANARY_LETTERS);
        prop_assert!(canary.bytes().all(|b| b.is_ascii_lowercase()));
        prop_assert_eq!(find(&format!("{before}{canary}{after}")), exact(id));
    }

    #[test]
    fn damaged_letters_never_prove_an_identity(
        id in any_id(), places in prop::collection::btree_set(2..CANARY_LETTERS, 1..=3),
        choices in prop::array::uniform3(any::<u8>()),
    ) {
        let mut canary = plant(id, &[]);
        for (place, choice) in places.iter().zip(choices) {
            damage(&mut canary, *place, choice);
        }
        for seen in find(&canary) {
            prop_assert_eq!(seen.exactness, Exactness::Corrected);
            prop_assert_eq!(seen.id, id);
        }
    }

    #[test]
    fn foreign_text_holds_no_canary(text in "\\PC{0,200}") {
        prop_assert_eq!(find(&normalise(&text)), vec![]);
    }

    #[test]
    fn random_letters_of_the_right_shape_are_no_canary(bits in any::<u128>()) {
        prop_assert_eq!(from_bits(bits), None);
    }
}

#[test]
fn one_damaged_letter_is_corrected_wherever_it_stands() {
    let id = turn(17, 203, 4);
    for place in 2..CANARY_LETTERS {
        for choice in [0, 7, 14, 21] {
            let mut canary = plant(id, &[]);
            damage(&mut canary, place, choice);
            let corrected = SeenCanary {
                id,
                exactness: Exactness::Corrected,
            };
            assert_eq!(find(&canary), [corrected], "{canary}");
        }
    }
}

#[test]
fn canaries_survive_what_stores_and_models_do_to_words() {
    let id = turn(17, 203, 4);
    let canary = plant(id, &[]);
    let spelled_as = |spell: &dyn Fn(u32) -> String| {
        let letters: Vec<String> = canary.chars().map(|c| spell(u32::from(c))).collect();
        letters.concat()
    };
    let every_letter_then = |mark| {
        let letters = canary.chars().flat_map(|letter| [letter, mark]);
        letters.collect::<String>()
    };
    let full_width = canary
        .chars()
        .map(|c| char::from_u32(u32::from(c) - 0x61 + 0xff41).unwrap());
    for text in [
        canary.to_uppercase(),
        format!("<b>{canary}</b>&nbsp;"),
        spelled_as(&|code| format!("&#{code};")),
        format!("**{canary}** or __{canary}__"),
        format!("`{canary}`"),
        full_width.collect(),
        every_letter_then('\u{200b}'),
        every_letter_then('\u{ad}'),
        format!("“{canary}”, \"{canary}\""),
        format!("{{\"text\":\"word\\n{canary}\\u0022\"}}"),
        spelled_as(&|code| format!("\\u{code:04x}")),
        format!("?q=word%20{canary}%2C"),
        spelled_as(&|code| format!("%{code:02X}")),
        format!("{canary}’s word"),
        format!("word{canary}word"),
        format!("({canary})."),
    ] {
        assert_eq!(find(&normalise(&text)), exact(id), "{text}");
    }
}

#[test]
fn neighbours_share_no_visible_prefix() {
    let first = plant(turn(17, 203, 4), &[]);
    for other in [turn(17, 203, 5), turn(18, 203, 4), turn(17, 204, 4)] {
        let other = plant(other, &[]);
        let same = first.bytes().zip(other.bytes()).filter(|(a, b)| a == b);
        assert!(same.count() < CANARY_LETTERS / 2, "{first} {other}");
        assert_ne!(first[..10], other[..10]);
    }
}

#[test]
fn canaries_of_different_identities_differ() {
    let ids = (0..20).flat_map(|user| {
        (0..20).flat_map(move |session| (0..20).map(move |item| turn(user, session, item)))
    });
    let canaries: BTreeSet<String> = ids.map(|id| plant(id, &[])).collect();
    assert_eq!(canaries.len(), 20 * 20 * 20);
}

#[test]
fn canaries_that_touch_are_all_found() {
    let (first, second) = (turn(1, 1, 1), turn(2, 1, 1));
    let text = format!("zzq{}{}", plant(first, &[]), plant(second, &[]));
    assert_eq!(find(&text), [exact(first), exact(second)].concat());
}

#[test]
fn the_controls_have_canaries() {
    for user in CONTROL_USERS {
        let id = CanaryId {
            kind: CanaryKind::Control,
            ..turn(user, SESSIONS_MAX - 1, u16::MAX)
        };
        assert_eq!(find(&plant(id, &[])), exact(id));
    }
}

#[test]
fn another_spelling_is_taken_where_the_first_holds_a_trigger_word() {
    let id = turn(17, 203, 4);
    let first = plant(id, &[]);
    let trigger = vec![first[5..8].to_owned()];
    let second = plant(id, &trigger);
    assert_ne!(first, second);
    assert_eq!(find(&second), exact(id));
    // No spelling is without the magic: the first one has to do.
    assert_eq!(plant(id, &["zq".to_owned()]), first);
    assert_eq!(plant(id, &[String::new()]), first);
}

#[test]
fn cut_off_canaries_are_not_found() {
    let canary = plant(turn(17, 203, 4), &[]);
    assert_eq!(find(&canary[..CANARY_LETTERS - 1]), []);
    assert_eq!(find(&canary[1..]), []);
    assert_eq!(find("zq"), []);
    assert_eq!(find("q"), []);
}

#[test]
fn spellings_stay_what_they_are() {
    // Stores hold canaries of older versions: they must stay readable.
    assert_eq!(
        plant(turn(17, 203, 4), &[]),
        "zqnubaphukuggokottironhisupropitrumuhbolar"
    );
}
