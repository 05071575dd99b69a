//! What can be wrong with predictions and with the questions asked of them.

use thiserror::Error;

use super::score_kind::ScoreKind;

/// Why predictions cannot be evaluated as asked.
#[derive(Debug, Clone, PartialEq, Error)]
pub enum EvaluationError {
    /// The number of scores is not rows times classes.
    #[error(
        "scores must be [rows, classes]: {labels} labels and {classes} classes need {} scores, found {scores}",
        labels * classes
    )]
    Shape {
        /// The number of scores found.
        scores: usize,
        /// The number of labels, one per row.
        labels: usize,
        /// The number of classes.
        classes: usize,
    },
    /// There are no rows, or a choice of rows leaves none.
    #[error("an evaluation needs at least one row with positive weight, found none")]
    NoRows,
    /// A label names no class.
    #[error("labels must lie in 0..{classes}, found {label} in row {row}")]
    Label {
        /// The row, counted from 0.
        row: usize,
        /// The label found.
        label: u32,
        /// The number of classes.
        classes: usize,
    },
    /// A row of scores is no distribution over the classes.
    #[error("row {row} of the {kind} must hold {}", kind.requirement())]
    Scores {
        /// The row, counted from 0.
        row: usize,
        /// Whether logits or probabilities were promised.
        kind: ScoreKind,
    },
    /// A row index lies beyond the predictions.
    #[error("row indices must lie in 0..{rows}, found {index}")]
    Index {
        /// The index found.
        index: u32,
        /// The number of rows.
        rows: usize,
    },
    /// Something that must match the predictions has another length.
    #[error("{what} must have one entry per {per} ({expected}), found {found}")]
    Length {
        /// What was given.
        what: &'static str,
        /// What it is counted by: "row" or "class".
        per: &'static str,
        /// The number of entries needed.
        expected: usize,
        /// The number of entries found.
        found: usize,
    },
    /// A weight is negative or not finite.
    #[error("weights must be finite and not negative, found {weight} for row {row}")]
    Weight {
        /// The row, counted from 0.
        row: usize,
        /// The weight found.
        weight: f64,
    },
    /// A setting lies outside its range.
    #[error("{what} must be {expected}, found {found}")]
    Setting {
        /// The setting's name.
        what: &'static str,
        /// What is allowed.
        expected: &'static str,
        /// What was found.
        found: f64,
    },
}

/// Fails unless `found` entries were given, one per `per`.
pub(super) fn check_length(
    what: &'static str,
    per: &'static str,
    expected: usize,
    found: usize,
) -> Result<(), EvaluationError> {
    if expected == found { Ok(()) } else { Err(EvaluationError::Length { what, per, expected, found }) }
}
