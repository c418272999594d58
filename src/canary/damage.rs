//! Words that were canaries once: their shape is there, but no check holds, even after correction.

use std::collections::BTreeSet;

use super::CANARY_LETTERS;
use super::text::{self, MAGIC};

/// Letters by which a damaged canary may be longer or shorter than a sound one. A piece of one
/// that a chunk's edge cut off is mostly shorter.
const LETTERS_OFF_MAX: usize = 3;
/// Hundredths of a word with the magic that must be letters of canaries, in whatever place: one
/// letter that is lost moves all behind it.
const LETTERS_WITH_MAGIC_MIN: usize = 50;
/// Hundredths of a word without the magic that must be such letters in their right place: prose
/// does not reach it.
const FITTING_ALONE_MIN: usize = 80;

pub(super) fn is_damaged(normalised: &str) -> bool {
    let sound: BTreeSet<usize> = text::scan(normalised).map(|found| found.start).collect();
    let words: Vec<(usize, &str)> = words(normalised).collect();
    // Chunks are cut at their edges.
    let inner = words.get(1..words.len().saturating_sub(1));
    inner.unwrap_or_default().iter().any(|(start, word)| {
        let is_sound = sound.range(*start..start + word.len()).next().is_some();
        !is_sound && looks_like_one(word)
    })
}

/// The words of a text with their places. What a broken character became is part of its word.
fn words(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let is_part = |c: char| c.is_alphanumeric() || c == char::REPLACEMENT_CHARACTER;
    let mut rest = text;
    std::iter::from_fn(move || {
        let start = rest.find(is_part)?;
        let from = &rest[start..];
        let end = from.find(|c| !is_part(c)).unwrap_or(from.len());
        let place = text.len() - from.len();
        rest = &from[end..];
        Some((place, &from[..end]))
    })
}

fn looks_like_one(word: &str) -> bool {
    // Bytes are never fewer than letters.
    if word.len() < CANARY_LETTERS - LETTERS_OFF_MAX {
        return false;
    }
    let letters = word.chars().count();
    if letters.abs_diff(CANARY_LETTERS) > LETTERS_OFF_MAX {
        return false;
    }
    let behind_magic = || word.chars().skip(MAGIC.len());
    let places = letters.saturating_sub(MAGIC.len());
    if word.starts_with(MAGIC) {
        let known = behind_magic().filter(|c| text::is_letter(*c)).count();
        return known * 100 >= places * LETTERS_WITH_MAGIC_MIN;
    }
    text::fitting_letters(behind_magic()) * 100 >= places * FITTING_ALONE_MIN
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::canary::{find, normalise, plant};
    use crate::model::{CanaryId, CanaryKind, Exactness, RunId, SessionIx, UserIx};

    fn canary(user: u32) -> String {
        let id = CanaryId {
            run: RunId(0x0012_abcd),
            user: UserIx(user),
            session: SessionIx(3),
            item: 4,
            kind: CanaryKind::Block,
        };
        plant(id, &[])
    }

    #[test]
    fn only_what_has_the_shape_and_no_check_is_damaged() {
        let whole = canary(1);
        let mut hopeless = whole.clone();
        hopeless.replace_range(8..12, "qqqq");
        let mut corrigible = whole.clone();
        corrigible.replace_range(10..11, "x");
        let headless = format!("xx{}", &whole[2..]);
        let broken = hopeless.replacen("qq", "\u{fffd}", 1);
        for (word, damaged) in [
            (whole.as_str(), false),
            (&corrigible, false),
            (&hopeless, true),
            (&headless, true),
            (&broken, true),
            (&whole[..20], false),
            ("donaudampfschifffahrtsgesellschaftskapitan", false),
            (&"ab".repeat(21), false),
            (&format!("zq{}", "x".repeat(40)), false),
            (&format!("{whole}{whole}"), false),
        ] {
            let inner = format!("some words {word} and more");
            assert_eq!(is_damaged(&inner), damaged, "{inner}");
            assert!(!is_damaged(&format!("{word} at the front")), "{word}");
            assert!(!is_damaged(&format!("at the end {word}")), "{word}");
        }
        assert!(!is_damaged(""));
    }

    proptest! {
        #[test]
        fn no_cut_through_a_text_with_sound_canaries_damages_it(
            users in prop::collection::vec(0..1_000_u32, 1..4), prose in "[ a-zäöü,.!?\n]{0,40}",
            from in 0..400_usize, length in 0..400_usize,
        ) {
            let canaries: Vec<String> = users.iter().map(|user| canary(*user)).collect();
            let text = format!("{prose} {} {prose}", canaries.join(&format!(" {prose} ")));
            let chunk: String = text.chars().skip(from).take(length).collect();
            prop_assert!(!is_damaged(&normalise(&chunk)), "{}", chunk);
        }

        #[test]
        fn letters_changed_beyond_repair_are_seen(
            user in 0..1_000_u32,
            places in prop::collection::btree_set(2..CANARY_LETTERS, 2..=6),
        ) {
            let mut word = canary(user);
            for place in places {
                word.replace_range(place..=place, "x");
            }
            let text = format!("the word {word} it was");
            let known = find(&text).iter().any(|seen| seen.exactness == Exactness::Corrected);
            prop_assert_eq!(is_damaged(&text), !known);
        }

        #[test]
        fn any_text_can_be_looked_at(text in any::<String>()) {
            is_damaged(&normalise(&text));
        }
    }
}
