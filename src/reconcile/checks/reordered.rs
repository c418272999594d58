//! `reordered`: turns of one session stored in another order than they were sent.

use crate::model::{CanaryId, Code, Micros, OpId, OpRow, Outcome, RecordType, Role, UserIx};

use super::super::draft::Group;
use super::super::evidence::Evidence;
use super::super::owner::Owner;
use super::super::reading::Record;
use super::super::{Draft, wording};
use super::Check;
use super::late;

#[derive(Debug)]
pub(crate) struct Reordered;

impl Check for Reordered {
    fn code(&self) -> Code {
        Code::Reordered
    }

    fn definition(&self) -> &'static str {
        "A user's turn stands in its session after one that was sent when it had been answered already."
    }

    fn explanation(&self) -> &'static str {
        "The agent reads a conversation that did not go so: a correction stands before what it \
         corrects. The usual cause is a background task for each turn, with nothing that keeps \
         tasks of one session in line. Only turns of which one was answered before the other was \
         sent are compared, by the tester's clock and the store's own order. Turns on either \
         side of one whose answer never came are not compared, and neither are answers. Where the \
         store lists a message in another place from reading to reading, it has no order, and \
         nothing is compared."
    }

    fn check(&self, evidence: &Evidence<'_>) -> Vec<Draft> {
        let turns = evidence.records.iter().filter_map(|r| turn(evidence, r));
        let mut turns: Vec<_> = turns.collect();
        turns.sort_by_key(|(place, _)| *place);
        let mut places: Vec<(UserIx, Vec<Turn<'_, '_>>)> = Vec::new();
        let mut last = None;
        for (place, turn) in turns {
            match places.last_mut() {
                Some((_, turns)) if last == Some(place) => turns.push(turn),
                Some(_) | None => places.push((place.0, vec![turn])),
            }
            last = Some(place);
        }
        places
            .into_iter()
            .filter_map(|(sender, turns)| draft(evidence, sender, first_copies(turns)))
            .collect()
    }
}

/// Turns that can be compared: of one user, in one place, with no unknown operation between.
type Place<'a> = (UserIx, crate::model::SessionIx, &'a str, usize);

#[derive(Debug)]
struct Turn<'e, 'a> {
    op: OpId,
    invoked: Micros,
    completed: Micros,
    canary: CanaryId,
    record: &'e Record<'a>,
}

impl Turn<'_, '_> {
    fn position(&self) -> u32 {
        self.record.sighting.position
    }
}

/// A user's own text, proved, where it was sent, answered and in time.
fn turn<'e, 'a>(
    evidence: &'e Evidence<'a>,
    record: &'e Record<'a>,
) -> Option<(Place<'a>, Turn<'e, 'a>)> {
    let sighting = record.sighting;
    let users_own = sighting.record_type == RecordType::Message && sighting.role == Role::User;
    let [canary] = record.canaries[..] else {
        return None;
    };
    let sound = users_own && record.newest && record.proved() && evidence.has(canary.user);
    let session = sighting.session.as_deref().filter(|_| sound)?;
    let op = evidence.op_of(canary)?;
    let completed = op.completion.as_ref()?.completed;
    let in_order = op.outcome() == Outcome::Ok
        && record.owner == Owner::User(canary.user)
        && record.sent_here == Some(true)
        && late::late_records(evidence, op).is_empty();
    let invocation = &op.invocation;
    let place = (
        canary.user,
        canary.session,
        session,
        unknown_before(evidence, op),
    );
    let turn = Turn {
        op: invocation.op,
        invoked: invocation.invoked,
        completed,
        canary,
        record,
    };
    in_order.then_some((place, turn))
}

/// How many operations of the session with an unknown end began before this one.
fn unknown_before(evidence: &Evidence<'_>, op: &OpRow) -> usize {
    let id = op.invocation.op;
    if !evidence.has_unknown_before(id) {
        return 0;
    }
    let first = OpId { seq: 0, ..id };
    let before = evidence.ops.range(first..id);
    before
        .filter(|(_, other)| other.outcome() == Outcome::Unknown)
        .count()
}

/// The first copy of each turn, in the order of the operations.
fn first_copies<'e, 'a>(mut turns: Vec<Turn<'e, 'a>>) -> Vec<Turn<'e, 'a>> {
    turns.sort_by_key(|turn| (turn.op, turn.position(), &turn.record.sighting.record_id));
    turns.dedup_by_key(|turn| turn.op);
    turns
}

