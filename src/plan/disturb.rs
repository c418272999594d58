//! Which operations something goes wrong with, on purpose. Questions are never struck: they are
//! asked to be answered.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::Rng;

use crate::model::{OpKind, Trait};
use crate::scenario::Disturbances;

use super::stream::{Purpose, Streams, below, time_of};
use super::{Action, Disturbance};

/// Thousandths of an upload's body after which it may break off: after its head, before its end.
const SENT_PER_MILLE: std::ops::Range<u16> = 50..951;

/// The ways in which an operation can be disturbed.
#[derive(Clone, Copy)]
enum Way {
    Cancel,
    Drop,
    CloseEarly,
    SubmitTwice,
    ReadSlowly,
}

/// What goes wrong with an operation. It is drawn from a stream of its own, so that texts and
/// users are the same with and without it.
pub(super) fn draw(
    rates: &Disturbances,
    (kind, action): (OpKind, &Action),
    seq: u16,
    streams: &Streams<'_>,
) -> Option<Disturbance> {
    let (cancel, slow) = (
        (rates.cancel_rate, Way::Cancel),
        (rates.slow_read_rate, Way::ReadSlowly),
    );
    let ways = match action {
        Action::Chat(_) if kind == OpKind::Stream => vec![cancel],
        Action::Chat(_) => vec![cancel, (rates.double_submit_rate, Way::SubmitTwice), slow],
        Action::Upload(_) => vec![cancel, (rates.drop_rate, Way::Drop), slow],
        Action::Voice(_) => vec![(rates.early_close_rate, Way::CloseEarly)],
        Action::Ask(_) | Action::Trespass(_) => Vec::new(),
    };
    if ways.iter().all(|(rate, _)| *rate <= 0.0) {
        return None;
    }
    let mut rng = streams.rng(Purpose::Disturbance, seq);
    let drawn = f64::from(rng.next_u32()) / (f64::from(u32::MAX) + 1.0);
    let mut below_here = 0.0;
    let struck = ways.into_iter().find(|(rate, _)| {
        below_here += rate;
        drawn < below_here
    });
    struck.map(|(_, way)| detail(rates, way, &mut rng))
}

/// The trait that a disturbed operation has.
pub(super) fn told(disturbance: Disturbance) -> Trait {
    match disturbance {
        Disturbance::Cancel { .. } => Trait::Cancels,
        Disturbance::Drop { .. } => Trait::DroppedUploads,
        Disturbance::CloseEarly => Trait::EarlyCloses,
        Disturbance::SubmitTwice => Trait::DoubleSubmits,
        Disturbance::ReadSlowly { .. } => Trait::SlowReaders,
    }
}

fn detail(rates: &Disturbances, way: Way, rng: &mut ChaCha8Rng) -> Disturbance {
    match way {
        Way::Cancel => Disturbance::Cancel {
            after: time_of(rng, rates.cancel_after),
        },
        Way::Drop => {
            let beyond = below(rng, SENT_PER_MILLE.len());
            Disturbance::Drop {
                sent_per_mille: SENT_PER_MILLE.start + u16::try_from(beyond).unwrap_or(0),
            }
        }
        Way::CloseEarly => Disturbance::CloseEarly,
        Way::SubmitTwice => Disturbance::SubmitTwice,
        Way::ReadSlowly => Disturbance::ReadSlowly {
            pause: rates.slow_read_pause,
        },
    }
}
