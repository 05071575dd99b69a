//! Student's t distribution and the tests that stand on it.

use serde::{Deserialize, Serialize};
use statrs::distribution::{Continuous, ContinuousCDF, StudentsT};
use statrs::function::beta::beta_reg;

use super::interval::{Interval, Level};
use super::sample::Sample;

/// The outcome of a two-sided t test.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct TTest {
    /// The t statistic: the difference divided by its standard error.
    pub t: f64,
    /// The degrees of freedom (fractional for Welch's test).
    pub degrees_of_freedom: f64,
    /// The two-sided p value.
    pub p: f64,
}

impl TTest {
    fn new(t: f64, degrees_of_freedom: f64) -> Self {
        Self { t, degrees_of_freedom, p: two_sided_p(t, degrees_of_freedom) }
    }
}

impl Sample {
    /// Student's t interval for the mean; `None` for a single value, which says nothing about its spread.
    pub fn t_interval(&self, level: Level) -> Option<Interval> {
        let critical = critical_value((self.n() - 1) as f64, level);
        Some(Interval::around(self.mean(), critical * self.standard_error()?))
    }

    /// The one-sample t test of the hypothesis that the mean is 0, two-sided.
    ///
    /// On paired differences this is the paired t test. `None` where it is undefined: a single value, or values that
    /// do not vary beyond rounding.
    pub fn t_test(&self) -> Option<TTest> {
        one_sample(self, self.rounding())
    }

    /// Welch's t test of equal means for two independent samples, two-sided; the difference is `self - other`.
    ///
    /// `None` when a sample has a single value or neither varies beyond rounding.
    pub fn welch_test(&self, other: &Self) -> Option<TTest> {
        let (standard_error, degrees_of_freedom) = welch(self, other)?;
        Some(TTest::new((self.mean() - other.mean()) / standard_error, degrees_of_freedom))
    }

    /// Welch's t interval for the difference of means `self - other` of two independent samples.
    ///
    /// `None` when a sample has a single value or neither varies beyond rounding.
    pub fn welch_interval(&self, other: &Self, level: Level) -> Option<Interval> {
        let (standard_error, degrees_of_freedom) = welch(self, other)?;
        let half_width = critical_value(degrees_of_freedom, level) * standard_error;
        Some(Interval::around(self.mean() - other.mean(), half_width))
    }
}

/// The one-sample t test; `None` where the standard deviation is no more than `rounding`.
pub(super) fn one_sample(sample: &Sample, rounding: f64) -> Option<TTest> {
    sample.sd().filter(|&sd| sd > rounding)?;
    Some(TTest::new(sample.mean() / sample.standard_error()?, (sample.n() - 1) as f64))
}

/// Standard error of the difference and the Welch-Satterthwaite degrees of freedom.
fn welch(a: &Sample, b: &Sample) -> Option<(f64, f64)> {
    let (variance_a, variance_b) = (a.standard_error()?.powi(2), b.standard_error()?.powi(2));
    if !a.varies() && !b.varies() {
        return None;
    }
    let variance = variance_a + variance_b;
    let spread = variance_a.powi(2) / (a.n() - 1) as f64 + variance_b.powi(2) / (b.n() - 1) as f64;
    Some((variance.sqrt(), variance.powi(2) / spread))
}

/// P(|T| ≥ |t|), accurate in the far tail as well.
fn two_sided_p(t: f64, degrees_of_freedom: f64) -> f64 {
    beta_reg(degrees_of_freedom / 2.0, 0.5, degrees_of_freedom / (degrees_of_freedom + t * t))
}

/// The t that `±t` covers with the probability of `level`; infinite without degrees of freedom.
pub(super) fn critical_value(degrees_of_freedom: f64, level: Level) -> f64 {
    let Ok(distribution) = StudentsT::new(0.0, 1.0, degrees_of_freedom) else {
        return f64::INFINITY;
    };
    let mut t = distribution.inverse_cdf(1.0 - level.alpha() / 2.0);
    // The library's inverse is good to about 1e-9 only; Newton's method finishes it.
    for _ in 0..3 {
        t += (two_sided_p(t, degrees_of_freedom) - level.alpha()) / (2.0 * distribution.pdf(t));
    }
    t
}
