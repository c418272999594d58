//! A session's context that all its turns share: a task stores the last two messages of it,
//! which are its own only if no other turn came between.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Messages of a session that are kept. A turn that is further behind stores nothing.
const MESSAGES_MAX: usize = 256;

/// The contexts of all sessions.
#[derive(Debug, Default)]
pub(super) struct Contexts(Mutex<HashMap<Arc<str>, Context>>);

#[derive(Debug, Default)]
struct Context {
    /// Do its tasks store the last two messages, rather than their own two?
    shared: bool,
    /// Messages that are kept no more.
    forgotten: u64,
    messages: VecDeque<Message>,
    /// Reference words of turns of which the user's message is stored twice.
    doubled: HashSet<String>,
    /// Answers that are stored twice, by their reference words, while that proves nothing.
    waiting: HashMap<String, Vec<String>>,
}

/// A message of a context.
#[derive(Debug, Clone)]
pub(super) struct Message {
    pub(super) role_type: &'static str,
    pub(super) text: String,
    pub(super) word: Option<String>,
    /// Is it in the store already?
    pub(super) stored: bool,
}

/// Where a message stands in its context.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Index(u64);

impl Contexts {
    /// Adds a message to a session's context.
    pub(super) fn push(
        &self,
        session: &Arc<str>,
        role_type: &'static str,
        text: &str,
        word: Option<&str>,
    ) -> Index {
        let mut contexts = self.lock();
        let context = contexts.entry(Arc::clone(session)).or_default();
        context.messages.push_back(Message {
            role_type,
            text: text.to_owned(),
            word: word.map(str::to_owned),
            stored: false,
        });
        if context.messages.len() > MESSAGES_MAX {
            context.messages.pop_front();
            context.forgotten += 1;
        }
        Index(context.end() - 1)
    }

    /// From now on the tasks of this session store the last two messages.
    pub(super) fn share(&self, session: &Arc<str>) {
        self.lock().entry(Arc::clone(session)).or_default().shared = true;
    }

    /// Takes what the task of a turn stores now.
    pub(super) fn pick(&self, session: &Arc<str>, own: [Index; 2]) -> Vec<Message> {
        let mut contexts = self.lock();
        let context = contexts.entry(Arc::clone(session)).or_default();
        let end = context.end();
        let chosen = if context.shared {
            [end.saturating_sub(2), end.saturating_sub(1)]
        } else {
            own.map(|index| index.0)
        };
        let take = |index| {
            let message = context.at(index)?;
            let copy = message.clone();
            message.stored = true;
            Some(copy)
        };
        chosen.into_iter().filter_map(take).collect()
    }

    /// Is one of these messages not stored? Of a task that has stored what it stores, it never
    /// will be.
    pub(super) fn lacks(&self, session: &Arc<str>, own: [Index; 2]) -> bool {
        let mut contexts = self.lock();
        let Some(context) = contexts.get_mut(session) else {
            return true;
        };
        let mut own = own.into_iter();
        own.any(|index| context.at(index.0).is_none_or(|message| !message.stored))
    }

    /// A message was stored once more. Gives back the records that this proves to be copies: of
    /// an answer alone it proves nothing, as an agent may say the same twice.
    pub(super) fn doubled(
        &self,
        session: &Arc<str>,
        message: &Message,
        record_id: String,
    ) -> Vec<String> {
        let mut contexts = self.lock();
        let context = contexts.entry(Arc::clone(session)).or_default();
        let Some(word) = &message.word else {
            return Vec::new();
        };
        if message.role_type == "user" {
            context.doubled.insert(word.clone());
        }
        let waiting = context.waiting.entry(word.clone()).or_default();
        waiting.push(record_id);
        if context.doubled.contains(word) {
            std::mem::take(waiting)
        } else {
            Vec::new()
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Arc<str>, Context>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Context {
    fn end(&self) -> u64 {
        let kept = u64::try_from(self.messages.len()).unwrap_or(u64::MAX);
        self.forgotten.saturating_add(kept)
    }

    fn at(&mut self, index: u64) -> Option<&mut Message> {
        let place = index.checked_sub(self.forgotten)?;
        self.messages.get_mut(usize::try_from(place).ok()?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(picked: &[Message]) -> Vec<&str> {
        picked.iter().map(|m| m.text.as_str()).collect()
    }

    #[test]
    fn one_turn_after_another_stores_its_own() {
        let (contexts, s): (_, Arc<str>) = (Contexts::default(), "s".into());
        contexts.share(&s);
        for (question, answer) in [("q1", "a1"), ("q2", "a2")] {
            let own = [(question, "user"), (answer, "assistant")]
                .map(|(text, role)| contexts.push(&s, role, text, None));
            let picked = contexts.pick(&s, own);
            assert_eq!(texts(&picked), [question, answer]);
            assert!(!contexts.lacks(&s, own));
        }
    }

    #[test]
    fn overlapping_turns_lose_and_double() {
        let (contexts, s): (_, Arc<str>) = (Contexts::default(), "s".into());
        contexts.share(&s);
        let push = |role, text| contexts.push(&s, role, text, Some("w"));
        let (q1, q2) = (push("user", "q1"), push("user", "q2"));
        let a1 = push("assistant", "a1");
        let first = contexts.pick(&s, [q1, a1]);
        assert_eq!(texts(&first), ["q2", "a1"]);
        assert!(contexts.lacks(&s, [q1, a1]));
        let a2 = push("assistant", "a2");
        let second = contexts.pick(&s, [q2, a2]);
        assert_eq!(texts(&second), ["a1", "a2"]);
        assert!(!contexts.lacks(&s, [q2, a2]));
        assert!(second[0].stored && !second[1].stored);
    }

    #[test]
    fn a_doubled_answer_counts_beside_its_question_only() {
        let (contexts, s): (_, Arc<str>) = (Contexts::default(), "s".into());
        let message = |role_type, word: Option<&str>| Message {
            role_type,
            text: String::new(),
            word: word.map(str::to_owned),
            stored: true,
        };
        let doubled = |role, word, id: &str| contexts.doubled(&s, &message(role, word), id.into());
        assert!(doubled("assistant", Some("w"), "1").is_empty());
        assert!(doubled("user", None, "2").is_empty());
        assert_eq!(doubled("user", Some("w"), "3"), ["1", "3"]);
        assert_eq!(doubled("assistant", Some("w"), "4"), ["4"]);
    }
}
