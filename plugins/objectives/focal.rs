//! Focal loss.

use balpoe_core::components::{ComponentError, LossInput, Objective, Trainees, TrainingLoss};
use balpoe_core::config::ConfigError;
use balpoe_core::register;
use balpoe_core::registry::Component;
use balpoe_core::tensor::TracedScalar;
use balpoe_core::tensor::dfdx::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// `(1 - p_y)^gamma (-ln p_y)`, averaged over experts and batch: images that are already recognised count less. A soft target
/// weighs the losses of its labels.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Focal {
    /// How fast the weight falls with the probability of the true class; 0 is cross-entropy.
    pub gamma: f64,
}

impl Default for Focal {
    fn default() -> Self {
        Self { gamma: 2.0 }
    }
}

impl Component for Focal {
    fn check(&self) -> Result<(), ConfigError> {
        // Between 0 and 1 the gradient is infinite where a probability is one.
        if self.gamma == 0.0 || (self.gamma.is_finite() && self.gamma >= 1.0) {
            return Ok(());
        }
        Err(ConfigError::key("gamma", format!("gamma must be 0 or at least 1, found {}", self.gamma)))
    }
}

impl Objective for Focal {
    fn prepare(&self, _: Trainees<'_>) -> Result<Box<dyn TrainingLoss>, ConfigError> {
        Ok(Box::new(self.clone()))
    }
}

impl TrainingLoss for Focal {
    fn loss(&self, input: LossInput<'_>) -> Result<TracedScalar, ComponentError> {
        let experts = input.experts.len();
        let mut loss: TracedScalar = input.device.zeros().retaped();
        for expert in input.experts {
            let batch = expert.logits.shape().0;
            let log_p = expert.logits.log_softmax::<Axis<1>>();
            let weighted = if self.gamma == 0.0 {
                log_p
            } else {
                // Rounding may make a probability exceed one.
                let missing = (log_p.with_empty_tape().exp().negate() + 1.0).clamp(0.0, 1.0);
                log_p * missing.powf(self.gamma as f32)
            };
            loss = loss - (weighted * input.target.clone()).sum::<Rank0, _>() / (batch * experts) as f32;
        }
        Ok(loss)
    }
}

register! {
    Objective "focal" => Focal,
    summary: "cross-entropy that counts easy images less",
    paper: "Lin et al., Focal loss for dense object detection, ICCV 2017, equation 4",
    example: r#"
kind = "focal"
gamma = 2.0
"#,
}
