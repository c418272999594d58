//! Prose of plain English words, without the words that start tools at the target.
//!
//! The sentences mean nothing, but they read like sentences, so that a real model, tokenizer or
//! chunker treats them as what users write. Some texts name people, places and things in letters
//! beyond ASCII, as users do; documents do not, so that their length in bytes is known.

use rand_chacha::ChaCha8Rng;

use super::stream::below;

/// Longest word of the lists, in letters.
const WORD_LETTERS_MAX: usize = 11;

const DETERMINERS: &[&str] = &["the", "this", "every", "our", "one", "some", "my"];
const ADJECTIVES: &[&str] = &[
    "quiet",
    "green",
    "old",
    "warm",
    "small",
    "early",
    "bright",
    "wooden",
    "gentle",
    "busy",
    "round",
    "heavy",
    "soft",
    "narrow",
    "silver",
    "hidden",
    "late",
    "distant",
    "curious",
    "clean",
    "golden",
    "yellow",
    "dry",
    "cool",
    "deep",
    "famous",
    "simple",
    "tidy",
    "modest",
    "patient",
    "brave",
    "careful",
    "ordinary",
    "different",
    "remarkable",
    "comfortable",
];
const NOUNS: &[&str] = &[
    "garden",
    "river",
    "kitchen",
    "window",
    "bicycle",
    "letter",
    "neighbour",
    "bridge",
    "market",
    "teacher",
    "harbour",
    "blanket",
    "library",
    "mountain",
    "candle",
    "orchard",
    "violin",
    "station",
    "basket",
    "lantern",
    "village",
    "bakery",
    "puzzle",
    "meadow",
    "notebook",
    "kettle",
    "ladder",
    "sparrow",
    "tunnel",
    "carpet",
    "island",
    "engine",
    "pocket",
    "cottage",
    "summer",
    "winter",
    "morning",
    "evening",
    "path",
    "tea",
    "oak",
    "lake",
    "bread",
    "stone",
    "clock",
    "chair",
    "valley",
    "pepper",
    "button",
    "mirror",
    "umbrella",
    "compass",
    "hammer",
    "saddle",
    "fountain",
    "balcony",
    "postcard",
    "suitcase",
    "telescope",
    "strawberry",
    "grandmother",
    "ox",
    "bus",
    "hat",
];
const VERBS: &[&str] = &[
    "waits", "stands", "rests", "turns", "leans", "sings", "travels", "moves", "grows", "looks",
    "sits", "runs", "walks", "listens", "belongs", "returns", "wanders", "sleeps", "shines",
    "settles", "hurries", "gathers", "lives", "plays", "points", "swims", "climbs", "remains",
];
const PREPOSITIONS: &[&str] = &[
    "near", "behind", "under", "beside", "above", "in", "by", "past", "beyond", "across", "along",
    "before", "after", "inside", "outside", "towards", "around", "opposite", "with", "without",
];

/// Names and things with letters beyond ASCII, which compare equal whatever a store does to
/// their composition.
const WORLDLY: &[&str] = &[
    "Zoë",
    "Jürgen",
    "Núñez",
    "Søren",
    "Łukasz",
    "Chloé",
    "Großmann",
    "Agnès",
    "café",
    "jalapeño",
    "straße",
    "crème",
    "müsli",
    "piñata",
    "東京",
    "咖啡",
    "서울",
    "🌻",
    "🚲",
    "☕",
];

/// One in so many texts holds words of [`WORLDLY`].
const WORLDLY_TEXTS: usize = 2;
/// In such a text they take the place of one in so many nouns.
const WORLDLY_NOUNS: usize = 4;

/// The place of the nouns among the lists.
const NOUNS_LIST: usize = 2;

/// The order in which the lists make a sentence.
const PATTERN: [usize; 7] = [0, 1, 2, 3, 4, 0, 2];

/// The words that may be used against a target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Vocabulary {
    lists: [Vec<&'static str>; 5],
    worldly: Vec<&'static str>,
    opening: (&'static str, &'static str),
    frame: (&'static str, &'static str),
}

/// How a turn names its canary in the beginning: the text before it and after it. The first
/// without a trigger word is taken.
const OPENINGS: [(&str, &str); 3] = [("For reference ", ": "), ("About ", ": "), ("On ", ": ")];

/// How a turn asks for its canary: the text before it and after it. The first without a trigger
/// word is taken.
const FRAMES: [(&str, &str); 3] = [
    ("Please finish your answer with the reference word ", "."),
    ("At the end of your reply please repeat the word ", "."),
    ("Please say ", " again."),
];

