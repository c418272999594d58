//! Sessions whose steps are one request each: chat, turns to keep, and uploads.

use std::pin::pin;

use futures_util::StreamExt as _;
use futures_util::future::join;
use futures_util::stream::FuturesUnordered;
use hyper::Request;
use hyper::header::HOST;

use super::chat::{self, Named};
use super::sender::Sender;
use super::{Context, Done, Ended, Finished, Halted, trespass, upload, wait};
use crate::drive::answer::{self, Judged};
use crate::drive::identity;
use crate::drive::pulse::Sign;
use crate::model::{self, Micros, OpKind, Outcome};
use crate::plan::{Action, Disturbance, Step};
use crate::scenario::SessionSpec;
use crate::stop::StopLevel;
use crate::wire::{Exchange, Lane, Manner, OutBody, Seat};

/// What is known of a session while it goes on.
struct Course {
    named: Named,
    /// When the latest step should have begun.
    began: Micros,
    /// When the last of the ended steps ended.
    ended: Micros,
    /// A step found nobody to send to.
    unsent: bool,
    /// What the rest depends on was not done.
    fruitless: bool,
}

/// Runs a session whose first step should begin at `first_start`. It is over when all of its
/// steps are, also those that overlap.
pub(super) async fn run(context: &Context<'_>, first_start: Micros) -> Result<Ended, Halted> {
    let mut course = Course {
        named: Named::first(context),
        began: first_start,
        ended: first_start,
        unsent: false,
        fruitless: false,
    };
    let overlapping_max = overlapping_max(context);
    let mut in_flight = FuturesUnordered::new();
    let mut halted = false;
    for (number, step) in context.script.steps.iter().enumerate() {
        let room = if step.overlaps { overlapping_max } else { 1 };
        let has_room = in_flight.len() < room;
        while in_flight.len() >= room
            && let Some((step, finished)) = in_flight.next().await
        {
            course.take(context, step, finished?);
        }
        let intended = match (number, step.overlaps, has_room) {
            (0, _, _) => first_start,
            (_, true, true) => course.began + step.pause,
            // Waiting for an earlier step is no delay of this one.
            (_, true, false) => (course.began + step.pause).max(course.ended),
            (_, false, _) => course.ended + step.pause,
        };
        let mut ready = pin!(ready(context, step, intended));
        let seat = loop {
            tokio::select! {
                biased;
                seat = &mut ready => break seat,
                Some((step, finished)) = in_flight.next() => {
                    course.take(context, step, finished?);
                }
            }
        };
        let Ok(seat) = seat else {
            halted = true;
            break;
        };
        if course.unsent || course.fruitless {
            break;
        }
        course.began = intended;
        let session_id = course.named.id.clone();
        in_flight.push(async move {
            let finished = operate(context, step, intended, session_id, seat).await;
            (step, finished)
        });
    }
    while let Some((step, finished)) = in_flight.next().await {
        course.take(context, step, finished?);
    }
    match (halted, course.unsent) {
        (true, _) => Err(Halted),
        (false, true) => Ok(Ended::Unsent),
        (false, false) => Ok(Ended::Done),
    }
}

impl Course {
    fn take(&mut self, context: &Context<'_>, step: &Step, finished: Finished) {
        self.ended = self.ended.max(finished.completed);
        // Who hung up before the first byte was written has learnt nothing of the target.
        let hung_up = matches!(step.disturbance, Some(Disturbance::Cancel { .. }));
        self.unsent |= finished.outcome == Outcome::Unsent && !hung_up;
        self.fruitless |=
            finished.outcome != Outcome::Ok && trespass::is_needed(context.script, step);
        self.named.answered(context, step, finished.server_session);
    }
}

/// Steps of a session that may be in flight at once, where they overlap.
fn overlapping_max(context: &Context<'_>) -> usize {
    let groups = &context.engine.plan.scenario().groups;
    let group = groups.get(usize::from(context.script.group.0));
    let overlap = match group.map(|group| &group.session) {
        Some(SessionSpec::Chat(chat)) => chat.overlap,
        Some(
            SessionSpec::Upload(_)
            | SessionSpec::Voice(_)
            | SessionSpec::Recall(_)
            | SessionSpec::Stream(_)
            | SessionSpec::Turn(_)
            | SessionSpec::Trespass(_),
        )
        | None => 0,
    };
    usize::from(overlap) + 1
}

/// Waits until a step may begin: its time has come, and so has its turn on a shared connection.
async fn ready(context: &Context<'_>, step: &Step, intended: Micros) -> Result<Seat, Halted> {
    let engine = context.engine;
    wait(engine, intended, context.cutoff).await?;
    let mut halt = engine.halt.clone();
    let seat = tokio::select! {
        biased;
        seat = engine.http.seat(context.lane(step)) => seat,
        () = halt.reached(StopLevel::Drain) => return Err(Halted),
    };
    wait(engine, intended, context.cutoff).await?;
    Ok(seat)
}

