//! Calibration of each class against all others, and normalisation afterwards (Zadrozny and Elkan 2002).

use balpoe_core::components::{Calibration, Predictions};
use balpoe_core::tensor::Matrix;
use balpoe_core::tensor::dfdx::prelude::*;

use crate::numerics::log_sum_exp;

/// Below this a probability is taken as this, so that no logit is infinite.
pub(super) const SMALLEST: f64 = 1e-12;

/// A function from a class's predicted probability to its calibrated one.
pub(super) trait BinaryMap: Send + Sync {
    /// The calibrated probability, in `[0, 1]`.
    fn apply(&self, probability: f64) -> f64;
}

/// One sample as one class sees it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sample {
    /// The predicted probability of the class.
    pub(super) probability: f64,
    /// Whether it is the true class: 1 or 0.
    pub(super) hit: f64,
    /// Its weight.
    pub(super) weight: f64,
}

/// One map a class.
pub(super) struct OneVsRest<M> {
    maps: Vec<M>,
    summary: String,
}

impl<M: BinaryMap> OneVsRest<M> {
    /// Fits one map a class on the first expert's predictions, sorted by probability. Weights average to one in what `fit`
    /// sees.
    pub(super) fn fit(
        predictions: &Predictions,
        weights: &[f64],
        summary: String,
        fit: impl Fn(&[Sample]) -> M,
    ) -> Self {
        let classes = predictions.classes();
        let logits = &predictions.experts[0].values;
        let normalizers: Vec<f64> = logits.chunks_exact(classes.max(1)).map(log_sum_exp).collect();
        let mean = weights.iter().sum::<f64>() / weights.len().max(1) as f64;
        let map = |class: usize| {
            let sample = |row: usize| Sample {
                probability: (f64::from(logits[row * classes + class]) - normalizers[row]).exp(),
                hit: f64::from(u8::from(predictions.labels[row] as usize == class)),
                weight: weights[row] / mean,
            };
            let mut samples: Vec<Sample> = (0..predictions.samples()).map(sample).collect();
            samples.sort_by(|a, b| a.probability.total_cmp(&b.probability));
            fit(&samples)
        };
        Self { maps: (0..classes).map(map).collect(), summary }
    }
}

impl<M: BinaryMap> Calibration for OneVsRest<M> {
    fn apply(&self, logits: Matrix) -> Matrix {
        let mut values = logits.as_vec();
        let mut calibrated = vec![0.0; self.maps.len()];
        for row in values.chunks_exact_mut(self.maps.len().max(1)) {
            let normalizer = log_sum_exp(row);
            for ((calibrated, map), &z) in calibrated.iter_mut().zip(&self.maps).zip(&*row) {
                *calibrated = map.apply((f64::from(z) - normalizer).exp());
            }
            let sum: f64 = calibrated.iter().sum();
            // A row in which no class is left keeps its prediction.
            if sum > 0.0 {
                for (z, calibrated) in row.iter_mut().zip(&calibrated) {
                    *z = (calibrated / sum).max(SMALLEST).ln() as f32;
                }
            }
        }
        let shape = *logits.shape();
        logits.device().tensor_from_vec(values, shape)
    }

    fn summary(&self) -> String {
        self.summary.clone()
    }
}
