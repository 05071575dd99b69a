//! Weights fitted on held-out images.

use balpoe_core::components::{Aggregation, Aggregator, ComponentError, Knowledge};
use balpoe_core::config::ConfigError;
use balpoe_core::register;
use balpoe_core::registry::Component;
use balpoe_core::tensor::Matrix;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::weighting::{Weights, weighted_mean};
use crate::calibrators::Toward;
use crate::numerics::Likelihood;

/// `sum_e w_e z_e` with the weights, positive and of sum one, under which the held-out labels are most likely: a logarithmic
/// opinion pool.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Weighted {
    /// The class distribution to fit for: "held-out", the samples as they are; "balanced", every class with the same weight;
    /// `{ prior = [...] }`, one number for each class.
    pub toward: Toward,
}

impl Default for Weighted {
    fn default() -> Self {
        Self { toward: Toward::Balanced }
    }
}

impl Component for Weighted {
    fn check(&self) -> Result<(), ConfigError> {
        self.toward.check()
    }
}

impl Aggregator for Weighted {
    fn adapts(&self) -> bool {
        false
    }

    fn prepare(&self, knowledge: Knowledge<'_>) -> Result<Box<dyn Aggregation>, ComponentError> {
        let Some(held_out) = knowledge.held_out else {
            return Err(ComponentError::new("\"weighted\" needs held-out predictions; set [validation]"));
        };
        let predictions = held_out.predictions();
        let weights = self.toward.weights(predictions)?;
        let fitted = Likelihood::new(predictions, &weights).maximize(
            &[Weights::start(predictions.experts.len())],
            |parameters: &[Matrix], experts: &[Matrix]| weighted_mean(&parameters[0], experts),
            None,
        );
        Ok(Box::new(Weights::new(&fitted[0])))
    }
}

register! {
    Aggregator "weighted" => Weighted,
    summary: "a weighted mean of logits, most likely on held-out images",
    paper: "Heskes, Selecting weighting factors in logarithmic opinion pools, NeurIPS 1997, equation 2",
    example: r#"
kind = "weighted"
"#,
}
