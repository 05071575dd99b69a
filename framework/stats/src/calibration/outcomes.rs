//! What top-label metrics need to know of every row.

use std::num::NonZeroUsize;
use std::panic::resume_unwind;

use serde::{Deserialize, Serialize};

use super::error::{EvaluationError, check_length};
use super::predictions::Predictions;
use super::score_kind::ScoreKind;

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
/// Confidences, log losses and entropies carry a relative error of a few parts in 10⁷ (exponentials in `f32`, sums in
/// `f64`).
#[derive(Debug, Clone, PartialEq, Serialize)]
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
        Self::of_in_parallel(predictions, NonZeroUsize::MIN)
    }

    /// The outcomes of all rows of `predictions`, made by several threads. The result does not depend on their number.
    ///
    /// # Errors
    /// As [`of`](Self::of), for the first such row.
    pub fn of_in_parallel(
        predictions: &Predictions<'_>,
        threads: NonZeroUsize,
    ) -> Result<Self, EvaluationError> {
        let mut outcomes = Self::none(predictions.classes());
        outcomes.extend_in_parallel(predictions, threads)?;
        Ok(outcomes)
    }

    /// No rows yet; [`extend`](Self::extend) and [`append`](Self::append) add some.
    pub fn none(classes: usize) -> Self {
        Self { classes, outcomes: Vec::new() }
    }

    /// Outcomes that were kept, such as those of an earlier program. What was not kept of a row may be NaN, and so are the metrics
    /// that need it.
    ///
    /// # Errors
    /// When a label names no class.
    pub fn kept(classes: usize, rows: Vec<Outcome>) -> Result<Self, EvaluationError> {
        match rows.iter().position(|row| row.label as usize >= classes) {
            Some(row) => Err(EvaluationError::Label { row, label: rows[row].label, classes }),
            None => Ok(Self { classes, outcomes: rows }),
        }
    }

    /// Appends outcomes that were made elsewhere, such as by another thread.
    ///
    /// # Errors
    /// When the number of classes differs.
    pub fn append(&mut self, mut others: Self) -> Result<(), EvaluationError> {
        check_length("further outcomes", "class", self.classes, others.classes)?;
        self.outcomes.append(&mut others.outcomes);
        Ok(())
    }

    /// Appends the outcomes of a further chunk of rows, for scores that are computed chunk by chunk.
    ///
    /// # Errors
    /// When the number of classes differs, or as [`of`](Self::of), with the row counted within the chunk; nothing is
    /// appended then.
    pub fn extend(&mut self, predictions: &Predictions<'_>) -> Result<(), EvaluationError> {
        self.extend_in_parallel(predictions, NonZeroUsize::MIN)
    }

    /// [`extend`](Self::extend) with several threads.
    ///
    /// # Errors
    /// As [`extend`](Self::extend).
    pub fn extend_in_parallel(
        &mut self,
        predictions: &Predictions<'_>,
        threads: NonZeroUsize,
    ) -> Result<(), EvaluationError> {
        check_length("a chunk of scores", "class", self.classes, predictions.classes())?;
        let rows = predictions.rows();
        let share = rows.div_ceil(threads.get());
        let outcomes_of = |first: usize| -> Result<Vec<Outcome>, EvaluationError> {
            (first..rows.min(first + share)).map(|row| outcome(predictions, row)).collect()
        };
        let parts: Vec<Result<Vec<Outcome>, EvaluationError>> = if share == rows {
            vec![outcomes_of(0)]
        } else {
            std::thread::scope(|scope| {
                let firsts = (0..rows).step_by(share);
                let workers: Vec<_> = firsts.map(|first| scope.spawn(move || outcomes_of(first))).collect();
                workers.into_iter().map(|worker| worker.join().unwrap_or_else(|p| resume_unwind(p))).collect()
            })
        };
        let parts = parts.into_iter().collect::<Result<Vec<_>, _>>()?;
        self.outcomes.extend(parts.into_iter().flatten());
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

fn outcome(predictions: &Predictions<'_>, row: usize) -> Result<Outcome, EvaluationError> {
    let scores = predictions.row(row);
    let label = predictions.labels()[row];
    let score = f64::from(scores[label as usize]);
    let sums = predictions.row_sums(row)?;
    let log_loss = match predictions.kind() {
        ScoreKind::Logits => f64::from(scores[sums.argmax]) - score - sums.log_confidence,
        ScoreKind::Probabilities => -score.ln(),
    };
    Ok(Outcome {
        label,
        prediction: sums.argmax as u32,
        confidence: sums.log_confidence.exp().min(1.0),
        log_loss,
        brier: (1.0 + sums.squares - 2.0 * (-log_loss).exp()).max(0.0),
        entropy: sums.entropy.max(0.0),
    })
}
