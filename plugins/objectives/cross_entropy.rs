//! Plain cross-entropy.

use balpoe_core::components::{Objective, Trainees, TrainingLoss};
use balpoe_core::config::ConfigError;
use balpoe_core::register;
use balpoe_core::registry::Component;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::logit_adjusted::LogitAdjusted;

/// `-sum_c t_c ln softmax(z_e)_c` for soft targets t, averaged over experts and batch: every expert learns the training
/// distribution, tail and all.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct CrossEntropy {}

impl Component for CrossEntropy {}

impl Objective for CrossEntropy {
    fn prepare(&self, trainees: Trainees<'_>) -> Result<Box<dyn TrainingLoss>, ConfigError> {
        let tau = vec![0.0; trainees.experts];
        Ok(Box::new(LogitAdjusted::new(&tau, &trainees.class_prior(), 0.0)?))
    }
}

register! {
    Objective "cross-entropy" => CrossEntropy,
    summary: "plain softmax cross-entropy for every expert",
    paper: "",
    example: r#"
kind = "cross-entropy"
"#,
}
