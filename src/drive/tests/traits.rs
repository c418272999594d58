//! Traits and disturbances: what a plan wants to go otherwise than usual goes so, and has a row.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::AsyncReadExt as _;

use super::{Driven, RUN, foreign_canary, play, scenario_of};
use crate::canary;
use crate::drive::DriveEnd;
use crate::event::Event;
use crate::model::{CanaryId, Echo, Invocation, Outcome, Promise, Trait, UserIx};
use crate::plan::{Disturbance, Script};
use crate::scenario::{Connections, Pause, RecallSpec, Scenario, SessionSpec};
use crate::wire::fake::{self, Fake, Reply, Request};

/// One user, one session of four turns.
const CHAT: &str = r#"
[load.chat]
executor = "per-vu-iterations"
session = "chat"
vus = 1
iterations = 1
max_duration = "20s"
[sessions.chat]
kind = "chat"
turns = 4
think = "0ms"
words = 5
"#;

const UPLOAD: &str = r#"
[load.upload]
executor = "per-vu-iterations"
session = "upload"
vus = 1
iterations = 1
max_duration = "20s"
[sessions.upload]
kind = "upload"
uploads = 2
think = "0ms"
characters = 20000
"#;

const GUEST: UserIx = UserIx(7);

fn body(request: &Request) -> Value {
    serde_json::from_slice(&request.body).unwrap()
}

/// Whose canary a chat request carries.
fn planted(request: &Request) -> Option<CanaryId> {
    let body = body(request);
    let found = canary::find(&canary::normalise(body["content"].as_str().unwrap()));
    found.first().map(|seen| seen.id)
}

/// Says the canary, if there is one, and names the session.
fn echo(request: &Request) -> Reply {
    let word = planted(request).map(|id| canary::plant(id, &[]));
    say(request, &format!("Noted: {}.", word.unwrap_or_default()))
}

fn say(request: &Request, content: &str) -> Reply {
    let session = body(request)["session_id"].clone();
    fake::json(json!({"content": content, "session_id": session}).to_string())
}

fn late(reply: Reply) -> Reply {
    Reply::Late(Duration::from_millis(100), Box::new(reply))
}

/// A target that answers by the script and keeps what it was sent.
async fn target(
    script: impl Fn(&Request) -> Reply + Send + Sync + 'static,
) -> (Fake, Arc<Mutex<Vec<Request>>>) {
    let requests = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&requests);
    let fake = Fake::start(move |request| {
        log.lock().unwrap().push(request.clone());
        script(request)
    })
    .await;
    (fake, requests)
}

fn disturb(disturbance: Disturbance) -> impl Fn(&mut Script) {
    move |script| script.steps[0].disturbance = Some(disturbance)
}

/// Invocations in the order of their sessions.
fn in_order(driven: &Driven) -> Vec<&Invocation> {
    let mut all = driven.invocations();
    all.sort_by_key(|invocation| invocation.op);
    all
}

fn outcomes(driven: &Driven) -> Vec<Outcome> {
    let completions = driven.completions();
    let of = |invocation: &&Invocation| completions[&invocation.op].outcome;
    in_order(driven).iter().map(of).collect()
}

fn recall(scenario: &mut Scenario) {
    scenario.groups[0].session = SessionSpec::Recall(RecallSpec {
        turns: 1..=1,
        think: Pause {
            min: Duration::ZERO,
            max: Duration::ZERO,
        },
        words: 5..=5,
        agent: "elena".to_owned(),
    });
}

#[tokio::test]
async fn a_question_carries_no_canary_and_its_answer_may_hold_the_users_own() {
    let told = Arc::new(Mutex::new(String::new()));
    let (fake, requests) = target(move |request| {
        if let Some(id) = planted(request) {
            *told.lock().unwrap() = canary::plant(id, &[]);
            return echo(request);
        }
        say(request, &format!("You said {}.", told.lock().unwrap()))
    })
    .await;
    let mut scenario = scenario_of(CHAT);
    recall(&mut scenario);
    let driven = play(&fake.url, scenario, |_| {}).await;
    assert_eq!(outcomes(&driven), [Outcome::Ok; 3]);
    let asked: Vec<_> = requests.lock().unwrap().iter().map(planted).collect();
    assert!(asked[0].is_none() && asked[1].is_some() && asked[2].is_none());
    let completions = driven.completions();
    let mut echoes = Vec::new();
    for invocation in in_order(&driven) {
        let completion = completions[&invocation.op];
        echoes.push(completion.echo);
        if invocation.item_count == 0 {
            assert_eq!(completion.promise, Promise::NONE);
        }
    }
    assert_eq!(echoes, [Echo::NotExpected, Echo::Own, Echo::Own]);
    assert!(driven.sightings().is_empty());
}

