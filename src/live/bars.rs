//! Progress as bars, for terminals.

use std::collections::BTreeMap;
use std::io;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::count::{Counts, KindCount};
use super::{Display, Live, Phase, Planned};
use crate::event::{Event, Sink};
use crate::model::OpKind;

/// Draws in a second, at most.
const DRAWS_PER_SECOND_MAX: u8 = 10;
/// Time between two draws of the same bar.
const DRAW_PAUSE: Duration = Duration::from_millis(100);
/// Time between two steps of the phase's spinner, which turns while no events come.
const SPIN_PAUSE: Duration = Duration::from_millis(250);

const BAR: &str = "  {prefix:<8} [{bar:24}] {pos}/{len}  {wide_msg}";
const OPEN: &str = "  {prefix:<8} {spinner} {pos}  {wide_msg}";
const PHASE: &str = "{spinner} {prefix:<12} {elapsed:>4}  {wide_msg}";

/// A line for the phase and, below it, a bar for each kind of operation; without a terminal on
/// stderr nothing is shown.
pub fn bars(planned: &Planned) -> (Live, Box<dyn Sink>) {
    let target = ProgressDrawTarget::stderr_with_hz(DRAWS_PER_SECOND_MAX);
    let (handle, bars) = on(target, planned);
    (Live(Display::Bars(handle)), Box::new(bars))
}

/// Says the phases and takes the display away.
#[derive(Debug, Clone)]
pub(super) struct Handle {
    all: MultiProgress,
    phase: ProgressBar,
    kinds: BTreeMap<OpKind, ProgressBar>,
}

impl Handle {
    pub(super) fn phase(&self, phase: Phase) {
        self.phase.set_message("");
        self.phase.reset_elapsed();
        self.phase.set_prefix(phase.to_string());
    }

    pub(super) fn reading(&self) -> impl Sink + use<> {
        let screen = Screen {
            phase: self.phase.clone(),
            kinds: BTreeMap::new(),
        };
        Bars::new(Counts::new(&Planned::new()), screen)
    }

    pub(super) fn suspend<T>(&self, print: impl FnOnce() -> T) -> T {
        self.all.suspend(print)
    }

    pub(super) fn close(&self) {
        for bar in self.kinds.values() {
            bar.finish_and_clear();
        }
        self.phase.finish_and_clear();
        // A terminal that is gone needs no clearing.
        let _ = self.all.clear();
    }
}

/// Counts, and hands what is to be seen to the thread that draws.
#[derive(Debug)]
struct Bars {
    counts: Counts,
    to_screen: SyncSender<View>,
    drawing: Option<JoinHandle<()>>,
}

/// What is to be seen.
#[derive(Debug)]
struct View {
    kinds: BTreeMap<OpKind, KindCount>,
    message: String,
}

/// What draws it.
#[derive(Debug)]
struct Screen {
    phase: ProgressBar,
    kinds: BTreeMap<OpKind, ProgressBar>,
}

impl Bars {
    /// A terminal that stands still must not hold up the run, so drawing has its own thread.
    /// If there is none to be had, nothing is drawn.
    fn new(counts: Counts, screen: Screen) -> Self {
        let (to_screen, views) = sync_channel::<View>(1);
        let drawing = thread::Builder::new()
            .name("bars".to_owned())
            .spawn(move || views.iter().for_each(|view| screen.draw(&view)))
            .ok();
        Self {
            counts,
            to_screen,
            drawing,
        }
    }

    fn view(&self) -> View {
        View {
            kinds: self.counts.kinds().clone(),
            message: match self.counts.users_in_flight() {
                0 => self.counts.read_back().unwrap_or_default(),
                users => format!("active users {users}"),
            },
        }
    }
}

impl Sink for Bars {
    fn event(&mut self, event: &Event) -> io::Result<()> {
        if self.counts.take(event, DRAW_PAUSE) {
            // While one view waits, the terminal is slow: this one is left out.
            let _ = self.to_screen.try_send(self.view());
        }
        Ok(())
    }

