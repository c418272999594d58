//! Perfect histories, spoilt one item at a time: precisely that is found and nothing else.

use super::testing::{self, History, SESSIONS_EACH, answer, canary, exact, owner, session_name};
use super::*;
use crate::model::{
    CanaryKind, Code, Exactness, Finding, Outcome, Pattern, Proof, RecordType, Role, SessionIx,
    Severity, Trait, UserIx,
};

/// Each finding as `code proof: records`, the record or what is absent, with `+` before those
/// of another code.
fn told(findings: &[Finding]) -> Vec<String> {
    let tell = |finding: &Finding| {
        let records: Vec<String> = finding
            .affected
            .iter()
            .map(|record| {
                let canary = record
                    .canary
                    .map(|c| format!("s{}.{}", c.session.0, c.item));
                let absent = format!("no {}", canary.unwrap_or_default());
                let id = record.record_id.clone().unwrap_or(absent);
                let folded = if record.code == finding.code { "" } else { "+" };
                format!("{folded}{id}")
            })
            .collect();
        let proof = match finding.proof {
            Proof::Proved => "",
            Proof::Suggested => "?",
        };
        format!("{}{proof}: {}", finding.code, records.join(" "))
    };
    findings.iter().map(tell).collect()
}

/// Spoils a history of three users with two chat turns each.
fn spoilt(spoil: impl FnOnce(&mut History)) -> History {
    let mut history = History::new(3, 2);
    spoil(&mut history);
    history
}

fn check(spoil: impl FnOnce(&mut History), expected: &[&str]) {
    assert_eq!(told(&spoilt(spoil).findings()), expected);
}

#[test]
fn a_clean_history_is_silent_whatever_the_outcomes() {
    check(|_| {}, &[]);
    for outcome in [Outcome::Ok, Outcome::Unknown] {
        check(
            |history| {
                for op in &mut history.ops {
                    op.completion.as_mut().unwrap().outcome = outcome;
                }
            },
            &[],
        );
    }
    check(
        |history| history.ops.iter_mut().for_each(|op| op.completion = None),
        &[],
    );
    for outcome in Outcome::ALL
        .into_iter()
        .filter(|outcome| *outcome != Outcome::Ok)
    {
        check(
            |history| {
                history.sightings.clear();
                for op in &mut history.ops {
                    op.completion.as_mut().unwrap().outcome = outcome;
                }
            },
            &[],
        );
    }
}

#[test]
fn a_clean_history_is_counted() {
    let mut history = History::new(3, 2);
    history.op(0, 1).completion = None;
    history.end(4, 0).outcome = Outcome::Unknown;
    let judgement = history.judge();
    assert_eq!(judgement.findings, []);
    assert_eq!(
        judgement.recovered,
        BTreeMap::from([(OpKind::Chat, 1), (OpKind::Upload, 1)])
    );
    // The session of the unknown upload has nothing else.
    assert_eq!((judgement.sessions, judgement.crossed_sessions), (8, 0));
    assert_eq!(
        (
            judgement.ledger_gap,
            judgement.unattributable,
            judgement.pending
        ),
        (0, 0, 0)
    );
}

#[test]
fn a_session_under_another_user_is_one_root_with_its_messages() {
    let history = spoilt(|history| history.own_session(0, Some(&owner(1))));
    let findings = history.findings();
    let session = session_name(0);
    assert_eq!(
        told(&findings),
        [format!("wrong-owner: {session} m0.0u m0.0a m0.1u m0.1a")]
    );
    let finding = &findings[0];
    assert_eq!(
        (finding.sender, finding.found_under),
        (Some(UserIx(0)), Some(UserIx(1)))
    );
    assert_eq!(finding.severity, Severity::S1);
    assert_eq!(
        finding.claim,
        format!("user 0's session {session} is stored under user 1")
    );
    assert_eq!(
        finding.because,
        "its id belongs to user 0, yet the store names user 1 as its owner, in 3 reads"
    );
    assert_eq!(history.judge().crossed_sessions, 1);
}

#[test]
fn owners_are_told_apart() {
    let session = session_name(3);
    let all = format!("{session} m3.0u m3.0a m3.1u m3.1a");
    for (stored, code) in [
        (Some("poc-user"), "placeholder-owner"),
        (None, "missing-owner"),
        (Some("alice@example.org"), "foreign-owner"),
    ] {
        let history = spoilt(|history| history.own_session(3, stored));
        assert_eq!(told(&history.findings()), [format!("{code}: {all}")]);
    }
}

