//! Others who use the backend before a run or write into the same store while it is on: quirks, and
//! no concern of the run.
#![expect(
    clippy::disallowed_methods,
    reason = "strangers write in a task of their own"
)]

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::watch;

use super::quirks::{QuirkKind, Quirks};
use super::stamp::Dice;
use super::truth::DEV_OWNER_PREFIX;
use super::zep::{Metadata, NewMessage, NewSession, Store};
use crate::canary;
use crate::model::{CanaryId, CanaryKind, RunId, SessionIx, UserIx};

/// How often each of them writes.
const PAUSE: Duration = Duration::from_millis(50);
/// Turns that are there before any run begins.
const BEFORE: u32 = 40;
/// Turns after which they have said everything.
const TURNS_MAX: u32 = 2_000;
/// Turns of one of their sessions.
const TURNS_EACH: u32 = 4;
/// Users of a colleague's run, and people who have seen older ones.
const USERS: u32 = 8;
/// The run whose texts other people's sessions hold.
const OLDER_RUN: RunId = RunId(0x0bad_cafe);
/// The run of the colleague.
const COLLEAGUES_RUN: RunId = RunId(0x0c01_1ea6);

/// What whoever is first says.
const GOOD_MORNING: &str = r#"{"content":"Good morning.","agent_id":"elena"}"#;

/// Who writes.
#[derive(Debug, Clone, Copy)]
enum Stranger {
    /// People of the target's own, with texts of an older run in their sessions.
    People,
    /// A run of somebody else.
    Colleague,
}

/// Has the strangers write that are among the quirks, until the lab ends.
pub(super) fn start(
    quirks: &Quirks,
    store: &Arc<Store>,
    dice: &Arc<Dice>,
    closed: &watch::Receiver<bool>,
) {
    for (quirk, stranger) in [
        (QuirkKind::OtherRuns, Stranger::People),
        (QuirkKind::Colleague, Stranger::Colleague),
    ] {
        if !quirks.has(quirk) {
            continue;
        }
        for turn in 0..BEFORE {
            write(store, dice, stranger, turn);
        }
        let (store, dice, mut closed) = (Arc::clone(store), Arc::clone(dice), closed.clone());
        tokio::spawn(async move {
            let all = async {
                for turn in BEFORE..TURNS_MAX {
                    tokio::time::sleep(PAUSE).await;
                    write(&store, &dice, stranger, turn);
                }
            };
            tokio::select! {
                () = all => {}
                _ = closed.wait_for(|closed| *closed) => {}
            }
        });
    }
}

/// Somebody has a turn at the backend, through its door, and waits for the answer.
///
/// # Errors
/// The connection broke.
pub(super) async fn use_once(backend_url: &str) -> io::Result<()> {
    let backend = backend_url.trim_start_matches("http://");
    let request = format!(
        "POST /api/v1/chat HTTP/1.1\r\nhost: {backend}\r\nauthorization: Bearer \
         dev_early-bird_analyst\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\
         connection: close\r\n\r\n{GOOD_MORNING}",
        GOOD_MORNING.len()
    );
    let mut connection = TcpStream::connect(backend).await?;
    connection.write_all(request.as_bytes()).await?;
    let mut answer = Vec::new();
    connection.read_to_end(&mut answer).await?;
    Ok(())
}

/// One turn and one fact. Nobody looks at what becomes of them.
fn write(store: &Store, dice: &Dice, stranger: Stranger, turn: u32) {
    let number = turn / TURNS_EACH;
    let (user, session) = (UserIx(number % USERS), SessionIx(number));
    let run = match stranger {
        Stranger::People => OLDER_RUN,
        Stranger::Colleague => COLLEAGUES_RUN,
    };
    let id = CanaryId {
        run,
        user,
        session,
        item: u16::try_from(turn % TURNS_EACH).unwrap_or_default(),
        kind: CanaryKind::Turn,
    };
    let word = canary::plant(id, &[]);
    let (owner, name) = match stranger {
        Stranger::People => {
            let person = format!("{DEV_OWNER_PREFIX}person{}", user.0);
            (person, format!("talk-{number}"))
        }
        Stranger::Colleague => {
            let owner = format!("{DEV_OWNER_PREFIX}{}", run.user_name(user));
            (owner, run.session_name(user, session))
        }
    };
    // One that exists already is taken as it is.
    let _ = store.create_session(NewSession {
        session_id: name.clone(),
        user_id: Some(owner.clone()),
        metadata: None,
    });
    let said = |role: &str, content: String| NewMessage {
        role_type: Some(role.to_owned()),
        content,
        ..NewMessage::default()
    };
    let question = format!("Please keep the reference word {word}, and end with {word}.");
    let answer = format!("As you asked, here is the reference word: {word}");
    let turn = vec![said("user", question), said("assistant", answer)];
    let _ = store.append(&name, turn);
    if dice.chance(0.5) {
        let fact = format!("They have been given the reference word {word}.");
        store.add_fact(&owner, fact, &Metadata::new());
    }
}
