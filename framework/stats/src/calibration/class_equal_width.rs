//! Class-wise reliability in bins of equal width: one pass over the rows.

use super::binning::equal_width_bin;
use super::error::EvaluationError;
use super::evaluation::Evaluation;
use super::predictions::Predictions;
use super::reliability::{BinSums, Point, Reliability, finish_equal_width};

/// Reads every chosen row once.
///
/// Without a threshold nearly all probabilities fall into the first bin. Its sums are those of all rows less those of
/// the other bins, so that only the few probabilities beyond the first edge are looked at one by one.
pub(super) fn reliabilities(
    evaluation: &Evaluation<'_>,
    predictions: &Predictions<'_>,
    bins: usize,
    threshold: f64,
) -> Result<Vec<Reliability>, EvaluationError> {
    let classes = predictions.classes();
    let mut sums = vec![BinSums::default(); classes * bins];
    let mut confidence = vec![0.0_f64; classes];
    let mut hits = vec![0.0_f64; classes];
    let (mut weights, mut squared_weights) = (0.0, 0.0);
    let cut = if threshold > 0.0 { threshold } else { 1.0 / bins as f64 };
    let mut probabilities = vec![0.0_f32; classes];
    for (row, _, weight) in evaluation.rows() {
        predictions.read_probabilities(row, &mut probabilities)?;
        let label = predictions.labels()[row] as usize;
        weights += weight;
        squared_weights += weight * weight;
        hits[label] += weight;
        for (sum, &probability) in confidence.iter_mut().zip(&probabilities) {
            *sum += weight * f64::from(probability);
        }
        for_each_at_least(&probabilities, cut, |class, confidence| {
            let bin = equal_width_bin(confidence, bins);
            sums[class * bins + bin].add(Point { confidence, hit: class == label, weight });
        });
    }
    if threshold == 0.0 {
        for (class, sums) in sums.chunks_mut(bins).enumerate() {
            let (first, others) = sums.split_at_mut(1);
            let other = |part: fn(&BinSums) -> f64| others.iter().map(part).sum::<f64>();
            first[0] = BinSums {
                weight: weights - other(|bin| bin.weight),
                squared_weight: squared_weights - other(|bin| bin.squared_weight),
                confidence: confidence[class] - other(|bin| bin.confidence),
                hits: hits[class] - other(|bin| bin.hits),
            };
            // What the differences leave of an empty bin is rounding.
            if first[0].weight <= 1e-9 * weights {
                first[0] = BinSums::default();
            }
        }
    }
    Ok(sums.chunks(bins).map(|sums| Reliability::of_bins(finish_equal_width(sums))).collect())
}

/// Calls `visit` with position and value of everything that is at least `cut`.
fn for_each_at_least(values: &[f32], cut: f64, mut visit: impl FnMut(usize, f64)) {
    const BLOCK: usize = 32;
    // Rounding down lets nothing slip through the coarse look at a whole block.
    let coarse = (cut as f32).next_down();
    for (block, values) in values.chunks(BLOCK).enumerate() {
        let largest =
            values.iter().fold(0.0, |largest, &value| if value > largest { value } else { largest });
        if largest >= coarse {
            for (i, &value) in values.iter().enumerate() {
                let value = f64::from(value);
                if value >= cut {
                    visit(block * BLOCK + i, value);
                }
            }
        }
    }
}