#[test]
fn messages_without_a_canary_share_the_fate_of_their_session() {
    let history = spoilt(|history| {
        history.record("m0.1a").canaries.clear();
        history.end(0, 1).promise.assistant_message = false;
        history.own_session(0, None);
    });
    let session = session_name(0);
    assert_eq!(
        told(&history.findings()),
        [format!("missing-owner: {session} m0.0u m0.0a m0.1u m0.1a")]
    );
}

#[test]
fn a_turn_in_another_users_session_is_one_root() {
    // What two tasks that exchange their contexts leave behind, one half of it.
    let to = |history: &mut History, id: &str, session: u32| {
        let record = history.record(id);
        record.session = Some(session_name(session));
        record.owner = Some(owner(session / SESSIONS_EACH));
    };
    check(
        |history| {
            to(history, "m0.1u", 3);
            to(history, "m0.1a", 3);
        },
        &["wrong-owner: m0.1u m0.1a"],
    );
}

#[test]
fn another_users_answer_explains_the_one_that_is_missing() {
    let history = spoilt(|history| {
        history.record("m0.1a").canaries = vec![exact(canary(2, 6, 0, CanaryKind::Turn))];
    });
    let findings = history.findings();
    assert_eq!(told(&findings), ["wrong-owner: m0.1a +no s0.1"]);
    assert_eq!(
        (findings[0].sender, findings[0].found_under),
        (Some(UserIx(2)), Some(UserIx(0)))
    );
    // It is found from any bucket.
    for width in 1..4 {
        assert_eq!(
            history.judge_sharded(&history.context(), width).findings,
            findings
        );
    }
}

#[test]
fn pieces_of_one_upload_under_one_owner_are_one_root() {
    check(
        |history| {
            for id in ["f1.0", "f1.2"] {
                history.record(id).owner = Some(owner(2));
            }
            history.record("f1.1").owner = Some(owner(1));
        },
        &["wrong-owner: f1.0 f1.2", "wrong-owner: f1.1"],
    );
}

#[test]
fn once_is_a_glimpse_and_an_answer_is_proof() {
    check(
        |history| {
            history.own_session(0, Some(&owner(1)));
            history
                .sightings
                .iter_mut()
                .for_each(|sighting| sighting.reads = 1);
        },
        &[&format!(
            "wrong-owner?: {} m0.0u m0.0a m0.1u m0.1a",
            session_name(0)
        )],
    );
    let history = spoilt(|history| {
        history
            .sightings
            .push(answer(2, 6, canary(0, 0, 1, CanaryKind::Turn)));
    });
    let findings = history.findings();
    assert_eq!(
        told(&findings),
        [format!("response-bleed: {}", session_name(6))]
    );
    assert_eq!(
        (findings[0].sender, findings[0].found_under),
        (Some(UserIx(0)), Some(UserIx(2)))
    );
    assert_eq!(history.judge().crossed_sessions, 1);
}

#[test]
fn a_corrected_canary_accuses_nobody_and_excuses_absence() {
    check(
        |history| {
            let record = history.record("f1.1");
            record.owner = Some(owner(2));
            for seen in &mut record.canaries {
                seen.exactness = Exactness::Corrected;
            }
        },
        &[],
    );
}

#[test]
fn identity_that_came_late_is_not_missing_but_a_stranger_has_seen() {
    for (stored, expected) in [
        (None, vec![]),
        (Some("poc-user"), vec![]),
        (
            Some(owner(1)).as_deref(),
            vec![format!("wrong-owner: {}", session_name(0))],
        ),
    ] {
        let history = spoilt(|history| {
            let mut earlier = history.record(&session_name(0)).clone();
            earlier.owner = stored.map(str::to_owned);
            earlier.scan = 2;
            history.sightings.push(earlier);
        });
        assert_eq!(told(&history.findings()), expected);
    }
}

#[test]
fn what_was_promised_and_is_nowhere_is_lost() {
    check(
        |history| {
            history.remove("m0.1u");
            history.remove("m0.1a");
        },
        &["lost: no s0.1"],
    );
    check(|history| drop(history.remove("m0.1a")), &["lost: no s0.1"]);
    check(|history| drop(history.remove("m0.1u")), &["lost: no s0.1"]);
    let history = spoilt(|history| {
        for id in ["f1.0", "f1.1", "f1.2"] {
            history.remove(id);
        }
    });
    assert_eq!(told(&history.findings()), ["lost: no s1.0"]);
    assert_eq!(history.findings()[0].pattern, Some(Pattern::Silent));
}

