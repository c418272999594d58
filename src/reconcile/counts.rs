//! What is counted over one bucket, beside its findings.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::model::{
    CanaryId, CanaryKind, OpKind, OpRow, Outcome, RecordType, Route, RunId, SessionIx, Sighting,
    UserIx,
};

use super::evidence::Evidence;
use super::fold::Mixers;
use super::owner::Owner;
use super::reading::Record;
use super::trespass::{self, RouteTally};

/// A store that shows a text later than this after its answer is slow.
pub const SLOW_STORE: Duration = Duration::from_secs(1);

/// Plain counts over one bucket.
#[derive(Debug, Clone, Default)]
pub(crate) struct Counts {
    /// Sessions with at least one `ok` operation.
    pub sessions: u64,
    /// Sessions of which something was stored under or shown to another user; of those with at
    /// least one `ok` operation. Two buckets may know the same one.
    pub crossed: BTreeSet<SessionIx>,
    /// Exact canaries that the ledger cannot account for.
    pub ledger_gap: u64,
    /// Sessions of which a message was read in different places: with any, the store's order
    /// says nothing. Two buckets may know the same one.
    pub unsteady: BTreeSet<SessionIx>,
    /// Operations of which the store showed nothing for so long after their answer.
    pub slow: u64,
    /// Stored texts in our sessions and under our users.
    pub texts: u64,
    /// The same, where only a session id from an answer tells whose they are. By id, because
    /// two buckets may know the same one.
    pub unnamed_texts: BTreeSet<String>,
    /// What became of attempts to trespass.
    pub routes: BTreeMap<Route, RouteTally>,
}

impl Evidence<'_> {
    /// Unknown operations of which something was stored after all, by kind.
    pub(crate) fn recovered(&self) -> BTreeMap<OpKind, u64> {
        let mut recovered = BTreeMap::new();
        let unknown = self
            .own_ops()
            .filter(|op| op.outcome() == Outcome::Unknown)
            .filter(|op| self.is_stored(op));
        for op in unknown {
            *recovered.entry(op.invocation.kind).or_default() += 1;
        }
        recovered
    }

    /// The operations of the bucket's users that sent part of a mixed record, by the record's id.
    pub(crate) fn mixers(&self) -> Mixers {
        let mut mixers = Mixers::new();
        for record in self.records.iter().filter(|record| record.mixed()) {
            let own = record
                .canaries
                .iter()
                .filter(|canary| self.has(canary.user));
            let ops = own.filter_map(|canary| Some((canary.user, self.op_id_of(*canary)?)));
            let id = record.sighting.record_id.clone();
            mixers.entry(id).or_default().extend(ops);
        }
        mixers
    }

    /// Sessions, gaps and coverage of the bucket.
    pub(crate) fn counts(&self) -> Counts {
        let ok = || self.sessions.iter().filter(|(_, info)| info.ok);
        let mut counts = Counts {
            sessions: count(ok().filter(|(_, info)| self.has(info.founder))),
            crossed: self.records.iter().flat_map(|r| self.crossed(r)).collect(),
            ledger_gap: self.ledger_gap(),
            unsteady: self.records.iter().filter_map(unsteady_session).collect(),
            routes: trespass::tallies(self),
            slow: count(self.own_ops().filter(|op| self.met_slow_store(op))),
            ..Counts::default()
        };
        let trespassed = trespass::all(self).into_iter();
        // Whoever did not send what shows it does not know all that is stored of it.
        let trespassed = trespassed.filter(|tried| {
            let mut through = tried.through.iter();
            tried.provable && through.any(|through| self.has(tried.sender(through)))
        });
        counts.crossed.extend(trespassed.map(|tried| tried.session));
        let known: BTreeSet<SessionIx> = ok().map(|(session, _)| *session).collect();
        counts.crossed.retain(|session| known.contains(session));
        // Records are in the order of their ids, so states of one record stand together.
        let mut counted = None;
        for record in self.records.iter().filter(|record| record.newest) {
            let sighting = record.sighting;
            if !matches!(sighting.record_type, RecordType::Message | RecordType::Fact) {
                continue;
            }
            let sender = record.users().next();
            let user = sender.or_else(|| self.reckoned_to(record));
            if !user.is_some_and(|user| self.has(user)) {
                continue;
            }
            let session = sighting.session.as_deref().unwrap_or_default();
            let named = sender.is_some() || !sighting.canaries.is_empty();
            if !named && self.is_given(session) {
                counts.unnamed_texts.insert(sighting.record_id.clone());
            } else {
                let id = Some((sighting.record_type, sighting.record_id.as_str()));
                counts.texts += u64::from(counted != id);
                counted = id;
            }
        }
        counts
    }

    /// Is all that is stored of an operation first seen by a scan whose forerunner, long after the
    /// answer, lacked it?
    fn met_slow_store(&self, op: &OpRow) -> bool {
        let Some(end) = op
            .completion
            .as_ref()
            .filter(|_| op.outcome() == Outcome::Ok)
        else {
            return false;
        };
        let records = self.canaries_of(op).flat_map(|canary| self.stored(canary));
        let first = records.map(|record| record.first_scan).min();
        let scans = || self.context.scans.iter();
        let before = first.and_then(|first| {
            let before = scans().filter(|scan| scan.complete && scan.scan < first);
            before.map(|scan| scan.started).max()
        });
        before.is_some_and(|before| before >= end.completed + SLOW_STORE)
    }

    fn is_stored(&self, op: &OpRow) -> bool {
        self.canaries_of(op)
            .any(|canary| self.stored(canary).next().is_some())
    }

    /// Exact canaries of the bucket's users that no row explains: the operation is missing, or
    /// it claims that not one byte of it was sent.
    fn ledger_gap(&self) -> u64 {
        let mut seen: Vec<CanaryId> = self
            .records
            .iter()
            .flat_map(|record| record.canaries.iter().copied())
            .filter(|canary| self.has(canary.user) && canary.kind != CanaryKind::Control)
            .filter(|canary| {
                self.op_of(*canary)
                    .is_none_or(|op| op.outcome() == Outcome::Unsent)
            })
            .collect();
        seen.sort_unstable();
        seen.dedup();
        count(seen)
    }

    /// The sessions of which this record shows something to somebody else.
    fn crossed(&self, record: &Record<'_>) -> Vec<SessionIx> {
        let elsewhere = |sender: UserIx| match record.owner {
            Owner::User(owner) => owner != sender,
            Owner::Foreign(_) => true,
            Owner::Placeholder(_) | Owner::Nobody => record.mixed(),
        };
        if !record.proved() {
            return Vec::new();
        }
        let by_canary = record
            .canaries
            .iter()
            .map(|canary| (canary.user, canary.session));
        let by_id = match record.sighting.record_type {
            RecordType::Session => {
                let mut senders = self.senders_of_session(&record.sighting.record_id);
                senders.retain(|(_, session)| match record.owner {
                    Owner::User(owner) => !self.takes_part(owner, *session),
                    Owner::Placeholder(_) | Owner::Nobody | Owner::Foreign(_) => true,
                });
                senders
            }
            RecordType::Message | RecordType::Fact | RecordType::Answer | RecordType::Log => {
                Vec::new()
            }
        };
        by_canary
            .chain(by_id)
            .filter(|(user, _)| self.has(*user) && elsewhere(*user))
            .map(|(_, session)| session)
            .collect()
    }
}

