//! What a record means: whose canaries it holds, whether it is this run's, and what of it may be
//! kept. Records read from the store and the planted control take the same way through here.

use super::scan::ScanContext;
use crate::canary;
use crate::dialect::SessionRecord;
use crate::model::limits::{CONTROL_USERS, EXCERPT_CHARS_AROUND};
use crate::model::{
    CanaryId, CanaryKind, Exactness, Likeness, Micros, OpKind, RecordType, Role, RunId, SeenCanary,
    SessionIx, Sighting, UserIx,
};

/// Public key of the digest: it keeps it apart from other hashes of the same records.
const DIGEST_KEY: &[u8; 32] = b"crosswire scan digest, version 1";

/// A record on its way to becoming a sighting.
#[derive(Debug, Clone, Copy)]
pub(super) struct Record<'a> {
    pub(super) kind: RecordType,
    pub(super) id: &'a str,
    pub(super) owner: Option<&'a str>,
    pub(super) session: Option<&'a str>,
    pub(super) role: Role,
    pub(super) position: u32,
    pub(super) body: &'a str,
}

/// When a record was read.
#[derive(Debug, Clone, Copy)]
pub(super) struct ReadAt {
    pub(super) scan: u32,
    pub(super) at: Micros,
}

/// The planted control: two messages that stand under each other's owner, taken the way of real
/// records. A checker that does not find both would not have found a real mix-up.
///
/// Each is told twice, as read in scan `scan` and in the one before it: real ones, too, count as
/// confirmed after a second reading only.
pub fn control_sightings(context: &ScanContext, scan: u32) -> Vec<Sighting> {
    let mut told = control_in(context, scan.saturating_sub(1));
    told.extend(control_in(context, scan));
    told
}

/// Looks at one record: its canaries of this run, and an excerpt if one of them is not at home.
/// Whose it is stays readable only where that is a user of this run or no person.
pub(super) fn sight(context: &ScanContext, record: &Record<'_>, read: ReadAt) -> Sighting {
    let normalised = canary::normalise(record.body);
    let mut canaries = canary::find(&normalised);
    let older_run = older_run(context, record, &canaries);
    canaries.retain(|seen| seen.id.run == context.run);
    let misplaced = canaries
        .iter()
        .any(|seen| !is_at_home(context, seen.id, record.owner));
    let strangers = &context.strangers;
    let session_name = |id: &str| strangers.session(context, id, record.owner);
    Sighting {
        record_type: record.kind,
        record_id: match record.kind {
            RecordType::Session => session_name(record.id),
            RecordType::Message | RecordType::Fact | RecordType::Answer | RecordType::Log => {
                record.id.to_owned()
            }
        },
        owner: record.owner.map(|owner| strangers.owner(context, owner)),
        session: record.session.map(session_name),
        role: record.role,
        position: record.position,
        canaries,
        body_hash: canary::body_hash(&normalised),
        likeness: Likeness::Unjudged,
        damaged: false,
        older_run,
        excerpt: misplaced
            .then(|| canary::excerpt(&normalised, context.run, EXCERPT_CHARS_AROUND))
            .flatten(),
        first_scan: read.scan,
        scan: read.scan,
        seen_at: read.at,
        reads: 1,
        control: false,
    }
}

/// May it be that this sighting proves something: is it an answer with somebody else's canary, or
/// a record under an owner that its sender may not have?
pub fn is_suspicious(context: &ScanContext, sighting: &Sighting) -> bool {
    match sighting.record_type {
        RecordType::Answer => true,
        RecordType::Log => false,
        RecordType::Message | RecordType::Fact => sighting.excerpt.is_some(),
        RecordType::Session => match RunId::parse_session_name(&sighting.record_id) {
            Some((run, user, _)) if run == context.run => !OpKind::ALL
                .into_iter()
                .any(|kind| Some(expected_owner(context, user, kind)) == sighting.owner),
            Some(_) | None => false,
        },
    }
}

/// Is this session's name one of this run, or its owner a user of this run?
pub(super) fn is_our_session(context: &ScanContext, id: &str, owner: Option<&str>) -> bool {
    id.starts_with(&context.run.name_prefix()) || is_our_user(context, owner)
}