#[tokio::test]
async fn another_users_canary_in_the_answer_to_a_question_is_sighted() {
    let (fake, _) = target(|request| match planted(request) {
        Some(_) => echo(request),
        None => say(request, &foreign_canary()),
    })
    .await;
    let mut scenario = scenario_of(CHAT);
    recall(&mut scenario);
    let driven = play(&fake.url, scenario, |_| {}).await;
    let completions = driven.completions();
    let echoes: Vec<_> = in_order(&driven)
        .iter()
        .map(|invocation| completions[&invocation.op].echo)
        .collect();
    assert_eq!(echoes, [Echo::Foreign, Echo::Own, Echo::Foreign]);
    let positions: Vec<_> = driven.sightings().iter().map(|s| s.position).collect();
    assert_eq!(positions, [0, 2]);
}

#[tokio::test]
async fn a_guest_sends_in_the_founders_session_over_the_founders_connection() {
    let (fake, requests) = target(|request| {
        if !request.headers["authorization"].contains("-u7_") {
            return echo(request);
        }
        let founders = CanaryId {
            user: UserIx(0),
            ..planted(request).unwrap()
        };
        let content = canary::plant(founders, &[]);
        fake::json(json!({"content": content, "session_id": "made-for-guest"}).to_string())
    })
    .await;
    let driven = play(&fake.url, scenario_of(CHAT), |script| {
        for seq in [1, 2] {
            script.steps[seq].user = GUEST;
            script.steps[seq].traits = script.steps[seq].traits.with(Trait::HandOver);
        }
    })
    .await;
    let requests = requests.lock().unwrap();
    let name = RUN.session_name(UserIx(0), in_order(&driven)[0].op.session);
    for (request, invocation) in requests.iter().zip(in_order(&driven)) {
        let guest = [1, 2].contains(&invocation.op.seq);
        let user = if guest { GUEST } else { UserIx(0) };
        assert_eq!((invocation.user, invocation.founder), (user, UserIx(0)));
        assert_eq!(planted(request).unwrap().user, user);
        let token = format!("Bearer dev_{}_analyst", RUN.user_name(user));
        assert_eq!(request.headers["authorization"], token);
        assert_eq!(body(request)["session_id"], name);
        assert_eq!(request.connection, 0);
        let named = &driven.completions()[&invocation.op].server_session;
        assert_eq!(named.as_deref(), guest.then_some("made-for-guest"));
    }
    let sightings = driven.sightings();
    assert_eq!(sightings.len(), 2);
    for sighting in sightings {
        let owner = format!("dev-oid-{}", RUN.user_name(GUEST));
        assert_eq!(sighting.owner.as_deref(), Some(owner.as_str()));
        assert_eq!(sighting.session.as_deref(), Some("made-for-guest"));
    }
}

#[tokio::test]
async fn two_users_of_one_session_id_have_connections_of_their_own() {
    let (fake, requests) = target(echo).await;
    play(&fake.url, scenario_of(CHAT), |script| {
        script.steps[1].user = GUEST;
        script.steps[3].user = GUEST;
    })
    .await;
    let requests = requests.lock().unwrap();
    let connections: Vec<_> = requests.iter().map(|r| r.connection).collect();
    assert_eq!(connections, [0, 1, 0, 1]);
}

#[tokio::test]
async fn a_new_login_is_another_credential_of_the_same_user() {
    let (fake, requests) = target(echo).await;
    let driven = play(&fake.url, scenario_of(CHAT), |script| {
        script.steps[2].login = 1;
        script.steps[3].login = 1;
    })
    .await;
    assert_eq!(outcomes(&driven), [Outcome::Ok; 4]);
    let requests = requests.lock().unwrap();
    let roles: Vec<_> = requests
        .iter()
        .map(|request| request.headers["authorization"].rsplit('_').next().unwrap())
        .collect();
    assert_eq!(roles, ["analyst", "analyst", "viewer", "viewer"]);
}

