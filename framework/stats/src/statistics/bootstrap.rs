//! The bootstrap over seeds, and intervals from bootstrap replicates.

use super::interval::{Interval, Level};
use super::normal;
use super::resampling::Resampling;
use super::sample::{Sample, mean, sd};

/// A statistic, its bootstrap replicates, and the intervals that they give.
#[derive(Debug, Clone, PartialEq)]
pub struct Bootstrap {
    estimate: f64,
    /// Ascending.
    replicates: Vec<f64>,
    acceleration: f64,
}

impl Sample {
    /// The bootstrap of `statistic` over the values.
    ///
    /// Where `nⁿ` does not exceed `resampling.repeats` (five seeds: 3,125), every resample is visited once and the
    /// result carries no simulation error; the seed is not used then.
    ///
    /// ```
    /// # use balpoe_stats::statistics::{Level, Resampling, Sample};
    /// let accuracies = Sample::new([52.1, 51.8, 52.4, 51.6, 52.0])?;
    /// let interval = accuracies.bootstrap(Sample::interquartile_mean, Resampling::default()).bca(Level::P95);
    /// assert!(interval.contains(52.0));
    /// # Ok::<(), balpoe_stats::statistics::SampleError>(())
    /// ```
    pub fn bootstrap(&self, statistic: impl Fn(&Sample) -> f64, resampling: Resampling) -> Bootstrap {
        let (values, n) = (self.values(), self.n());
        let mut resample = self.clone();
        let all = n.checked_pow(n as u32).filter(|&all| all <= resampling.repeats());
        let mut draws = resampling.draws();
        let replicates = (0..all.unwrap_or(resampling.repeats()))
            .map(|code| {
                if all.is_some() {
                    // The digits of the code to the base n name the values.
                    let mut digits = code;
                    for target in resample.values_mut() {
                        *target = values[digits % n];
                        digits /= n;
                    }
                } else {
                    draws.with_replacement(values, resample.values_mut());
                }
                statistic(&resample)
            })
            .collect();
        let jackknife: Vec<f64> =
            (0..n).filter_map(|left_out| self.without(left_out)).map(|s| statistic(&s)).collect();
        Bootstrap { acceleration: acceleration(&jackknife), ..Bootstrap::new(statistic(self), replicates) }
    }
}

impl Bootstrap {
    /// A bootstrap without a jackknife: its `BCa` interval corrects the bias only.
    pub(crate) fn new(estimate: f64, mut replicates: Vec<f64>) -> Self {
        replicates.sort_unstable_by(f64::total_cmp);
        Self { estimate, replicates, acceleration: 0.0 }
    }

    /// The statistic of the data themselves.
    pub fn estimate(&self) -> f64 {
        self.estimate
    }

    /// The replicates, ascending.
    pub fn replicates(&self) -> &[f64] {
        &self.replicates
    }

    /// The bootstrap standard error: the standard deviation of the replicates; `None` for a single one.
    pub fn standard_error(&self) -> Option<f64> {
        sd(&self.replicates)
    }

    /// The bootstrap estimate of the statistic's bias: the mean of the replicates minus the estimate.
    pub fn bias(&self) -> f64 {
        mean(&self.replicates) - self.estimate
    }

    /// The percentile interval.
    ///
    /// Over few seeds it is too narrow: at 95 % and n = 5 it covers the mean of a normal population in 83 % of
    /// experiments, as does [`bca`](Self::bca), where the t interval covers it in 95 %. From n = 50 on it keeps its
    /// promise.
    pub fn percentile(&self, level: Level) -> Interval {
        let tail = level.alpha() / 2.0;
        Interval { low: quantile(&self.replicates, tail), high: quantile(&self.replicates, 1.0 - tail) }
    }

    /// The bias-corrected and accelerated interval (Efron 1987).
    ///
    /// The acceleration comes from the jackknife over seeds; it is 0 for a bootstrap over images, where the interval
    /// is the bias-corrected one.
    pub fn bca(&self, level: Level) -> Interval {
        let n = self.replicates.len() as f64;
        let below = self.replicates.partition_point(|&replicate| replicate < self.estimate);
        let up_to = self.replicates.partition_point(|&replicate| replicate <= self.estimate);
        // Ties count half; an estimate beyond all replicates would make the correction infinite.
        let share = ((below + up_to) as f64 / (2.0 * n)).clamp(0.5 / n, 1.0 - 0.5 / n);
        let bias = normal::quantile(share);
        let end = |tail: f64| {
            let shifted = bias + normal::quantile(tail);
            let corrected = bias + shifted / (1.0 - self.acceleration * shifted);
            quantile(&self.replicates, normal::cdf(corrected))
        };
        let tail = level.alpha() / 2.0;
        Interval { low: end(tail), high: end(1.0 - tail) }
    }

    /// The two-sided p value of the hypothesis that the statistic is 0: twice the smaller share of replicates on either
    /// side of 0, as `(hits + 1) / (repeats + 1)`, so that it is never 0.
    ///
    /// It inverts the percentile interval and shares its optimism for few seeds.
    pub fn sign_p(&self) -> f64 {
        let not_above = self.replicates.partition_point(|&replicate| replicate <= 0.0);
        let not_below = self.replicates.len() - self.replicates.partition_point(|&replicate| replicate < 0.0);
        let p = (not_above.min(not_below) + 1) as f64 / (self.replicates.len() + 1) as f64;
        (2.0 * p).min(1.0)
    }
}

/// Efron's acceleration from leave-one-out values: `Σ d³ / (6 (Σ d²)^(3/2))` with `d` their mean minus each.
fn acceleration(jackknife: &[f64]) -> f64 {
    let center = mean(jackknife);
    let power = |exponent| jackknife.iter().map(|value| (center - value).powi(exponent)).sum::<f64>();
    let spread = power(2);
    if spread > 0.0 { power(3) / (6.0 * spread.powf(1.5)) } else { 0.0 }
}

/// The quantile of ascending values by linear interpolation (Hyndman and Fan's type 7, as `numpy.quantile`).
fn quantile(sorted: &[f64], p: f64) -> f64 {
    let position = p.clamp(0.0, 1.0) * (sorted.len() - 1) as f64;
    let below = position.floor() as usize;
    let above = (below + 1).min(sorted.len() - 1);
    sorted[below] + (position - below as f64) * (sorted[above] - sorted[below])
}
