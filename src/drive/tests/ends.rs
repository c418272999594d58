//! How drives end: by plan, by request, or because nobody answers; and when sessions start.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use super::chat::echo;
use super::{Driven, run, scenario_of, start, start_with};
use crate::drive::{DriveEnd, Spent};
use crate::event::Event;
use crate::model::{Cap, Outcome};
use crate::scenario::Caps;
use crate::stop::{StopLevel, stop_pair};
use crate::wire::fake::{self, Fake, Reply, nobody};

/// Three users who would go on for a minute.
const LONG: &str = r#"
[load.chat]
executor = "constant-vus"
session = "chat"
vus = 3
duration = "60s"
[sessions.chat]
kind = "chat"
turns = 2
think = "5ms"
words = 5
"#;

const ARRIVALS: &str = r#"
[load.chat]
executor = "constant-arrival-rate"
session = "chat"
rate = 50
duration = "400ms"
max_vus = 20
[sessions.chat]
kind = "chat"
turns = 1
think = "0ms"
words = 5
"#;

fn is_invoked(event: &Event) -> bool {
    matches!(event, Event::Invoked(_))
}

fn is_ok(event: &Event) -> bool {
    matches!(event, Event::Completed(completion) if completion.outcome == Outcome::Ok)
}

fn open_ops(driven: &Driven) -> usize {
    driven.invocations().len() - driven.completions().len()
}

#[tokio::test]
async fn a_drain_ends_what_is_in_flight_and_starts_nothing() {
    let fake =
        Fake::start(|request| Reply::Late(Duration::from_millis(300), Box::new(echo(request))))
            .await;
    let mut driving = start(&fake.url, LONG);
    driving.until(is_invoked).await;
    driving.stopper.ask(StopLevel::Drain);
    let driven = driving.end().await;
    assert_eq!(driven.report.end, DriveEnd::Interrupted);
    assert!(driven.invocations().len() <= 3);
    assert_eq!(open_ops(&driven), 0);
    assert!(
        driven
            .completions()
            .values()
            .all(|c| c.outcome == Outcome::Ok)
    );
}

#[tokio::test]
async fn leaving_does_not_wait_for_what_is_in_flight() {
    let fake =
        Fake::start(|request| Reply::Late(Duration::from_mins(10), Box::new(echo(request)))).await;
    let mut driving = start(&fake.url, LONG);
    driving.until(is_invoked).await;
    driving.stopper.ask(StopLevel::Drain);
    driving.stopper.ask(StopLevel::Leave);
    let driven = driving.end().await;
    assert_eq!(driven.report.end, DriveEnd::Interrupted);
    assert!(open_ops(&driven) > 0);
}

#[tokio::test]
async fn a_target_that_never_was_is_lost() {
    let small = LONG.replace("constant-vus", "per-vu-iterations").replace(
        "duration = \"60s\"",
        "iterations = 1\nmax_duration = \"60s\"",
    );
    for scenario in [LONG, &small] {
        let driven = run(&nobody().await, scenario).await;
        assert_eq!(driven.report.end, DriveEnd::TargetLost);
        assert_eq!(open_ops(&driven), 0);
        assert!(!driven.completions().is_empty());
        for completion in driven.completions().values() {
            assert_eq!(completion.outcome, Outcome::Unsent);
            assert_eq!(completion.sent, None);
        }
    }
}

#[tokio::test]
async fn a_target_that_goes_away_is_lost() {
    let fake = Fake::start(echo).await;
    let mut driving = start(&fake.url, LONG);
    driving.until(is_ok).await;
    drop(fake);
    let driven = driving.end().await;
    assert_eq!(driven.report.end, DriveEnd::TargetLost);
    assert!(
        driven.completions().len() < 10_000,
        "a lost target is not hammered"
    );
}

#[tokio::test]
async fn a_target_that_refuses_everything_is_not_lost() {
    let fake = Fake::start(|_| Reply::Answer(503, "text/plain", "busy".to_owned())).await;
    let scenario = LONG
        .replace("60s", "300ms")
        .replace("think = \"5ms\"", "think = \"20ms\"");
    let driven = run(&fake.url, &scenario).await;
    assert_eq!(driven.report.end, DriveEnd::Finished);
    assert!(
        driven
            .completions()
            .values()
            .all(|c| c.outcome == Outcome::Refused)
    );
}

#[tokio::test]
async fn no_step_is_started_behind_the_graceful_stop() {
    let fake = Fake::start(echo).await;
    let scenario = LONG
        .replace("60s\"", "200ms\"\ngraceful_stop = \"0s\"")
        .replace("turns = 2", "turns = 1000");
    let driven = run(&fake.url, &scenario).await;
    assert_eq!(driven.report.end, DriveEnd::Finished);
    assert_eq!(open_ops(&driven), 0);
    assert!(driven.completions().len() < 3_000);
}

