//! Canaries: proofs of identity that are planted in everything a synthetic user sends, and found
//! again in everything that is read back.
//!
//! `text.rs` spells and reads them, `damage.rs` knows what was one, `normalise.rs` makes texts
//! comparable, `likeness.rs` compares them, `tone.rs` speaks them.
//! Whose canaries count (this run's, another run's) is for the caller to decide.

use crate::model::{CanaryId, Likeness, RunId, SeenCanary};

mod damage;
mod likeness;
mod normalise;
#[cfg(test)]
mod fuzz;
mod text;
pub mod tone;

/// Letters of a planted canary: `zq` and eight proquints.
pub const CANARY_LETTERS: usize = 42;

/// Canaries of one text on which a correction is tried. Behind that only exact ones are found, so
/// that a text full of damaged canaries costs bounded work.
pub const CORRECTIONS_PER_TEXT_MAX: usize = 64;

/// Public key of [`body_hash`]: it keeps the hashes apart from those of other programs.
const BODY_KEY: &[u8; 32] = b"crosswire record body, version 1";

/// The canary of an identity. Of its spellings the first is taken that contains none of the
/// trigger words; if all of them do, the first.
///
/// The numbers of the identity are within their ranges (`UserIx::new`, `SessionIx::new`); higher
/// bits are dropped.
pub fn plant(id: CanaryId, trigger_words: &[String]) -> String {
    text::plant(id, trigger_words)
}

/// The text as canaries are looked for in it: unescaped (one layer of HTML, JSON or URL escapes),
/// NFKC, case folded, without zero-width characters and soft hyphens, white space folded to
/// single blanks and trimmed.
pub fn normalise(text: &str) -> String {
    normalise::normalise(text)
}

/// All canaries of any run in a normalised text, each identity once, sorted. An identity that is
/// found both exact and corrected is exact.
pub fn find(normalised: &str) -> Vec<SeenCanary> {
    let mut seen: Vec<SeenCanary> = text::scan(normalised).map(|found| found.canary).collect();
    seen.sort_unstable();
    // Exact sorts before corrected, so the exact one of two stays.
    seen.dedup_by_key(|canary| canary.id);
    seen
}

/// Does a normalised text hold a word with the shape of a canary whose check fails even after
/// correction? The first and the last word do not count: chunks are cut there.
pub fn is_damaged(normalised: &str) -> bool {
    damage::is_damaged(normalised)
}

/// How a stored text compares with the one that was sent; both as they are. Letters and digits
/// count, nothing else, so that case, Unicode forms, blanks, escapes, quotes, markdown and HTML
/// tags may differ. What was kept and sent is counted in characters of the normalised texts.
pub fn compare(sent: &str, stored: &str) -> Likeness {
    likeness::compare(sent, stored)
}

/// Keyed hash of a normalised body, for comparing records without keeping them.
pub fn body_hash(normalised: &str) -> u64 {
    let hash = blake3::keyed_hash(BODY_KEY, normalised.as_bytes());
    let mut first = [0; 8];
    first.copy_from_slice(&hash.as_bytes()[..8]);
    u64::from_le_bytes(first)
}

/// The first canary of a run in a normalised text, with up to `chars_around` characters either
/// side of it; `None` without one. What is beside another run's canary is not this run's to quote.
pub fn excerpt(normalised: &str, run: RunId, chars_around: usize) -> Option<String> {
    let found = text::scan(normalised).find(|found| found.canary.id.run == run)?;
    let before = &normalised[..found.start];
    let after = &normalised[found.end..];
    let from = before
        .char_indices()
        .rev()
        .take(chars_around)
        .last()
        .map_or(found.start, |(ix, _)| ix);
    let to = after
        .char_indices()
        .nth(chars_around)
        .map_or(normalised.len(), |(ix, _)| found.end + ix);
    Some(normalised[from..to].to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{CanaryKind, Exactness, RunId, SessionIx, UserIx};

    fn id(user: u32) -> CanaryId {
        CanaryId {
            run: RunId(0x0012_abcd),
            user: UserIx(user),
            session: SessionIx(3),
            item: 4,
            kind: CanaryKind::Turn,
        }
    }

    #[test]
    fn found_canaries_are_sorted_and_each_is_there_once() {
        let (first, second) = (plant(id(1), &[]), plant(id(2), &[]));
        let text = format!("{second} and {first}, {second}");
        let exact = |user| SeenCanary {
            id: id(user),
            exactness: Exactness::Exact,
        };
        assert_eq!(find(&text), [exact(1), exact(2)]);
        assert_eq!(find(""), []);
    }

    #[test]
    fn an_exact_sighting_outweighs_a_corrected_one() {
        let whole = plant(id(1), &[]);
        let mut damaged = whole.clone();
        damaged.replace_range(10..11, "x");
        let seen = find(&format!("{damaged} {whole}"));
        assert_eq!(seen.len(), 1);
        assert_eq!(seen[0].exactness, Exactness::Exact);
    }

    #[test]
    fn corrections_are_bounded_but_exact_canaries_are_always_found() {
        let whole = plant(id(1), &[]);
        let mut corrigible = plant(id(2), &[]);
        corrigible.replace_range(10..11, "x");
        let hopeless = format!("zq{} ", "babab".repeat(8));
        let with_damaged = |count| find(&format!("{}{corrigible} {whole}", hopeless.repeat(count)));
        assert_eq!(with_damaged(CORRECTIONS_PER_TEXT_MAX - 1).len(), 2);
        assert_eq!(with_damaged(CORRECTIONS_PER_TEXT_MAX).len(), 1);
    }

    #[test]
    fn an_excerpt_is_cut_at_characters() {
        let canary = plant(id(1), &[]);
        let text = format!("äöü before {canary} after €uro");
        let run = id(1).run;
        assert_eq!(excerpt(&text, run, 0), Some(canary.clone()));
        assert_eq!(
            excerpt(&text, run, 9),
            Some(format!("ü before {canary} after €u"))
        );
        assert_eq!(excerpt(&text, run, 400), Some(text.clone()));
        assert_eq!(excerpt("nothing here", run, 40), None);
    }

    #[test]
    fn only_what_is_beside_a_canary_of_the_run_is_quoted() {
        let ours = plant(id(1), &[]);
        let other = CanaryId {
            run: RunId(7),
            ..id(1)
        };
        let text = format!("{} theirs, and then ours {ours}", plant(other, &[]));
        let quoted = excerpt(&text, id(1).run, 5);
        assert_eq!(quoted, Some(format!("ours {ours}")));
        assert_eq!(excerpt(&text, RunId(8), 5), None);
    }

    #[test]
    fn body_hashes_stay_what_they_are() {
        // Ledgers hold these hashes: they may not change between versions.
        assert_eq!(body_hash("a stored text"), 532_839_305_913_797_880);
    }
}
