//! A second way to read: do the target's own routes show what the store shows?
//!
//! Engram lists a session only for the user whom it takes for the owner, and gives a transcript.
//! Two ways of reading that differ say that one of them cannot be believed.

use serde::Deserialize;

use crate::canary;
use crate::ledger::LedgerReader;
use crate::model::{Code, OpKind, OpRow, Outcome, Proof, UserIx};
use crate::report::Report;

use super::probe;
use super::sheet::{Sheet, State};
use crate::cli::run::Prepared;

const NAME: &str = "second path";
/// Where an Engram lists the sessions of whoever asks, and below it gives one.
const EPISODES: &str = "/api/v1/memory/episodes";
/// Sessions that it lists at once.
const LISTED_MAX: usize = 100;

#[derive(Deserialize)]
struct List {
    episodes: Vec<Episode>,
}

#[derive(Deserialize)]
struct Episode {
    id: String,
}

#[derive(Deserialize)]
struct Transcript {
    transcript: Vec<Message>,
}

#[derive(Deserialize)]
struct Message {
    #[serde(default)]
    content: String,
}

/// What one user is shown of the sessions that were tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Shown {
    /// Is the user's own session listed? `None` where the list is too long to say.
    own: Option<bool>,
    /// Is another user's?
    others: bool,
    /// Is what the user said in the transcript?
    said: bool,
}

/// Compares the two ways for the chat session of each user that was tried.
///
/// # Errors
/// The ledger cannot be read.
pub(super) async fn look(
    sheet: &mut Sheet,
    prepared: &Prepared,
    report: &Report,
) -> anyhow::Result<()> {
    let users = prepared.plan.scenario().users;
    let mut ops = LedgerReader::open(&prepared.folder)?.ops_of_users(0..users)?;
    ops.retain(|op| op.invocation.kind == OpKind::Chat && op.outcome() == Outcome::Ok);
    if ops.is_empty() || has_chat_finding(report) {
        let seen = "the store shows no chat session that is as it should be";
        let remedy = "mend what is said above of the chat first";
        sheet.line(NAME, State::Skipped, seen, remedy);
        return Ok(());
    }
    let mut all = Vec::new();
    for op in &ops {
        match shown(prepared, op, &ops).await {
            Ok(shown) => all.push(shown),
            Err(why) => {
                let remedy = "none is needed: only Engram has these routes, and the store is read";
                sheet.line(NAME, State::Skipped, why, remedy);
                return Ok(());
            }
        }
    }
    let (state, seen, remedy) = compare(&all);
    sheet.line(NAME, state, seen, remedy);
    Ok(())
}

/// Is anything proved to be wrong with what was chatted, as far as the store says it?
fn has_chat_finding(report: &Report) -> bool {
    report.findings.iter().any(|finding| {
        let is_chat = finding.ops.iter().any(|op| op.kind == OpKind::Chat);
        let is_stored = !matches!(finding.code, Code::Late | Code::LogMismatch);
        is_chat && is_stored && finding.proof == Proof::Proved
    })
}

async fn shown(prepared: &Prepared, op: &OpRow, ops: &[OpRow]) -> Result<Shown, String> {
    let user = op.invocation.user;
    let path = format!("{EPISODES}?limit={LISTED_MAX}&offset=0");
    let list: List = ask(prepared, user, &path).await?;
    let is_listed = |op: &OpRow| {
        let session = session_of(prepared, op);
        list.episodes.iter().any(|listed| listed.id == session)
    };
    let path = format!("{EPISODES}/{}", session_of(prepared, op));
    let told: Transcript = ask(prepared, user, &path).await?;
    let mut others = ops.iter().filter(|other| other.invocation.user != user);
    let is_own = |message: &Message| {
        let found = canary::find(&canary::normalise(&message.content));
        let mut of_run = found.iter().filter(|seen| seen.id.run == prepared.run);
        of_run.any(|seen| seen.id.user == user && seen.id.session == op.invocation.op.session)
    };
    let own = is_listed(op);
    Ok(Shown {
        own: (own || list.episodes.len() < LISTED_MAX).then_some(own),
        others: others.any(is_listed),
        said: told.transcript.iter().any(is_own),
    })
}

fn session_of(prepared: &Prepared, op: &OpRow) -> String {
    let end = op.completion.as_ref();
    let given = end.and_then(|end| end.server_session.clone());
    given.unwrap_or_else(|| {
        let begun = &op.invocation;
        prepared.run.session_name(begun.founder, begun.op.session)
    })
}

async fn ask<T: serde::de::DeserializeOwned>(
    prepared: &Prepared,
    user: UserIx,
    path: &str,
) -> Result<T, String> {
    match probe::get(prepared, user, path).await {
        None => Err(format!("{EPISODES} did not answer")),
        Some((200..=299, text)) => serde_json::from_str(&text)
            .map_err(|_| format!("{EPISODES} answered something that is no list of Engram's")),
        Some((status, _)) => Err(format!("{EPISODES} answered {status}")),
    }
}

fn compare(all: &[Shown]) -> (State, String, &'static str) {
    if all.iter().any(|shown| shown.others) {
        let seen = "the target's own list shows one user a session that the store has under \
                    another one";
        let remedy = "scope the target's list to the user, or look which of the two is right";
        return (State::Warn, seen.to_owned(), remedy);
    }
    if all.iter().any(|shown| shown.own == Some(false)) {
        let seen = "the target's own list lacks a session that the store has under its user";
        let remedy = "see whether `--memory` is the store that the target writes to, and as whom \
                      it reads there";
        return (State::Warn, seen.to_owned(), remedy);
    }
    if all.iter().any(|shown| !shown.said) {
        let seen = "the target's own transcript lacks what the store has";
        let remedy = "see whether `--memory` is the store that the target writes to";
        return (State::Warn, seen.to_owned(), remedy);
    }
    let seen = format!(
        "the target's own routes show what the store shows: {} chat sessions",
        all.len()
    );
    (State::Ok, seen, "")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_two_ways_differ_in_is_said() {
        let alike = Shown {
            own: Some(true),
            others: false,
            said: true,
        };
        let too_long = Shown { own: None, ..alike };
        let lacks = Shown {
            own: Some(false),
            ..alike
        };
        let shows = Shown {
            others: true,
            ..alike
        };
        let silent = Shown {
            said: false,
            ..alike
        };
        for (second, state, words) in [
            (alike, State::Ok, "2 chat sessions"),
            (too_long, State::Ok, "2 chat sessions"),
            (lacks, State::Warn, "list lacks"),
            (shows, State::Warn, "under another one"),
            (silent, State::Warn, "transcript lacks"),
        ] {
            let (told, seen, remedy) = compare(&[alike, second]);
            assert_eq!((told, remedy.is_empty()), (state, state == State::Ok));
            assert!(seen.contains(words), "{seen}");
        }
    }
}
