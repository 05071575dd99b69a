//! Class-wise calibration: is the probability of class k right, for every k?
//!
//! The event that belongs to the probability of class k is `label == k` (Nixon et al. 2019, Kull et al. 2019). The module
//! that ships with BalPoE, and many copies of it, compares `prediction == k` with `label == k` instead, so that every true
//! negative counts as a success: for a perfectly calibrated predictor of 100 classes its class-wise error is 0.98, the
//! definition's 0.001. Figures of that kind cannot be compared with ours.

use serde::{Deserialize, Serialize};

use super::binning::{Binning, equal_width_bin};
use super::error::{EvaluationError, check_length};
use super::evaluation::Evaluation;
use super::groups::{Groups, PerGroup, mean_of_present};
use super::predictions::{Predictions, ScoreKind};
use super::reliability::{BinSums, Point, Reliability, finish_equal_width};
use super::softmax::exp;

/// The reliability of every class's probability, over all rows whatever their prediction.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ClassReliability {
    classes: Vec<Reliability>,
}

/// A calibration error for every class; `None` for a class that no row gives enough probability.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ClassErrors(Vec<Option<f64>>);

impl Evaluation<'_> {
    /// The reliability of every class's probability.
    ///
    /// Only rows that give class k at least `threshold` count for class k; 0 takes all rows. With many classes nearly all
    /// probabilities are tiny and well calibrated, and a threshold such as 0.01 keeps them from drowning the rest.
    /// Equal-width and equal-mass binning give the terms of the class-wise (SCE) and the adaptive (ACE) calibration error, with a
    /// threshold those of TACE.
    ///
    /// `predictions` are those that the outcomes were made from. Equal-width bins take one pass and
    /// `[classes, bins]` sums; equal-mass bins sort one class after another, reading a strip of classes at a time.
    ///
    /// # Errors
    /// When `predictions` have other rows or classes, a row holds no distribution, or `threshold` is not in [0, 1).
    pub fn class_reliability(
        &self,
        predictions: &Predictions<'_>,
        binning: Binning,
        threshold: f64,
    ) -> Result<ClassReliability, EvaluationError> {
        check_length("predictions", "row", self.outcomes().rows().len(), predictions.rows())?;
        check_length("predictions", "class", self.classes(), predictions.classes())?;
        if !(0.0..1.0).contains(&threshold) {
            let expected = "at least 0 and below 1";
            return Err(EvaluationError::Setting { what: "the threshold", expected, found: threshold });
        }
        let classes = match binning {
            Binning::EqualWidth(bins) => equal_width(self, predictions, bins.get(), threshold)?,
            Binning::EqualMass(bins) => equal_mass(self, predictions, bins.get(), threshold)?,
        };
        Ok(ClassReliability { classes })
    }
}

impl ClassReliability {
    /// One reliability per class; one without bins belongs to a class that no row gives enough probability.
    pub fn classes(&self) -> &[Reliability] {
        &self.classes
    }

    /// The ECE of every class.
    pub fn ece(&self) -> ClassErrors {
        self.errors(Reliability::ece)
    }

    /// Any error of every class, such as [`Reliability::debiased_ece`].
    pub fn errors(&self, error: impl Fn(&Reliability) -> f64) -> ClassErrors {
        let of_class = |class: &Reliability| (!class.bins().is_empty()).then(|| error(class));
        ClassErrors(self.classes.iter().map(of_class).collect())
    }
}

impl ClassErrors {
    /// One error per class.
    pub fn as_slice(&self) -> &[Option<f64>] {
        &self.0
    }

    /// The unweighted mean over the classes that have an error: the figure that is reported as class-wise ECE. `None` when no
    /// class has one.
    pub fn mean(&self) -> Option<f64> {
        mean_of_present(self.0.iter().copied().flatten())
    }

    /// The unweighted means over shot groups.
    ///
    /// # Errors
    /// When `groups` has not one entry per class.
    pub fn by_group(&self, groups: &Groups) -> Result<PerGroup<Option<f64>>, EvaluationError> {
        check_length("shot groups", "class", self.0.len(), groups.as_slice().len())?;
        Ok(groups.means(&self.0))
    }
}

/// Reads every chosen row once.
///
/// Without a threshold nearly all probabilities fall into the first bin. Its sums are those of all rows less those of the other
/// bins, so that only the few probabilities beyond the first edge are looked at one by one.
fn equal_width(
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

/// Sorts one class after another.
fn equal_mass(
    evaluation: &Evaluation<'_>,
    predictions: &Predictions<'_>,
    bins: usize,
    threshold: f64,
) -> Result<Vec<Reliability>, EvaluationError> {
    /// Classes that are gathered together: a few cache lines of every row.
    const STRIP: usize = 64;
    let rows: Vec<(usize, f64)> = evaluation.rows().map(|(row, _, weight)| (row, weight)).collect();
    let scales =
        rows.iter().map(|&(row, _)| Scale::of_row(predictions, row)).collect::<Result<Vec<_>, _>>()?;
    let mut columns = vec![0.0_f32; STRIP * rows.len()];
    let mut reliabilities = Vec::with_capacity(predictions.classes());
    for first in (0..predictions.classes()).step_by(STRIP) {
        let strip = STRIP.min(predictions.classes() - first);
        for (entry, (&(row, _), scale)) in rows.iter().zip(&scales).enumerate() {
            for (k, &score) in predictions.row(row)[first..first + strip].iter().enumerate() {
                columns[k * rows.len() + entry] = scale.probability(score);
            }
        }
        for (k, column) in columns.chunks(rows.len()).take(strip).enumerate() {
            // Probabilities are not negative, so their bits sort as they do.
            let mut order: Vec<u64> = (0..)
                .zip(column)
                .filter(|(_, probability)| f64::from(**probability) >= threshold)
                .map(|(entry, probability): (u64, &f32)| u64::from(probability.to_bits()) << 32 | entry)
                .collect();
            order.sort_unstable();
            let points: Vec<Point> = order
                .iter()
                .map(|key| {
                    let (row, weight) = rows[(key & 0xffff_ffff) as usize];
                    let hit = predictions.labels()[row] as usize == first + k;
                    Point { confidence: f64::from(f32::from_bits((key >> 32) as u32)), hit, weight }
                })
                .collect();
            reliabilities.push(Reliability::of_ascending_points(&points, bins));
        }
    }
    Ok(reliabilities)
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

    fn probability(self, score: f32) -> f32 {
        match self {
            Self::Logits { max, confidence } => exp(score - max) * confidence,
            // Minus zero would sort as the largest number.
            Self::Probabilities => score.abs(),
        }
    }
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
