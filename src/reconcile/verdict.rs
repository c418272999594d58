//! The conclusion: pass, fail, or what is missing for either.

use std::collections::BTreeMap;

use crate::model::{GeneratorHealth, InconclusiveReason, OpKind, Proof, Severity, Verdict};

use super::timeline::Exposure;
use super::{Context, Judgement, ReadBack, RunEnd};

/// What a verdict needs to know beside the judgement.
#[derive(Debug, Clone, Copy)]
pub struct Facts<'a> {
    /// The kinds of operations that the scenario plans.
    pub planned: &'a [OpKind],
    /// `ok` operations of each kind; a kind without any may be absent.
    pub ok: &'a BTreeMap<OpKind, u64>,
    /// How much the users met.
    pub exposure: Exposure,
    /// How the tester itself did.
    pub generator: &'a GeneratorHealth,
}

/// Draws the conclusion. The reasons say what a pass would have needed, in report order; a
/// proved failure stands whatever is missing, and then the reasons say what else may be there.
pub fn verdict(
    context: &Context<'_>,
    judgement: &Judgement,
    facts: &Facts<'_>,
) -> (Verdict, Vec<InconclusiveReason>) {
    let reasons: Vec<InconclusiveReason> = InconclusiveReason::ALL
        .into_iter()
        .filter(|reason| holds(*reason, context, judgement, facts))
        .collect();
    let failed = judgement.findings.iter().any(|finding| {
        finding.proof == Proof::Proved && finding.severity <= Severity::S3 && finding.code.fails()
    });
    let of_findings = if failed { Verdict::Fail } else { Verdict::Pass };
    let of_reasons = if reasons.is_empty() {
        Verdict::Pass
    } else {
        Verdict::Inconclusive
    };
    (of_findings.max(of_reasons), reasons)
}

fn holds(
    reason: InconclusiveReason,
    context: &Context<'_>,
    judgement: &Judgement,
    facts: &Facts<'_>,
) -> bool {
    let control = judgement.control;
    let (read, complete, settled) = match context.read_back {
        ReadBack::None => (false, false, false),
        ReadBack::Some {
            settled, complete, ..
        } => (true, complete, settled),
    };
    match reason {
        InconclusiveReason::NoEvidence => {
            let ok = |kind| facts.ok.get(kind).copied().unwrap_or(0);
            facts.planned.is_empty() || facts.planned.iter().any(|kind| ok(kind) == 0)
        }
        InconclusiveReason::NoOverlap => facts.exposure.pairs == 0,
        // Where nothing could be read, there was no path to control.
        InconclusiveReason::ControlMissed => {
            control.found < control.planted || (complete && control.planted == 0)
        }
        InconclusiveReason::ReadBackIncomplete => read && !complete,
        InconclusiveReason::NotSettled => complete && (!settled || judgement.pending > 0),
        InconclusiveReason::GeneratorSaturated => facts.generator.saturated,
        // A killed tester may have sent what it had not yet written down.
        InconclusiveReason::LedgerGap => {
            judgement.ledger_gap > 0 && context.ended != RunEnd::Crashed
        }
        InconclusiveReason::TargetLost => context.ended == RunEnd::TargetLost,
        InconclusiveReason::Interrupted => {
            matches!(context.ended, RunEnd::Interrupted | RunEnd::Crashed)
        }
        InconclusiveReason::CheckerError => !judgement.checker_errors.is_empty(),
        InconclusiveReason::NoReadBack => !read,
    }
}
