//! What became of the attempts at a session: which routes could be judged, and which let somebody
//! in who has no right to it.
//!
//! A route is judged only where the session's own user got through (the positive control), and
//! where a session that nobody has showed nothing (the negative one). To be turned away is right,
//! and so is an answer that shows nothing of the session.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::{
    Attempt, CanaryId, CanaryKind, Echo, OpId, OpRow, Outcome, Part, RecordType, Route, SessionIx,
    Standing, UserIx,
};

use super::evidence::{Absence, Evidence};
use super::owner::Owner;
use super::reading::Record;

/// What a route came to, over all sessions at which it was tried.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RouteTally {
    /// Sessions at which it was tried.
    pub sessions: u64,
    /// Of these, sessions of which it could be judged: both controls were as they must be.
    pub provable: u64,
    /// Attempts without a right to the session that were turned away.
    pub refused: u64,
    /// Attempts that were answered as done, whatever they showed.
    pub answered: u64,
    /// Of these, attempts of which it is proved that they got through; one that has written and was
    /// shown something counts twice.
    pub proved: u64,
    /// Attempts without an answer.
    pub unknown: u64,
    /// With whose credentials it was tried.
    pub tried: BTreeSet<Standing>,
}

impl RouteTally {
    /// Adds what another bucket saw.
    pub(crate) fn add(&mut self, other: Self) {
        self.sessions += other.sessions;
        self.provable += other.provable;
        self.refused += other.refused;
        self.answered += other.answered;
        self.proved += other.proved;
        self.unknown += other.unknown;
        self.tried.extend(other.tried);
    }
}

/// The attempts at one session over one route.
#[derive(Debug)]
pub(crate) struct Tried<'e, 'a> {
    pub route: Route,
    pub session: SessionIx,
    pub founder: UserIx,
    /// Could it be judged?
    pub provable: bool,
    /// Attempts without a right to the session.
    pub trials: Vec<(Standing, &'a OpRow)>,
    /// Of these, those that got through: one that has written and was shown something, twice.
    pub through: Vec<Through<'e, 'a>>,
}

/// An attempt that got through.
#[derive(Debug)]
pub(crate) struct Through<'e, 'a> {
    pub standing: Standing,
    pub op: &'a OpRow,
    /// What it has written; empty where it was shown something, or something is gone.
    pub records: Vec<&'e Record<'a>>,
}

/// The turn that a trespass session tells.
pub(crate) fn told(evidence: &Evidence<'_>, session: SessionIx, founder: UserIx) -> CanaryId {
    CanaryId {
        run: evidence.context.run,
        user: founder,
        session,
        item: 0,
        kind: CanaryKind::Turn,
    }
}

/// What was tried at the sessions that the bucket knows, in order.
pub(crate) fn all<'e, 'a>(evidence: &'e Evidence<'a>) -> Vec<Tried<'e, 'a>> {
    if evidence.attempts.is_empty() {
        return Vec::new();
    }
    let mut sessions: BTreeMap<SessionIx, Vec<(Attempt, &'a OpRow)>> = BTreeMap::new();
    for (id, op) in &evidence.ops {
        if let Some(attempt) = evidence.attempts.at(*id) {
            sessions.entry(id.session).or_default().push((attempt, op));
        }
    }
    let mut all = Vec::new();
    for (session, ops) in sessions {
        let mut routes: BTreeMap<Route, Vec<(Standing, &'a OpRow)>> = BTreeMap::new();
        for (attempt, op) in &ops {
            if attempt.part == Part::Trial {
                let trials = routes.entry(attempt.route).or_default();
                trials.push((attempt.standing, *op));
            }
        }
        let of_session = Session {
            evidence,
            number: session,
            ops: &ops,
        };
        all.extend(
            routes
                .into_iter()
                .filter_map(|(route, trials)| of_session.tried(route, trials)),
        );
    }
    all
}

/// The sessions of which somebody without the right to it has deleted what they were told.
pub(crate) fn deleted(evidence: &Evidence<'_>) -> BTreeSet<SessionIx> {
    let deleted = all(evidence).into_iter().filter(|tried| {
        tried.route == Route::Delete && tried.provable && !tried.through.is_empty()
    });
    deleted.map(|tried| tried.session).collect()
}

/// What is counted of the sessions of the bucket's own users, and what their texts prove.
pub(crate) fn tallies(evidence: &Evidence<'_>) -> BTreeMap<Route, RouteTally> {
    let mut tallies: BTreeMap<Route, RouteTally> = BTreeMap::new();
    for tried in all(evidence) {
        let tally = tallies.entry(tried.route).or_default();
        if tried.provable {
            let own = tried.through.iter();
            let own = own.filter(|through| evidence.has(tried.sender(through)));
            tally.proved += super::counts::count(own);
        }
        if !evidence.has(tried.founder) {
            continue;
        }
        tally.sessions += 1;
        tally.provable += u64::from(tried.provable);
        for (standing, op) in &tried.trials {
            tally.tried.insert(*standing);
            match op.outcome() {
                Outcome::Ok | Outcome::SoftFail => tally.answered += 1,
                Outcome::Refused => tally.refused += 1,
                Outcome::Unsent | Outcome::Unknown => tally.unknown += 1,
            }
        }
    }
    tallies.retain(|_, tally| *tally != RouteTally::default());
    tallies
}

impl<'a> Tried<'_, 'a> {
    /// In whose bucket it is told: the bucket of whoever sent what shows it.
    pub(crate) fn sender(&self, through: &Through<'_, 'a>) -> UserIx {
        if through.records.is_empty() {
            self.founder
        } else {
            through.op.invocation.user
        }
    }
}

/// The attempts at one session.
struct Session<'e, 'a, 'o> {
    evidence: &'e Evidence<'a>,
    number: SessionIx,
    ops: &'o [(Attempt, &'a OpRow)],
}

