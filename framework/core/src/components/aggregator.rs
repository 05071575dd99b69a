//! Aggregators: how the experts' logits become one prediction.

use std::fmt::Debug;

use super::{ComponentError, HeldOut, Predictions};
use crate::tensor::Matrix;

/// What an aggregator may know before it is applied.
#[derive(Clone, Copy, Debug)]
pub struct Knowledge<'a> {
    /// Training images of each class, `[classes]`.
    pub class_counts: &'a [usize],
    /// Held-out predictions, if the experiment keeps some.
    pub held_out: Option<&'a HeldOut>,
    /// The predictions to be aggregated; their labels are not to be looked at.
    pub unlabelled: &'a Predictions,
    /// The test class prior `[classes]`, where the experiment says that it is known.
    pub test_prior: Option<&'a [f64]>,
}

/// How do the experts' logits become one prediction.
pub trait Aggregator: Debug + Send + Sync {
    /// Whether what is prepared depends on the images to be aggregated or on their prior. It is prepared anew for each test
    /// distribution then, and needs all predictions in memory.
    fn adapts(&self) -> bool {
        true
    }

    /// Learns what there is to learn (weights, a test prior), and gives what is applied.
    ///
    /// # Errors
    /// If something that it needs is not known.
    fn prepare(&self, knowledge: Knowledge<'_>) -> Result<Box<dyn Aggregation>, ComponentError>;
}

/// A prepared aggregator. It is applied to chunks of samples: the whole set need not fit one tensor.
pub trait Aggregation: Send + Sync {
    /// Combined logits `[samples, classes]` from one such matrix per expert. Their softmax is the prediction.
    fn apply(&self, experts: &[Matrix]) -> Matrix;

    /// The same as a linear pool, where it is one: many times faster than tensors with many classes.
    fn lower(&self) -> Option<LinearPool> {
        None
    }

    /// What was learnt, as a line for the result; empty if nothing was.
    fn summary(&self) -> String {
        String::new()
    }
}

/// Combined logits `sum_e weights[e] z_e`: the lowered form of an aggregation.
#[derive(Clone, Debug, PartialEq)]
pub struct LinearPool {
    /// One weight per expert.
    pub weights: Vec<f32>,
}

impl LinearPool {
    /// Writes the combined logits of some rows; `experts` and `combined` are row-major `[rows, classes]`.
    pub fn apply(&self, experts: &[&[f32]], classes: usize, combined: &mut [f32]) {
        // Row by row, so that sums stay in the nearest cache.
        for (row, sums) in combined.chunks_exact_mut(classes.max(1)).enumerate() {
            sums.fill(0.0);
            for (expert, weight) in experts.iter().zip(&self.weights) {
                let logits = &expert[row * classes..][..classes];
                sums.iter_mut().zip(logits).for_each(|(sum, logit)| *sum += weight * logit);
            }
        }
    }
}
