//! How stored texts compare with those that were sent. Each body is looked at once, not in every
//! scan: making a text out of the plan costs more than reading the record.

use std::collections::HashMap;
use std::sync::Arc;

use crate::canary;
use crate::model::{CanaryId, CanaryKind, Exactness, Likeness, RecordType, Role, Sighting};
use crate::plan::{Plan, RECALL_QUESTION};

/// Bodies whose looks are remembered, at most 7 MiB. Those of a larger run are looked at again
/// in each scan.
const KNOWN_MAX: usize = 200_000;

/// The texts of a plan, and what was found out about bodies so far.
#[derive(Debug, Default)]
pub(super) struct Texts {
    plan: Option<Arc<Plan>>,
    known: HashMap<(u64, bool), Looks>,
}

/// What a body looks like.
#[derive(Debug, Clone, Copy)]
struct Looks {
    likeness: Likeness,
    damaged: bool,
}

impl Texts {
    /// The texts of a plan; without one, none is compared.
    pub(super) fn of(plan: Option<&Arc<Plan>>) -> Self {
        Self {
            plan: plan.cloned(),
            ..Self::default()
        }
    }

    /// Says of a sighting how its body compares, and whether it is damaged.
    pub(super) fn look(&mut self, sighting: Sighting, body: &str) -> Sighting {
        let sender = told_by_user(&sighting);
        let key = (sighting.body_hash, sender.is_some());
        let looks = if let Some(looks) = self.known.get(&key) {
            *looks
        } else {
            let plan = self.plan.as_deref();
            let sent = plan.zip(sender).and_then(|(plan, id)| plan.turn_text(id));
            let looks = Looks {
                likeness: match sent {
                    Some(sent) => canary::compare(&sent, body),
                    None => likeness_of_question(&sighting, body),
                },
                damaged: canary::is_damaged(&canary::normalise(body)),
            };
            if self.known.len() < KNOWN_MAX {
                self.known.insert(key, looks);
            }
            looks
        };
        Sighting {
            likeness: looks.likeness,
            damaged: looks.damaged,
            ..sighting
        }
    }
}

/// Is a user's message without any canary the question that all ask in the same words? Any other is
/// not judged: nothing says what it should have been.
fn likeness_of_question(sighting: &Sighting, body: &str) -> Likeness {
    let bare = sighting.canaries.is_empty() && sighting.older_run.is_none();
    let asked = sighting.record_type == RecordType::Message && sighting.role == Role::User;
    if bare && asked && canary::compare(RECALL_QUESTION, body) == Likeness::Same {
        Likeness::Same
    } else {
        Likeness::Unjudged
    }
}

/// The turn whose text a record should hold: a user's message with exactly one canary. An answer
/// may quote, and a chunk may be cut.
fn told_by_user(sighting: &Sighting) -> Option<CanaryId> {
    let verbatim = sighting.record_type == RecordType::Message && sighting.role == Role::User;
    match sighting.canaries.as_slice() {
        [seen] if verbatim && seen.exactness == Exactness::Exact => {
            (seen.id.kind == CanaryKind::Turn).then_some(seen.id)
        }
        _ => None,
    }
}
