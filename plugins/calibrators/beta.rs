//! Beta calibration.

use balpoe_core::components::{Calibration, Calibrator, ComponentError, HeldOut};
use balpoe_core::config::ConfigError;
use balpoe_core::register;
use balpoe_core::registry::Component;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::one_vs_rest::{BinaryMap, OneVsRest, SMALLEST, Sample};
use super::toward::Toward;
use crate::numerics::solve;

/// For each class against the rest `logit p' = a ln p - b ln(1 - p) + c` with `a, b >= 0`, by maximum likelihood; rows are
/// normalised afterwards. The identity is a = b = 1, c = 0.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Beta {
    /// The class distribution to fit for: "held-out", the samples as they are; "balanced", every class with the same weight;
    /// `{ prior = [...] }`, one number for each class.
    pub toward: Toward,
}

impl Component for Beta {
    fn check(&self) -> Result<(), ConfigError> {
        self.toward.check()
    }
}

impl Calibrator for Beta {
    fn preserves_accuracy(&self) -> bool {
        false
    }

    fn fit(&self, held_out: &HeldOut, _: &[usize]) -> Result<Box<dyn Calibration>, ComponentError> {
        let predictions = held_out.predictions();
        let weights = self.toward.weights(predictions)?;
        let summary = format!("three parameters a class on {} samples", predictions.samples());
        Ok(Box::new(OneVsRest::fit(predictions, &weights, summary, BetaMap::fit)))
    }
}

/// The parameters a, b and c.
struct BetaMap([f64; 3]);

/// Pull toward the identity, in nats for a distance of one: it decides where the samples do not, such as for a class without
/// held-out images.
const PULL: f64 = 1e-3;

impl BetaMap {
    /// A parameter that comes out negative is set to zero and the others are fitted again, as in the paper.
    fn fit(samples: &[Sample]) -> Self {
        let mut free = [true; 3];
        loop {
            let parameters = newton(samples, free);
            match parameters[..2].iter().position(|&parameter| parameter < 0.0) {
                Some(negative) => free[negative] = false,
                None => return Self(parameters),
            }
        }
    }
}

impl BinaryMap for BetaMap {
    fn apply(&self, probability: f64) -> f64 {
        sigmoid(dot(self.0, features(probability)))
    }
}

/// `ln p`, `-ln(1 - p)` and one.
fn features(probability: f64) -> [f64; 3] {
    let p = probability.clamp(SMALLEST, 1.0 - SMALLEST);
    [p.ln(), -(-p).ln_1p(), 1.0]
}

fn dot(a: [f64; 3], b: [f64; 3]) -> f64 {
    a[0] * b[0] + a[1] * b[1] + a[2] * b[2]
}

fn sigmoid(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

/// The most likely parameters, those that are not free being zero, by Newton's method with halved steps.
fn newton(samples: &[Sample], free: [bool; 3]) -> [f64; 3] {
    let identity = [1.0, 1.0, 0.0];
    let mut parameters = [0, 1, 2].map(|i| if free[i] { identity[i] } else { 0.0 });
    let mut loss = penalized_loss(samples, parameters, identity);
    for _ in 0..100 {
        let (slope, curvature) = derivatives(samples, parameters, identity, free);
        let Some(step) = solve(curvature, slope.to_vec()) else { break };
        let decrement: f64 = step.iter().zip(slope).map(|(step, slope)| step * slope).sum();
        let mut length = 1.0;
        let (next, next_loss) = loop {
            let next = [0, 1, 2].map(|i| parameters[i] - length * step[i]);
            let next_loss = penalized_loss(samples, next, identity);
            if next_loss <= loss || length < 1e-6 {
                break (next, next_loss);
            }
            length /= 2.0;
        };
        if next_loss > loss {
            break;
        }
        (parameters, loss) = (next, next_loss);
        if decrement < 1e-12 * loss {
            break;
        }
    }
    parameters
}

fn penalized_loss(samples: &[Sample], parameters: [f64; 3], identity: [f64; 3]) -> f64 {
    let likelihood: f64 = samples
        .iter()
        .map(|sample| {
            let x = dot(parameters, features(sample.probability));
            // ln(1 + e^x) - hit x, without overflow.
            sample.weight * (x.max(0.0) + (-x.abs()).exp().ln_1p() - sample.hit * x)
        })
        .sum();
    let pull: f64 = parameters.iter().zip(identity).map(|(p, i)| PULL * (p - i).powi(2)).sum();
    likelihood + pull
}

/// Gradient and Hessian of the penalised loss, with rows and columns of the identity for parameters that are not free.
fn derivatives(
    samples: &[Sample],
    parameters: [f64; 3],
    identity: [f64; 3],
    free: [bool; 3],
) -> ([f64; 3], Vec<Vec<f64>>) {
    let mut slope = [0, 1, 2].map(|i| 2.0 * PULL * (parameters[i] - identity[i]));
    let mut curvature = vec![vec![0.0; 3]; 3];
    for sample in samples {
        let x = features(sample.probability);
        let p = sigmoid(dot(parameters, x));
        for i in 0..3 {
            slope[i] += sample.weight * (p - sample.hit) * x[i];
            for j in 0..3 {
                curvature[i][j] += sample.weight * p * (1.0 - p) * x[i] * x[j];
            }
        }
    }
    for i in 0..3 {
        curvature[i][i] += 2.0 * PULL;
        if !free[i] {
            slope[i] = 0.0;
            for j in 0..3 {
                let one = f64::from(u8::from(i == j));
                (curvature[i][j], curvature[j][i]) = (one, one);
            }
        }
    }
    (slope, curvature)
}

register! {
    Calibrator "beta" => Beta,
    summary: "beta calibration of each class against the rest",
    paper: "Kull et al., Beta calibration: a well-founded and easily implemented improvement on logistic calibration, AISTATS 2017, equation 4",
    example: r#"
kind = "beta"
"#,
}
