//! Class-wise reliability in bins of equal weight: every class's probabilities are sorted.

use super::error::EvaluationError;
use super::evaluation::Evaluation;
use super::predictions::Predictions;
use super::reliability::{Point, Reliability};
use super::score_kind::ScoreKind;
use super::softmax::ProbabilitiesOf;

/// Classes that are gathered together: a few cache lines of every row.
const STRIP: usize = 64;

/// Reads the scores strip by strip and keeps one class's probabilities in order at a time.
pub(super) fn reliabilities(
    evaluation: &Evaluation<'_>,
    predictions: &Predictions<'_>,
    bins: usize,
    threshold: f64,
) -> Result<Vec<Reliability>, EvaluationError> {
    let rows: Vec<usize> = evaluation.rows().map(|(row, _, _)| row).collect();
    let events: Vec<(u32, f64)> =
        evaluation.rows().map(|(_, outcome, weight)| (outcome.label, weight)).collect();
    let scales = rows.iter().map(|&row| Scale::of_row(predictions, row)).collect::<Result<Vec<_>, _>>()?;
    let mut columns = vec![0.0_f32; STRIP * rows.len()];
    let (mut order, mut room, mut points) = (Vec::new(), Vec::new(), Vec::new());
    let mut reliabilities = Vec::with_capacity(predictions.classes());
    for first in (0..predictions.classes()).step_by(STRIP) {
        let strip = STRIP.min(predictions.classes() - first);
        for (entry, (&row, scale)) in rows.iter().zip(&scales).enumerate() {
            let mut probabilities = [f32::NEG_INFINITY; STRIP];
            probabilities[..strip].copy_from_slice(&predictions.row(row)[first..first + strip]);
            scale.apply(&mut probabilities);
            for (column, probability) in columns.chunks_exact_mut(rows.len()).zip(probabilities) {
                column[entry] = probability;
            }
        }
        for (class, column) in (first as u32..).zip(columns.chunks(rows.len()).take(strip)) {
            order.clear();
            order.extend(
                (0..)
                    .zip(column)
                    .filter(|(_, probability)| f64::from(**probability) >= threshold)
                    .map(|(entry, &probability)| Key::new(probability, entry)),
            );
            sort(&mut order, &mut room);
            points.clear();
            points.extend(order.iter().map(|key| {
                let (label, weight) = events[key.entry()];
                Point { confidence: key.probability(), hit: label == class, weight }
            }));
            reliabilities.push(Reliability::of_ascending_points(&points, bins));
        }
    }
    Ok(reliabilities)
}

/// Sorts by probability, digit by digit from the last (radix sort): the time is linear, and nothing is compared.
fn sort(keys: &mut Vec<Key>, room: &mut Vec<Key>) {
    /// Digits of ten bits: probabilities are below 2, and the bits of such numbers below 2³⁰.
    const DIGITS: usize = 3;
    const VALUES: usize = 1 << 10;
    /// Below this many keys comparisons are faster.
    const FEW: usize = 512;
    if keys.len() < FEW {
        keys.sort_unstable();
        return;
    }
    let digit = |key: Key, place: usize| (key.0 >> (32 + 10 * place)) as usize % VALUES;
    let mut positions = [[0_u32; VALUES]; DIGITS];
    for &key in &*keys {
        for (place, counts) in positions.iter_mut().enumerate() {
            counts[digit(key, place)] += 1;
        }
    }
    room.resize(keys.len(), Key(0));
    for (place, positions) in positions.iter_mut().enumerate() {
        let mut sum = 0;
        for position in &mut *positions {
            sum += std::mem::replace(position, sum);
        }
        for &key in &*keys {
            let position = &mut positions[digit(key, place)];
            room[*position as usize] = key;
            *position += 1;
        }
        std::mem::swap(keys, room);
    }
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
            Self::Logits { max, confidence } => ProbabilitiesOf { scores, max, confidence }.run(),
            Self::Probabilities => {
                for score in scores {
                    // Minus zero would sort as the largest number.
                    *score = score.abs();
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_sort_as_comparisons_do() {
        for count in [511, 512, 5000] {
            let mut state = 1_u32;
            let keys = (0..count).map(|entry| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                // From the smallest number to 1, with many equal ones.
                let probability = f32::from_bits((state >> 12) * 1016).min(1.0);
                Key::new(if entry % 7 == 0 { 0.25 } else { probability }, entry)
            });
            let mut keys: Vec<Key> = keys.collect();
            let mut expected = keys.clone();
            expected.sort();
            sort(&mut keys, &mut Vec::new());
            assert_eq!(keys, expected, "{count} keys");
        }
    }
}
