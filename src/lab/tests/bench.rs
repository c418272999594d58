//! A lab to test, with a client for each of its channels.

use std::path::PathBuf;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures_util::{SinkExt, StreamExt};
use reqwest::{Client, Method, Response};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

use crate::canary::{self, tone};
use crate::lab::{Lab, LabConfig, LogTarget, start};
use crate::model::{CanaryId, CanaryKind, RunId, SessionIx, UserIx};
use crate::stop::{StopLevel, stop_pair};

/// The run whose canaries are planted.
pub(super) const RUN: RunId = RunId(0x0012_abcd);
/// Longer than anything takes here.
const LONG: Duration = Duration::from_mins(1);

pub(super) struct Bench {
    pub(super) lab: Lab,
    pub(super) client: Client,
    folder: TempDir,
}

/// What a lab leaves behind.
pub(super) struct Left {
    pub(super) truth: Vec<Value>,
    pub(super) log: Vec<String>,
}

pub(super) fn config(folder: &TempDir, faults: &[&str]) -> LabConfig {
    LabConfig {
        port: None,
        faults: faults.iter().map(|spec| spec.parse().unwrap()).collect(),
        truth: Some(folder.path().join("truth")),
        log: LogTarget::Path(folder.path().join("log")),
        ..LabConfig::default()
    }
}

impl Bench {
    pub(super) async fn with(faults: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let lab = start(config(&folder, faults)).await.unwrap();
        Self::of(lab, folder)
    }

    pub(super) fn of(lab: Lab, folder: TempDir) -> Self {
        let client = Client::builder().no_proxy().build().unwrap();
        Self {
            lab,
            client,
            folder,
        }
    }

    /// Waits until everything that was answered is stored.
    pub(super) async fn settled(&self) {
        while self.lab.engram.background() > 0 {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }

    pub(super) async fn stopped(self) -> Left {
        let (stopper, stop) = stop_pair();
        stopper.ask(StopLevel::Drain);
        self.lab.stopped(stop).await.unwrap();
        let lines = |name: &str| -> Vec<String> {
            let path: PathBuf = self.folder.path().join(name);
            let text = std::fs::read_to_string(path).unwrap();
            text.lines().map(str::to_owned).collect()
        };
        let truth = lines("truth").into_iter();
        Left {
            truth: truth
                .map(|line| serde_json::from_str(&line).unwrap())
                .collect(),
            log: lines("log"),
        }
    }

    pub(super) async fn request(&self, method: Method, path: &str, body: Value) -> Response {
        let url = format!("{}{path}", self.lab.target_url);
        let request = self
            .client
            .request(method, url)
            .header("x-dev-token", "dev_a_analyst");
        request.body(body.to_string()).send().await.unwrap()
    }

    pub(super) async fn ask(&self, method: Method, path: &str, body: Value) -> (u16, Value) {
        let response = self.request(method, path, body).await;
        let status = response.status().as_u16();
        (status, response.json().await.unwrap_or(Value::Null))
    }

    /// A chat turn: status and body, or an error where the answer broke off.
    pub(super) async fn chat(
        &self,
        user: &str,
        session: Option<&str>,
        text: &str,
    ) -> reqwest::Result<(u16, Value)> {
        let url = format!("{}/api/v1/chat", self.lab.target_url);
        let body = json!({"content": text, "agent_id": "elena", "session_id": session});
        let request = self
            .client
            .post(url)
            .bearer_auth(format!("dev_{user}_analyst"));
        let response = request.json(&body).send().await?;
        Ok((response.status().as_u16(), response.json().await?))
    }

    /// An upload as plain text.
    pub(super) async fn upload(&self, user: &str, text: &str) -> reqwest::Result<(u16, Value)> {
        let part = "Content-Disposition: form-data; name=\"file\"; filename=\"my, notes.txt\"\r\n\
                    Content-Type: text/plain\r\n";
        self.upload_part(user, part, text).await
    }

    pub(super) async fn upload_part(
        &self,
        user: &str,
        part: &str,
        text: &str,
    ) -> reqwest::Result<(u16, Value)> {
        let url = format!("{}/api/v1/etl/ingest", self.lab.target_url);
        let body = format!("--cut\r\n{part}\r\n{text}\r\n--cut--\r\n");
        let request = self
            .client
            .post(url)
            .bearer_auth(format!("dev_{user}_analyst"));
        let request = request.header("content-type", "multipart/form-data; boundary=cut");
        let response = request.body(body).send().await?;
        Ok((response.status().as_u16(), response.json().await?))
    }

    pub(super) async fn call(&self, user: &str, session: &str) -> Call {
        let mut request = self.voice_request(session);
        let token = format!("Bearer dev_{user}_analyst");
        request
            .headers_mut()
            .insert("authorization", token.parse().unwrap());
        let (socket, _) = tokio_tungstenite::connect_async(request).await.unwrap();
        let mut call = Call(socket);
        assert_eq!(call.hear().await.unwrap()["type"], "agent_switched");
        call
    }

    pub(super) fn voice_request(
        &self,
        session: &str,
    ) -> tokio_tungstenite::tungstenite::handshake::client::Request {
        let host = self.lab.target_url.replace("http://", "ws://");
        let url = format!("{host}/api/v1/voice/voicelive/{session}");
        url.into_client_request().unwrap()
    }

    /// A page of the store.
    pub(super) async fn stored(&self, path: &str) -> Vec<Value> {
        let url = format!("{}/api/v1{path}", self.lab.memory_url);
        let page: Value = self
            .client
            .get(url)
            .send()
            .await
            .unwrap()
            .json()
            .await
            .unwrap();
        let rows = page.as_array().or_else(|| page["messages"].as_array());
        rows.unwrap().clone()
    }
}

/// A voice socket.
pub(super) struct Call(WebSocketStream<MaybeTlsStream<TcpStream>>);

/// How a spoken turn ended.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Spoken {
    Answered { heard: String, answer: String },
    Refused,
    Broken,
}

