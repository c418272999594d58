//! What all sessions of a drive share: the target, the clock, and where events go.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use hyper::Uri;
use hyper::header::HeaderValue;
use tokio::sync::mpsc;
use tokio::time::sleep;

use super::breaker::Breaker;
use super::budget::{Budget, Exhausted, Spent};
use super::pulse::{Pulse, Sign, Suspicion};
use super::resources;
use super::sequential::Turns;
use super::{DriveConfig, DriveEnd};
use crate::auth::TokenSource;
use crate::clock::RunClock;
use crate::event::Event;
use crate::model::{Completion, GroupIx, Invocation, Micros, ResourceSample, RunId, UserIx};
use crate::plan::Plan;
use crate::scenario::{Connections, Target};
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
    breaker: Breaker,
    budget: Budget,
    /// The target was just started, and no operation has ended yet.
    just_started: AtomicBool,
    in_flight: AtomicU32,
    dropped_arrivals: AtomicU64,
    /// Where only one operation may be in flight.
    turns: Option<Turns>,
}

/// Where requests go, as they name it.
pub(super) struct Routes {
    pub(super) authority: HeaderValue,
    pub(super) chat: Uri,
    pub(super) upload: Uri,
    pub(super) turn: Uri,
    /// For paths that name a session.
    pub(super) endpoint: Endpoint,
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
            turn: endpoint.path(&target.paths.turn)?,
            endpoint: endpoint.clone(),
        };
        let connect_limit = target.timeouts.connect;
        let caps = plan.scenario().caps;
        let dialer = Arc::new(Dialer::new(
            endpoint,
            config.clock,
            connect_limit,
            connections_max(),
        ));
        Ok(Self {
            run: config.run,
            clock: config.clock,
            tokens: config.tokens.clone(),
            http: HttpClient::new(Arc::clone(&dialer), shared_connections(&plan)),
            plan,
            dialer,
            routes,
            halt,
            events,
            pulse: Pulse::new(config.clock.now()),
            breaker: Breaker::default(),
            budget: Budget::new(caps, config.spent, config.clock.now()),
            just_started: AtomicBool::new(config.target_just_started),
            in_flight: AtomicU32::new(0),
            dropped_arrivals: AtomicU64::new(0),
            turns: None,
        })
    }

    pub(super) fn target(&self) -> &Target {
        &self.plan.scenario().target
    }

    /// The name that a user goes by at the target.
    pub(super) fn user_name(&self, user: UserIx) -> String {
        self.plan.scenario().user_name(self.run, user)
    }

    /// Lets only one operation be in flight.
    pub(super) fn in_turns(mut self, turns: Turns) -> Self {
        self.turns = Some(turns);
        self
    }

    /// When an operation may begin that is wanted now, where the user bounds the rate.
    pub(super) fn place(&self) -> Option<Micros> {
        self.budget.place(self.clock.now())
    }

    /// Takes what an operation costs out of the user's bounds.
    ///
    /// # Errors
    /// One of them is reached: nothing more may begin.
    pub(super) fn pay(&self, model_calls: u64) -> Result<(), Exhausted> {
        self.budget.take(model_calls, self.clock.now())
    }

    /// What was spent of the user's bounds so far.
    pub(super) fn spent(&self) -> Spent {
        self.budget.spent(self.clock.now())
    }

    /// How the drive ended whose tasks have all ended.
    pub(super) fn end_of_all(&self) -> DriveEnd {
        let stopped_by = self.budget.stopped_by();
        stopped_by.map_or(DriveEnd::Finished, DriveEnd::Capped)
    }

    /// Tells that an operation begins; nothing of it may be written before.
    pub(super) async fn invoked(
        &self,
        mut invocation: Invocation,
    ) -> Result<InFlight<'_>, NobodyListens> {
        if let Some(turns) = &self.turns {
            turns.take().await?;
            invocation.invoked = self.clock.now();
        }
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
        let op = completion.op;
        self.pulse.note(sign, completion.completed);
        self.breaker.note(&completion);
        if self.is_first_after_start() {
            self.just_started.store(false, Ordering::Relaxed);
        }
        self.tell(Event::Completed(completion)).await?;
        if let Some(turns) = &self.turns {
            turns.give_back(op).await;
        }
        Ok(())
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

    /// Is an operation that begins now among the first of a target that was just started?
    pub(super) fn is_first_after_start(&self) -> bool {
        self.just_started.load(Ordering::Relaxed)
    }

    /// Returns once there is no use in going on: the target can no longer be reached, turns too
    /// much away, or the user has set a bound that is reached.
    pub(super) async fn given_up(&self) -> DriveEnd {
        loop {
            sleep(PULSE_EVERY).await;
            let now = self.clock.now();
            let gone = match self.pulse.suspicion(now) {
                Suspicion::None => false,
                Suspicion::Ask => self.refuses_connections().await,
                Suspicion::Certain => true,
            };
            if gone {
                return DriveEnd::TargetLost;
            }
            if self.breaker.is_open(now) {
                return DriveEnd::TargetThrottled;
            }
            if let Some(cap) = self.budget.reached(now) {
                return DriveEnd::Capped(cap);
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

/// The groups whose users share connections, and how many.
fn shared_connections(plan: &Plan) -> Vec<(GroupIx, u32)> {
    let groups = plan.scenario().groups.iter();
    let shared = groups.filter_map(|group| match group.connections {
        Connections::Own => None,
        Connections::Shared(connections) => Some((group.ix, connections)),
    });
    shared.collect()
}
