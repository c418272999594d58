//! Scans of a fake store.

use super::super::fake::{
    Content, FakeSession, FakeStore, OTHER_RUN, Quirk, RUN, block, context, ids, owner, scan,
    session_name, text, text_of, turn,
};
use super::*;
use crate::model::{CanaryId, CanaryKind, Likeness, SessionIx};
use crate::plan::Script;

fn session(id: &str, owner: Option<&str>, messages: &[(&str, String)]) -> FakeSession {
    FakeSession {
        id: id.into(),
        owner: owner.map(str::to_owned),
        messages: messages
            .iter()
            .map(|(id, text)| ((*id).to_owned(), "user", text.clone()))
            .collect(),
        from_list: 0,
    }
}

fn excerpts(sightings: &[Sighting]) -> Vec<&str> {
    let kept = sightings.iter().filter(|s| s.excerpt.is_some());
    kept.map(|s| s.record_id.as_str()).collect()
}

#[tokio::test]
async fn a_clean_store_is_read_whole_and_nothing_is_quoted() {
    let store = FakeStore::start(Content {
        sessions: vec![turn(0, 0), turn(1, 1)],
        users: vec![owner(0), owner(1)],
        facts: vec![(owner(1), "f1".into(), None, block(1, 2, 0))],
        ..Content::default()
    });
    let (scan, seen) = scan(&store, &context()).await;
    assert!(scan.complete, "{:?}", scan.incomplete_reason);
    assert_eq!((scan.sessions, scan.messages, scan.facts), (2, 4, 1));
    assert_eq!(scan.unattributable, 0);
    assert_eq!(seen.len(), 7);
    assert_eq!(excerpts(&seen), [""; 0]);
    let fact = seen.iter().find(|s| s.record_id == "f1").unwrap();
    assert_eq!((&fact.owner, &fact.session), (&Some(owner(1)), &None));
    assert_eq!(fact.canaries.len(), 1);
}

#[tokio::test]
async fn sessions_are_ours_by_name_by_owner_or_by_canary() {
    let other = text_of(OTHER_RUN, (0, 0, 0), CanaryKind::Turn);
    let store = FakeStore::start(Content {
        sessions: vec![
            session(&session_name(0, 0), None, &[("m1", text(0, 0, 0))]),
            session("server-1", Some(&owner(1)), &[("m2", "no canary".into())]),
            session(
                "server-2",
                Some("anna"),
                &[("m3", text(2, 2, 0)), ("m4", "Anna's own words".into())],
            ),
            session("server-3", Some("anna"), &[("m5", "more of Anna's".into())]),
            session("cw-0012abce-u0-s0", None, &[("m6", other.clone())]),
            session("two words", None, &[("m7", text(3, 3, 0))]),
        ],
        ..Content::default()
    });
    let context = context();
    let (scan, seen) = scan(&store, &context).await;
    assert!(scan.complete, "{:?}", scan.incomplete_reason);
    let hidden = |id| context.strangers.session(&context, id, None);
    let expected = [
        session_name(0, 0),
        "server-1".into(),
        hidden("server-2"),
        hidden("two words"),
    ];
    let expected = expected.iter().map(String::as_str);
    let expected: HashSet<_> = expected.chain(["m1", "m2", "m3", "m7"]).collect();
    assert_eq!(ids(&seen), expected);
    assert_eq!(scan.unattributable, 1, "m2");
    assert_eq!(excerpts(&seen), ["m1", "m3", "m7"]);
    assert!(!format!("{seen:?}").contains("anna's own"));
}