/// Is this owner a synthetic user of this run?
pub(super) fn is_our_user(context: &ScanContext, owner: Option<&str>) -> bool {
    let user = owner.and_then(|owner| context.scenario.user_of_owner(context.run, owner));
    user.is_some()
}

/// Is a message without this run's canary no concern of it, though one of its users owns the
/// session? It was there before the run, or the session is another run's with the same users.
pub(super) fn is_old(context: &ScanContext, session: &SessionRecord, message: &str) -> bool {
    is_of_another_run(context, &session.id) || context.baseline.has_message(&session.id, message)
}

/// Is the session one that another run of the same pooled users has named?
fn is_of_another_run(context: &ScanContext, session: &str) -> bool {
    let other = RunId::parse_session_name(session).is_some_and(|(run, ..)| run != context.run);
    other && !context.scenario.pool.is_empty()
}

/// Another run whose exact canary a record of ours holds, while it holds none of this one. What
/// stands in other people's places, or was there before the run, is none of ours.
fn older_run(context: &ScanContext, record: &Record<'_>, canaries: &[SeenCanary]) -> Option<RunId> {
    if canaries.iter().any(|seen| seen.id.run == context.run) {
        return None;
    }
    let exact = |seen: &&SeenCanary| seen.exactness == Exactness::Exact;
    let found = canaries.iter().find(exact)?;
    let baseline = &context.baseline;
    let is_ours = if let Some(session) = record.session {
        // Of pooled users every message is known from before, of others their sessions.
        let is_old = if context.scenario.pool.is_empty() {
            baseline.has_session(session)
        } else {
            baseline.has_message(session, record.id)
        };
        is_our_session(context, session, record.owner)
            && !is_old
            && !is_of_another_run(context, session)
    } else {
        is_our_user(context, record.owner) && !baseline.has_fact(record.id)
    };
    is_ours.then_some(found.id.run)
}

/// The owner that the store should name for a user's records of one channel.
pub(super) fn expected_owner(context: &ScanContext, user: UserIx, kind: OpKind) -> String {
    let name = context.scenario.user_name(context.run, user);
    context
        .scenario
        .target
        .expected_owner
        .get(kind)
        .owner(&name)
}

/// Does the record prove whose it is?
pub(super) fn has_exact(canaries: &[SeenCanary]) -> bool {
    canaries
        .iter()
        .any(|seen| seen.exactness == Exactness::Exact)
}

/// The part of one record in a scan's digest. Parts are added up, so their order is of no matter.
pub(super) fn digest_part(sighting: &Sighting) -> u128 {
    let mut hasher = blake3::Hasher::new_keyed(DIGEST_KEY);
    let optional = |text: &Option<String>| match text {
        Some(text) => format!("+{text}"),
        None => "-".to_owned(),
    };
    for part in [
        sighting.record_type.name(),
        sighting.record_id.as_str(),
        &optional(&sighting.owner),
        &optional(&sighting.session),
    ] {
        // Lengths keep neighbouring parts apart.
        hasher.update(&u64::try_from(part.len()).unwrap_or(u64::MAX).to_le_bytes());
        hasher.update(part.as_bytes());
    }
    hasher.update(&sighting.body_hash.to_le_bytes());
    let mut first = [0; 16];
    first.copy_from_slice(&hasher.finalize().as_bytes()[..16]);
    u128::from_le_bytes(first)
}

/// Is the record under an owner that this canary's user may have?
fn is_at_home(context: &ScanContext, id: CanaryId, owner: Option<&str>) -> bool {
    let channels: &[OpKind] = match id.kind {
        CanaryKind::Turn | CanaryKind::Control => {
            &[OpKind::Chat, OpKind::Voice, OpKind::Stream, OpKind::Turn]
        }
        CanaryKind::Block => &[OpKind::Upload],
    };
    owner.is_some_and(|owner| {
        channels
            .iter()
            .any(|kind| expected_owner(context, id.user, *kind) == owner)
    })
}

