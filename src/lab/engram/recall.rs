//! What is answered, out of whose memory, and what the client is shown.
//!
//! The answer that is stored is always the model's own. What planted faults put in its place is
//! put there on the way out, so that it is seen in answers and nowhere else.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::persist::Cause;
use super::{Engram, echo};
use crate::lab::faults::FaultKind;
use crate::lab::quirks::QuirkKind;
use crate::lab::races::Hits;
use crate::lab::truth::Wrong;
use crate::model::{Code, RecordType};

/// Questions of which an answer is kept.
const CACHED_MAX: usize = 1_024;

/// The model's answer to one question.
#[derive(Debug)]
pub(super) struct Reply {
    pub(super) text: String,
    /// The reference word of the question.
    pub(super) asked: Option<String>,
    /// The reference word of the answer.
    pub(super) word: Option<String>,
}

/// What a client is shown.
#[derive(Debug, Clone)]
pub(super) struct Shown {
    pub(super) text: String,
    word: Option<String>,
    /// Who has told the word.
    author: Arc<str>,
    /// The fault that has put it here.
    cause: Cause,
}

/// A reference word, and who has told it.
type ToldWord = (Arc<str>, String);

/// Memories that are nobody's own, as planted faults need them.
#[derive(Debug, Default)]
pub(super) struct Memories {
    /// The last word that anybody told.
    newest: Mutex<Option<ToldWord>>,
    /// The last word that anybody told each agent.
    of_agents: Mutex<HashMap<Arc<str>, ToldWord>>,
    answers: Mutex<HashMap<String, Shown>>,
}

impl Shown {
    /// The model's own answer.
    pub(super) fn own(user: &Arc<str>, reply: &Reply) -> Self {
        Self {
            text: reply.text.clone(),
            word: reply.word.clone(),
            author: Arc::clone(user),
            cause: None,
        }
    }

    /// A text without a reference word.
    pub(super) fn plain(user: &Arc<str>, text: &str) -> Self {
        Self {
            text: text.to_owned(),
            word: None,
            author: Arc::clone(user),
            cause: None,
        }
    }
}

impl Engram {
    /// The answer to a question: its reference word, or the last one of its session.
    pub(super) fn reply(&self, session: &Arc<str>, user: &Arc<str>, question: &str) -> Reply {
        let asked = echo::reference_word(question);
        let (text, word) = if let Some(word) = &asked {
            self.sessions.told(session, user, word);
            if self.faults.planted(FaultKind::GlobalRetrieval) {
                *lock(&self.memories.newest) = Some((Arc::clone(user), word.clone()));
            }
            if self.quirks.has(QuirkKind::EchoRefused) {
                (echo::NOT_REPEATED.to_owned(), None)
            } else {
                (echo::answer(word), asked.clone())
            }
        } else {
            let last = self.sessions.last_word(session, user);
            let last = last.filter(|_| !self.quirks.has(QuirkKind::EchoRefused));
            (echo::recalled(last.as_deref()), last)
        };
        Reply { text, asked, word }
    }

    /// What is shown for an answer.
    pub(super) fn shown(
        &self,
        (user, agent): (&Arc<str>, &str),
        reply: &Reply,
        hits: &Hits,
    ) -> Shown {
        if let Some(word) = &reply.asked {
            if self.faults.planted(FaultKind::SharedAgent) {
                let told = (Arc::clone(user), word.clone());
                lock(&self.memories.of_agents).insert(Arc::from(agent), told);
            }
            return Shown::own(user, reply);
        }
        let newest = || lock(&self.memories.newest).clone();
        let of_agent = || lock(&self.memories.of_agents).get(agent).cloned();
        let (retrieved, fault) = if hits.has(FaultKind::GlobalRetrieval) {
            (newest(), FaultKind::GlobalRetrieval)
        } else if hits.has(FaultKind::SharedAgent) {
            (of_agent(), FaultKind::SharedAgent)
        } else {
            return Shown::own(user, reply);
        };
        match retrieved {
            Some((author, word)) => Shown {
                text: echo::recalled(Some(&word)),
                word: Some(word),
                author,
                cause: Some(fault),
            },
            None => Shown::own(user, reply),
        }
    }

    /// An answer that was given to the same words before, by a cache that struck operations go
    /// through. Words that hold a reference word are nobody else's.
    pub(super) fn cached(&self, question: &str, hits: &Hits) -> Option<Shown> {
        let asked = hits.has(FaultKind::SharedCache);
        asked
            .then(|| lock(&self.memories.answers).get(question).cloned())
            .flatten()
    }

    /// Keeps an answer for whoever asks in the same words. One that knows nothing is not worth
    /// keeping.
    pub(super) fn cache(&self, question: &str, reply: &Reply, shown: &Shown, hits: &Hits) {
        let worth = reply.asked.is_none() && shown.word.is_some();
        if worth && hits.has(FaultKind::SharedCache) {
            let mut answers = lock(&self.memories.answers);
            if answers.len() < CACHED_MAX {
                let kept = Shown {
                    cause: Some(FaultKind::SharedCache),
                    ..shown.clone()
                };
                answers.entry(question.to_owned()).or_insert(kept);
            }
        }
    }

    /// Tells the truth about an answer that holds another user's word.
    pub(super) fn judge_answer(
        &self,
        session: &Arc<str>,
        user: &Arc<str>,
        asked: Option<&str>,
        shown: &Shown,
    ) {
        let foreign = shown.author != *user;
        if let Some(word) = shown.word.as_deref().filter(|_| foreign) {
            self.truth.tell(Wrong {
                // Nothing else gives a client an answer that was meant for another.
                fault: shown.cause.unwrap_or(FaultKind::StaleConnection),
                code: Code::ResponseBleed,
                record_type: RecordType::Answer,
                record_id: Some(session.as_ref().to_owned()),
                canary: Some(word),
                true_user: &shown.author,
                stored_owner: Some(user),
                session: None,
                asked,
            });
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
