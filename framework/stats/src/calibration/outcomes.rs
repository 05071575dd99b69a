//! What top-label metrics need to know of every row.

use serde::{Deserialize, Serialize};

use super::error::EvaluationError;
use super::predictions::{Predictions, ScoreKind};
use super::softmax::RowSums;

/// One row, reduced to what top-label metrics and proper scores need.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Outcome {
    /// The true class.
    pub label: u32,
    /// The class with the largest score, the first one on a tie.
    pub prediction: u32,
    /// The largest probability.
    pub confidence: f64,
    /// The negative log-likelihood of the label in nats; infinite when the label has probability 0.
    pub log_loss: f64,
    /// The squared error summed over classes (Brier 1950), in 0..=2.
    pub brier: f64,
    /// The entropy of the predicted distribution in nats.
    pub entropy: f64,
}

impl Outcome {
    /// Whether the predicted class is the true one.
    pub fn correct(&self) -> bool {
        self.prediction == self.label
    }
}

/// The outcomes of a set of predictions, made in one pass that looks at each score once.
///
/// It takes 40 bytes a row, whatever the number of classes. Every test distribution is then a choice of rows
/// ([`all`](Self::all), [`at`](Self::at), [`weighted`](Self::weighted)) and costs no further look at the scores.
///
/// Confidences, log losses and entropies carry a relative error of a few parts in 10⁷ (exponentials in `f32`, sums in `f64`).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Outcomes {
    classes: usize,
    outcomes: Vec<Outcome>,
}

impl Outcomes {
    /// The outcomes of all rows of `predictions`.
    ///
    /// # Errors
    /// When a row holds no distribution: a NaN, a logit of +∞, probabilities that do not sum to 1.
    pub fn of(predictions: &Predictions<'_>) -> Result<Self, EvaluationError> {
        let mut outcomes = Self { classes: predictions.classes(), outcomes: Vec::new() };
        outcomes.extend(predictions)?;
        Ok(outcomes)
    }

    /// Appends the outcomes of a further chunk of rows, for scores that are computed chunk by chunk.
    ///
    /// # Errors
    /// When the number of classes differs, or as [`of`](Self::of), with the row counted within the chunk; nothing is
    /// appended then.
    pub fn extend(&mut self, predictions: &Predictions<'_>) -> Result<(), EvaluationError> {
        super::error::check_length("a chunk of scores", "class", self.classes, predictions.classes())?;
        let before = self.outcomes.len();
        self.outcomes.reserve(predictions.rows());
        for row in 0..predictions.rows() {
            let Some(outcome) = outcome(predictions, row) else {
                self.outcomes.truncate(before);
                return Err(EvaluationError::Scores { row, kind: predictions.kind() });
            };
            self.outcomes.push(outcome);
        }
        Ok(())
    }

    /// The number of classes.
    pub fn classes(&self) -> usize {
        self.classes
    }

    /// One outcome per row, in the order of the rows.
    pub fn rows(&self) -> &[Outcome] {
        &self.outcomes
    }
}

/// `None` when the row holds no distribution.
fn outcome(predictions: &Predictions<'_>, row: usize) -> Option<Outcome> {
    let scores = predictions.row(row);
    let label = predictions.labels()[row];
    let score = scores[label as usize];
    let (sums, log_loss) = match predictions.kind() {
        ScoreKind::Logits => {
            let sums = RowSums::of_logits(scores)?;
            (sums, f64::from(scores[sums.argmax]) - f64::from(score) - sums.log_confidence)
        }
        ScoreKind::Probabilities => (RowSums::of_probabilities(scores)?, -f64::from(score).ln()),
    };
    Some(Outcome {
        label,
        prediction: sums.argmax as u32,
        confidence: sums.log_confidence.exp().min(1.0),
        log_loss,
        brier: (1.0 + sums.squares - 2.0 * (-log_loss).exp()).max(0.0),
        entropy: sums.entropy.max(0.0),
    })
}
