//! Class-distribution-aware temperature scaling.

use balpoe_core::components::{Calibration, Calibrator, ComponentError, HeldOut};
use balpoe_core::config::ConfigError;
use balpoe_core::register;
use balpoe_core::registry::Component;
use balpoe_core::tensor::dfdx::prelude::*;
use balpoe_core::tensor::{Device, Matrix, TracedMatrix};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::temperature::best_temperature;
use super::toward::Toward;
use crate::numerics::Likelihood;

/// `z_c / T_c` with `T_c = T + gamma n_c / max n`: the more training images a class has, the more its confidence is damped.
///
/// T and gamma are those under which the held-out labels are most likely. The paper sets gamma by hand; giving it fits T
/// alone.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ClassDistributionTemperature {
    /// How much hotter the most frequent class is than one without images; fitted if it is not given.
    pub gamma: Option<f64>,
    /// The class distribution to fit for: "held-out", the samples as they are; "balanced", every class with the same weight;
    /// `{ prior = [...] }`, one number for each class.
    pub toward: Toward,
}

impl Component for ClassDistributionTemperature {
    fn check(&self) -> Result<(), ConfigError> {
        if let Some(gamma) = self.gamma.filter(|gamma| !gamma.is_finite()) {
            return Err(ConfigError::key("gamma", format!("gamma must be a finite number, found {gamma}")));
        }
        self.toward.check()
    }
}

impl Calibrator for ClassDistributionTemperature {
    fn preserves_accuracy(&self) -> bool {
        false
    }

    fn fit(&self, held_out: &HeldOut, counts: &[usize]) -> Result<Box<dyn Calibration>, ComponentError> {
        let predictions = held_out.predictions();
        let classes = predictions.classes();
        if counts.len() != classes {
            let message = format!("found {} class counts for logits of {classes} classes", counts.len());
            return Err(ComponentError::new(message));
        }
        // The temperatures of all classes are `parameters x rows + given`, with parameters (T, gamma) or (T).
        let device = Device::default();
        let largest = counts.iter().copied().max().unwrap_or(0).max(1) as f32;
        let frequencies = counts.iter().map(|&count| count as f32 / largest);
        let ones = std::iter::repeat_n(1.0, classes);
        let weights = self.toward.weights(predictions)?;
        let temperature = best_temperature(predictions, &weights) as f32;
        let (start, rows, given): (Vec<f32>, Vec<f32>, Vec<f32>) = match self.gamma {
            None => (vec![temperature, 0.0], ones.chain(frequencies).collect(), vec![0.0; classes]),
            Some(gamma) => {
                (vec![temperature], ones.collect(), frequencies.map(|f| gamma as f32 * f).collect())
            }
        };
        let count = start.len();
        let start: Matrix = device.tensor_from_vec(start, (1, count));
        let rows: Matrix = device.tensor_from_vec(rows, (count, classes));
        let given: Matrix = device.tensor_from_vec(given, (1, classes));
        let temperatures =
            |parameters: &Matrix| parameters.leaky_trace().matmul(rows.clone()) + given.clone();

        let fitted = Likelihood::new(predictions, &weights).maximize(
            &[start],
            |parameters, experts| scale(&experts[0], temperatures(&parameters[0])),
            None,
        );
        let found = fitted[0].as_vec();
        Ok(Box::new(Scaling {
            temperatures: temperatures(&fitted[0]).as_vec(),
            temperature: f64::from(found[0]),
            gamma: self.gamma.unwrap_or_else(|| f64::from(found[1])),
        }))
    }
}

/// Logits over the temperatures of their classes, `[1, classes]`.
fn scale(logits: &Matrix, temperatures: TracedMatrix) -> TracedMatrix {
    let temperatures = temperatures.sum::<(usize,), Axis<0>>().broadcast_like::<_, Axis<0>>(logits);
    logits.retaped() / temperatures
}

struct Scaling {
    temperatures: Vec<f32>,
    temperature: f64,
    gamma: f64,
}

impl Calibration for Scaling {
    fn apply(&self, logits: Matrix) -> Matrix {
        let row = (1, self.temperatures.len());
        let temperatures: Matrix = logits.device().tensor_from_vec(self.temperatures.clone(), row);
        scale(&logits, temperatures.retaped()).retaped()
    }

    fn summary(&self) -> String {
        format!("temperature {:.4}, gamma {:.4}", self.temperature, self.gamma)
    }
}

register! {
    Calibrator "class-distribution-temperature" => ClassDistributionTemperature,
    summary: "a temperature that grows with a class's training frequency",
    paper: "Islam et al., Class-distribution-aware calibration for long-tailed visual recognition, arXiv 2109.05263, section 3",
    example: r#"
kind = "class-distribution-temperature"
"#,
}
