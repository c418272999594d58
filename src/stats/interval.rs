//! Confidence intervals for a rate: so many crossed of so many.
//!
//! Clopper-Pearson (Biometrika 26, 1934) never claims more than the data hold, so claims and
//! bounds use it: its ends are quantiles of the beta distribution. Wilson (JASA 22, 1927) is
//! closer on average and is for display. The beta distribution is the regularised incomplete beta
//! function, by its continued fraction (Abramowitz and Stegun 26.5.8, evaluated by Lentz's
//! method), inverted by bisection, with the logarithm of the gamma function by Lanczos'
//! approximation (SIAM J. Numer. Anal. B 1, 1964; g = 7, nine terms).

use std::f64::consts::PI;

/// How sure an interval is to cover the true rate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Confidence {
    /// 95 %.
    P95,
    /// 99 %.
    P99,
}

impl Confidence {
    /// The error that is allowed: 0.05 or 0.01.
    pub fn alpha(self) -> f64 {
        match self {
            Self::P95 => 0.05,
            Self::P99 => 0.01,
        }
    }

    /// The two-sided quantile of the standard normal distribution.
    fn normal_quantile(self) -> f64 {
        match self {
            Self::P95 => 1.959_963_984_540_054,
            Self::P99 => 2.575_829_303_548_900_4,
        }
    }
}

/// A closed interval of rates, each from 0 to 1.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Interval {
    /// Lowest rate that the data allow.
    pub low: f64,
    /// Highest rate that the data allow.
    pub high: f64,
}

/// The highest rate that the data allow, one-sided: with none seen in `trials` it is
/// `1 - alpha^(1/trials)`, about `3 / trials` at 95 %. Without trials it is 1.
///
/// More seen than tried counts as all.
pub fn clopper_pearson_upper(seen: u64, trials: u64, confidence: Confidence) -> f64 {
    upper_end(seen, trials, confidence.alpha())
}

/// The exact two-sided interval, half of the error on each side. Without trials it is all rates.
///
/// More seen than tried counts as all.
pub fn clopper_pearson(seen: u64, trials: u64, confidence: Confidence) -> Interval {
    let seen = seen.min(trials);
    let tail = confidence.alpha() / 2.0;
    Interval {
        // The lowest rate of the seen is what is left of the highest rate of the unseen.
        low: 1.0 - upper_end(trials - seen, trials, tail),
        high: upper_end(seen, trials, tail),
    }
}

/// Wilson's two-sided score interval, for display. Without trials it is all rates.
///
/// More seen than tried counts as all.
pub fn wilson(seen: u64, trials: u64, confidence: Confidence) -> Interval {
    if trials == 0 {
        return Interval {
            low: 0.0,
            high: 1.0,
        };
    }
    let trials_count = float(trials);
    let rate = float(seen.min(trials)) / trials_count;
    let z = confidence.normal_quantile();
    let z_squared = z * z;
    let shrink = 1.0 + z_squared / trials_count;
    let centre = (rate + z_squared / (2.0 * trials_count)) / shrink;
    let spread = z / shrink
        * (rate * (1.0 - rate) / trials_count + z_squared / (4.0 * trials_count * trials_count))
            .sqrt();
    Interval {
        low: (centre - spread).max(0.0),
        high: (centre + spread).min(1.0),
    }
}

/// The rate at which `seen` or fewer have the probability `tail`.
fn upper_end(seen: u64, trials: u64, tail: f64) -> f64 {
    if seen >= trials {
        return 1.0;
    }
    if seen == 0 {
        // Exact, and exact for large numbers too, where 1 - tail^(1/n) would lose digits.
        return -(tail.ln() / float(trials)).exp_m1();
    }
    let shape_seen = float(seen) + 1.0;
    let shape_rest = float(trials - seen);
    inverse_beta(1.0 - tail, shape_seen, shape_rest)
}

#[expect(
    clippy::cast_precision_loss,
    reason = "counts above 2^53 do not occur, and a rate does not need their last digit"
)]
pub(super) fn float(count: u64) -> f64 {
    count as f64
}

/// Halvings after which an interval of rates has no further number inside.
const HALVINGS_MAX: u32 = 200;

