//! Ensemble temperature scaling.

use balpoe_core::components::{Calibration, Calibrator, ComponentError, HeldOut};
use balpoe_core::config::ConfigError;
use balpoe_core::register;
use balpoe_core::registry::Component;
use balpoe_core::tensor::dfdx::prelude::*;
use balpoe_core::tensor::{Device, Matrix};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// `w_1 softmax(z / T) + w_2 softmax(z) + w_3 / classes`, with positive weights of sum one.
///
/// As in the paper, the temperature is fitted first and by itself, then the weights, both for the largest likelihood of the
/// held-out labels. The order of the classes stays what it was.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct EnsembleTemperature {
    /// The temperature is looked for from one over this to this.
    pub limit: f64,
    /// Steps of expectation and maximisation for the weights.
    pub steps: usize,
}

impl Default for EnsembleTemperature {
    fn default() -> Self {
        Self { limit: 20.0, steps: 1000 }
    }
}

impl Component for EnsembleTemperature {
    fn check(&self) -> Result<(), ConfigError> {
        if !(self.limit.is_finite() && self.limit > 1.0) {
            let message = format!("limit must be a number above 1, found {}", self.limit);
            return Err(ConfigError::key("limit", message));
        }
        if self.steps == 0 {
            return Err(ConfigError::key("steps", "steps must be at least 1, found 0"));
        }
        Ok(())
    }
}

impl Calibrator for EnsembleTemperature {
    // Each of the three terms keeps the order of the classes, and so does their sum.
    fn preserves_accuracy(&self) -> bool {
        true
    }

    fn fit(&self, held_out: &HeldOut, _: &[usize]) -> Result<Box<dyn Calibration>, ComponentError> {
        let predictions = held_out.predictions();
        let (samples, classes) = (predictions.samples(), predictions.classes());
        let device = Device::default();
        let logits = predictions.experts[0].matrix(0..samples, &device);
        let labels: Vec<usize> = predictions.labels.iter().map(|&label| label as usize).collect();
        let labels = device.tensor_from_vec(labels, (samples,));
        // The true classes' log-probabilities, `[samples]`.
        let likelihoods = |temperature: f32| -> Vec<f32> {
            let scaled = logits.clone() / temperature;
            scaled.log_softmax::<Axis<1>>().select(labels.clone()).as_vec()
        };
        let loss = |log_temperature: f64| -> f64 {
            let likelihoods = likelihoods(log_temperature.exp() as f32);
            -likelihoods.into_iter().map(f64::from).sum::<f64>() / samples as f64
        };
        let limit = self.limit.ln();
        let temperature = lowest(loss, -limit, limit).exp() as f32;
        let terms = [likelihoods(temperature), likelihoods(1.0)]
            .map(|likelihoods| likelihoods.into_iter().map(|l| f64::from(l).exp()).collect::<Vec<f64>>());
        let weights = mixture(&terms, 1.0 / classes as f64, self.steps);
        Ok(Box::new(Mixture { temperature, weights }))
    }
}

/// Where a function with one valley between two points is lowest.
fn lowest(function: impl Fn(f64) -> f64, mut low: f64, mut high: f64) -> f64 {
    for _ in 0..50 {
        let third = (high - low) / 3.0;
        if function(low + third) < function(high - third) { high -= third } else { low += third }
    }
    (low + high) / 2.0
}

/// The weights of a mixture under which the labels are most likely, by expectation maximisation: the likelihood is concave in
/// the weights, and no step lowers it.
fn mixture(terms: &[Vec<f64>; 2], uniform: f64, steps: usize) -> [f64; 3] {
    let mut weights = [1.0 / 3.0; 3];
    for _ in 0..steps {
        let mut shares = [0.0; 3];
        for (first, second) in terms[0].iter().zip(&terms[1]) {
            let parts = [weights[0] * first, weights[1] * second, weights[2] * uniform];
            let sum = parts.iter().sum::<f64>().max(f64::MIN_POSITIVE);
            shares.iter_mut().zip(parts).for_each(|(share, part)| *share += part / sum);
        }
        weights = shares.map(|share| share / terms[0].len() as f64);
    }
    weights
}

