//! What the operations of a run add up to: one pass over the ledger in order of time.
//!
//! Memory does not grow with the length of the run: counters and histograms of fixed size.

use std::collections::BTreeMap;

use crate::model::{ChunkTimes, OpKind, OpRow, Outcome, Trait};
use crate::stats::Latency as Histogram;

use super::{Latency, OpCounts, Quantiles, ScheduleLag, Streams};

/// How an operation came to start when it did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Began {
    /// On its own.
    Alone,
    /// At one moment with others, of which a machine starts one after the other however idle it
    /// is; or after a wait for something that others held.
    WithOthers,
}

/// Counts and times of all operations. Feed it every row once, in any order.
#[derive(Debug, Default)]
pub struct Tally {
    kinds: BTreeMap<OpKind, KindTally>,
    /// Of the operations that started one by one.
    steady_lag: Histogram,
    /// The largest of all.
    lag_max_us: u64,
    traits: BTreeMap<Trait, u64>,
    first_chunk: Histogram,
    chunk_gap: Histogram,
}

#[derive(Debug, Default)]
struct KindTally {
    counts: OpCounts,
    service: Histogram,
    from_intended: Histogram,
}

impl Tally {
    /// Takes one operation.
    pub fn push(&mut self, row: &OpRow, start: Began) {
        let begun = &row.invocation;
        let kind = self.kinds.entry(begun.kind).or_default();
        let counter = match row.outcome() {
            Outcome::Ok => &mut kind.counts.ok,
            Outcome::SoftFail => &mut kind.counts.soft_fail,
            Outcome::Refused => &mut kind.counts.refused,
            Outcome::Unsent => &mut kind.counts.unsent,
            Outcome::Unknown => &mut kind.counts.unknown,
        };
        *counter += 1;
        let lag = begun.invoked.since(begun.intended);
        let lag_us = u64::try_from(lag.as_micros()).unwrap_or(u64::MAX);
        self.lag_max_us = self.lag_max_us.max(lag_us);
        if start == Began::Alone {
            self.steady_lag.record(lag);
        }
        for held in begun.traits.iter() {
            *self.traits.entry(held).or_default() += 1;
        }
        let answered = row.completion.as_ref().filter(|end| {
            matches!(
                end.outcome,
                Outcome::Ok | Outcome::SoftFail | Outcome::Refused
            )
        });
        if let Some(end) = answered {
            kind.service.record(end.completed.since(begun.invoked));
            kind.from_intended
                .record(end.completed.since(begun.intended));
        }
    }

    /// Takes the times at which the chunks of one answer came.
    pub fn push_chunks(&mut self, times: &ChunkTimes) {
        self.first_chunk.record(times.first);
        for gap in &times.gaps {
            self.chunk_gap.record(*gap);
        }
    }

    /// How chunks came; `None` if there were none.
    pub fn streams(&self) -> Option<Streams> {
        (self.first_chunk.count() > 0).then(|| Streams {
            first_chunk_us: quantiles(&self.first_chunk),
            chunk_gap_us: quantiles(&self.chunk_gap),
        })
    }

    /// `ok` operations of this kind.
    pub fn ok(&self, kind: OpKind) -> u64 {
        self.kinds.get(&kind).map_or(0, |tally| tally.counts.ok)
    }

    /// The counts of each planned or seen kind. Of the operations without a known outcome,
    /// `recovered` were found in the store; of a bounded plan, what has no row never began.
    pub fn op_counts(
        &self,
        planned: &BTreeMap<OpKind, Option<u64>>,
        recovered: &BTreeMap<OpKind, u64>,
    ) -> BTreeMap<OpKind, OpCounts> {
        let mut all: BTreeMap<OpKind, OpCounts> = self
            .kinds
            .iter()
            .map(|(kind, tally)| (*kind, tally.counts))
            .collect();
        for kind in planned.keys() {
            all.entry(*kind).or_default();
        }
        for (kind, counts) in &mut all {
            let found = recovered
                .get(kind)
                .copied()
                .unwrap_or(0)
                .min(counts.unknown);
            let begun =
                counts.ok + counts.soft_fail + counts.refused + counts.unsent + counts.unknown;
            counts.planned = planned.get(kind).copied().flatten();
            counts.not_started = counts
                .planned
                .map_or(0, |count| count.saturating_sub(begun));
            counts.unknown -= found;
            counts.recovered = found;
        }
        all
    }

    /// Answer times of each kind with at least one answer.
    pub fn latencies(&self) -> BTreeMap<OpKind, Latency> {
        self.kinds
            .iter()
            .filter(|(_, tally)| tally.service.count() > 0)
            .map(|(kind, tally)| {
                let service = quantiles(&tally.service);
                let from_intended = quantiles(&tally.from_intended);
                (
                    *kind,
                    Latency {
                        service,
                        from_intended,
                    },
                )
            })
            .collect()
    }

    /// Actual minus intended start: the quantiles of the operations that began alone, the largest
    /// of all.
    pub fn schedule_lag(&self) -> ScheduleLag {
        let steady = self.steady_lag.quantiles();
        ScheduleLag {
            p50: steady.p50,
            p99: steady.p99,
            max: self.lag_max_us,
        }
    }