/// The argument at which the regularised incomplete beta function reaches `probability`.
fn inverse_beta(probability: f64, shape_a: f64, shape_b: f64) -> f64 {
    let (mut low, mut high) = (0.0_f64, 1.0_f64);
    for _ in 0..HALVINGS_MAX {
        let middle = f64::midpoint(low, high);
        if middle <= low || middle >= high {
            break;
        }
        if incomplete_beta(middle, shape_a, shape_b) < probability {
            low = middle;
        } else {
            high = middle;
        }
    }
    high
}

/// The regularised incomplete beta function for `x` strictly between 0 and 1.
fn incomplete_beta(x: f64, shape_a: f64, shape_b: f64) -> f64 {
    let ln_front = ln_gamma(shape_a + shape_b) - ln_gamma(shape_a) - ln_gamma(shape_b)
        + shape_a * x.ln()
        + shape_b * (-x).ln_1p();
    let front = ln_front.exp();
    // The fraction converges fast only below the mean; above it the mirrored one is used.
    if x < (shape_a + 1.0) / (shape_a + shape_b + 2.0) {
        front * beta_fraction(x, shape_a, shape_b) / shape_a
    } else {
        1.0 - front * beta_fraction(1.0 - x, shape_b, shape_a) / shape_b
    }
}

/// Terms of the fraction; it needs about the square root of the larger shape.
const FRACTION_TERMS_MAX: u32 = 100_000;
/// Smaller than any term that matters, larger than zero: Lentz's guard against division by zero.
const TINY: f64 = 1e-300;

fn beta_fraction(x: f64, shape_a: f64, shape_b: f64) -> f64 {
    let guard = |value: f64| if value.abs() < TINY { TINY } else { value };
    let mut ratio_c = 1.0;
    let mut ratio_d = 1.0 / guard(1.0 - (shape_a + shape_b) * x / (shape_a + 1.0));
    let mut fraction = ratio_d;
    for term in 1..=FRACTION_TERMS_MAX {
        let m = f64::from(term);
        let even = m * (shape_b - m) * x / ((shape_a + 2.0 * m - 1.0) * (shape_a + 2.0 * m));
        ratio_d = 1.0 / guard(1.0 + even * ratio_d);
        ratio_c = guard(1.0 + even / ratio_c);
        fraction *= ratio_d * ratio_c;
        let odd = -(shape_a + m) * (shape_a + shape_b + m) * x
            / ((shape_a + 2.0 * m) * (shape_a + 2.0 * m + 1.0));
        ratio_d = 1.0 / guard(1.0 + odd * ratio_d);
        ratio_c = guard(1.0 + odd / ratio_c);
        let step = ratio_d * ratio_c;
        fraction *= step;
        if (step - 1.0).abs() < f64::EPSILON {
            break;
        }
    }
    fraction
}

const LANCZOS_G: f64 = 7.0;
const LANCZOS_FIRST: f64 = 0.999_999_999_999_809_9;
const LANCZOS: [f64; 8] = [
    676.520_368_121_885_1,
    -1_259.139_216_722_402_8,
    771.323_428_777_653_1,
    -176.615_029_162_140_6,
    12.507_343_278_686_905,
    -0.138_571_095_265_720_12,
    9.984_369_578_019_572e-6,
    1.505_632_735_149_311_6e-7,
];

