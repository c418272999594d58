//! Without faults nothing is wrong, and with each of them the truth names exactly what is.

use std::collections::BTreeSet;

use futures_util::future::join_all;
use serde_json::Value;

use super::bench::{Bench, canary};
use super::comparison::{Wrong, wrong_records};
use super::workload::{Told, chat, chats, everything, owner, session_name, user_name};
use crate::lab::FaultKind;
use crate::model::CanaryKind;

const USERS: u32 = 8;

pub(super) fn told(truth: &[Value]) -> Vec<Wrong> {
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let key = |line: &Value| {
        let id = text(&line["record_id"]).or_else(|| text(&line["canary"]));
        (text(&line["code"]).unwrap(), id.unwrap())
    };
    let mut told: Vec<Wrong> = truth.iter().map(key).collect();
    told.sort();
    told
}

/// Runs the workload with a fault: the truth is what a comparison finds, and holds these codes.
pub(super) async fn check(fault: &str, codes: &[&str]) -> Vec<Value> {
    let bench = Bench::with(&[fault]).await;
    let sent = everything(&bench, USERS).await;
    bench.settled().await;
    let found = wrong_records(&bench, &sent).await;
    let left = bench.stopped().await;
    assert_eq!(told(&left.truth), found, "{fault}");
    let mut found_codes: Vec<&str> = found.iter().map(|(code, _)| code.as_str()).collect();
    found_codes.dedup();
    assert_eq!(found_codes, codes, "{fault}");
    let name = fault.split(':').next().unwrap();
    assert!(
        left.truth.iter().all(|line| line["fault"] == name),
        "{fault}"
    );
    left.truth
}

#[tokio::test]
async fn late_binding() {
    check("late-binding", &["wrong-owner"]).await;
    check(
        "late-binding:rate=0.5:window=10ms:from=2:after=5",
        &["wrong-owner"],
    )
    .await;
}

#[tokio::test]
async fn no_owner() {
    check("no-owner", &["missing-owner"]).await;
    check("no-owner:rate=0.5", &["missing-owner"]).await;
}

#[tokio::test]
async fn auth_fallback() {
    check("auth-fallback", &["placeholder-owner"]).await;
    let truth = check("auth-fallback:rate=0.5", &["placeholder-owner"]).await;
    let owners = |owner: &str| {
        truth
            .iter()
            .filter(|line| line["stored_owner"] == owner)
            .count()
    };
    assert!(owners("dev-user") > 0 && owners("voice-user") > 0);
}

#[tokio::test]
async fn drop_after_ack() {
    check("drop-after-ack", &["lost"]).await;
    check("drop-after-ack:rate=0.5", &["lost"]).await;
}

#[tokio::test]
async fn double_write() {
    check("double-write", &["duplicate"]).await;
    check("double-write:rate=0.5", &["duplicate"]).await;
}

#[tokio::test]
async fn global_user() {
    let truth = check("global-user", &["wrong-owner"]).await;
    let owner = &truth[0]["stored_owner"];
    assert!(truth.iter().all(|line| line["stored_owner"] == *owner));
    check("global-user:after=20", &["wrong-owner"]).await;
}

#[tokio::test]
async fn crossed_tasks() {
    check("crossed-tasks", &["wrong-owner"]).await;
    check("crossed-tasks:rate=0.5", &["wrong-owner"]).await;
}

#[tokio::test]
async fn lose_chunk() {
    check("lose-chunk", &["partial-ingest"]).await;
}

#[tokio::test]
async fn mix_chunks() {
    check("mix-chunks", &["chunk-mix"]).await;
}

#[tokio::test]
async fn foreign_answer() {
    check("foreign-answer", &["wrong-owner"]).await;
    check("foreign-answer:rate=0.5", &["wrong-owner"]).await;
}

#[tokio::test]
async fn crossed_sockets() {
    check("crossed-sockets", &["response-bleed"]).await;
}

#[tokio::test]
async fn store_then_fail() {
    check("store-then-fail:rate=1", &["ghost"]).await;
    check("store-then-fail:rate=0.5", &["ghost"]).await;
}

#[tokio::test]
async fn wrong_session() {
    check("wrong-session", &["session-bleed"]).await;
    check("wrong-session:rate=0.5", &["session-bleed"]).await;
}

#[tokio::test]
async fn sticky_connection() {
    let bench = Bench::with(&["sticky-connection"]).await;
    let mut sent = Vec::new();
    // One after another, so that they come over the same connection.
    for user in 0..USERS {
        sent.push(chat(&bench, user, user, 0).await);
    }
    bench.settled().await;
    let found = wrong_records(&bench, &sent).await;
    let left = bench.stopped().await;
    assert_eq!(told(&left.truth), found);
    assert!(found.iter().any(|(code, _)| code == "wrong-owner"));
}

