//! Majority vote.

use balpoe_core::components::{Aggregation, Aggregator, ComponentError, Knowledge};
use balpoe_core::register;
use balpoe_core::registry::Component;
use balpoe_core::tensor::Matrix;
use balpoe_core::tensor::dfdx::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::mean_probabilities::mean_log_probabilities;
use crate::numerics::argmax;

/// The class that most experts predict; ties go to the class with the larger mean probability.
///
/// The votes share all but `1 / (2 (experts + 1))` of the probability, so that one vote outweighs the rest, which is the mean
/// of the experts' probabilities: it decides ties and keeps every logit finite.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct MajorityVote {}

impl Component for MajorityVote {}

impl Aggregator for MajorityVote {
    fn adapts(&self) -> bool {
        false
    }

    fn prepare(&self, _: Knowledge<'_>) -> Result<Box<dyn Aggregation>, ComponentError> {
        Ok(Box::new(Self {}))
    }
}

impl Aggregation for MajorityVote {
    fn apply(&self, experts: &[Matrix]) -> Matrix {
        let rest = 0.5 / (experts.len() + 1) as f32;
        let shape = *experts[0].shape();
        let logs = mean_log_probabilities(experts);
        let mut values: Vec<f32> = logs.as_vec();
        values.iter_mut().for_each(|log| *log += rest.ln());
        let mut votes = vec![0.0; values.len()];
        for expert in experts {
            for (row, votes) in expert.as_vec().chunks_exact(shape.1).zip(votes.chunks_exact_mut(shape.1)) {
                votes[argmax(row)] += (1.0 - rest) / experts.len() as f32;
            }
        }
        for (log, votes) in values.iter_mut().zip(votes).filter(|(_, votes)| *votes > 0.0) {
            *log = (votes + log.exp()).ln();
        }
        logs.device().tensor_from_vec(values, shape)
    }
}

register! {
    Aggregator "majority-vote" => MajorityVote,
    summary: "the class that most experts predict",
    paper: "",
    example: r#"
kind = "majority-vote"
"#,
}
