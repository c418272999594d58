//! Documents: prose with a canary every 200 characters, made piece by piece.
//!
//! A canary opens and closes the document, and one begins at least every 200 characters while
//! the session's item numbers suffice. So every piece of 300 characters that a chunker cuts out
//! names its sender.

use std::sync::Arc;

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;

use crate::canary::CANARY_LETTERS;

use super::words::Vocabulary;

/// Characters from the beginning of one canary to that of the next.
const SPACING_CHARS: u32 = 200;
/// Characters of a document at least: below this a chunk need not hold a whole canary.
const DOCUMENT_CHARS_MIN: u32 = 300;
/// Characters of a paragraph. A chunker at 1 000 then cuts between paragraphs, not in a word.
const PARAGRAPH_CHARS: usize = 800;

/// A document, generated block by block and never held whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Document {
    /// What the file is called.
    pub file_name: String,
    /// Number of block canaries: the document is canary, filler, canary, … , canary.
    pub blocks: u16,
    /// Characters of filler between two canaries, blanks included.
    pub filler_chars: u16,
    /// Key of the random stream from which the filler's words are drawn.
    pub words_key: [u8; 32],
    /// The words it is written in.
    pub(super) vocabulary: Arc<Vocabulary>,
}

/// A piece of a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Piece {
    /// The canary of this block, counted from 0 within the document.
    Canary(u16),
    /// Words between two canaries, with the blanks around them.
    Filler(String),
}

impl Document {
    /// The pieces in order. Needs memory for one piece at a time.
    pub fn pieces(&self) -> impl Iterator<Item = Piece> + use<> {
        let document = self.clone();
        (0..document.blocks).flat_map(move |block| {
            let filler = (block > 0).then(|| Piece::Filler(document.filler(block)));
            filler.into_iter().chain([Piece::Canary(block)])
        })
    }

    /// Exact length in bytes, given the length of one planted canary.
    pub fn byte_len(&self, canary_bytes: usize) -> u64 {
        let blocks = u64::from(self.blocks);
        let canary_bytes = u64::try_from(canary_bytes).unwrap_or(u64::MAX);
        let filler_bytes = blocks.saturating_sub(1) * u64::from(self.filler_chars);
        blocks
            .saturating_mul(canary_bytes)
            .saturating_add(filler_bytes)
    }

    /// The words before a block's canary. ASCII, so characters are bytes.
    fn filler(&self, block: u16) -> String {
        let chars = usize::from(self.filler_chars);
        let period = chars + CANARY_LETTERS;
        let blocks_per_paragraph = (PARAGRAPH_CHARS / period).max(1);
        let opens_paragraph = usize::from(block).is_multiple_of(blocks_per_paragraph);
        let end = if opens_paragraph { "\n\n" } else { " " };
        let Some(prose_chars) = chars.checked_sub(1 + end.len()) else {
            return " ".repeat(chars);
        };
        let mut rng = ChaCha8Rng::from_seed(self.words_key);
        rng.set_stream(u64::from(block));
        format!(" {}{end}", self.vocabulary.exactly(&mut rng, prose_chars))
    }
}

/// Blocks and filler of a document of about so many characters, with at most so many blocks: the
/// length differs by less than the number of blocks.
pub(super) fn layout(characters: u32, blocks_max: u16) -> (u16, u16) {
    let canary = u32::try_from(CANARY_LETTERS).unwrap_or(u32::MAX);
    let periods_chars = characters.max(DOCUMENT_CHARS_MIN) - canary;
    let periods = periods_chars.div_ceil(SPACING_CHARS);
    let periods = u16::try_from(periods)
        .unwrap_or(u16::MAX)
        .min(blocks_max.saturating_sub(1));
    let period = periods_chars.checked_div(u32::from(periods)).unwrap_or(0);
    let filler = u16::try_from(period.saturating_sub(canary)).unwrap_or(u16::MAX);
    (periods + 1, filler)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn document(characters: u32, blocks_max: u16) -> Document {
        let (blocks, filler_chars) = layout(characters, blocks_max);
        Document {
            file_name: "notes.txt".to_owned(),
            blocks,
            filler_chars,
            words_key: [7; 32],
            vocabulary: Arc::new(Vocabulary::without(&[])),
        }
    }

    /// The text with capital letters for canaries, which the filler does not have so many of.
    fn text(document: &Document) -> String {
        let pieces = document.pieces().map(|piece| match piece {
            Piece::Canary(_) => "#".repeat(CANARY_LETTERS),
            Piece::Filler(words) => words,
        });
        pieces.collect()
    }

    proptest! {
        #[test]
        fn lengths_are_exact_and_canaries_dense(characters in 300..20_000_u32) {
            let document = document(characters, u16::MAX);
            let text = text(&document);
            prop_assert!(text.is_ascii());
            let bytes = u64::try_from(text.len()).unwrap();
            prop_assert_eq!(document.byte_len(CANARY_LETTERS), bytes);
            prop_assert!(bytes <= u64::from(characters));
            prop_assert!(bytes + u64::from(document.blocks) > u64::from(characters));
            let canary = "#".repeat(CANARY_LETTERS);
            prop_assert!(text.starts_with(&canary) && text.ends_with(&canary));
            for start in (0..text.len().saturating_sub(300)).step_by(13) {
                prop_assert!(text[start..start + 300].contains(&canary));
            }
        }
    }

    #[test]
    fn blocks_are_numbered_from_zero_and_stand_between_fillers() {
        let pieces: Vec<Piece> = document(1_000, u16::MAX).pieces().collect();
        assert_eq!(pieces.len(), 11);
        for (ix, piece) in pieces.iter().enumerate() {
            match piece {
                Piece::Canary(block) => assert_eq!(usize::from(*block) * 2, ix),
                Piece::Filler(words) => assert!(ix % 2 == 1 && words.len() > 100),
            }
        }
    }

    #[test]
    fn paragraphs_fit_in_a_chunk_and_open_with_a_canary() {
        let text = text(&document(10_000, u16::MAX));
        let paragraphs: Vec<&str> = text.split("\n\n").collect();
        assert_eq!(paragraphs.len(), 13);
        for paragraph in paragraphs {
            assert!(paragraph.starts_with('#') && paragraph.len() <= PARAGRAPH_CHARS);
        }
    }

    #[test]
    fn over_the_limit_of_blocks_the_spacing_grows() {
        for (characters, blocks_max, expect) in [
            (0, u16::MAX, (3, 87)),
            (300, u16::MAX, (3, 87)),
            (10_042, u16::MAX, (51, 158)),
            (10_042, 11, (11, 958)),
            (10_042, 1, (1, 0)),
            (10_042, 0, (1, 0)),
            (200_000_000, u16::MAX, (u16::MAX, 3_009)),
            (u32::MAX, 3, (3, u16::MAX)),
        ] {
            assert_eq!(
                layout(characters, blocks_max),
                expect,
                "{characters} {blocks_max}"
            );
        }
    }

    #[test]
    fn odd_documents_still_have_their_length() {
        for filler_chars in 0..9 {
            let document = Document {
                filler_chars,
                ..document(2_000, u16::MAX)
            };
            let bytes = u64::try_from(text(&document).len()).unwrap();
            assert_eq!(document.byte_len(CANARY_LETTERS), bytes);
        }
        let empty = Document {
            blocks: 0,
            ..document(2_000, u16::MAX)
        };
        assert_eq!(empty.byte_len(CANARY_LETTERS), 0);
        assert_eq!(empty.pieces().count(), 0);
    }
}
