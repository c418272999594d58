//! The canary finder against anything that may be read: it never panics, finds what was planted
//! whatever was done to it, and finds nothing that was not.

use proptest::prelude::*;

use super::*;
use crate::model::{CanaryKind, Exactness, RunId, SessionIx, UserIx};

/// What servers, stores and models do to a text without changing its words.
const TRANSFORMATIONS: [fn(&str) -> String; 12] = [
    |text| text.to_uppercase(),
    |text| each(text, &|c| format!("&#{};", u32::from(c))),
    |text| format!("**{text}**"),
    |text| format!("`{text}`"),
    |text| each(text, &|c| full_width(c).to_string()),
    |text| each(text, &|c| format!("{c}\u{200b}")),
    |text| each(text, &|c| format!("{c}\u{ad}")),
    |text| format!("“{text}”"),
    |text| each(text, &|c| format!("\\u{:04x}", u32::from(c))),
    |text| each(text, &|c| format!("%{:02X}", u32::from(c))),
    |text| format!("{text}’s"),
    |text| format!("{{\\\"text\\\":\\\"{text}\\\"}}"),
];

fn each(text: &str, spell: &dyn Fn(char) -> String) -> String {
    text.chars().map(spell).collect()
}

fn full_width(letter: char) -> char {
    char::from_u32(u32::from(letter) + 0xfee0).unwrap_or(letter)
}

fn any_id() -> impl Strategy<Value = CanaryId> {
    (any::<u32>(), 0..1_u32 << 24, 0..1_u32 << 20, any::<u16>()).prop_map(
        |(run, user, session, item)| CanaryId {
            run: RunId(run),
            user: UserIx(user),
            session: SessionIx(session),
            item,
            kind: CanaryKind::Turn,
        },
    )
}

/// Everything that is asked of a text.
fn look(text: &str, chars_around: usize) -> Vec<SeenCanary> {
    let normalised = normalise(text);
    body_hash(&normalised);
    let first = find(&normalised).first().map(|seen| seen.id.run);
    if let Some(excerpt) = first.and_then(|run| excerpt(&normalised, run, chars_around)) {
        assert!(normalised.contains(&excerpt));
    }
    find(&normalised)
}

proptest! {
    #[test]
    fn no_bytes_break_it(
        bytes in proptest::collection::vec(any::<u8>(), 0..600), chars_around in 0..80_usize,
    ) {
        look(&String::from_utf8_lossy(&bytes), chars_around);
    }

    #[test]
    fn no_escapes_and_beginnings_of_canaries_break_it(
        pieces in proptest::collection::vec(
            prop_oneof![
                Just("zq".to_owned()), Just("&#".to_owned()), Just("&amp;".to_owned()),
                Just("\\u".to_owned()), Just("%".to_owned()), Just("\\".to_owned()),
                Just("ﬃ".to_owned()), Just("\u{200d}".to_owned()), "[a-z0-9;]{0,9}",
                any_id().prop_map(|id| plant(id, &[])), "\\PC{0,3}",
            ],
            0..40,
        ),
    ) {
        look(&pieces.concat(), 40);
    }

    #[test]
    fn what_was_planted_is_found_after_every_transformation(
        id in any_id(),
        before in "[ a-zA-Zäöüß.,:;!?0-9-]{0,60}", after in "[ a-zA-Zäöüß.,:;!?0-9-]{0,60}",
    ) {
        let canary = plant(id, &[]);
        let exact = SeenCanary { id, exactness: Exactness::Exact };
        for (number, transform) in TRANSFORMATIONS.iter().enumerate() {
            let text = format!("{before} {} {after}", transform(&canary));
            prop_assert!(look(&text, 40).contains(&exact), "{number}: {text}");
        }
    }

    #[test]
    fn letters_of_the_right_shape_prove_nothing(
        words in proptest::collection::vec("zq([bdfghjklmnprstvz][aiou][bdfghjklmnprstvz][aiou][bdfghjklmnprstvz]){8}", 1..8),
    ) {
        let seen = look(&words.join(" "), 0);
        prop_assert!(seen.iter().all(|canary| canary.exactness != Exactness::Exact), "{seen:?}");
    }
}
