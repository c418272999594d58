//! The report, put together from what was counted and judged.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, UNIX_EPOCH};

use crate::canary;
use crate::ledger::LedgerReader;
use crate::model::{
    Cap, Code, Finding, GeneratorHealth, InconclusiveReason, LagSample, Micros, OpKind, Proof,
    Route, Scan, Standing, Trait, Verdict,
};
use crate::reconcile::{Context, Judgement, Matched, ReadBack, RunEnd, SLOW_STORE};
use crate::report::{
    self, Accepted, AnomalyCount, Ended, Lookup, PersistenceLag, RecordCounts, Report, RouteTried,
};
use crate::scenario::Scenario;
use crate::stats::{Confidence, Latency, clopper_pearson_upper};

use super::exit::Exit;
use super::judge::Facts;

/// Puts the report together. What it says is decided already; here it only gets its names.
pub(super) fn report(
    folder: &Path,
    ledger: &LedgerReader,
    facts: &Facts,
    context: &Context<'_>,
    judgement: &Judgement,
    (verdict, reasons): (Verdict, Vec<InconclusiveReason>),
) -> Report {
    let manifest = &facts.manifest;
    let epoch_us = u64::try_from(manifest.created_unix_us).unwrap_or_default();
    let epoch = UNIX_EPOCH + Duration::from_micros(epoch_us);
    let lookup = Lookup {
        run: manifest.run,
        user: &|user| facts.scenario.user_name(manifest.run, user),
        epoch,
        op: &|op| ledger.op(op).ok().flatten(),
        canary: &|id| canary::plant(id, &facts.scenario.target.trigger_words),
    };
    let lab = facts.scenario.target.url.is_none();
    let records = records(&facts.scans, judgement.unattributable);
    let mut report = Report {
        schema_version: report::schema_version(),
        tool_version: env!("CARGO_PKG_VERSION").to_owned(),
        created: manifest.created.clone(),
        run_id: manifest.run,
        run_folder: folder.display().to_string(),
        scenario: facts.scenario.name.clone(),
        target: match &facts.scenario.target.url {
            None => "lab".to_owned(),
            Some(_) => manifest.target.clone(),
        },
        memory: match &manifest.memory {
            None => "none".to_owned(),
            Some(_) if lab => "lab".to_owned(),
            Some(url) => url.clone(),
        },
        lab_faults: manifest.lab_faults.clone(),
        lab_quirks: manifest.lab_quirks.clone(),
        lab_profile: manifest.lab_profile.clone(),
        seed: manifest.seed,
        plan_digest: manifest.plan_digest.clone(),
        verdict,
        exit_code: Exit::from(verdict).code(),
        inconclusive_reasons: reasons,
        ended: ended(facts.ended),
        wall_seconds: wall_seconds(facts),
        unjudged_ms: unjudged_ms(facts),
        anomalies: anomalies(&judgement.findings),
        findings: report::finding_details(&judgement.findings, &lookup),
        accepted: accepted(&facts.scenario, &judgement.accepted),
        ops: facts
            .tally
            .op_counts(&manifest.planned, &judgement.recovered),
        records,
        read_back: read_back_report(facts, context, judgement),
        logs: logs(facts),
        exposure: report::Exposure {
            pairs: facts.exposure.pairs,
            peak_users: u64::from(facts.exposure.peak_users),
        },
        not_tried: report::not_tried(&traits(facts, judgement)),
        traits: traits(facts, judgement),
        routes: routes(judgement),
        bound: bound(context, judgement),
        control: report::Control {
            planted: judgement.control.planted,
            found: judgement.control.found,
        },
        control_arm: None,
        latency_us: facts.tally.latencies(),
        streams: facts.tally.streams(),
        persistence_lag_ms: persistence_lags(&facts.lags),
        generator: generator_report(&facts.generator),
        left: left(lab, records),
        next: String::new(),
    };
    report.next = report::next_step(&report);
    report
}

