//! Owners, pages, deletes.

use super::*;

fn store() -> Store {
    Store::new(Arc::new(Dice::new()), Quirks::default(), 0.0)
}

fn say(content: &str) -> NewMessage {
    NewMessage {
        content: content.to_owned(),
        ..NewMessage::default()
    }
}

fn new_session(session_id: &str, user_id: Option<&str>) -> NewSession {
    NewSession {
        session_id: session_id.to_owned(),
        user_id: user_id.map(str::to_owned),
        metadata: None,
    }
}

#[test]
fn the_first_maker_fixes_the_owner() {
    let store = store();
    assert!(store.append("s", vec![say("one")]).unwrap().created);
    let error = store
        .create_session(new_session("s", Some("a")))
        .unwrap_err();
    assert_eq!(error, StoreError::SessionExists("s".to_owned()));
    assert_eq!(store.session("s").unwrap().user_id, None);
    store.create_session(new_session("t", Some("a"))).unwrap();
    let appended = store.append("t", vec![say("two")]).unwrap();
    assert_eq!(appended.owner.as_deref(), Some("a"));
    assert!(!appended.created);
}

#[test]
fn a_repeated_uuid_stores_nothing_but_makes_the_session() {
    let store = store();
    let uuid = store.append("s", vec![say("one")]).unwrap().uuids[0];
    let repeated = NewMessage {
        uuid: Some(uuid),
        ..say("three")
    };
    let error = store.append("t", vec![say("two"), repeated]).unwrap_err();
    assert_eq!(error, StoreError::UuidTaken(uuid));
    assert!(store.session("t").is_some());
    assert_eq!(store.messages("t", MessagePage::All).1, 0);
}

#[test]
fn pages_of_messages() {
    let store = store();
    let said: Vec<_> = (0..5).map(|n| say(&n.to_string())).collect();
    store.append("s", said).unwrap();
    let page = |limit, number| {
        let (page, total) = store.messages("s", MessagePage::Page { limit, number });
        let texts: Vec<_> = page.into_iter().map(|m| m.content).collect();
        (texts.concat(), total)
    };
    assert_eq!(page(2, 1), ("01".to_owned(), 5));
    assert_eq!(page(2, 0), ("01".to_owned(), 5));
    assert_eq!(page(2, 3), ("4".to_owned(), 5));
    assert_eq!(page(2, 4), (String::new(), 0));
    assert_eq!(page(usize::MAX, usize::MAX), (String::new(), 0));
    assert_eq!(store.messages("s", MessagePage::AllButOldest).0.len(), 4);
    assert_eq!(store.newest_messages("s", 2)[0].content, "3");
    assert_eq!(store.newest_messages("nobody", 2).len(), 0);
}

#[test]
fn a_deleted_session_keeps_its_id_and_a_deleted_user_frees_all() {
    let store = store();
    store.create_session(new_session("s", Some("a"))).unwrap();
    store.append("s", vec![say("one")]).unwrap();
    store.add_fact("a", "likes tea".to_owned(), &Metadata::new());
    assert!(store.delete_session("s"));
    assert!(!store.delete_session("s"));
    assert!(store.session("s").is_none());
    assert!(store.create_session(new_session("s", Some("a"))).is_err());
    let revived = store.append("s", vec![say("two")]).unwrap();
    assert_eq!(revived.owner.as_deref(), Some("a"));
    assert_eq!(store.messages("s", MessagePage::All).1, 1);

    assert!(store.delete_user("a"));
    assert!(store.facts("a", 9, "").is_empty());
    store.create_session(new_session("s", Some("b"))).unwrap();
    let ids: Vec<_> = store.sessions(0, 9).into_iter().map(|s| s.id).collect();
    assert_eq!(ids, [2]);
    assert!(store.sessions(2, 9).is_empty());
}

#[test]
fn a_missing_page_stays_missing() {
    let lacking =
        |share: f64| Store::new(Arc::new(Dice::new()), Quirks::default(), share).lacks_page("s");
    assert!(lacking(1.0) && !lacking(0.0));
    let store = Store::new(Arc::new(Dice::new()), Quirks::default(), 0.5);
    let names: Vec<String> = (0..64).map(|n| n.to_string()).collect();
    let read = || names.iter().map(|name| store.lacks_page(name));
    let first: Vec<bool> = read().collect();
    assert!(read().eq(first.iter().copied()));
    assert!(first.contains(&true) && first.contains(&false));
}
