//! One session: its steps in order, each told as it begins and as it ends.

mod chat;
mod line;
mod request;
mod sender;
mod stream;
mod trespass;
mod upload;
mod voice;

use std::future::Future;
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

use self::sender::Sender;
use super::answer::{Bleed, Judged, Reader, detail};
use super::budget::Exhausted;
use super::engine::{Engine, NobodyListens};
use super::gate::Member;
use super::pulse::Sign;
use crate::auth::{self, AuthError};
use crate::event::Event;
use crate::model::{
    self, CanaryId, CanaryKind, Completion, Echo, Invocation, Likeness, Micros, OpKind, Outcome,
    RecordType, Role, SessionIx, Sighting, Trait,
};
use crate::plan::{Script, Step};
use crate::scenario::Connections;
use crate::stop::StopLevel;
use crate::wire::Lane;

/// When and which session starts.
#[derive(Clone, Copy)]
pub(super) struct Start<'a> {
    pub(super) session: SessionIx,
    /// When the plan wants it to start.
    pub(super) planned: Micros,
    /// From here on no operation is started.
    pub(super) cutoff: Micros,
    /// Where its virtual user waits for the others of its group, if it does.
    pub(super) gate: Option<&'a Member>,
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

impl From<Exhausted> for Halted {
    fn from(_: Exhausted) -> Self {
        Self
    }
}

/// What the steps of a session share.
struct Context<'a> {
    engine: &'a Engine,
    script: &'a Script,
    cutoff: Micros,
    session_name: String,
    senders: Vec<Sender>,
}

/// What one operation came to.
struct Done {
    completed: Micros,
    sent: Option<Micros>,
    status: Option<u16>,
    judged: Judged,
    sign: Sign,
}

impl Done {
    /// What the same request came to that was sent twice: it was done if either was, and what one
    /// of them may have done is not known.
    fn and_again(self, other: Self) -> Self {
        let rank = |outcome| match outcome {
            Outcome::Ok => 4,
            Outcome::Unknown => 3,
            Outcome::SoftFail => 2,
            Outcome::Refused => 1,
            Outcome::Unsent => 0,
        };
        let (mut told, other) = if rank(other.judged.outcome) > rank(self.judged.outcome) {
            (other, self)
        } else {
            (self, other)
        };
        told.completed = told.completed.max(other.completed);
        told.sent = [told.sent, other.sent].into_iter().flatten().min();
        if other.sign == Sign::Answered {
            told.sign = Sign::Answered;
        }
        let (judged, beside) = (&mut told.judged, other.judged);
        judged.promise.user_message |= beside.promise.user_message;
        judged.promise.assistant_message |= beside.promise.assistant_message;
        judged.promise.blocks = judged.promise.blocks.max(beside.promise.blocks);
        judged.echo = match (judged.echo, beside.echo) {
            (Echo::Foreign, _) | (_, Echo::Foreign) => Echo::Foreign,
            (Echo::Own, _) | (_, Echo::Own) => Echo::Own,
            (echo @ (Echo::None | Echo::NotExpected), Echo::None | Echo::NotExpected) => echo,
        };
        judged.server_session = judged.server_session.take().or(beside.server_session);
        judged.bleed.extend(beside.bleed);
        told
    }
}

/// What the rest of a session has to know of an operation that has ended.
struct Finished {
    outcome: Outcome,
    completed: Micros,
    /// The session that the answer named.
    server_session: Option<String>,
}

/// Runs a session to its end.
pub(super) async fn run(engine: &Engine, start: Start<'_>) -> Ended {
    match engine.plan.script(start.session) {
        Some(script) => perform(engine, &script, start).await,
        None => Ended::Halted,
    }
}

