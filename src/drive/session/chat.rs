//! Chat turns over REST, answered or only kept, and questions.

use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::{Method, Request, Uri};
use serde::Serialize;

use super::Context;
use crate::canary;
use crate::model::RunId;
use crate::plan::{ChatTurn, Question, Step};
use crate::scenario::{BodyTemplate, SessionIds, SessionSpec, Slots};
use crate::wire::OutBody;

/// A turn to keep.
#[derive(Serialize)]
struct KeepRequest<'a> {
    session_id: &'a str,
    agent_id: &'a str,
    role: &'static str,
    content: &'a str,
}

/// A message on the chat socket.
#[derive(Serialize)]
struct StreamMessage<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    content: &'a str,
    agent_id: &'a str,
}

#[derive(Serialize)]
struct ChatRequest<'a> {
    content: &'a str,
    agent_id: &'a str,
    session_id: Option<&'a str>,
}

/// The session as the target knows it.
pub(super) struct Named {
    /// What is sent; `None` until the server has named it.
    pub(super) id: Option<String>,
    by: SessionIds,
}

impl Named {
    /// As it is before the first answer.
    pub(super) fn first(context: &Context<'_>) -> Self {
        let groups = &context.engine.plan.scenario().groups;
        let group = groups.get(usize::from(context.script.group.0));
        let by = match group.map(|group| &group.session) {
            Some(SessionSpec::Chat(chat)) => chat.session_ids,
            Some(
                SessionSpec::Upload(_)
                | SessionSpec::Voice(_)
                | SessionSpec::Recall(_)
                | SessionSpec::Stream(_)
                | SessionSpec::Turn(_)
                | SessionSpec::Trespass(_),
            )
            | None => SessionIds::Client,
        };
        let id = match by {
            SessionIds::Client => Some(context.session_name.clone()),
            SessionIds::Server => None,
        };
        Self { id, by }
    }

    /// Takes up what an answer to the session's founder says. What a guest is told is the guest's
    /// own affair: a client goes on with the name that it knows.
    pub(super) fn answered(&mut self, context: &Context<'_>, step: &Step, told: Option<String>) {
        if self.by == SessionIds::Server && step.user == context.script.user && told.is_some() {
            self.id = told;
        }
    }
}

/// In which session an answer came, where it is not the one that was sent: a name that the server
/// made for a guest, or for a session that had none. Another one may have come with an answer that
/// was meant for somebody else.
pub(super) fn came_in(sent: Option<&str>, told: Option<&str>) -> Option<String> {
    let of_the_servers_making = told.filter(|name| RunId::parse_session_name(name).is_none());
    of_the_servers_making.or(sent).map(str::to_owned)
}

/// The request of a turn.
pub(super) fn turn(
    context: &Context<'_>,
    step: &Step,
    turn: &ChatTurn,
    session_id: Option<&str>,
) -> Request<OutBody> {
    let told = text(context, step, turn);
    request(context, step, [&told, &turn.agent], session_id)
}

/// The request of a question: it has no canary, and the same words for everybody.
pub(super) fn question(
    context: &Context<'_>,
    step: &Step,
    question: &Question,
    session_id: Option<&str>,
) -> Request<OutBody> {
    request(context, step, [&question.text, &question.agent], session_id)
}

/// The request that has a turn kept.
pub(super) fn keep(
    context: &Context<'_>,
    step: &Step,
    turn: &ChatTurn,
    session_id: &str,
) -> Request<OutBody> {
    let told = text(context, step, turn);
    let template = context.engine.target().bodies.turn.as_ref();
    let body = match template {
        Some(template) => filled(
            context,
            step,
            template,
            [&told, &turn.agent],
            Some(session_id),
        ),
        None => serde_json::to_vec(&KeepRequest {
            session_id,
            agent_id: &turn.agent,
            role: "user",
            content: &told,
        }),
    };
    post(context.engine.routes.turn.clone(), body)
}

/// What a turn says, with its canary.
pub(super) fn text(context: &Context<'_>, step: &Step, turn: &ChatTurn) -> String {
    let trigger_words = &context.engine.target().trigger_words;
    turn.text(&canary::plant(context.turn_canary(step), trigger_words))
}

/// A message on the chat socket.
pub(super) fn message(
    context: &Context<'_>,
    step: &Step,
    turn: &ChatTurn,
) -> serde_json::Result<Vec<u8>> {
    let told = text(context, step, turn);
    match &context.engine.target().bodies.stream {
        Some(template) => {
            let session = Some(context.session_name.as_str());
            filled(context, step, template, [&told, &turn.agent], session)
        }
        None => serde_json::to_vec(&StreamMessage {
            kind: "message",
            content: &told,
            agent_id: &turn.agent,
        }),
    }
}

fn request(
    context: &Context<'_>,
    step: &Step,
    [text, agent_id]: [&str; 2],
    session_id: Option<&str>,
) -> Request<OutBody> {
    let body = match &context.engine.target().bodies.chat {
        Some(template) => filled(context, step, template, [text, agent_id], session_id),
        None => serde_json::to_vec(&ChatRequest {
            content: text,
            agent_id,
            session_id,
        }),
    };
    post(context.engine.routes.chat.clone(), body)
}

/// The body that the scenario says, with everything in its place.
fn filled(
    context: &Context<'_>,
    step: &Step,
    template: &BodyTemplate,
    [text, agent]: [&str; 2],
    session: Option<&str>,
) -> serde_json::Result<Vec<u8>> {
    let user = context.engine.user_name(step.user);
    serde_json::to_vec(&template.fill(Slots {
        text,
        session,
        agent,
        user: &user,
    }))
}

fn post(uri: Uri, body: serde_json::Result<Vec<u8>>) -> Request<OutBody> {
    // Strings always have a JSON form; an empty body would be refused, and so be seen.
    let mut request = Request::new(OutBody::whole(body.unwrap_or_default()));
    *request.method_mut() = Method::POST;
    *request.uri_mut() = uri;
    let json = HeaderValue::from_static("application/json");
    request.headers_mut().reserve(6);
    request.headers_mut().insert(CONTENT_TYPE, json);
    request
}
