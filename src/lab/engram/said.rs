//! The messages that a turn's task stores: the question, the answer, and whatever planted faults
//! put beside or instead of them.

use std::sync::Arc;

use serde_json::json;

use super::Engram;
use super::echo::{self, Agent};
use super::overlap::Message;
use super::persist::{Cause, Turn};
use super::spoil;
use crate::canary;
use crate::lab::faults::FaultKind;
use crate::lab::races::Hits;
use crate::lab::stamp::Stamp;
use crate::lab::zep::{Metadata, NewMessage};
use crate::model::{CanaryId, Code, Exactness, OpKind, RunId};

/// What nobody has sent.
const INVENTED: &str = "Thank you, that is all I wanted to know about the garden for today.";

/// A message to be stored, with what the truth knows about it.
#[derive(Debug)]
pub(super) struct Said {
    pub(super) role_type: &'static str,
    /// Who it comes from.
    pub(super) author: Arc<str>,
    pub(super) text: String,
    /// The canary that it carries, or should.
    pub(super) canary: Option<String>,
    /// What is wrong with it wherever it is stored.
    pub(super) wrong: Option<(FaultKind, Code)>,
    /// The message of the session's context that this is once more.
    pub(super) again: Option<Message>,
}

impl Said {
    fn new(role_type: &'static str, author: &Arc<str>, text: &str, word: Option<&str>) -> Self {
        Self {
            role_type,
            author: Arc::clone(author),
            text: text.to_owned(),
            canary: word.map(str::to_owned),
            wrong: None,
            again: None,
        }
    }

    /// The message as the store takes it.
    pub(super) fn as_new(&self, agent: &Agent) -> NewMessage {
        let mut metadata = Metadata::new();
        let agent_id = (self.role_type == "assistant").then_some(agent.id());
        metadata.insert("agent_id".to_owned(), json!(agent_id));
        metadata.insert("timestamp".to_owned(), json!(Stamp::now()));
        NewMessage {
            role_type: Some(self.role_type.to_owned()),
            content: self.text.clone(),
            metadata: Some(metadata),
            ..NewMessage::default()
        }
    }
}

/// The messages that are stored for a turn. A second copy of it has nothing beside it.
pub(super) fn messages(engram: &Engram, turn: &Turn, hits: &Hits, cause: Cause) -> Vec<Said> {
    let author = &turn.author;
    let mut all = match turn.context {
        Some(own) => {
            let picked = engram.contexts.pick(&turn.admission.session, own);
            let said = |message| of_context(author, message);
            picked.into_iter().map(said).collect()
        }
        None => own(engram, turn, hits),
    };
    if let Some(FaultKind::DoubleWrite | FaultKind::BlindRetry) = cause {
        return all;
    }
    if hits.has(FaultKind::ForeignAnswer)
        && let Some((author, text)) = engram.faults.answer_of_another(author)
    {
        let word = echo::reference_word(&text);
        all.push(Said::new("assistant", &author, &text, word.as_deref()));
    }
    if hits.has(FaultKind::ReplayOldRun)
        && let Some(word) = turn.reply.asked.as_deref().and_then(older_word)
    {
        // The truth names no canary: it is not one of this run.
        let text = format!("Please keep the reference word {word} for me, and end with {word}.");
        let mut replayed = Said::new("user", author, &text, None);
        replayed.wrong = Some((FaultKind::ReplayOldRun, Code::Resurrected));
        all.push(replayed);
    }
    if hits.has(FaultKind::Invent) {
        let mut invented = Said::new("user", author, INVENTED, None);
        invented.wrong = Some((FaultKind::Invent, Code::Phantom));
        all.push(invented);
    }
    all
}

/// The turn's own two messages; of one that is only kept, the one.
fn own(engram: &Engram, turn: &Turn, hits: &Hits) -> Vec<Said> {
    let (asked, word) = (turn.reply.asked.as_deref(), turn.reply.word.as_deref());
    let mut question = Said::new("user", &turn.author, &turn.question, asked);
    if let Some(spoilt) = spoil::spoil(&turn.question, hits, &engram.dice) {
        question.text = spoilt.text;
        question.wrong = Some((spoilt.fault, spoilt.code));
    }
    let answer = Said::new("assistant", &turn.author, &turn.reply.text, word);
    let mut both = match turn.kind {
        OpKind::Turn => vec![question],
        OpKind::Chat | OpKind::Upload | OpKind::Voice | OpKind::Stream => vec![question, answer],
    };
    for said in &mut both {
        if let Some(styled) = engram.styled(&said.text) {
            said.text = styled;
        }
    }
    both
}

fn of_context(author: &Arc<str>, message: Message) -> Said {
    let mut said = Said::new(
        message.role_type,
        author,
        &message.text,
        message.word.as_deref(),
    );
    said.again = message.stored.then_some(message);
    said
}

/// The canary that the same operation would have had in the run before.
fn older_word(word: &str) -> Option<String> {
    let seen = canary::find(&canary::normalise(word));
    let exact = seen
        .into_iter()
        .find(|seen| seen.exactness == Exactness::Exact)?;
    let run = RunId(exact.id.run.0.wrapping_sub(1));
    Some(canary::plant(CanaryId { run, ..exact.id }, &[]))
}
