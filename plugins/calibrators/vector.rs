//! Vector scaling.

use balpoe_core::components::{Calibration, Calibrator, ComponentError, HeldOut};
use balpoe_core::config::ConfigError;
use balpoe_core::register;
use balpoe_core::registry::Component;
use balpoe_core::tensor::dfdx::prelude::*;
use balpoe_core::tensor::{Device, Matrix, TracedMatrix};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::toward::Toward;
use crate::numerics::Likelihood;

/// `a_c z_c + b_c` with the scales a and biases b under which the held-out labels are most likely.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct VectorScaling {
    /// The class distribution to fit for: "held-out", the samples as they are; "balanced", every class with the same weight;
    /// `{ prior = [...] }`, one number for each class.
    pub toward: Toward,
}

impl Component for VectorScaling {
    fn check(&self) -> Result<(), ConfigError> {
        self.toward.check()
    }
}

impl Calibrator for VectorScaling {
    fn preserves_accuracy(&self) -> bool {
        false
    }

    fn fit(&self, held_out: &HeldOut, _: &[usize]) -> Result<Box<dyn Calibration>, ComponentError> {
        let predictions = held_out.predictions();
        let weights = self.toward.weights(predictions)?;
        let device = Device::default();
        let row = (1, predictions.classes());
        let start = [device.ones_like(&row), device.zeros_like(&row)];
        let fitted = Likelihood::new(predictions, &weights).maximize(
            &start,
            |parameters, experts| scale(experts[0].retaped(), &parameters[0], &parameters[1]),
            None,
        );
        let [scales, biases] = [&fitted[0], &fitted[1]].map(Matrix::as_vec);
        Ok(Box::new(Scaling { scales, biases }))
    }
}

fn scale(logits: TracedMatrix, scales: &Matrix, biases: &Matrix) -> TracedMatrix {
    let shape = *logits.shape();
    let row =
        |row: &Matrix| row.leaky_trace().sum::<(usize,), Axis<0>>().broadcast_like::<_, Axis<0>>(&shape);
    logits * row(scales) + row(biases)
}

struct Scaling {
    scales: Vec<f32>,
    biases: Vec<f32>,
}

impl Calibration for Scaling {
    fn apply(&self, logits: Matrix) -> Matrix {
        let row = (1, self.scales.len());
        let [scales, biases] =
            [&self.scales, &self.biases].map(|values| logits.device().tensor_from_vec(values.clone(), row));
        scale(logits.retaped(), &scales, &biases).retaped()
    }

    fn summary(&self) -> String {
        let range = |values: &[f32]| {
            let low = values.iter().fold(f32::INFINITY, |low, &value| low.min(value));
            let high = values.iter().fold(f32::NEG_INFINITY, |high, &value| high.max(value));
            format!("{low:.3} to {high:.3}")
        };
        format!("scales {}, biases {}", range(&self.scales), range(&self.biases))
    }
}

register! {
    Calibrator "vector" => VectorScaling,
    summary: "a scale and a bias for each class",
    paper: "Guo et al., On calibration of modern neural networks, ICML 2017, section 4.2",
    example: r#"
kind = "vector"
"#,
}
