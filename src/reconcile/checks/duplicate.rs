//! `duplicate`: more copies than promised.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::{CanaryId, CanaryKind, Code, OpId, Proof, RecordType, Role, Trait, UserIx};

use super::super::draft::{Group, Groups, proof};
use super::super::evidence::Evidence;
use super::super::owner::Owner;
use super::super::reading::Record;
use super::super::{Draft, wording};
use super::Check;

#[derive(Debug)]
pub(crate) struct Duplicate;

impl Check for Duplicate {
    fn code(&self) -> Code {
        Code::Duplicate
    }

    fn definition(&self) -> &'static str {
        "One place of the store holds more copies of what a user sent than were promised."
    }

    fn explanation(&self) -> &'static str {
        "Answers will be built on a history that did not happen so. The usual cause is a write \
         that is repeated after a time-out, or two tasks that both store the last turns of one \
         session. Copies are counted by canary, role and whole text within one session or under \
         one user, with different record ids; overlapping pieces of a document are not copies. \
         An answer that is stored twice is shown beside its doubled turn, and by itself proves \
         nothing."
    }

    fn check(&self, evidence: &Evidence<'_>) -> Vec<Draft> {
        let mut by_op: BTreeMap<(UserIx, OpKey), Extras<'_, '_>> = BTreeMap::new();
        for (place, group) in by_place(evidence) {
            let Some(canary) = place.canaries.first().copied() else {
                continue;
            };
            if group.members.len() < 2 {
                continue;
            }
            let copies = extras(evidence, &place, group);
            if copies.records.is_empty() {
                continue;
            }
            let op = evidence.op_id_of(canary);
            let key = op.map_or(OpKey::Canary(canary), OpKey::Op);
            let all = by_op.entry((canary.user, key)).or_default();
            all.verbatim |= copies.verbatim;
            all.records.extend(copies.records);
        }
        by_op
            .into_iter()
            .map(|((sender, key), extras)| draft(evidence, sender, key, &extras))
            .collect()
    }
}

/// The operation that was doubled; without its row, the canary.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum OpKey {
    Op(OpId),
    Canary(CanaryId),
}

/// Where copies of one text may stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Place<'r> {
    record_type: RecordType,
    /// The session; for a fact, its owner.
    container: Option<&'r str>,
    canaries: &'r [CanaryId],
    role: Role,
}

/// Copies beyond the promised ones.
#[derive(Debug, Default)]
struct Extras<'e, 'a> {
    records: Vec<&'e Record<'a>>,
    /// Is a copy among them, beyond doubt, of what the user sent, not only of what the agent made
    /// of it?
    verbatim: bool,
}

/// The places with several records.
fn by_place<'e, 'a>(evidence: &'e Evidence<'a>) -> Groups<'e, 'a, Place<'e>> {
    let mut places: Groups<'e, 'a, Place<'e>> = BTreeMap::new();
    // Records in one place share their canaries, and hardly any share more than a turn's.
    for records in evidence.sharing() {
        let standing = records.into_iter().filter_map(|record| {
            let place = place(evidence, record)?;
            Some((place, record))
        });
        let mut standing: Vec<(Place<'e>, &'e Record<'a>)> = standing.collect();
        standing.sort_by_key(|(place, _)| *place);
        for same in standing.chunk_by(|(a, _), (b, _)| a == b) {
            if let [(place, _), _, ..] = same {
                // Under each canary that they share the same records stand together.
                places.entry(*place).or_insert_with(|| Group {
                    members: same.iter().map(|(_, record)| (*record, None)).collect(),
                });
            }
        }
    }
    places
}