#[test]
fn what_was_not_promised_is_not_lost() {
    check(
        |history| {
            history.end(0, 1).promise.assistant_message = false;
            history.remove("m0.1a");
        },
        &[],
    );
    for outcome in [
        Outcome::Unknown,
        Outcome::Refused,
        Outcome::SoftFail,
        Outcome::Unsent,
    ] {
        check(
            |history| {
                history.end(0, 1).outcome = outcome;
                history.remove("m0.1u");
                history.remove("m0.1a");
            },
            &[],
        );
    }
}

#[test]
fn absence_is_pending_until_it_can_be_proved() {
    let history = spoilt(|history| drop(history.remove("m0.1u")));
    let settled = |settled, complete, read_from| ReadBack::Some {
        settled,
        complete,
        read_from: Micros(read_from),
    };
    // The turn was answered at 1.5 s, and the deadline is 5 s.
    for (read_back, lost, pending) in [
        (ReadBack::None, 0, 0),
        (settled(false, true, 100_000_000), 0, 1),
        (settled(true, false, 100_000_000), 0, 1),
        (settled(true, true, 6_499_999), 0, 1),
        (settled(true, true, 6_500_000), 1, 0),
    ] {
        let context = Context {
            read_back,
            ..history.context()
        };
        let judgement = history.judge_sharded(&context, 3);
        assert_eq!(judgement.findings.len(), lost, "{read_back:?}");
        assert_eq!(judgement.pending, pending, "{read_back:?}");
    }
}

#[test]
fn overlapping_turns_of_one_session_only_suggest() {
    check(
        |history| {
            history.op(0, 0).completion = None;
            history.remove("m0.1u");
        },
        &["lost?: no s0.1"],
    );
    // An unknown turn at the end of a session had nothing beside it.
    check(
        |history| {
            history.op(0, 1).completion = None;
            history.remove("m0.0u");
        },
        &["lost: no s0.0"],
    );
}

#[test]
fn without_roles_any_two_records_keep_both_promises() {
    let blank = |history: &mut History| {
        for sighting in &mut history.sightings {
            sighting.role = Role::Other;
        }
    };
    check(blank, &[]);
    // Question and answer may be the same text.
    let echo = |history: &mut History| {
        for sighting in &mut history.sightings {
            if sighting.record_type == RecordType::Message {
                sighting.body_hash = u64::from(sighting.position / 2);
            }
        }
    };
    check(
        |history| {
            blank(history);
            echo(history);
        },
        &[],
    );
    check(
        |history| {
            blank(history);
            history.remove("m0.1u");
        },
        &["lost: no s0.1"],
    );
}

#[test]
fn missing_blocks_of_a_document_are_one_root() {
    check(
        |history| drop(history.remove("f1.1")),
        &["partial-ingest: no s1.3 no s1.4 no s1.5"],
    );
    check(
        |history| {
            history.remove("f1.0");
            history.record("f1.2").canaries.pop();
        },
        &["partial-ingest: no s1.0 no s1.1 no s1.2 no s1.8"],
    );
}

#[test]
fn one_block_that_may_have_been_cut_in_two_only_suggests() {
    // Between two full pieces.
    check(
        |history| {
            let last = history.record("f1.2").canaries.remove(0);
            history.record("f1.1").canaries.push(last);
            history.record("f1.1").canaries.remove(0);
        },
        &["partial-ingest?: no s1.3"],
    );
    // At the end, beside a scrap.
    check(
        |history| {
            history.record("f1.2").canaries.pop();
            history
                .sightings
                .push(testing::sighting(RecordType::Fact, "scrap", 0));
        },
        &["partial-ingest?: no s1.8"],
    );
    // At the end, with nothing beside it.
    check(
        |history| history.record("f1.2").canaries.truncate(2),
        &["partial-ingest: no s1.8"],
    );
}

fn copy(history: &mut History, id: &str, new_id: &str, position: u32) {
    let mut copy = history.record(id).clone();
    copy.record_id = new_id.to_owned();
    copy.position = position;
    history.sightings.push(copy);
}

