//! Calibrators: how predictions are made honest after training.

use std::fmt::Debug;

use super::{ComponentError, HeldOut};
use crate::tensor::Matrix;

/// How are predictions made honest after training. With `on = "experts"` one is fitted for each expert, with
/// `on = "ensemble"` one for the aggregated prediction.
pub trait Calibrator: Debug + Send + Sync {
    /// Whether the predicted class of every sample stays what it was.
    fn preserves_accuracy(&self) -> bool;

    /// Fits on held-out predictions with a single expert: the one, or the ensemble. `class_counts` `[classes]` are those of
    /// the training set.
    ///
    /// # Errors
    /// If the samples do not determine the fit.
    fn fit(&self, held_out: &HeldOut, class_counts: &[usize])
    -> Result<Box<dyn Calibration>, ComponentError>;
}

/// A fitted calibrator.
pub trait Calibration: Send + Sync {
    /// Calibrated logits `[samples, classes]` (log-probabilities up to a constant a row) from logits.
    fn apply(&self, logits: Matrix) -> Matrix;

    /// What was fitted, as a line for the result: `temperature 1.73`.
    fn summary(&self) -> String;
}
