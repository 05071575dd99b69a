//! `McNemar`'s test: two classifiers on the same images.

use serde::{Deserialize, Serialize};
use statrs::function::beta::beta_reg;
use thiserror::Error;

/// The outcome of `McNemar`'s exact test, two-sided: are the images that only one of the two gets right split evenly?
///
/// It speaks about the two trained networks and the population of images, not about retraining with another seed.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct McNemar {
    /// The number of images that only the treatment gets right.
    pub treatment_only: u64,
    /// The number of images that only the baseline gets right.
    pub baseline_only: u64,
    /// The exact two-sided p value (binomial).
    pub p: f64,
}

/// Two lists of right and wrong that are not about the same images.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("McNemar's test needs both classifiers on the same images, found {treatment} against {baseline}")]
pub struct McNemarError {
    /// The number of images of the treatment.
    pub treatment: usize,
    /// The number of images of the baseline.
    pub baseline: usize,
}

impl McNemar {
    /// The test from the two discordant counts.
    pub fn from_counts(treatment_only: u64, baseline_only: u64) -> Self {
        let (fewer, more) = (treatment_only.min(baseline_only), treatment_only.max(baseline_only));
        // P(X <= fewer) of a fair binomial is a regularised incomplete beta function.
        let p = if fewer == more { 1.0 } else { 2.0 * beta_reg(more as f64, (fewer + 1) as f64, 0.5) };
        Self { treatment_only, baseline_only, p: p.min(1.0) }
    }

    /// The test from right (`true`) and wrong (`false`) for every image.
    ///
    /// # Errors
    /// When the two do not hold the same number of images.
    pub fn new(treatment: &[bool], baseline: &[bool]) -> Result<Self, McNemarError> {
        if treatment.len() != baseline.len() {
            return Err(McNemarError { treatment: treatment.len(), baseline: baseline.len() });
        }
        let count =
            |wanted| treatment.iter().zip(baseline).filter(|(t, b)| (**t, **b) == wanted).count() as u64;
        Ok(Self::from_counts(count((true, false)), count((false, true))))
    }
}
