//! Almost stochastic order: is one training procedure better than another over its whole distribution of seeds?

use serde::{Deserialize, Serialize};

use super::interval::Level;
use super::normal;
use super::resampling::Resampling;
use super::sample::{Sample, mean};

/// How far a sample is from being stochastically larger than another (del Barrio et al. 2018, Dror et al. 2019).
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct StochasticOrder {
    /// The violation ratio ε in 0..=1: 0 when the sample is larger at every quantile, 1 when smaller at every quantile.
    pub violation: f64,
    /// The one-sided upper confidence bound `ε_min` of the violation ratio, in 0..=1. Below 0.5 the sample is almost
    /// stochastically larger; 0.2 is the customary stricter threshold.
    pub epsilon_min: f64,
}

impl Sample {
    /// The almost stochastic order of `self` over `other`, where larger is better.
    ///
    /// The bound is `ε - σ Φ⁻¹(α) √((n + m) / (n m))`, where σ is the bootstrap standard deviation of
    /// `√(n m / (n + m)) (ε* - ε)` and `α = 1 - level`.
    pub fn stochastic_order(&self, other: &Self, level: Level, resampling: Resampling) -> StochasticOrder {
        let violation = violation_ratio(&self.sorted(), &other.sorted());
        let mut draws = resampling.draws();
        let (mut a, mut b) = (vec![0.0; self.n()], vec![0.0; other.n()]);
        let squares: Vec<f64> = (0..resampling.repeats())
            .map(|_| {
                draws.with_replacement(self.values(), &mut a);
                draws.with_replacement(other.values(), &mut b);
                a.sort_unstable_by(f64::total_cmp);
                b.sort_unstable_by(f64::total_cmp);
                (violation_ratio(&a, &b) - violation).powi(2)
            })
            .collect();
        // The factor √(n m / (n + m)) of σ cancels the one in front of it.
        let deviation = mean(&squares).sqrt();
        let epsilon_min = (violation - deviation * normal::quantile(level.alpha())).clamp(0.0, 1.0);
        StochasticOrder { violation, epsilon_min }
    }
}

/// The share of the squared Wasserstein-2 distance that lies where the quantile of `a` is below that of `b`; 1/2 for
/// equal samples, which neither order fits better. Both ascending.
fn violation_ratio(a: &[f64], b: &[f64]) -> f64 {
    let (n, m) = (a.len(), b.len());
    let (mut i, mut j, mut reached) = (0, 0, 0);
    let (mut violated, mut total) = (0.0, 0.0);
    // Both quantile functions are steps; positions are counted in units of 1 / (n m).
    while i < n && j < m {
        let (end_a, end_b) = ((i + 1) * m, (j + 1) * n);
        let end = end_a.min(end_b);
        let part = (end - reached) as f64 * (a[i] - b[j]).powi(2);
        total += part;
        violated += if a[i] < b[j] { part } else { 0.0 };
        reached = end;
        i += usize::from(end == end_a);
        j += usize::from(end == end_b);
    }
    if total > 0.0 { violated / total } else { 0.5 }
}