/// How many operations had each trait. How slow the store was is known of those that were watched
/// while the load ran, and of the last ones.
fn traits(facts: &Facts, judgement: &Judgement) -> BTreeMap<Trait, u64> {
    let mut traits = facts.tally.traits();
    let watched = facts.lags.iter();
    let slow = watched.filter(|sample| sample.lag >= SLOW_STORE).count();
    let slow = u64::try_from(slow).unwrap_or(u64::MAX);
    traits.insert(Trait::SlowStore, slow.saturating_add(judgement.slow_ops));
    traits
}

/// What became of attempts to reach sessions without the right to them.
fn routes(judgement: &Judgement) -> BTreeMap<Route, RouteTried> {
    let routes = judgement.routes.iter().map(|(route, tally)| {
        let not_tried = Standing::STRANGERS.into_iter();
        let not_tried = not_tried.filter(|standing| !tally.tried.contains(standing));
        let tried = RouteTried {
            sessions: tally.sessions,
            provable: tally.provable,
            refused: tally.refused,
            answered: tally.answered,
            proved: tally.proved.min(tally.answered),
            unknown: tally.unknown,
            tried: tally.tried.iter().copied().collect(),
            not_tried: not_tried.collect(),
        };
        (*route, tried)
    });
    routes.collect()
}

/// Sessions of which nobody saw all that is stored bound nothing: only what crossed is counted.
fn bound(context: &Context<'_>, judgement: &Judgement) -> report::Bound {
    let crossed = judgement.crossed_sessions;
    let n = match context.read_back {
        ReadBack::Some {
            settled: true,
            complete: true,
            ..
        } => judgement.sessions,
        ReadBack::None | ReadBack::Some { .. } => crossed,
    };
    report::Bound {
        unit: "sessions".to_owned(),
        n,
        crossed,
        upper_95: clopper_pearson_upper(crossed, n, Confidence::P95),
    }
}

/// The embedded lab is gone with its records.
fn left(lab: bool, records: RecordCounts) -> report::Left {
    let (sessions, facts) = if lab {
        (0, 0)
    } else {
        (records.sessions, records.facts)
    };
    report::Left { sessions, facts }
}

/// The scenario's entries, with what each accepted.
fn accepted(scenario: &Scenario, matched: &[Matched]) -> Vec<Accepted> {
    let entries = scenario.accept.iter().zip(matched);
    entries
        .map(|(entry, matched)| Accepted {
            code: entry.check,
            reason: entry.reason.clone(),
            channel: entry.channel,
            kind: entry.kind,
            owner: entry.owner.as_ref().map(ToString::to_string),
            until: entry.until.map(|until| until.to_string()),
            expired: matched.expired,
            roots: matched.roots,
            records: matched.records,
        })
        .collect()
}

/// Proved anomalies that are not accepted: findings of each code, and records that are affected in that way, whichever
/// finding explains them.
fn anomalies(findings: &[Finding]) -> BTreeMap<Code, AnomalyCount> {
    let mut counts: BTreeMap<Code, AnomalyCount> = BTreeMap::new();
    for finding in findings
        .iter()
        .filter(|finding| finding.proof == Proof::Proved && finding.accepted.is_none())
    {
        counts.entry(finding.code).or_default().roots += 1;
        for affected in &finding.affected {
            counts.entry(affected.code).or_default().records += 1;
        }
    }
    counts
}

fn ended(end: RunEnd) -> Ended {
    match end {
        RunEnd::Finished => Ended::Finished,
        RunEnd::Interrupted => Ended::Interrupted,
        RunEnd::StoppedAtFinding => Ended::StoppedAtFinding,
        RunEnd::TargetLost => Ended::TargetLost,
        RunEnd::TargetThrottled => Ended::TargetThrottled,
        RunEnd::Capped(Cap::MaxOps) => Ended::MaxOps,
        RunEnd::Capped(Cap::MaxModelCalls) => Ended::MaxModelCalls,
        RunEnd::Capped(Cap::MaxWall) => Ended::MaxWall,
        RunEnd::Crashed => Ended::Crashed,
    }
}

