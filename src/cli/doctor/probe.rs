//! Single questions to the target: is it there, what time has it, whose memories does it show.
#![expect(clippy::disallowed_methods, reason = "compares the clocks")]

use std::time::{Duration, Instant, SystemTime};

use serde::Deserialize;
use serde_json::json;
use url::Url;

use crate::canary;
use crate::model::{CanaryId, CanaryKind, GroupIx, OpKind, UserIx};
use crate::scenario::AuthKind;

use super::is_local;
use super::sheet::{Sheet, State};
use crate::cli::run::Prepared;

/// How long the target may take.
const LIMIT: Duration = Duration::from_secs(10);
/// How far the target's clock may be from ours: tokens are good for minutes.
const SKEW_MAX: Duration = Duration::from_secs(30);
/// Bytes of an answer that are read.
const ANSWER_BYTES_MAX: usize = 1 << 20;
/// Characters of a version that are shown.
const VERSION_CHARS_MAX: usize = 40;
/// An operation that no session of the doctor's has.
const UNSAID: u16 = 999;
/// Where an Engram is asked for memories.
const SEARCH_PATH: &str = "/api/v1/memory/search";

#[derive(Default, Deserialize)]
struct Health {
    #[serde(default)]
    version: Option<String>,
    #[serde(default)]
    environment: Option<String>,
}

fn client() -> Result<reqwest::Client, reqwest::Error> {
    reqwest::Client::builder()
        .timeout(LIMIT)
        .redirect(reqwest::redirect::Policy::none())
        .retry(reqwest::retry::never())
        .no_proxy()
        .build()
}

fn below(base: &Url, path: &str) -> Url {
    let mut url = base.clone();
    let folder = base.path().trim_end_matches('/');
    url.set_path(&format!("{folder}/{}", path.trim_start_matches('/')));
    url
}

async fn body(mut answer: reqwest::Response) -> Vec<u8> {
    let mut body = Vec::new();
    while let Ok(Some(chunk)) = answer.chunk().await {
        body.extend_from_slice(&chunk);
        if body.len() > ANSWER_BYTES_MAX {
            break;
        }
    }
    body
}

/// Asks for the target's health; says whether it is there.
pub(super) async fn target(sheet: &mut Sheet, base: &Url, health: &str) -> bool {
    let began = Instant::now();
    let asked = match client() {
        Ok(client) => client.get(below(base, health)).send().await,
        Err(error) => Err(error),
    };
    let answer = match asked {
        Ok(answer) => answer,
        Err(error) => {
            let seen = format!("{base} cannot be reached: {}", cause(&error));
            let remedy = "start it, or give its address with `--target URL`";
            sheet.line("target", State::Fail, seen, remedy);
            return false;
        }
    };
    let took = began.elapsed().as_millis();
    let (status, headers) = (answer.status(), answer.headers().clone());
    if !status.is_success() {
        let seen = format!("{base}: {health} answered {}", status.as_u16());
        let remedy = "say what answers 200 while it is up: `health` in [target.paths]";
        sheet.line("target", State::Fail, seen, remedy);
        return false;
    }
    let said: Health = serde_json::from_slice(&body(answer).await).unwrap_or_default();
    let shown = |text: Option<String>| {
        let text: String = text?.chars().take(VERSION_CHARS_MAX).collect();
        Some(crate::auth::mask(&text, None))
    };
    let version = shown(said.version).map_or_else(
        || "says no version".to_owned(),
        |version| format!("version {version}"),
    );
    let environment = shown(said.environment).map_or_else(String::new, |name| format!(" ({name})"));
    let seen = format!("{base} {version}{environment}, answered in {took} ms");
    sheet.line("target", State::Ok, seen, "");
    if base.scheme() == "http" && !is_local(base) {
        let seen = "credentials go to another host in clear";
        sheet.line("transport", State::Warn, seen, "use https");
    }
    clock(
        sheet,
        headers.get("date").and_then(|date| date.to_str().ok()),
    );
    true
}

fn clock(sheet: &mut Sheet, date: Option<&str>) {
    let Some(theirs) = date.and_then(read_date) else {
        let seen = "the target does not say what time it has";
        let remedy = "compare the clocks by hand: tokens begin and end by them";
        sheet.line("clock", State::Skipped, seen, remedy);
        return;
    };
    let apart = SystemTime::now()
        .duration_since(theirs)
        .unwrap_or_else(|ahead| ahead.duration());
    let seen = format!("at most {} s apart", apart.as_secs() + 1);
    if apart <= SKEW_MAX {
        sheet.line("clock", State::Ok, seen, "");
    } else {
        let remedy = "set both clocks by NTP: tokens may count as ended or not yet begun";
        sheet.line("clock", State::Warn, seen, remedy);
    }
}

/// A date of an HTTP header, such as `Sun, 06 Nov 1994 08:49:37 GMT`.
fn read_date(text: &str) -> Option<SystemTime> {
    const MONTHS: [&str; 12] = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ];
    let mut words = text.split_whitespace().skip(1);
    let (day, month, year, time) = (words.next()?, words.next()?, words.next()?, words.next()?);
    let month = MONTHS.iter().position(|name| *name == month)? + 1;
    humantime::parse_rfc3339(&format!("{year}-{month:02}-{day:0>2}T{time}Z")).ok()
}

