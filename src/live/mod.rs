//! What the user sees while a run goes on: sinks over the event stream, on stderr.
//!
//! A sink is called for every event, so it only counts; it draws by time, and takes the time
//! from the events themselves. What the bars look like is in `bars.rs`, the lines for logs and
//! pipes are in `plain.rs`. Nothing here is evidence: a verdict is computed from the ledger.

use std::collections::BTreeMap;
use std::fmt;
use std::io::{self, IsTerminal};

use crate::event::{Event, Sink};
use crate::model::OpKind;

mod bars;
mod count;
mod plain;

pub use bars::bars;
pub use plain::plain;

/// Operations planned of each kind; `None` where the number depends on the target's speed.
pub type Planned = BTreeMap<OpKind, Option<u64>>;

/// What the run is busy with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Phase {
    /// Operations are started.
    Driving,
    /// No more are started; those in flight may end.
    Draining,
    /// The store is read.
    ReadingBack,
    /// The store is read again until it stands still.
    Settling,
    /// What was found is compared with what was sent.
    Judging,
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Driving => "driving",
            Self::Draining => "draining",
            Self::ReadingBack => "reading back",
            Self::Settling => "settling",
            Self::Judging => "judging",
        })
    }
}

/// Tells the display what the events do not say. Copies speak to the same display.
#[derive(Debug, Clone)]
pub struct Live(Display);

/// The display that a [`Live`] speaks to.
#[derive(Debug, Clone)]
enum Display {
    Bars(bars::Handle),
    Plain,
    Quiet,
}

impl Live {
    /// A new phase has begun: it is shown at once.
    pub fn phase(&self, phase: Phase) {
        match &self.0 {
            Display::Bars(handle) => handle.phase(phase),
            Display::Plain => plain::say(phase),
            Display::Quiet => {}
        }
    }

    /// A second listener of the same display, for reading the store in a process or a phase
    /// that starts no operations.
    pub fn reading(&self) -> Box<dyn Sink> {
        match &self.0 {
            Display::Bars(handle) => Box::new(handle.reading()),
            Display::Plain => plain(&Planned::new()).1,
            Display::Quiet => Box::new(Silence),
        }
    }

    /// Runs something that prints, such as a message on stderr, without tearing the display.
    pub fn suspend<T>(&self, print: impl FnOnce() -> T) -> T {
        match &self.0 {
            Display::Bars(handle) => handle.suspend(print),
            Display::Plain | Display::Quiet => print(),
        }
    }

    /// Takes the display away, for the report to be printed in its place.
    pub fn close(&self) {
        match &self.0 {
            Display::Bars(handle) => handle.close(),
            Display::Plain | Display::Quiet => {}
        }
    }
}

/// The display that fits stderr: bars on a terminal, else lines.
pub fn automatic(planned: &Planned) -> (Live, Box<dyn Sink>) {
    if io::stderr().is_terminal() {
        bars(planned)
    } else {
        plain(planned)
    }
}

/// No display at all.
pub fn quiet() -> (Live, Box<dyn Sink>) {
    (Live(Display::Quiet), Box::new(Silence))
}

/// Listens and shows nothing.
#[derive(Debug)]
struct Silence;

impl Sink for Silence {
    fn event(&mut self, _event: &Event) -> io::Result<()> {
        Ok(())
    }

    fn finish(self: Box<Self>) -> io::Result<()> {
        Ok(())
    }
}