/// The last complete scan, else the last one: what the store held.
fn telling(scans: &[Scan]) -> Option<&Scan> {
    scans
        .iter()
        .rev()
        .find(|scan| scan.complete)
        .or(scans.last())
}

fn records(scans: &[Scan], unattributable: u64) -> RecordCounts {
    telling(scans).map_or_else(RecordCounts::default, |scan| RecordCounts {
        sessions: scan.sessions,
        messages: scan.messages,
        facts: scan.facts,
        unattributable,
    })
}

fn wall_seconds(facts: &Facts) -> f64 {
    let last_scan = facts.scans.last().map_or(Micros(0), |scan| scan.ended);
    let last_op = facts.last_completed.max(facts.last_invoked);
    last_scan.max(last_op).duration().as_secs_f64()
}

/// How long committing may lag behind what happened.
const LEDGER_BATCH_MAX: Duration = Duration::from_millis(10);

/// After a crash nobody knows what was sent after the last committed row: from the last thing
/// known to be complete to the last thing known at all.
fn unjudged_ms(facts: &Facts) -> Option<u64> {
    let open = facts
        .last_invoked
        .since(facts.first_open.unwrap_or(facts.last_invoked));
    (facts.ended == RunEnd::Crashed)
        .then(|| u64::try_from((open + LEDGER_BATCH_MAX).as_millis()).unwrap_or(u64::MAX))
}

fn read_back_report(
    facts: &Facts,
    context: &Context<'_>,
    judgement: &Judgement,
) -> report::ReadBack {
    let (settled, complete) = match context.read_back {
        ReadBack::None => (false, false),
        ReadBack::Some {
            settled, complete, ..
        } => (settled, complete),
    };
    let settled_at = facts
        .scans
        .last()
        .filter(|_| settled)
        .map(|scan| scan.ended);
    report::ReadBack {
        complete,
        incomplete_reason: facts
            .scans
            .last()
            .and_then(|scan| scan.incomplete_reason.clone()),
        settled,
        settled_after_ms: settled_at.map(|at| millis(at.since(facts.last_completed))),
        scans: u64::try_from(facts.scans.len()).unwrap_or(u64::MAX),
        unsteady_sessions: judgement.unsteady_sessions,
    }
}

fn logs(facts: &Facts) -> Option<report::Logs> {
    let (tally, coverage) = (facts.logs.as_ref()?, facts.log_coverage);
    Some(report::Logs {
        sources: tally.sources.clone(),
        lines: tally.lines,
        task_lines: coverage.task_lines,
        supported: tally.task_lines > 0,
        ok: coverage.ok,
        ids_seen: coverage.ids_seen,
        nameless: tally.nameless,
        problems: tally.problems.clone(),
    })
}

fn persistence_lags(lags: &[LagSample]) -> BTreeMap<OpKind, PersistenceLag> {
    let mut by_kind: BTreeMap<OpKind, Latency> = BTreeMap::new();
    for sample in lags {
        by_kind.entry(sample.kind).or_default().record(sample.lag);
    }
    by_kind
        .into_iter()
        .map(|(kind, all)| {
            let ms = |share| all.quantile_us(share).div_ceil(1_000);
            let lag = PersistenceLag {
                p50: ms(0.5),
                p90: ms(0.9),
                p95: ms(0.95),
                p99: ms(0.99),
                max: ms(1.0),
                samples: all.count(),
            };
            (kind, lag)
        })
        .collect()
}

fn generator_report(health: &GeneratorHealth) -> report::Generator {
    let [p50, p99, max] = health.schedule_lag_us;
    report::Generator {
        saturated: health.saturated,
        schedule_lag_us: report::ScheduleLag { p50, p99, max },
        cpu_seconds: health.cpu_seconds,
        rss_max_bytes: health.rss_max_bytes,
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
