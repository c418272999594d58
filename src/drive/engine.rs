//! What all sessions of a drive share: the target, the clock, and where events go.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use hyper::Uri;
use hyper::header::HeaderValue;
use tokio::sync::mpsc;
use tokio::time::sleep;

use super::DriveConfig;
use super::pulse::{Pulse, Sign, Suspicion};
use super::resources;
use crate::auth::TokenSource;
use crate::clock::RunClock;
use crate::event::Event;
use crate::model::{Completion, Invocation, ResourceSample, RunId};
use crate::plan::Plan;
use crate::scenario::Target;
use crate::stop::Stop;
use crate::wire::{Dialer, Endpoint, EndpointError, HttpClient, connections_max};

/// How often the pulse is looked at.
const PULSE_EVERY: Duration = Duration::from_millis(250);

/// Shared by all sessions.
pub(super) struct Engine {
    pub(super) plan: Arc<Plan>,
    pub(super) run: RunId,
    pub(super) clock: RunClock,
    pub(super) tokens: TokenSource,
    pub(super) dialer: Arc<Dialer>,
    pub(super) http: HttpClient,
    pub(super) routes: Routes,
    /// Stops sessions: asked by `drive` alone.
    pub(super) halt: Stop,
    events: mpsc::Sender<Event>,
    pulse: Pulse,
    in_flight: AtomicU32,
    dropped_arrivals: AtomicU64,
}

/// Where requests go, as they name it.
pub(super) struct Routes {
    pub(super) authority: HeaderValue,
    pub(super) chat: Uri,
    pub(super) upload: Uri,
}

/// An operation in flight: counted until it is dropped.
pub(super) struct InFlight<'a>(&'a AtomicU32);

/// Nobody listens to events any more, so nothing more may be done.
pub(super) struct NobodyListens;

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Engine {
    pub(super) fn new(
        plan: Arc<Plan>,
        config: &DriveConfig,
        events: mpsc::Sender<Event>,
        halt: Stop,
    ) -> Result<Self, EndpointError> {
        let endpoint = Endpoint::new(&config.target)?;
        let target = &plan.scenario().target;
        let routes = Routes {
            authority: endpoint.authority(),
            chat: endpoint.path(&target.paths.chat)?,
            upload: endpoint.path(&target.paths.upload)?,
        };
        let connect_limit = target.timeouts.connect;
        let dialer = Arc::new(Dialer::new(
            endpoint,
            config.clock,
            connect_limit,
            connections_max(),
        ));
        Ok(Self {
            plan,
            run: config.run,
            clock: config.clock,
            tokens: config.tokens,
            http: HttpClient::new(Arc::clone(&dialer)),
            dialer,
            routes,
            halt,
            events,
            pulse: Pulse::new(config.clock.now()),
            in_flight: AtomicU32::new(0),
            dropped_arrivals: AtomicU64::new(0),
        })
    }

    pub(super) fn target(&self) -> &Target {
        &self.plan.scenario().target
    }

    /// Tells that an operation begins; nothing of it may be written before.
    pub(super) async fn invoked(
        &self,
        invocation: Invocation,
    ) -> Result<InFlight<'_>, NobodyListens> {
        self.in_flight.fetch_add(1, Ordering::Relaxed);
        let in_flight = InFlight(&self.in_flight);
        self.tell(Event::Invoked(invocation)).await?;
        Ok(in_flight)
    }

    /// Tells that an operation has ended.
    pub(super) async fn completed(
        &self,
        completion: Completion,
        sign: Sign,
    ) -> Result<(), NobodyListens> {
        self.pulse.note(sign, completion.completed);
        self.tell(Event::Completed(completion)).await
    }

    pub(super) async fn tell(&self, event: Event) -> Result<(), NobodyListens> {
        self.events.send(event).await.map_err(|_| NobodyListens)
    }

    /// Measures the generator itself.
    pub(super) async fn sample(&self) {
        let sample = ResourceSample {
            at: self.clock.now(),
            cpu: resources::cpu(),
            rss_bytes: resources::rss_bytes(),
            in_flight: self.in_flight.load(Ordering::Relaxed),
        };
        // Sessions notice by themselves if nobody listens.
        self.tell(Event::Sampled(sample)).await.ok();
    }

    pub(super) fn arrival_dropped(&self) {
        self.dropped_arrivals.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn dropped_arrivals(&self) -> u64 {
        self.dropped_arrivals.load(Ordering::Relaxed)
    }

    /// Returns once the target can no longer be reached.
    pub(super) async fn lost(&self) {
        loop {
            sleep(PULSE_EVERY).await;
            let gone = match self.pulse.suspicion(self.clock.now()) {
                Suspicion::None => false,
                Suspicion::Ask => self.refuses_connections().await,
                Suspicion::Certain => true,
            };
            if gone {
                return;
            }
        }
    }

    /// Was the target gone when the last operation ended?
    pub(super) async fn target_gone(&self) -> bool {
        match self.pulse.suspicion_at_end() {
            Suspicion::None => false,
            Suspicion::Ask => self.refuses_connections().await,
            Suspicion::Certain => true,
        }
    }

    /// A connection without a request: the target has nothing to do for it.
    async fn refuses_connections(&self) -> bool {
        // Waiting for a place says nothing about the target.
        !self.dialer.full() && self.dialer.dial().await.is_err()
    }
}
