//! Whose bucket a sighting is in.

use crate::event::Event;
use crate::ledger::LedgerReader;
use crate::ledger::samples::*;
use crate::model::limits::CONTROL_USERS;
use crate::model::{CanaryKind, Completion, OpKind, RecordType, Role, RunId, Sighting, UserIx};

/// A record without canary, owner or session that says whose it is.
fn nameless(number: u64) -> Sighting {
    Sighting {
        record_type: RecordType::Fact,
        record_id: format!("record {number}"),
        owner: Some("poc-user".to_owned()),
        session: Some("a session".to_owned()),
        canaries: Vec::new(),
        body_hash: number,
        ..message(0, op(0, 0), Role::Other)
    }
}

/// In which of the buckets 0 to 9 a sighting is found; `None` if it belongs to nobody.
fn buckets(told: Vec<Event>, sought: &Sighting) -> Option<Vec<u32>> {
    let folder = tempfile::tempdir().unwrap();
    let told = told.into_iter().chain([Event::Sighted(sought.clone())]);
    written(folder.path(), told);
    let reader = LedgerReader::open(folder.path()).unwrap();
    let in_range: Vec<u32> = (0..10)
        .filter(|user| {
            let found = reader.sightings_of_users(*user..user + 1).unwrap();
            found.contains(sought)
        })
        .collect();
    for user in &in_range {
        assert!(reader.users().unwrap() > *user);
    }
    let is_nobodys = reader.sightings_of_nobody().unwrap().contains(sought);
    assert_eq!(is_nobodys, in_range.is_empty() && !sought.control);
    (!is_nobodys).then_some(in_range)
}

/// Two users whose answers both named the session `srv-1`.
fn server_named() -> Vec<Event> {
    [3, 4]
        .into_iter()
        .flat_map(|user| {
            let op = op(user, 0);
            let named = Completion {
                server_session: Some("srv-1".to_owned()),
                ..completion(op, BOTH_MESSAGES)
            };
            [
                Event::Invoked(invocation(user, op, OpKind::Chat)),
                Event::Completed(named),
            ]
        })
        .collect()
}

#[test]
fn canaries_then_session_name_then_servers_session_then_owner() {
    let turn = |user| canary(user, 50, 0, CanaryKind::Turn);
    let full = Sighting {
        canaries: vec![turn(1), turn(2)],
        session: Some(session_name(5, 0)),
        owner: Some(owner(6)),
        ..nameless(1)
    };
    let bare = Sighting {
        canaries: Vec::new(),
        ..full.clone()
    };
    let of_server = Sighting {
        session: Some("srv-1".to_owned()),
        ..bare.clone()
    };
    let owned = Sighting {
        session: Some("srv-2".to_owned()),
        ..bare.clone()
    };
    let sessionless = Sighting {
        session: None,
        ..owned.clone()
    };
    let foreign_run = Sighting {
        session: Some(RunId(1).session_name(UserIx(7), crate::model::SessionIx(1))),
        owner: Some(RunId(1).user_name(UserIx(7))),
        ..nameless(2)
    };
    for (name, sighting, expected) in [
        ("canaries of two users", &full, Some(vec![1, 2])),
        ("session name", &bare, Some(vec![5])),
        ("server's session", &of_server, Some(vec![3, 4])),
        ("owner", &owned, Some(vec![6])),
        ("owner without session", &sessionless, Some(vec![6])),
        ("another run's names", &foreign_run, None),
        ("no name", &nameless(3), None),
    ] {
        assert_eq!(buckets(server_named(), sighting), expected, "{name}");
    }
}

#[test]
fn a_session_record_is_known_by_its_own_id() {
    let session = Sighting {
        record_type: RecordType::Session,
        record_id: session_name(5, 1),
        session: None,
        ..nameless(1)
    };
    assert_eq!(buckets(Vec::new(), &session), Some(vec![5]));
}

#[test]
fn a_session_seen_before_the_answer_that_names_it_finds_its_user() {
    let folder = tempfile::tempdir().unwrap();
    let early = Sighting {
        session: Some("srv-1".to_owned()),
        ..nameless(1)
    };
    let told = [Event::Sighted(early.clone())];
    written(folder.path(), told.into_iter().chain(server_named()));
    let reader = LedgerReader::open(folder.path()).unwrap();
    assert_eq!(reader.sightings_of_users(3..4).unwrap(), [early]);
}

#[test]
fn the_control_is_in_no_bucket() {
    let [first, second] = CONTROL_USERS;
    let control = Sighting {
        control: true,
        canaries: vec![canary(first, 1, 0, CanaryKind::Control)],
        owner: Some(owner(second)),
        session: None,
        ..nameless(1)
    };
    let own_canary = Sighting {
        canaries: vec![canary(1, 1, 0, CanaryKind::Turn)],
        body_hash: 9,
        ..control.clone()
    };
    let folder = tempfile::tempdir().unwrap();
    let told = [control.clone(), own_canary.clone()];
    written(folder.path(), told.clone().map(Event::Sighted));
    let reader = LedgerReader::open(folder.path()).unwrap();
    assert_eq!(reader.users().unwrap(), 0);
    assert!(reader.sightings_of_users(0..u32::MAX).unwrap().is_empty());
    assert!(reader.sightings_of_nobody().unwrap().is_empty());
    assert_eq!(reader.control_sightings().unwrap(), told);
}

#[test]
fn users_of_sightings_count_too() {
    for (sighting, users) in [
        (
            Sighting {
                canaries: vec![canary(41, 1, 0, CanaryKind::Turn)],
                ..nameless(1)
            },
            42,
        ),
        (
            Sighting {
                session: Some(session_name(7, 1)),
                ..nameless(1)
            },
            8,
        ),
        (
            Sighting {
                owner: Some(owner(8)),
                ..nameless(1)
            },
            9,
        ),
        (nameless(1), 0),
    ] {
        let folder = tempfile::tempdir().unwrap();
        written(folder.path(), [Event::Sighted(sighting)]);
        let reader = LedgerReader::open(folder.path()).unwrap();
        assert_eq!(reader.users().unwrap(), users);
    }
}
