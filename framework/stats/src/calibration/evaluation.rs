//! Outcomes under one test distribution.

use std::borrow::Cow;

use super::error::{EvaluationError, check_length};
use super::outcomes::{Outcome, Outcomes};

/// Outcomes as one test distribution sees them: all rows, a list of rows, or weights. Every metric is a method of it.
///
/// It borrows; making one costs a check of the indices or weights. Its total weight is positive, so every mean over its
/// rows exists.
#[derive(Debug, Clone)]
pub struct Evaluation<'a> {
    outcomes: &'a Outcomes,
    rows: Rows<'a>,
}

#[derive(Debug, Clone)]
enum Rows<'a> {
    All,
    Indices(Cow<'a, [u32]>),
    Weights(Cow<'a, [f64]>),
}

impl Outcomes {
    /// All rows with weight 1: the test set as it is.
    pub fn all(&self) -> Evaluation<'_> {
        Evaluation { outcomes: self, rows: Rows::All }
    }

    /// The listed rows, each with weight 1 as often as it is listed.
    ///
    /// # Errors
    /// When the list is empty or an index lies beyond the rows.
    pub fn at<'a>(&'a self, indices: &'a [u32]) -> Result<Evaluation<'a>, EvaluationError> {
        let rows = self.rows().len();
        if indices.is_empty() {
            return Err(EvaluationError::NoRows);
        }
        match indices.iter().find(|&&index| index as usize >= rows) {
            Some(&index) => Err(EvaluationError::Index { index, rows }),
            None => Ok(Evaluation { outcomes: self, rows: Rows::Indices(Cow::Borrowed(indices)) }),
        }
    }

    /// All rows with the given weights, one per row.
    ///
    /// # Errors
    /// When there is not one weight per row, a weight is negative or not finite, or all are 0.
    pub fn weighted<'a>(&'a self, weights: &'a [f64]) -> Result<Evaluation<'a>, EvaluationError> {
        check_length("weights", "row", self.rows().len(), weights.len())?;
        if let Some(row) = weights.iter().position(|weight| !(weight.is_finite() && *weight >= 0.0)) {
            return Err(EvaluationError::Weight { row, weight: weights[row] });
        }
        if weights.iter().all(|&weight| weight == 0.0) {
            return Err(EvaluationError::NoRows);
        }
        Ok(Evaluation { outcomes: self, rows: Rows::Weights(Cow::Borrowed(weights)) })
    }
}

impl<'a> Evaluation<'a> {
    /// The number of classes.
    pub fn classes(&self) -> usize {
        self.outcomes.classes()
    }

    /// The outcomes that the rows are chosen from.
    pub fn outcomes(&self) -> &'a Outcomes {
        self.outcomes
    }

    /// The rows of positive weight, each with its index and weight.
    pub fn rows(&self) -> impl Iterator<Item = (usize, &'a Outcome, f64)> {
        let outcomes = self.outcomes.rows();
        let entries = match &self.rows {
            Rows::Indices(indices) => indices.len(),
            Rows::All | Rows::Weights(_) => outcomes.len(),
        };
        (0..entries)
            .map(|entry| match &self.rows {
                Rows::All => (entry, 1.0),
                Rows::Indices(indices) => (indices[entry] as usize, 1.0),
                Rows::Weights(weights) => (entry, weights[entry]),
            })
            .filter(|&(_, weight)| weight > 0.0)
            .map(|(row, weight)| (row, &outcomes[row], weight))
    }

    /// The sum of the weights, positive: the number of rows where all weigh 1.
    pub fn total_weight(&self) -> f64 {
        self.rows().map(|(_, _, weight)| weight).sum()
    }

    /// The weighted mean of a quantity over the rows.
    pub fn mean(&self, quantity: impl Fn(&Outcome) -> f64) -> f64 {
        let (sum, total) = self.rows().fold((0.0, 0.0), |(sum, total), (_, outcome, weight)| {
            (sum + weight * quantity(outcome), total + weight)
        });
        sum / total
    }

    /// The weight of each label: the test distribution itself, not normalised.
    pub fn label_weights(&self) -> Vec<f64> {
        let mut weights = vec![0.0; self.classes()];
        for (_, outcome, weight) in self.rows() {
            weights[outcome.label as usize] += weight;
        }
        weights
    }

    /// The same rows reweighted so that every class that has rows weighs the same: the balanced test distribution.
    ///
    /// Metrics of it are class-balanced (macro) metrics. Reweighting by label is a shift of the prior: predictions that
    /// are calibrated for the rows as they are need not be calibrated for the balanced distribution.
    #[must_use]
    pub fn class_balanced(&self) -> Evaluation<'a> {
        let label_weights = self.label_weights();
        let balanced =
            self.rows().map(|(row, outcome, weight)| (row, weight / label_weights[outcome.label as usize]));
        Evaluation { outcomes: self.outcomes, rows: self.weights_of(balanced) }
    }

    /// The rows for which `keep` holds, with their weights; `None` when no row is left.
    pub fn filter(&self, keep: impl Fn(&Outcome) -> bool) -> Option<Evaluation<'a>> {
        let mut kept = self
            .rows()
            .filter(|(_, outcome, _)| keep(outcome))
            .map(|(row, _, weight)| (row, weight))
            .peekable();
        kept.peek()?;
        Some(self.choose(kept))
    }

    /// Rows of this evaluation, at least one, as often as they are named and each with its weight here.
    pub(super) fn choose(&self, chosen: impl Iterator<Item = (usize, f64)>) -> Evaluation<'a> {
        let rows = match &self.rows {
            Rows::All | Rows::Indices(_) => Rows::Indices(chosen.map(|(row, _)| row as u32).collect()),
            Rows::Weights(_) => self.weights_of(chosen),
        };
        Evaluation { outcomes: self.outcomes, rows }
    }

    fn weights_of(&self, chosen: impl Iterator<Item = (usize, f64)>) -> Rows<'a> {
        let mut weights = vec![0.0; self.outcomes.rows().len()];
        for (row, weight) in chosen {
            weights[row] += weight;
        }
        Rows::Weights(Cow::Owned(weights))
    }
}
