//! Numbers that a report states: intervals for rates and a test between two of them, histograms
//! for times.

mod fisher;
mod interval;
mod latency;

pub use fisher::fisher_one_sided;
pub use interval::{Confidence, Interval, clopper_pearson, clopper_pearson_upper, wilson};
pub use latency::{Latency, LatencyError, Quantiles};