impl<'e, 'a> Session<'e, 'a, '_> {
    fn tried(&self, route: Route, trials: Vec<(Standing, &'a OpRow)>) -> Option<Tried<'e, 'a>> {
        let founder = trials.first()?.1.invocation.founder;
        let through = trials
            .iter()
            .flat_map(|(standing, op)| self.through(route, *standing, op, founder))
            .collect();
        Some(Tried {
            route,
            session: self.number,
            founder,
            provable: self.is_provable(route),
            trials,
            through,
        })
    }

    fn part(&self, route: Route, part: Part) -> Option<&'a OpRow> {
        let mut ops = self.ops.iter();
        let found = ops.find(|(attempt, _)| attempt.route == route && attempt.part == part);
        found.map(|(_, op)| *op)
    }

    /// Has the session's own user seen there what was told?
    fn is_seen(&self, route: Route, part: Part) -> bool {
        let end = self.part(route, part).and_then(|op| op.completion.as_ref());
        end.is_some_and(|end| end.echo == Echo::Own)
    }

    /// Did the session's own user get through, and nothing else come of a session that nobody has?
    fn is_provable(&self, route: Route) -> bool {
        let told = OpId {
            session: self.number,
            seq: 0,
        };
        let is_told = || {
            let told = self.evidence.ops.get(&told);
            told.is_some_and(|op| op.outcome() == Outcome::Ok)
        };
        match route {
            Route::Transcript | Route::Episodes | Route::Facts | Route::Search => {
                let nothing = self.part(route, Part::NegativeControl).is_none_or(|op| {
                    let answered = matches!(op.outcome(), Outcome::Ok | Outcome::Refused);
                    let end = op.completion.as_ref();
                    answered && end.is_some_and(|end| end.echo == Echo::None)
                });
                self.is_seen(route, Part::Control) && nothing
            }
            Route::Chat => is_told(),
            Route::Delete => {
                let looked = self.part(Route::Transcript, Part::Afterwards);
                let looked = looked.is_some_and(|op| op.outcome() == Outcome::Ok);
                let is_there = self.is_seen(Route::Transcript, Part::Afterwards);
                let absence = || {
                    let told = self.evidence.ops.get(&told);
                    told.map(|op| self.evidence.absence(op))
                };
                self.is_seen(Route::Transcript, Part::Control)
                    && (is_there || looked && absence() == Some(Absence::Proved))
            }
        }
    }

    fn through(
        &self,
        route: Route,
        standing: Standing,
        op: &'a OpRow,
        founder: UserIx,
    ) -> Vec<Through<'e, 'a>> {
        let through = |records| Through {
            standing,
            op,
            records,
        };
        let shown = op
            .completion
            .as_ref()
            .is_some_and(|end| end.echo == Echo::Foreign);
        match route {
            Route::Transcript | Route::Episodes | Route::Facts | Route::Search => {
                shown.then(|| through(Vec::new())).into_iter().collect()
            }
            Route::Chat => {
                let written = self.written(op, founder);
                let written = (!written.is_empty()).then(|| through(written));
                let shown = shown.then(|| through(Vec::new()));
                written.into_iter().chain(shown).collect()
            }
            Route::Delete => {
                let is_done = op.outcome() == Outcome::Ok && self.is_gone(founder);
                is_done.then(|| through(Vec::new())).into_iter().collect()
            }
        }
    }

    /// What this attempt has written and stands under the session's own user.
    fn written(&self, op: &OpRow, founder: UserIx) -> Vec<&'e Record<'a>> {
        let Some(canary) = self.evidence.canaries_of(op).next() else {
            return Vec::new();
        };
        let written = self.evidence.attempted.iter();
        let mut written: Vec<&Record<'a>> = written
            .filter(|record| record.sighting.record_type == RecordType::Message)
            .filter(|record| record.canaries.contains(&canary))
            .filter(|record| record.owner == Owner::User(founder))
            .collect();
        written.sort_by_key(|record| (!record.proved(), &record.sighting.record_id));
        let mut seen = BTreeSet::new();
        written.retain(|record| seen.insert(&record.sighting.record_id));
        written
    }

    /// Is what was told neither shown to its own user any more nor in the store?
    fn is_gone(&self, founder: UserIx) -> bool {
        let told = told(self.evidence, self.number, founder);
        let looked = self.part(Route::Transcript, Part::Afterwards);
        let unseen = looked
            .and_then(|op| op.completion.as_ref())
            .is_some_and(|end| end.echo == Echo::None);
        let mut stored = self.evidence.stored(told);
        let was_seen = self.is_seen(Route::Transcript, Part::Control);
        was_seen && unseen && stored.all(|record| self.evidence.is_gone(record))
    }
}
