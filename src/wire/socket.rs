//! One WebSocket of text frames.

use std::sync::Arc;
use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use hyper::HeaderMap;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{self, Message};
use tokio_tungstenite::{WebSocketStream, client_async_with_config};

use super::dial::{DialError, Dialer, EndpointError};
use super::http::Fault;
use super::tap::{Link, Tap};
use crate::model::limits::ANSWER_BYTES_MAX;

/// Bytes of each buffer of a socket: larger ones make idle sockets dear.
const BUFFER_BYTES: usize = 4 * 1024;
/// Bytes that may wait to be written before the socket counts as broken.
const WRITE_BYTES_MAX: usize = 256 * 1024;
/// How long the last frame of a socket may take to be written.
const CLOSE_LIMIT: Duration = Duration::from_secs(1);

/// The text of one frame. Copies share it.
pub use tokio_tungstenite::tungstenite::Utf8Bytes as Text;

/// An open WebSocket.
#[derive(Debug)]
pub struct Socket {
    stream: WebSocketStream<Link>,
    tap: Arc<Tap>,
}

/// Why a socket could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// No connection: nothing was written.
    #[error("could not {0}")]
    Dial(#[from] DialError),
    /// The path cannot stand in an address: nothing was written.
    #[error("could not {0}")]
    Address(#[from] EndpointError),
    /// The address makes no upgrade request: nothing was written.
    #[error("could not ask for the upgrade: {0}")]
    Request(#[from] tungstenite::Error),
    /// The upgrade was answered with another status.
    #[error("the upgrade was answered with status {status}")]
    Refused {
        /// The status.
        status: u16,
    },
    /// The upgrade has no proper answer.
    #[error("the upgrade failed: {0}")]
    Broken(String),
    /// The upgrade took too long.
    #[error("no upgrade within {} ms", .0.as_millis())]
    Timeout(Duration),
}

impl Socket {
    /// Opens a socket at an address below the target, with headers beside those of the upgrade.
    ///
    /// # Errors
    /// The target could not be reached, or does not agree to the upgrade in time.
    pub async fn open(
        dialer: &Dialer,
        path: &str,
        headers: HeaderMap,
        limit: Duration,
    ) -> Result<Self, OpenError> {
        let mut request = dialer.endpoint().socket_uri(path)?.into_client_request()?;
        request.headers_mut().extend(headers);
        let link = dialer.dial().await?;
        let tap = link.tap();
        let config = WebSocketConfig::default()
            .read_buffer_size(BUFFER_BYTES)
            .write_buffer_size(BUFFER_BYTES)
            .max_write_buffer_size(WRITE_BYTES_MAX)
            .max_message_size(Some(ANSWER_BYTES_MAX))
            .max_frame_size(Some(ANSWER_BYTES_MAX));
        let upgrade = client_async_with_config(request, link, Some(config));
        match timeout(limit, upgrade).await {
            Ok(Ok((stream, _response))) => Ok(Self { stream, tap }),
            Ok(Err(tungstenite::Error::Http(response))) => Err(OpenError::Refused {
                status: response.status().as_u16(),
            }),
            Ok(Err(error)) => Err(OpenError::Broken(error.to_string())),
            Err(_) => Err(OpenError::Timeout(limit)),
        }
    }

    /// The notes on what is written.
    pub fn tap(&self) -> &Tap {
        &self.tap
    }

    /// Takes a text frame to be written with the next flush, or sooner.
    ///
    /// # Errors
    /// The socket is closed or broken.
    pub async fn feed(&mut self, text: Text) -> Result<(), Fault> {
        self.stream
            .feed(Message::Text(text))
            .await
            .map_err(|error| fault(&error))
    }

    /// Writes everything that was fed.
    ///
    /// # Errors
    /// The socket is closed or broken.
    pub async fn flush(&mut self) -> Result<(), Fault> {
        self.stream.flush().await.map_err(|error| fault(&error))
    }

    /// The next text frame; other frames are passed over. Nothing is lost if the future is
    /// dropped.
    ///
    /// # Errors
    /// The socket was closed or broke.
    pub async fn next_text(&mut self) -> Result<Text, Fault> {
        loop {
            match self.stream.next().await {
                Some(Ok(Message::Text(text))) => return Ok(text),
                Some(Ok(Message::Close(Some(frame)))) => {
                    return Err(Fault::Broken(format!("closed by the target: {frame}")));
                }
                Some(Ok(Message::Close(None))) | None => {
                    return Err(Fault::Broken("closed by the target".to_owned()));
                }
                Some(Ok(
                    Message::Binary(_) | Message::Ping(_) | Message::Pong(_) | Message::Frame(_),
                )) => {}
                Some(Err(error)) => return Err(fault(&error)),
            }
        }
    }

    /// Says goodbye and closes; does not wait for the target's.
    pub async fn close(mut self) {
        let goodbye = async {
            if self.stream.send(Message::Close(None)).await.is_ok() {
                // The target learns of the close one way or the other.
                self.stream.flush().await.ok();
            }
        };
        timeout(CLOSE_LIMIT, goodbye).await.ok();
    }
}

fn fault(error: &tungstenite::Error) -> Fault {
    if matches!(error, tungstenite::Error::Capacity(_)) {
        Fault::TooLarge
    } else {
        Fault::Broken(error.to_string())
    }
}