#[tokio::test]
async fn facts_are_found_under_users_placeholders_and_strangers() {
    let us = owner(0);
    let fact = |user: &str, id: &str, owner: Option<&str>, text: String| {
        (
            user.to_owned(),
            id.to_owned(),
            owner.map(str::to_owned),
            text,
        )
    };
    let store = FakeStore::start(Content {
        users: vec!["anna".into(), us.clone()],
        facts: vec![
            fact(&us, "f1", None, block(0, 0, 0)),
            fact(&us, "f2", None, "torn off".into()),
            fact(&us, "f3", Some(&us), block(1, 0, 0)),
            fact("poc-user", "f4", None, block(0, 0, 1)),
            fact("anna", "f5", None, block(0, 0, 2)),
            fact("anna", "f6", None, "Anna's own".into()),
            fact("anna", "f3", Some(&us), block(1, 0, 0)),
        ],
        ..Content::default()
    });
    let (scan, seen) = scan(&store, &context()).await;
    assert!(scan.complete, "{:?}", scan.incomplete_reason);
    let order: Vec<_> = seen.iter().map(|s| s.record_id.as_str()).collect();
    assert_eq!(order, ["f1", "f2", "f3", "f4", "f5"]);
    assert_eq!((scan.facts, scan.unattributable), (5, 1));
    assert_eq!(excerpts(&seen), ["f3", "f4", "f5"]);
}

#[tokio::test]
async fn pages_may_come_shuffled_but_the_digest_does_not_change() {
    let long = FakeSession {
        messages: (0..1_001)
            .map(|n| (format!("m{n}"), "user", text(0, 0, n)))
            .collect(),
        ..turn(0, 0)
    };
    let mut sessions = vec![long];
    sessions.extend((1..=500).map(|n| FakeSession {
        messages: vec![],
        ..turn(n, n)
    }));
    let mut scans = Vec::new();
    for quirks in [vec![], vec![Quirk::ShufflesPages]] {
        let store = FakeStore::start(Content {
            sessions: sessions.clone(),
            quirks,
            ..Content::default()
        });
        let (scan, _) = scan(&store, &context()).await;
        assert!(scan.complete, "{:?}", scan.incomplete_reason);
        assert_eq!((scan.sessions, scan.messages), (501, 1_001));
        scans.push(scan.digest);
    }
    assert_eq!(scans[0], scans[1]);
}

#[tokio::test]
async fn a_lost_page_makes_the_scan_incomplete() {
    let long = FakeSession {
        messages: (0..501)
            .map(|n| (format!("m{n}"), "user", text(0, 0, n)))
            .collect(),
        ..turn(0, 0)
    };
    for page in [1, 2] {
        let store = FakeStore::start(Content {
            sessions: vec![long.clone()],
            quirks: vec![Quirk::LosesPage(page)],
            ..Content::default()
        });
        let (scan, _) = scan(&store, &context()).await;
        assert!(!scan.complete);
        let reason = scan.incomplete_reason.unwrap();
        assert!(
            reason.contains("announced 501 records and gave"),
            "{reason}"
        );
    }
}

#[tokio::test]
async fn a_refused_read_leaves_the_rest_as_evidence() {
    let store = FakeStore::start(Content {
        sessions: vec![turn(0, 0)],
        facts: vec![("poc-user".into(), "f1".into(), None, block(0, 0, 0))],
        ..Content::default()
    });
    let context = context();
    let client = store.connect(&context).await;
    store.content().quirks.push(Quirk::RefusesMessages);
    let (sender, receiver) = mpsc::channel(100);
    let scan = client.scan(&context, 1, &sender).await;
    assert!(!scan.complete);
    let seen = super::super::fake::sightings(receiver);
    assert_eq!(
        ids(&seen),
        HashSet::from([session_name(0, 0).as_str(), "f1"])
    );
}

#[tokio::test]
async fn only_a_session_that_may_be_ours_disturbs_a_scan_by_appearing() {
    for (appearing, complete) in [
        (turn(1, 1), false),
        (session("server-9", Some(&owner(1)), &[]), false),
        (session("chat-of-anna", Some("anna"), &[]), true),
    ] {
        let store = FakeStore::start(Content {
            sessions: vec![turn(0, 0)],
            ..Content::default()
        });
        let context = context();
        let client = store.connect(&context).await;
        store.content().appearing = vec![appearing];
        let (sender, _receiver) = mpsc::channel(100);
        let scan = client.scan(&context, 1, &sender).await;
        assert_eq!(scan.complete, complete, "{:?}", scan.incomplete_reason);
    }
}

