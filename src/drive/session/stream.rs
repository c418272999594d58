//! Chat turns on one socket, answered in chunks: one message at a time.

mod hearing;

use std::pin::pin;
use std::time::Duration;

use tokio::time::{Instant, timeout_at};

use self::hearing::{Frame, Hearing};
use super::chat;
use super::line::{self, hang_up, not_begun};
use super::{Context, Done, Ended, Halted, wait};
use crate::drive::answer::{Reader, sign_of_fault};
use crate::drive::pulse::Sign;
use crate::event::Event;
use crate::model::limits::ANSWER_BYTES_MAX;
use crate::model::{self, Micros, Outcome};
use crate::plan::{Action, ChatTurn, Disturbance, Step};
use crate::wire::{Fault, Socket, Text};

/// Frames of one turn: as many as an answer of the longest length has, of a few bytes each.
const FRAMES_MAX: u32 = 1 << 18;

/// Runs a session on the chat socket whose first turn should begin at `first_start`.
pub(super) async fn run(context: &Context<'_>, first_start: Micros) -> Result<Ended, Halted> {
    let mut line = None;
    let ended = turns(context, first_start, &mut line).await;
    if let Some(socket) = line {
        socket.close().await;
    }
    ended
}

/// The socket is opened by the first turn, and by the one behind a turn that hung up, so that its
/// cost and its failure are that turn's.
async fn turns(
    context: &Context<'_>,
    first_start: Micros,
    line: &mut Option<Socket>,
) -> Result<Ended, Halted> {
    let mut upgrade_id = 0;
    let mut intended = first_start;
    let mut steps = context.script.steps.iter().peekable();
    while let Some(step) = steps.next() {
        let Action::Chat(turn) = &step.action else {
            continue;
        };
        let closed = match line {
            None => {
                wait(context.engine, intended, context.cutoff).await?;
                upgrade_id = model::request_id(context.engine.run, step.op);
                None
            }
            Some(socket) => listen_until(context, step, socket, intended).await?,
        };
        let admitted = context.admitted(step, intended).await?;
        let mut hearing = Hearing::default();
        let finished = match closed {
            None => {
                let work = take_turn(context, (step, turn), line, upgrade_id, &mut hearing);
                context.operation(step, admitted, upgrade_id, work).await?
            }
            Some(fault) => {
                // The step has its row, so that it is not taken for one that was never tried.
                wait(context.engine, admitted, context.cutoff).await?;
                let work = async { not_begun(context, &fault) };
                context.operation(step, admitted, upgrade_id, work).await?
            }
        };
        if let Some(times) = hearing.times(step.op) {
            context.engine.tell(Event::Streamed(times)).await?;
        }
        let hung_up = matches!(step.disturbance, Some(Disturbance::Cancel { .. }));
        match finished.outcome {
            Outcome::Unsent | Outcome::Unknown if hung_up => {}
            Outcome::Unsent | Outcome::Refused if line.is_none() => return Ok(Ended::Unsent),
            // What is still to come of it would be taken for the answer to the next turn.
            Outcome::Unsent | Outcome::Unknown => return Ok(Ended::Done),
            Outcome::Ok | Outcome::SoftFail | Outcome::Refused => {}
        }
        if let Some(next) = steps.peek() {
            intended = finished.completed + next.pause;
        }
    }
    Ok(Ended::Done)
}

/// Between two turns nothing should come; what comes all the same is looked at, because it may be
/// meant for another user. Returns how the socket broke, if it did.
async fn listen_until(
    context: &Context<'_>,
    next_step: &Step,
    socket: &mut Socket,
    until: Micros,
) -> Result<Option<Fault>, Halted> {
    let reader = context.reader(next_step);
    let mut waiting = pin!(wait(context.engine, until, context.cutoff));
    loop {
        let heard = tokio::select! {
            biased;
            waited = &mut waiting => {
                waited?;
                return Ok(None);
            }
            heard = socket.next_text() => heard,
        };
        let text = match heard {
            Ok(text) => text,
            Err(fault) => return Ok(Some(fault)),
        };
        let now = context.engine.clock.now();
        let mut hearing = Hearing::default();
        hearing.take(&reader, Frame::read(&text), now);
        for bleed in hearing.bleed {
            context.sighted(next_step, bleed, now).await?;
        }
    }
}

async fn take_turn(
    context: &Context<'_>,
    (step, turn): (&Step, &ChatTurn),
    line: &mut Option<Socket>,
    request_id: u64,
    hearing: &mut Hearing,
) -> Done {
    let clock = context.engine.clock;
    hearing.begun = clock.now();
    let path = &context.engine.target().paths.stream;
    let socket = match line {
        Some(socket) => socket,
        None => match line::open(context, step, path, request_id).await {
            Ok(socket) => line.insert(socket),
            Err(not_open) => return not_open.done(clock.now()),
        },
    };
    let reader = context.reader(step);
    socket.tap().arm();
    let limit = context.limit();
    let (limit, fault) = match step.disturbance {
        Some(Disturbance::Cancel { after }) => (after.min(limit), gave_up(after)),
        Some(
            Disturbance::Drop { .. }
            | Disturbance::CloseEarly
            | Disturbance::SubmitTwice
            | Disturbance::ReadSlowly { .. },
        )
        | None => (limit, Fault::Timeout(limit)),
    };
    let wake = Instant::from_std(clock.instant(clock.now() + limit));
    // Strings always have a JSON form, which is text; an empty message would be seen.
    let message = chat::message(context, step, turn).unwrap_or_default();
    let message = Text::from(String::from_utf8(message).unwrap_or_default());
    let conversation = converse(context, &reader, socket, message, hearing);
    let end = timeout_at(wake, conversation).await.unwrap_or(Err(fault));
    let sent = socket.tap().sent();
    if end.is_err()
        && let Some(socket) = line.take()
    {
        hang_up(step, socket).await;
    }
    let sign = match &end {
        Err(fault) if !hearing.anything => sign_of_fault(fault),
        Err(_) | Ok(()) => Sign::Answered,
    };
    Done {
        completed: clock.now(),
        sent,
        status: None,
        judged: hearing.judge(&reader, end, sent.is_some()),
        sign,
    }
}

/// Sends a message and listens until its answer is complete.
async fn converse(
    context: &Context<'_>,
    reader: &Reader<'_>,
    socket: &mut Socket,
    message: Text,
    hearing: &mut Hearing,
) -> Result<(), Fault> {
    socket.feed(message).await?;
    socket.flush().await?;
    for _ in 0..FRAMES_MAX {
        let text = socket.next_text().await?;
        hearing.take(reader, Frame::read(&text), context.engine.clock.now());
        if hearing.is_over() {
            return Ok(());
        }
        if hearing.bytes() > ANSWER_BYTES_MAX {
            return Err(Fault::TooLarge);
        }
    }
    Err(Fault::TooLarge)
}

fn gave_up(after: Duration) -> Fault {
    let after_ms = after.as_millis();
    Fault::GivenUp(format!("the client hung up after {after_ms} ms"))
}
