//! A learning rate that drops at milestones.

use balpoe_core::components::{Position, Schedule};
use balpoe_core::config::ConfigError;
use balpoe_core::register;
use balpoe_core::registry::Component;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// `gamma^k` after k milestones, and in the first epochs times `(t + 1) / warmup` in epoch t, counted from 0.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Step {
    /// Epochs, counted from 0, from which on the rate is lower, in ascending order.
    pub milestones: Vec<usize>,
    /// Factor at each milestone.
    pub gamma: f64,
    /// Epochs over which the rate rises linearly at the start; 0 for none.
    pub warmup: usize,
}

impl Default for Step {
    fn default() -> Self {
        Self { milestones: vec![160, 180], gamma: 0.1, warmup: 5 }
    }
}

impl Component for Step {
    fn check(&self) -> Result<(), ConfigError> {
        if !self.milestones.is_sorted() {
            let message = format!("milestones must be in ascending order, found {:?}", self.milestones);
            return Err(ConfigError::key("milestones", message));
        }
        if !(self.gamma.is_finite() && self.gamma > 0.0) {
            let message = format!("gamma must be a positive number, found {}", self.gamma);
            return Err(ConfigError::key("gamma", message));
        }
        Ok(())
    }
}

impl Schedule for Step {
    fn factor(&self, position: Position) -> f64 {
        let epoch = position.epoch;
        let drops = self.milestones.iter().filter(|&&milestone| epoch >= milestone).count();
        let rise = if epoch < self.warmup { (epoch + 1) as f64 / self.warmup as f64 } else { 1.0 };
        self.gamma.powi(drops as i32) * rise
    }
}

register! {
    Schedule "step" => Step,
    summary: "drops by a factor at milestones, after a linear warm-up",
    paper: "",
    example: r#"
kind = "step"
milestones = [160, 180]
gamma = 0.1
warmup = 5
"#,
}
