//! Users at work on all channels at once, and what each of them sent and was told.

use futures_util::future::join_all;

use super::bench::{Bench, RUN, Spoken, canary};
use crate::model::{CanaryKind, SessionIx, UserIx};

/// What a client was told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Told {
    Accepted(String),
    Refused,
    Nothing,
}

/// One operation of one user.
#[derive(Debug)]
pub(super) struct Sent {
    pub(super) user: u32,
    /// The session as the client knows it; none for an upload.
    pub(super) session: Option<String>,
    /// One for a turn, one for each block of a document.
    pub(super) canaries: Vec<String>,
    pub(super) told: Told,
}

pub(super) fn owner(user: u32) -> String {
    format!("dev-oid-{}", RUN.user_name(UserIx(user)))
}

pub(super) fn user_name(user: u32) -> String {
    RUN.user_name(UserIx(user))
}

pub(super) fn session_name(user: u32, session: u32) -> String {
    RUN.session_name(UserIx(user), SessionIx(session))
}

/// Each user has two chat sessions, one upload and one call, all at the same time.
pub(super) async fn everything(bench: &Bench, users: u32) -> Vec<Sent> {
    let sessions = (0..users).flat_map(|user| {
        let first = user * 4;
        [
            Box::pin(chats(bench, user, first, 3)) as Work<'_>,
            Box::pin(chats(bench, user, first + 1, 3)),
            Box::pin(uploads(bench, user, first + 2)),
            Box::pin(calls(bench, user, first + 3)),
        ]
    });
    join_all(sessions).await.concat_all()
}

type Work<'a> = std::pin::Pin<Box<dyn Future<Output = Vec<Sent>> + 'a>>;

trait ConcatAll {
    fn concat_all(self) -> Vec<Sent>;
}

impl ConcatAll for Vec<Vec<Sent>> {
    fn concat_all(self) -> Vec<Sent> {
        self.into_iter().flatten().collect()
    }
}

/// One turn after another.
pub(super) async fn chats(bench: &Bench, user: u32, session: u32, turns: u16) -> Vec<Sent> {
    let mut sent = Vec::new();
    for item in 0..turns {
        sent.push(chat(bench, user, session, item).await);
    }
    sent
}

pub(super) async fn chat(bench: &Bench, user: u32, session: u32, item: u16) -> Sent {
    let canary = canary(user, session, item, CanaryKind::Turn);
    let name = session_name(user, session);
    let text = format!("Please finish with the reference word {canary} as agreed.");
    let answer = bench.chat(&user_name(user), Some(&name), &text).await;
    Sent {
        user,
        session: Some(name),
        canaries: vec![canary],
        told: told(answer.map(|(status, body)| {
            (
                status,
                body["content"].as_str().unwrap_or_default().to_owned(),
            )
        })),
    }
}

async fn uploads(bench: &Bench, user: u32, session: u32) -> Vec<Sent> {
    let blocks = (0..12).map(|item| canary(user, session, item, CanaryKind::Block));
    let canaries: Vec<String> = blocks.collect();
    let filler = format!(" {}", "word ".repeat(40));
    let paragraphs: Vec<String> = canaries
        .chunks(3)
        .map(|three| three.join(&filler))
        .collect();
    let answer = bench
        .upload(&user_name(user), &paragraphs.join("\n\n"))
        .await;
    vec![Sent {
        user,
        session: None,
        canaries,
        told: told(answer.map(|(status, _)| (status, String::new()))),
    }]
}

async fn calls(bench: &Bench, user: u32, session: u32) -> Vec<Sent> {
    let name = session_name(user, session);
    let mut call = bench.call(&user_name(user), &name).await;
    let mut sent = Vec::new();
    for item in 0..2 {
        let canary = canary(user, session, item, CanaryKind::Turn);
        let told = match call.turn(&canary).await {
            Spoken::Answered { heard, answer } => {
                assert_eq!(heard, canary);
                Told::Accepted(answer)
            }
            Spoken::Refused => Told::Refused,
            Spoken::Broken => Told::Nothing,
        };
        let over = told == Told::Nothing;
        sent.push(Sent {
            user,
            session: Some(name.clone()),
            canaries: vec![canary],
            told,
        });
        if over {
            break;
        }
    }
    sent
}

fn told(answer: reqwest::Result<(u16, String)>) -> Told {
    match answer {
        Ok((200, text)) => Told::Accepted(text),
        Ok(_) => Told::Refused,
        Err(_) => Told::Nothing,
    }
}
