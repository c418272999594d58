//! What an answer says: how the operation ended, what it promised, whose canary it held.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::Value;
use serde_json::error::Category;

use super::pulse::Sign;
use crate::canary;
use crate::model::limits::{DETAIL_CHARS_MAX, EXCERPT_CHARS_AROUND};
use crate::model::{CanaryId, Echo, Exactness, Outcome, Promise, SeenCanary};
use crate::plan::Question;
use crate::scenario::{Answers, Pointer};
use crate::wire::{Exchange, Fault};

/// A longer session id is not used: it would be repeated in every request of the session.
const SESSION_ID_BYTES_MAX: usize = 256;

/// What the status of a turn says that is not kept, in a success.
const KEPT_DENIALS: [&str; 3] = ["error", "failed", "failure"];

/// Where Engram's answer has the reply.
const CONTENT: &str = "/content";
/// Where it has the session's id.
const SESSION_ID: &str = "/session_id";

/// Characters of a text that are looked at before it is cut to a detail: a credential in what is
/// kept must be whole to be known.
const DETAIL_CHARS_READ: usize = 40 * DETAIL_CHARS_MAX;

/// What an operation came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Judged {
    pub(super) outcome: Outcome,
    pub(super) promise: Promise,
    pub(super) echo: Echo,
    /// The session that the answer named.
    pub(super) server_session: Option<String>,
    /// Why it is not `ok`, in words that may be the target's: to be masked and cut by [`detail`].
    pub(super) detail: Option<String>,
    /// Texts in which another user's canary was found.
    pub(super) bleed: Vec<Bleed>,
}

/// A text that was sent to one user and holds a canary of another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Bleed {
    /// The session it came in, where it is not the one that the client named.
    pub(super) session: Option<String>,
    pub(super) canaries: Vec<SeenCanary>,
    pub(super) body_hash: u64,
    pub(super) excerpt: Option<String>,
}

/// Whose canaries a text holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Seen {
    /// The operation's own is there.
    pub(super) own: bool,
    /// One of the same user is there, of another operation.
    pub(super) other_op: bool,
    /// One of another user is there.
    pub(super) bleed: Option<Bleed>,
}

/// Reads answers to one operation.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reader<'a> {
    /// The canary that was planted.
    pub(super) own: CanaryId,
    /// How answers begin when the agent has failed.
    pub(super) apologies: &'a [String],
    /// Where they say what.
    pub(super) answers: &'a Answers,
}

#[derive(Deserialize)]
struct ChatAnswer<'a> {
    #[serde(borrow)]
    content: Cow<'a, str>,
    #[serde(default)]
    session_id: Option<String>,
}

/// An answer that a turn is kept, as far as it may deny it.
#[derive(Deserialize)]
struct KeptAnswer {
    status: Option<String>,
    success: Option<bool>,
}

#[derive(Deserialize)]
struct UploadAnswer {
    success: bool,
}

impl Judged {
    /// An operation that promised nothing.
    pub(super) fn failed(outcome: Outcome, detail: impl AsRef<str>) -> Self {
        Self {
            outcome,
            promise: Promise::NONE,
            echo: Echo::None,
            server_session: None,
            detail: Some(short(detail.as_ref())),
            bleed: Vec::new(),
        }
    }
}

impl Seen {
    /// The echo of all texts of an answer.
    pub(super) fn echo(&self) -> Echo {
        match (&self.bleed, self.own) {
            (Some(_), _) => Echo::Foreign,
            (None, true) => Echo::Own,
            (None, false) => Echo::None,
        }
    }
}

/// Judges an answer by its status alone, but for a failure that is told in the body.
pub(super) fn answered(exchange: &Exchange) -> Judged {
    let body = match success(exchange) {
        Ok(body) => body,
        Err(failed) => return failed,
    };
    if let Ok(UploadAnswer { success: false }) = serde_json::from_slice(body) {
        return Judged::failed(Outcome::Refused, String::from_utf8_lossy(body));
    }
    Judged {
        outcome: Outcome::Ok,
        promise: Promise::NONE,
        echo: Echo::None,
        server_session: None,
        detail: None,
        bleed: Vec::new(),
    }
}

