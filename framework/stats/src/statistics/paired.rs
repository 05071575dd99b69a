//! Two samples over the same seeds.

use serde::Serialize;
use thiserror::Error;

use super::interval::{Interval, Level};
use super::sample::{Sample, SampleError};
use super::student::{self, TTest};

/// A treatment and a baseline measured on the same seeds, compared seed by seed.
///
/// Every difference is `treatment - baseline`. Pairing removes what the seeds have in common, so the interval of the
/// difference is as a rule much narrower than the two samples suggest.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Paired {
    differences: Sample,
    /// What differences may differ by and still be equal: equal decimal fractions, subtracted, often part in the last
    /// bit.
    rounding: f64,
}

/// Why two samples cannot be paired.
#[derive(Debug, Clone, PartialEq, Error)]
pub enum PairedError {
    /// The samples have different numbers of values.
    #[error("paired samples need one value per seed in both, found {treatment} values against {baseline}")]
    Lengths {
        /// The number of values of the treatment.
        treatment: usize,
        /// The number of values of the baseline.
        baseline: usize,
    },
    /// A difference is out of the range of `f64`.
    #[error("paired samples need finite differences")]
    Difference(#[source] SampleError),
}

impl Paired {
    /// Pairs value `i` of `treatment` with value `i` of `baseline`.
    ///
    /// # Errors
    /// When the two have different numbers of values, or a difference overflows.
    pub fn new(treatment: &Sample, baseline: &Sample) -> Result<Self, PairedError> {
        if treatment.n() != baseline.n() {
            return Err(PairedError::Lengths { treatment: treatment.n(), baseline: baseline.n() });
        }
        let differences: Vec<f64> =
            treatment.values().iter().zip(baseline.values()).map(|(t, b)| t - b).collect();
        let differences = Sample::new(differences).map_err(PairedError::Difference)?;
        Ok(Self { differences, rounding: treatment.rounding().max(baseline.rounding()) })
    }

    /// The differences `treatment - baseline`, one per seed.
    pub fn differences(&self) -> &Sample {
        &self.differences
    }

    /// The mean difference.
    pub fn mean(&self) -> f64 {
        self.differences.mean()
    }

    /// The t interval of the mean difference; `None` for a single pair.
    pub fn t_interval(&self, level: Level) -> Option<Interval> {
        self.differences.t_interval(level)
    }

    /// The paired t test, two-sided; `None` for a single pair or differences that do not vary.
    pub fn t_test(&self) -> Option<TTest> {
        student::one_sample(&self.differences, self.rounding)
    }

    pub(super) fn rounding(&self) -> f64 {
        self.rounding
    }
}
