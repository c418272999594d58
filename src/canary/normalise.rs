//! Texts as they are compared: what servers, stores and models may do to a text without changing
//! its words is undone or folded away.
//!
//! One layer of escapes is taken off. Markdown stays: it stands beside words, not in them.

use std::borrow::Cow;

use unicode_normalization::UnicodeNormalization;

/// Longest HTML entity that is looked for, in bytes: `&` to `;`, both included.
const ENTITY_BYTES_MAX: usize = 10;
/// Bytes of a text that are looked at together.
const PIECE_BYTES: usize = 32;

pub(super) fn normalise(text: &str) -> String {
    let unescaped = unescape(text);
    if unescaped.is_ascii() {
        ascii_folded(&unescaped)
    } else {
        let visible = unescaped.nfkc().filter(|c| !is_invisible(*c));
        let folded: String = visible.flat_map(char::to_lowercase).collect();
        blanks_folded(&folded)
    }
}

/// The words of a text with one blank between them.
fn blanks_folded(text: &str) -> String {
    let mut folded = String::with_capacity(text.len());
    for word in text.split_whitespace() {
        if !folded.is_empty() {
            folded.push(' ');
        }
        folded.push_str(word);
    }
    folded
}

/// The same for ASCII, in lower case: most texts are of this kind, and reading a
/// store spends much of its time here.
fn ascii_folded(text: &str) -> String {
    let mut folded = String::with_capacity(text.len());
    let mut rest = text;
    while !rest.is_empty() {
        // Every place of an ASCII text is one between characters.
        let (piece, behind) = rest.split_at(rest.len().min(PIECE_BYTES));
        rest = behind;
        let after_blank = folded.is_empty() || folded.ends_with(' ');
        if is_folded(piece.as_bytes()) && !(after_blank && piece.starts_with(' ')) {
            folded.push_str(piece);
            continue;
        }
        for character in piece.chars() {
            if !matches!(character, ' ' | '\t'..='\r') {
                folded.push(character);
            } else if !folded.is_empty() && !folded.ends_with(' ') {
                folded.push(' ');
            }
        }
    }
    if folded.ends_with(' ') {
        folded.pop();
    }
    folded.make_ascii_lowercase();
    folded
}

/// Are the only blanks of a piece single spaces? Without a way out of the loops they run over many
/// bytes at once.
fn is_folded(piece: &[u8]) -> bool {
    let is_control = |byte: &u8| matches!(byte, b'\t'..=b'\r');
    let has_control = piece.iter().fold(false, |found, b| found | is_control(b));
    let behind = piece.get(1..).unwrap_or_default();
    let are_spaces = |(first, second): (&u8, &u8)| *first == b' ' && *second == b' ';
    let pairs = piece.iter().zip(behind);
    let has_two = pairs.fold(false, |found, pair| found | are_spaces(pair));
    !has_control && !has_two
}

/// Characters that take no room on a screen: zero-width, soft hyphen, marks of direction, variant
/// selectors.
fn is_invisible(character: char) -> bool {
    matches!(
        character,
        '\u{ad}'
            | '\u{34f}'
            | '\u{180e}'
            | '\u{200b}'..='\u{200f}'
            | '\u{202a}'..='\u{202e}'
            | '\u{2060}'..='\u{2069}'
            | '\u{fe00}'..='\u{fe0f}'
            | '\u{feff}'
    )
}

fn unescape(text: &str) -> Cow<'_, str> {
    let is_lead = |c: char| matches!(c, '&' | '\\' | '%');
    // Without a way out of the loop it runs over many bytes at once.
    let is_lead_byte = |byte| matches!(byte, b'&' | b'\\' | b'%');
    let has_lead = |found, byte| found | is_lead_byte(byte);
    if !text.bytes().fold(false, has_lead) {
        return Cow::Borrowed(text);
    }
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(lead_ix) = rest.find(is_lead) {
        plain.push_str(&rest[..lead_ix]);
        rest = &rest[lead_ix..];
        let escape = match rest.as_bytes()[0] {
            b'&' => entity(rest),
            b'%' => percent(rest),
            _ => backslash(rest),
        };
        // What looks like an escape and is none stands for itself.
        let (character, bytes) = escape.unwrap_or((char::from(rest.as_bytes()[0]), 1));
        plain.push(character);
        rest = &rest[bytes..];
    }
    plain.push_str(rest);
    Cow::Owned(plain)
}

