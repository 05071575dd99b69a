//! Class-wise reliability in bins of equal weight: every class's probabilities are sorted.

use super::error::EvaluationError;
use super::evaluation::Evaluation;
use super::predictions::Predictions;
use super::reliability::{Point, Reliability};
use super::score_kind::ScoreKind;
use super::softmax::exp;

/// Classes that are gathered together: a few cache lines of every row.
const STRIP: usize = 64;

/// Reads the scores strip by strip and keeps one class's probabilities in order at a time.
pub(super) fn reliabilities(
    evaluation: &Evaluation<'_>,
    predictions: &Predictions<'_>,
    bins: usize,
    threshold: f64,
) -> Result<Vec<Reliability>, EvaluationError> {
    let rows: Vec<(usize, f64)> = evaluation.rows().map(|(row, _, weight)| (row, weight)).collect();
    let scales =
        rows.iter().map(|&(row, _)| Scale::of_row(predictions, row)).collect::<Result<Vec<_>, _>>()?;
    let mut columns = vec![0.0_f32; STRIP * rows.len()];
    let mut order = Vec::new();
    let mut reliabilities = Vec::with_capacity(predictions.classes());
    for first in (0..predictions.classes()).step_by(STRIP) {
        let strip = STRIP.min(predictions.classes() - first);
        for (entry, (&(row, _), scale)) in rows.iter().zip(&scales).enumerate() {
            let mut probabilities = [f32::NEG_INFINITY; STRIP];
            probabilities[..strip].copy_from_slice(&predictions.row(row)[first..first + strip]);
            scale.apply(&mut probabilities);
            for (column, probability) in columns.chunks_mut(rows.len()).zip(probabilities) {
                column[entry] = probability;
            }
        }
        for (k, column) in columns.chunks(rows.len()).take(strip).enumerate() {
            order.clear();
            order.extend(
                (0..)
                    .zip(column)
                    .filter(|(_, probability)| f64::from(**probability) >= threshold)
                    .map(|(entry, &probability)| Key::new(probability, entry)),
            );
            order.sort_unstable();
            let points = order.iter().map(|key| {
                let (row, weight) = rows[key.entry()];
                let hit = predictions.labels()[row] as usize == first + k;
                Point { confidence: key.probability(), hit, weight }
            });
            reliabilities.push(Reliability::of_ascending_points(&points.collect::<Vec<_>>(), bins));
        }
    }
    Ok(reliabilities)
}

/// A probability and where it stands in its column; the bits of numbers that are not negative sort as the numbers do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Key(u64);

impl Key {
    fn new(probability: f32, entry: u32) -> Self {
        Self(u64::from(probability.to_bits()) << 32 | u64::from(entry))
    }

    fn probability(self) -> f64 {
        f64::from(f32::from_bits((self.0 >> 32) as u32))
    }

    fn entry(self) -> usize {
        (self.0 & 0xffff_ffff) as usize
    }
}

/// What turns the scores of one row into probabilities.
#[derive(Debug, Clone, Copy)]
enum Scale {
    Logits { max: f32, confidence: f32 },
    Probabilities,
}

impl Scale {
    fn of_row(predictions: &Predictions<'_>, row: usize) -> Result<Self, EvaluationError> {
        let sums = predictions.row_sums(row)?;
        Ok(match predictions.kind() {
            ScoreKind::Logits => Self::Logits {
                max: predictions.row(row)[sums.argmax],
                confidence: sums.log_confidence.exp() as f32,
            },
            ScoreKind::Probabilities => Self::Probabilities,
        })
    }

    /// Turns scores into probabilities.
    fn apply(self, scores: &mut [f32; STRIP]) {
        match self {
            Self::Logits { max, confidence } => {
                for score in scores {
                    *score = exp(*score - max) * confidence;
                }
            }
            Self::Probabilities => {
                for score in scores {
                    // Minus zero would sort as the largest number.
                    *score = score.abs();
                }
            }
        }
    }
}
