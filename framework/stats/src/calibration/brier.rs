//! What the Brier score is made of.

use serde::{Deserialize, Serialize};

use super::binning::Binning;
use super::class_reliability::ClassReliability;
use super::error::EvaluationError;
use super::evaluation::Evaluation;
use super::predictions::Predictions;
use super::reliability::ReliabilityBin;

/// Murphy's decomposition (1973) of the Brier score, class by class and summed:
/// `brier = reliability - resolution + uncertainty + within_bins`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct BrierDecomposition {
    /// The Brier score itself.
    pub brier: f64,
    /// Miscalibration: the mean squared gap between confidence and frequency. Lower is better.
    pub reliability: f64,
    /// How far the frequencies in the bins are from the class's overall frequency. Higher is better.
    pub resolution: f64,
    /// The Brier score of always predicting the class frequencies: a property of the test set alone.
    pub uncertainty: f64,
    /// What probabilities that differ within a bin add (Stephenson et al. 2008); it vanishes as bins become narrow.
    pub within_bins: f64,
}

impl Evaluation<'_> {
    /// The decomposition of the Brier score with the given bins for every class's probability.
    ///
    /// # Errors
    /// As [`class_reliability`](Self::class_reliability).
    pub fn brier_decomposition(
        &self,
        predictions: &Predictions<'_>,
        binning: Binning,
    ) -> Result<BrierDecomposition, EvaluationError> {
        let classes = self.class_reliability(predictions, binning, 0.0)?;
        Ok(decompose(self.brier(), &classes, &self.label_weights()))
    }
}

fn decompose(brier: f64, classes: &ClassReliability, label_weights: &[f64]) -> BrierDecomposition {
    let total: f64 = label_weights.iter().sum();
    let (mut reliability, mut resolution, mut uncertainty) = (0.0, 0.0, 0.0);
    for (class, weight) in classes.classes().iter().zip(label_weights) {
        let frequency = weight / total;
        reliability += class.expected(|bin| bin.gap().powi(2));
        resolution += class.expected(|bin: &ReliabilityBin| (bin.accuracy - frequency).powi(2));
        uncertainty += frequency * (1.0 - frequency);
    }
    let within_bins = brier - (reliability - resolution + uncertainty);
    BrierDecomposition { brier, reliability, resolution, uncertainty, within_bins }
}