fn draft(evidence: &Evidence<'_>, sender: UserIx, mut turns: Vec<Turn<'_, '_>>) -> Option<Draft> {
    // From the last sent to the first: what began after it ended stands where it should not, if
    // it stands before it.
    turns.sort_by_key(|turn| (turn.invoked, turn.op));
    let mut members = Vec::new();
    let mut passed = None;
    for turn in turns.iter().rev() {
        let after = turns.iter().filter(|later| turn.completed < later.invoked);
        let overtaken = after
            .filter(|later| later.position() < turn.position())
            .min_by_key(|later| later.position());
        if let Some(later) = overtaken {
            passed = Some((turn.op, later.op));
            members.push((turn.record, Some(turn.canary)));
        }
    }
    let (first, second) = passed?;
    let mut group = Group { members };
    group.sort();
    let (root, _) = group.root()?;
    let affected = group.affected(evidence, Code::Reordered);
    let user = wording::user(sender);
    let count = wording::counted(wording::len(&affected), "turn stands", "turns stand");
    let proof = group.proof();
    let draft = Draft::new(evidence, Code::Reordered, proof, sender, affected);
    Some(draft.saying(
        format!(
            "{count} too late in {user}'s session, first {}",
            wording::record(root)
        ),
        format!(
            "operation {first} had been answered before operation {second} was sent, yet stands \
             after it"
        ),
    ))
}

#[cfg(test)]
mod tests {
    use super::super::super::testing::{History, told};
    use crate::model::{Outcome, Role};

    /// Four turns, one second apart, each answered after half a second.
    fn history(spoil: impl FnOnce(&mut History)) -> History {
        let mut history = History::new(2, 4);
        spoil(&mut history);
        history
    }

    fn swap(history: &mut History, a: &str, b: &str) {
        let (at_a, at_b) = (history.record(a).position, history.record(b).position);
        history.record(a).position = at_b;
        history.record(b).position = at_a;
    }

    #[track_caller]
    fn check(spoil: impl FnOnce(&mut History), expected: &[&str]) {
        assert_eq!(told(&history(spoil).findings()), expected);
    }

    #[test]
    fn a_turn_that_stands_after_a_later_one_is_reordered() {
        check(
            |history| swap(history, "m0.1u", "m0.2u"),
            &["reordered: m0.1u"],
        );
        // The last stands first: all that it overtook stand too late.
        check(
            |history| {
                for (id, position) in [("m0.3u", 0), ("m0.0u", 2), ("m0.1u", 4), ("m0.2u", 6)] {
                    history.record(id).position = position;
                }
            },
            &["reordered: m0.0u m0.1u m0.2u"],
        );
    }

    #[test]
    fn a_store_without_a_steady_order_is_not_compared() {
        check(
            |history| {
                swap(history, "m0.1u", "m0.2u");
                history.record("m0.0a").position = crate::model::Sighting::UNSTEADY;
            },
            &[],
        );
    }

    #[test]
    fn what_overlapped_or_is_unknown_has_no_order() {
        check(
            |history| {
                swap(history, "m0.1u", "m0.2u");
                let sent = history.op(0, 2).invocation.invoked;
                history.end(0, 1).completed = sent;
            },
            &[],
        );
        for seq in 1..3 {
            check(
                |history| {
                    swap(history, "m0.1u", "m0.2u");
                    history.end(0, seq).outcome = Outcome::Unknown;
                },
                &[],
            );
        }
        check(
            |history| {
                swap(history, "m0.0u", "m0.2u");
                history.op(0, 1).completion = None;
            },
            &[],
        );
    }

    #[test]
    fn answers_and_glimpses_and_equal_places_are_not_compared() {
        check(|history| swap(history, "m0.1a", "m0.2a"), &[]);
        check(
            |history| {
                swap(history, "m0.1u", "m0.2u");
                history.record("m0.1u").reads = 1;
            },
            &[],
        );
        check(
            |history| {
                swap(history, "m0.1u", "m0.2u");
                for sighting in &mut history.sightings {
                    sighting.role = Role::Other;
                }
            },
            &[],
        );
        check(
            |history| {
                for sighting in &mut history.sightings {
                    sighting.position = 0;
                }
            },
            &[],
        );
    }
}
