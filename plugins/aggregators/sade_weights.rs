//! Weights learnt at test time, without labels.

use balpoe_core::components::{Aggregation, Aggregator, ComponentError, Knowledge};
use balpoe_core::register;
use balpoe_core::registry::Component;
use balpoe_core::tensor::dfdx::prelude::*;
use balpoe_core::tensor::{Device, Matrix};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::weighting::{Weights, weighted_mean};
use crate::numerics::{Chunks, Problem};

/// `sum_e w_e z_e` with the weights, positive and of sum one, for which predictions on the test images are most stable: the mean
/// of `|softmax(sum_e w_e z_e)|^2` is largest.
///
/// SADE compares the predictions for two random views of each image by their inner product. A run keeps predictions for one view,
/// the image as it is, and no network is run again to evaluate; **so the two views coincide here**, and what is learnt differs from
/// SADE's in that. As there, experts that are sure of the images at hand gain weight. An overconfident expert would gain all of it:
/// calibrate the experts first (`on = "experts"`).
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct SadeWeights {}

impl Component for SadeWeights {}

impl Aggregator for SadeWeights {
    fn prepare(&self, knowledge: Knowledge<'_>) -> Result<Box<dyn Aggregation>, ComponentError> {
        let predictions = knowledge.unlabelled;
        if predictions.samples() == 0 {
            return Err(ComponentError::new("there are no predictions to learn weights from"));
        }
        let device = Device::default();
        let samples = predictions.samples();
        let chunks: Vec<_> = Chunks::new(samples, predictions.classes()).iter().collect();
        let instability = |term: usize, parameters: &[Matrix]| {
            let rows = &chunks[term];
            let experts: Vec<Matrix> =
                predictions.experts.iter().map(|expert| expert.matrix(rows.clone(), &device)).collect();
            let probabilities = weighted_mean(&parameters[0], &experts).softmax::<Axis<1>>();
            probabilities.square().sum::<Rank0, _>() * (-1.0 / samples as f32)
        };
        let problem = Problem { terms: chunks.len(), term: Box::new(instability) };
        let fitted = problem.minimize(&[Weights::start(predictions.experts.len())]);
        Ok(Box::new(Weights::new(&fitted[0])))
    }
}

register! {
    Aggregator "sade-weights" => SadeWeights,
    summary: "a weighted mean of logits, most stable on the test images; no labels are used",
    paper: "Zhang et al., Self-supervised aggregation of diverse experts for test-agnostic long-tailed recognition, NeurIPS 2022, section 4.2",
    example: r#"
kind = "sade-weights"
"#,
}