impl Vocabulary {
    /// All words that contain none of the trigger words.
    pub(super) fn without(trigger_words: &[String]) -> Self {
        let triggers: Vec<String> = trigger_words
            .iter()
            .map(|word| word.to_lowercase())
            .filter(|word| !word.is_empty())
            .collect();
        let is_clean = |text: &str| {
            let text = text.to_lowercase();
            !triggers.iter().any(|trigger| text.contains(trigger))
        };
        let lists = [DETERMINERS, ADJECTIVES, NOUNS, VERBS, PREPOSITIONS]
            .map(|list| list.iter().copied().filter(|word| is_clean(word)).collect());
        let worldly = WORLDLY.iter().copied().filter(|word| is_clean(word));
        let first_clean = |choices: [(&'static str, &'static str); 3]| {
            let found = choices
                .into_iter()
                .find(|(before, after)| is_clean(before) && is_clean(after));
            found.unwrap_or(choices[0])
        };
        Self {
            lists,
            worldly: worldly.collect(),
            opening: first_clean(OPENINGS),
            frame: first_clean(FRAMES),
        }
    }

    /// How a turn names its canary in the beginning: the text before it and after it.
    pub(super) fn opening(&self) -> (&'static str, &'static str) {
        self.opening
    }

    /// How a turn asks for its canary: the text before it and after it.
    pub(super) fn frame(&self) -> (&'static str, &'static str) {
        self.frame
    }

    /// So many words in sentences, but at most so many bytes.
    pub(super) fn sentences(&self, rng: &mut ChaCha8Rng, words: u32, bytes_max: usize) -> String {
        let is_worldly = below(rng, WORLDLY_TEXTS) == 0;
        let mut text = String::new();
        for (ix, place) in (0..words).zip((0..PATTERN.len()).cycle()) {
            let worldly = is_worldly.then(|| self.worldly_noun(rng, place)).flatten();
            let Some(word) = worldly.or_else(|| self.word(rng, place)) else {
                continue;
            };
            // Room for the blank before it and the full stop after it.
            if text.len() + word.len() + 2 > bytes_max {
                break;
            }
            if !text.is_empty() {
                text.push(' ');
            }
            push_word(&mut text, word, place);
            if place + 1 == PATTERN.len() && ix + 1 < words {
                text.push('.');
            }
        }
        if !text.is_empty() && !text.ends_with('.') {
            text.push('.');
        }
        text
    }

    /// Sentences of exactly so many characters, the last of them a full stop.
    pub(super) fn exactly(&self, rng: &mut ChaCha8Rng, chars: usize) -> String {
        let mut text = String::with_capacity(chars);
        let mut place = 0;
        // A word that does not fit is skipped; if none fits any more, dots fill the rest.
        let mut misfits_left = 4 * PATTERN.len();
        while text.len() < chars && misfits_left > 0 {
            let left = chars - text.len();
            if let Some(word) = self.word_of(rng, left - 1) {
                push_word(&mut text, word, place);
                text.push('.');
                return text;
            }
            let is_last = place + 1 == PATTERN.len();
            let stop = if is_last { ". " } else { " " };
            match self.word(rng, place) {
                // A word of two letters and a full stop must still fit behind it.
                Some(word) if word.len() + stop.len() + 3 <= left => {
                    push_word(&mut text, word, place);
                    text.push_str(stop);
                }
                Some(_) | None => misfits_left -= 1,
            }
            place = (place + 1) % PATTERN.len();
        }
        text.extend(std::iter::repeat_n('.', chars - text.len()));
        text
    }

    /// A word for a place in a sentence; `None` if all of its list start tools.
    fn word(&self, rng: &mut ChaCha8Rng, place: usize) -> Option<&'static str> {
        let list = &self.lists[PATTERN[place]];
        (!list.is_empty()).then(|| list[below(rng, list.len())])
    }

    /// A worldly word for the place of a noun, now and then.
    fn worldly_noun(&self, rng: &mut ChaCha8Rng, place: usize) -> Option<&'static str> {
        let is_due = PATTERN[place] == NOUNS_LIST
            && !self.worldly.is_empty()
            && below(rng, WORLDLY_NOUNS) == 0;
        is_due.then(|| self.worldly[below(rng, self.worldly.len())])
    }

    /// A word of exactly so many letters, a noun or an adjective if there is one.
    fn word_of(&self, rng: &mut ChaCha8Rng, letters: usize) -> Option<&'static str> {
        if letters > WORD_LETTERS_MAX {
            return None;
        }
        [2, 1, 0, 3, 4].into_iter().find_map(|list_ix: usize| {
            let fits = |word: &&&str| word.len() == letters;
            let list = &self.lists[list_ix];
            let count = list.iter().filter(fits).count();
            let chosen = (count > 0).then(|| below(rng, count))?;
            list.iter().filter(fits).nth(chosen).copied()
        })
    }
}

/// Appends a word, with a capital letter at the beginning of a sentence.
fn push_word(text: &mut String, word: &str, place: usize) {
    let starts_sentence = place == 0 || text.is_empty();
    let mut letters = word.chars();
    if starts_sentence {
        text.extend(letters.next().map(|first| first.to_ascii_uppercase()));
    }
    text.extend(letters);
}

