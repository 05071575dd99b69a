//! A view of class scores and labels.

use super::error::EvaluationError;
use super::score_kind::ScoreKind;
use super::softmax::{RowSums, floor, ln, softmax};

/// Scores `[rows, classes]`, row-major, and one label per row, borrowed from whoever holds them.
///
/// A logit may be negative infinity (a class that a known test prior rules out); NaN and positive infinity are refused
/// when the row is read.
#[derive(Debug, Clone, Copy)]
pub struct Predictions<'a> {
    scores: &'a [f32],
    labels: &'a [u32],
    classes: usize,
    kind: ScoreKind,
}

impl<'a> Predictions<'a> {
    /// Logits `[labels.len(), classes]` with their labels.
    ///
    /// # Errors
    /// When there is no row, the shapes disagree or a label names no class.
    pub fn logits(scores: &'a [f32], labels: &'a [u32], classes: usize) -> Result<Self, EvaluationError> {
        Self::new(scores, labels, classes, ScoreKind::Logits)
    }

    /// Probabilities `[labels.len(), classes]` with their labels.
    ///
    /// # Errors
    /// When there is no row, the shapes disagree or a label names no class.
    pub fn probabilities(
        scores: &'a [f32],
        labels: &'a [u32],
        classes: usize,
    ) -> Result<Self, EvaluationError> {
        Self::new(scores, labels, classes, ScoreKind::Probabilities)
    }

    /// Scores of either kind with their labels.
    ///
    /// # Errors
    /// When there is no row, the shapes disagree or a label names no class.
    pub fn new(
        scores: &'a [f32],
        labels: &'a [u32],
        classes: usize,
        kind: ScoreKind,
    ) -> Result<Self, EvaluationError> {
        if labels.len().checked_mul(classes) != Some(scores.len()) {
            return Err(EvaluationError::Shape { scores: scores.len(), labels: labels.len(), classes });
        }
        if scores.is_empty() {
            return Err(EvaluationError::NoRows);
        }
        match labels.iter().position(|&label| label as usize >= classes) {
            Some(row) => Err(EvaluationError::Label { row, label: labels[row], classes }),
            None => Ok(Self { scores, labels, classes, kind }),
        }
    }

    /// The number of rows, at least 1.
    pub fn rows(&self) -> usize {
        self.labels.len()
    }

    /// The number of classes, at least 1.
    pub fn classes(&self) -> usize {
        self.classes
    }

    /// Whether the scores are logits or probabilities.
    pub fn kind(&self) -> ScoreKind {
        self.kind
    }

    /// The scores of one row.
    ///
    /// # Panics
    /// When `row` is not below [`rows`](Self::rows).
    pub fn row(&self, row: usize) -> &'a [f32] {
        &self.scores[row * self.classes..][..self.classes]
    }

    /// Writes the probabilities of one row, `[classes]`.
    pub(super) fn read_probabilities(
        &self,
        row: usize,
        probabilities: &mut [f32],
    ) -> Result<(), EvaluationError> {
        let scores = self.row(row);
        let read = match self.kind {
            ScoreKind::Logits => softmax(scores, probabilities),
            ScoreKind::Probabilities => {
                probabilities.copy_from_slice(scores);
                RowSums::of_probabilities(scores).map(|_| ())
            }
        };
        read.ok_or_else(|| self.refuse(row))
    }

    /// Writes the natural logarithms of one row's probabilities, `[classes]`, and returns its sums. The logarithm of a
    /// probability near 0 stays finite.
    pub(super) fn read_log_probabilities(
        &self,
        row: usize,
        logs: &mut [f32],
    ) -> Result<RowSums, EvaluationError> {
        let scores = self.row(row);
        let sums = self.row_sums(row)?;
        match self.kind {
            ScoreKind::Logits => {
                let (max, log_confidence) = (scores[sums.argmax], sums.log_confidence as f32);
                for (log, &score) in logs.iter_mut().zip(scores) {
                    *log = floor(score - max) + log_confidence;
                }
            }
            ScoreKind::Probabilities => {
                for (log, &probability) in logs.iter_mut().zip(scores) {
                    *log = ln(probability);
                }
            }
        }
        Ok(sums)
    }

    /// The sums of one row.
    pub(super) fn row_sums(&self, row: usize) -> Result<RowSums, EvaluationError> {
        let sums = match self.kind {
            ScoreKind::Logits => RowSums::of_logits(self.row(row)),
            ScoreKind::Probabilities => RowSums::of_probabilities(self.row(row)),
        };
        sums.ok_or_else(|| self.refuse(row))
    }

    /// The error of a row that holds no distribution.
    fn refuse(&self, row: usize) -> EvaluationError {
        EvaluationError::Scores { row, kind: self.kind }
    }

    /// One label per row, each below [`classes`](Self::classes).
    pub fn labels(&self) -> &'a [u32] {
        self.labels
    }
}
