//! What rounding may change.

use super::CheckFailure;
use crate::cuda::Precision;
use std::cell::Cell;

/// What is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Outputs and the loss.
    Forward,
    /// Means and variances of batches.
    Statistics,
    /// Gradients.
    Gradient,
    /// Correct predictions: rounding may change one, not most of them.
    Count,
    /// What an update makes of gradients that both sides have: `f32` in all precisions.
    Update,
}

/// Bounds on the root mean square of a tensor's differences, relative to the tensor's.
pub(super) struct Bounds {
    precision: Precision,
    /// The largest difference so far, as a share of its bound.
    largest: Cell<f64>,
}

impl Bounds {
    pub(super) fn new(precision: Precision) -> Self {
        Self { precision, largest: Cell::new(0.0) }
    }

    fn of(&self, kind: Kind) -> f64 {
        match (kind, self.precision) {
            (Kind::Count, _) => 0.5,
            (Kind::Update, _) => 1e-4,
            (_, Precision::F32) => 1e-3,
            (Kind::Forward, Precision::Tf32) => 1e-2,
            (Kind::Statistics, Precision::Tf32) => 5e-3,
            (Kind::Gradient, Precision::Tf32) => 5e-2,
            // Over many seeds 0.007, 0.004 and 0.04 were seen. A variance over one value less differs by 0.012.
            (Kind::Forward, Precision::Bf16) => 2e-2,
            (Kind::Statistics, Precision::Bf16) => 1e-2,
            (Kind::Gradient, Precision::Bf16) => 1e-1,
        }
    }

    /// Holds the size of the difference, relative to what was expected or `floor`, against the bound.
    pub(super) fn compare(
        &self,
        kind: Kind,
        what: &str,
        expected: &[f32],
        found: &[f32],
        floor: f64,
    ) -> Result<(), CheckFailure> {
        let differences: Vec<f32> =
            expected.iter().zip(found).map(|(expected, found)| expected - found).collect();
        // Both may be zero throughout.
        let relative = match size(&differences) {
            0.0 => 0.0,
            difference => difference / size(expected).max(floor),
        };
        let bound = self.of(kind);
        self.largest.set(self.largest.get().max(relative / bound));
        // What is not a number is not within the bound.
        if relative <= bound {
            return Ok(());
        }
        Err(CheckFailure::Disagreement { what: what.to_owned(), found: relative, bound })
    }

    /// The largest difference so far, as a share of its bound.
    pub(super) fn largest(&self) -> f64 {
        self.largest.get()
    }
}

/// Root mean square.
pub(super) fn size(values: &[f32]) -> f64 {
    let squares: f64 = values.iter().map(|&value| f64::from(value).powi(2)).sum();
    (squares / values.len() as f64).sqrt()
}
