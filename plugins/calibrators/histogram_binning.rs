//! Histogram binning.

use balpoe_core::components::{Calibration, Calibrator, ComponentError, HeldOut};
use balpoe_core::config::ConfigError;
use balpoe_core::register;
use balpoe_core::registry::Component;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::one_vs_rest::{BinaryMap, OneVsRest, Sample};
use super::toward::Toward;

/// For each class against the rest, the frequency of the class among the held-out samples of the same bin of probability;
/// rows are normalised afterwards.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct HistogramBinning {
    /// Bins of each class.
    pub bins: usize,
    /// "equal-width": bins (i/bins, (i+1)/bins]; "equal-mass": bins with the same number of samples.
    pub rule: BinRule,
    /// The class distribution to fit for: "held-out", the samples as they are; "balanced", every class with the same weight;
    /// `{ prior = [...] }`, one number for each class.
    pub toward: Toward,
}

/// How probabilities are cut into bins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum BinRule {
    /// Bins of the same width.
    EqualWidth,
    /// Bins with the same number of samples.
    EqualMass,
}

impl Default for HistogramBinning {
    fn default() -> Self {
        Self { bins: 15, rule: BinRule::EqualMass, toward: Toward::HeldOut }
    }
}

impl Component for HistogramBinning {
    fn check(&self) -> Result<(), ConfigError> {
        if self.bins == 0 {
            return Err(ConfigError::key("bins", "bins must be at least 1, found 0"));
        }
        self.toward.check()
    }
}

impl Calibrator for HistogramBinning {
    fn preserves_accuracy(&self) -> bool {
        false
    }

    fn fit(&self, held_out: &HeldOut, _: &[usize]) -> Result<Box<dyn Calibration>, ComponentError> {
        let predictions = held_out.predictions();
        let weights = self.toward.weights(predictions)?;
        let summary = format!("{} bins a class on {} samples", self.bins, predictions.samples());
        Ok(Box::new(OneVsRest::fit(predictions, &weights, summary, |samples| self.histogram(samples))))
    }
}

impl HistogramBinning {
    fn histogram(&self, samples: &[Sample]) -> Histogram {
        let edges = match self.rule {
            BinRule::EqualWidth => (1..=self.bins).map(|bin| bin as f64 / self.bins as f64).collect(),
            BinRule::EqualMass => self.quantiles(samples),
        };
        let mut rest = samples;
        let mut low = 0.0;
        let value = |&edge: &f64| {
            let (bin, others) = rest.split_at(rest.partition_point(|sample| sample.probability <= edge));
            rest = others;
            let middle = f64::midpoint(std::mem::replace(&mut low, edge), edge);
            let weight: f64 = bin.iter().map(|sample| sample.weight).sum();
            let hits: f64 = bin.iter().map(|sample| sample.weight * sample.hit).sum();
            if weight > 0.0 { hits / weight } else { middle }
        };
        let values = edges.iter().map(value).collect();
        Histogram { edges, values }
    }

    /// Upper edges of bins with the same number of samples, as far as equal probabilities allow.
    fn quantiles(&self, samples: &[Sample]) -> Vec<f64> {
        let edge = |bin: usize| samples[(bin * samples.len() / self.bins).max(1) - 1].probability;
        let mut edges: Vec<f64> = (1..self.bins).map(edge).collect();
        edges.push(1.0);
        edges.dedup();
        edges
    }
}

struct Histogram {
    /// Upper edges of the bins, ascending.
    edges: Vec<f64>,
    /// Frequency of the class in each bin; the middle of an empty bin.
    values: Vec<f64>,
}

impl BinaryMap for Histogram {
    fn apply(&self, probability: f64) -> f64 {
        let bin = self.edges.partition_point(|&edge| edge < probability);
        self.values[bin.min(self.values.len() - 1)]
    }
}

register! {
    Calibrator "histogram-binning" => HistogramBinning,
    summary: "class frequencies in bins of probability, each class against the rest",
    paper: "Zadrozny and Elkan, Obtaining calibrated probability estimates from decision trees and naive Bayesian classifiers, ICML 2001, section 3",
    example: r#"
kind = "histogram-binning"
bins = 15
"#,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bins_hold_frequencies_and_empty_ones_their_middle() {
        let samples: Vec<Sample> = [(0.1, 0.0), (0.2, 1.0), (0.25, 0.0), (0.9, 1.0)]
            .map(|(probability, hit)| Sample { probability, hit, weight: 1.0 })
            .to_vec();
        let rule = |rule, bins| HistogramBinning { bins, rule, toward: Toward::HeldOut }.histogram(&samples);
        let width = rule(BinRule::EqualWidth, 4);
        assert_eq!(width.values, [1.0 / 3.0, 0.375, 0.625, 1.0]);
        assert_eq!([0.0, 0.25, 0.26, 1.0].map(|p| width.apply(p)), [1.0 / 3.0, 1.0 / 3.0, 0.375, 1.0]);
        let mass = rule(BinRule::EqualMass, 2);
        assert_eq!((mass.edges, mass.values), (vec![0.2, 1.0], vec![0.5, 0.5]));
    }
}
