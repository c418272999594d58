//! One thread that owns the sinks and hands every event to them, in batches.
#![expect(
    clippy::disallowed_methods,
    reason = "sinks may block, so they have a thread of their own"
)]

use std::thread::{self, JoinHandle};

use tokio::sync::mpsc;

use crate::event::{Event, Sink};
use crate::model::limits::EVENT_QUEUE_MAX;
use crate::stop::{Stop, StopLevel, Stopper, stop_pair};

/// Events taken from the queue at once.
const BATCH_MAX: usize = 1_024;

/// Starts collecting.
#[derive(Debug)]
pub struct Collector;

/// A collector at work.
#[derive(Debug)]
pub struct CollectorHandle {
    thread: JoinHandle<Vec<String>>,
    failed: Stop,
}

/// What a collector has to say at the end.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CollectorReport {
    /// Why sinks were told no more, one text for each failed sink.
    pub sink_errors: Vec<String>,
}

impl Collector {
    /// The bounded queue between those who tell and the collector. It stands apart from
    /// [`Collector::start`] because a sink may itself want to tell something.
    pub fn queue() -> (mpsc::Sender<Event>, mpsc::Receiver<Event>) {
        mpsc::channel(EVENT_QUEUE_MAX)
    }

    /// Starts a thread that tells all events to all sinks. It ends when every sender is dropped.
    pub fn start(queue: mpsc::Receiver<Event>, sinks: Vec<Box<dyn Sink>>) -> CollectorHandle {
        let (stopper, failed) = stop_pair();
        CollectorHandle {
            thread: thread::spawn(move || collect(queue, sinks, &stopper)),
            failed,
        }
    }
}

impl CollectorHandle {
    /// Asks for an end as soon as a sink has failed: what happens then is no longer recorded.
    pub fn failed(&self) -> Stop {
        self.failed.clone()
    }

    /// Waits until every sender is dropped and everything is told. Blocks: drop your own senders
    /// first.
    pub fn finish(self) -> CollectorReport {
        let sink_errors = self.thread.join().unwrap_or_else(|_| {
            vec!["a sink panicked, so events after that are missing".to_owned()]
        });
        CollectorReport { sink_errors }
    }
}

fn collect(
    mut receiver: mpsc::Receiver<Event>,
    mut sinks: Vec<Box<dyn Sink>>,
    stopper: &Stopper,
) -> Vec<String> {
    let mut errors = Vec::new();
    let mut batch = Vec::with_capacity(BATCH_MAX);
    while receiver.blocking_recv_many(&mut batch, BATCH_MAX) > 0 {
        for event in batch.drain(..) {
            sinks.retain_mut(|sink| match sink.event(&event) {
                Ok(()) => true,
                Err(error) => {
                    stopper.ask(StopLevel::Drain);
                    errors.push(error.to_string());
                    false
                }
            });
        }
    }
    for sink in sinks {
        if let Err(error) = sink.finish() {
            errors.push(error.to_string());
        }
    }
    errors
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::{Arc, Mutex};

    use super::*;
    use crate::model::{Micros, OpId, OpKind};

    /// Takes so many events, then fails.
    struct Failing {
        left: usize,
        taken: Arc<Mutex<usize>>,
    }

    impl Sink for Failing {
        fn event(&mut self, _event: &Event) -> io::Result<()> {
            if self.left == 0 {
                return Err(io::Error::other("the disk is full"));
            }
            self.left -= 1;
            *self.taken.lock().unwrap() += 1;
            Ok(())
        }

        fn finish(self: Box<Self>) -> io::Result<()> {
            Ok(())
        }
    }

    fn event(at: u64) -> Event {
        Event::Lagged(crate::model::LagSample {
            op: OpId::default(),
            kind: OpKind::Chat,
            lag: Micros(at).duration(),
        })
    }

    #[test]
    fn a_failed_sink_is_told_no_more_and_the_others_go_on() {
        let taken: Vec<_> = (0..2).map(|_| Arc::new(Mutex::new(0))).collect();
        let sinks: Vec<Box<dyn Sink>> = vec![
            Box::new(Failing {
                left: 3,
                taken: Arc::clone(&taken[0]),
            }),
            Box::new(Failing {
                left: usize::MAX,
                taken: Arc::clone(&taken[1]),
            }),
        ];
        let (sender, queue) = Collector::queue();
        let handle = Collector::start(queue, sinks);
        let failed = handle.failed();
        assert_eq!(failed.level(), StopLevel::Run);
        for at in 0..5_000 {
            sender.blocking_send(event(at)).unwrap();
        }
        drop(sender);
        let report = handle.finish();
        assert_eq!(failed.level(), StopLevel::Drain);
        assert_eq!(report.sink_errors, ["the disk is full"]);
        assert_eq!(*taken[0].lock().unwrap(), 3);
        assert_eq!(*taken[1].lock().unwrap(), 5_000);
    }
}