#[tokio::test]
async fn users_take_turns_on_shared_connections() {
    let open = Arc::new(AtomicUsize::new(0));
    let seen = Arc::clone(&open);
    let (fake, requests) = target(move |request| {
        seen.fetch_max(request.connection + 1, Ordering::SeqCst);
        Reply::Late(Duration::from_millis(3), Box::new(echo(request)))
    })
    .await;
    let mut scenario = scenario_of(&CHAT.replace("vus = 1", "vus = 6"));
    scenario.groups[0].connections = Connections::Shared(2);
    let driven = play(&fake.url, scenario, |_| {}).await;
    assert_eq!(outcomes(&driven), [Outcome::Ok; 24]);
    assert_eq!(open.load(Ordering::SeqCst), 2);
    let mut users: HashMap<usize, HashSet<String>> = HashMap::new();
    for request in requests.lock().unwrap().iter() {
        let user = request.headers["authorization"].clone();
        users.entry(request.connection).or_default().insert(user);
    }
    assert!(users.values().all(|users| users.len() > 1), "{users:?}");
}

#[tokio::test]
async fn a_cancelled_operation_is_unknown_and_its_connection_is_gone() {
    let (fake, requests) = target(|request| match planted(request) {
        Some(id) if id.item == 0 => Reply::Late(Duration::from_mins(1), Box::new(echo(request))),
        Some(_) | None => echo(request),
    })
    .await;
    let after = Duration::from_millis(150);
    let cancel = disturb(Disturbance::Cancel { after });
    let driven = play(&fake.url, scenario_of(CHAT), cancel).await;
    let (unknown, rest) = (Outcome::Unknown, Outcome::Ok);
    assert_eq!(outcomes(&driven), [unknown, rest, rest, rest]);
    let first = driven.completions()[&in_order(&driven)[0].op].clone();
    assert_eq!(first.detail.as_deref(), Some("cancelled after 150 ms"));
    assert!(first.sent.is_some());
    let requests = requests.lock().unwrap();
    let connections: Vec<_> = requests.iter().map(|r| r.connection).collect();
    assert_eq!(connections, [0, 1, 1, 1]);
}

#[tokio::test]
async fn an_answer_that_is_there_first_is_an_ordinary_one() {
    let (fake, _) = target(echo).await;
    let after = Duration::from_mins(1);
    let cancel = disturb(Disturbance::Cancel { after });
    let driven = play(&fake.url, scenario_of(CHAT), cancel).await;
    assert_eq!(outcomes(&driven), [Outcome::Ok; 4]);
}

#[tokio::test]
async fn a_dropped_upload_sends_its_share_and_no_more() {
    let (sender, mut received) = tokio::sync::mpsc::unbounded_channel();
    let fake = Fake::serve(move |mut stream, _| {
        let sender = sender.clone();
        async move {
            let mut bytes = Vec::new();
            // However the connection ends, what came before is what counts.
            stream.read_to_end(&mut bytes).await.ok();
            sender.send(bytes).ok();
        }
    })
    .await;
    let drop = disturb(Disturbance::Drop {
        sent_per_mille: 400,
    });
    let driven = play(&fake.url, scenario_of(UPLOAD), |script| {
        drop(script);
        script.steps.truncate(1);
    })
    .await;
    let completion = driven.only();
    assert_eq!(completion.outcome, Outcome::Unknown);
    let detail = completion.detail.as_deref().unwrap();
    assert!(detail.starts_with("broken off after "), "{detail}");
    let request = String::from_utf8(received.recv().await.unwrap()).unwrap();
    let (head, body) = request.split_once("\r\n\r\n").unwrap();
    let head = head.to_ascii_lowercase();
    let announced = head.split("content-length: ").nth(1).unwrap();
    let announced: usize = announced.lines().next().unwrap().parse().unwrap();
    assert_eq!(body.len(), announced * 400 / 1_000);
    assert!(detail.ends_with(&format!(" {} of {announced} bytes", body.len())));
}

#[tokio::test]
async fn a_request_sent_twice_is_done_if_either_is() {
    for failing in [0, 1] {
        let count = AtomicUsize::new(0);
        let (fake, requests) = target(move |request| {
            if planted(request).unwrap().item > 0 {
                return echo(request);
            }
            let number = count.fetch_add(1, Ordering::SeqCst);
            let text = json!({"content": foreign_canary()}).to_string();
            late(if number == failing {
                Reply::Answer(500, "application/json", text)
            } else {
                echo(request)
            })
        })
        .await;
        let twice = disturb(Disturbance::SubmitTwice);
        let driven = play(&fake.url, scenario_of(CHAT), twice).await;
        assert_eq!(outcomes(&driven), [Outcome::Ok; 4]);
        let first = driven.completions()[&in_order(&driven)[0].op].clone();
        assert_eq!(first.echo, Echo::Foreign);
        assert!(first.promise.user_message && first.promise.assistant_message);
        assert_eq!(driven.sightings().len(), 1);
        let requests = requests.lock().unwrap();
        assert_eq!(requests.len(), 5);
        let (one, other) = (&requests[0], &requests[1]);
        assert_eq!(one.body, other.body);
        assert_eq!(one.headers["x-request-id"], other.headers["x-request-id"]);
        assert_ne!(one.connection, other.connection);
    }
}

