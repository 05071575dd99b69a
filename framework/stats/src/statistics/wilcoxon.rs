//! Wilcoxon's signed-rank test with its exact distribution.

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::paired::Paired;
use super::permutation::smallest_sign_flip_p;

/// The most pairs that the exact distribution is computed for.
const MOST_PAIRS: usize = 500;

/// The outcome of a two-sided Wilcoxon signed-rank test.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct WilcoxonTest {
    /// The sum of the ranks of positive differences.
    pub positive_ranks: f64,
    /// The sum of the ranks of negative differences.
    pub negative_ranks: f64,
    /// The two-sided p value, exact with ties as well.
    pub p: f64,
    /// The number of pairs that differ; pairs without a difference are left out, as Wilcoxon did.
    pub pairs: usize,
    /// The smallest p that this many pairs can give at all.
    pub smallest_attainable_p: f64,
}

/// Why the exact distribution is not computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("the exact Wilcoxon test takes at most {MOST_PAIRS} pairs, found {0}; use the paired t test")]
pub struct WilcoxonError(usize);

impl Paired {
    /// Wilcoxon's signed-rank test, two-sided; tied magnitudes share their mid-rank, and the distribution is that of
    /// these very ranks under all sign patterns.
    ///
    /// # Errors
    /// With more than 500 pairs that differ.
    pub fn wilcoxon(&self) -> Result<WilcoxonTest, WilcoxonError> {
        let mut differences = self.differences().values().to_vec();
        differences.retain(|difference| difference.abs() > self.rounding());
        let pairs = differences.len();
        if pairs > MOST_PAIRS {
            return Err(WilcoxonError(pairs));
        }
        differences.sort_unstable_by(|a, b| a.abs().total_cmp(&b.abs()));
        let ranks = doubled_mid_ranks(&differences, self.rounding());
        let positive: usize =
            differences.iter().zip(&ranks).filter(|(d, _)| **d > 0.0).map(|(_, rank)| rank).sum();
        let negative = ranks.iter().sum::<usize>() - positive;
        let distribution = positive_rank_distribution(&ranks);
        let tail: f64 = distribution[..=positive.min(negative)].iter().sum();
        Ok(WilcoxonTest {
            positive_ranks: positive as f64 / 2.0,
            negative_ranks: negative as f64 / 2.0,
            p: (2.0 * tail).min(1.0),
            pairs,
            smallest_attainable_p: smallest_sign_flip_p(pairs.max(1)),
        })
    }
}

/// Twice the mid-rank of each of the values, ascending in magnitude: whole numbers in spite of ties.
fn doubled_mid_ranks(differences: &[f64], rounding: f64) -> Vec<usize> {
    let mut ranks = Vec::with_capacity(differences.len());
    for ties in differences.chunk_by(|a, b| b.abs() - a.abs() <= rounding) {
        let (first, last) = (ranks.len() + 1, ranks.len() + ties.len());
        ranks.extend(std::iter::repeat_n(first + last, ties.len()));
    }
    ranks
}

/// The probability of each (doubled) sum of positive ranks when every sign is a fair coin.
fn positive_rank_distribution(ranks: &[usize]) -> Vec<f64> {
    let mut distribution = vec![0.0; ranks.iter().sum::<usize>() + 1];
    distribution[0] = 1.0;
    let mut reach = 0;
    for &rank in ranks {
        reach += rank;
        for sum in (0..=reach).rev() {
            let with = if sum >= rank { distribution[sum - rank] } else { 0.0 };
            distribution[sum] = 0.5 * (distribution[sum] + with);
        }
    }
    distribution
}