/// Where a record stands, if its copies count.
fn place<'e>(evidence: &Evidence<'_>, record: &'e Record<'_>) -> Option<Place<'e>> {
    let sighting = record.sighting;
    let container = match sighting.record_type {
        RecordType::Fact => sighting.owner.as_deref(),
        RecordType::Message => sighting.session.as_deref(),
        RecordType::Session | RecordType::Answer | RecordType::Log => return None,
    };
    let sender = record.users().next();
    let ours = sender.is_some_and(|sender| evidence.has(sender));
    let counts = record.newest && ours && !is_astray(record) && !is_derived(record);
    counts.then_some(Place {
        record_type: sighting.record_type,
        container,
        canaries: &record.canaries,
        role: sighting.role,
    })
}

/// Is it a fact that quotes a turn? The store's model wrote it, and may write it as often as it
/// likes.
fn is_derived(record: &Record<'_>) -> bool {
    let quotes = |canary: &CanaryId| canary.kind == CanaryKind::Turn;
    record.sighting.record_type == RecordType::Fact && record.canaries.iter().any(quotes)
}

/// Is it under another user than any who sent it? Then it is a mix-up, however often it is there.
fn is_astray(record: &Record<'_>) -> bool {
    match record.owner {
        Owner::User(owner) => record.users().all(|sender| sender != owner),
        Owner::Placeholder(_) | Owner::Nobody | Owner::Foreign(_) => false,
    }
}

/// All copies of each text but the first. Without roles, question and answer may be equal
/// texts, so two equal ones are within the promise; of what was sent twice at once, two are.
fn extras<'e, 'a>(
    evidence: &Evidence<'_>,
    place: &Place<'_>,
    mut group: Group<'e, 'a>,
) -> Extras<'e, 'a> {
    one_state_each(&mut group);
    group.members.sort_by_key(|(record, _)| {
        let sighting = record.sighting;
        let seen = (record.first_scan, sighting.position);
        (sighting.body_hash, seen, &sighting.record_id)
    });
    let records = last_ids(evidence, &group);
    let bodies: BTreeSet<u64> = records.iter().map(|r| r.sighting.body_hash).collect();
    let no_roles = place.record_type == RecordType::Message && place.role == Role::Other;
    let equal_texts = if no_roles && bodies.len() == 1 { 2 } else { 1 };
    let sent_twice = place.canaries.iter().any(|canary| {
        let op = evidence.op_of(*canary);
        op.is_some_and(|op| op.invocation.traits.has(Trait::DoubleSubmits))
    });
    let promised_each = if sent_twice {
        2 * equal_texts
    } else {
        equal_texts
    };
    let same_text = |a: &&Record<'a>, b: &&Record<'a>| a.sighting.body_hash == b.sighting.body_hash;
    let texts: Vec<&[&Record<'a>]> = records.chunk_by(same_text).collect();
    let beyond = |text: &&[&'e Record<'a>]| text.len() > promised_each;
    let verbatim = match (place.record_type, place.role) {
        (RecordType::Message, Role::Assistant) => false,
        // Which of two texts the user sent is unknown, so both must be doubled.
        (RecordType::Message, Role::Other) => bodies.len() > 1 && texts.iter().all(beyond),
        (RecordType::Message, Role::User)
        | (RecordType::Fact | RecordType::Session | RecordType::Answer | RecordType::Log, _) => {
            true
        }
    };
    let records: Vec<&'e Record<'a>> = texts
        .iter()
        .flat_map(|text| text.iter().copied().skip(promised_each))
        .collect();
    // A doubled answer that was read twice is no proof of a doubled turn that was read once.
    let verbatim = verbatim && records.iter().any(|record| record.proved());
    Extras { records, verbatim }
}

/// Of several states of one record with one text the best proved one stays, of equal ones the first.
fn one_state_each(group: &mut Group<'_, '_>) {
    group.members.sort_by_key(|(record, _)| {
        let sighting = record.sighting;
        let text = (&sighting.record_id, sighting.body_hash);
        (text, !record.proved(), record.first_scan, sighting.position)
    });
    group.members.dedup_by_key(|(record, _)| {
        let sighting = record.sighting;
        (&sighting.record_id, sighting.body_hash)
    });
}

/// One record for each copy. A store may write a text anew under another id: a record that a
/// complete scan lacked when it first read an equal one has become that one.
fn last_ids<'e, 'a>(evidence: &Evidence<'_>, group: &Group<'e, 'a>) -> Vec<&'e Record<'a>> {
    let mut copies: Vec<&'e Record<'a>> = Vec::new();
    for (record, _) in &group.members {
        let complete = evidence.is_complete(record.first_scan);
        let before = copies.iter_mut().find(|copy| {
            let same_text = copy.sighting.body_hash == record.sighting.body_hash;
            same_text && complete && copy.last_scan < record.first_scan
        });
        match before {
            Some(copy) => *copy = *record,
            None => copies.push(*record),
        }
    }
    copies
}

fn draft(evidence: &Evidence<'_>, sender: UserIx, key: OpKey, extras: &Extras<'_, '_>) -> Draft {
    let op = match key {
        OpKey::Op(op) => Some(op),
        OpKey::Canary(_) => None,
    };
    let own = |record: &Record<'_>| {
        let mut canaries = record.canaries.iter().copied();
        canaries.find(|canary| canary.user == sender)
    };
    let mut group = Group {
        members: extras.records.iter().map(|r| (*r, own(r))).collect(),
    };
    group.sort();
    let certain = extras.verbatim && !op.is_some_and(|op| evidence.beside_unknown(op));
    let proof = proof(certain);
    let affected = group.affected(evidence, Code::Duplicate);
    let copies = wording::counted(wording::len(&affected), "record", "records");
    let what = group
        .root()
        .map_or_else(String::new, |(record, _)| wording::record(record));
    let certainty = match proof {
        Proof::Proved => "the same text stands",
        Proof::Suggested => "the same text seems to stand",
    };
    Draft::new(evidence, Code::Duplicate, proof, sender, affected).saying(
        format!(
            "what {} sent once is stored more than once: {copies} too many, first {what}",
            wording::user(sender)
        ),
        format!("{certainty} in one place under different record ids, and was promised once"),
    )
}

