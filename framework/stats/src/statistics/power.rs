//! How many seeds a claim needs.

use serde::{Deserialize, Serialize};
use statrs::function::gamma::ln_gamma;

use super::interval::Level;
use super::normal;
use super::student;

/// The most seeds that [`seeds_needed`] looks at.
const MOST_SEEDS: usize = 100_000;

/// How the two arms of a comparison are sampled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Design {
    /// The same seeds in both arms, and the paired t test; the deviation is that of the differences.
    Paired,
    /// Independent seeds, equally many in each arm, and the two-sample t test; the deviation is that within an arm.
    Independent,
}

/// The probability that a two-sided t test at `1 - level` detects a true `difference` with `seeds` seeds per arm,
/// when the standard deviation is `sd` (of what, the design says). 0 with fewer than two seeds.
///
/// The exact power of normally distributed values, by the non-central t distribution (Colas et al. 2018).
pub fn power(design: Design, difference: f64, sd: f64, seeds: usize, level: Level) -> f64 {
    if seeds < 2 {
        return 0.0;
    }
    let n = seeds as f64;
    let effect = (difference / sd).abs();
    let (degrees_of_freedom, shift) = match design {
        Design::Paired => (n - 1.0, effect * n.sqrt()),
        Design::Independent => (2.0 * n - 2.0, effect * (n / 2.0).sqrt()),
    };
    let critical = student::critical_value(degrees_of_freedom, level);
    outside_probability(degrees_of_freedom, shift, critical)
}

/// The fewest seeds per arm with which [`power`] reaches `wanted` (as a rule 0.8).
///
/// `None` when the difference is 0 or not finite, `sd` is not positive and finite, `wanted` is not in (0, 1), or
/// 100,000 seeds do not suffice.
pub fn seeds_needed(design: Design, difference: f64, sd: f64, wanted: f64, level: Level) -> Option<usize> {
    let sensible = difference.is_finite() && difference != 0.0 && sd.is_finite() && sd > 0.0;
    let reachable = wanted > 0.0 && wanted < 1.0;
    if !(sensible && reachable) {
        return None;
    }
    let enough = |seeds: usize| power(design, difference, sd, seeds, level) >= wanted;
    let mut high = 2;
    while !enough(high) {
        high *= 2;
        if high > MOST_SEEDS {
            return None;
        }
    }
    let mut low = high / 2;
    while low + 1 < high {
        let middle = usize::midpoint(low, high);
        if enough(middle) { high = middle } else { low = middle }
    }
    Some(high)
}

/// P(|T| > critical) for the non-central t distribution: the expectation of two normal tails over the distribution of
/// `s = √(χ² / df)`, by Simpson's rule.
fn outside_probability(degrees_of_freedom: f64, shift: f64, critical: f64) -> f64 {
    const INTERVALS: usize = 20_000;
    let half = degrees_of_freedom / 2.0;
    let ln_scale = std::f64::consts::LN_2 + half * half.ln() - ln_gamma(half);
    let density = |s: f64| {
        if s == 0.0 && degrees_of_freedom > 1.0 {
            return 0.0;
        }
        let power = if degrees_of_freedom > 1.0 { (degrees_of_freedom - 1.0) * s.ln() } else { 0.0 };
        (ln_scale + power - half * s * s).exp()
    };
    let tails = |s: f64| normal::cdf(shift - critical * s) + normal::cdf(-shift - critical * s);
    // s has standard deviation about 1 / √(2 df); twelve of them leave nothing outside.
    let reach = 12.0 / (2.0 * degrees_of_freedom).sqrt();
    let low = (1.0 - reach).max(0.0);
    let step = (1.0 + reach - low) / INTERVALS as f64;
    let sum: f64 = (0..=INTERVALS)
        .map(|i| {
            let weight = match i {
                0 | INTERVALS => 1.0,
                _ if i % 2 == 1 => 4.0,
                _ => 2.0,
            };
            let s = low + i as f64 * step;
            weight * density(s) * tails(s)
        })
        .sum();
    (sum * step / 3.0).clamp(0.0, 1.0)
}