/// Forty users come back with a new credential, and sixteen keys tell them apart.
#[tokio::test]
async fn colliding_logins() {
    let bench = Bench::with(&["colliding-logins"]).await;
    for user in 0..40 {
        let (name, session) = (user_name(user), session_name(user, user));
        for (item, login) in (0..).zip([name.clone(), name.clone() + "_viewer"]) {
            let word = canary(user, user, item, CanaryKind::Turn);
            let text = format!("My word is {word}, end with {word}.");
            let (status, _) = bench.chat(&login, Some(&session), &text).await.unwrap();
            assert_eq!(status, 200);
        }
    }
    bench.settled().await;
    let left = bench.stopped().await;
    let mistaken: BTreeSet<&str> = left
        .truth
        .iter()
        .map(|line| line["true_user"].as_str().unwrap())
        .collect();
    assert!(
        (24..40).contains(&mistaken.len()),
        "{} mistaken",
        mistaken.len()
    );
    assert!(left.truth.iter().all(|line| line["code"] == "wrong-owner"));
}

#[tokio::test]
async fn without_faults_nothing_is_wrong_on_any_channel() {
    check_clean(Bench::with(&[]).await).await;
    // One that can never strike is as good as none.
    check_clean(Bench::with(&["late-binding:from=4000000000"]).await).await;
}

async fn check_clean(bench: Bench) {
    let sent = everything(&bench, USERS).await;
    assert!(
        sent.iter()
            .all(|sent| matches!(sent.told, Told::Accepted(_)))
    );
    bench.settled().await;
    assert_eq!(wrong_records(&bench, &sent).await, []);
    assert_eq!(bench.stopped().await.truth, Vec::<Value>::new());
}

/// Fifty users at once, two sessions each; in one of them four turns are in flight at a time.
#[tokio::test]
async fn fifty_users_at_once_are_stored_whole_and_in_order() {
    const TURNS: u16 = 8;
    let bench = &Bench::with(&[]).await;
    let users = (0..50).map(|user| async move {
        let quiet = chats(bench, user, user * 2, TURNS);
        let busy = async {
            let mut sent = Vec::new();
            for first in (0..TURNS).step_by(4) {
                let turns = (first..first + 4).map(|item| chat(bench, user, user * 2 + 1, item));
                sent.extend(join_all(turns).await);
            }
            sent
        };
        let (mut quiet, busy) = tokio::join!(quiet, busy);
        quiet.extend(busy);
        quiet
    });
    let sent: Vec<_> = join_all(users).await.into_iter().flatten().collect();
    bench.settled().await;
    assert_eq!(wrong_records(bench, &sent).await, []);
    for user in 0..50 {
        for session in [user * 2, user * 2 + 1] {
            let name = session_name(user, session);
            let messages = bench.stored(&format!("/sessions/{name}/messages")).await;
            assert_eq!(messages.len(), usize::from(TURNS) * 2, "{name}");
            let texts: Vec<_> = messages
                .iter()
                .map(|m| m["content"].as_str().unwrap())
                .collect();
            for (place, pair) in texts.chunks(2).enumerate() {
                let item = u16::try_from(place).unwrap();
                let canary = canary(user, session, item, CanaryKind::Turn);
                if session % 2 == 0 {
                    assert!(
                        pair.iter().all(|text| text.contains(&canary)),
                        "{name} {place}"
                    );
                }
                let word = pair[1].rsplit(' ').next().unwrap();
                assert!(
                    pair[0].contains(word),
                    "a turn and its answer stand together"
                );
            }
        }
    }
    let owners = bench.stored("/user").await;
    assert_eq!(owners.len(), 50);
    assert!(
        owners
            .iter()
            .all(|row| (0..50).any(|user| row["user_id"] == owner(user)))
    );
}

/// Several faults at once: nothing breaks, and each line names a fault that was planted.
#[tokio::test]
async fn faults_in_combination_do_their_work_beside_each_other() {
    let all: Vec<String> = FaultKind::ALL
        .iter()
        .filter(|kind| !matches!(kind, FaultKind::Wedge | FaultKind::StaleConnection))
        .map(|kind| {
            let delayed = matches!(kind, FaultKind::SlowStore | FaultKind::ReorderWrites);
            let delay = if delayed { ":delay=50ms" } else { "" };
            format!("{kind}:rate=0.05{delay}")
        })
        .collect();
    let all: Vec<&str> = all.iter().map(String::as_str).collect();
    let bench = Bench::with(&all).await;
    for _ in 0..3 {
        everything(&bench, USERS).await;
    }
    bench.settled().await;
    let left = bench.stopped().await;
    let faults: BTreeSet<&str> = left
        .truth
        .iter()
        .map(|l| l["fault"].as_str().unwrap())
        .collect();
    assert!(faults.len() > 5, "{faults:?}");
    assert!(
        faults
            .iter()
            .all(|fault| all.iter().any(|spec| spec.starts_with(fault)))
    );
}
