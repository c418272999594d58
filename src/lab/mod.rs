//! The practice target: an Engram-like backend and a Zep-like store in one process.
//!
//! It serves HTTP and voice sockets on loopback. Without faults it keeps its users apart under any
//! load it accepts; with faults it goes wrong in known ways and writes down every record that
//! came out wrong. It shares nothing with the rooms that judge but the model and the canaries.
#![expect(
    clippy::disallowed_methods,
    reason = "the two servers run in tasks of their own"
)]

mod doors;
mod engram;
mod exchange;
mod faults;
mod lines;
mod log;
mod pool;
mod profile;
mod queue;
mod quirks;
mod races;
mod stamp;
mod strangers;
mod truth;
mod zep;

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::http::StatusCode;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::net::{TcpListener, TcpSocket};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};

use self::doors::{ConnectionIx, Doors};
use self::engram::Engram;
use self::lines::{Lines, LinesEnd};
use self::log::Log;
use self::quirks::Quirks;
use self::stamp::Dice;
use self::truth::Truth;
use self::zep::Store;
use crate::stop::{Stop, StopLevel};

pub use self::faults::{FaultKind, FaultSpec, FaultSpecError};
pub use self::log::LogFormat;
pub use self::profile::{Profile, ProfileError};
pub use self::quirks::QuirkKind;

/// Connections that may wait to be accepted.
const BACKLOG: u32 = 4_096;
/// How long open connections may go on after a stop.
const CONNECTIONS_GRACE: Duration = Duration::from_secs(2);
/// How long background tasks may go on after a stop.
const BACKGROUND_GRACE: Duration = Duration::from_secs(12);
/// How often the background tasks are counted while they end.
const BACKGROUND_POLL: Duration = Duration::from_millis(5);

/// Where the lab's log goes.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum LogTarget {
    /// Standard error.
    #[default]
    Stderr,
    /// A file, which is replaced.
    Path(PathBuf),
    /// Standard output, behind the line that says where the lab listens.
    Stdout,
}

/// What a lab is started with; by default free ports, no faults, and its log to standard error.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct LabConfig {
    /// The backend's port, with the store on the next; `None` takes two free ports.
    pub port: Option<u16>,
    /// Faults to plant; none for a lab that is right.
    pub faults: Vec<FaultSpec>,
    /// Oddities that are no faults.
    pub quirks: Vec<QuirkKind>,
    /// Whose behaviour it has.
    pub profile: Profile,
    /// Where every record that came out wrong is written, as JSON lines; the file is replaced.
    pub truth: Option<PathBuf>,
    /// Answer every API request of the backend with this status, health apart.
    pub answer_status: Option<u16>,
    /// A JWKS document; tokens that are signed with its keys are accepted, and name their owner
    /// by `oid`.
    pub jwks: Option<PathBuf>,
    /// Where the log goes.
    pub log: LogTarget,
    /// How its lines look.
    pub log_format: LogFormat,
}

/// Why a lab could not be started or ended.
#[derive(Debug, thiserror::Error)]
pub enum LabError {
    /// A port could not be listened on.
    #[error("listen on {address}: {source}; choose another port or none")]
    Listen {
        /// Where.
        address: SocketAddr,
        /// Why not.
        source: io::Error,
    },
    /// The backend's port leaves no room for the store's.
    #[error("put the store on the port behind {port}; choose a port below 65535")]
    NoPortForStore {
        /// The backend's port.
        port: u16,
    },
    /// Not a status of HTTP.
    #[error("answer with status {status}; choose one from 100 to 999")]
    BadStatus {
        /// What was given.
        status: u16,
    },
    /// A file could not be opened.
    #[error("open {what} file {path}: {source}", path = path.display())]
    Open {
        /// What for.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// A document of keys is none.
    #[error("use the keys in {path}: {reason}", path = path.display())]
    Keys {
        /// The file.
        path: PathBuf,
        /// Why not.
        reason: String,
    },
    /// Whoever should have used it before the run could not.
    #[error("answer somebody before the run: {source}")]
    WarmUp {
        /// Why not.
        source: io::Error,
    },
    /// Something could not be written to the end.
    #[error("write the {what}: {source}")]
    Write {
        /// What.
        what: &'static str,
        /// Why not.
        source: io::Error,
    },
}

/// A lab that is running.
#[derive(Debug)]
pub struct Lab {
    /// Base URL of the backend, without a path.
    pub target_url: String,
    /// Base URL of the store, without a path.
    pub memory_url: String,
    engram: Arc<Engram>,
    servers: [JoinHandle<()>; 2],
    /// Tells the servers to take no more connections.
    closing: watch::Sender<bool>,
    log_end: LinesEnd,
    truth_end: LinesEnd,
}

/// Starts a lab; it serves when this returns.
///
/// # Errors
/// A port is taken, a file cannot be opened, or a setting is out of range.
pub async fn start(config: LabConfig) -> Result<Lab, LabError> {
    let answer_status = config.answer_status.map(status).transpose()?;
    let keys = match config.jwks {
        None => engram::Keys::default(),
        Some(path) => read_keys(path).await?,
    };
    raise_descriptor_limit();
    let (target_port, memory_port) = ports(config.port)?;
    let (target_listener, target_url) = listen(target_port)?;
    let (memory_listener, memory_url) = listen(memory_port)?;
    let (log, log_end) = match config.log {
        LogTarget::Stderr => lines::to_stderr(),
        LogTarget::Stdout => lines::to_stdout(),
        LogTarget::Path(path) => open("log", path).await?,
    };
    let (truth, truth_end) = match config.truth {
        None => lines::nowhere(),
        Some(path) => open("truth", path).await?,
    };
    let dice = Arc::new(Dice::new());
    let pages_lost = config.faults.iter().find(|f| f.kind == FaultKind::PageLost);
    let pages_lost = pages_lost.map_or(0.0, |fault| fault.rate);
    let quirks = Quirks(config.quirks);
    let store = Store::new(Arc::clone(&dice), quirks.clone(), pages_lost);
    let store = Arc::new(store.of(config.profile.world()));
    let (closing, closed) = watch::channel(false);
    strangers::start(&quirks, &store, &dice, &closed);
    let (restart, restarts) = watch::channel(0);
    let engram = Arc::new(Engram::new(engram::Parts {
        store: Arc::clone(&store),
        dice,
        log: Log {
            lines: log,
            format: config.log_format,
        },
        truth: Truth(truth),
        faults: config.faults,
        quirks,
        profile: config.profile,
        restart,
        answer_status,
        keys,
    }));
    let target = engram::router(Arc::clone(&engram));
    let doors = |listener: TcpListener| {
        let address = listener.local_addr();
        Doors::new(listener, restarts.clone()).map_err(|source| LabError::Listen {
            address: address.unwrap_or_else(|_| SocketAddr::from((Ipv4Addr::LOCALHOST, 0))),
            source,
        })
    };
    let (target_doors, memory_doors) = (doors(target_listener)?, doors(memory_listener)?);
    let lab = Lab {
        target_url,
        memory_url,
        engram,
        servers: [
            serve(target_doors, target, closed.clone()),
            serve(memory_doors, zep::router(store), closed),
        ],
        closing,
        log_end,
        truth_end,
    };
    let ready = lab.warm_up().await;
    ready.map_err(|source| LabError::WarmUp { source })?;
    Ok(lab)
}

fn status(status: u16) -> Result<StatusCode, LabError> {
    StatusCode::from_u16(status).map_err(|_| LabError::BadStatus { status })
}

impl Lab {
    /// Has somebody use the backend, if a quirk wants that, until all that this began is over.
    async fn warm_up(&self) -> io::Result<()> {
        if !self.engram.is_warmed_up() {
            return Ok(());
        }
        strangers::use_once(&self.target_url).await?;
        sleep(self.engram.starting()).await;
        self.background_ends().await;
        Ok(())
    }