#[tokio::test]
async fn arrivals_come_at_their_time() {
    let fake = Fake::start(echo).await;
    let driven = run(&fake.url, ARRIVALS).await;
    assert_eq!(driven.report.end, DriveEnd::Finished);
    assert_eq!(driven.report.dropped_arrivals, 0);
    let mut intended: Vec<_> = driven.invocations().iter().map(|i| i.intended.0).collect();
    intended.sort_unstable();
    assert_eq!(intended.len(), 20);
    for pair in intended.windows(2) {
        assert!((pair[1] - pair[0]).abs_diff(20_000) <= 1, "{intended:?}");
    }
}

#[tokio::test]
async fn arrivals_that_find_no_room_are_dropped_and_counted() {
    let fake =
        Fake::start(|request| Reply::Late(Duration::from_millis(700), Box::new(echo(request))))
            .await;
    let driven = run(&fake.url, &ARRIVALS.replace("max_vus = 20", "max_vus = 3")).await;
    assert_eq!(driven.completions().len(), 3);
    assert_eq!(driven.report.dropped_arrivals, 17);
}

#[tokio::test]
async fn the_generator_measures_itself_at_both_ends() {
    let fake = Fake::start(echo).await;
    let driven = run(&fake.url, ARRIVALS).await;
    let samples = driven
        .events
        .iter()
        .filter(|event| matches!(event, Event::Sampled(_)));
    assert!(samples.count() >= 2);
    assert!(matches!(driven.events.first(), Some(Event::Sampled(_))));
    assert!(matches!(driven.events.last(), Some(Event::Sampled(_))));
}

#[tokio::test]
async fn one_broken_answer_at_the_end_is_not_a_lost_target() {
    let answered = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&answered);
    let fake = Fake::start(move |request| match count.fetch_add(1, Ordering::SeqCst) {
        0..=4 => echo(request),
        _ => Reply::Raw(Vec::new()),
    })
    .await;
    let scenario = LONG.replace("constant-vus", "per-vu-iterations").replace(
        "duration = \"60s\"",
        "iterations = 1\nmax_duration = \"60s\"",
    );
    let driven = run(&fake.url, &scenario).await;
    assert_eq!(driven.completions().len(), 6);
    assert_eq!(driven.report.end, DriveEnd::Finished);
}

#[tokio::test]
async fn a_target_that_turns_too_much_away_is_let_alone() {
    let refusal = b"HTTP/1.1 429 X\r\nRetry-After: 30\r\nContent-Length: 0\r\n\r\n".to_vec();
    let sorry = "{\"content\":\"I apologize, but I encountered an issue.\"}";
    for (reply, detail) in [
        (Reply::Raw(refusal), "refused with 429, Retry-After 30 s"),
        (
            fake::json(sorry),
            "I apologize, but I encountered an issue.",
        ),
    ] {
        let fake = Fake::start(move |_| reply.clone()).await;
        let driven = run(&fake.url, LONG).await;
        assert_eq!(driven.report.end, DriveEnd::TargetThrottled);
        assert_eq!(open_ops(&driven), 0);
        for completion in driven.completions().values() {
            assert_eq!(completion.detail.as_deref(), Some(detail));
        }
    }
}

#[tokio::test]
async fn what_cannot_be_recorded_is_not_done() {
    let (asker, unrecorded) = stop_pair();
    let fake = Fake::start(echo).await;
    let mut driving = start_with(&fake.url, scenario_of(LONG), |config| {
        config.unrecorded = unrecorded;
    });
    driving.until(is_ok).await;
    asker.ask(StopLevel::Drain);
    let driven = driving.end().await;
    assert_eq!(driven.report.end, DriveEnd::Interrupted);
    assert_eq!(open_ops(&driven), 0);
}

#[tokio::test]
async fn a_bound_that_is_reached_ends_the_drive_and_what_is_in_flight_ends_too() {
    let fake = Fake::start(echo).await;
    for (caps, spent, ops, cap) in [
        (
            Caps {
                ops: Some(7),
                ..Caps::default()
            },
            Spent::default(),
            7,
            Cap::MaxOps,
        ),
        (
            Caps {
                model_calls: Some(9),
                rate: Some(500),
                ..Caps::default()
            },
            Spent {
                model_calls: 5,
                ..Spent::default()
            },
            4,
            Cap::MaxModelCalls,
        ),
        (
            Caps {
                wall: Some(Duration::from_secs(1)),
                ..Caps::default()
            },
            Spent {
                wall: Duration::from_secs(1),
                ..Spent::default()
            },
            0,
            Cap::MaxWall,
        ),
    ] {
        let mut scenario = scenario_of(LONG);
        scenario.caps = caps;
        let driven = start_with(&fake.url, scenario, |config| config.spent = spent)
            .end()
            .await;
        assert_eq!(driven.report.end, DriveEnd::Capped(cap));
        assert_eq!(driven.invocations().len(), ops, "{cap}");
        assert_eq!(open_ops(&driven), 0, "{cap}");
        assert_eq!(
            driven.report.spent.ops,
            u64::try_from(ops).unwrap(),
            "{cap}"
        );
    }
}
