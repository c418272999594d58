//! The model: two sentences that end with the reference word of the question.

use std::sync::Arc;

use crate::canary;

/// Letters and prefix of a word that may be a canary, before it is decoded.
const WORD_PREFIX: &str = "zq";

/// What is said where no reference word was ever told.
const NO_WORD: &str = "You have given me no reference word here. Tell me one whenever you like.";

/// What is said by a model that repeats no words.
pub(super) const NOT_REPEATED: &str = "I have noted that, and keep it to myself.";

/// The agents' ids and names, the default first.
const AGENTS: [(&str, &str); 3] = [
    ("elena", "Dr. Elena Vasquez"),
    ("marcus", "Marcus Chen"),
    ("sage", "Sage Meridian"),
];
/// Ends an agent's id where copies of it have ids of their own.
const COPY: char = '-';

/// An agent, or a copy of one that has an id of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Agent {
    id: Arc<str>,
    name: &'static str,
}

impl Default for Agent {
    fn default() -> Self {
        let [(id, name), ..] = AGENTS;
        let id = Arc::from(id);
        Self { id, name }
    }
}

impl Agent {
    /// The agent of an id; none means the default, and `elena-u7` a copy of `elena`. `None`: no
    /// such agent.
    pub(super) fn of_id(id: Option<&str>) -> Option<Self> {
        let Some(id) = id.filter(|id| !id.is_empty()) else {
            return Some(Self::default());
        };
        let original = id.split_once(COPY).map_or(id, |(original, _)| original);
        let (_, name) = AGENTS.into_iter().find(|(known, _)| *known == original)?;
        let id = Arc::from(id);
        Some(Self { id, name })
    }

    pub(super) fn id(&self) -> &str {
        &self.id
    }

    pub(super) fn name(&self) -> &'static str {
        self.name
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agents_and_their_copies_are_known() {
        for (id, told) in [
            (None, Some(("elena", "Dr. Elena Vasquez"))),
            (Some(""), Some(("elena", "Dr. Elena Vasquez"))),
            (Some("sage"), Some(("sage", "Sage Meridian"))),
            (Some("marcus-u7"), Some(("marcus-u7", "Marcus Chen"))),
            (Some("nobody"), None),
            (Some("-u7"), None),
        ] {
            let agent = Agent::of_id(id);
            let told_of = agent.as_ref().map(|agent| (agent.id(), agent.name()));
            assert_eq!(told_of, told, "{id:?}");
        }
    }
}
