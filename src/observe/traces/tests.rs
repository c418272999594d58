use super::super::fake::{RUN, context};
use super::*;
use crate::canary;
use crate::dialect::MessageRecord;
use crate::model::{CanaryId, CanaryKind, Role, Seed, SessionIx, UserIx};
use crate::scenario::Scenario;

fn session(id: &str, owner: Option<&str>) -> SessionRecord {
    SessionRecord {
        row: 1,
        id: id.to_owned(),
        owner: owner.map(str::to_owned),
    }
}

fn message(role: Role, run: Option<RunId>) -> MessageRecord {
    let canary = |run| {
        let id = CanaryId {
            run,
            user: UserIx(1),
            session: SessionIx(1),
            item: 0,
            kind: CanaryKind::Turn,
        };
        canary::plant(id, &[])
    };
    MessageRecord {
        id: "m".to_owned(),
        role,
        owner: None,
        body: run.map_or_else(|| "good morning".to_owned(), canary),
    }
}

#[test]
fn a_deletion_that_errs_counts_only_where_something_may_be_left() {
    let fault = || StoreError::Repeats {
        what: "the sessions".to_owned(),
    };
    let unread = Traces {
        faults: vec![fault()],
        ..Traces::default()
    };
    let left = Traces {
        sessions: vec!["one".to_owned()],
        ..Traces::default()
    };
    for (traces, faults) in [(Traces::default(), 0), (unread, 2), (left, 1)] {
        let after = traces.after_deletion(vec![fault()]);
        assert_eq!(after.faults.len(), faults, "{after:?}");
    }
}

/// A run that was answered in two sessions and seen in another.
fn with_search<T>(look: impl FnOnce(Search<'_>) -> T) -> T {
    let context = context();
    let named = Named {
        answered: BTreeSet::from(["served".to_owned(), "annas".to_owned()]),
        seen: BTreeSet::from(["seen".to_owned()]),
        ..Named::default()
    };
    look(Search {
        run: context.run,
        plan: &Plan::new(Scenario::clone(&context.scenario), Seed(7)),
        baseline: &Baseline::default(),
        named: &named,
    })
}

fn owner_of_run() -> String {
    format!("dev-oid-{}", RUN.user_name(UserIx(1)))
}

#[test]
fn only_what_is_certainly_the_runs_own_is_deleted() {
    let owner = owner_of_run();
    let name = RUN.user_name(UserIx(1));
    let by_name = format!("{name}-s1");
    let other_run = RunId(RUN.0 ^ 1).session_name(UserIx(1), SessionIx(1));
    for (session, whose) in [
        (session(&by_name, Some(&owner)), Whose::Run),
        (session("elsewhere", Some(&owner)), Whose::Unclear),
        (session(&by_name, Some("anna")), Whose::Run),
        (session("served", Some(&owner)), Whose::Unclear),
        (session("served", Some("anna")), Whose::Unclear),
        (session("nobodys", None), Whose::Unclear),
        (session("annas-own", Some("anna")), Whose::Others),
        (session(&other_run, Some("anna")), Whose::Others),
    ] {
        let found = with_search(|search| search.whose(&session));
        assert_eq!(found, whose, "{session:?}");
    }
    assert!(with_search(|search| search.made_user(&owner)));
    assert!(!with_search(|search| search.made_user("dev-oid-anna")));
}

#[test]
fn a_session_is_the_runs_if_all_its_texts_are() {
    let owner = owner_of_run();
    let (user, agent) = (Role::User, Role::Assistant);
    let other = RunId(RUN.0 ^ 1);
    let of_run = || message(user, Some(RUN));
    for (id, owner_of, messages, texts) in [
        ("served", None, vec![], Texts::Ours),
        ("nobodys", None, vec![], Texts::Others),
        ("elsewhere", Some(owner.as_str()), vec![], Texts::Ours),
        (
            "served",
            None,
            vec![of_run(), message(agent, None)],
            Texts::Ours,
        ),
        (
            "served",
            None,
            vec![of_run(), message(user, None)],
            Texts::Shared,
        ),
        (
            "served",
            None,
            vec![of_run(), message(user, Some(other))],
            Texts::Shared,
        ),
        (
            "served",
            None,
            vec![message(user, Some(other))],
            Texts::Others,
        ),
        ("nobodys", None, vec![message(user, None)], Texts::Others),
        // An agent may have answered anna there.
        (
            "seen",
            Some("anna"),
            vec![of_run(), message(agent, None)],
            Texts::Shared,
        ),
        (
            "annas",
            Some("anna"),
            vec![of_run(), message(agent, None)],
            Texts::Ours,
        ),
        (
            "elsewhere",
            Some(owner.as_str()),
            vec![message(user, None)],
            Texts::Others,
        ),
        (
            "elsewhere",
            Some(owner.as_str()),
            vec![of_run(), message(user, None)],
            Texts::Shared,
        ),
        (
            "elsewhere",
            Some(owner.as_str()),
            vec![of_run(), message(agent, None)],
            Texts::Ours,
        ),
    ] {
        let session = session(id, owner_of);
        let judged = with_search(|search| search.judge(&session, &messages));
        assert_eq!(judged, texts, "{id} {owner_of:?} {messages:?}");
    }
}

#[test]
fn a_fact_under_others_is_the_runs_only_if_it_is_nothing_but_what_was_sent() {
    let toml = "version = 1\n[load.docs]\nexecutor = \"per-vu-iterations\"\nsession = \"docs\"\n\
                vus = 2\niterations = 1\n[sessions.docs]\nkind = \"upload\"\n";
    let scenario = crate::scenario::parse("docs", toml, "docs").unwrap();
    let plan = Plan::new(scenario, Seed(7));
    let run = context().run;
    let session = plan.closed_session(crate::model::GroupIx(0), 1, 0).unwrap();
    let canary = CanaryId {
        run,
        user: plan.script(session).unwrap().user,
        session,
        item: 0,
        kind: CanaryKind::Block,
    };
    let (named, baseline) = (Named::default(), Baseline::default());
    let search = Search {
        run,
        plan: &plan,
        baseline: &baseline,
        named: &named,
    };
    let document = search.document_text(canary).unwrap();
    let chunk: String = document.chars().take(500).collect();
    let of_other_run = CanaryId {
        run: RunId(run.0 ^ 1),
        ..canary
    };
    let made = format!("dev-oid-{}", run.user_name(canary.user));
    for (user, body, texts) in [
        ("anna", chunk.clone(), Texts::Ours),
        ("anna", chunk.replace(' ', "\n"), Texts::Ours),
        ("anna", format!("likes tea. {chunk}"), Texts::Shared),
        ("anna", canary::plant(of_other_run, &[]), Texts::Others),
        ("anna", "likes tea".to_owned(), Texts::Others),
        (&made, format!("From notes: {chunk}"), Texts::Ours),
        (&made, "likes tea".to_owned(), Texts::Others),
    ] {
        let fact = FactRecord {
            id: "f".to_owned(),
            owner: None,
            body,
        };
        assert_eq!(search.judge_fact(user, &fact), texts, "{user} {fact:?}");
    }
}
