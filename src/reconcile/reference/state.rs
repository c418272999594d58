//! A record in one state, as its readings say.

use std::collections::BTreeSet;

use crate::model::{
    CanaryId, Code, Exactness, Likeness, RecordType, Role, RunId, Sighting, UserIx,
};

use super::super::testing::{History, RUN, belongs};
use super::What;
use super::spoils::USERS;

/// Whom the store names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Own {
    User(UserIx),
    Placeholder(String),
    Nobody,
    Foreign(String),
}

/// A record in one state.
#[derive(Debug, Clone)]
pub(super) struct State<'a> {
    pub(super) seen: &'a Sighting,
    pub(super) own: Own,
    /// Exact canaries, sorted.
    pub(super) exact: Vec<CanaryId>,
    /// Read at least twice, or an answer.
    pub(super) proved: bool,
    /// The last that the record was seen in.
    pub(super) newest: bool,
    /// The scan in which the record was first read.
    pub(super) first_scan: u32,
}

impl State<'_> {
    pub(super) fn is(&self, record_type: RecordType) -> bool {
        self.seen.record_type == record_type
    }

    pub(super) fn what(&self) -> What {
        What::Record(self.seen.record_type, self.seen.record_id.clone())
    }

    pub(super) fn users(&self) -> BTreeSet<UserIx> {
        self.exact.iter().map(|canary| canary.user).collect()
    }

    /// Verbatim text of two users: what a user sent, or a piece of a document.
    pub(super) fn mixed(&self) -> bool {
        let verbatim = self.is(RecordType::Fact)
            || self.is(RecordType::Message) && self.seen.role == Role::User;
        verbatim && self.users().len() > 1
    }

    /// Holds a canary, if only after correction.
    pub(super) fn names(&self, canary: CanaryId) -> bool {
        self.seen.canaries.iter().any(|seen| seen.id == canary)
    }
}

/// A text of a user that nobody sent: an anomaly of its own. What says the one question that all
/// ask, in whatever style, was sent.
pub(super) fn is_phantom(state: &State<'_>) -> bool {
    state.newest
        && state.is(RecordType::Message)
        && state.seen.role == Role::User
        && state.seen.canaries.is_empty()
        && !state.seen.damaged
        && state.seen.older_run.is_none()
        && state.seen.likeness != Likeness::Same
}

/// All states of the records that anything ties to a user: a reading that nothing ties to anybody
/// is not known to be of the same record.
pub(super) fn states(history: &History) -> Vec<State<'_>> {
    let mut distinct: Vec<&Sighting> = Vec::new();
    let tied = |sighting: &&Sighting| belongs(sighting, &history.ops, &(0..USERS));
    let all = history.sightings.iter().filter(tied);
    for sighting in all.filter(|sighting| !sighting.control) {
        if !distinct.contains(&sighting) {
            distinct.push(sighting);
        }
    }
    let same_record =
        |a: &Sighting, b: &Sighting| (a.record_type, &a.record_id) == (b.record_type, &b.record_id);
    let same_state = |a: &Sighting, b: &Sighting| {
        same_record(a, b)
            && (&a.owner, &a.session, &a.canaries) == (&b.owner, &b.session, &b.canaries)
            && (a.likeness, a.damaged, a.older_run) == (b.likeness, b.damaged, b.older_run)
    };
    let last =
        |readings: &mut dyn Iterator<Item = &&Sighting>| readings.map(|reading| reading.scan).max();
    let latest = |sighting: &Sighting| {
        // Of one state the latest reading counts.
        let readings = distinct.iter().filter(|other| same_state(other, sighting));
        let newest = readings.max_by_key(|reading| {
            (
                reading.scan,
                reading.seen_at,
                reading.position,
                reading.role,
                reading.body_hash,
                reading.reads,
            )
        });
        newest.is_some_and(|newest| std::ptr::eq(*newest, sighting))
    };
    distinct
        .iter()
        .filter(|sighting| latest(sighting))
        .map(|sighting| {
            let of_state = || distinct.iter().filter(|other| same_state(other, sighting));
            let of_record = || distinct.iter().filter(|other| same_record(other, sighting));
            let reads: u32 = of_state().map(|reading| reading.reads).sum();
            let exact: BTreeSet<CanaryId> = sighting
                .canaries
                .iter()
                .filter(|seen| seen.exactness == Exactness::Exact && seen.id.run == RUN)
                .map(|seen| seen.id)
                .collect();
            State {
                seen: sighting,
                own: own(sighting.owner.as_deref()),
                exact: exact.into_iter().collect(),
                proved: reads >= 2 || sighting.record_type == RecordType::Answer,
                newest: last(&mut of_state()) == last(&mut of_record()),
                first_scan: of_record()
                    .map(|reading| reading.first_scan)
                    .min()
                    .unwrap_or_default(),
            }
        })
        .collect()
}

pub(super) fn own(owner: Option<&str>) -> Own {
    let Some(owner) = owner.filter(|owner| !owner.trim().is_empty()) else {
        return Own::Nobody;
    };
    let name = owner.strip_prefix("dev-oid-");
    match name.and_then(RunId::parse_user_name) {
        Some((RUN, user)) => Own::User(user),
        _ if ["poc-user", "voice-user", "dev-oid-"].contains(&owner) => {
            Own::Placeholder(owner.to_owned())
        }
        _ => Own::Foreign(owner.to_owned()),
    }
}

/// What a state under its owner is, if it is a certain user's. Identity that was lost counts as
/// the store has it last.
pub(super) fn misowned_by(state: &State<'_>, sender: UserIx) -> Option<Code> {
    match &state.own {
        Own::User(owner) if *owner == sender => None,
        Own::User(_) => Some(Code::WrongOwner),
        Own::Placeholder(_) => state.newest.then_some(Code::PlaceholderOwner),
        Own::Nobody => state.newest.then_some(Code::MissingOwner),
        Own::Foreign(_) => Some(Code::ForeignOwner),
    }
}