async fn operate(
    context: &Context<'_>,
    step: &Step,
    intended: Micros,
    session_id: Option<String>,
    seat: Seat,
) -> Result<Finished, Halted> {
    let intended = context.admitted(step, intended).await?;
    let request_id = model::request_id(context.engine.run, step.op);
    let work = send(context, step, session_id.as_deref(), request_id);
    let finished = context.operation(step, intended, request_id, work).await;
    drop(seat);
    finished
}

async fn send(
    context: &Context<'_>,
    step: &Step,
    session_id: Option<&str>,
    request_id: u64,
) -> Done {
    if let Err(unsent) = context.renew(step).await {
        return unsent;
    }
    let once = async |lane| {
        let Some(request) = request(context, step, session_id, request_id) else {
            return not_a_request(context);
        };
        let manner = manner(context, step);
        let exchange = context.engine.http.exchange(lane, request, manner).await;
        done(context, step, session_id, &exchange)
    };
    let lane = context.lane(step);
    match step.disturbance {
        Some(Disturbance::SubmitTwice) => {
            // On a shared lane there is one seat for both, so the second goes its own way.
            let (first, second) = join(once(lane), once(Lane::Own(step.user))).await;
            first.and_again(second)
        }
        Some(
            Disturbance::Cancel { .. }
            | Disturbance::Drop { .. }
            | Disturbance::CloseEarly
            | Disturbance::ReadSlowly { .. },
        )
        | None => {
            let mut done = once(lane).await;
            if trespass::is_asked_again(step) {
                let until = engine_now(context) + trespass::CONTROL_WAIT_MAX;
                let mut pause = trespass::CONTROL_PAUSE_MIN;
                while !trespass::is_answered(&done) {
                    let next = engine_now(context) + pause;
                    let until = until.min(context.cutoff);
                    if wait(context.engine, next, until).await.is_err() {
                        break;
                    }
                    done = once(lane).await;
                    pause = (pause * 2).min(trespass::CONTROL_PAUSE_MAX);
                }
            }
            done
        }
    }
}

fn engine_now(context: &Context<'_>) -> Micros {
    context.engine.clock.now()
}

fn manner(context: &Context<'_>, step: &Step) -> Manner {
    let mut manner = Manner::within(context.limit());
    match step.disturbance {
        Some(Disturbance::Cancel { after }) => manner.cancel_after = Some(after),
        Some(Disturbance::ReadSlowly { pause }) => manner.read_pause = pause,
        Some(Disturbance::Drop { .. } | Disturbance::CloseEarly | Disturbance::SubmitTwice)
        | None => {}
    }
    manner
}

fn request(
    context: &Context<'_>,
    step: &Step,
    session_id: Option<&str>,
    request_id: u64,
) -> Option<Request<OutBody>> {
    let mut request = match &step.action {
        Action::Chat(turn) if context.script.kind == OpKind::Turn => {
            chat::keep(context, step, turn, session_id.unwrap_or_default())
        }
        Action::Chat(turn) => chat::turn(context, step, turn, session_id),
        Action::Ask(question) => chat::question(context, step, question, session_id),
        Action::Upload(document) => upload::request(context, step, document, request_id),
        Action::Trespass(trespass) => trespass::request(context, step, trespass, session_id)?,
        Action::Voice(_) => return None,
    };
    let headers = request.headers_mut();
    headers.insert(HOST, context.engine.routes.authority.clone());
    let sender = context.sender(step);
    let authorization = sender.and_then(Sender::authorization);
    identity::authorize(headers, authorization.as_ref());
    identity::name_request(headers, context.engine.run, request_id);
    Some(request)
}

fn done(context: &Context<'_>, step: &Step, session_id: Option<&str>, exchange: &Exchange) -> Done {
    let reader = context.reader(step);
    let mut judged = match &step.action {
        Action::Chat(_) if context.script.kind == OpKind::Turn => reader.kept(exchange),
        Action::Chat(_) | Action::Voice(_) => reader.chat(exchange),
        Action::Ask(question) => reader.question(exchange, question),
        Action::Upload(_) => reader.upload(exchange, step.item_count),
        Action::Trespass(trespass) => trespass::judged(context, trespass, &reader, exchange),
    };
    if judged.server_session.as_deref() == session_id {
        judged.server_session = None;
    }
    let told = judged.server_session.as_deref();
    let came_in = match session_id {
        Some(sent) if step.user == context.script.user => Some(sent.to_owned()),
        sent => chat::came_in(sent, told),
    };
    for bleed in &mut judged.bleed {
        bleed.session.clone_from(&came_in);
    }
    Done {
        completed: exchange.completed,
        sent: exchange.sent,
        status: exchange.status,
        sign: answer::sign(exchange),
        judged,
    }
}

/// No plan has one, but what is planned must not vanish.
fn not_a_request(context: &Context<'_>) -> Done {
    Done {
        completed: context.engine.clock.now(),
        sent: None,
        status: None,
        judged: Judged::failed(Outcome::Unsent, "a spoken turn needs a voice session"),
        sign: Sign::Silent,
    }
}