#[tokio::test]
async fn a_slow_reader_gets_its_answer_all_the_same() {
    let (fake, _) = target(echo).await;
    let pause = Duration::from_millis(40);
    let slow = disturb(Disturbance::ReadSlowly { pause });
    let driven = play(&fake.url, scenario_of(CHAT), slow).await;
    assert_eq!(outcomes(&driven), [Outcome::Ok; 4]);
    let first = driven.completions()[&in_order(&driven)[0].op].clone();
    assert!(first.completed.since(first.sent.unwrap()) >= pause);
}

#[tokio::test]
async fn steps_that_overlap_begin_before_the_answer_and_no_more_than_allowed() {
    let (fake, _) = target(|request| late(echo(request))).await;
    let mut scenario = scenario_of(CHAT);
    let SessionSpec::Chat(chat) = &mut scenario.groups[0].session else {
        panic!("a chat group")
    };
    chat.overlap = 1;
    let driven = play(&fake.url, scenario, |script| {
        for step in &mut script.steps[1..] {
            step.overlaps = true;
        }
    })
    .await;
    assert_eq!(outcomes(&driven), [Outcome::Ok; 4]);
    let (mut in_flight, mut most) = (0, 0);
    for event in &driven.events {
        match event {
            Event::Invoked(_) => in_flight += 1,
            Event::Completed(_) => in_flight -= 1,
            Event::Sighted(_)
            | Event::Scanned(_)
            | Event::Sampled(_)
            | Event::Lagged(_)
            | Event::Streamed(_)
            | Event::Logged(_) => {}
        }
        most = most.max(in_flight);
    }
    assert_eq!(most, 2);
    assert_eq!(fake.connections(), 2);
}

#[tokio::test]
async fn what_is_refused_repeats_no_credential() {
    let (fake, _) = target(|request| {
        let complaint = format!(
            "{}who is {}?",
            " ".repeat(185),
            request.headers["authorization"]
        );
        Reply::Answer(401, "text/plain", complaint)
    })
    .await;
    let driven = play(&fake.url, scenario_of(CHAT), |_| {}).await;
    for completion in driven.completions().values() {
        assert_eq!(completion.outcome, Outcome::Refused);
        let detail = completion.detail.as_deref().unwrap();
        assert!(detail.ends_with("who is Bearer *"), "{detail}");
    }
}

#[tokio::test]
async fn the_first_after_a_start_are_known() {
    let (fake, _) = target(|request| match planted(request) {
        // Long enough for all three to have begun.
        Some(id) if id.item == 0 => Reply::Late(Duration::from_secs(1), Box::new(echo(request))),
        Some(_) | None => echo(request),
    })
    .await;
    let scenario = scenario_of(&CHAT.replace("vus = 1", "vus = 3"));
    let driving = super::start_with(&fake.url, scenario, |config| {
        config.target_just_started = true;
    });
    let driven = driving.end().await;
    assert_eq!(driven.report.end, DriveEnd::Finished);
    let first: Vec<_> = in_order(&driven)
        .iter()
        .map(|invocation| invocation.traits.has(Trait::FirstAfterStart))
        .collect();
    assert_eq!(first.iter().filter(|is_first| **is_first).count(), 3);
    assert!(first.iter().step_by(4).all(|is_first| *is_first));
}

#[tokio::test]
async fn sessions_that_start_together_have_one_intended_start() {
    let (fake, _) = target(echo).await;
    let text = CHAT
        .replace("vus = 1", "vus = 8")
        .replace("iterations = 1", "iterations = 3")
        .replace("turns = 4", "turns = \"1..4\"");
    let mut scenario = scenario_of(&text);
    scenario.groups[0].starts_together = true;
    let driven = super::start_with(&fake.url, scenario, |_| {}).end().await;
    assert_eq!(driven.report.end, DriveEnd::Finished);
    let mut starts: HashMap<_, usize> = HashMap::new();
    for invocation in driven.invocations() {
        assert!(invocation.intended <= invocation.invoked);
        if invocation.op.seq == 0 {
            *starts.entry(invocation.intended).or_default() += 1;
        }
    }
    assert_eq!(starts.into_values().collect::<Vec<_>>(), [8; 3]);
    assert_eq!(fake.connections(), 8);
}