    fn finish(self: Box<Self>) -> io::Result<()> {
        let last = self.view();
        if let Some(drawing) = self.drawing {
            // The thread ends only when it hears no more, so this cannot fail while it lives.
            let _ = self.to_screen.send(last);
            drop(self.to_screen);
            let died = io::Error::other("the thread that draws the bars died");
            drawing.join().map_err(|_| died)?;
        }
        Ok(())
    }
}

impl Screen {
    fn draw(&self, view: &View) {
        for (kind, count) in &view.kinds {
            if let Some(bar) = self.kinds.get(kind) {
                bar.set_position(count.ok + count.failed);
                bar.set_message(message(*count));
            }
        }
        self.phase.set_message(view.message.clone());
    }
}

fn on(target: ProgressDrawTarget, planned: &Planned) -> (Handle, Bars) {
    let all = MultiProgress::with_draw_target(target);
    let phase = all.add(ProgressBar::no_length().with_style(style(PHASE)));
    phase.enable_steady_tick(SPIN_PAUSE);
    let kinds: BTreeMap<OpKind, ProgressBar> = planned
        .iter()
        .map(|(kind, planned)| {
            let bar = match planned {
                Some(planned) => ProgressBar::new(*planned).with_style(style(BAR)),
                None => ProgressBar::no_length().with_style(style(OPEN)),
            };
            (*kind, all.add(bar.with_prefix(kind.name())))
        })
        .collect();
    let screen = Screen {
        phase: phase.clone(),
        kinds: kinds.clone(),
    };
    let bars = Bars::new(Counts::new(planned), screen);
    (Handle { all, phase, kinds }, bars)
}

/// The templates are constants, valid by a test; a broken one would show the library's default.
fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template)
        .unwrap_or_else(|_| ProgressStyle::default_bar())
        .progress_chars("=> ")
        .tick_chars("|/-\\ ")
}

fn message(count: KindCount) -> String {
    let failed = match count.failed {
        0 => String::new(),
        failed => format!(", {failed} failed"),
    };
    format!("{} ok{failed}, {} in flight", count.ok, count.in_flight)
}

#[cfg(test)]
mod tests {
    use super::super::count::tests::{began, ended, scanned};
    use super::*;
    use crate::model::Outcome;

    #[test]
    fn the_templates_are_valid() {
        for template in [BAR, OPEN, PHASE] {
            assert!(ProgressStyle::with_template(template).is_ok(), "{template}");
        }
    }

    #[test]
    fn bars_follow_the_events() {
        let planned = Planned::from([(OpKind::Chat, Some(2)), (OpKind::Voice, None)]);
        let (handle, mut bars) = on(ProgressDrawTarget::hidden(), &planned);
        let (phase, chat) = (handle.phase.clone(), handle.kinds[&OpKind::Chat].clone());
        handle.phase(Phase::Driving);
        for event in [
            began(1, 0, 0),
            ended(1, 0, 50, Outcome::SoftFail),
            began(2, 0, 100),
        ] {
            bars.event(&event).unwrap();
        }
        Box::new(bars).finish().unwrap();
        assert_eq!((chat.position(), chat.length()), (1, Some(2)));
        assert_eq!(chat.message(), "0 ok, 1 failed, 1 in flight");
        assert_eq!(phase.message(), "active users 1");

        handle.phase(Phase::Settling);
        assert_eq!(phase.prefix(), "settling");
        let mut reading = Box::new(handle.reading());
        reading.event(&scanned(1, 300, true)).unwrap();
        reading.finish().unwrap();
        assert!(phase.message().starts_with("scan 1: 240 sessions"));
        assert_eq!(chat.position(), 1);
        handle.close();
        assert!(phase.is_finished() && chat.is_finished());
    }

    #[test]
    fn a_terminal_that_stands_still_holds_nothing_up() {
        let (to_screen, waiting) = sync_channel(1);
        let mut bars = Bars {
            counts: Counts::new(&Planned::new()),
            to_screen,
            drawing: None,
        };
        for scan in 1..100 {
            bars.event(&scanned(scan, u64::from(scan) * 1_000, true))
                .unwrap();
        }
        assert_eq!(waiting.try_iter().count(), 1);
    }
}
