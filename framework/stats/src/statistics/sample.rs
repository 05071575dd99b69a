//! A sample: one number per seed.

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// At least one finite number, in the order in which they were given (as a rule one per seed).
///
/// The order carries the pairing: `values()[i]` of two samples over the same seeds belong together.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Vec<f64>", into = "Vec<f64>")]
pub struct Sample(Vec<f64>);

/// Why numbers are not a [`Sample`].
#[derive(Debug, Clone, PartialEq, Error)]
pub enum SampleError {
    /// There was no value at all.
    #[error("a sample needs at least one value, found none")]
    Empty,
    /// A value was NaN or infinite.
    #[error("a sample holds finite values only, found {value} at position {position}")]
    NotFinite {
        /// The position, counted from 0.
        position: usize,
        /// The value found there.
        value: f64,
    },
}

impl Sample {
    /// The sample of `values`.
    ///
    /// # Errors
    /// When `values` is empty or one of them is not finite.
    pub fn new(values: impl Into<Vec<f64>>) -> Result<Self, SampleError> {
        let values = values.into();
        if values.is_empty() {
            return Err(SampleError::Empty);
        }
        match values.iter().position(|value| !value.is_finite()) {
            Some(position) => Err(SampleError::NotFinite { position, value: values[position] }),
            None => Ok(Self(values)),
        }
    }

    /// The values in their given order.
    pub fn values(&self) -> &[f64] {
        &self.0
    }

    /// The number of values, at least 1.
    pub fn n(&self) -> usize {
        self.0.len()
    }

    /// The arithmetic mean.
    pub fn mean(&self) -> f64 {
        mean(&self.0)
    }

    /// The sample standard deviation (denominator n - 1); `None` for a single value.
    pub fn sd(&self) -> Option<f64> {
        sd(&self.0)
    }

    /// The standard error of the mean, `sd / √n`; `None` for a single value.
    pub fn standard_error(&self) -> Option<f64> {
        Some(self.sd()? / (self.n() as f64).sqrt())
    }

    /// The values in ascending order.
    pub fn sorted(&self) -> Vec<f64> {
        let mut values = self.0.clone();
        values.sort_unstable_by(f64::total_cmp);
        values
    }

    /// The interquartile mean: the mean of the middle half (Agarwal et al. 2021).
    ///
    /// Less swayed by one failed seed than the mean, and more precise than the median. `⌊n/4⌋` values are cut from each
    /// end, as `scipy.stats.trim_mean(values, 0.25)` does.
    pub fn interquartile_mean(&self) -> f64 {
        let cut = self.n() / 4;
        mean(&self.sorted()[cut..self.n() - cut])
    }
}

impl Sample {
    /// What two differences of such values may differ by and still be equal but for rounding.
    pub(super) fn rounding(&self) -> f64 {
        4.0 * f64::EPSILON * self.0.iter().fold(0.0_f64, |largest, value| largest.max(value.abs()))
    }

    /// Whether the spread is more than rounding.
    pub(super) fn varies(&self) -> bool {
        self.sd().is_some_and(|sd| sd > self.rounding())
    }

    /// The values, to be replaced by finite ones.
    pub(super) fn values_mut(&mut self) -> &mut [f64] {
        &mut self.0
    }

    /// The sample without the value at `position`; `None` when it is the only one.
    pub(super) fn without(&self, position: usize) -> Option<Self> {
        let mut values = self.0.clone();
        values.remove(position);
        (!values.is_empty()).then_some(Self(values))
    }
}

impl TryFrom<Vec<f64>> for Sample {
    type Error = SampleError;

    fn try_from(values: Vec<f64>) -> Result<Self, SampleError> {
        Self::new(values)
    }
}

impl From<Sample> for Vec<f64> {
    fn from(sample: Sample) -> Self {
        sample.0
    }
}

/// The mean of at least one value.
pub(super) fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

/// The standard deviation with denominator n - 1; `None` below two values.
pub(super) fn sd(values: &[f64]) -> Option<f64> {
    if values.len() < 2 {
        return None;
    }
    let mean = mean(values);
    let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    Some((squares / (values.len() - 1) as f64).sqrt())
}