#[cfg(test)]
mod tests {
    use super::super::super::Context;
    use super::super::super::testing::{History, check, owner, scans, spoilt, told};
    use crate::model::{Role, Trait};

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
    fn facts_that_a_model_made_of_a_turn_may_be_equal() {
        check(
            |history| {
                let turn = history.record("m0.1u").canaries.clone();
                for id in ["x1", "x2"] {
                    copy(history, "f1.2", id, 9);
                    history.record(id).canaries.clone_from(&turn);
                    history.record(id).owner = Some(owner(0));
                }
            },
            &[],
        );
    }

    #[test]
    fn what_was_sent_twice_at_once_may_stand_twice() {
        let twice = |history: &mut History| {
            let op = history.op(0, 1);
            op.invocation.traits = op.invocation.traits.with(Trait::DoubleSubmits);
            copy(history, "m0.1u", "x1", 8);
            copy(history, "m0.1a", "x2", 9);
        };
        check(twice, &[]);
        check(
            |history| {
                twice(history);
                copy(history, "m0.1u", "x3", 10);
            },
            &["duplicate: x3"],
        );
    }

    #[test]
    fn a_record_that_is_written_anew_under_another_id_is_no_copy() {
        let judge = |times: &[&str]| {
            let history = spoilt(|history| {
                copy(history, "m0.1u", "anew", 2);
                history.record("m0.1u").scan = 1;
                history.record("anew").first_scan = 2;
            });
            let scans = scans(times);
            let context = Context {
                scans: &scans,
                ..history.context()
            };
            told(&history.judge_sharded(&context, 3).findings)
        };
        assert!(judge(&["7", "8", "9"]).is_empty());
        // An incomplete scan may have overlooked the first.
        assert_eq!(judge(&["7", "!8", "9"]), ["duplicate: anew"]);
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
}