    /// Operations that had each trait, 0 included.
    pub fn traits(&self) -> BTreeMap<Trait, u64> {
        Trait::ALL
            .into_iter()
            .map(|t| (t, self.traits.get(&t).copied().unwrap_or(0)))
            .collect()
    }
}

/// The quantiles of the report.
fn quantiles(times: &Histogram) -> Quantiles {
    let all = times.quantiles();
    Quantiles {
        p50: all.p50,
        p90: all.p90,
        p95: times.quantile_us(0.95),
        p99: all.p99,
        p999: all.p999,
        max: all.max,
        samples: times.count(),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use crate::model::{
        Completion, Echo, GroupIx, Invocation, Micros, OpId, Promise, SessionIx, TraitSet, UserIx,
    };

    use super::*;

    fn row(session: u32, seq: u16, outcome: Option<Outcome>) -> OpRow {
        let op = OpId {
            session: SessionIx(session),
            seq,
        };
        let invocation = Invocation {
            op,
            user: UserIx(session),
            founder: UserIx(session),
            kind: OpKind::Chat,
            group: GroupIx(0),
            intended: Micros(1_000),
            invoked: Micros(1_500),
            text_hash: 0,
            item_first: seq,
            item_count: 1,
            request_id: 0,
            traits: TraitSet::default().with(Trait::SameAgent),
        };
        let completion = outcome.map(|outcome| Completion {
            op,
            completed: Micros(2_500),
            sent: Some(Micros(1_600)),
            outcome,
            status: None,
            promise: Promise::NONE,
            echo: Echo::None,
            server_session: None,
            detail: None,
        });
        OpRow {
            invocation,
            completion,
        }
    }

    #[test]
    fn everything_is_counted_once() {
        let mut tally = Tally::default();
        for row in [
            row(0, 0, Some(Outcome::Ok)),
            row(0, 1, Some(Outcome::Ok)),
            row(70, 0, Some(Outcome::Ok)),
            row(71, 0, Some(Outcome::Refused)),
            row(72, 0, Some(Outcome::Unknown)),
            row(72, 1, None),
        ] {
            tally.push(&row, Began::Alone);
        }
        let planned = BTreeMap::from([(OpKind::Chat, Some(8)), (OpKind::Voice, None)]);
        let recovered = BTreeMap::from([(OpKind::Chat, 1)]);
        let counts = tally.op_counts(&planned, &recovered);
        let chat = counts[&OpKind::Chat];
        assert_eq!(
            (chat.ok, chat.refused, chat.unknown, chat.recovered),
            (3, 1, 1, 1)
        );
        assert_eq!((chat.planned, chat.not_started), (Some(8), 2));
        assert_eq!(counts[&OpKind::Voice], OpCounts::default());
        assert_eq!(tally.traits()[&Trait::SameAgent], 6);
        assert_eq!(tally.traits()[&Trait::ServerIds], 0);
    }

    #[test]
    fn a_burst_at_the_start_is_shown_but_is_not_the_rule() {
        let mut tally = Tally::default();
        for session in 0..2_000 {
            let mut burst = row(session, 0, Some(Outcome::Ok));
            burst.invocation.invoked = Micros(2_000_000);
            tally.push(&burst, Began::WithOthers);
            tally.push(&row(session, 1, Some(Outcome::Ok)), Began::Alone);
        }
        let lag = tally.schedule_lag();
        assert_eq!((lag.p50, lag.p99, lag.max), (500, 500, 1_999_000));
    }

    #[test]
    fn gaps_between_chunks_are_those_of_all_answers() {
        let mut tally = Tally::default();
        assert_eq!(tally.streams(), None);
        for session in 0..2 {
            let mut gaps = vec![Duration::from_micros(100); 3];
            gaps[0] = Duration::from_micros(900);
            tally.push_chunks(&ChunkTimes {
                op: OpId {
                    session: SessionIx(session),
                    seq: 0,
                },
                first: Duration::from_micros(500 + u64::from(session)),
                chunks: 4,
                gaps,
            });
        }
        let Streams {
            first_chunk_us,
            chunk_gap_us,
        } = tally.streams().unwrap();
        assert_eq!((first_chunk_us.p50, first_chunk_us.samples), (500, 2));
        assert_eq!((chunk_gap_us.p50, chunk_gap_us.max), (100, 900));
        assert_eq!(chunk_gap_us.samples, 6);
    }

    #[test]
    fn waiting_is_in_one_latency_and_not_in_the_other() {
        let mut tally = Tally::default();
        tally.push(&row(0, 0, Some(Outcome::Ok)), Began::Alone);
        tally.push(&row(1, 0, None), Began::Alone);
        let chat = tally.latencies()[&OpKind::Chat];
        assert_eq!((chat.service.p50, chat.service.samples), (1_000, 1));
        assert_eq!(chat.from_intended.p50, 1_500);
        assert_eq!(tally.schedule_lag().max, 500);
    }
}
