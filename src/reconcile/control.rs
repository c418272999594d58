//! The positive control of a run: records with swapped owners, planted between reading and
//! judging. If the judge is blind to them, it may be blind to others.

use std::collections::BTreeSet;

use crate::model::limits::{CONTROL_USERS, USERS_MAX};
use crate::model::{Proof, Sighting};

use super::checks::{Check, WrongOwner};
use super::{Context, Evidence};

/// What became of the control.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Control {
    /// Records that were planted.
    pub planted: u64,
    /// Of these, records that the check for wrong owners proved to be wrong.
    pub found: u64,
}

/// Runs the very check for wrong owners over the planted records, which the ledger keeps apart.
/// They need to have been read as often as real ones, or else the control is missed.
pub fn control(context: &Context<'_>, sightings: &[Sighting]) -> Control {
    let planted = || sightings.iter().filter(|sighting| sighting.control);
    let ids: BTreeSet<_> = planted()
        .map(|sighting| (sighting.record_type, &sighting.record_id))
        .collect();
    let evidence = Evidence::new(context, CONTROL_USERS[0]..USERS_MAX, &[], planted());
    let found: BTreeSet<_> = WrongOwner
        .check(&evidence)
        .into_iter()
        .filter(|draft| draft.finding.proof == Proof::Proved)
        .flat_map(|draft| draft.finding.affected)
        .map(|record| (record.record_type, record.record_id))
        .collect();
    Control {
        planted: super::counts::count(ids),
        found: super::counts::count(found),
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{History, RUN, canary, exact, owner, sighting};
    use super::*;
    use crate::model::{CanaryKind, RecordType, Role, SessionIx, Sighting, UserIx};

    #[test]
    fn the_control_is_found_by_the_same_check() {
        let history = History::new(1, 1);
        let context = history.context();
        let [first, second] = crate::model::limits::CONTROL_USERS;
        let planted: Vec<Sighting> = [(first, second, "control-1"), (second, first, "control-2")]
            .map(|(sender, stored_under, id)| Sighting {
                canaries: vec![exact(canary(sender, 0, 0, CanaryKind::Control))],
                session: Some(RUN.session_name(UserIx(stored_under), SessionIx(0))),
                role: Role::User,
                reads: 2,
                control: true,
                ..sighting(RecordType::Message, id, stored_under)
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
}
