//! Was the tester itself the limit? Then the run says little of the target.

use std::time::Duration;

use crate::model::{GeneratorHealth, ResourceSample};

/// Delay between an intended and the actual start that one in a hundred operations may exceed.
pub const SCHEDULE_LAG_P99_MAX: Duration = Duration::from_millis(250);

/// How late operations started, as quantiles of actual minus intended start, microseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ScheduleLag {
    /// Median.
    pub p50_us: u64,
    /// 99th percentile.
    pub p99_us: u64,
    /// Largest.
    pub max_us: u64,
}

/// Judges the generator by what it did to the plan: it is saturated if it started late, or did
/// not start some arrivals at all. A busy processor alone is no fault; on one machine the target
/// takes its share of it.
pub fn health<'a>(
    samples: impl IntoIterator<Item = &'a ResourceSample>,
    lag: ScheduleLag,
    arrivals_dropped: u64,
) -> GeneratorHealth {
    let mut cpu = Duration::ZERO;
    let mut rss_max_bytes = 0;
    for sample in samples {
        cpu = cpu.max(sample.cpu);
        rss_max_bytes = rss_max_bytes.max(sample.rss_bytes);
    }
    let late = Duration::from_micros(lag.p99_us) > SCHEDULE_LAG_P99_MAX;
    GeneratorHealth {
        saturated: late || arrivals_dropped > 0,
        schedule_lag_us: [lag.p50_us, lag.p99_us, lag.max_us],
        cpu_seconds: cpu.as_secs_f64(),
        rss_max_bytes,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Micros;

    #[test]
    fn only_a_broken_schedule_is_saturation() {
        let busy = [1, 2, 3].map(|second| ResourceSample {
            at: Micros(second * 1_000_000),
            cpu: Duration::from_secs(second * 2),
            rss_bytes: 1000 - second,
            in_flight: 9000,
        });
        let table = [(250_000, 0, false), (250_001, 0, true), (0, 1, true)];
        for (p99_us, dropped, saturated) in table {
            let lag = ScheduleLag {
                p50_us: 1,
                p99_us,
                max_us: 9_000_000,
            };
            let health = health(&busy, lag, dropped);
            assert_eq!(health.saturated, saturated, "{p99_us} {dropped}");
            assert_eq!(health.schedule_lag_us, [1, p99_us, 9_000_000]);
            assert!((health.cpu_seconds - 6.0).abs() < f64::EPSILON);
            assert_eq!(health.rss_max_bytes, 999);
        }
    }
}
