//! Temperature scaling.

use balpoe_core::components::{Calibration, Calibrator, ComponentError, HeldOut, Predictions};
use balpoe_core::config::ConfigError;
use balpoe_core::register;
use balpoe_core::registry::Component;
use balpoe_core::tensor::Matrix;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::toward::Toward;

/// `z / T` with the temperature T under which the held-out labels are most likely.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Temperature {
    /// The class distribution to fit for: "held-out", the samples as they are; "balanced", every class with the same weight;
    /// `{ prior = [...] }`, one number for each class.
    pub toward: Toward,
}

impl Component for Temperature {
    fn check(&self) -> Result<(), ConfigError> {
        self.toward.check()
    }
}

impl Calibrator for Temperature {
    fn preserves_accuracy(&self) -> bool {
        true
    }

    fn fit(&self, held_out: &HeldOut, _: &[usize]) -> Result<Box<dyn Calibration>, ComponentError> {
        let predictions = held_out.predictions();
        let weights = self.toward.weights(predictions)?;
        Ok(Box::new(Scaling { temperature: best_temperature(predictions, &weights) }))
    }
}

struct Scaling {
    temperature: f64,
}

impl Calibration for Scaling {
    fn apply(&self, logits: Matrix) -> Matrix {
        logits / self.temperature as f32
    }

    fn summary(&self) -> String {
        format!("temperature {:.4}", self.temperature)
    }
}

/// The temperatures that are considered. A perfect classifier would want zero, and one that is worse than chance infinity.
const COLDEST: f64 = 0.01;
const HOTTEST: f64 = 100.0;

/// The temperature under which the labels are most likely, for the first expert's logits.
///
/// The likelihood is concave in `b = 1/T`, with derivatives `sum w (E[z] - z_y)` and `sum w Var[z]` under the softmax of
/// `b z`, so that Newton's method finds it in a few passes; bisection takes over where a step would leave the bracket.
pub(super) fn best_temperature(predictions: &Predictions, weights: &[f64]) -> f64 {
    let (mut low, mut high) = (1.0 / HOTTEST, 1.0 / COLDEST);
    let mut inverse = 1.0;
    for _ in 0..100 {
        let (slope, curvature) = slope_and_curvature(predictions, weights, inverse);
        if slope > 0.0 {
            high = inverse;
        } else {
            low = inverse;
        }
        let newton = inverse - slope / curvature;
        let next = if low < newton && newton < high { newton } else { (low * high).sqrt() };
        let converged = (next - inverse).abs() <= 1e-10 * inverse;
        inverse = next;
        if converged {
            break;
        }
    }
    1.0 / inverse
}

/// First and second derivative of the negative log-likelihood by the inverse temperature.
fn slope_and_curvature(predictions: &Predictions, weights: &[f64], inverse: f64) -> (f64, f64) {
    let classes = predictions.classes();
    let rows = predictions.experts[0].values.chunks_exact(classes.max(1));
    let (mut slope, mut curvature) = (0.0, 0.0);
    for ((row, &label), weight) in rows.zip(&predictions.labels).zip(weights) {
        let largest = row.iter().fold(f32::NEG_INFINITY, |largest, &z| largest.max(z));
        let [mut sum, mut first, mut second] = [0.0; 3];
        for &z in row {
            // Relative to the largest logit, which changes neither derivative.
            let z = f64::from(z - largest);
            let e = (inverse * z).exp();
            sum += e;
            first += e * z;
            second += e * z * z;
        }
        let mean = first / sum;
        slope += weight * (mean - f64::from(row[label as usize] - largest));
        curvature += weight * (second / sum - mean * mean);
    }
    (slope, curvature)
}

register! {
    Calibrator "temperature" => Temperature,
    summary: "divides all logits by one temperature; with on = \"experts\", one for each expert",
    paper: "Guo et al., On calibration of modern neural networks, ICML 2017, equation 9",
    example: r#"
kind = "temperature"
"#,
}
