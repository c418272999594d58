//! `run --watch`: what is proved is told while the load runs, one line each on stderr.
//!
//! A listener notes the users of whom something suspicious was read; a task judges these from the
//! ledger, as the final judgement does, but only for what a second reading or an answer's own
//! bytes prove. Nothing that is absent is told: that takes a store that has settled. The final
//! judgement knows nothing of this one.
#![expect(clippy::disallowed_methods, reason = "judges in a task beside the run")]

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

use crate::clock::RunClock;
use crate::event::{Event, Sink};
use crate::ledger::{LedgerError, LedgerReader};
use crate::live::Live;
use crate::model::limits::PLANNED_USERS_MAX;
use crate::model::{Affected, Code, Finding, LogCoverage, Micros, Proof, RunId, UserIx};
use crate::observe::{ScanContext, is_suspicious};
use crate::reconcile::{self, Context, NoSurroundings, ReadBack, RunEnd};
use crate::scenario::Scenario;
use crate::stop::{StopLevel, Stopper};

use super::output;

/// Shortest pause between two judgements.
const PAUSE_MIN: Duration = Duration::from_millis(500);
/// The pause is at least so many times as long as the judgement before it took, so that judging
/// takes at most 5 % of one CPU from the load.
const PAUSE_PER_LOOK: u32 = 20;
/// What was just told is in the ledger after this time.
const COMMITTED_AFTER: Duration = Duration::from_millis(100);
/// Users that are judged at a time, each by itself; the others wait.
const USERS_PER_LOOK: usize = 8;
/// Users that may wait to be noted; with more, some are noted when they are read again.
const NOTED_MAX: usize = 4_096;
/// Lines for findings of one code; more are counted.
const LINES_PER_CODE_MAX: u64 = 5;
/// Findings that are remembered, so that each is told once. Behind that none is told.
const TOLD_MAX: usize = 10_000;

/// What a run is watched with.
#[derive(Debug)]
pub(super) struct Watched {
    /// Where its ledger is.
    pub folder: PathBuf,
    /// Whose records are looked for.
    pub context: ScanContext,
    /// Where lines are printed between the bars; `None` to print none.
    pub live: Option<Live>,
    /// Asked to drain at the first finding that fails the run; `None` to go on.
    pub stopper: Option<Stopper>,
}

/// The task that judges.
#[derive(Debug)]
pub(super) struct Watch {
    end: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

/// Starts watching. The listener must be told all events of the run.
pub(super) fn start(watched: Watched) -> (Box<dyn Sink>, Watch) {
    let (noted, users) = mpsc::channel(NOTED_MAX);
    let (end, ended) = oneshot::channel();
    let suspects = Suspects {
        context: watched.context.clone(),
        noted,
    };
    let task = tokio::spawn(watch(watched, users, ended));
    (Box::new(suspects), Watch { end, task })
}

impl Watch {
    /// Judges what was noted last, and ends.
    pub(super) async fn finish(self) {
        // A task that is gone already has nothing left to say.
        let _ = self.end.send(());
        let _ = self.task.await;
    }
}

/// Notes the users of whom something suspicious was read.
struct Suspects {
    context: ScanContext,
    noted: mpsc::Sender<UserIx>,
}

impl Sink for Suspects {
    fn event(&mut self, event: &Event) -> io::Result<()> {
        let Event::Sighted(sighting) = event else {
            return Ok(());
        };
        if sighting.control || !is_suspicious(&self.context, sighting) {
            return Ok(());
        }
        let name = sighting.session.as_deref().unwrap_or(&sighting.record_id);
        let by_name = RunId::parse_session_name(name).map(|(_, user, _)| user);
        let by_canary = sighting.canaries.iter().map(|seen| seen.id.user);
        let planned = |user: &UserIx| user.0 < PLANNED_USERS_MAX;
        let users: BTreeSet<UserIx> = by_canary.chain(by_name).filter(planned).collect();
        for user in users {
            // Whoever finds no room is noted when the record is read again.
            let _ = self.noted.try_send(user);
        }
        Ok(())
    }

