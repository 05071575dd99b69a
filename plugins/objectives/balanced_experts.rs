//! The objective of BalPoE.

use balpoe_core::components::{Objective, Trainees, TrainingLoss};
use balpoe_core::config::ConfigError;
use balpoe_core::register;
use balpoe_core::registry::Component;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::logit_adjusted::LogitAdjusted;
use super::tau::Tau;

/// Every expert with a target distribution of its own: cross-entropy of `z_e + tau_e ln(p + epsilon)`, averaged over
/// experts and batch, with the training prior p.
///
/// Expert e learns the logits of the prior `p^(1 - tau_e)`: tau 0 the training distribution, 1 a uniform one, 2 the inverse
/// one. The mean of the logits is unbiased for a uniform test distribution when the taus average to 1.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct BalancedExperts {
    /// Exponents of the training prior: a list with one for each expert; `{ limits = [a, b] }`, evenly from a to b; or
    /// `{ uniform = [a, b] }`, evenly inside.
    pub tau: Tau,
    /// Added to every prior, so that a class without training images has a finite logarithm.
    pub epsilon: f64,
}

impl Default for BalancedExperts {
    fn default() -> Self {
        Self { tau: Tau::Limits([0.0, 2.0]), epsilon: 1e-9 }
    }
}

impl Component for BalancedExperts {
    fn check(&self) -> Result<(), ConfigError> {
        if let Some(tau) = self.tau.numbers().iter().find(|tau| !tau.is_finite()) {
            return Err(ConfigError::key("tau", format!("tau must be a finite number, found {tau}")));
        }
        if !(self.epsilon > 0.0 && self.epsilon < 1.0) {
            let message = format!("epsilon must be above 0 and below 1, found {}", self.epsilon);
            return Err(ConfigError::key("epsilon", message));
        }
        Ok(())
    }
}

impl Objective for BalancedExperts {
    fn prepare(&self, trainees: Trainees<'_>) -> Result<Box<dyn TrainingLoss>, ConfigError> {
        let tau = self.tau.of(trainees.experts);
        if tau.len() != trainees.experts {
            let message = format!(
                "{} values of tau for a network with {} experts; there must be one for each",
                tau.len(),
                trainees.experts
            );
            return Err(ConfigError::key("tau", message)
                .help("`tau = { limits = [0.0, 2.0] }` makes a list for any number of experts"));
        }
        Ok(Box::new(LogitAdjusted::new(&tau, &trainees.class_prior(), self.epsilon)?))
    }
}

register! {
    Objective "balanced-experts" => BalancedExperts,
    summary: "each expert with a logit adjustment toward its own target distribution: the objective of BalPoE",
    paper: "Sanchez Aimar et al., Balanced product of calibrated experts for long-tailed recognition, CVPR 2023, section 3.2",
    example: r#"
kind = "balanced-experts"
tau = { limits = [0.0, 2.0] }
"#,
}