impl Reader<'_> {
    /// Judges the answer to a chat turn.
    pub(super) fn chat(&self, exchange: &Exchange) -> Judged {
        let body = match success(exchange) {
            Ok(body) => body,
            Err(failed) => return self.with_bleed_of(failed, exchange),
        };
        let answer = match self.chat_answer(body) {
            Ok(answer) => answer,
            Err(failed) => return self.with_bleed_of(failed, exchange),
        };
        let seen = self.look(&answer.content);
        let apology = self.apology(&answer.content);
        let judged = Judged {
            outcome: if apology {
                Outcome::SoftFail
            } else {
                Outcome::Ok
            },
            promise: Promise {
                user_message: !apology,
                assistant_message: !apology && seen.own,
                blocks: 0,
            },
            echo: seen.echo(),
            server_session: answer
                .session_id
                .filter(|id| !id.is_empty() && id.len() <= SESSION_ID_BYTES_MAX),
            detail: apology.then(|| short(&answer.content)),
            bleed: seen.bleed.into_iter().collect(),
        };
        self.with_bleed_beside(judged, body)
    }

    /// What the answer to a chat turn says, and the session that it names.
    fn chat_answer<'b>(&self, body: &'b [u8]) -> Result<ChatAnswer<'b>, Judged> {
        let not_promised = |error| not_promised(&error, body);
        if *self.answers == Answers::default() {
            return serde_json::from_slice(body).map_err(not_promised);
        }
        let document: Value = serde_json::from_slice(body).map_err(not_promised)?;
        let (text, session) = (&self.answers.text, &self.answers.session);
        let at = |pointer: &Option<Pointer>, usual: &str| match pointer {
            Some(pointer) => pointer.text(&document).map(str::to_owned),
            None => document.pointer(usual)?.as_str().map(str::to_owned),
        };
        let Some(content) = at(text, CONTENT) else {
            let place = text.as_ref().map_or(CONTENT.to_owned(), Pointer::to_string);
            let begin = String::from_utf8_lossy(body.get(..DETAIL_CHARS_READ).unwrap_or(body));
            let detail = format!("not the promised JSON (no text at {place}): {begin}");
            return Err(Judged::failed(Outcome::SoftFail, detail));
        };
        Ok(ChatAnswer {
            content: content.into(),
            session_id: at(session, SESSION_ID),
        })
    }

    /// Judges the answer to a question, in which the canary of any turn of this user is right.
    pub(super) fn question(&self, exchange: &Exchange, question: &Question) -> Judged {
        let mut judged = self.chat(exchange);
        judged.promise = Promise::NONE;
        let told = match &exchange.body {
            Ok(body) => self.look(&String::from_utf8_lossy(body)).other_op,
            Err(_) => false,
        };
        judged.echo = match judged.echo {
            Echo::Foreign => Echo::Foreign,
            Echo::Own | Echo::None | Echo::NotExpected if question.before_telling => {
                Echo::NotExpected
            }
            Echo::None if told => Echo::Own,
            echo @ (Echo::Own | Echo::None | Echo::NotExpected) => echo,
        };
        judged
    }

    /// Judges the answer to a turn that is told to be kept: it promises the user's own message.
    pub(super) fn kept(&self, exchange: &Exchange) -> Judged {
        let body = match success(exchange) {
            Ok(body) => body,
            Err(failed) => return self.with_bleed_in_textless(failed, exchange),
        };
        let judged = match serde_json::from_slice(body) {
            Ok(KeptAnswer { status, success }) => {
                let is_denied = success == Some(false)
                    || status.is_some_and(|status| KEPT_DENIALS.contains(&status.as_str()));
                if is_denied {
                    Judged::failed(Outcome::SoftFail, String::from_utf8_lossy(body))
                } else {
                    Judged {
                        outcome: Outcome::Ok,
                        promise: Promise {
                            user_message: true,
                            ..Promise::NONE
                        },
                        echo: Echo::NotExpected,
                        server_session: None,
                        detail: None,
                        bleed: Vec::new(),
                    }
                }
            }
            Err(error) => not_promised(&error, body),
        };
        self.with_bleed_in_textless(judged, exchange)
    }

    /// Judges the answer to an upload of so many blocks.
    pub(super) fn upload(&self, exchange: &Exchange, blocks: u16) -> Judged {
        let body = match success(exchange) {
            Ok(body) => body,
            Err(failed) => return self.with_bleed_in_textless(failed, exchange),
        };
        let judged = match serde_json::from_slice(body) {
            Ok(UploadAnswer { success: true }) => Judged {
                outcome: Outcome::Ok,
                promise: Promise {
                    blocks,
                    ..Promise::NONE
                },
                echo: Echo::None,
                server_session: None,
                detail: None,
                bleed: Vec::new(),
            },
            Ok(UploadAnswer { success: false }) => {
                Judged::failed(Outcome::SoftFail, String::from_utf8_lossy(body))
            }
            Err(error) => not_promised(&error, body),
        };
        self.with_bleed_in_textless(judged, exchange)
    }

    /// Does the text begin as the target's apologies do?
    pub(super) fn apology(&self, text: &str) -> bool {
        let text = text.trim_start();
        self.apologies
            .iter()
            .any(|apology| text.starts_with(apology.as_str()))
    }

    /// Looks for canaries of this run in a text that was sent to this user.
    pub(super) fn look(&self, text: &str) -> Seen {
        let normalised = canary::normalise(text);
        let mut canaries = canary::find(&normalised);
        canaries.retain(|seen| seen.id.run == self.own.run);
        let exact = |matches: &dyn Fn(&CanaryId) -> bool| {
            canaries
                .iter()
                .any(|seen| seen.exactness == Exactness::Exact && matches(&seen.id))
        };
        let own = exact(&|id| *id == self.own);
        let other_op = exact(&|id| id.user == self.own.user && *id != self.own);
        let foreign = exact(&|id| id.user != self.own.user);
        Seen {
            own,
            other_op,
            bleed: foreign.then(|| Bleed {
                session: None,
                body_hash: canary::body_hash(&normalised),
                excerpt: canary::excerpt(&normalised, self.own.run, EXCERPT_CHARS_AROUND),
                canaries,
            }),
        }
    }

    /// The answer to an upload, or to a turn to keep, has no text that could carry the canary;
    /// another's is a bleed all the same.
    fn with_bleed_in_textless(&self, judged: Judged, exchange: &Exchange) -> Judged {
        let mut judged = self.with_bleed_of(judged, exchange);
        if judged.echo != Echo::Foreign {
            judged.echo = Echo::NotExpected;
        }
        judged
    }

    /// Another's text may also stand beside the reply: among sources, or suggestions.
    fn with_bleed_beside(&self, mut judged: Judged, body: &[u8]) -> Judged {
        if judged.echo != Echo::Foreign
            && let Some(bleed) = self.look(&String::from_utf8_lossy(body)).bleed
        {
            judged.echo = Echo::Foreign;
            judged.bleed.push(bleed);
        }
        judged
    }

    /// Whatever came back was sent to this user, so an error's text is looked at, too.
    fn with_bleed_of(&self, mut judged: Judged, exchange: &Exchange) -> Judged {
        if let Ok(body) = &exchange.body {
            let seen = self.look(&String::from_utf8_lossy(body));
            judged.echo = seen.echo();
            judged.bleed.extend(seen.bleed);
        }
        judged
    }
}