/// Asks as one user for what another one said: would real users be shown synthetic texts?
pub(super) async fn retrieval(sheet: &mut Sheet, prepared: &Prepared) {
    const NAME: &str = "retrieval";
    let scenario = prepared.plan.scenario();
    let mut groups = scenario.groups.iter();
    let chat = groups.find(|group| group.session.kind() == OpKind::Chat);
    let session = chat.and_then(|group| first_session(prepared, group.ix));
    let (Some(session), 2..) = (session, scenario.users) else {
        let seen = "it takes a chat turn and a second user";
        let remedy = "name a scenario with both, or none";
        sheet.line(NAME, State::Skipped, seen, remedy);
        return;
    };
    let id = CanaryId {
        run: prepared.run,
        user: UserIx(0),
        session,
        item: 0,
        kind: CanaryKind::Turn,
    };
    match shown(prepared, id).await {
        Err(why) => {
            let remedy = "ask who runs the target whether its agents search all users' memories";
            sheet.line(NAME, State::Skipped, why, remedy);
        }
        Ok(false) => {
            let seen = "a search by another user does not show what the first one said";
            sheet.line(NAME, State::Ok, seen, "");
        }
        // A target that repeats the question shows also what nobody has said.
        Ok(true) if shown(prepared, CanaryId { item: UNSAID, ..id }).await == Ok(true) => {
            let seen = "the search repeats what it is asked for, so its answer tells nothing";
            let remedy = "ask who runs the target whether its agents search all users' memories";
            sheet.line(NAME, State::Skipped, seen, remedy);
        }
        Ok(true) => {
            let seen = "one user's search shows what another one said: synthetic texts would \
                        reach real users, and theirs ours";
            let remedy = "run where no real users are, or scope the target's search to the user";
            sheet.line(NAME, State::Warn, seen, remedy);
        }
    }
}

/// Is this canary in what the second user finds? Why nobody knows.
async fn shown(prepared: &Prepared, id: CanaryId) -> Result<bool, String> {
    let trigger_words = &prepared.plan.scenario().target.trigger_words;
    let word = canary::plant(id, trigger_words);
    match search(prepared, &word).await {
        None => Err("the search did not answer".to_owned()),
        Some((200..=299, text)) => {
            let found = canary::find(&canary::normalise(&text));
            Ok(found.iter().any(|seen| seen.id == id))
        }
        Some((status, _)) => Err(format!("{SEARCH_PATH} answered {status}")),
    }
}

fn first_session(prepared: &Prepared, group: GroupIx) -> Option<crate::model::SessionIx> {
    let plan = &prepared.plan;
    let sessions = (0..plan.scenario().users).filter_map(|vu| plan.closed_session(group, vu, 0));
    let mut of_first = sessions.filter(|session| {
        let script = plan.script(*session);
        script.is_some_and(|script| script.user == UserIx(0))
    });
    of_first.next()
}

/// The status of a search by the second user, and its text.
async fn search(prepared: &Prepared, word: &str) -> Option<(u16, String)> {
    let request = client()
        .ok()?
        .post(below(prepared.target(), SEARCH_PATH))
        .json(&json!({"query": word, "limit": 10}));
    send(prepared, UserIx(1), request).await
}

/// The status of what one user is given at a path with its query, and its text.
pub(super) async fn get(
    prepared: &Prepared,
    user: UserIx,
    path_and_query: &str,
) -> Option<(u16, String)> {
    let (path, query) = match path_and_query.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (path_and_query, None),
    };
    let mut url = below(prepared.target(), path);
    url.set_query(query);
    send(prepared, user, client().ok()?.get(url)).await
}

async fn send(
    prepared: &Prepared,
    user: UserIx,
    mut request: reqwest::RequestBuilder,
) -> Option<(u16, String)> {
    let scenario = prepared.plan.scenario();
    let name = scenario.user_name(prepared.run, user);
    if let Some(credential) = prepared.tokens.token(&name, 0).await.ok()? {
        let token = credential.secret.expose();
        request = match scenario.target.auth {
            AuthKind::DevHeader => request.header("x-dev-token", token),
            AuthKind::Dev
            | AuthKind::None
            | AuthKind::Shared(_)
            | AuthKind::File(_)
            | AuthKind::Mint(_)
            | AuthKind::Oauth2(_) => request.bearer_auth(token),
        };
    }
    let answer = request.send().await.ok()?;
    let status = answer.status().as_u16();
    let text = String::from_utf8_lossy(&body(answer).await).into_owned();
    Some((status, text))
}

/// The innermost cause, which is the telling one.
fn cause(error: &reqwest::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    cause.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_of_http_are_read() {
        let read = read_date("Sun, 06 Nov 1994 08:49:37 GMT").unwrap();
        let expect = humantime::parse_rfc3339("1994-11-06T08:49:37Z").unwrap();
        assert_eq!(read, expect);
        for bad in ["", "today", "Sun, 06 Foo 1994 08:49:37 GMT", "Sun, 6 Nov"] {
            assert_eq!(read_date(bad), None, "{bad}");
        }
    }
}
