//! Label-distribution-aware margins.

use balpoe_core::components::{ComponentError, LossInput, Objective, Trainees, TrainingLoss};
use balpoe_core::config::ConfigError;
use balpoe_core::register;
use balpoe_core::registry::Component;
use balpoe_core::tensor::TracedScalar;
use balpoe_core::tensor::dfdx::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::effective_number;
use super::margin::Margins;

/// Cross-entropy after `scale m_y` is taken off the true class's logit, with margins `m_c ~ n_c^(-1/4)`: rare classes must win by
/// more. From an epoch on, classes are weighted by effective numbers of samples (deferred re-weighting).
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Ldam {
    /// The margin of the rarest class, as a cosine.
    pub largest_margin: f64,
    /// Scale of the logits: that of the cosine head.
    pub scale: f64,
    /// The epoch, counted from 0, from which on classes are weighted; never if it is not given.
    pub reweight_from: Option<usize>,
    /// Of the effective number of samples: 0 weighs all classes alike; near 1, by the inverse of their image counts.
    pub beta: f64,
}

impl Default for Ldam {
    fn default() -> Self {
        Self { largest_margin: 0.5, scale: 30.0, reweight_from: None, beta: 0.9999 }
    }
}

impl Component for Ldam {
    fn check(&self) -> Result<(), ConfigError> {
        for (key, value) in [("largest_margin", self.largest_margin), ("scale", self.scale)] {
            if !(value.is_finite() && value >= 0.0) {
                return Err(ConfigError::key(key, format!("{key} must be at least 0, found {value}")));
            }
        }
        effective_number::check_beta(self.beta)
    }
}

impl Objective for Ldam {
    fn prepare(&self, trainees: Trainees<'_>) -> Result<Box<dyn TrainingLoss>, ConfigError> {
        Ok(Box::new(LdamLoss {
            margins: Margins::new(trainees.class_counts, self.largest_margin, self.scale),
            weights: effective_number::weights(self.beta, trainees.class_counts),
            reweight_from: self.reweight_from,
        }))
    }
}

struct LdamLoss {
    margins: Margins,
    weights: Vec<f32>,
    reweight_from: Option<usize>,
}

impl TrainingLoss for LdamLoss {
    fn loss(&self, input: LossInput<'_>) -> Result<TracedScalar, ComponentError> {
        let weighted = self.reweight_from.is_some_and(|from| input.epoch >= from);
        let weights = weighted.then_some(self.weights.as_slice());
        let experts = input.experts.len() as f32;
        let mut loss: TracedScalar = input.device.zeros().retaped();
        for expert in input.experts {
            loss = loss + self.margins.loss(expert.logits, input.targets, weights, input.device) / experts;
        }
        Ok(loss)
    }
}

register! {
    Objective "ldam" => Ldam,
    summary: "cross-entropy with larger margins for rarer classes",
    paper: "Cao et al., Learning imbalanced datasets with label-distribution-aware margin loss, NeurIPS 2019, equation 13",
    example: r#"
kind = "ldam"
largest_margin = 0.5
scale = 30.0
"#,
}
