//! Chat turns over REST.

use hyper::header::{CONTENT_TYPE, HOST, HeaderValue};
use hyper::{Method, Request};
use serde::Serialize;

use super::{Context, Done, Ended, Halted, wait};
use crate::canary;
use crate::drive::{answer, identity};
use crate::model::{Micros, Outcome};
use crate::plan::{Action, ChatTurn, Step};
use crate::scenario::{SessionIds, SessionSpec};
use crate::wire::OutBody;

#[derive(Serialize)]
struct ChatRequest<'a> {
    content: &'a str,
    agent_id: &'a str,
    session_id: Option<&'a str>,
}

/// The session as the target knows it.
struct Named {
    /// What is sent; `None` until the server has named it.
    id: Option<String>,
    by: SessionIds,
}

/// Runs a chat session that should start at `planned`.
pub(super) async fn run(context: &Context<'_>, planned: Micros) -> Result<Ended, Halted> {
    let by = session_ids(context);
    let mut named = Named {
        id: match by {
            SessionIds::Client => Some(context.session_name.clone()),
            SessionIds::Server => None,
        },
        by,
    };
    let mut previous_end = planned;
    for step in &context.script.steps {
        let Action::Chat(turn) = &step.action else {
            continue;
        };
        let intended = previous_end + step.pause;
        wait(context.engine, intended, context.cutoff).await?;
        let request_id = identity::request_id(context.engine.run, step.op);
        let work = say(context, step, turn, &mut named, request_id);
        let (outcome, ended) = context.operation(step, intended, request_id, work).await?;
        if outcome == Outcome::Unsent {
            return Ok(Ended::Unsent);
        }
        previous_end = ended;
    }
    Ok(Ended::Done)
}

fn session_ids(context: &Context<'_>) -> SessionIds {
    let groups = &context.engine.plan.scenario().groups;
    match groups
        .get(usize::from(context.script.group.0))
        .map(|group| &group.session)
    {
        Some(SessionSpec::Chat(chat)) => chat.session_ids,
        Some(SessionSpec::Upload(_) | SessionSpec::Voice(_) | SessionSpec::Recall(_)) | None => {
            SessionIds::Client
        }
    }
}

async fn say(
    context: &Context<'_>,
    step: &Step,
    turn: &ChatTurn,
    named: &mut Named,
    request_id: u64,
) -> Done {
    let engine = context.engine;
    let reader = context.reader(step);
    let canary = canary::plant(reader.own, &engine.target().trigger_words);
    let request = request(context, turn, &canary, named.id.as_deref(), request_id);
    let exchange = engine
        .http
        .exchange(context.script.user, request, context.limit())
        .await;
    let mut judged = reader.chat(&exchange);
    if judged.server_session == named.id {
        judged.server_session = None;
    }
    if let (SessionIds::Server, Some(id)) = (named.by, &judged.server_session) {
        named.id = Some(id.clone());
    }
    for bleed in &mut judged.bleed {
        bleed.session.clone_from(&named.id);
    }
    Done {
        completed: exchange.completed,
        sent: exchange.sent,
        status: exchange.status,
        sign: answer::sign(&exchange),
        judged,
    }
}

fn request(
    context: &Context<'_>,
    turn: &ChatTurn,
    canary: &str,
    session_id: Option<&str>,
    request_id: u64,
) -> Request<OutBody> {
    let body = serde_json::to_vec(&ChatRequest {
        content: &turn.text(canary),
        agent_id: &turn.agent,
        session_id,
    });
    // Strings always have a JSON form; an empty body would be refused, and so be seen.
    let mut request = Request::new(OutBody::whole(body.unwrap_or_default()));
    *request.method_mut() = Method::POST;
    *request.uri_mut() = context.engine.routes.chat.clone();
    let headers = request.headers_mut();
    headers.reserve(6);
    headers.insert(HOST, context.engine.routes.authority.clone());
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    identity::authorize(headers, context.authorization.as_ref());
    identity::name_request(headers, context.engine.run, request_id);
    request
}
