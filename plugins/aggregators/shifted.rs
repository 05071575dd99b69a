//! The mean of logits moved from one class prior to another: what prior corrections share.

use balpoe_core::components::{Aggregation, ComponentError, Knowledge};
use balpoe_core::tensor::Matrix;
use balpoe_core::tensor::dfdx::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::mean_logits::mean_logits;

/// The class prior that the mean of the experts' logits is made for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum TrainedFor {
    /// Uniform, as BalPoE's and balanced softmax's.
    #[default]
    Uniform,
    /// That of the training images, as plain cross-entropy's.
    Training,
}

impl TrainedFor {
    /// The prior, `[classes]`; uniform where there are no counts.
    pub(super) fn prior(self, class_counts: &[usize], classes: usize) -> Result<Vec<f64>, ComponentError> {
        let total: usize = class_counts.iter().sum();
        match self {
            Self::Uniform => Ok(vec![1.0 / classes as f64; classes]),
            Self::Training if class_counts.len() == classes && total > 0 => {
                Ok(class_counts.iter().map(|&count| count as f64 / total as f64).collect())
            }
            Self::Training => {
                let message = "`trained_for = \"training\"` needs the training images of each class";
                Err(ComponentError::new(message))
            }
        }
    }
}

/// `mean_e z_e + ln q - ln p`.
pub(super) struct Shifted {
    shift: Vec<f32>,
    summary: String,
}

/// Below this a prior is taken as this: its logarithm, -87, is beyond what a cosine head's logits can make up for, and finite.
const SMALLEST: f64 = f32::MIN_POSITIVE as f64;

impl Shifted {
    /// From the prior `p` that the logits are made for to the prior `q` of the test images.
    pub(super) fn new(p: &[f64], q: &[f64], summary: String) -> Self {
        let shift = |(p, q): (&f64, &f64)| (q.max(SMALLEST).ln() - p.max(SMALLEST).ln()) as f32;
        Self { shift: p.iter().zip(q).map(shift).collect(), summary }
    }

    /// The same with a summary of an estimated q.
    pub(super) fn estimated(p: &[f64], q: &[f64]) -> Self {
        let low = q.iter().fold(f64::INFINITY, |low, &q| low.min(q));
        let high = q.iter().fold(0.0_f64, |high, &q| high.max(q));
        Self::new(p, q, format!("estimated prior from {low:.5} to {high:.5}"))
    }
}

impl Aggregation for Shifted {
    fn apply(&self, experts: &[Matrix]) -> Matrix {
        let mean = mean_logits(experts);
        let shift = mean.device().tensor_from_vec(self.shift.clone(), (self.shift.len(),));
        let shift = shift.broadcast_like::<_, Axis<0>>(&mean);
        mean + shift
    }

    fn summary(&self) -> String {
        self.summary.clone()
    }
}

/// The mean of the experts' logits on the samples to be predicted, row-major `[samples, classes]`.
pub(super) fn unlabelled_mean(knowledge: &Knowledge<'_>) -> Result<Vec<f32>, ComponentError> {
    let experts = &knowledge.unlabelled.experts;
    let Some(first) = experts.first().filter(|first| !first.values.is_empty()) else {
        return Err(ComponentError::new("there are no predictions to estimate a prior from"));
    };
    let mut mean = first.values.clone();
    for expert in &experts[1..] {
        mean.iter_mut().zip(&expert.values).for_each(|(mean, z)| *mean += z);
    }
    mean.iter_mut().for_each(|mean| *mean /= experts.len() as f32);
    Ok(mean)
}
