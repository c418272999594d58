//! Numbers that a report states: intervals for rates, histograms for times.

mod interval;
mod latency;

pub use interval::{Confidence, Interval, clopper_pearson, clopper_pearson_upper, wilson};
pub use latency::{Latency, LatencyError, Quantiles};
