//! Logit adjustment.

use balpoe_core::components::{Objective, Trainees, TrainingLoss};
use balpoe_core::config::ConfigError;
use balpoe_core::register;
use balpoe_core::registry::Component;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::logit_adjusted::LogitAdjusted;

/// Cross-entropy of `z_e + tau ln p` with one tau for all experts. With tau = 1 it is the balanced softmax.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct LogitAdjustment {
    /// Exponent of the training prior: 0 learns the training distribution, 1 a uniform one, more an inverse one.
    pub tau: f64,
}

impl Default for LogitAdjustment {
    fn default() -> Self {
        Self { tau: 1.0 }
    }
}

impl Component for LogitAdjustment {
    fn check(&self) -> Result<(), ConfigError> {
        if self.tau.is_finite() {
            return Ok(());
        }
        Err(ConfigError::key("tau", format!("tau must be a finite number, found {}", self.tau)))
    }
}

impl Objective for LogitAdjustment {
    fn prepare(&self, trainees: Trainees<'_>) -> Result<Box<dyn TrainingLoss>, ConfigError> {
        let tau = vec![self.tau; trainees.experts];
        Ok(Box::new(LogitAdjusted::new(&tau, &trainees.class_prior(), 0.0)?))
    }
}

register! {
    Objective "logit-adjustment" => LogitAdjustment,
    summary: "cross-entropy of logits plus tau times the log prior, one tau for all experts",
    paper: "Menon et al., Long-tail learning via logit adjustment, ICLR 2021, equation 10",
    example: r#"
kind = "logit-adjustment"
tau = 1.0
"#,
}
