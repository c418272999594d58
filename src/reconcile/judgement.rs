//! All buckets together: the findings in their final order, and what was counted.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use crate::model::{Affected, Code, Finding, OpKind, Route};

use super::Bucket;
use super::accept::Matched;
use super::bleed;
use super::control::Control;
use super::counts::count;
use super::draft::Draft;
use super::fold::{self, Mixers, Tallies};
use super::pattern::{self, Surroundings};
use super::stall;
use super::trespass::RouteTally;

/// What the judge says of a run.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Judgement {
    /// All findings, gravest first, in an order that is a function of the rows.
    pub findings: Vec<Finding>,
    /// What became of the entries of `[[accept]]`, in their order; empty before it was asked.
    pub accepted: Vec<Matched>,
    /// Unknown operations of which something was stored after all.
    pub recovered: BTreeMap<OpKind, u64>,
    /// Records under our names whose canaries are damaged, so that nobody can tell whose they are.
    pub unattributable: u64,
    /// Stored texts in our sessions and under our users, of which these are a part.
    pub texts: u64,
    /// Exact canaries of this run that the ledger cannot account for.
    pub ledger_gap: u64,
    /// Operations that miss something which it is too early to call lost.
    pub pending: u64,
    /// The planted control.
    pub control: Control,
    /// Sessions with at least one `ok` operation.
    pub sessions: u64,
    /// Of these, sessions of which something was stored under, mixed with, or shown to another
    /// user, synthetic or not. A shared stand-in is not counted.
    pub crossed_sessions: u64,
    /// Sessions whose messages were read in different places. With any, the store's order says
    /// nothing, and the order of turns was compared in no session.
    pub unsteady_sessions: u64,
    /// Operations of which a reading of the store, begun more than [`SLOW_STORE`](super::SLOW_STORE)
    /// after their answer, showed nothing yet, and a later one did.
    pub slow_ops: u64,
    /// What became of attempts to trespass, for each route that was tried.
    pub routes: BTreeMap<Route, RouteTally>,
    /// Checks that broke.
    pub checker_errors: BTreeSet<Code>,
}

/// Folds the buckets of a run into its judgement.
///
/// `surroundings` is asked only for what the hints about causes and the stories of the shown
/// findings need, at most a few hundred times; and once or twice for each answer with another user's
/// text.
pub fn combine(
    buckets: impl IntoIterator<Item = Bucket>,
    control: Control,
    surroundings: &mut dyn Surroundings,
) -> Judgement {
    let mut judgement = Judgement {
        control,
        ..Judgement::default()
    };
    let mut drafts: Vec<Draft> = Vec::new();
    let mut tallies = Tallies::default();
    let mut unnamed = BTreeSet::new();
    let mut crossed = BTreeSet::new();
    let mut mixers = Mixers::new();
    let mut unsteady = BTreeSet::new();
    for bucket in buckets {
        drafts.extend(bucket.drafts);
        tallies.add(bucket.tallies);
        for (record, ops) in bucket.mixers {
            mixers.entry(record).or_default().extend(ops);
        }
        for (kind, recovered) in bucket.recovered {
            *judgement.recovered.entry(kind).or_default() += recovered;
        }
        judgement.pending += bucket.pending;
        judgement.checker_errors.extend(bucket.checker_errors);
        let counts = bucket.counts;
        unsteady.extend(counts.unsteady);
        judgement.sessions += counts.sessions;
        judgement.slow_ops += counts.slow;
        crossed.extend(counts.crossed);
        judgement.ledger_gap += counts.ledger_gap;
        judgement.texts += counts.texts;
        unnamed.extend(counts.unnamed_texts);
        for (route, tally) in counts.routes {
            judgement.routes.entry(route).or_default().add(tally);
        }
    }
    judgement.texts += count(unnamed);
    judgement.crossed_sessions = count(crossed);
    judgement.unsteady_sessions = count(&unsteady);
    if judgement.unsteady_sessions > 0 {
        // A store that lists messages in another order each time has no order to be wrong.
        drafts.retain(|draft| draft.finding.code != Code::Reordered);
    }
    let mut drafts = fold::once_each(drafts);
    judgement.unattributable = count(
        drafts
            .iter()
            .filter(|draft| draft.finding.code == Code::Unattributable),
    );
    fold::name_mixers(&mut drafts, &mixers);
    sort(&mut drafts);
    let mut drafts = stall::fold_ownerless(fold::fold(drafts, &tallies), surroundings);
    // Folding may have made some graver.
    sort(&mut drafts);
    pattern::hint(&mut drafts, surroundings);
    bleed::name_kinds(&mut drafts, surroundings);
    // What is lost by one stall is known by its hint.
    let mut drafts = stall::fold_lost(drafts);
    sort(&mut drafts);
    pattern::name_others(&mut drafts, surroundings);
    judgement.findings = drafts.into_iter().map(Draft::into_finding).collect();
    judgement
}

/// Gravest first; what is equally grave in the order of users, operations and records.
fn sort(drafts: &mut [Draft]) {
    drafts.sort_by_cached_key(|draft| {
        let finding = &draft.finding;
        let code = Code::ALL.iter().position(|code| *code == finding.code);
        let root: Option<Affected> = finding.affected.first().cloned();
        (
            (finding.severity, Reverse(finding.proof), code),
            (finding.sender, finding.ops.first().copied(), root),
            finding.claim.clone(),
        )
    });
}