impl Call {
    pub(super) async fn send(&mut self, frame: Value) {
        self.0.send(Message::text(frame.to_string())).await.unwrap();
    }

    /// The next frame; `None` when the socket is over.
    pub(super) async fn hear(&mut self) -> Option<Value> {
        loop {
            match timeout(LONG, self.0.next()).await.unwrap() {
                Some(Ok(Message::Text(text))) => return Some(serde_json::from_str(&text).unwrap()),
                Some(Ok(Message::Close(_)) | Err(Error::ConnectionClosed | Error::Protocol(_)))
                | None => return None,
                Some(Ok(_)) => {}
                Some(Err(error)) => panic!("{error}"),
            }
        }
    }

    pub(super) async fn speak(&mut self, canary: &str) {
        let mut samples = tone::speak(canary);
        samples.resize(samples.len() + 20_000, 0);
        for frame in samples.chunks(4_096) {
            let bytes: Vec<u8> = frame.iter().flat_map(|s| s.to_le_bytes()).collect();
            self.send(json!({"type": "audio", "data": STANDARD.encode(bytes)}))
                .await;
        }
    }

    /// Speaks, and listens to the end of the turn.
    pub(super) async fn turn(&mut self, canary: &str) -> Spoken {
        self.speak(canary).await;
        let mut heard = String::new();
        while let Some(frame) = self.hear().await {
            let text = frame["text"].as_str().unwrap_or_default().to_owned();
            match (
                frame["type"].as_str(),
                frame["speaker"].as_str(),
                frame["status"].as_str(),
            ) {
                (Some("error"), _, _) => return Spoken::Refused,
                (_, Some("user"), Some("complete")) => heard = text,
                (_, Some("assistant"), Some("complete")) => {
                    return Spoken::Answered {
                        heard,
                        answer: text,
                    };
                }
                _ => {}
            }
        }
        Spoken::Broken
    }
}

pub(super) fn canary(user: u32, session: u32, item: u16, kind: CanaryKind) -> String {
    let id = CanaryId {
        run: RUN,
        user: UserIx(user),
        session: SessionIx(session),
        item,
        kind,
    };
    canary::plant(id, &[])
}
