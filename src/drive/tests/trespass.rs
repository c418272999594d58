//! Attempts at what a session holds, against targets that guard it and that do not.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use serde_json::json;

use super::{Driven, RUN, play, scenario_of};
use crate::canary;
use crate::model::{Attempt, Echo, Outcome, Part, Promise, Route, Standing, UserIx};
use crate::plan::Attempts;
use crate::scenario::Scenario;
use crate::wire::fake::{self, Fake, Reply, Request};

const TRESPASS: &str = "[users]\ncount = 2\n[load.a]\nexecutor = \"per-vu-iterations\"\n\
    session = \"s\"\nvus = 1\n[sessions.s]\nkind = \"trespass\"\nthink = \"0s\"\n";

fn refused(status: u16) -> Reply {
    Reply::Answer(status, "application/json", "{}".to_owned())
}

/// A target that keeps what the session's own user says, and shows it from the second question on,
/// to that user or to everybody.
async fn target(is_open: bool) -> (Fake, Arc<Mutex<Vec<Request>>>) {
    let told = Mutex::new(None);
    let asked = AtomicUsize::new(0);
    let requests = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&requests);
    let own = format!("Bearer dev_{}_analyst", RUN.user_name(UserIx(0)));
    let fake = Fake::start(move |request| {
        log.lock().unwrap().push(request.clone());
        let is_own = request.headers.get("authorization") == Some(&own);
        if !is_own && !is_open {
            return refused(if request.headers.contains_key("authorization") {
                404
            } else {
                401
            });
        }
        if request.line.starts_with("POST /api/v1/chat ") {
            let text = String::from_utf8_lossy(&request.body).into_owned();
            let word = canary::find(&canary::normalise(&text))[0].id;
            let word = canary::plant(word, &[]);
            told.lock().unwrap().get_or_insert(word.clone());
            return fake::json(json!({"content": word}).to_string());
        }
        let session = RUN.session_name(UserIx(0), crate::model::SessionIx(0));
        let names_it = request.line.contains(&session);
        let is_list = request.line.contains("/episodes?") || request.line.contains("/search ");
        if !names_it && !is_list {
            return fake::json(json!({"transcript": []}).to_string());
        }
        if asked.fetch_add(1, Ordering::Relaxed) == 0 {
            return fake::json(json!({"transcript": []}).to_string());
        }
        let word = told.lock().unwrap().clone();
        fake::json(json!({"id": session, "transcript": [{"content": word}]}).to_string())
    })
    .await;
    (fake, requests)
}

fn scenario() -> Scenario {
    scenario_of(TRESPASS)
}

/// What each attempt came to, in order.
fn ends(driven: &Driven) -> Vec<(Attempt, Outcome, Echo)> {
    let attempts = Attempts::of(&scenario());
    let completions = driven.completions();
    let mut begun = driven.invocations();
    begun.sort_by_key(|invocation| invocation.op);
    let ends = begun.into_iter().filter_map(|invocation| {
        let end = completions[&invocation.op];
        let attempt = attempts.at(invocation.op)?;
        assert_eq!(end.promise, Promise::NONE);
        let is_guest = attempt.standing == Standing::OtherUser;
        assert_eq!(invocation.user.0, u32::from(is_guest));
        assert_eq!(invocation.founder, UserIx(0));
        Some((attempt, end.outcome, end.echo))
    });
    ends.collect()
}

#[tokio::test]
async fn a_target_that_guards_its_routes_shows_only_the_own_user_what_was_told() {
    let (fake, requests) = target(false).await;
    let driven = play(&fake.url, scenario(), |_| {}).await;
    let ends = ends(&driven);
    assert!(!ends.is_empty());
    for (attempt, outcome, echo) in ends {
        let expected = match attempt.part {
            Part::Control | Part::Afterwards => (Outcome::Ok, Echo::Own),
            Part::NegativeControl => (Outcome::Ok, Echo::None),
            Part::Trial => (Outcome::Refused, Echo::None),
        };
        assert_eq!((outcome, echo), expected, "{attempt:?}");
    }
    assert!(driven.sightings().is_empty());
    let requests = requests.lock().unwrap();
    let without = requests
        .iter()
        .filter(|request| !request.headers.contains_key("authorization"));
    // One for each route, and nothing else is sent without a credential.
    assert_eq!(without.count(), 5);
    let deleted = requests
        .iter()
        .filter(|request| request.line.starts_with("DELETE "));
    assert_eq!(deleted.count(), 2);
}

#[tokio::test]
async fn a_target_that_shows_everybody_everything_is_told_by_the_echo() {
    let (fake, _) = target(true).await;
    let driven = play(&fake.url, scenario(), |_| {}).await;
    for (attempt, outcome, echo) in ends(&driven) {
        assert_eq!(outcome, Outcome::Ok, "{attempt:?}");
        let reads = attempt.part == Part::Trial && attempt.route.reads();
        if reads {
            assert_eq!(echo, Echo::Foreign, "{attempt:?}");
        }
        if attempt.part == Part::NegativeControl {
            assert_eq!(echo, Echo::None);
        }
        // The answer to a turn of one's own says that turn's word.
        if attempt.route == Route::Chat {
            assert_eq!(echo, Echo::Own);
        }
    }
    assert!(driven.sightings().is_empty());
}

#[tokio::test]
async fn nothing_is_tried_where_nothing_could_be_told() {
    let fake = Fake::start(|_| refused(503)).await;
    let driven = play(&fake.url, scenario(), |_| {}).await;
    assert_eq!(driven.invocations().len(), 1);
}