/// Counts an iterator's items.
pub(crate) fn count(items: impl IntoIterator) -> u64 {
    items.into_iter().fold(0, |sum, _| sum + 1)
}

/// The session in which this message was sent, if it was read in different places. One that says
/// of none by itself has others beside it that do.
fn unsteady_session(record: &Record<'_>) -> Option<SessionIx> {
    let sighting = record.sighting;
    let unsteady =
        sighting.record_type == RecordType::Message && sighting.position == Sighting::UNSTEADY;
    let by_name = || {
        let (_, _, session) = RunId::parse_session_name(sighting.session.as_deref()?)?;
        Some(session)
    };
    let by_canary = record.canaries.first().map(|canary| canary.session);
    by_canary.or_else(by_name).filter(|_| unsteady)
}

#[cfg(test)]
mod tests {
    use super::super::Context;
    use super::super::testing::{scans, spoilt};

    #[test]
    fn what_a_scan_long_after_its_answer_lacked_met_a_slow_store() {
        // The turn was answered at 1.5 s.
        let history = spoilt(|history| {
            for id in ["m0.1u", "m0.1a"] {
                history.record(id).first_scan = 3;
            }
        });
        for (times, slow) in [
            (&["1", "2.6", "4"][..], 1),
            (&["1", "2.4", "4"], 0),
            (&["1", "!2.6", "4"], 0),
            (&[], 0),
        ] {
            let scans = scans(times);
            let context = Context {
                scans: &scans,
                ..history.context()
            };
            let judgement = history.judge_sharded(&context, 2);
            assert_eq!(judgement.slow_ops, slow, "{times:?}");
        }
    }
}
