//! How likely chance makes what was seen.

/// A bound on the probability that at least `seen` of `trials` succeed by chance, where each does
/// with probability `share` on average (Chernoff and Hoeffding: it holds for unequal shares too).
pub(super) fn at_least(seen: usize, trials: usize, share: f64) -> f64 {
    let (Ok(seen), Ok(trials)) = (u32::try_from(seen), u32::try_from(trials)) else {
        return 1.0;
    };
    let (seen, trials) = (f64::from(seen), f64::from(trials));
    if trials <= 0.0 || share >= 1.0 || seen <= trials * share {
        return 1.0;
    }
    if share <= 0.0 {
        return 0.0;
    }
    let rate = (seen / trials).min(1.0);
    let missed = if rate < 1.0 {
        (1.0 - rate) * ((1.0 - rate) / (1.0 - share)).ln()
    } else {
        0.0
    };
    (-trials * (rate * (rate / share).ln() + missed)).exp()
}

/// A count as a real number; beyond four thousand million it is cut.
pub(super) fn real(count: usize) -> f64 {
    f64::from(u32::try_from(count).unwrap_or(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_of_few_is_the_product() {
        assert!((at_least(3, 3, 0.1) - 0.001).abs() < 1e-12);
        assert!((at_least(1, 1, 0.25) - 0.25).abs() < 1e-12);
    }

    #[test]
    fn what_is_expected_is_no_surprise() {
        for (seen, trials, share) in [(0, 0, 0.5), (1, 10, 0.2), (2, 10, 0.2), (5, 5, 1.0)] {
            assert!(at_least(seen, trials, share) >= 1.0, "{seen} of {trials}");
        }
        assert!(at_least(1, 5, 0.0) <= 0.0);
    }

    #[test]
    fn it_is_never_below_the_exact_tail() {
        // Exact binomial tails of n = 20, p = 0.2.
        for (seen, exact) in [(8, 0.032_143), (10, 0.002_595), (12, 0.000_102)] {
            let bound = at_least(seen, 20, 0.2);
            assert!(bound >= exact && bound < exact * 10.0, "{seen}: {bound}");
        }
    }
}
