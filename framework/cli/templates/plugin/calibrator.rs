//! A calibrator: one temperature for all logits.

use balpoe_core::components::{Calibration, Calibrator, ComponentError, HeldOut};
use balpoe_core::config::ConfigError;
use balpoe_core::register;
use balpoe_core::registry::Component;
use balpoe_core::tensor::dfdx::prelude::*;
use balpoe_core::tensor::{Device, Matrix};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// `z / T` with the temperature T under which the held-out labels are most likely.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct MyPlugin {
    /// The temperature is looked for from one over this to this.
    pub limit: f64,
}

impl Default for MyPlugin {
    fn default() -> Self {
        Self { limit: 20.0 }
    }
}

impl Component for MyPlugin {
    fn check(&self) -> Result<(), ConfigError> {
        if self.limit.is_finite() && self.limit > 1.0 {
            return Ok(());
        }
        let message = format!("limit must be a number above 1, found {}", self.limit);
        Err(ConfigError::key("limit", message))
    }
}

impl Calibrator for MyPlugin {
    // A softmax with another temperature has its maximum where it was.
    fn preserves_accuracy(&self) -> bool {
        true
    }

    fn fit(
        &self,
        held_out: &HeldOut,
        _class_counts: &[usize],
    ) -> Result<Box<dyn Calibration>, ComponentError> {
        let predictions = held_out.predictions();
        let samples = predictions.samples();
        let device = Device::default();
        // The ensemble, or with `on = "experts"` one expert: the first is the only one.
        let logits = predictions.experts[0].matrix(0..samples, &device);
        let labels: Vec<usize> = predictions.labels.iter().map(|&label| label as usize).collect();
        let labels = device.tensor_from_vec(labels, (samples,));
        let log_loss = |log_temperature: f32| -> f32 {
            let log_probabilities = (logits.clone() / log_temperature.exp()).log_softmax::<Axis<1>>();
            -log_probabilities.select(labels.clone()).mean::<Rank0, _>().array()
        };

        // The loss has one valley; each step leaves a third of the interval behind.
        let limit = (self.limit as f32).ln();
        let (mut low, mut high) = (-limit, limit);
        for _ in 0..40 {
            let third = (high - low) / 3.0;
            if log_loss(low + third) < log_loss(high - third) {
                high -= third;
            } else {
                low += third;
            }
        }
        Ok(Box::new(Scaling { temperature: ((low + high) / 2.0).exp() }))
    }
}

/// The fitted calibrator.
struct Scaling {
    temperature: f32,
}

impl Calibration for Scaling {
    fn apply(&self, logits: Matrix) -> Matrix {
        logits / self.temperature
    }

    fn summary(&self) -> String {
        format!("temperature {:.3}", self.temperature)
    }
}

register! {
    Calibrator "my-plugin" => MyPlugin,
    summary: "divides all logits by one temperature",
    paper: "Guo et al., On calibration of modern neural networks, ICML 2017, equation 9",
    example: r#"
kind = "my-plugin"
limit = 20.0
"#,
}

#[cfg(test)]
mod tests {
    use balpoe_core::components::{LogitMatrix, Predictions, SampleSplit};

    use super::*;

    #[test]
    fn a_known_temperature_is_found() {
        // Ten images with the same logits, nine of class 0: at temperature 2 the model says 9 : 1.
        let row = [0.9_f32, 0.1].map(|p| 2.0 * p.ln());
        let predictions = Predictions {
            experts: vec![LogitMatrix { values: row.repeat(10), classes: 2 }],
            labels: vec![0, 0, 0, 0, 0, 0, 0, 0, 0, 1],
            identities: (0..10).map(|position| (SampleSplit::Foreign, position)).collect(),
        };
        let calibrator = MyPlugin::default();
        let calibration = calibrator.fit(&HeldOut::asserted(predictions), &[90, 10]).unwrap();
        let logits = Device::default().tensor_from_vec(row.to_vec(), (1, 2));
        let calibrated = calibration.apply(logits).as_vec();
        assert!((calibrated[0] - calibrated[1] - 9.0_f32.ln()).abs() < 0.01, "{calibrated:?}");
    }
}
