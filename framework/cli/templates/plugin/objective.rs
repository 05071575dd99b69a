//! An objective: cross-entropy that pays for confidence.

use balpoe_core::components::{ComponentError, LossInput, Objective, Trainees, TrainingLoss};
use balpoe_core::config::ConfigError;
use balpoe_core::register;
use balpoe_core::registry::Component;
use balpoe_core::tensor::TracedScalar;
use balpoe_core::tensor::dfdx::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// `-sum_c t_c ln p_c - strength H(p)` with the entropy `H(p) = -sum_c p_c ln p_c`, averaged over
/// experts and batch.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct MyPlugin {
    /// How much entropy is worth; 0 is plain cross-entropy.
    pub strength: f64,
}

impl Default for MyPlugin {
    fn default() -> Self {
        Self { strength: 0.1 }
    }
}

impl Component for MyPlugin {
    fn check(&self) -> Result<(), ConfigError> {
        if self.strength.is_finite() && self.strength >= 0.0 {
            return Ok(());
        }
        let message = format!("strength must be at least 0, found {}", self.strength);
        Err(ConfigError::key("strength", message))
    }
}

impl Objective for MyPlugin {
    // `Trainees` has the number of experts and the class counts, for losses that need them.
    fn prepare(&self, _: Trainees<'_>) -> Result<Box<dyn TrainingLoss>, ConfigError> {
        Ok(Box::new(self.clone()))
    }
}

impl TrainingLoss for MyPlugin {
    fn loss(&self, input: LossInput<'_>) -> Result<TracedScalar, ComponentError> {
        let terms = (input.experts.len() * input.target.shape().0) as f32;
        let mut loss: TracedScalar = input.device.zeros().retaped();
        for expert in input.experts {
            let log_p = expert.logits.log_softmax::<Axis<1>>();
            // A traced tensor that is used again is branched with `with_empty_tape`.
            let p = log_p.with_empty_tape().exp();
            let confidence = (p * log_p.with_empty_tape()) * self.strength as f32;
            let likelihood = log_p * input.target.clone();
            loss = loss + (confidence - likelihood).sum::<Rank0, _>() / terms;
        }
        Ok(loss)
    }
}

register! {
    Objective "my-plugin" => MyPlugin,
    summary: "cross-entropy with a penalty on confident predictions",
    paper: "Pereyra et al., Regularizing neural networks by penalizing confident output distributions, 2017, section 3",
    example: r#"
kind = "my-plugin"
strength = 0.1
"#,
}

#[cfg(test)]
mod tests {
    use balpoe_core::components::{ExpertOutput, Targets};
    use balpoe_core::tensor::{Device, Matrix};

    use super::*;

    #[test]
    fn a_uniform_prediction_has_the_largest_entropy() {
        let device = Device::default();
        let logits: Matrix = device.zeros_like(&(2, 4));
        let features: Matrix = device.zeros_like(&(2, 1));
        let targets = Targets::hard(vec![0, 3]);
        let input = LossInput {
            experts: vec![ExpertOutput { logits: logits.leaky_trace(), features }],
            target: device.tensor_from_vec(targets.dense(4), (2, 4)),
            targets: &targets,
            epoch: 0,
            epochs: 1,
            device: &device,
        };
        // Cross-entropy and entropy are both ln 4.
        let objective = MyPlugin { strength: 0.25 };
        let loss = objective.loss(input).unwrap().array();
        assert!((loss - 0.75 * 4.0_f32.ln()).abs() < 1e-6, "{loss}");
    }
}
