//! Cuts a document into chunks: paragraphs are joined while they fit, and a long one is cut
//! between words.

/// Characters of a chunk.
const CHUNK_CHARS_MAX: usize = 1_000;
/// A section shorter than this joins the next one.
const SECTION_CHARS_MIN: usize = 500;
/// What stands between two paragraphs of one chunk.
const BETWEEN: &str = "\n\n";

/// How headings are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Markup {
    /// Not at all.
    Plain,
    /// With leading `#`, which are taken away.
    Markdown,
}

/// The chunks of a text in order; none if it holds nothing but white space.
pub(super) fn chunks(text: &str, markup: Markup) -> Vec<String> {
    let text = text.replace("\r\n", "\n");
    let mut chunks = Vec::new();
    let mut open = String::new();
    let mut open_chars = 0;
    for block in text.split(BETWEEN).map(str::trim) {
        if block.is_empty() {
            continue;
        }
        let (block, is_heading) = match markup {
            Markup::Plain => (block, false),
            Markup::Markdown => (
                block.trim_start_matches('#').trim_start(),
                block.starts_with('#'),
            ),
        };
        for piece in pieces(block) {
            let piece_chars = piece.chars().count();
            let joined_chars = open_chars + BETWEEN.len() + piece_chars;
            let closes = is_heading && open_chars >= SECTION_CHARS_MIN;
            if !open.is_empty() && (closes || joined_chars > CHUNK_CHARS_MAX) {
                chunks.push(std::mem::take(&mut open));
                open_chars = 0;
            }
            if !open.is_empty() {
                open.push_str(BETWEEN);
                open_chars += BETWEEN.len();
            }
            open.push_str(piece);
            open_chars += piece_chars;
        }
    }
    if !open.is_empty() {
        chunks.push(open);
    }
    chunks
}

/// A paragraph in pieces that fit in a chunk: whole words, but for a word that is too long.
fn pieces(paragraph: &str) -> impl Iterator<Item = &str> {
    let mut rest = paragraph;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let Some((limit, behind)) = rest.char_indices().nth(CHUNK_CHARS_MAX) else {
            return Some(std::mem::take(&mut rest));
        };
        let cut = if behind.is_whitespace() {
            limit
        } else {
            let word = rest[..limit].rfind(char::is_whitespace);
            word.filter(|at| *at > 0).unwrap_or(limit)
        };
        let (piece, after) = rest.split_at(cut);
        rest = after.trim_start();
        Some(piece.trim_end())
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn words(text: &str) -> Vec<&str> {
        text.split_whitespace().collect()
    }

    #[test]
    fn a_paragraph_of_usual_length_is_a_chunk_of_its_own() {
        let paragraph = "word ".repeat(160);
        let text = [paragraph.trim(); 3].join("\n\n");
        assert_eq!(chunks(&text, Markup::Plain), [paragraph.trim(); 3]);
        assert_eq!(
            chunks("a\n\nb\r\n\r\nc\n\n\n\nd", Markup::Plain),
            ["a\n\nb\n\nc\n\nd"]
        );
        assert!(chunks(" \n\n\t\n", Markup::Plain).is_empty());
    }

    #[test]
    fn headings_open_a_chunk_unless_the_section_is_short() {
        let long = "word ".repeat(120);
        let text = format!("# One\n\n{long}\n\n## Two\n\nshort\n\n# Three\n\nend");
        let cut = chunks(&text, Markup::Markdown);
        assert_eq!(
            cut,
            [
                format!("One\n\n{}", long.trim()),
                "Two\n\nshort\n\nThree\n\nend".into()
            ]
        );
        assert!(chunks(&text, Markup::Plain)[0].starts_with("# One"));
    }

    proptest! {
        #[test]
        fn nothing_is_lost_and_no_word_is_cut(text in "([a-zé]{1,90}[ \n]{1,3}){0,60}") {
            let cut = chunks(&text, Markup::Plain);
            prop_assert!(cut.iter().all(|chunk| chunk.chars().count() <= CHUNK_CHARS_MAX));
            let joined = cut.join(" ");
            prop_assert_eq!(words(&joined), words(&text));
        }

        #[test]
        fn a_word_without_end_is_cut(text in "é{900,2100}") {
            let cut = chunks(&text, Markup::Plain);
            prop_assert!(cut.iter().all(|chunk| chunk.chars().count() <= CHUNK_CHARS_MAX));
            // The pieces are chunks of their own, but for the last ones if they fit together.
            prop_assert_eq!(cut.concat().replace('\n', ""), text);
        }
    }
}