#[test]
fn copies_beyond_the_first_are_duplicates_of_their_operation() {
    check(
        |history| {
            copy(history, "m0.1u", "x1", 8);
            copy(history, "m0.1a", "x2", 9);
            copy(history, "f1.2", "x3", 9);
        },
        &["duplicate: x1 x2", "duplicate: x3"],
    );
    // An answer alone is not what a user sent.
    check(
        |history| copy(history, "m0.1a", "x2", 9),
        &["duplicate?: x2"],
    );
    // The same id on two pages is one record.
    check(|history| copy(history, "m0.1u", "m0.1u", 9), &[]);
}

#[test]
fn overlapping_pieces_and_other_places_are_no_duplicates() {
    check(
        |history| {
            copy(history, "f1.2", "overlap", 9);
            history.record("overlap").body_hash += 1;
        },
        &[],
    );
    check(
        |history| {
            copy(history, "f1.2", "elsewhere", 9);
            history.record("elsewhere").owner = Some("poc-user".to_owned());
        },
        &["placeholder-owner: elsewhere"],
    );
}

#[test]
fn without_roles_a_doubled_turn_is_still_seen() {
    check(
        |history| {
            copy(history, "m0.1u", "x1", 8);
            copy(history, "m0.1a", "x2", 9);
            for sighting in &mut history.sightings {
                sighting.role = Role::Other;
            }
        },
        &["duplicate: x1 x2"],
    );
}

#[test]
fn refused_and_stored_is_a_ghost_and_unsent_is_our_own_fault() {
    for outcome in [Outcome::Refused, Outcome::SoftFail] {
        check(
            |history| history.end(0, 1).outcome = outcome,
            &["ghost: m0.1u m0.1a"],
        );
    }
    let history = spoilt(|history| history.end(0, 1).outcome = Outcome::Unsent);
    let judgement = history.judge();
    assert_eq!((judgement.findings.len(), judgement.ledger_gap), (0, 1));
}

#[test]
fn a_turn_in_another_session_of_its_user_bleeds() {
    let to = session_name(2);
    check(
        |history| {
            for id in ["m0.1u", "m0.1a"] {
                history.record(id).session = Some(to.clone());
            }
        },
        &["session-bleed: m0.1u m0.1a"],
    );
    // An agent may quote.
    check(
        |history| history.record("m0.1a").session = Some(to.clone()),
        &[],
    );
    check(
        |history| {
            history.record("m0.1u").session = Some(to.clone());
            history.record("m0.1u").role = Role::Other;
        },
        &["session-bleed?: m0.1u"],
    );
}

#[test]
fn sessions_named_by_the_server_are_known_by_its_answers() {
    let server_names = |history: &mut History| {
        for seq in 0..2 {
            history.end(0, seq).server_session = Some("9f3c".to_owned());
            let op = history.op(0, seq);
            op.invocation.traits = op.invocation.traits.with(Trait::ServerIds);
        }
        let name = session_name(0);
        for sighting in &mut history.sightings {
            if sighting.record_id == name {
                sighting.record_id = "9f3c".to_owned();
            }
            if sighting.session.as_deref() == Some(&name) {
                sighting.session = Some("9f3c".to_owned());
            }
        }
    };
    check(server_names, &[]);
    check(
        |history| {
            server_names(history);
            history.record("9f3c").owner = Some(owner(1));
            for id in ["m0.0u", "m0.0a", "m0.1u", "m0.1a"] {
                history.record(id).owner = Some(owner(1));
            }
        },
        &["wrong-owner: 9f3c m0.0u m0.0a m0.1u m0.1a"],
    );
    // A turn without an answer may be in a session that we never heard of.
    check(
        |history| {
            server_names(history);
            history.op(0, 0).completion = None;
            history.record("m0.0u").session = Some("77aa".to_owned());
        },
        &[],
    );
    check(
        |history| {
            server_names(history);
            history.record("m0.1u").session = Some("77aa".to_owned());
        },
        &["session-bleed: m0.1u"],
    );
}

#[test]
fn two_users_in_one_piece_are_mixed_and_nothing_more() {
    let history = spoilt(|history| {
        let foreign = canary(2, 7, 4, CanaryKind::Block);
        history.record("f1.1").canaries.push(exact(foreign));
    });
    let findings = history.findings();
    assert_eq!(told(&findings), ["chunk-mix: f1.1"]);
    assert_eq!(
        (findings[0].sender, findings[0].found_under),
        (Some(UserIx(0)), Some(UserIx(0)))
    );
    assert_eq!(
        findings[0].affected[0].canary,
        Some(canary(2, 7, 4, CanaryKind::Block))
    );
    assert_eq!(history.judge().crossed_sessions, 1);
    // An answer that holds both is judged by whose session it is in.
    check(
        |history| {
            let foreign = canary(2, 6, 0, CanaryKind::Turn);
            history.record("m0.1a").canaries.push(exact(foreign));
        },
        &["wrong-owner: m0.1a"],
    );
}

