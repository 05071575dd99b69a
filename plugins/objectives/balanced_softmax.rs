//! Balanced softmax.

use balpoe_core::components::{Objective, Trainees, TrainingLoss};
use balpoe_core::config::ConfigError;
use balpoe_core::register;
use balpoe_core::registry::Component;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::logit_adjusted::LogitAdjusted;

/// Cross-entropy of `z_e + ln p` for every expert, with the training prior p: what is left in z is made for a uniform test
/// distribution.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct BalancedSoftmax {}

impl Component for BalancedSoftmax {}

impl Objective for BalancedSoftmax {
    fn prepare(&self, trainees: Trainees<'_>) -> Result<Box<dyn TrainingLoss>, ConfigError> {
        let tau = vec![1.0; trainees.experts];
        Ok(Box::new(LogitAdjusted::new(&tau, &trainees.class_prior(), 0.0)?))
    }
}

register! {
    Objective "balanced-softmax" => BalancedSoftmax,
    summary: "cross-entropy of logits plus log prior, for every expert",
    paper: "Ren et al., Balanced meta-softmax for long-tailed visual recognition, NeurIPS 2020, equation 3",
    example: r#"
kind = "balanced-softmax"
"#,
}
