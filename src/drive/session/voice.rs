//! Spoken turns on one socket.

mod hearing;
mod speech;

use std::pin::pin;

use tokio::time::{Instant, sleep_until, timeout, timeout_at};

use self::hearing::{Frame, Hearing};
use self::speech::Speech;
use super::line::{self, NotOpen, hang_up, not_begun};
use super::{Context, Done, Ended, Halted, wait};
use crate::canary;
use crate::drive::answer::{Reader, sign_of_fault};
use crate::drive::pulse::Sign;
use crate::model::{self, Micros, Outcome};
use crate::plan::{Action, Disturbance, Step, VoiceTurn};
use crate::scenario::SessionSpec;
use crate::wire::{Fault, Socket};

/// Runs a voice session whose first turn should begin at `first_start`.
pub(super) async fn run(context: &Context<'_>, first_start: Micros) -> Result<Ended, Halted> {
    let mut line = None;
    let ended = turns(context, first_start, &mut line).await;
    if let Some(socket) = line {
        socket.close().await;
    }
    ended
}

/// The socket is opened by the first turn, so that its cost and its failure are that turn's.
async fn turns(
    context: &Context<'_>,
    first_start: Micros,
    line: &mut Option<Socket>,
) -> Result<Ended, Halted> {
    let mut upgrade_id = None;
    let mut intended = first_start;
    let mut steps = context.script.steps.iter().peekable();
    while let Some(step) = steps.next() {
        let Action::Voice(turn) = &step.action else {
            continue;
        };
        let heard = match line {
            None => {
                wait(context.engine, intended, context.cutoff).await?;
                Line::Open
            }
            Some(socket) => listen_until(context, step, socket, intended).await?,
        };
        let admitted = context.admitted(step, intended).await?;
        let request_id =
            *upgrade_id.get_or_insert_with(|| model::request_id(context.engine.run, step.op));
        let finished = match heard {
            Line::Open => {
                let work = take_turn(context, step, turn, line, request_id);
                context.operation(step, admitted, request_id, work).await?
            }
            Line::Closed(fault) => {
                // The step has its row, so that it is not taken for one that was never tried.
                wait(context.engine, admitted, context.cutoff).await?;
                let work = async { not_begun(context, &fault) };
                context.operation(step, admitted, request_id, work).await?
            }
        };
        if line.is_none() && step.disturbance != Some(Disturbance::CloseEarly) {
            return Ok(Ended::Unsent);
        }
        if matches!(finished.outcome, Outcome::Unsent | Outcome::Unknown) {
            return Ok(Ended::Done);
        }
        if let Some(next) = steps.peek() {
            intended = finished.completed + next.pause;
        }
    }
    Ok(Ended::Done)
}

enum Line {
    Open,
    Closed(Fault),
}

/// Between two turns nothing should come; what comes all the same is looked at, because it may be
/// meant for another user.
async fn listen_until(
    context: &Context<'_>,
    next_step: &Step,
    socket: &mut Socket,
    until: Micros,
) -> Result<Line, Halted> {
    let reader = context.reader(next_step);
    let mut waiting = pin!(wait(context.engine, until, context.cutoff));
    loop {
        let heard = tokio::select! {
            biased;
            waited = &mut waiting => {
                waited?;
                return Ok(Line::Open);
            }
            heard = socket.next_text() => heard,
        };
        let text = match heard {
            Ok(text) => text,
            Err(fault) => return Ok(Line::Closed(fault)),
        };
        let mut hearing = Hearing::default();
        hearing.take(&reader, &Frame::read(&text));
        for bleed in hearing.bleed {
            let now = context.engine.clock.now();
            context.sighted(next_step, bleed, now).await?;
        }
    }
}