#[test]
fn a_whole_channel_under_one_stand_in_is_one_root() {
    for (stored, code, severity, pattern) in [
        (
            Some("voice-user"),
            Code::PlaceholderOwner,
            Severity::S1,
            Some(Pattern::FixedOwner),
        ),
        (None, Code::MissingOwner, Severity::S2, None),
    ] {
        let history = spoilt(|history| {
            for user in 0..3 {
                history.own_session(user * SESSIONS_EACH + 2, stored);
            }
        });
        let findings = history.findings();
        assert_eq!(findings.len(), 1);
        let finding = &findings[0];
        assert_eq!((finding.code, finding.severity), (code, severity));
        assert_eq!((finding.affected.len(), finding.pattern), (9, pattern));
        for width in 1..4 {
            assert_eq!(
                history.judge_sharded(&history.context(), width).findings,
                findings
            );
        }
    }
    // All but one is not all.
    let history = spoilt(|history| {
        for user in 0..2 {
            history.own_session(user * SESSIONS_EACH + 2, Some("voice-user"));
        }
    });
    assert_eq!(history.findings().len(), 2);
    assert!(
        history
            .findings()
            .iter()
            .all(|finding| finding.severity == Severity::S1)
    );
    let one = spoilt(|history| history.own_session(2, Some("voice-user")));
    assert_eq!(one.findings()[0].severity, Severity::S2);
    // Of uploads, the facts are counted.
    let history = spoilt(|history| {
        for user in 0..3 {
            for piece in 0..3 {
                let id = format!("f{}.{piece}", user * SESSIONS_EACH + 1);
                history.record(&id).owner = Some("poc-user".to_owned());
            }
        }
    });
    assert_eq!(history.findings().len(), 1);
}

#[test]
fn what_the_ledger_does_not_know_is_a_gap() {
    let history = spoilt(|history| {
        history
            .ops
            .retain(|op| op.invocation.op.session != SessionIx(0))
    });
    let judgement = history.judge();
    assert_eq!((judgement.findings.len(), judgement.ledger_gap), (0, 2));
    // Its owner is judged all the same.
    let history = spoilt(|history| {
        history
            .ops
            .retain(|op| op.invocation.op.session != SessionIx(0));
        history.own_session(0, Some(&owner(1)));
    });
    assert_eq!(history.findings()[0].affected.len(), 5);
}

#[test]
fn records_of_other_runs_and_of_the_control_are_passed_over() {
    check(
        |history| {
            let mut other = history.record("m0.1u").clone();
            other.record_id = "other".to_owned();
            other.owner = Some(owner(2));
            other.canaries[0].id.run = RunId(7);
            history.sightings.push(other);
            let mut planted = history.record("m0.1u").clone();
            planted.record_id = "planted".to_owned();
            planted.owner = Some(owner(2));
            planted.control = true;
            history.sightings.push(planted);
        },
        &[],
    );
}

#[test]
fn the_control_is_found_by_the_same_check() {
    let history = History::new(1, 1);
    let context = history.context();
    let [first, second] = crate::model::limits::CONTROL_USERS;
    let planted: Vec<Sighting> = [(first, second, "control-1"), (second, first, "control-2")]
        .map(|(sender, stored_under, id)| Sighting {
            canaries: vec![exact(canary(sender, 0, 0, CanaryKind::Control))],
            session: Some(testing::RUN.session_name(UserIx(stored_under), SessionIx(0))),
            role: Role::User,
            reads: 2,
            control: true,
            ..testing::sighting(RecordType::Message, id, stored_under)
        })
        .into();
    assert_eq!(
        control(&context, &planted),
        Control {
            planted: 2,
            found: 2
        }
    );
    let mut once = planted.clone();
    once[0].reads = 1;
    assert_eq!(
        control(&context, &once),
        Control {
            planted: 2,
            found: 1
        }
    );
    let mut at_home = planted;
    at_home[0].owner = Some(owner(first));
    assert_eq!(
        control(&context, &at_home),
        Control {
            planted: 2,
            found: 1
        }
    );
    assert_eq!(control(&context, &[]), Control::default());
}
