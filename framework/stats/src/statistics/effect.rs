//! Effect sizes: how large a difference is, in units that do not grow with the number of seeds.

use statrs::function::gamma::ln_gamma;

use super::paired::Paired;
use super::sample::Sample;

impl Paired {
    /// Cohen's `d_z`: the mean difference in units of the standard deviation of the differences.
    ///
    /// `None` for a single pair or differences that do not vary.
    pub fn d_z(&self) -> Option<f64> {
        let sd = self.differences().sd().filter(|&sd| sd > self.rounding())?;
        Some(self.mean() / sd)
    }
}

impl Sample {
    /// Hedges' g of independent samples: the difference of means `self - other` in units of the pooled standard
    /// deviation, with the exact correction for small samples (Hedges 1981).
    ///
    /// `None` when there are fewer than three values in total, or neither sample varies.
    pub fn hedges_g(&self, other: &Self) -> Option<f64> {
        let squares = |sample: &Self| sample.sd().map_or(0.0, |sd| sd * sd * (sample.n() - 1) as f64);
        let degrees_of_freedom = (self.n() + other.n()).checked_sub(2).filter(|&df| df > 0)? as f64;
        if !self.varies() && !other.varies() {
            return None;
        }
        let pooled = ((squares(self) + squares(other)) / degrees_of_freedom).sqrt();
        Some((self.mean() - other.mean()) / pooled * small_sample_correction(degrees_of_freedom))
    }

    /// The probability of improvement: that a random value of `self` exceeds a random value of `other`, ties counting
    /// half (Agarwal et al. 2021), in 0..=1.
    pub fn probability_of_improvement(&self, other: &Self) -> f64 {
        let others = other.sorted();
        let wins: f64 = self
            .values()
            .iter()
            .map(|value| {
                let below = others.partition_point(|other| other < value);
                let up_to = others.partition_point(|other| other <= value);
                (below + up_to) as f64 / 2.0
            })
            .sum();
        wins / (self.n() * other.n()) as f64
    }

    /// Cliff's delta: the probability that a value of `self` exceeds one of `other`, minus the reverse, in -1..=1.
    pub fn cliff_delta(&self, other: &Self) -> f64 {
        2.0 * self.probability_of_improvement(other) - 1.0
    }
}

/// `Γ(m/2) / (√(m/2) Γ((m-1)/2))`, which is 0 for `m = 1`.
fn small_sample_correction(m: f64) -> f64 {
    if m <= 1.0 {
        return 0.0;
    }
    (ln_gamma(m / 2.0) - ln_gamma((m - 1.0) / 2.0)).exp() / (m / 2.0).sqrt()
}