async fn take_turn(
    context: &Context<'_>,
    step: &Step,
    turn: &VoiceTurn,
    line: &mut Option<Socket>,
    request_id: u64,
) -> Done {
    let socket = match line {
        Some(socket) => socket,
        None => match open(context, step, turn, request_id).await {
            Ok(socket) => line.insert(socket),
            Err(not_open) => return not_open.done(context.engine.clock.now()),
        },
    };
    let reader = context.reader(step);
    let canary = canary::plant(reader.own, &context.engine.target().trigger_words);
    let speech = Speech::new(&canary, speed(context), context.engine.clock.now());
    let deadline = speech.end() + context.limit();
    let wake = Instant::from_std(context.engine.clock.instant(deadline));
    socket.tap().arm();
    let mut hearing = Hearing::default();
    let end = if step.disturbance == Some(Disturbance::CloseEarly) {
        timeout_at(wake, speak_only(context, socket, speech)).await
    } else {
        let conversation = converse(context, &reader, socket, speech, &mut hearing);
        timeout_at(wake, conversation).await
    };
    let end = end.unwrap_or(Err(Fault::Timeout(context.limit())));
    let sent = socket.tap().sent();
    if matches!(end, Err(Fault::GivenUp(_)))
        && let Some(socket) = line.take()
    {
        hang_up(step, socket).await;
    }
    let sign = match &end {
        Err(fault) if !hearing.anything => sign_of_fault(fault),
        Err(_) | Ok(()) => Sign::Answered,
    };
    Done {
        completed: context.engine.clock.now(),
        sent,
        status: None,
        judged: hearing.judge(end, sent.is_some()),
        sign,
    }
}

/// Speaks at the pace of speech and listens at the same time, until the turn is complete.
async fn converse(
    context: &Context<'_>,
    reader: &Reader<'_>,
    socket: &mut Socket,
    mut speech: Speech,
    hearing: &mut Hearing,
) -> Result<(), Fault> {
    let clock = context.engine.clock;
    while !hearing.turn_is_over(speech.is_over()) {
        let due = speech
            .due()
            .map(|due| Instant::from_std(clock.instant(due)));
        let due_now = async {
            match due {
                Some(due) => sleep_until(due).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            () = due_now => {
                while let Some(frame) = speech.take_due(clock.now()) {
                    socket.feed(frame).await?;
                }
                socket.flush().await?;
            }
            text = socket.next_text() => hearing.take(reader, &Frame::read(&text?)),
        }
    }
    Ok(())
}

/// Speaks and waits for no answer. The silence behind the speech is not waited for either: an
/// answer could come before its end.
async fn speak_only(
    context: &Context<'_>,
    socket: &mut Socket,
    mut speech: Speech,
) -> Result<(), Fault> {
    let clock = context.engine.clock;
    while let Some(due) = speech.due() {
        if !speech.is_silent() {
            sleep_until(Instant::from_std(clock.instant(due))).await;
        }
        while let Some(frame) = speech.take_due(clock.now().max(due)) {
            socket.feed(frame).await?;
        }
        socket.flush().await?;
    }
    Err(Fault::GivenUp(
        "the socket was closed before the answer".to_owned(),
    ))
}

fn speed(context: &Context<'_>) -> f64 {
    let groups = &context.engine.plan.scenario().groups;
    match groups
        .get(usize::from(context.script.group.0))
        .map(|group| &group.session)
    {
        Some(SessionSpec::Voice(voice)) => voice.speed,
        Some(
            SessionSpec::Chat(_)
            | SessionSpec::Upload(_)
            | SessionSpec::Recall(_)
            | SessionSpec::Stream(_)
            | SessionSpec::Turn(_)
            | SessionSpec::Trespass(_),
        )
        | None => 1.0,
    }
}

/// Opens the session's socket and waits until its agent listens.
async fn open(
    context: &Context<'_>,
    step: &Step,
    turn: &VoiceTurn,
    request_id: u64,
) -> Result<Socket, NotOpen> {
    let limit = context.engine.target().timeouts.connect;
    let path = &context.engine.target().paths.voice;
    let mut socket = line::open(context, step, path, request_id).await?;
    timeout(limit, get_ready(&mut socket, &turn.agent))
        .await
        .unwrap_or(Err(NotOpen::Ready(Fault::Timeout(limit))))?;
    Ok(socket)
}

/// The target names the agent that listens; another one has to be asked for.
async fn get_ready(socket: &mut Socket, agent: &str) -> Result<(), NotOpen> {
    let mut asked = false;
    loop {
        let text = socket.next_text().await.map_err(NotOpen::Ready)?;
        match Frame::read(&text) {
            Frame::Agent(current) if asked || current == agent => return Ok(()),
            Frame::Agent(_) => {
                let switch = speech::agent_frame(agent);
                socket.feed(switch).await.map_err(NotOpen::Ready)?;
                socket.flush().await.map_err(NotOpen::Ready)?;
                asked = true;
            }
            Frame::Error(message) => return Err(NotOpen::Error(message)),
            Frame::Complete { .. } | Frame::Other => {}
        }
    }
}
