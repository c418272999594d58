//! Ctrl-C and SIGTERM: the first asks the running phase to end early, the second to leave at once.
#![expect(
    clippy::disallowed_methods,
    reason = "listens to signals in a task of its own"
)]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use tokio::signal::unix::{SignalKind, signal};

use crate::stop::{Stop, StopLevel, Stopper, stop_pair};

use super::exit::Exit;

/// What has been heard, and whom to tell.
#[derive(Debug)]
pub(super) struct Signals {
    /// Asked to drain by the first signal while driving, to leave by the second at any time.
    pub drive: Stop,
    /// Asked to leave by the first signal after the drive, or by the second at any time.
    pub observe: Stop,
    /// Asks the drive to stop as a first signal does.
    pub stopper: Stopper,
    heard: Arc<Heard>,
}

#[derive(Debug, Default)]
struct Heard {
    count: AtomicU32,
    last_was_terminate: AtomicBool,
    driving_is_over: AtomicBool,
}

/// Starts listening.
///
/// # Errors
/// The handlers could not be installed.
pub(super) fn listen() -> std::io::Result<Signals> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let (drive_stopper, drive) = stop_pair();
    let (observe_stopper, observe) = stop_pair();
    let heard = Arc::new(Heard::default());
    let hearing = Arc::clone(&heard);
    let stopper = drive_stopper.clone();
    tokio::spawn(async move {
        loop {
            let terminated = tokio::select! {
                _ = interrupt.recv() => false,
                _ = terminate.recv() => true,
            };
            hearing
                .last_was_terminate
                .store(terminated, Ordering::SeqCst);
            let count = hearing.count.fetch_add(1, Ordering::SeqCst) + 1;
            let over = hearing.driving_is_over.load(Ordering::SeqCst);
            tell(count, over, &drive_stopper, &observe_stopper);
        }
    });
    Ok(Signals {
        drive,
        observe,
        stopper,
        heard,
    })
}

fn tell(count: u32, driving_is_over: bool, drive: &Stopper, observe: &Stopper) {
    if count >= 2 {
        drive.ask(StopLevel::Leave);
        observe.ask(StopLevel::Leave);
    } else if driving_is_over {
        observe.ask(StopLevel::Leave);
    } else {
        drive.ask(StopLevel::Drain);
    }
}

impl Signals {
    /// From now on a first signal ends the reading back.
    pub(super) fn driving_is_over(&self) {
        self.heard.driving_is_over.store(true, Ordering::SeqCst);
    }

    /// Returns at the first signal, with how a process ends that has nothing to drain.
    pub(super) async fn heard(&self) -> Exit {
        self.drive.clone().reached(StopLevel::Drain).await;
        self.exit()
    }

    /// Was the drive asked to stop, and by no signal? Only whoever watches for findings does that.
    pub(super) fn stopped_by_ourselves(&self) -> bool {
        let asked = self.drive.level() >= StopLevel::Drain;
        asked && self.heard.count.load(Ordering::SeqCst) == 0
    }

    /// How the process ends if a second signal was heard.
    pub(super) fn left(&self) -> Option<Exit> {
        let left = self.heard.count.load(Ordering::SeqCst) >= 2;
        left.then_some(self.exit())
    }

    fn exit(&self) -> Exit {
        if self.heard.last_was_terminate.load(Ordering::SeqCst) {
            Exit::LeftByTerminate
        } else {
            Exit::LeftByInterrupt
        }
    }
}
