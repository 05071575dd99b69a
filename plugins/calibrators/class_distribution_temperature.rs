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
        let device = Device::default();
        let largest = counts.iter().copied().max().unwrap_or(0).max(1);
        let frequencies = counts.iter().map(|&count| count as f32 / largest as f32);
        let rows = std::iter::repeat_n(1.0, classes).chain(frequencies).collect();
        let profile: Matrix = device.tensor_from_vec(rows, (2, classes));

        let weights = self.toward.weights(predictions)?;
        let start = best_temperature(predictions, &weights) as f32;
        let temperature: Matrix = device.tensor_from_vec(vec![start], (1, 1));
        let gamma: Matrix = device.tensor_from_vec(vec![self.gamma.unwrap_or(0.0) as f32], (1, 1));
        let likelihood = Likelihood::new(predictions, &weights);
        let (temperature, gamma) = if self.gamma.is_some() {
            let map = |parameters: &[Matrix], experts: &[Matrix]| {
                scale(&experts[0], temperatures(&parameters[0], &gamma, &profile))
            };
            (likelihood.maximize(&[temperature], map, None).remove(0), gamma)
        } else {
            let map = |parameters: &[Matrix], experts: &[Matrix]| {
                scale(&experts[0], temperatures(&parameters[0], &parameters[1], &profile))
            };
            let mut fitted = likelihood.maximize(&[temperature, gamma], map, None);
            let gamma = fitted.remove(1);
            (fitted.remove(0), gamma)
        };
        let temperatures = temperatures(&temperature, &gamma, &profile).as_vec();
        Ok(Box::new(Scaling { temperatures, temperature: temperature.as_vec()[0], gamma: gamma.as_vec()[0] }))
    }
}

/// `T + gamma f`, as one row, from the rows 1 and f of the profile.
fn temperatures(temperature: &Matrix, gamma: &Matrix, profile: &Matrix) -> TracedMatrix {
    (temperature.leaky_trace(), gamma.clone()).concat_along(Axis::<1>).matmul(profile.clone())
}

fn scale(logits: &Matrix, temperatures: TracedMatrix) -> TracedMatrix {
    let temperatures = temperatures.sum::<(usize,), Axis<0>>().broadcast_like::<_, Axis<0>>(logits);
    logits.retaped() / temperatures
}

struct Scaling {
    temperatures: Vec<f32>,
    temperature: f32,
    gamma: f32,
}

impl Calibration for Scaling {
    fn apply(&self, logits: Matrix) -> Matrix {
        let temperatures =
            logits.device().tensor_from_vec(self.temperatures.clone(), (self.temperatures.len(),));
        let temperatures = temperatures.broadcast_like::<_, Axis<0>>(&logits);
        logits / temperatures
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
