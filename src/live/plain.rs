//! Progress as lines, for pipes and logs.

use std::io::{self, Write};
use std::time::Duration;

use super::count::{Counts, KindCount};
use super::{Display, Live, Phase, Planned};
use crate::event::{Event, Sink};
use crate::model::OpKind;

/// Time between two lines.
const LINE_PAUSE: Duration = Duration::from_secs(5);

/// One line on stderr every five seconds while events come, one at each new phase, and one with
/// the last counts.
pub fn plain(planned: &Planned) -> (Live, Box<dyn Sink>) {
    let lines = Lines {
        counts: Counts::new(planned),
        out: io::stderr(),
    };
    (Live(Display::Plain), Box::new(lines))
}

/// Says that a phase has begun.
pub(super) fn say(phase: Phase) {
    // A closed stderr must not end the run, and there is nobody left to tell.
    let _ = writeln!(io::stderr(), "{phase}");
}

/// Writes the lines.
#[derive(Debug)]
struct Lines<W> {
    counts: Counts,
    out: W,
}

impl<W: Write + Send> Lines<W> {
    fn write(&mut self) -> io::Result<()> {
        writeln!(self.out, "{}", line(&self.counts))
    }
}

impl<W: Write + Send> Sink for Lines<W> {
    fn event(&mut self, event: &Event) -> io::Result<()> {
        if self.counts.take(event, LINE_PAUSE) {
            self.write()?;
        }
        Ok(())
    }

    fn finish(mut self: Box<Self>) -> io::Result<()> {
        if self.counts.has_news() {
            self.write()?;
        }
        Ok(())
    }
}

fn line(counts: &Counts) -> String {
    let mut parts = vec![format!("{:>4} s", counts.now().duration().as_secs())];
    parts.extend(
        counts
            .kinds()
            .iter()
            .map(|(kind, count)| of_kind(*kind, *count)),
    );
    if !counts.kinds().is_empty() {
        parts.push(format!("active users {}", counts.users_in_flight()));
    }
    parts.extend(counts.read_back());
    parts.join("  ")
}

fn of_kind(kind: OpKind, count: KindCount) -> String {
    let done = count.ok + count.failed;
    let planned = count
        .planned
        .map_or(String::new(), |planned| format!("/{planned}"));
    let failed = match count.failed {
        0 => String::new(),
        failed => format!(" ({failed} failed)"),
    };
    format!("{kind} {done}{planned}{failed}")
}

#[cfg(test)]
mod tests {
    use super::super::count::tests::{began, ended, scanned};
    use super::*;
    use crate::model::Outcome;

    #[test]
    fn lines_come_by_time_and_at_the_end() {
        let mut lines = Box::new(Lines {
            counts: Counts::new(&Planned::from([
                (OpKind::Chat, Some(2)),
                (OpKind::Voice, None),
            ])),
            out: Vec::new(),
        });
        for event in [
            began(1, 0, 0),
            ended(1, 0, 4_900, Outcome::Ok),
            began(2, 0, 5_000),
            ended(2, 0, 5_100, Outcome::Refused),
            scanned(1, 12_000, true),
        ] {
            lines.event(&event).unwrap();
        }
        assert!(!lines.counts.has_news());
        let text = String::from_utf8(lines.out).unwrap();
        assert_eq!(
            text,
            "   5 s  chat 1/2  voice 0  active users 1\n  \
             12 s  chat 2/2 (1 failed)  voice 0  active users 0  \
             scan 1: 240 sessions, 2160 messages, 360 facts\n"
        );
    }

    #[test]
    fn a_closed_stderr_is_an_error_of_the_sink_alone() {
        /// Takes nothing.
        struct Closed;
        impl Write for Closed {
            fn write(&mut self, _: &[u8]) -> io::Result<usize> {
                Err(io::ErrorKind::BrokenPipe.into())
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let mut lines = Box::new(Lines {
            counts: Counts::new(&Planned::new()),
            out: Closed,
        });
        lines.event(&began(1, 0, 0)).unwrap();
        assert_eq!(
            lines.finish().unwrap_err().kind(),
            io::ErrorKind::BrokenPipe
        );
    }
}
