//! Asking a store what it speaks. What is asked next, and what follows from an answer, is decided
//! in the room `dialect`.

use std::time::Duration;

use tokio::time::Instant;

use super::error::StoreError;
use super::store::{Answer, StoreKey, StoreWire};
use crate::auth::Secret;
use crate::dialect::{self, Detection, Dialect, NotFound, Probe, Scheme, Step};
use crate::model::LAB_STORE_KEY;
use crate::scenario::Memory;

/// How often a question is asked that is answered with an overload.
const TRIES: u32 = 3;
/// Pause between two of them.
const PAUSE: Duration = Duration::from_millis(250);

/// What a store speaks.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) dialect: &'static dyn Dialect,
    /// What goes with every request from now on.
    pub(super) credential: Option<(Scheme, Secret)>,
    /// What was asked and answered.
    pub(super) evidence: Vec<String>,
    /// How long a request took, on average.
    pub(super) pace: Duration,
}

/// Asks until it is known.
pub(super) async fn detect(
    wire: &StoreWire,
    key: &StoreKey,
    memory: &Memory,
) -> Result<Found, StoreError> {
    let secret = match key {
        StoreKey::None => None,
        StoreKey::Given(secret) => Some(secret.clone()),
        StoreKey::Lab => Some(Secret::new(LAB_STORE_KEY.to_owned())),
    };
    let mut detection = Detection::new(memory.dialect, secret.is_some());
    let mut evidence = Vec::new();
    let mut credential = None;
    let begun = Instant::now();
    loop {
        match detection.step() {
            Step::Ask(probe) => {
                let with_key = probe.credential.zip(secret.clone());
                let answer = ask(&wire.with(with_key.clone()), &probe).await?;
                evidence.push(line(&probe, &answer));
                detection.answered(&answer.reply());
                if with_key.is_some() {
                    credential = with_key;
                }
            }
            Step::Found(dialect) => {
                let asked = u32::try_from(evidence.len()).unwrap_or(u32::MAX);
                return Ok(Found {
                    dialect,
                    credential,
                    evidence,
                    pace: begun.elapsed() / asked.max(1),
                });
            }
            Step::Failed(reason) => {
                return Err(failure(wire, key, memory, reason, &evidence));
            }
        }
    }
}

async fn ask(wire: &StoreWire, probe: &Probe) -> Result<Answer, StoreError> {
    let mut tries_left = TRIES;
    loop {
        tries_left = tries_left.saturating_sub(1);
        let answer = wire.send(&"what it speaks", probe.ask.clone()).await?;
        let is_overload = answer.status == 429 || answer.status >= 500;
        if !is_overload || tries_left == 0 {
            return Ok(answer);
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// What was asked and answered, without a byte of the answer: it may be a real person's text.
fn line(probe: &Probe, answer: &Answer) -> String {
    let with = match probe.credential {
        Some(_) => " with the key",
        None => "",
    };
    let body = match answer.body.trim_ascii() {
        b"" => "nothing",
        b"." => "a full stop",
        [b'[' | b'{', ..] => "JSON",
        [b'<', ..] => "HTML",
        _ => "text",
    };
    let path = &probe.ask.path_and_query;
    format!("GET {path}{with}: {} with {body}", answer.status)
}

fn failure(
    wire: &StoreWire,
    key: &StoreKey,
    memory: &Memory,
    reason: NotFound,
    evidence: &[String],
) -> StoreError {
    let url = wire.shown_url();
    let asked = evidence.join("; ");
    match reason {
        NotFound::NotAlive { status } => StoreError::NotHealthy { url, status, asked },
        NotFound::Unknown => {
            let any = || {
                let names: Vec<_> = dialect::ALL.iter().map(|d| d.name()).collect();
                format!("any of {}", names.join(", "))
            };
            let known = memory.dialect.map_or_else(any, |wanted| wanted.to_string());
            StoreError::UnknownDialect { url, known, asked }
        }
        NotFound::TooOld => StoreError::TooOld { url, asked },
        NotFound::NeedsCredential { dialect, refused } => {
            let key_env = memory.key_env.clone();
            match key {
                StoreKey::Given(_) if refused => StoreError::KeyRefused {
                    url,
                    dialect,
                    key_env,
                    asked,
                },
                StoreKey::Given(_) | StoreKey::None | StoreKey::Lab => StoreError::NeedsKey {
                    url,
                    dialect,
                    key_env,
                    asked,
                },
            }
        }
        NotFound::Undecided { status } => StoreError::Undecided { url, status, asked },
    }
}