/// What the end of an exchange says about the target.
pub(super) fn sign(exchange: &Exchange) -> Sign {
    match (&exchange.body, exchange.status) {
        (Ok(_), _) | (Err(_), Some(_)) => Sign::Answered,
        (Err(fault), None) => sign_of_fault(fault),
    }
}

/// What a fault says about the target.
pub(super) fn sign_of_fault(fault: &Fault) -> Sign {
    match fault {
        Fault::Dial(_) | Fault::Broken(_) => Sign::Gone,
        Fault::Timeout(_) | Fault::GivenUp(_) => Sign::Silent,
        Fault::Malformed(_) | Fault::TooLarge => Sign::Answered,
    }
}

/// A masked text, cut to what is kept as a detail.
pub(super) fn detail(masked: &str) -> String {
    masked.chars().take(DETAIL_CHARS_MAX).collect()
}

/// A text cut to what is looked at before it is masked.
pub(super) fn short(text: &str) -> String {
    text.chars().take(DETAIL_CHARS_READ).collect()
}

/// The body of a success, or how the operation failed.
fn success(exchange: &Exchange) -> Result<&[u8], Judged> {
    let body = match &exchange.body {
        Ok(body) => body,
        Err(fault) => {
            let outcome = match exchange.sent {
                None => Outcome::Unsent,
                Some(_) => Outcome::Unknown,
            };
            return Err(Judged::failed(outcome, fault.to_string()));
        }
    };
    match exchange.status {
        Some(200..=299) => Ok(body),
        Some(429) => Err(Judged::failed(Outcome::Refused, throttled(exchange, body))),
        Some(400..=599) => Err(Judged::failed(
            Outcome::Refused,
            String::from_utf8_lossy(body),
        )),
        Some(300..=399) => Err(Judged::failed(
            Outcome::Unknown,
            "a redirect, which is not followed",
        )),
        Some(_) | None => Err(Judged::failed(Outcome::Unknown, "an unknown status")),
    }
}

