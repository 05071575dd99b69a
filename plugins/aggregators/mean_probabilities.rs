//! The mean of probabilities.

use balpoe_core::components::{Aggregation, Aggregator, ComponentError, Knowledge};
use balpoe_core::register;
use balpoe_core::registry::Component;
use balpoe_core::tensor::Matrix;
use balpoe_core::tensor::dfdx::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// `p = sum_e softmax(z_e) / experts`, as log-probabilities: the mixture of the experts, also called deep ensemble.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct MeanProbabilities {}

impl Component for MeanProbabilities {}

impl Aggregator for MeanProbabilities {
    fn adapts(&self) -> bool {
        false
    }

    fn prepare(&self, _: Knowledge<'_>) -> Result<Box<dyn Aggregation>, ComponentError> {
        Ok(Box::new(Self {}))
    }
}

impl Aggregation for MeanProbabilities {
    fn apply(&self, experts: &[Matrix]) -> Matrix {
        mean_log_probabilities(experts)
    }
}

/// The logarithm of the mean of the experts' probabilities. It is taken relative to the expert that is surest of a class, so
/// that small probabilities do not vanish.
pub(super) fn mean_log_probabilities(experts: &[Matrix]) -> Matrix {
    let logs: Vec<Matrix> = experts.iter().map(|expert| expert.clone().log_softmax::<Axis<1>>()).collect();
    let largest = logs[1..].iter().fold(logs[0].clone(), |largest, log| largest.maximum(log.clone()));
    let relative = logs.into_iter().map(|log| (log - largest.clone()).exp());
    let sum = relative.reduce(|sum, term| sum + term).unwrap_or_else(|| largest.clone());
    largest + sum.ln() - (experts.len() as f32).ln()
}

register! {
    Aggregator "mean-probabilities" => MeanProbabilities,
    summary: "the mean of the experts' probabilities",
    paper: "Lakshminarayanan et al., Simple and scalable predictive uncertainty estimation using deep ensembles, NeurIPS 2017",
    example: r#"
kind = "mean-probabilities"
"#,
}
