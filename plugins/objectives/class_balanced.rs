//! Cross-entropy with class weights.

use balpoe_core::components::{ComponentError, LossInput, Objective, Trainees, TrainingLoss};
use balpoe_core::config::ConfigError;
use balpoe_core::register;
use balpoe_core::registry::Component;
use balpoe_core::tensor::TracedScalar;
use balpoe_core::tensor::dfdx::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::effective_number;

/// Cross-entropy in which class c weighs `(1 - beta) / (1 - beta^n_c)`, averaged over the weights of the batch and over
/// experts. Starting late (deferred re-weighting) lets the network learn features from all images first.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ClassBalanced {
    /// 0 weighs all classes alike; near 1, by the inverse of their image counts.
    pub beta: f64,
    /// The epoch, counted from 0, from which on classes are weighted.
    pub reweight_from: usize,
}

impl Default for ClassBalanced {
    fn default() -> Self {
        Self { beta: 0.9999, reweight_from: 0 }
    }
}

impl Component for ClassBalanced {
    fn check(&self) -> Result<(), ConfigError> {
        effective_number::check_beta(self.beta)
    }
}

impl Objective for ClassBalanced {
    fn prepare(&self, trainees: Trainees<'_>) -> Result<Box<dyn TrainingLoss>, ConfigError> {
        let weights = effective_number::weights(self.beta, trainees.class_counts);
        Ok(Box::new(Weighted { weights, reweight_from: self.reweight_from }))
    }
}

struct Weighted {
    weights: Vec<f32>,
    reweight_from: usize,
}

impl TrainingLoss for Weighted {
    fn loss(&self, input: LossInput<'_>) -> Result<TracedScalar, ComponentError> {
        let weights = if input.epoch >= self.reweight_from {
            self.weights.clone()
        } else {
            vec![1.0; self.weights.len()]
        };
        let weights = input.device.tensor_from_vec(weights, (self.weights.len(),));
        let weights = weights.broadcast_like::<_, Axis<0>>(&input.target);
        let target = input.target * weights;
        let total = target.clone().sum::<Rank0, _>().array();
        let experts = input.experts.len() as f32;
        let mut loss: TracedScalar = input.device.zeros().retaped();
        for expert in input.experts {
            let likelihood = expert.logits.log_softmax::<Axis<1>>() * target.clone();
            loss = loss - likelihood.sum::<Rank0, _>() / (total * experts);
        }
        Ok(loss)
    }
}

register! {
    Objective "class-balanced" => ClassBalanced,
    summary: "cross-entropy weighted by effective numbers of samples, from an epoch on",
    paper: "Cui et al., Class-balanced loss based on effective number of samples, CVPR 2019, equation 4",
    example: r#"
kind = "class-balanced"
beta = 0.9999
"#,
}