/// The logarithm of the gamma function, for arguments of at least 1.
pub(super) fn ln_gamma(argument: f64) -> f64 {
    let below = argument - 1.0;
    let mut place = 0.0;
    let mut series = LANCZOS_FIRST;
    for coefficient in LANCZOS {
        place += 1.0;
        series += coefficient / (below + place);
    }
    let shifted = below + LANCZOS_G + 0.5;
    0.5 * (2.0 * PI).ln() + (below + 0.5) * shifted.ln() - shifted + series.ln()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::Confidence::{P95, P99};
    use super::*;

    fn near(got: f64, want: f64, tolerance: f64) {
        assert!(
            (got - want).abs() <= tolerance,
            "got {got}, want {want} ± {tolerance}"
        );
    }

    #[test]
    fn nothing_seen_gives_the_rule_of_three() {
        // Eypasch et al., BMJ 1995; Jovanovic and Levy 1997.
        near(clopper_pearson_upper(0, 300, P95), 0.009_936, 1e-6);
        near(clopper_pearson_upper(0, 3_000, P95), 0.000_998, 1e-6);
        near(clopper_pearson_upper(0, 1_000_000, P95), 2.9957e-6, 1e-10);
        near(clopper_pearson_upper(0, 1_000, P99), 0.004_595, 1e-6);
        near(clopper_pearson_upper(0, 10, P95), 0.258_866, 1e-6);
    }

    #[test]
    fn one_sided_bounds_agree_with_published_tables() {
        // Upper 95 % bounds of the binomial: 1 of 10, 2 of 10, 1 of 100, 5 of 100.
        near(clopper_pearson_upper(1, 10, P95), 0.394_163, 1e-6);
        near(clopper_pearson_upper(2, 10, P95), 0.506_901, 1e-6);
        near(clopper_pearson_upper(1, 100, P95), 0.046_560, 1e-6);
        near(clopper_pearson_upper(5, 100, P95), 0.102_253, 2e-6);
    }

    #[test]
    fn two_sided_intervals_agree_with_published_tables() {
        for (seen, trials, low, high) in [
            (1, 10, 0.002_529, 0.445_016),
            (5, 20, 0.086_571, 0.491_046),
            (10, 100, 0.049_005, 0.176_223),
            (0, 20, 0.0, 0.168_433),
            (20, 20, 0.831_567, 1.0),
        ] {
            let interval = clopper_pearson(seen, trials, P95);
            near(interval.low, low, 2e-6);
            near(interval.high, high, 2e-6);
        }
    }

    #[test]
    fn wilson_agrees_with_published_values() {
        for (seen, trials, low, high) in [
            (0, 20, 0.0, 0.161_1),
            (5, 20, 0.111_9, 0.468_7),
            (30, 100, 0.218_9, 0.395_8),
            (95, 100, 0.888_2, 0.978_5),
        ] {
            let interval = wilson(seen, trials, P95);
            near(interval.low, low, 1e-4);
            near(interval.high, high, 1e-4);
        }
    }

    #[test]
    fn without_trials_every_rate_is_possible() {
        let all = Interval {
            low: 0.0,
            high: 1.0,
        };
        assert_eq!(clopper_pearson(0, 0, P95), all);
        assert_eq!(wilson(0, 0, P99), all);
        near(clopper_pearson_upper(0, 0, P95), 1.0, 0.0);
        near(clopper_pearson_upper(9, 3, P95), 1.0, 0.0);
    }

    #[test]
    fn large_counts_stay_near_the_normal_approximation() {
        let interval = clopper_pearson(500_000_000, 1_000_000_000, P95);
        near(interval.low, 0.5 - 1.96 * 0.5 / 31_622.776_6, 1e-7);
        near(interval.high, 0.5 + 1.96 * 0.5 / 31_622.776_6, 1e-7);
    }

    /// The probability of `seen` or fewer, added up term by term from logarithms.
    fn binomial_tail(seen: u64, trials: u64, rate: f64) -> f64 {
        let mut ln_term = float(trials) * (-rate).ln_1p();
        let mut sum = ln_term.exp();
        for k in 1..=seen {
            let factor = float(trials - k + 1) / float(k) * rate / (1.0 - rate);
            ln_term += factor.ln();
            sum += ln_term.exp();
        }
        sum
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn the_upper_end_is_where_the_tail_has_the_allowed_error(
            trials in 2_u64..600,
            share in 0.0_f64..1.0,
        ) {
            let seen = (0..trials).find(|k| float(*k) >= share * float(trials - 1)).unwrap_or(0);
            let upper = clopper_pearson_upper(seen, trials, P95);
            let tail = binomial_tail(seen, trials, upper);
            prop_assert!((tail - 0.05).abs() < 1e-9, "{seen} of {trials}: {upper} has tail {tail}");
        }

        #[test]
        fn intervals_hold_the_observed_rate(trials in 1_u64..20_000, seen in 0_u64..20_000) {
            let seen = seen.min(trials);
            let rate = float(seen) / float(trials);
            for interval in [clopper_pearson(seen, trials, P99), wilson(seen, trials, P99)] {
                prop_assert!(interval.low <= rate + 1e-12 && rate - 1e-12 <= interval.high);
                prop_assert!(0.0 <= interval.low && interval.high <= 1.0);
            }
        }
    }
}
