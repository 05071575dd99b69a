//! The product of experts.

use balpoe_core::components::{Aggregation, Aggregator, ComponentError, Knowledge};
use balpoe_core::register;
use balpoe_core::registry::Component;
use balpoe_core::tensor::Matrix;
use balpoe_core::tensor::dfdx::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// `p ~ prod_e softmax(z_e)`: the sum of log-probabilities. It predicts the class that the mean of logits predicts, with a
/// confidence as if the experts were independent.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ProductOfExperts {}

impl Component for ProductOfExperts {}

impl Aggregator for ProductOfExperts {
    fn adapts(&self) -> bool {
        false
    }

    fn prepare(&self, _: Knowledge<'_>) -> Result<Box<dyn Aggregation>, ComponentError> {
        Ok(Box::new(Self {}))
    }
}

impl Aggregation for ProductOfExperts {
    fn apply(&self, experts: &[Matrix]) -> Matrix {
        let log = |expert: &Matrix| expert.clone().log_softmax::<Axis<1>>();
        experts[1..].iter().fold(log(&experts[0]), |sum, expert| sum + log(expert))
    }
}

register! {
    Aggregator "product-of-experts" => ProductOfExperts,
    summary: "the sum of the experts' log-probabilities",
    paper: "Hinton, Training products of experts by minimizing contrastive divergence, Neural Computation 2002, equation 1",
    example: r#"
kind = "product-of-experts"
"#,
}
