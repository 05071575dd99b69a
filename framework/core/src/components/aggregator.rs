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

    /// What was learnt, as a line for the result; empty if nothing was.
    fn summary(&self) -> String {
        String::new()
    }
}