fn control_in(context: &ScanContext, scan: u32) -> Vec<Sighting> {
    let [first, second] = CONTROL_USERS.map(UserIx);
    let read = ReadAt {
        scan,
        at: context.clock.now(),
    };
    let pairs = [
        (first, second, 0, "control-1"),
        (second, first, 1, "control-2"),
    ];
    pairs
        .into_iter()
        .map(|(sender, stored_under, item, id)| {
            let session = context.run.session_name(stored_under, SessionIx(0));
            let text = control_text(context, sender, item);
            let owner = expected_owner(context, stored_under, OpKind::Chat);
            let record = Record {
                kind: RecordType::Message,
                id,
                owner: Some(&owner),
                session: Some(&session),
                role: Role::User,
                position: 0,
                body: &text,
            };
            Sighting {
                control: true,
                ..sight(context, &record, read)
            }
        })
        .collect()
}

fn control_text(context: &ScanContext, user: UserIx, item: u16) -> String {
    let id = CanaryId {
        run: context.run,
        user,
        session: SessionIx(0),
        item,
        kind: CanaryKind::Control,
    };
    let planted = canary::plant(id, &context.scenario.target.trigger_words);
    format!("Please note this for later and finish with the reference word {planted}.")
}

#[cfg(test)]
mod tests {
    use super::super::fake::{context, owner, session_name, text};
    use super::*;

    #[test]
    fn the_control_is_a_pair_of_messages_under_swapped_owners_told_twice() {
        let context = context();
        let told = control_sightings(&context, 7);
        let scans: Vec<_> = told.iter().map(|s| s.scan).collect();
        assert_eq!(scans, [6, 6, 7, 7]);
        let control = &told[2..];
        let [first, second] = CONTROL_USERS.map(UserIx);
        let seen: Vec<_> = control
            .iter()
            .map(|s| (s.record_id.as_str(), s.canaries[0].id.user, s.owner.clone()))
            .collect();
        assert_eq!(
            seen,
            [
                ("control-1", first, Some(owner(second.0))),
                ("control-2", second, Some(owner(first.0))),
            ]
        );
        for sighting in control {
            assert_eq!(sighting.canaries.len(), 1);
            assert_eq!(sighting.canaries[0].exactness, Exactness::Exact);
            assert_eq!(sighting.canaries[0].id.kind, CanaryKind::Control);
            assert!(sighting.excerpt.is_some() && sighting.control);
        }
    }

    #[test]
    fn every_part_of_a_record_counts_in_the_digest_but_when_and_where_it_was_read_does_not() {
        let context = context();
        let (body, other_body) = (text(0, 0, 0), text(0, 0, 1));
        let (session, owner) = (session_name(0, 0), owner(0));
        let record = Record {
            kind: RecordType::Message,
            id: "m1",
            owner: Some(&owner),
            session: Some(&session),
            role: Role::User,
            position: 0,
            body: &body,
        };
        let part = |record: Record<'_>, scan: u32| {
            let at = context.clock.now();
            digest_part(&sight(&context, &record, ReadAt { scan, at }))
        };
        let same = part(record, 1);
        assert_eq!(
            part(
                Record {
                    position: 5,
                    ..record
                },
                2
            ),
            same
        );
        for other in [
            Record {
                kind: RecordType::Fact,
                ..record
            },
            Record { id: "m2", ..record },
            Record {
                owner: None,
                ..record
            },
            Record {
                owner: Some(""),
                ..record
            },
            Record {
                session: None,
                ..record
            },
            Record {
                body: &other_body,
                ..record
            },
        ] {
            assert_ne!(part(other, 1), same, "{other:?}");
        }
    }

    #[test]
    fn owners_and_names_of_other_runs_and_people_are_not_ours() {
        let context = context();
        for (id, owner, ours) in [
            ("cw-0012abcd-u1-s1", None, true),
            ("cw-0012abcd-odd", None, true),
            ("x", Some("dev-oid-cw-0012abcd-u3"), true),
            ("cw-0012abce-u1-s1", None, false),
            ("x", Some("dev-oid-cw-0012abce-u3"), false),
            ("x", Some("dev-oid-anna"), false),
            ("x", Some("cw-0012abcd-u3"), false),
            ("x", None, false),
        ] {
            assert_eq!(is_our_session(&context, id, owner), ours, "{id} {owner:?}");
        }
    }
}
