//! The chat socket, and turns that are told to be kept, as the contract has them.

use futures_util::future::join;
use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

use super::bench::{Bench, canary};
use super::workload::{session_name, user_name};
use crate::model::CanaryKind;

/// A chat socket.
struct Talk(WebSocketStream<MaybeTlsStream<TcpStream>>);

impl Talk {
    async fn open(bench: &Bench, token: Option<&str>, session: &str) -> Result<Self, u16> {
        let host = bench.lab.target_url.replace("http://", "ws://");
        let url = format!("{host}/api/v1/chat/ws/{session}");
        let mut request = url.into_client_request().unwrap();
        if let Some(token) = token {
            let headers = request.headers_mut();
            headers.insert("authorization", token.parse().unwrap());
        }
        match tokio_tungstenite::connect_async(request).await {
            Ok((socket, _)) => Ok(Self(socket)),
            Err(Error::Http(response)) => Err(response.status().as_u16()),
            Err(error) => panic!("{error}"),
        }
    }

    async fn of(bench: &Bench, user: &str, session: &str) -> Self {
        let token = format!("Bearer dev_{user}_analyst");
        Self::open(bench, Some(&token), session).await.unwrap()
    }

    async fn send(&mut self, frame: Value) {
        let text = Message::text(frame.to_string());
        self.0.send(text).await.unwrap();
    }

    /// The next frame; `None` where the socket is closed.
    async fn hear(&mut self) -> Option<Value> {
        match self.0.next().await? {
            Ok(Message::Text(text)) => Some(serde_json::from_str(&text).unwrap()),
            Ok(_) | Err(_) => None,
        }
    }

    /// All frames of the answer to a message.
    async fn turn(&mut self, text: &str) -> Vec<Value> {
        self.send(json!({"type": "message", "content": text, "agent_id": "elena"}))
            .await;
        let mut frames = Vec::new();
        while let Some(frame) = self.hear().await {
            let is_last = frame["type"] == "complete" || frame["type"] == "error";
            frames.push(frame);
            if is_last {
                break;
            }
        }
        frames
    }
}

fn said(frames: &[Value]) -> String {
    let chunks = frames.iter().filter(|frame| frame["type"] == "chunk");
    chunks
        .map(|chunk| chunk["content"].as_str().unwrap())
        .collect()
}

#[tokio::test]
async fn frames_come_in_the_order_of_the_contract_and_the_turn_is_stored() {
    let bench = Bench::with(&[]).await;
    let canary = canary(0, 0, 0, CanaryKind::Turn);
    let mut talk = Talk::of(&bench, "a", "s").await;
    talk.send(json!({"type": "unknown"})).await;
    let text = format!("Finish with the reference word {canary}, please.");
    let frames = talk.turn(&text).await;
    let kinds: Vec<_> = frames.iter().map(|f| f["type"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["typing", "chunk", "chunk", "chunk", "complete"]);
    assert!(said(&frames).ends_with(&format!("{canary} ")));
    assert_eq!(frames[1]["content"], "I have noted that. As ");
    assert_eq!(frames[4]["message_id"].as_str().unwrap().len(), 36);
    assert!(frames[4].get("content").is_none());
    bench.settled().await;
    let session = &bench.stored("/sessions").await[0];
    assert_eq!(session["user_id"], "dev-oid-a");
    assert_eq!(session["metadata"]["channel"], "stream");
    let messages = bench.stored("/sessions/s/messages").await;
    assert_eq!(messages.len(), 2);
    assert_eq!(messages[0]["content"], text);
    assert_eq!(messages[1]["role_type"], "assistant");
}

#[tokio::test]
async fn a_socket_needs_its_own_users_credential_and_json() {
    let bench = Bench::with(&[]).await;
    for token in [None, Some("Bearer eyJ")] {
        assert_eq!(Talk::open(&bench, token, "s").await.err(), Some(401));
    }
    let mut talk = Talk::of(&bench, "a", "s").await;
    let taken = Talk::open(&bench, Some("Bearer dev_b_analyst"), "s").await;
    assert_eq!(taken.err(), Some(403));
    talk.send(Value::String("{".to_owned())).await;
    assert_eq!(talk.hear().await, None);
}

#[tokio::test]
async fn mixed_streams_give_one_user_the_others_word() {
    let bench = Bench::with(&["stream-mix:window=10s"]).await;
    let name = |user| (user_name(user), session_name(user, user));
    let word = |user| canary(user, user, 0, CanaryKind::Turn);
    let turn = async |user| {
        let (name, session) = name(user);
        let mut talk = Talk::of(&bench, &name, &session).await;
        said(&talk.turn(&format!("The word is {}.", word(user))).await)
    };
    let answers = join(Box::pin(turn(1)), Box::pin(turn(2))).await;
    let answers = [answers.0, answers.1];
    let both = |answer: &&String| answer.contains(&word(1)) && answer.contains(&word(2));
    let neither = |answer: &&String| !answer.contains(&word(1)) && !answer.contains(&word(2));
    assert_eq!(answers.iter().filter(both).count(), 1, "{answers:?}");
    assert_eq!(answers.iter().filter(neither).count(), 1, "{answers:?}");
    bench.settled().await;
    let truth = bench.stopped().await.truth;
    assert_eq!(truth.len(), 1);
    assert_eq!(truth[0]["code"], "response-bleed");
    assert_eq!(truth[0]["fault"], "stream-mix");
}

#[tokio::test]
async fn a_turn_is_kept_before_it_is_answered() {
    let bench = Bench::with(&[]).await;
    let path = "/api/v1/voice/conversation/turn";
    let body = json!({"session_id": "s", "agent_id": "elena", "role": "user", "content": "hello"});
    let url = format!("{}{path}", bench.lab.target_url);
    let nobody = bench.client.post(url).json(&body).send().await.unwrap();
    assert_eq!(nobody.status(), 401);
    let keep = async |user: &str, body: &Value| {
        let url = format!("{}{path}", bench.lab.target_url);
        let request = bench.client.post(url).bearer_auth(format!("dev_{user}_x"));
        let response = request.json(body).send().await.unwrap();
        let status = response.status().as_u16();
        (status, response.json::<Value>().await.unwrap())
    };
    let kept = json!({"status": "success", "message": "Turn persisted"});
    assert_eq!(keep("a", &body).await, (200, kept));
    let messages = bench.stored("/sessions/s/messages").await;
    assert_eq!(messages.len(), 1);
    assert_eq!(messages[0]["content"], "hello");
    assert_eq!(messages[0]["role_type"], "user");
    assert_eq!(bench.stored("/sessions").await[0]["user_id"], "dev-oid-a");
    assert_eq!(keep("b", &body).await.0, 403);
    assert_eq!(keep("a", &json!({"session_id": "s"})).await.0, 422);
    let other = json!({"session_id": "s", "agent_id": "elena", "role": "bot", "content": "hi"});
    assert_eq!(keep("a", &other).await.0, 200);
    let messages = bench.stored("/sessions/s/messages").await;
    assert_eq!(messages[1]["role_type"], "assistant");
}