#[tokio::test]
async fn a_store_that_goes_in_mid_scan_ends_the_scan() {
    let store = FakeStore::start(Content {
        sessions: (0..40).map(|n| turn(n, n)).collect(),
        dies_after: Some(20),
        ..Content::default()
    });
    let (scan, _) = scan(&store, &context()).await;
    assert!(!scan.complete);
    assert!(scan.messages < 80);
}

#[tokio::test]
async fn what_was_there_before_is_known_by_hash_alone() {
    let store = FakeStore::start(Content {
        sessions: vec![session("anna-1", Some("anna"), &[])],
        users: vec!["anna".into()],
        ..Content::default()
    });
    let context = context();
    let client = store.connect(&context).await;
    let baseline = client
        .baseline(context.run, &context.scenario)
        .await
        .unwrap();
    assert!(baseline.has_session("anna-1") && baseline.has_user("anna"));
    assert!(!baseline.has_session("anna-2") && !baseline.has_user("bob"));
    assert!(!baseline.has_session("anna") && !baseline.has_user("anna-1"));
    assert_eq!((baseline.len(), baseline.is_empty()), (2, false));
    let restored = Baseline::from_hashes(baseline.hashes(), baseline.counts());
    assert_eq!(restored, baseline);
}

#[tokio::test]
async fn a_message_stored_in_an_old_session_is_found() {
    let store = FakeStore::start(Content {
        sessions: vec![session("anna-1", Some("anna"), &[("m1", "hers".into())])],
        ..Content::default()
    });
    let mut context = context();
    let client = store.connect(&context).await;
    let taken = client.baseline(context.run, &context.scenario).await;
    context.baseline = taken.unwrap();
    let stray = ("m2".to_owned(), "user", text(0, 0, 0));
    store.content().sessions[0].messages.push(stray);
    let (_, seen) = scan(&store, &context).await;
    let hidden = context.strangers.session(&context, "anna-1", Some("anna"));
    assert_eq!(ids(&seen), HashSet::from([hidden.as_str(), "m2"]));
    assert!(!format!("{seen:?}").contains("anna"));
}

#[tokio::test]
async fn a_store_that_refuses_everything_is_not_asked_for_ever() {
    let store = FakeStore::start(Content {
        sessions: (0..100).map(|n| turn(n, n)).collect(),
        ..Content::default()
    });
    let context = context();
    let client = store.connect(&context).await;
    store.content().quirks.push(Quirk::Overloaded);
    let (sender, _receiver) = mpsc::channel(1_000);
    let mut texts = Texts::default();
    let scanned = client
        .scan_once(&context, (1, Reach::New), &sender, &mut texts)
        .await;
    assert!(scanned.store_gone && !scanned.scan.complete);
    let asked = store.content().message_requests;
    assert!(asked < 100, "{asked}");
}

#[tokio::test]
async fn only_records_of_ours_tell_of_an_older_run() {
    let older = || text_of(OTHER_RUN, (0, 0, 0), CanaryKind::Turn);
    let fact = |user: &str, id: &str, text| (user.to_owned(), id.to_owned(), None, text);
    let store = FakeStore::start(Content {
        sessions: vec![
            session(
                &session_name(0, 0),
                Some(&owner(0)),
                &[
                    ("back", older()),
                    ("both", format!("{} {}", older(), text(0, 0, 1))),
                    ("ours", text(0, 0, 0)),
                ],
            ),
            session("server-1", Some(&owner(1)), &[("server", older())]),
            session("chat-of-anna", Some("anna"), &[("hers", older())]),
            session("pooled", Some(&owner(2)), &[("old", older())]),
        ],
        facts: vec![
            fact(&owner(1), "fact", older()),
            fact("poc-user", "theirs", older()),
        ],
        ..Content::default()
    });
    let mut context = context();
    let old = FakeStore::start(Content {
        sessions: vec![session("pooled", None, &[])],
        ..Content::default()
    });
    let client = old.connect(&context).await;
    let taken = client.baseline(context.run, &context.scenario).await;
    context.baseline = taken.unwrap();
    let (_, seen) = scan(&store, &context).await;
    let told: Vec<_> = seen
        .iter()
        .filter(|s| s.older_run.is_some())
        .map(|s| (s.record_id.as_str(), s.older_run))
        .collect();
    let run = Some(OTHER_RUN);
    assert_eq!(told, [("back", run), ("server", run), ("fact", run)]);
}

