//! The mean of logits.

use balpoe_core::components::{Aggregation, Aggregator, ComponentError, Knowledge, LinearPool};
use balpoe_core::register;
use balpoe_core::registry::Component;
use balpoe_core::tensor::Matrix;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// `z = sum_e z_e / experts`: the normalised geometric mean of the experts' probabilities, which the BalPoE paper calls the
/// average of experts.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct MeanLogits {}

impl Component for MeanLogits {}

impl Aggregator for MeanLogits {
    fn adapts(&self) -> bool {
        false
    }

    fn prepare(&self, knowledge: Knowledge<'_>) -> Result<Box<dyn Aggregation>, ComponentError> {
        Ok(Box::new(Mean { experts: knowledge.unlabelled.experts.len() }))
    }
}

/// The mean of so many experts.
struct Mean {
    experts: usize,
}

impl Aggregation for Mean {
    fn apply(&self, experts: &[Matrix]) -> Matrix {
        mean_logits(experts)
    }

    fn lower(&self) -> Option<LinearPool> {
        Some(LinearPool { weights: vec![1.0 / self.experts as f32; self.experts] })
    }
}

/// The mean of the experts' logits.
pub(super) fn mean_logits(experts: &[Matrix]) -> Matrix {
    let sum = experts[1..].iter().fold(experts[0].clone(), |sum, expert| sum + expert.clone());
    sum / experts.len() as f32
}

register! {
    Aggregator "mean-logits" => MeanLogits,
    summary: "the mean of the experts' logits: the normalised geometric mean of their probabilities",
    paper: "Sanchez Aimar et al., Balanced product of calibrated experts for long-tailed recognition, CVPR 2023, section 3.1",
    example: r#"
kind = "mean-logits"
"#,
}
