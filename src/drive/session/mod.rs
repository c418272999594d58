//! One session: its steps in order, each told as it begins and as it ends.

mod chat;
mod upload;
mod voice;

use std::future::Future;
use std::time::Duration;

use hyper::header::HeaderValue;
use tokio::time::{Instant, sleep_until};

use super::answer::{Judged, Reader};
use super::engine::{Engine, NobodyListens};
use super::identity;
use super::pulse::Sign;
use crate::auth::AuthError;
use crate::event::Event;
use crate::model::{
    CanaryId, CanaryKind, Completion, Invocation, Likeness, Micros, OpKind, Outcome, RecordType,
    Role, SessionIx, Sighting,
};
use crate::plan::{Script, Step};
use crate::stop::StopLevel;

/// When and which session starts.
#[derive(Debug, Clone, Copy)]
pub(super) struct Start {
    pub(super) session: SessionIx,
    /// When the plan wants it to start.
    pub(super) planned: Micros,
    /// From here on no operation is started.
    pub(super) cutoff: Micros,
}

/// How a session ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ended {
    /// All steps were done, or one failed that the rest depends on.
    Done,
    /// Nothing can be sent at the moment.
    Unsent,
    /// No further session should start.
    Halted,
}

/// Nothing new may be started.
pub(super) struct Halted;

impl From<NobodyListens> for Halted {
    fn from(_: NobodyListens) -> Self {
        Self
    }
}

/// What the steps of a session share.
struct Context<'a> {
    engine: &'a Engine,
    script: &'a Script,
    cutoff: Micros,
    user_name: String,
    session_name: String,
    authorization: Option<HeaderValue>,
}

/// What one operation came to.
struct Done {
    completed: Micros,
    sent: Option<Micros>,
    status: Option<u16>,
    judged: Judged,
    sign: Sign,
}

/// Runs a session to its end.
pub(super) async fn run(engine: &Engine, start: Start) -> Ended {
    let Some(script) = engine.plan.script(start.session) else {
        return Ended::Halted;
    };
    let user_name = engine.run.user_name(script.user);
    let token = engine.tokens.token(&user_name).await;
    let mut context = Context {
        engine,
        script: &script,
        cutoff: start.cutoff,
        session_name: engine.run.session_name(script.user, script.session),
        user_name,
        authorization: None,
    };
    let ended = match token {
        Err(error) => context.without_credential(start.planned, &error).await,
        Ok(secret) => {
            context.authorization = identity::authorization(secret.as_ref());
            // Boxed, so that a waiting virtual user does not hold room for the largest kind.
            match script.kind {
                OpKind::Chat => Box::pin(chat::run(&context, start.planned)).await,
                OpKind::Upload => Box::pin(upload::run(&context, start.planned)).await,
                OpKind::Voice => Box::pin(voice::run(&context, start.planned)).await,
            }
        }
    };
    ended.unwrap_or(Ended::Halted)
}

/// Waits for a moment.
///
/// # Errors
/// The drive was asked to stop, or `cutoff` comes first.
pub(super) async fn wait(engine: &Engine, until: Micros, cutoff: Micros) -> Result<(), Halted> {
    let now = engine.clock.now();
    if engine.halt.level() > StopLevel::Run || now >= cutoff {
        return Err(Halted);
    }
    if until <= now {
        return Ok(());
    }
    let wake = Instant::from_std(engine.clock.instant(until.min(cutoff)));
    let mut halt = engine.halt.clone();
    tokio::select! {
        () = sleep_until(wake) => {}
        () = halt.reached(StopLevel::Drain) => return Err(Halted),
    }
    if until < cutoff { Ok(()) } else { Err(Halted) }
}

impl Context<'_> {
    fn limit(&self) -> Duration {
        self.engine.target().timeouts.of(self.script.kind)
    }

    /// The canary that a turn plants and its answer should hold.
    fn turn_canary(&self, step: &Step) -> CanaryId {
        CanaryId {
            run: self.engine.run,
            user: self.script.user,
            session: self.script.session,
            item: step.op.seq,
            kind: CanaryKind::Turn,
        }
    }

    fn reader<'a>(&'a self, step: &Step) -> Reader<'a> {
        Reader {
            own: self.turn_canary(step),
            apologies: &self.engine.target().apologies,
        }
    }

    fn invocation(&self, step: &Step, intended: Micros, request_id: u64) -> Invocation {
        Invocation {
            op: step.op,
            user: step.user,
            founder: self.script.user,
            kind: self.script.kind,
            group: self.script.group,
            intended,
            invoked: self.engine.clock.now(),
            text_hash: step.text_hash,
            item_first: step.item_first,
            item_count: step.item_count,
            request_id,
            traits: step.traits,
        }
    }

    /// Carries out one operation, told before and after. Returns its outcome and its end.
    async fn operation(
        &self,
        step: &Step,
        intended: Micros,
        request_id: u64,
        work: impl Future<Output = Done>,
    ) -> Result<(Outcome, Micros), Halted> {
        let invocation = self.invocation(step, intended, request_id);
        let in_flight = self.engine.invoked(invocation).await?;
        let done = work.await;
        drop(in_flight);
        let (outcome, completed) = (done.judged.outcome, done.completed);
        self.end(step, done).await?;
        Ok((outcome, completed))
    }

    async fn end(&self, step: &Step, done: Done) -> Result<(), Halted> {
        let Judged {
            outcome,
            promise,
            echo,
            server_session,
            detail,
            bleed,
        } = done.judged;
        let completion = Completion {
            op: step.op,
            completed: done.completed,
            sent: done.sent,
            outcome,
            status: done.status,
            promise,
            echo,
            server_session,
            detail,
        };
        self.engine.completed(completion, done.sign).await?;
        for bleed in bleed {
            self.sighted(step, bleed, done.completed).await?;
        }
        Ok(())
    }

    /// Tells that an answer to this user held a canary of another.
    async fn sighted(
        &self,
        step: &Step,
        bleed: super::answer::Bleed,
        seen_at: Micros,
    ) -> Result<(), Halted> {
        let owner = self
            .engine
            .target()
            .expected_owner
            .get(self.script.kind)
            .owner(&self.user_name);
        let session = bleed.session.unwrap_or_else(|| self.session_name.clone());
        let sighting = Sighting {
            record_type: RecordType::Answer,
            record_id: session.clone(),
            owner: Some(owner),
            session: Some(session),
            role: Role::Assistant,
            position: u32::from(step.op.seq),
            canaries: bleed.canaries,
            body_hash: bleed.body_hash,
            likeness: Likeness::Unjudged,
            damaged: false,
            older_run: None,
            excerpt: bleed.excerpt,
            first_scan: 0,
            scan: 0,
            seen_at,
            reads: 1,
            control: false,
        };
        self.engine.tell(Event::Sighted(sighting)).await?;
        Ok(())
    }

    /// A session whose user has no credential sends nothing: without one the target would take
    /// its work for somebody else's.
    async fn without_credential(
        &self,
        planned: Micros,
        error: &AuthError,
    ) -> Result<Ended, Halted> {
        let Some(step) = self.script.steps.first() else {
            return Ok(Ended::Done);
        };
        let intended = planned + step.pause;
        wait(self.engine, intended, self.cutoff).await?;
        let work = async {
            Done {
                completed: self.engine.clock.now(),
                sent: None,
                status: None,
                judged: Judged::failed(Outcome::Unsent, format!("could not {error}")),
                sign: Sign::Silent,
            }
        };
        let request_id = identity::request_id(self.engine.run, step.op);
        self.operation(step, intended, request_id, work).await?;
        Ok(Ended::Unsent)
    }
}
