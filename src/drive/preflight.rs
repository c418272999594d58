//! Is there a target at all? Asked once, before anything is sent.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use hyper::Request;
use hyper::header::HOST;
use url::Url;

use crate::clock::RunClock;
use crate::model::UserIx;
use crate::wire::{
    DialError, Dialer, Endpoint, EndpointError, Fault, HttpClient, Lane, Manner, OutBody,
};

/// Why nothing should be sent. Fits after "could not ".
#[derive(Debug, thiserror::Error)]
pub enum PreflightError {
    /// The URL names no target.
    #[error(transparent)]
    Endpoint(#[from] EndpointError),
    /// Nothing listens there, or nothing answers.
    #[error("reach the target {target}: {reason}; is it running?")]
    Unreachable {
        /// The target.
        target: String,
        /// What was seen.
        reason: String,
    },
    /// It answers, and says that it is not well.
    #[error("use the target {target}: {path} answered {status} instead of 200")]
    Unhealthy {
        /// The target.
        target: String,
        /// What was asked.
        path: String,
        /// What was answered.
        status: u16,
    },
}

/// Asks the target once whether it is up.
///
/// # Errors
/// It cannot be reached within `timeout`, or does not answer with success.
pub async fn preflight(
    target: &Url,
    health_path: &str,
    timeout: Duration,
) -> Result<(), PreflightError> {
    let endpoint = Endpoint::new(target)?;
    let uri = endpoint.path(health_path)?;
    let target = endpoint.to_string();
    let authority = endpoint.authority();
    let dialer = Dialer::new(endpoint, RunClock::start(), timeout, 1);
    let client = HttpClient::new(Arc::new(dialer), []);
    let mut request = Request::new(OutBody::empty());
    *request.uri_mut() = uri;
    request.headers_mut().insert(HOST, authority);
    let exchange = client
        .exchange(Lane::Own(UserIx(0)), request, Manner::within(timeout))
        .await;
    match (exchange.body, exchange.status) {
        (Err(fault), _) => Err(PreflightError::Unreachable {
            target,
            reason: reason(&fault),
        }),
        (Ok(_), Some(200..=299)) => Ok(()),
        (Ok(_), status) => Err(PreflightError::Unhealthy {
            target,
            path: health_path.to_owned(),
            status: status.unwrap_or_default(),
        }),
    }
}

/// The commonest cause in two words, everything else as it is.
fn reason(fault: &Fault) -> String {
    match fault {
        Fault::Dial(DialError::Connect(error))
            if error.kind() == io::ErrorKind::ConnectionRefused =>
        {
            "connection refused".to_owned()
        }
        Fault::Dial(_)
        | Fault::Broken(_)
        | Fault::Malformed(_)
        | Fault::TooLarge
        | Fault::Timeout(_)
        | Fault::GivenUp(_) => fault.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    const LIMIT: Duration = Duration::from_secs(5);

    #[tokio::test]
    async fn nothing_listens() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        drop(listener);
        let url = format!("http://127.0.0.1:{port}").parse().unwrap();
        let error = preflight(&url, "/health", LIMIT).await.unwrap_err();
        assert_eq!(
            error.to_string(),
            format!("reach the target http://127.0.0.1:{port}: connection refused; is it running?")
        );
    }

    #[tokio::test]
    async fn a_sick_target_is_told_from_none() {
        let router = axum::Router::new().route("/health", axum::routing::get(|| async { "well" }));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap())
            .parse()
            .unwrap();
        tokio::spawn(async move { axum::serve(listener, router).await });
        preflight(&url, "/health", LIMIT).await.unwrap();
        let error = preflight(&url, "/sick", LIMIT).await.unwrap_err();
        assert!(
            matches!(error, PreflightError::Unhealthy { status: 404, .. }),
            "{error}"
        );
    }
}
