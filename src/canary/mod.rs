//! Canaries: proofs of identity that are planted in everything a synthetic user sends, and found
//! again in everything that is read back.

use crate::model::{CanaryId, SeenCanary};

pub mod tone;

/// Letters of a planted canary: `zq` and eight proquints.
pub const CANARY_LETTERS: usize = 42;

/// The canary of an identity. Of its spellings the first is taken that contains none of the
/// trigger words.
pub fn plant(id: CanaryId, trigger_words: &[String]) -> String {
    let _ = (id, trigger_words);
    unimplemented!()
}

/// The text as canaries are looked for in it: unescaped, NFKC, case folded, without zero-width
/// characters and soft hyphens, white space folded to single blanks.
pub fn normalise(text: &str) -> String {
    let _ = text;
    unimplemented!()
}

/// All canaries of any run in a normalised text, each once, sorted.
pub fn find(normalised: &str) -> Vec<SeenCanary> {
    let _ = normalised;
    unimplemented!()
}

/// Keyed hash of a normalised body, for comparing records without keeping them.
pub fn body_hash(normalised: &str) -> u64 {
    let _ = normalised;
    unimplemented!()
}

/// Up to `chars_around` characters either side of the first canary of a normalised text; `None`
/// without one.
pub fn excerpt(normalised: &str, chars_around: usize) -> Option<String> {
    let _ = (normalised, chars_around);
    unimplemented!()
}