/// What starts tools or a workflow at an Engram-like target.
#[cfg(test)]
pub(super) const ENGRAM_TRIGGERS: [&str; 24] = [
    "story",
    "acceptance",
    "stakeholder",
    "ingest",
    "source",
    "validate",
    "timeline",
    "schedule",
    "status",
    "report",
    "risk",
    "bau",
    "flow",
    "narrative",
    "visual",
    "diagram",
    "draw",
    "paint",
    "image",
    "picture",
    "create",
    "generate",
    "make",
    "show",
];

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rand_chacha::rand_core::SeedableRng;

    use super::*;
    use crate::canary;

    fn all() -> Vocabulary {
        Vocabulary::without(&[])
    }

    fn rng(seed: u8) -> ChaCha8Rng {
        ChaCha8Rng::from_seed([seed; 32])
    }

    #[test]
    fn no_word_and_no_frame_starts_a_tool() {
        let triggers = ENGRAM_TRIGGERS.map(str::to_owned);
        assert_eq!(Vocabulary::without(&triggers), all());
    }

    #[test]
    fn words_are_plain_and_not_too_long() {
        for word in all().lists.concat() {
            assert!(word.bytes().all(|b| b.is_ascii_lowercase()), "{word}");
            assert!(word.len() <= WORD_LETTERS_MAX, "{word}");
        }
        for letters in 2..=WORD_LETTERS_MAX {
            assert!(all().word_of(&mut rng(1), letters).is_some(), "{letters}");
        }
    }

    #[test]
    fn trigger_words_of_a_scenario_are_left_out() {
        let triggers = ["Reference", "e", ""].map(str::to_owned);
        let vocabulary = Vocabulary::without(&triggers);
        let text = vocabulary.sentences(&mut rng(1), 200, 10_000);
        assert!(!text.contains('e') && text.len() > 500, "{text}");
        assert!(!vocabulary.exactly(&mut rng(1), 500).contains('e'));
        let triggers = vec!["reference".to_owned()];
        assert_eq!(Vocabulary::without(&triggers).frame(), FRAMES[1]);
        assert_eq!(Vocabulary::without(&triggers).opening(), OPENINGS[1]);
    }

    #[test]
    fn without_any_word_left_there_is_still_a_text() {
        let letters = ('a'..='z').map(String::from);
        let triggers: Vec<String> = letters
            .chain(WORLDLY.iter().map(|word| (*word).to_owned()))
            .collect();
        let vocabulary = Vocabulary::without(&triggers);
        assert_eq!(vocabulary.sentences(&mut rng(1), 20, 100), "");
        assert_eq!(vocabulary.exactly(&mut rng(1), 5), ".....");
        assert_eq!(vocabulary.frame(), FRAMES[0]);
    }

    /// What a store may do to a text without changing it.
    #[test]
    fn worldly_words_survive_composition_and_case() {
        use unicode_normalization::UnicodeNormalization;

        for word in WORLDLY {
            let normal = canary::normalise(word);
            assert!(!word.is_ascii() && !word.contains(char::is_whitespace));
            let mut others: Vec<String> = vec![
                word.to_lowercase(),
                word.nfd().collect(),
                word.nfkd().collect(),
                normal.clone(),
            ];
            // In capital letters a sharp s is two letters, which no store makes of a text.
            if !word.contains('ß') {
                others.push(word.to_uppercase());
            }
            for other in others {
                assert_eq!(canary::normalise(&other), normal, "{word} as {other}");
            }
        }
    }

    #[test]
    fn some_texts_are_worldly_and_some_plain() {
        let texts = (0..40).map(|seed| all().sentences(&mut rng(seed), 30, 10_000));
        let plain = texts.filter(|text| text.is_ascii()).count();
        assert!((10..35).contains(&plain), "{plain} of 40 are plain");
    }

    proptest! {
        #[test]
        fn sentences_have_so_many_words(seed in any::<u8>(), words in 1..300_u32) {
            let text = all().sentences(&mut rng(seed), words, 10_000);
            prop_assert_eq!(text.split(' ').count(), usize::try_from(words).unwrap());
            prop_assert!(text.ends_with('.') && !text.ends_with(".."));
            prop_assert!(text.starts_with(|c: char| c.is_ascii_uppercase()));
        }

        #[test]
        fn sentences_are_cut_at_their_limit(seed in any::<u8>(), bytes_max in 0..400_usize) {
            let text = all().sentences(&mut rng(seed), 1_000, bytes_max);
            prop_assert!(text.len() <= bytes_max && text.len() + 16 > bytes_max);
        }

        #[test]
        fn texts_can_have_any_length(seed in any::<u8>(), chars in 0..700_usize) {
            let text = all().exactly(&mut rng(seed), chars);
            prop_assert_eq!(text.len(), chars);
            prop_assert!(chars == 0 || text.ends_with('.'));
            prop_assert!(chars < 3 || !text.ends_with(".."), "{}", text);
        }
    }
}
