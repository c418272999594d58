//! What is wrong in a store, found by comparing it with what was sent. This knows nothing of the
//! faults.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::bench::Bench;
use super::workload::{Sent, Told, owner};

/// A code and the record's id, or the canary where nothing is stored.
pub(super) type Wrong = (String, String);

/// A stored message or fact.
struct Record {
    id: String,
    owner: Option<String>,
    session: Option<String>,
    role: String,
    text: String,
}

/// Everything that is wrong, sorted.
pub(super) async fn wrong_records(bench: &Bench, all_sent: &[Sent]) -> Vec<Wrong> {
    let (sessions, records) = read(bench).await;
    let mut wrong = wrong_sessions(&sessions, all_sent);
    let by_canary: BTreeMap<&str, &Sent> = all_sent
        .iter()
        .flat_map(|sent| {
            sent.canaries
                .iter()
                .map(move |canary| (canary.as_str(), sent))
        })
        .collect();
    let mut stored = BTreeSet::new();
    let mut copies = BTreeSet::new();
    for record in &records {
        let words = record.text.split(|c: char| !c.is_ascii_lowercase());
        let canaries = words.filter_map(|word| by_canary.get_key_value(word));
        let canaries: Vec<&str> = canaries.map(|(canary, _)| *canary).collect();
        stored.extend(canaries.iter().copied());
        let senders: Vec<&Sent> = canaries.iter().map(|canary| by_canary[canary]).collect();
        let first = senders.first().expect("only canaries are sent");
        let key = (&record.session, &record.owner, &record.role, &record.text);
        let code = if senders.iter().any(|sent| sent.user != first.user) {
            Some("chunk-mix")
        } else if let Some(code) = owner_code(first.user, record.owner.as_deref()) {
            Some(code)
        } else if first.session.is_some() && first.session != record.session {
            Some("session-bleed")
        } else if !copies.insert(key) {
            Some("duplicate")
        } else if first.told == Told::Refused {
            Some("ghost")
        } else {
            None
        };
        wrong.extend(code.map(|code| (code.to_owned(), record.id.clone())));
    }
    wrong.extend(all_sent.iter().flat_map(|sent| missing(sent, &stored)));
    wrong.extend(all_sent.iter().filter_map(|sent| bled(sent, &by_canary)));
    wrong.sort();
    wrong
}

async fn read(bench: &Bench) -> (Vec<Value>, Vec<Record>) {
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let mut records = Vec::new();
    let sessions = bench.stored("/sessions").await;
    for session in &sessions {
        let name = session["session_id"].as_str().unwrap();
        for message in bench.stored(&format!("/sessions/{name}/messages")).await {
            records.push(Record {
                id: text(&message["uuid"]).unwrap(),
                owner: text(&session["user_id"]),
                session: Some(name.to_owned()),
                role: text(&message["role_type"]).unwrap(),
                text: text(&message["content"]).unwrap(),
            });
        }
    }
    for user in bench.stored("/user").await {
        let name = user["user_id"].as_str().unwrap();
        for fact in bench.stored(&format!("/users/{name}/facts")).await {
            assert_eq!(fact["user_id"], name);
            records.push(Record {
                id: text(&fact["uuid"]).unwrap(),
                owner: Some(name.to_owned()),
                session: None,
                role: String::new(),
                text: text(&fact["fact"]).unwrap(),
            });
        }
    }
    (sessions, records)
}

fn wrong_sessions(sessions: &[Value], all_sent: &[Sent]) -> Vec<Wrong> {
    let wrong = |session: &Value| {
        let name = session["session_id"].as_str().unwrap();
        let sent = all_sent
            .iter()
            .find(|sent| sent.session.as_deref() == Some(name));
        let code = owner_code(sent.unwrap().user, session["user_id"].as_str())?;
        Some((code.to_owned(), name.to_owned()))
    };
    sessions.iter().filter_map(wrong).collect()
}

fn owner_code(user: u32, stored: Option<&str>) -> Option<&'static str> {
    match stored {
        None => Some("missing-owner"),
        Some(stored) if stored == owner(user) => None,
        Some("dev-user" | "voice-user") => Some("placeholder-owner"),
        Some(_) => Some("wrong-owner"),
    }
}

/// What was accepted and is nowhere.
fn missing(sent: &Sent, stored: &BTreeSet<&str>) -> Vec<Wrong> {
    let Told::Accepted(_) = sent.told else {
        return Vec::new();
    };
    let absent = sent
        .canaries
        .iter()
        .filter(|canary| !stored.contains(canary.as_str()));
    let absent: Vec<_> = absent.cloned().collect();
    if absent.len() == sent.canaries.len() {
        vec![("lost".to_owned(), absent[0].clone())]
    } else {
        let part = |canary| ("partial-ingest".to_owned(), canary);
        absent.into_iter().map(part).collect()
    }
}

/// An answer that holds somebody else's canary.
fn bled(sent: &Sent, by_canary: &BTreeMap<&str, &Sent>) -> Option<Wrong> {
    let Told::Accepted(answer) = &sent.told else {
        return None;
    };
    let foreign =
        |(canary, whose): (&&str, &&Sent)| whose.user != sent.user && answer.contains(*canary);
    let has_foreign = by_canary.iter().any(foreign);
    has_foreign.then(|| ("response-bleed".to_owned(), sent.session.clone().unwrap()))
}
