//! What may go wrong with a history, one thing at a time.

use crate::model::{
    CanaryKind, Completion, Exactness, Likeness, OpKind, Outcome, RecordType, Role, RunId,
    Sighting, Trait, UserIx,
};

use super::super::testing::{
    History, SESSIONS_EACH, answer, canary, exact, owner, session_name, sighting,
};

/// Users of a history that is spoilt, each with three sessions.
pub(super) const USERS: u32 = 3;
pub(super) const TURNS: u16 = 3;

/// One thing that goes wrong: what, with which row, and how.
pub(super) type Spoil = (u8, usize, u32);

pub(super) fn spoil(history: &mut History, (what, place, how): Spoil) {
    let (user, session) = (how % USERS, how % (USERS * SESSIONS_EACH));
    let (records, ops) = (history.sightings.len(), history.ops.len());
    if records == 0 {
        return;
    }
    let place_of_op = place % ops;
    let place = place % records;
    let record = &mut history.sightings[place];
    match what % 24 {
        0 => record.owner = Some(owner(user)),
        1 => record.owner = [None, Some(" ".to_owned())][how as usize % 2].clone(),
        2 => {
            record.owner =
                Some(["poc-user", "voice-user", "dev-oid-"][how as usize % 3].to_owned());
        }
        3 => record.owner = Some("alice".to_owned()),
        4 => put_in(record, session_name(session)),
        5 => record.reads = 1,
        6 => record.role = Role::ALL[how as usize % 3],
        // A text under a stand-in with canaries of two sessions of one user may be two things.
        7 if record.record_type != RecordType::Session => {
            let kind = [CanaryKind::Turn, CanaryKind::Block][how as usize % 2];
            let sender = session / SESSIONS_EACH;
            let added = canary(sender, session, u16::try_from(how % 4).unwrap(), kind);
            let mut held = record.canaries.iter().map(|seen| seen.id);
            if held.all(|id| id.user != added.user || id.session == added.session) {
                record.canaries.push(exact(added));
                record.canaries.sort();
                record.canaries.dedup();
            }
        }
        8 => record.canaries.clear(),
        // A copy, or another state of the same record.
        9 => {
            let mut copy = record.clone();
            copy.record_id = format!("copy-{place}-{how}");
            copy.scan = 2 + how % 3;
            copy.position += how % 2;
            history.sightings.push(copy);
        }
        10 => {
            let mut later = record.clone();
            later.scan = 2 + how % 3;
            later.reads = 1 + how % 2;
            later.owner = [Some(owner(user)), None, later.owner][how as usize % 3].clone();
            history.sightings.push(later);
        }
        11 => drop(history.sightings.remove(place)),
        12 => {
            let asked = canary(user, user * SESSIONS_EACH, 1, CanaryKind::Turn);
            let mut answered = answer(session / SESSIONS_EACH, session, asked);
            answered.record_id = format!("answer-{session}-{how}");
            history.sightings.push(answered);
        }
        15 => {
            for seen in &mut record.canaries {
                seen.exactness = Exactness::Corrected;
            }
        }
        18 => {
            let torn = Likeness::Torn { kept: 1, sent: 2 };
            record.likeness = [torn, Likeness::Altered, Likeness::Same][how as usize % 3];
        }
        19 => record.damaged = how % 4 != 1,
        20 => record.older_run = Some(RunId(7 + how % 2)),
        _ => spoil_history(history, (what, place, how), place_of_op),
    }
}

/// What goes wrong with an operation, or with more than one record.
fn spoil_history(history: &mut History, (what, place, how): Spoil, place_of_op: usize) {
    let other = how as usize % history.sightings.len();
    let record = &mut history.sightings[place];
    match what % 24 {
        13 => end(history, place_of_op, |end| {
            end.outcome = Outcome::ALL[how as usize % 5];
        }),
        14 => history.ops[place_of_op].completion = None,
        16 => swap(history, place, other),
        // A turn changes its place with another one.
        21 => {
            let there = history.sightings[other].position;
            let here = std::mem::replace(&mut history.sightings[place].position, there);
            history.sightings[other].position = here;
            let behind = &mut history.sightings[place];
            behind.position = behind.position.wrapping_add(how % 4);
        }
        22 => hand_over(history, place_of_op, how),
        23 => {
            let traits = &mut history.ops[place_of_op].invocation.traits;
            *traits = traits.with(Trait::DoubleSubmits);
        }
        _ => {
            let name = format!("server-{}", how % 3);
            put_in(record, name.clone());
            let op = &mut history.ops[place_of_op];
            op.invocation.traits = op.invocation.traits.with(Trait::ServerIds);
            end(history, place_of_op, |end| end.server_session = Some(name));
        }
    }
}

/// Two records change places.
fn swap(history: &mut History, place: usize, other: usize) {
    let (a, b) = (
        history.sightings[place].clone(),
        history.sightings[other].clone(),
    );
    let put = |into: &mut Sighting, from: &Sighting| {
        into.owner.clone_from(&from.owner);
        if into.record_type == RecordType::Message && from.session.is_some() {
            into.session.clone_from(&from.session);
        }
    };
    put(&mut history.sightings[place], &b);
    put(&mut history.sightings[other], &a);
}

fn end(history: &mut History, op: usize, change: impl FnOnce(&mut Completion)) {
    if let Some(end) = history.ops[op].completion.as_mut() {
        change(end);
    }
}

fn put_in(record: &mut Sighting, session: String) {
    if record.record_type == RecordType::Session {
        record.record_id.clone_from(&session);
    }
    record.session = Some(session);
}

/// Another user sends one of the turns of a session: into a session of their own, as a healthy
/// server has it, or into that of the founder, under either name.
fn hand_over(history: &mut History, op: usize, how: u32) {
    let begun = history.ops[op].invocation.clone();
    let (founder, session) = (begun.founder, begun.op.session);
    if begun.kind == OpKind::Upload || begun.user != founder {
        return;
    }
    let guest = UserIx((founder.0 + 1 + how / 4 % (USERS - 1)) % USERS);
    let own = format!("guest-{}-{}", session.0, guest.0);
    let changed = [Trait::SharedSession, Trait::HandOver][how as usize / 2 % 2];
    let invocation = &mut history.ops[op].invocation;
    invocation.user = guest;
    invocation.traits = invocation.traits.with(changed);
    for record in &mut history.sightings {
        let before = canary(founder.0, session.0, begun.item_first, CanaryKind::Turn);
        for seen in record.canaries.iter_mut().filter(|seen| seen.id == before) {
            seen.id.user = guest;
            if how % 4 != 2 {
                record.owner = Some(owner(guest.0));
            }
            if how.is_multiple_of(4) {
                record.session = Some(own.clone());
            }
        }
        record.canaries.sort();
    }
    if how.is_multiple_of(4) {
        let mut record = sighting(RecordType::Session, &own, guest.0);
        record.session = Some(own.clone());
        history.sightings.push(record);
        end(history, op, |end| end.server_session = Some(own));
    }
}
