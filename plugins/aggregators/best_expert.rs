//! The single best expert.

use balpoe_core::components::{Aggregation, Aggregator, ComponentError, Knowledge, Predictions};
use balpoe_core::config::ConfigError;
use balpoe_core::register;
use balpoe_core::registry::Component;
use balpoe_core::tensor::Matrix;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::calibrators::Toward;
use crate::numerics::{argmax, log_sum_exp};

/// The logits of the one expert that is best on held-out images.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct BestExpert {
    /// What the best expert has most of: "accuracy", or "log-likelihood" of the labels.
    pub criterion: Criterion,
    /// The class distribution to choose for: "held-out", the samples as they are; "balanced", every class with the same
    /// weight; `{ prior = [...] }`, one number for each class.
    pub toward: Toward,
}

/// What experts are compared by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Criterion {
    /// How often the predicted class is right.
    Accuracy,
    /// The mean log-probability of the true class.
    LogLikelihood,
}

impl Default for BestExpert {
    fn default() -> Self {
        Self { criterion: Criterion::Accuracy, toward: Toward::Balanced }
    }
}

impl Component for BestExpert {
    fn check(&self) -> Result<(), ConfigError> {
        self.toward.check()
    }
}

impl Aggregator for BestExpert {
    fn adapts(&self) -> bool {
        false
    }

    fn prepare(&self, knowledge: Knowledge<'_>) -> Result<Box<dyn Aggregation>, ComponentError> {
        let Some(held_out) = knowledge.held_out else {
            return Err(ComponentError::new("\"best-expert\" needs held-out predictions; set [validation]"));
        };
        let predictions = held_out.predictions();
        let weights = self.toward.weights(predictions)?;
        let scores: Vec<f64> =
            (0..predictions.experts.len()).map(|e| self.criterion.score(predictions, e, &weights)).collect();
        let best = (1..scores.len())
            .fold(0, |best, expert| if scores[expert] > scores[best] { expert } else { best });
        Ok(Box::new(Chosen { expert: best }))
    }
}

impl Criterion {
    /// The weighted sum over samples; larger is better.
    fn score(self, predictions: &Predictions, expert: usize, weights: &[f64]) -> f64 {
        let rows = predictions.experts[expert].values.chunks_exact(predictions.classes().max(1));
        let value = |row: &[f32], label: usize| match self {
            Self::Accuracy => f64::from(u8::from(argmax(row) == label)),
            Self::LogLikelihood => f64::from(row[label]) - log_sum_exp(row),
        };
        let samples = rows.zip(&predictions.labels).zip(weights);
        samples.map(|((row, &label), weight)| weight * value(row, label as usize)).sum()
    }
}

struct Chosen {
    expert: usize,
}

impl Aggregation for Chosen {
    fn apply(&self, experts: &[Matrix]) -> Matrix {
        experts[self.expert].clone()
    }

    fn summary(&self) -> String {
        format!("expert {}", self.expert)
    }
}

register! {
    Aggregator "best-expert" => BestExpert,
    summary: "the expert that is best on held-out images, alone",
    paper: "",
    example: r#"
kind = "best-expert"
criterion = "accuracy"
"#,
}