#[tokio::test]
async fn what_a_user_told_is_compared_with_the_plan_and_nothing_else() {
    let mut context = context();
    let plan = Arc::new(planned());
    context.plan = Some(Arc::clone(&plan));
    let chats = |script: &Script| script.kind == OpKind::Chat && script.steps.len() > 1;
    let script = (0..100)
        .filter_map(|session| plan.script(SessionIx(session)))
        .find(chats)
        .unwrap();
    let id = |item| CanaryId {
        run: RUN,
        user: script.user,
        session: script.session,
        item,
        kind: CanaryKind::Turn,
    };
    let sent = |item| plan.turn_text(id(item)).unwrap();
    let mut words = session(
        &session_name(script.user.0, script.session.0),
        Some(&owner(script.user.0)),
        &[
            ("same", sent(0).to_uppercase()),
            ("cut", sent(1).chars().take(80).collect()),
            ("other", sent(1).replacen(' ', " not ", 1)),
            ("two", format!("{} {}", sent(0), sent(1))),
        ],
    );
    let answer = (
        "answer".to_owned(),
        "assistant",
        format!("Well: {}", sent(0)),
    );
    words.messages.push(answer);
    let store = FakeStore::start(Content {
        sessions: vec![words],
        ..Content::default()
    });
    for (with_plan, expected) in [
        (
            true,
            [
                ("answer", Likeness::Unjudged),
                (
                    "cut",
                    Likeness::Torn {
                        kept: 80,
                        sent: u32::try_from(sent(1).chars().count()).unwrap(),
                    },
                ),
                ("other", Likeness::Altered),
                ("same", Likeness::Same),
                ("two", Likeness::Unjudged),
            ],
        ),
        (
            false,
            ["answer", "cut", "other", "same", "two"].map(|id| (id, Likeness::Unjudged)),
        ),
    ] {
        context.plan = with_plan.then(|| Arc::clone(&plan));
        let (_, seen) = scan(&store, &context).await;
        let told: Vec<_> = seen
            .iter()
            .filter(|s| s.record_type == RecordType::Message)
            .map(|s| (s.record_id.as_str(), s.likeness))
            .collect();
        assert_eq!(told, expected);
    }
}

/// The plan of scenario `quick`.
fn planned() -> Plan {
    let (name, text) = crate::scenario::embedded()
        .iter()
        .find(|(name, _)| *name == "quick")
        .unwrap();
    let scenario = crate::scenario::parse(name, text, name).unwrap();
    Plan::new(scenario, crate::model::Seed(7))
}

#[tokio::test]
async fn an_id_that_names_two_facts_of_a_user_ends_the_proof() {
    let us = owner(0);
    let fact = |text: String| (us.clone(), "f1".to_owned(), None, text);
    for (second, complete) in [(block(0, 0, 0), true), (block(1, 0, 0), false)] {
        let store = FakeStore::start(Content {
            users: vec![us.clone()],
            facts: vec![fact(block(0, 0, 0)), fact(second)],
            ..Content::default()
        });
        let (scan, _) = scan(&store, &context()).await;
        assert_eq!(scan.complete, complete, "{:?}", scan.incomplete_reason);
    }
}