/// Carries out a script.
pub(super) async fn perform(engine: &Engine, script: &Script, start: Start<'_>) -> Ended {
    let Some(first) = script.steps.first() else {
        return Ended::Done;
    };
    let mut context = Context {
        engine,
        script,
        cutoff: start.cutoff,
        session_name: engine.run.session_name(script.user, script.session),
        senders: Vec::new(),
    };
    let senders = sender::all(engine, script).await;
    let ended = match senders {
        Err(error) => context.without_credential(start.planned, &error).await,
        Ok(senders) => {
            context.senders = senders;
            match context.first_start(first, start).await {
                Err(halted) => Err(halted),
                // Boxed, so that a waiting virtual user does not hold room for the largest kind.
                Ok(first_start) => match script.kind {
                    OpKind::Chat | OpKind::Upload | OpKind::Turn => {
                        Box::pin(request::run(&context, first_start)).await
                    }
                    OpKind::Voice => Box::pin(voice::run(&context, first_start)).await,
                    OpKind::Stream => Box::pin(stream::run(&context, first_start)).await,
                },
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

    /// When the first step should begin. Where virtual users wait for each other, that is when
    /// they are let go; what can be made ready is made ready before.
    async fn first_start(&self, first: &Step, start: Start<'_>) -> Result<Micros, Halted> {
        let intended = start.planned + first.pause;
        let Some(gate) = start.gate else {
            return Ok(intended);
        };
        wait(self.engine, intended, self.cutoff).await?;
        if !self.script.kind.has_socket() {
            self.open_ahead(first).await;
        }
        let mut halt = self.engine.halt.clone();
        tokio::select! {
            released = gate.wait() => Ok(released),
            () = halt.reached(StopLevel::Drain) => Err(Halted),
        }
    }

    /// Those that are shared are open already, or are not for one alone to open.
    async fn open_ahead(&self, first: &Step) {
        match self.lane(first) {
            lane @ Lane::Own(_) => self.engine.http.open_ahead(lane).await,
            Lane::Shared(_) => {}
        }
    }

    /// Over which connections a step's request goes. After a hand-over these are still the
    /// founder's: another user at the same browser.
    fn lane(&self, step: &Step) -> Lane {
        match self.script.connections {
            Connections::Shared(_) => Lane::Shared(self.script.group),
            Connections::Own if step.traits.has(Trait::HandOver) => Lane::Own(self.script.user),
            Connections::Own => Lane::Own(step.user),
        }
    }

    fn sender(&self, step: &Step) -> Option<&Sender> {
        self.senders.iter().find(|sender| sender.sends(step))
    }

    /// The canary that a turn plants and its answer should hold.
    fn turn_canary(&self, step: &Step) -> CanaryId {
        CanaryId {
            run: self.engine.run,
            user: step.user,
            session: self.script.session,
            item: step.op.seq,
            kind: CanaryKind::Turn,
        }
    }

    fn reader<'a>(&'a self, step: &Step) -> Reader<'a> {
        Reader {
            own: self.turn_canary(step),
            apologies: &self.engine.target().apologies,
            answers: &self.engine.target().answers,
        }
    }

    fn invocation(&self, step: &Step, intended: Micros, request_id: u64) -> Invocation {
        let traits = if self.engine.is_first_after_start() {
            step.traits.with(Trait::FirstAfterStart)
        } else {
            step.traits
        };
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
            traits,
        }
    }

    /// Carries out one operation that was admitted, told before and after.
    async fn operation(
        &self,
        step: &Step,
        intended: Micros,
        request_id: u64,
        work: impl Future<Output = Done>,
    ) -> Result<Finished, Halted> {
        let invocation = self.invocation(step, intended, request_id);
        let in_flight = self.engine.invoked(invocation).await?;
        let done = work.await;
        drop(in_flight);
        let finished = Finished {
            outcome: done.judged.outcome,
            completed: done.completed,
            server_session: done.judged.server_session.clone(),
        };
        self.end(step, done).await?;
        Ok(finished)
    }

    /// Waits for the step's place where the user bounds the rate, and pays for it. Returns when it
    /// should begin: what it waited is the user's doing, not the target's or the tester's.
    async fn admitted(&self, step: &Step, intended: Micros) -> Result<Micros, Halted> {
        let begin = match self.engine.place() {
            Some(place) => {
                // Boxed, so that the many who do not wait here hold no room for it.
                Box::pin(wait(self.engine, place, self.cutoff)).await?;
                place.max(intended)
            }
            None => intended,
        };
        self.engine.pay(step.model_calls(self.script.kind))?;
        Ok(begin)
    }

    async fn end(&self, step: &Step, done: Done) -> Result<(), Halted> {
        let Judged {
            outcome,
            promise,
            echo,
            server_session,
            detail: said,
            bleed,
        } = done.judged;
        // A session that the target names after the credential must not be kept so.
        let server_session = server_session.map(|name| self.masked(step, &name));
        let completion = Completion {
            op: step.op,
            completed: done.completed,
            sent: done.sent,
            outcome,
            status: done.status,
            promise,
            echo,
            server_session,
            detail: said.map(|said| detail(&self.masked(step, &said))),
        };
        self.engine.completed(completion, done.sign).await?;
        for bleed in bleed {
            self.sighted(step, bleed, done.completed).await?;
        }
        Ok(())
    }

    /// What the target says may repeat the credential that it was sent.
    fn masked(&self, step: &Step, text: &str) -> String {
        let credential = self.sender(step).and_then(Sender::credential);
        auth::mask(text, credential.as_ref())
    }

    /// Tells that an answer to this user held a canary of another.
    async fn sighted(&self, step: &Step, bleed: Bleed, seen_at: Micros) -> Result<(), Halted> {
        let owner = self
            .engine
            .target()
            .expected_owner
            .get(self.script.kind)
            .owner(&self.engine.user_name(step.user));
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
            excerpt: bleed.excerpt.map(|excerpt| self.masked(step, &excerpt)),
            first_scan: 0,
            scan: 0,
            seen_at,
            reads: 1,
            control: false,
        };
        self.engine.tell(Event::Sighted(sighting)).await?;
        Ok(())
    }

    /// Sees to it that a step is sent with a credential that is valid.
    ///
    /// # Errors
    /// There is none any more: what the step came to.
    async fn renew(&self, step: &Step) -> Result<(), Done> {
        let Some(sender) = self.sender(step) else {
            return Ok(());
        };
        let renewed = sender.renew(self.engine).await;
        renewed.map_err(|error| self.no_credential(&error))
    }

    fn no_credential(&self, error: &AuthError) -> Done {
        Done {
            completed: self.engine.clock.now(),
            sent: None,
            status: None,
            judged: Judged::failed(Outcome::Unsent, format!("could not {error}")),
            sign: Sign::Silent,
        }
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
        let intended = self.admitted(step, intended).await?;
        let work = async { self.no_credential(error) };
        let request_id = model::request_id(self.engine.run, step.op);
        self.operation(step, intended, request_id, work).await?;
        Ok(Ended::Unsent)
    }
}
