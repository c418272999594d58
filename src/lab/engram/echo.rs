//! The model: two sentences that end with the reference word of the question.

use crate::canary;

/// Letters and prefix of a word that may be a canary, before it is decoded.
const WORD_PREFIX: &str = "zq";

/// What is said where no reference word was ever told.
const NO_WORD: &str = "You have given me no reference word here. Tell me one whenever you like.";

/// What is said by a model that repeats no words.
pub(super) const NOT_REPEATED: &str = "I have noted that, and keep it to myself.";

/// The agents.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Agent {
    /// The default.
    Elena,
    /// Projects.
    Marcus,
    /// Stories.
    Sage,
}

impl Agent {
    /// The agent of an id; none means the default. `None`: no such agent.
    pub(super) fn of_id(id: Option<&str>) -> Option<Self> {
        match id {
            None | Some("" | "elena") => Some(Self::Elena),
            Some("marcus") => Some(Self::Marcus),
            Some("sage") => Some(Self::Sage),
            Some(_) => None,
        }
    }

    pub(super) fn id(self) -> &'static str {
        match self {
            Self::Elena => "elena",
            Self::Marcus => "marcus",
            Self::Sage => "sage",
        }
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Elena => "Dr. Elena Vasquez",
            Self::Marcus => "Marcus Chen",
            Self::Sage => "Sage Meridian",
        }
    }
}

/// The answer to a question that holds this reference word.
pub(super) fn answer(word: &str) -> String {
    format!("I have noted that. As you asked, here is the reference word: {word}")
}

/// The answer to a question without a reference word, in a session in which this one was told
/// last.
pub(super) fn recalled(last: Option<&str>) -> String {
    match last {
        Some(word) => format!("The last reference word that you gave me here is {word}"),
        None => NO_WORD.to_owned(),
    }
}

/// The first canary of a text, letter by letter as it was sent.
pub(super) fn reference_word(text: &str) -> Option<String> {
    reference_words(text).next()
}

/// Every canary of a text, letter by letter as it was sent.
pub(super) fn reference_words(text: &str) -> impl Iterator<Item = String> {
    let words: Vec<String> = canary::normalise(text)
        .split(|letter: char| !letter.is_ascii_lowercase())
        .filter(|word| word.len() == canary::CANARY_LETTERS && word.starts_with(WORD_PREFIX))
        .filter(|word| !canary::find(word).is_empty())
        .map(str::to_owned)
        .collect();
    words.into_iter()
}
