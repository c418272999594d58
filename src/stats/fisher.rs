//! Fisher's exact test: does one arm of an experiment fail more often than the other?
//!
//! One-sided, for two by two tables (Fisher, The Design of Experiments, 1935): with both arms
//! taken together, how likely is it that chance alone puts at least so many of the failures into
//! the first? The terms of the hypergeometric distribution are added up from their logarithms.

use super::interval::{float, ln_gamma};

/// The probability that chance alone gives the first arm at least so many failures, if both arms
/// fail equally often. Each arm is (failures, rounds); more failures than rounds count as all.
///
/// Without rounds in either arm, or without failures, it is 1.
pub fn fisher_one_sided(first: (u64, u64), second: (u64, u64)) -> f64 {
    let (first_failed, first_rounds) = (first.0.min(first.1), first.1);
    let (second_failed, second_rounds) = (second.0.min(second.1), second.1);
    let failed = first_failed + second_failed;
    let rounds = first_rounds + second_rounds;
    let most = failed.min(first_rounds);
    let all = ln_choose(rounds, failed);
    let terms = (first_failed..=most).filter(|k| failed - k <= second_rounds);
    let sum: f64 = terms
        .map(|k| (ln_choose(first_rounds, k) + ln_choose(second_rounds, failed - k) - all).exp())
        .sum();
    sum.min(1.0)
}

/// The logarithm of the number of ways to choose.
fn ln_choose(from: u64, chosen: u64) -> f64 {
    let ln_factorial = |number: u64| ln_gamma(float(number) + 1.0);
    ln_factorial(from) - ln_factorial(chosen) - ln_factorial(from - chosen)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn near(got: f64, want: f64, tolerance: f64) {
        assert!((got - want).abs() <= tolerance, "got {got}, want {want}");
    }

    #[test]
    fn it_agrees_with_published_values() {
        for (first, second, p) in [
            ((5, 100), (0, 100), 0.0297),
            ((7, 100), (0, 100), 0.0070),
            ((5, 20), (0, 20), 0.0236),
            ((4, 100), (0, 100), 0.0606),
            ((4, 20), (0, 20), 0.0530),
            // Fisher's lady tasting tea: all four right, and three of four.
            ((4, 4), (0, 4), 1.0 / 70.0),
            ((3, 4), (1, 4), 17.0 / 70.0),
        ] {
            near(fisher_one_sided(first, second), p, 5e-5);
        }
    }

    #[test]
    fn without_failures_or_rounds_nothing_is_told() {
        for (first, second) in [
            ((0, 100), (0, 100)),
            ((0, 0), (0, 0)),
            ((5, 5), (0, 0)),
            ((9, 3), (0, 0)),
        ] {
            near(fisher_one_sided(first, second), 1.0, 1e-9);
        }
        near(fisher_one_sided((0, 100), (5, 100)), 1.0, 1e-9);
    }

    #[test]
    fn large_runs_stay_exact_enough() {
        // A failure in a million against none in a million is a toss.
        near(fisher_one_sided((1, 1_000_000), (0, 1_000_000)), 0.5, 1e-6);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn more_rounds_without_failure_never_make_it_likelier(
            failed in 1_u64..50,
            rounds in 50_u64..500,
            control in 1_u64..500,
        ) {
            let with = |control| fisher_one_sided((failed, rounds), (0, control));
            prop_assert!(with(control + 1) <= with(control) + 1e-9);
            prop_assert!((0.0..=1.0).contains(&with(control)));
        }
    }
}