/// A refusal for want of room, with the time that the target asks for.
fn throttled(exchange: &Exchange, body: &[u8]) -> String {
    let mut text = "refused with 429".to_owned();
    if let Some(after) = &exchange.retry_after {
        // Otherwise it is a date.
        let is_seconds = after.bytes().all(|byte| byte.is_ascii_digit());
        text = format!(
            "{text}, Retry-After {after}{}",
            if is_seconds { " s" } else { "" }
        );
    }
    if body.is_empty() {
        text
    } else {
        format!("{text}: {}", String::from_utf8_lossy(body))
    }
}

/// A success whose body is not an answer. JSON of another form is what the target means to say: a
/// failure. What is no JSON, or only half of one, may have been anything on its way here.
fn not_promised(error: &serde_json::Error, body: &[u8]) -> Judged {
    let outcome = match error.classify() {
        Category::Data => Outcome::SoftFail,
        Category::Eof | Category::Syntax | Category::Io => Outcome::Unknown,
    };
    let begin = String::from_utf8_lossy(body.get(..DETAIL_CHARS_READ).unwrap_or(body));
    Judged::failed(outcome, format!("not the promised JSON ({error}): {begin}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{CanaryKind, Micros, RunId, SessionIx, UserIx};

    #[test]
    fn a_text_of_others_beside_the_reply_is_seen() {
        let planted = |user| CanaryId {
            run: RunId(7),
            user: UserIx(user),
            session: SessionIx(user),
            item: 0,
            kind: CanaryKind::Turn,
        };
        let answers = Answers::default();
        let reader = Reader {
            own: planted(1),
            apologies: &[],
            answers: &answers,
        };
        let judged = |content: &str, beside: &str| {
            let body = serde_json::json!({"content": content, "sources": [{"text": beside}]});
            let exchange = Exchange {
                status: Some(200),
                body: Ok(body.to_string().into()),
                sent: None,
                completed: Micros(0),
                retry_after: None,
            };
            let judged = reader.chat(&exchange);
            (judged.outcome, judged.echo, judged.bleed.len())
        };
        let (own, other) = (
            canary::plant(planted(1), &[]),
            canary::plant(planted(2), &[]),
        );
        for (content, beside, echo, bleeds) in [
            (own.as_str(), "", Echo::Own, 0),
            ("fine", own.as_str(), Echo::None, 0),
            (&own, &other, Echo::Foreign, 1),
            (&other, &other, Echo::Foreign, 1),
        ] {
            assert_eq!(judged(content, beside), (Outcome::Ok, echo, bleeds));
        }
    }
}