    fn finish(self: Box<Self>) -> io::Result<()> {
        Ok(())
    }
}

async fn watch(
    watched: Watched,
    mut users: mpsc::Receiver<UserIx>,
    mut ended: oneshot::Receiver<()>,
) {
    let mut teller = Teller::of(&watched);
    let mut waiting = BTreeSet::new();
    let mut pause = PAUSE_MIN;
    let mut is_last = false;
    while !is_last {
        tokio::select! {
            biased;
            _ = &mut ended => is_last = true,
            () = tokio::time::sleep(pause) => {}
        }
        while let Ok(user) = users.try_recv() {
            waiting.insert(user);
        }
        if waiting.is_empty() {
            continue;
        }
        tokio::time::sleep(COMMITTED_AFTER).await;
        let begun = watched.context.clock.now();
        let now: Vec<UserIx> = waiting.iter().copied().take(USERS_PER_LOOK).collect();
        waiting.retain(|user| !now.contains(user));
        let (folder, scenario) = (
            watched.folder.clone(),
            Arc::clone(&watched.context.scenario),
        );
        let run = watched.context.run;
        let judged = tokio::task::spawn_blocking(move || judge(&folder, run, &scenario, &now));
        match judged.await {
            Ok(Ok(findings)) => teller.tell(&findings),
            // The final judgement reads the same ledger and says what is wrong with it.
            Ok(Err(_)) | Err(_) => break,
        }
        let took = watched.context.clock.now().since(begun);
        pause = PAUSE_MIN.max(took.saturating_mul(PAUSE_PER_LOOK));
    }
    teller.tell_rest();
}

/// What is proved of some users by now, each judged alone.
fn judge(
    folder: &Path,
    run: RunId,
    scenario: &Scenario,
    users: &[UserIx],
) -> Result<Vec<Finding>, LedgerError> {
    let ledger = LedgerReader::open(folder)?.hold_still()?;
    let context = Context {
        run,
        scenario,
        ended: RunEnd::Finished,
        // Nothing that is absent can be proved yet.
        read_back: ReadBack::None,
        facts_listed: true,
        users_asked: None,
        scans: &[],
        log_lines: &[],
        log_coverage: LogCoverage::default(),
    };
    let mut findings = Vec::new();
    for user in users {
        let range = user.0..user.0.saturating_add(1);
        let ops = ledger.ops_of_users(range.clone())?;
        let sightings = ledger.sightings_of_users(range.clone())?;
        let bucket = reconcile::judge_users(&context, range, &ops, &sightings);
        let control = reconcile::Control::default();
        let judgement = reconcile::combine([bucket], control, &mut NoSurroundings);
        let told = judgement.findings.into_iter();
        findings.extend(told.filter(|f| f.proof == Proof::Proved && is_positive(f.code)));
    }
    Ok(findings)
}

/// Is it proved by what is there, not by what is absent or in disorder?
fn is_positive(code: Code) -> bool {
    match code {
        Code::WrongOwner
        | Code::ForeignOwner
        | Code::SplitIdentity
        | Code::StaleIdentity
        | Code::ResponseBleed
        | Code::Trespass
        | Code::ChunkMix
        | Code::PlaceholderOwner
        | Code::MissingOwner => true,
        Code::Lost
        | Code::PartialIngest
        | Code::Resurrected
        | Code::SessionBleed
        | Code::Phantom
        | Code::Duplicate
        | Code::Reordered
        | Code::Torn
        | Code::Altered
        | Code::Ghost
        | Code::Late
        | Code::LogMismatch
        | Code::Unattributable => false,
    }
}

/// Tells each finding once.
struct Teller {
    live: Option<Live>,
    stopper: Option<Stopper>,
    clock: RunClock,
    told: HashSet<(Code, Option<UserIx>, Option<Affected>)>,
    counts: BTreeMap<Code, u64>,
}

impl Teller {
    fn of(watched: &Watched) -> Self {
        Self {
            live: watched.live.clone(),
            stopper: watched.stopper.clone(),
            clock: watched.context.clock,
            told: HashSet::new(),
            counts: BTreeMap::new(),
        }
    }

    fn tell(&mut self, findings: &[Finding]) {
        for finding in findings {
            let root = finding.affected.first().cloned();
            let is_new = self.told.len() < TOLD_MAX
                && self.told.insert((finding.code, finding.sender, root));
            if !is_new {
                continue;
            }
            let count = self.counts.entry(finding.code).or_default();
            *count += 1;
            if *count <= LINES_PER_CODE_MAX {
                self.say(&line(finding, self.clock.now()));
            }
            let fails = finding.code.fails() && finding.accepted.is_none();
            if let Some(stopper) = self.stopper.as_ref().filter(|_| fails) {
                stopper.ask(StopLevel::Drain);
            }
        }
    }

    fn tell_rest(&self) {
        for (code, count) in &self.counts {
            let more = count.saturating_sub(LINES_PER_CODE_MAX);
            if more > 0 {
                self.say(&format!("   {code}  {more} more while the load ran"));
            }
        }
    }

    fn say(&self, line: &str) {
        if let Some(live) = &self.live {
            live.suspend(|| output::progress(line));
        }
    }
}

fn line(finding: &Finding, now: Micros) -> String {
    let Finding {
        severity,
        code,
        claim,
        ..
    } = finding;
    let seconds = now.duration().as_secs_f64();
    format!("{severity} {code}  {claim}  ({seconds:.1} s)")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Severity;

    fn finding(code: Code, sender: u32) -> Finding {
        Finding {
            code,
            severity: Severity::S1,
            proof: Proof::Proved,
            claim: format!("user {sender}'s message is stored under user 9"),
            because: String::new(),
            sender: Some(UserIx(sender)),
            found_under: Some(UserIx(9)),
            ops: Vec::new(),
            affected: Vec::new(),
            hint: None,
            kind: None,
            accepted: None,
        }
    }

    #[test]
    fn each_finding_is_told_once_and_the_first_that_fails_stops_the_run() {
        let (stopper, stop) = crate::stop::stop_pair();
        let mut teller = Teller {
            live: None,
            stopper: Some(stopper),
            clock: RunClock::start(),
            told: HashSet::new(),
            counts: BTreeMap::new(),
        };
        teller.tell(&[finding(Code::Ghost, 1)]);
        assert_eq!(stop.level(), StopLevel::Run);
        let found = [finding(Code::WrongOwner, 1), finding(Code::WrongOwner, 2)];
        teller.tell(&found);
        teller.tell(&found);
        assert_eq!(stop.level(), StopLevel::Drain);
        assert_eq!(teller.counts.get(&Code::WrongOwner), Some(&2));
        assert_eq!(
            line(&found[0], Micros(12_340_000)),
            "S1 wrong-owner  user 1's message is stored under user 9  (12.3 s)"
        );
    }

    #[test]
    fn what_is_absent_or_in_disorder_is_not_told_early() {
        let told: Vec<Code> = Code::ALL.into_iter().filter(|c| is_positive(*c)).collect();
        assert!(told.contains(&Code::ResponseBleed) && !told.contains(&Code::Lost));
        assert!(told.iter().all(|code| code.fails()));
    }
}
