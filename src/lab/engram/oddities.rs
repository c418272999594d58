//! Quirks of the backend: what honest ones do to texts, answers and connections.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use axum::body::Body;
use axum::extract::Request;
use axum::http::Method;
use axum::middleware::Next;
use axum::response::Response;
use tokio::time::{Instant, sleep_until};

use super::{Engram, echo, problem};
use crate::lab::quirks::{QuirkKind, RESTART_AFTER, SLOW_WRITE, SOME, SUMMARISED};
use crate::lab::stamp::Dice;
use crate::lab::zep::{Metadata, NewMessage};

/// Messages that a summary looks at.
const SUMMARY_MESSAGES: usize = 8;
/// How far full-width letters and digits are behind the usual ones.
const FULL_WIDTH: u32 = 0xff01 - 0x21;
/// Ways to write a word.
const STYLES: usize = 14;

impl Engram {
    /// Is this operation one of the few that a quirk meets?
    pub(super) fn meets(&self, quirk: QuirkKind) -> bool {
        self.quirks.has(quirk) && self.dice.chance(SOME)
    }

    /// Lets a request through, unless a quirk breaks it off before or after.
    pub(super) async fn pass_on(
        &self,
        is_api: bool,
        request: Request<Body>,
        next: Next,
    ) -> Response {
        if is_api {
            let before = self.requests.fetch_add(1, Ordering::Relaxed);
            if self.quirks.has(QuirkKind::Restart) && before == RESTART_AFTER {
                self.restart.send_modify(|restarts| *restarts += 1);
            }
        }
        let is_work = is_api && request.method() == Method::POST;
        if is_work && self.meets(QuirkKind::LostRequests) {
            return problem::broken_off();
        }
        let response = next.run(request).await;
        if is_work && self.meets(QuirkKind::LostAnswers) {
            return problem::broken_off();
        }
        response
    }

    /// Holds a write back that a quirk makes slow, counted from the answer.
    pub(super) async fn dawdle(&self, answered: Instant) {
        if self.meets(QuirkKind::SlowWrites) {
            sleep_until(answered + SLOW_WRITE).await;
        }
    }

    /// A text as it is stored.
    pub(super) fn styled(&self, text: &str) -> Option<String> {
        let restyles = self.quirks.has(QuirkKind::RestyledText);
        restyles.then(|| restyled(text, &self.dice))
    }

    /// The chunks of a document as they are stored.
    pub(super) fn grouped(&self, chunks: Arc<Vec<String>>) -> Arc<Vec<String>> {
        if !self.quirks.has(QuirkKind::MergedChunks) {
            return chunks;
        }
        let pairs = chunks.chunks(2).map(|pair| pair.join("\n\n"));
        Arc::new(pairs.collect())
    }

    /// Writes, after some turns, what was said in the session so far, and what it says of its
    /// user.
    pub(super) fn summarise(&self, session: &str) {
        if !(self.quirks.has(QuirkKind::Summariser) && self.dice.chance(SUMMARISED)) {
            return;
        }
        let newest = self.store.newest_messages(session, SUMMARY_MESSAGES);
        let mut words: Vec<String> = Vec::new();
        for word in newest
            .iter()
            .flat_map(|m| echo::reference_words(&m.content))
        {
            if !words.contains(&word) {
                words.push(word);
            }
        }
        let role = if self.dice.chance(0.5) {
            "system"
        } else {
            "assistant"
        };
        let summary = NewMessage {
            role_type: Some(role.to_owned()),
            content: format!(
                "Summary so far: these words were kept: {}.",
                words.join(", ")
            ),
            ..NewMessage::default()
        };
        // What a store refuses is not there.
        let Ok(appended) = self.store.append(session, vec![summary]) else {
            return;
        };
        if let (Some(owner), Some(word)) = (appended.owner, words.last()) {
            let fact = format!("The user has mentioned the word {word}.");
            self.store.add_fact(&owner, fact, &Metadata::new());
        }
    }
}

/// The same words in another style.
fn restyled(text: &str, dice: &Dice) -> String {
    let quoted = text.replace('\'', "\u{2019}").replace("...", "\u{2026}");
    let words: Vec<String> = quoted
        .split(' ')
        .map(|word| styled_word(word, dice))
        .collect();
    words.join(if dice.chance(0.5) { " " } else { "\u{a0} " })
}

fn styled_word(word: &str, dice: &Dice) -> String {
    match dice.pick(STYLES) {
        0 => format!("**{word}**"),
        1 => format!("<b>{word}</b>"),
        2 => word.to_uppercase(),
        3 => word.chars().map(full_width).collect(),
        4 => format!("`{word}`"),
        5 => format!("\u{201c}{word}\u{201d}"),
        6 => entity_first(word),
        7 => split_by(word, '\u{ad}'),
        8 => split_by(word, '\u{200b}'),
        9 => word.replace('&', "&amp;").replace('<', "&lt;"),
        _ => word.to_owned(),
    }
}

fn full_width(letter: char) -> char {
    let wide = u32::from(letter) + FULL_WIDTH;
    let wide = char::from_u32(wide).filter(|_| letter.is_ascii_alphanumeric());
    wide.unwrap_or(letter)
}

/// The first letter as an entity.
fn entity_first(word: &str) -> String {
    let mut letters = word.chars();
    match letters.next() {
        Some(first) => format!("&#{};{}", u32::from(first), letters.as_str()),
        None => String::new(),
    }
}

/// An invisible character in the middle.
fn split_by(word: &str, invisible: char) -> String {
    let middle = word.chars().count() / 2;
    let mut split: String = word.chars().take(middle).collect();
    split.push(invisible);
    split.extend(word.chars().skip(middle));
    split
}
