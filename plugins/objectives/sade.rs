//! The objective of SADE's three experts.

use balpoe_core::components::{Objective, Trainees, TrainingLoss};
use balpoe_core::config::ConfigError;
use balpoe_core::register;
use balpoe_core::registry::Component;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::logit_adjusted::LogitAdjusted;

/// Three experts: cross-entropy of `z_0`, of `z_1 + ln p` and of `z_2 + ln p - tau ln p'`, where p' is the training prior p with
/// the ranks of the classes reversed; summed, not averaged.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Sade {
    /// How strongly the third expert favours rare classes.
    pub tau: f64,
    /// Added to every prior, so that a class without training images has a finite logarithm.
    pub epsilon: f64,
}

impl Default for Sade {
    fn default() -> Self {
        Self { tau: 2.0, epsilon: 1e-9 }
    }
}

impl Component for Sade {
    fn check(&self) -> Result<(), ConfigError> {
        if !self.tau.is_finite() {
            return Err(ConfigError::key("tau", format!("tau must be a finite number, found {}", self.tau)));
        }
        if !(self.epsilon > 0.0 && self.epsilon < 1.0) {
            let message = format!("epsilon must be above 0 and below 1, found {}", self.epsilon);
            return Err(ConfigError::key("epsilon", message));
        }
        Ok(())
    }
}

impl Objective for Sade {
    fn prepare(&self, trainees: Trainees<'_>) -> Result<Box<dyn TrainingLoss>, ConfigError> {
        if trainees.experts != 3 {
            let message = format!("\"sade\" trains exactly three experts, found {}", trainees.experts);
            return Err(ConfigError::key("kind", message).help("set `experts = 3` in [backbone]"));
        }
        let prior = trainees.class_prior();
        let log: Vec<f64> = prior.iter().map(|p| (p + self.epsilon).ln()).collect();
        let reversed = reversed(&prior).into_iter().map(|p| (p + self.epsilon).ln());
        let third =
            log.iter().zip(reversed).map(|(log, reversed)| (log - self.tau * reversed) as f32).collect();
        let second = log.iter().map(|&log| log as f32).collect();
        Ok(Box::new(LogitAdjusted::summed(vec![vec![0.0; prior.len()], second, third])))
    }
}

/// The most frequent class with the prior of the rarest, and so on.
fn reversed(prior: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..prior.len()).collect();
    order.sort_by(|&a, &b| prior[a].total_cmp(&prior[b]));
    let mut reversed = vec![0.0; prior.len()];
    for (&low, &high) in order.iter().zip(order.iter().rev()) {
        reversed[low] = prior[high];
    }
    reversed
}

register! {
    Objective "sade" => Sade,
    summary: "three experts for the training, a uniform and an inverse class distribution",
    paper: "Zhang et al., Self-supervised aggregation of diverse experts for test-agnostic long-tailed recognition, NeurIPS 2022, equations 2 to 4",
    example: r#"
kind = "sade"
tau = 2.0
"#,
}
