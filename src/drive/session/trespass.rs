//! Attempts at what a session holds: with a right to it, with somebody else's credential, with one
//! that has ended, with none.
//!
//! To be turned away is the right answer to all but the session's own user. What was shown is told by
//! the echo alone: the session's own text, to its user (`own`) or to anybody else (`foreign`).

use std::time::Duration;

use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::{Method, Request, Uri};
use serde_json::json;

use super::{Context, Done, chat};
use crate::canary;
use crate::drive::answer::{self, Judged, Reader};
use crate::model::{
    CanaryId, CanaryKind, Echo, Exactness, Outcome, Part, Promise, Route, Standing,
};
use crate::plan::{Action, Attempts, Script, Step, Trespass};
use crate::wire::{Exchange, OutBody};

/// The item of the turn that tells what the session is to keep.
const TOLD: u16 = 0;
/// Entries of a list that are asked for: the most that are given.
const LISTED_MAX: u16 = 100;
/// How long the session's own user asks again until what was told is to be seen.
pub(super) const CONTROL_WAIT_MAX: Duration = Duration::from_secs(10);
/// The pause before the first further question; each next one is twice as long.
pub(super) const CONTROL_PAUSE_MIN: Duration = Duration::from_millis(100);
/// The longest pause between two questions.
pub(super) const CONTROL_PAUSE_MAX: Duration = Duration::from_secs(2);

/// With whose credential a step is sent.
pub(super) fn standing(step: &Step) -> Standing {
    match &step.action {
        Action::Trespass(trespass) => trespass.attempt.standing,
        Action::Chat(_) | Action::Ask(_) | Action::Upload(_) | Action::Voice(_) => {
            Standing::Founder
        }
    }
}

/// Does the rest of the session depend on this step?
pub(super) fn is_needed(script: &Script, step: &Step) -> bool {
    let attempts = script.steps.iter();
    let mut attempts = attempts.filter(|step| matches!(step.action, Action::Trespass(_)));
    step.op.seq == TOLD && attempts.next().is_some()
}

/// Is it asked again until it shows what was told?
pub(super) fn is_asked_again(step: &Step) -> bool {
    matches!(&step.action, Action::Trespass(trespass) if trespass.attempt.part == Part::Control)
}

/// Will asking again change nothing?
pub(super) fn is_answered(done: &Done) -> bool {
    let is_closed = matches!(done.status, Some(401 | 403 | 405 | 501));
    is_closed || done.judged.echo == Echo::Own || done.judged.outcome == Outcome::Unsent
}

/// The request of an attempt; `None` where its address is none.
pub(super) fn request(
    context: &Context<'_>,
    step: &Step,
    trespass: &Trespass,
    session_id: Option<&str>,
) -> Option<Request<OutBody>> {
    if let Some(turn) = &trespass.turn {
        return Some(chat::turn(context, step, turn, session_id));
    }
    let (method, body) = match trespass.attempt.route {
        Route::Transcript | Route::Episodes | Route::Facts | Route::Chat => (Method::GET, None),
        Route::Search => {
            let asked = json!({"query": trespass.query, "limit": LISTED_MAX});
            (Method::POST, Some(asked.to_string()))
        }
        Route::Delete => (Method::DELETE, None),
    };
    let mut request = Request::new(OutBody::whole(body.unwrap_or_default().into_bytes()));
    if method == Method::POST {
        let json = HeaderValue::from_static("application/json");
        request.headers_mut().insert(CONTENT_TYPE, json);
    }
    *request.method_mut() = method;
    *request.uri_mut() = address(context, trespass, session_id)?;
    Some(request)
}

fn address(context: &Context<'_>, trespass: &Trespass, session_id: Option<&str>) -> Option<Uri> {
    let paths = &context.engine.target().paths;
    let memory = paths.memory.trim_end_matches('/');
    let session = trespass.elsewhere.as_deref().or(session_id)?;
    let (path, query) = match trespass.attempt.route {
        Route::Transcript => (format!("{memory}/episodes/{session}"), None),
        Route::Episodes => (
            format!("{memory}/episodes"),
            Some(format!("limit={LISTED_MAX}")),
        ),
        Route::Facts => (format!("{memory}/graph"), Some("query=".to_owned())),
        Route::Search => (format!("{memory}/search"), None),
        Route::Delete => (paths.session.replace("{session}", session), None),
        Route::Chat => (paths.chat.clone(), None),
    };
    let uri = context.engine.routes.endpoint.path(&path).ok()?;
    match query {
        None => Some(uri),
        Some(query) => format!("{uri}?{query}").parse().ok(),
    }
}

/// What an attempt came to.
pub(super) fn judged(
    context: &Context<'_>,
    trespass: &Trespass,
    reader: &Reader<'_>,
    exchange: &Exchange,
) -> Judged {
    let mut judged = match &trespass.turn {
        Some(_) => reader.chat(exchange),
        None => answer::answered(exchange),
    };
    judged.promise = Promise::NONE;
    let text = exchange
        .body
        .as_ref()
        .map(|body| String::from_utf8_lossy(body));
    let shown = text.is_ok_and(|text| is_shown(context, trespass, &text));
    judged.echo = match (shown, trespass.attempt.standing) {
        (true, Standing::Founder) if trespass.attempt.part != Part::NegativeControl => Echo::Own,
        (true, _) => Echo::Foreign,
        (false, _) if judged.echo == Echo::Own => Echo::Own,
        (false, _) => Echo::None,
    };
    // What of it is the session's own is told by the echo; what is left of others is no part of the
    // attempt.
    let attempts = Attempts::of(context.engine.plan.scenario());
    judged.bleed.retain(|bleed| {
        let mut seen = bleed.canaries.iter();
        seen.all(|seen| seen.id.session != context.script.session)
            && bleed
                .canaries
                .iter()
                .any(|seen| attempts.at(op_of(seen.id)).is_none())
    });
    if trespass.attempt.standing != Standing::OtherUser {
        judged.bleed.clear();
    }
    judged
}

/// Does a text show what the session holds: the canary that was told in it, or where sessions are
/// listed, its name?
fn is_shown(context: &Context<'_>, trespass: &Trespass, text: &str) -> bool {
    let told = CanaryId {
        run: context.engine.run,
        user: context.script.user,
        session: context.script.session,
        item: TOLD,
        kind: CanaryKind::Turn,
    };
    let named = || {
        let name = format!("\"{}\"", context.session_name);
        trespass.attempt.route == Route::Episodes && text.contains(&name)
    };
    let canaries = canary::find(&canary::normalise(text));
    let mut exact = canaries
        .iter()
        .filter(|seen| seen.exactness == Exactness::Exact);
    exact.any(|seen| seen.id == told) || named()
}

fn op_of(canary: CanaryId) -> crate::model::OpId {
    crate::model::OpId {
        session: canary.session,
        seq: canary.item,
    }
}