struct Mixture {
    temperature: f32,
    weights: [f64; 3],
}

impl Calibration for Mixture {
    fn apply(&self, logits: Matrix) -> Matrix {
        let [scaled, plain, uniform] = self.weights.map(|weight| weight as f32);
        let classes = logits.shape().1 as f32;
        let softened = (logits.clone() / self.temperature).softmax::<Axis<1>>() * scaled;
        let mixed = softened + logits.softmax::<Axis<1>>() * plain + uniform / classes;
        // Probabilities below what f32 can hold would have no logarithm.
        mixed.clamp(f32::MIN_POSITIVE, 1.0).ln()
    }

    fn summary(&self) -> String {
        let [scaled, plain, uniform] = self.weights;
        format!("temperature {:.2}, weights {scaled:.3}, {plain:.3}, {uniform:.3}", self.temperature)
    }
}

register! {
    Calibrator "ensemble-temperature" => EnsembleTemperature,
    summary: "mixes predictions at a fitted temperature, as they are, and uniform ones",
    paper: "Zhang et al., Mix-n-Match: ensemble and compositional methods for uncertainty calibration, ICML 2020, equation 7",
    example: r#"
kind = "ensemble-temperature"
"#,
}

#[cfg(test)]
mod tests {
    use balpoe_core::components::{LogitMatrix, Predictions, SampleSplit};

    use super::*;

    /// SciPy 1.17.1, the paper's two steps:
    /// ```python
    /// z = np.array([[(7*i*i + 5*i*c + 3*c*c) % 11 - 4.0 for c in range(3)] for i in range(40)])
    /// y = np.array([z[i].argmax() if i % 3 else (i // 3) % 3 for i in range(40)])
    /// rows = np.arange(40)
    /// p = lambda t: scipy.special.softmax(z / t, axis=1)
    /// t = np.exp(minimize_scalar(lambda a: -np.log(p(np.exp(a))[rows, y]).mean(), bounds=(-3, 3),
    ///                            method="bounded", options={"xatol": 1e-12}).x)
    /// mix = lambda w: w[0] * p(t) + w[1] * p(1.0) + w[2] / 3
    /// w = minimize(lambda w: -np.log(mix(w)[rows, y]).mean(), [1/3] * 3, method="SLSQP", bounds=[(0, 1)] * 3,
    ///              constraints={"type": "eq", "fun": lambda w: w.sum() - 1}, options={"ftol": 1e-15, "maxiter": 1000}).x
    /// print(t, w, mix(w)[0])
    /// ```
    #[test]
    fn the_fit_is_that_of_scipy() {
        let row = |i: i32| [0, 1, 2].map(|c| ((7 * i * i + 5 * i * c + 3 * c * c) % 11 - 4) as f32);
        let label = |i: i32| {
            let z = row(i);
            // NumPy gives the first of equal maxima.
            let largest = (1..3).fold(0, |best, c| if z[c] > z[best] { c } else { best });
            if i % 3 == 0 { (i as u32 / 3) % 3 } else { largest as u32 }
        };
        let predictions = Predictions {
            experts: vec![LogitMatrix { values: (0..40).flat_map(row).collect(), classes: 3 }],
            labels: (0..40).map(label).collect(),
            identities: (0..40).map(|position| (SampleSplit::Foreign, position)).collect(),
        };
        let calibrator = EnsembleTemperature::default();
        let fitted = calibrator.fit(&HeldOut::asserted(predictions), &[20, 10, 10]).unwrap();
        assert_eq!(fitted.summary(), "temperature 2.76, weights 0.000, 0.641, 0.359");
        let logits: Matrix = Device::default().tensor_from_vec(row(0).to_vec(), (1, 3));
        let found = fitted.apply(logits).as_vec();
        for (log, expected) in found.iter().zip([0.146699, 0.660356, 0.192944]) {
            assert!((log.exp() - expected).abs() < 1e-5, "{found:?}");
        }
    }
}
