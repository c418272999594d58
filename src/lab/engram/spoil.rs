//! Texts that planted faults change on their way into the store.

use super::echo;
use crate::canary::{self, CANARY_LETTERS};
use crate::lab::faults::FaultKind;
use crate::lab::races::Hits;
use crate::lab::stamp::Dice;
use crate::model::Code;

/// Letters that are changed in a text.
const FLIPS: usize = 3;
/// Letters of a canary that stay, so that it can be told what it was.
const MAGIC_LETTERS: usize = 2;

/// What has become of a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Spoilt {
    pub(super) text: String,
    pub(super) fault: FaultKind,
    pub(super) code: Code,
}

/// Changes a text as the first fault that strikes it does; `None` if none changes anything.
/// Only texts with a canary are touched: in others nothing could be proved.
pub(super) fn spoil(text: &str, hits: &Hits, dice: &Dice) -> Option<Spoilt> {
    let word = echo::reference_word(text)?;
    let cut = || {
        let limit = hits.of(FaultKind::Truncate)?.limit;
        let text = cut(text, limit)?;
        // What names nobody any more is not a torn text of somebody.
        let named = text.contains(&word);
        named.then_some((text, FaultKind::Truncate, Code::Torn))
    };
    let flipped = || {
        let text = hits
            .has(FaultKind::FlipBytes)
            .then(|| flip(text, &word, dice))??;
        Some((text, FaultKind::FlipBytes, Code::Altered))
    };
    // The user's message of the turn cannot be told lost as well: what stands in its place in its
    // session may be it.
    let damaged = || {
        let text = hits
            .has(FaultKind::DamageCanary)
            .then(|| damage(text, &word))??;
        Some((text, FaultKind::DamageCanary, Code::Unattributable))
    };
    let (text, fault, code) = cut().or_else(flipped).or_else(damaged)?;
    Some(Spoilt { text, fault, code })
}

/// Cuts a text after so many characters. Where a character of several bytes is near it is cut
/// in the middle, as by a program that counts bytes.
fn cut(text: &str, limit: usize) -> Option<String> {
    let (at, next) = text.char_indices().nth(limit)?;
    let end = if next.len_utf8() > 1 { at + 1 } else { at };
    Some(String::from_utf8_lossy(&text.as_bytes()[..end]).into_owned())
}

/// Changes letters outside of the canaries; `None` if there are none.
fn flip(text: &str, word: &str, dice: &Dice) -> Option<String> {
    let of_canary = |at: usize| {
        let around = text.match_indices(word);
        around
            .map(|(start, _)| start..start + word.len())
            .any(|range| range.contains(&at))
    };
    let letters = text.char_indices();
    let free: Vec<usize> = letters
        .filter(|(at, letter)| letter.is_ascii_lowercase() && !of_canary(*at))
        .map(|(at, _)| at)
        .collect();
    if free.is_empty() {
        return None;
    }
    let mut bytes = text.as_bytes().to_vec();
    for _ in 0..FLIPS {
        let at = free.get(dice.pick(free.len())).copied()?;
        if let Some(byte) = bytes.get_mut(at) {
            *byte = if *byte == b'x' { b'k' } else { b'x' };
        }
    }
    let flipped = String::from_utf8(bytes).ok()?;
    (flipped != text).then_some(flipped)
}

/// Turns the letters of all canaries round, all but the first two.
fn damage(text: &str, word: &str) -> Option<String> {
    let (magic, rest) = word.split_at_checked(MAGIC_LETTERS)?;
    let turned: String = rest.chars().rev().collect();
    let damaged = text.replace(word, &format!("{magic}{turned}"));
    let gone = canary::find(&canary::normalise(&damaged)).is_empty();
    (gone && rest.len() + MAGIC_LETTERS == CANARY_LETTERS).then_some(damaged)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{CanaryId, CanaryKind, RunId, SessionIx, UserIx};

    fn word() -> String {
        let id = CanaryId {
            run: RunId(0x0012_abcd),
            user: UserIx(1),
            session: SessionIx(2),
            item: 3,
            kind: CanaryKind::Turn,
        };
        canary::plant(id, &[])
    }

    fn text() -> String {
        let word = word();
        format!(
            "Please take {word} and {}end with {word}.",
            "some more words ".repeat(20)
        )
    }

    #[test]
    fn a_cut_keeps_whole_characters_or_tears_one() {
        assert_eq!(cut("abcdef", 6), None);
        assert_eq!(cut("abcdef", 3).as_deref(), Some("abc"));
        assert_eq!(cut("abcüef", 3).as_deref(), Some("abc\u{fffd}"));
    }

    #[test]
    fn flips_leave_the_canaries_alone() {
        let (text, word) = (text(), word());
        let flipped = flip(&text, &word, &Dice::new()).unwrap();
        assert_ne!(flipped, text);
        assert_eq!(flipped.len(), text.len());
        assert_eq!(flipped.matches(&word).count(), 2);
        assert_eq!(flip(&word, &word, &Dice::new()), None);
    }

    #[test]
    fn damaged_canaries_name_nobody() {
        let (text, word) = (text(), word());
        let damaged = damage(&text, &word).unwrap();
        assert!(!damaged.contains(&word));
        assert_eq!(damaged.len(), text.len());
        assert_eq!(canary::find(&canary::normalise(&damaged)), []);
    }
}