/// The character of an HTML entity at the beginning of a text, and the bytes it takes.
fn entity(text: &str) -> Option<(char, usize)> {
    let end = text
        .bytes()
        .take(ENTITY_BYTES_MAX)
        .position(|b| b == b';')?;
    let name = &text[1..end];
    let character = match name {
        "amp" => '&',
        "lt" => '<',
        "gt" => '>',
        "quot" => '"',
        "apos" => '\'',
        "nbsp" => '\u{a0}',
        "shy" => '\u{ad}',
        _ => {
            let number = name.strip_prefix('#')?;
            let code = match number.strip_prefix(['x', 'X']) {
                Some(digits) => hexadecimal(digits)?,
                None => number.parse().ok()?,
            };
            char::from_u32(code)?
        }
    };
    Some((character, end + 1))
}

/// The character of a JSON escape at the beginning of a text, and the bytes it takes.
fn backslash(text: &str) -> Option<(char, usize)> {
    let character = match text.as_bytes().get(1)? {
        b'n' => '\n',
        b'r' => '\r',
        b't' => '\t',
        b'"' => '"',
        b'/' => '/',
        b'\\' => '\\',
        b'u' => return unicode_escape(text),
        _ => return None,
    };
    Some((character, 2))
}

fn unicode_escape(text: &str) -> Option<(char, usize)> {
    let first = hexadecimal(text.get(2..6)?)?;
    if let Some(character) = char::from_u32(first) {
        return Some((character, 6));
    }
    let second = hexadecimal(text.get(6..12)?.strip_prefix("\\u")?)?;
    let pair = [u16::try_from(first).ok()?, u16::try_from(second).ok()?];
    let character = char::decode_utf16(pair).next()?.ok()?;
    Some((character, 12))
}

/// The character of one to four URL-escaped bytes at the beginning of a text, and the bytes they
/// take.
fn percent(text: &str) -> Option<(char, usize)> {
    let mut utf8 = [0; 4];
    for count in 1..=utf8.len() {
        let escape = text.get(3 * (count - 1)..3 * count)?;
        let byte = hexadecimal(escape.strip_prefix('%')?)?;
        utf8[count - 1] = u8::try_from(byte).ok()?;
        if let Ok(character) = std::str::from_utf8(&utf8[..count]) {
            return character.chars().next().map(|c| (c, 3 * count));
        }
    }
    None
}

fn hexadecimal(digits: &str) -> Option<u32> {
    let all_digits = digits.bytes().all(|b| b.is_ascii_hexdigit());
    all_digits
        .then(|| u32::from_str_radix(digits, 16).ok())
        .flatten()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn texts_with_the_same_words_become_equal() {
        for (text, expect) in [
            ("", ""),
            ("  Two\r\n\tWords  ", "two words"),
            (
                "a&amp;b &lt;i&gt; &#65;&#x42; &quot;&apos;",
                "a&b <i> ab \"'",
            ),
            ("a&nbsp;b", "a b"),
            ("\\\"A\\\"\\n\\u00e9\\ud83d\\ude00", "\"a\" é😀"),
            ("a%20b%C3%A9%2c", "a bé,"),
            ("ＡＢＣ ﬁ Ⅳ", "abc fi iv"),
            ("so\u{ad}ft ze\u{200b}ro\u{feff}", "soft zero"),
            ("e\u{301}", "é"),
            ("a\u{3000}\u{2003}b", "a b"),
        ] {
            assert_eq!(normalise(text), expect, "{text}");
        }
    }

    #[test]
    fn what_only_looks_like_an_escape_stays() {
        for text in [
            "100% sure",
            "%",
            "%z1",
            "%c3",
            "%c3%",
            "&",
            "&;",
            "&nothing;",
            "&#;",
            "&#x110000;",
            "&#xd800;",
            "\\",
            "\\x",
            "\\u12",
            "\\ud83d",
            "\\ud83d\\uzzzz",
            "%+1",
            "a\\u00é",
        ] {
            assert_eq!(normalise(text), text);
        }
    }

    proptest! {
        #[test]
        fn ascii_is_folded_as_any_other_text(text in "[ -~\\t-\\r]{0,80}") {
            prop_assert_eq!(ascii_folded(&text), blanks_folded(&text.to_lowercase()));
        }

        #[test]
        fn any_text_can_be_normalised(text in "(\\PC|[&%;#x\\\\u0-9a-f]){0,80}") {
            let normalised = normalise(&text);
            prop_assert!(!normalised.starts_with(' ') && !normalised.ends_with(' '));
            prop_assert!(!normalised.contains("  "));
        }
    }
}