    /// Waits until no background task runs, but not for ever.
    async fn background_ends(&self) {
        let deadline = Instant::now() + BACKGROUND_GRACE;
        while self.engram.background() > 0 && Instant::now() < deadline {
            sleep(BACKGROUND_POLL).await;
        }
    }

    /// Serves until a stop is asked for, lets what was answered be stored, and writes out the
    /// truth and the log.
    ///
    /// # Errors
    /// The truth or the log could not be written.
    pub async fn stopped(self, mut stop: Stop) -> Result<(), LabError> {
        stop.reached(StopLevel::Drain).await;
        // A receiver that is gone is a server that has ended.
        let _ = self.closing.send(true);
        let ending = async {
            for mut server in self.servers {
                if timeout(CONNECTIONS_GRACE, &mut server).await.is_err() {
                    server.abort();
                }
            }
            let deadline = Instant::now() + BACKGROUND_GRACE;
            while self.engram.background() > 0 && Instant::now() < deadline {
                sleep(BACKGROUND_POLL).await;
            }
        };
        tokio::select! {
            () = ending => {}
            () = stop.reached(StopLevel::Leave) => {}
        }
        let written = |what, end: LinesEnd| {
            end.finish()
                .map_err(|source| LabError::Write { what, source })
        };
        // The truth matters more: it is written even where the log cannot be.
        let truth = written("truth", self.truth_end);
        truth.and(written("log", self.log_end))
    }
}

/// The two ports; 0 stands for any free one.
fn ports(port: Option<u16>) -> Result<(u16, u16), LabError> {
    match port {
        None | Some(0) => Ok((0, 0)),
        Some(port) => {
            let next = port
                .checked_add(1)
                .ok_or(LabError::NoPortForStore { port })?;
            Ok((port, next))
        }
    }
}

/// Every connection takes a descriptor, and usual soft limits are soon reached. Where the limit
/// cannot be raised, connections beyond it wait.
fn raise_descriptor_limit() {
    let now = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: now.maximum,
        maximum: now.maximum,
    };
    // A limit that stays is no error: most loads are far below it.
    let _ = setrlimit(Resource::Nofile, raised);
}

fn listen(port: u16) -> Result<(TcpListener, String), LabError> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let bound = || {
        let listener = listening(address)?;
        let url = format!("http://{}", listener.local_addr()?);
        Ok((listener, url))
    };
    bound().map_err(|source| LabError::Listen { address, source })
}

fn listening(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = TcpSocket::new_v4()?;
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

async fn read_keys(path: PathBuf) -> Result<engram::Keys, LabError> {
    let read = tokio::fs::read(&path).await;
    let keys = read
        .map_err(|error| error.to_string())
        .and_then(|bytes| engram::Keys::read(&bytes));
    keys.map_err(|reason| LabError::Keys { path, reason })
}

async fn open(what: &'static str, path: PathBuf) -> Result<(Lines, LinesEnd), LabError> {
    let opened = lines::to_file(&path).await;
    opened.map_err(|source| LabError::Open { what, path, source })
}

fn serve(doors: Doors, router: Router, mut closed: watch::Receiver<bool>) -> JoinHandle<()> {
    tokio::spawn(async move {
        let shutdown = async move {
            // A sender that is gone is a lab that is gone.
            let _ = closed.wait_for(|closed| *closed).await;
        };
        let service = router.into_make_service_with_connect_info::<ConnectionIx>();
        let served = axum::serve(doors, service).with_graceful_shutdown(shutdown);
        // It never fails: errors of single connections end those alone.
        let _ = served.await;
    })
}

#[cfg(test)]
mod tests;
