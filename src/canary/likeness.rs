//! Is a stored text the one that was sent?
//!
//! Letters and digits are compared, and nothing else: stores rightly change Unicode forms, case,
//! blanks, quotes, escapes, and put markdown or HTML around words.

use std::iter::repeat_n;

use super::normalise::normalise;
use crate::model::Likeness;

/// Longest HTML tag that is passed over, in bytes: `<` to `>`, both included.
const TAG_BYTES_MAX: usize = 200;

pub(super) fn compare(sent: &str, stored: &str) -> Likeness {
    let (sent_text, stored_text) = (normalise(sent), normalise(stored));
    let (sent, stored) = (letters(&sent_text), letters(&stored_text));
    if sent == stored {
        return Likeness::Same;
    }
    let front = common(sent.iter(), stored.iter());
    let back = common(sent.iter().rev(), stored.iter().rev());
    let is_torn = stored.len() < sent.len() && front.saturating_add(back) >= stored.len();
    if !is_torn {
        return Likeness::Altered;
    }
    Likeness::Torn {
        kept: chars(&stored_text),
        sent: chars(&sent_text),
    }
}

/// What of a normalised text is compared. A character that was cut in the middle, and so became
/// U+FFFD or nothing, is none of it.
fn letters(normalised: &str) -> Vec<char> {
    let mut letters = Vec::with_capacity(normalised.len());
    let mut rest = normalised;
    while let Some(character) = rest.chars().next() {
        if let Some(bytes) = tag_bytes(rest) {
            rest = &rest[bytes..];
            continue;
        }
        match character {
            // Upper case, and back, makes these out of those.
            'ß' => letters.extend(repeat_n('s', 2)),
            'ς' => letters.push('σ'),
            _ if character.is_alphanumeric() => letters.push(character),
            _ => {}
        }
        rest = &rest[character.len_utf8()..];
    }
    letters
}

/// The length of the HTML tag at the beginning of a text.
fn tag_bytes(text: &str) -> Option<usize> {
    let name = text.strip_prefix('<')?;
    let name = name.strip_prefix('/').unwrap_or(name);
    let is_tag = name.starts_with(|c: char| c.is_ascii_lowercase());
    let end = text.bytes().take(TAG_BYTES_MAX).position(|b| b == b'>')?;
    is_tag.then_some(end + 1)
}

fn common<'a>(one: impl Iterator<Item = &'a char>, other: impl Iterator<Item = &'a char>) -> usize {
    one.zip(other).take_while(|(a, b)| a == b).count()
}

fn chars(text: &str) -> u32 {
    u32::try_from(text.chars().count()).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SENT: &str = "Grüße aus Köln, said 17 people. Please note the reference word zqbabad.";

    #[test]
    fn what_stores_may_change_is_the_same() {
        let decomposed = SENT.replace('ü', "u\u{308}").replace('ö', "o\u{308}");
        for stored in [
            SENT.to_owned(),
            SENT.to_uppercase(),
            decomposed,
            SENT.replace(' ', "\n\n"),
            SENT.replace("reference", "**reference**"),
            SENT.replace("zqbabad", "`zqbabad`"),
            SENT.replace("Please", "<b class=\"x\">Please</b>"),
            SENT.replace("Please", "&lt;br/&gt;Please"),
            SENT.replace("note", "no\u{ad}te"),
            SENT.replace('ü', "&#252;").replace(',', "\u{2014}"),
            format!("<p>{SENT}</p>\n"),
        ] {
            assert_eq!(compare(SENT, &stored), Likeness::Same, "{stored}");
        }
    }

    #[test]
    fn what_is_cut_off_or_out_is_torn_and_anything_else_altered() {
        let sent = u32::try_from(SENT.chars().count()).unwrap();
        for stored in [
            "Grüße aus",
            "reference word zqbabad.",
            "Grüße aus Köln, said 17 people. Please zqbabad.",
            "Gr\u{fffd}",
            "\u{fffd}ße aus Köln, said 17 people. Please note the reference word zqbabad.",
            "Grüße aus K\u{fffd} the reference word zqbabad.",
        ] {
            let kept = u32::try_from(stored.chars().count()).unwrap();
            assert_eq!(
                compare(SENT, stored),
                Likeness::Torn { kept, sent },
                "{stored}"
            );
        }
        for stored in [
            SENT.replace("17", "18"),
            SENT.replace("Köln", "Koln"),
            format!("{SENT} More."),
            format!("user: {SENT}"),
            "aus Köln".to_owned(),
            "Grüße Köln, said people. Please note the reference word zqbabad.".to_owned(),
            SENT.replace("note the", "the note"),
        ] {
            assert_eq!(compare(SENT, &stored), Likeness::Altered, "{stored}");
        }
    }

    proptest! {
        #[test]
        fn any_hole_is_torn_and_any_changed_letter_altered(
            text in "[a-zäß ]{2,60}", from in 0..60_usize, length in 1..60_usize,
        ) {
            let all: Vec<char> = text.chars().collect();
            let from = from % all.len();
            let to = (from + length).min(all.len());
            let hole: String = all[..from].iter().chain(&all[to..]).collect();
            let has_letters = all[from..to].iter().any(|c| c.is_alphanumeric());
            prop_assert_eq!(
                matches!(compare(&text, &hole), Likeness::Torn { .. }),
                has_letters
            );
            let mut changed = all.clone();
            if changed[from].is_alphanumeric() {
                changed[from] = '7';
                let changed: String = changed.into_iter().collect();
                prop_assert_eq!(compare(&text, &changed), Likeness::Altered);
            }
        }

        #[test]
        fn any_two_texts_can_be_compared(sent in any::<String>(), stored in any::<String>()) {
            let likeness = compare(&sent, &stored);
            prop_assert_eq!(compare(&sent, &sent), Likeness::Same);
            if let Likeness::Torn { .. } = likeness {
                prop_assert!(matches!(compare(&stored, &sent), Likeness::Altered));
            }
        }
    }
}
