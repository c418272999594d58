//! Is the voice socket shut for those who have no business there?

use std::time::Duration;

use tokio::time::timeout;
use url::Url;

use super::PreflightError;
use super::identity;
use crate::auth::{Secret, mask};
use crate::clock::RunClock;
use crate::scenario::Target;
use crate::wire::{Dialer, Endpoint, OpenError, Socket};

/// What a socket does with a credential.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VoiceDoor {
    /// It lets nobody in: refused, or closed at once.
    Shut,
    /// It is ready to listen.
    Open,
}

/// Opens the voice socket once with this credential, or with none, and closes it again. Nothing
/// is said but the credential.
///
/// # Errors
/// The target cannot be reached.
pub async fn try_voice_door(
    (url, target): (&Url, &Target),
    path: &str,
    secret: Option<&Secret>,
    limit: Duration,
) -> Result<VoiceDoor, PreflightError> {
    let endpoint = Endpoint::new(url)?;
    let name = endpoint.to_string();
    let dialer = Dialer::new(endpoint, RunClock::start(), limit, 1);
    let opening = identity::opening(target, path, secret);
    let mut socket = match Socket::open(&dialer, &opening.path, opening.headers, limit).await {
        Ok(socket) => socket,
        Err(OpenError::Refused { .. }) => return Ok(VoiceDoor::Shut),
        Err(error) => {
            return Err(PreflightError::Unreachable {
                target: name,
                reason: mask(&error.to_string(), secret),
            });
        }
    };
    if let Some(frame) = opening.first_frame {
        // Who does not take it says no by closing.
        let said =
            async { socket.feed(frame.into()).await.is_ok() && socket.flush().await.is_ok() };
        said.await;
    }
    // Some targets agree to the upgrade and close with a reason then.
    let said = timeout(limit, socket.next_text()).await;
    socket.close().await;
    Ok(match said {
        Ok(Ok(text)) if !text.as_str().contains("\"error\"") => VoiceDoor::Open,
        Ok(_) => VoiceDoor::Shut,
        // Who keeps the socket open has let somebody in.
        Err(_) => VoiceDoor::Open,
    })
}
