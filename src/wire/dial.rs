//! Opening connections: address, TCP, TLS, and how many may be open at once.
#![expect(
    clippy::disallowed_methods,
    reason = "addresses are kept for a time, by the machine's clock"
)]

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use hyper::Uri;
use hyper::header::HeaderValue;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use tokio::net::{TcpStream, lookup_host};
use tokio::sync::{Mutex, OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use url::{Host, Url};

use super::tap::{Link, Stream};
use crate::clock::RunClock;

/// How long a resolved name is used again before it is asked anew.
const ADDRESS_TTL: Duration = Duration::from_secs(10);
/// Descriptors left to everything that is not a connection to the target.
const DESCRIPTORS_SPARE: u64 = 256;
/// Descriptors to ask the system for; more connections than this are never opened.
const DESCRIPTORS_WANTED: u64 = 131_072;

/// Where the target is.
#[derive(Debug, Clone)]
pub struct Endpoint {
    url: Url,
    tls: bool,
    host: Host<String>,
    port: u16,
    authority: HeaderValue,
}

/// Why a URL is no target.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("use `{url}` as the target: it must be `http://HOST[:PORT]` or `https://HOST[:PORT]`")]
pub struct EndpointError {
    /// The URL.
    pub url: String,
}

/// Why a connection could not be opened. Nothing of any request was written.
#[derive(Debug, thiserror::Error)]
pub enum DialError {
    /// The name has no address.
    #[error("find an address for `{host}`: {source}")]
    Address {
        /// The name.
        host: String,
        /// Why.
        source: io::Error,
    },
    /// The target did not take the connection.
    #[error("connect: {0}")]
    Connect(io::Error),
    /// TLS was not agreed on.
    #[error("agree on TLS: {0}")]
    Tls(io::Error),
    /// It took too long.
    #[error("connect within {} ms", .0.as_millis())]
    Timeout(Duration),
}

/// Opens connections to one target, at most so many at once.
pub struct Dialer {
    endpoint: Endpoint,
    tls: Option<Result<TlsConnector, rustls::Error>>,
    clock: RunClock,
    limit: Duration,
    places: Arc<Semaphore>,
    resolved: Mutex<Option<(Instant, Vec<SocketAddr>)>>,
}

/// How many connections this process may hold: its limit of descriptors, raised as far as the
/// system allows, less a reserve.
pub fn connections_max() -> usize {
    let now = getrlimit(Resource::Nofile);
    let ceiling = now.maximum.unwrap_or(u64::MAX).min(DESCRIPTORS_WANTED);
    let current = now.current.unwrap_or(u64::MAX);
    let mut granted = current;
    if current < ceiling {
        let raised = Rlimit {
            current: Some(ceiling),
            maximum: now.maximum,
        };
        if setrlimit(Resource::Nofile, raised).is_ok() {
            granted = ceiling;
        }
    }
    let connections = granted
        .min(DESCRIPTORS_WANTED)
        .saturating_sub(DESCRIPTORS_SPARE);
    usize::try_from(connections).unwrap_or(usize::MAX).max(1)
}

impl Endpoint {
    /// The endpoint of a base URL.
    ///
    /// # Errors
    /// The URL has another scheme or no host.
    pub fn new(url: &Url) -> Result<Self, EndpointError> {
        let mut url = url.clone();
        // A name and password in it are no way to authenticate here, and must not be printed. A
        // URL that has no place for them has none.
        url.set_username("").ok();
        url.set_password(None).ok();
        let refuse = || EndpointError {
            url: url.to_string(),
        };
        let tls = match url.scheme() {
            "http" => false,
            "https" => true,
            _ => return Err(refuse()),
        };
        let host = url.host().ok_or_else(refuse)?.to_owned();
        let port = url.port_or_known_default().ok_or_else(refuse)?;
        let authority = match url.port() {
            Some(port) => format!("{host}:{port}"),
            None => host.to_string(),
        };
        let authority = HeaderValue::from_str(&authority).map_err(|_| refuse())?;
        Ok(Self {
            url,
            tls,
            host,
            port,
            authority,
        })
    }

    /// The value of the `Host` header.
    pub fn authority(&self) -> HeaderValue {
        self.authority.clone()
    }

    /// A path below the base URL, as a request names it; `?` starts the query, and what may not
    /// stand in a URL is escaped.
    ///
    /// # Errors
    /// The path is too long for a URL.
    pub fn path(&self, path: &str) -> Result<Uri, EndpointError> {
        let url = self.below(path);
        let text = match url.query() {
            Some(query) => format!("{}?{query}", url.path()),
            None => url.path().to_owned(),
        };
        text.parse().map_err(|_| EndpointError {
            url: url.to_string(),
        })
    }

    /// A path below the base URL, as a WebSocket's address.
    ///
    /// # Errors
    /// The path is too long for a URL.
    pub fn socket_uri(&self, path: &str) -> Result<Uri, EndpointError> {
        let url = self.below(path);
        let scheme = if self.tls { "wss" } else { "ws" };
        let rest = url.as_str().trim_start_matches(url.scheme());
        format!("{scheme}{rest}")
            .parse()
            .map_err(|_| EndpointError {
                url: url.to_string(),
            })
    }

    fn below(&self, path: &str) -> Url {
        let (path, query) = match path.split_once('?') {
            Some((path, query)) => (path, Some(query)),
            None => (path, None),
        };
        let mut url = self.url.clone();
        let base = self.url.path().trim_end_matches('/');
        url.set_path(&format!("{base}/{}", path.trim_start_matches('/')));
        url.set_query(query);
        url.set_fragment(None);
        url
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.url.as_str().trim_end_matches('/'))
    }
}

impl fmt::Debug for Dialer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Dialer")
            .field("endpoint", &self.endpoint)
            .field("places", &self.places.available_permits())
            .finish_non_exhaustive()
    }
}

