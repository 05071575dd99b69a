//! Isotonic regression.

use balpoe_core::components::{Calibration, Calibrator, ComponentError, HeldOut};
use balpoe_core::config::ConfigError;
use balpoe_core::register;
use balpoe_core::registry::Component;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::one_vs_rest::{BinaryMap, OneVsRest, Sample};
use super::toward::Toward;

/// For each class against the rest, the non-decreasing function of its probability that is nearest to the labels in least
/// squares; rows are normalised afterwards.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Isotonic {
    /// The class distribution to fit for: "held-out", the samples as they are; "balanced", every class with the same weight;
    /// `{ prior = [...] }`, one number for each class.
    pub toward: Toward,
}

impl Component for Isotonic {
    fn check(&self) -> Result<(), ConfigError> {
        self.toward.check()
    }
}

impl Calibrator for Isotonic {
    fn preserves_accuracy(&self) -> bool {
        false
    }

    fn fit(&self, held_out: &HeldOut, _: &[usize]) -> Result<Box<dyn Calibration>, ComponentError> {
        let predictions = held_out.predictions();
        let weights = self.toward.weights(predictions)?;
        let summary = format!("isotonic on {} samples", predictions.samples());
        Ok(Box::new(OneVsRest::fit(predictions, &weights, summary, Steps::fit)))
    }
}

/// The fitted function: linear between these points, constant outside.
struct Steps {
    probabilities: Vec<f64>,
    values: Vec<f64>,
}

/// Neighbouring samples that share one value.
#[derive(Clone, Copy)]
struct Block {
    first: f64,
    last: f64,
    value: f64,
    weight: f64,
}

impl Steps {
    /// By pooling adjacent violators; samples of one probability count as one.
    fn fit(samples: &[Sample]) -> Self {
        let mut blocks: Vec<Block> = Vec::new();
        for tied in samples.chunk_by(|a, b| a.probability == b.probability) {
            let weight = tied.iter().map(|s| s.weight).sum::<f64>();
            if weight == 0.0 {
                continue;
            }
            let value = tied.iter().map(|s| s.weight * s.hit).sum::<f64>() / weight;
            let mut block = Block { first: tied[0].probability, last: tied[0].probability, value, weight };
            while let Some(before) = blocks.pop_if(|before| before.value >= block.value) {
                let weight = before.weight + block.weight;
                let value = (before.weight * before.value + block.weight * block.value) / weight;
                block = Block { first: before.first, last: block.last, value, weight };
            }
            blocks.push(block);
        }
        let (mut probabilities, mut values) = (Vec::new(), Vec::new());
        for block in blocks {
            probabilities.push(block.first);
            values.push(block.value);
            if block.last > block.first {
                probabilities.push(block.last);
                values.push(block.value);
            }
        }
        Self { probabilities, values }
    }
}

impl BinaryMap for Steps {
    fn apply(&self, probability: f64) -> f64 {
        let above = self.probabilities.partition_point(|&p| p <= probability);
        let (Some(&last), true) = (self.values.last(), above > 0) else {
            return self.values.first().copied().unwrap_or(probability);
        };
        if above == self.probabilities.len() {
            return last;
        }
        let (p0, p1) = (self.probabilities[above - 1], self.probabilities[above]);
        let (v0, v1) = (self.values[above - 1], self.values[above]);
        v0 + (v1 - v0) * (probability - p0) / (p1 - p0)
    }
}

register! {
    Calibrator "isotonic" => Isotonic,
    summary: "isotonic regression of each class against the rest",
    paper: "Zadrozny and Elkan, Transforming classifier scores into accurate multiclass probability estimates, KDD 2002, section 4",
    example: r#"
kind = "isotonic"
"#,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// scikit-learn 1.9.1:
    /// ```python
    /// x = [.1, .1, .2, .35, .4, .5, .5, .7, .9]
    /// y = [0, 1, 0, 1, 0, 0, 1, 1, 1]
    /// w = [1, 1, 1, 2, 1, 1, 1, 1, 1]
    /// f = sklearn.isotonic.IsotonicRegression(out_of_bounds="clip").fit(x, y, w)
    /// print(f.predict([0., .1, .15, .2, .3, .37, .45, .5, .6, .8, 1.]).tolist())
    /// ```
    #[test]
    fn the_function_is_that_of_scikit_learn() {
        let p = [0.1, 0.1, 0.2, 0.35, 0.4, 0.5, 0.5, 0.7, 0.9];
        let hit = [0.0, 1.0, 0.0, 1.0, 0.0, 0.0, 1.0, 1.0, 1.0];
        let weight = [1.0, 1.0, 1.0, 2.0, 1.0, 1.0, 1.0, 1.0, 1.0];
        let samples: Vec<Sample> =
            (0..9).map(|i| Sample { probability: p[i], hit: hit[i], weight: weight[i] }).collect();
        let steps = Steps::fit(&samples);
        let at = [0.0, 0.1, 0.15, 0.2, 0.3, 0.37, 0.45, 0.5, 0.6, 0.8, 1.0];
        let expected = [
            0.3333333333333333,
            0.3333333333333333,
            0.3333333333333333,
            0.3333333333333333,
            0.5111111111111111,
            0.6,
            0.6,
            0.6,
            0.8,
            1.0,
            1.0,
        ];
        for (p, expected) in at.into_iter().zip(expected) {
            assert!((steps.apply(p) - expected).abs() < 1e-12, "{p}: {} {expected}", steps.apply(p));
        }
    }
}