impl Dialer {
    /// A dialer that gives up on a connection after `limit` and holds at most `connections_max`.
    pub fn new(
        endpoint: Endpoint,
        clock: RunClock,
        limit: Duration,
        connections_max: usize,
    ) -> Self {
        let tls = endpoint.tls.then(tls_connector);
        Self {
            endpoint,
            tls,
            clock,
            limit,
            places: Arc::new(Semaphore::new(connections_max.min(Semaphore::MAX_PERMITS))),
            resolved: Mutex::new(None),
        }
    }

    /// The target.
    pub fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// The clock by which written bytes are timed.
    pub fn clock(&self) -> RunClock {
        self.clock
    }

    /// Is the number of connections that may be open reached?
    pub fn full(&self) -> bool {
        self.places.available_permits() == 0
    }

    /// Opens a connection; waits for a place where the number of open ones is reached.
    ///
    /// # Errors
    /// The target could not be reached in time.
    pub async fn dial(&self) -> Result<Link, DialError> {
        timeout(self.limit, self.connect())
            .await
            .unwrap_or(Err(DialError::Timeout(self.limit)))
    }

    async fn connect(&self) -> Result<Link, DialError> {
        let place = self.place().await?;
        let tcp = self.connect_tcp().await?;
        tcp.set_nodelay(true).map_err(DialError::Connect)?;
        let stream = match &self.tls {
            None => Stream::Plain(tcp),
            Some(Err(error)) => return Err(DialError::Tls(io::Error::other(error.clone()))),
            Some(Ok(connector)) => {
                let name = server_name(&self.endpoint.host)?;
                let tls = connector.connect(name, tcp).await.map_err(DialError::Tls)?;
                Stream::Tls(Box::new(tls))
            }
        };
        Ok(Link::new(stream, self.clock, place))
    }

    async fn place(&self) -> Result<OwnedSemaphorePermit, DialError> {
        Arc::clone(&self.places)
            .acquire_owned()
            .await
            .map_err(|closed| DialError::Connect(io::Error::other(closed)))
    }

    async fn connect_tcp(&self) -> Result<TcpStream, DialError> {
        let port = self.endpoint.port;
        match &self.endpoint.host {
            Host::Ipv4(ip) => TcpStream::connect((*ip, port)).await,
            Host::Ipv6(ip) => TcpStream::connect((*ip, port)).await,
            Host::Domain(name) => {
                let addresses = self.resolve(name, port).await?;
                TcpStream::connect(addresses.as_slice()).await
            }
        }
        .map_err(DialError::Connect)
    }

    /// Asked once for all who wait, because each question costs a thread while it is open.
    async fn resolve(&self, name: &str, port: u16) -> Result<Vec<SocketAddr>, DialError> {
        let mut resolved = self.resolved.lock().await;
        if let Some((at, addresses)) = resolved.as_ref()
            && at.elapsed() < ADDRESS_TTL
        {
            return Ok(addresses.clone());
        }
        let found = lookup_host((name, port))
            .await
            .map_err(|source| DialError::Address {
                host: name.to_owned(),
                source,
            })?;
        let addresses: Vec<_> = found.collect();
        *resolved = Some((Instant::now(), addresses.clone()));
        Ok(addresses)
    }
}

/// Certificates are checked against the system's roots. Without one root every connection fails
/// and says so, which is better than a run that checks nothing.
fn tls_connector() -> Result<TlsConnector, rustls::Error> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(TlsConnector::from(Arc::new(config)))
}

fn server_name(host: &Host<String>) -> Result<ServerName<'static>, DialError> {
    match host {
        Host::Domain(name) => ServerName::try_from(name.clone())
            .map_err(|error| DialError::Tls(io::Error::new(io::ErrorKind::InvalidInput, error))),
        Host::Ipv4(ip) => Ok(ServerName::IpAddress((*ip).into())),
        Host::Ipv6(ip) => Ok(ServerName::IpAddress((*ip).into())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn endpoint(url: &str) -> Endpoint {
        Endpoint::new(&url.parse().unwrap()).unwrap()
    }

    #[test]
    fn paths_lie_below_the_base() {
        for (base, path, expect) in [
            ("http://127.0.0.1:9", "/api/v1/chat", "/api/v1/chat"),
            ("http://127.0.0.1:9/", "api/v1/chat", "/api/v1/chat"),
            ("https://h.example/engram/", "/chat", "/engram/chat"),
            ("http://h.example", "/a b?x=1", "/a%20b?x=1"),
        ] {
            assert_eq!(endpoint(base).path(path).unwrap().to_string(), expect);
        }
    }

    #[test]
    fn sockets_keep_the_security_of_the_target() {
        for (base, expect) in [
            ("http://127.0.0.1:9", "ws://127.0.0.1:9/voice/s1"),
            ("https://h.example", "wss://h.example/voice/s1"),
        ] {
            let uri = endpoint(base).socket_uri("/voice/s1").unwrap();
            assert_eq!(uri.to_string(), expect);
        }
    }

    #[test]
    fn a_password_is_not_shown() {
        let endpoint = endpoint("http://me:hunter2@h.example/");
        assert_eq!(endpoint.to_string(), "http://h.example");
        assert!(!format!("{endpoint:?}").contains("hunter2"));
        let ftp = "ftp://me:hunter2@h.example".parse().unwrap();
        assert!(!Endpoint::new(&ftp).unwrap_err().url.contains("hunter2"));
    }

    #[test]
    fn other_schemes_are_refused() {
        for url in ["ftp://h.example", "data:text/plain,x", "file:///x"] {
            assert!(Endpoint::new(&url.parse().unwrap()).is_err(), "{url}");
        }
    }
}
