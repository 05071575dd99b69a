//! The data of reliability diagrams.

use serde::{Deserialize, Serialize};

use super::binning::{Binning, equal_width_bin};
use super::evaluation::Evaluation;

/// Rows of similar confidence: one bar of a reliability diagram.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct ReliabilityBin {
    /// The lower edge, outside the bin (except 0 in the first bin).
    pub low: f64,
    /// The upper edge, inside the bin.
    pub high: f64,
    /// The weight in the bin, positive.
    pub weight: f64,
    /// Kish's effective number of rows, `(Σ w)² / Σ w²`: the number of rows where all weigh 1.
    pub effective_rows: f64,
    /// The mean confidence.
    pub confidence: f64,
    /// The fraction of the weight that is predicted right.
    pub accuracy: f64,
}

impl ReliabilityBin {
    /// Confidence minus accuracy: positive where predictions are overconfident.
    pub fn gap(&self) -> f64 {
        self.confidence - self.accuracy
    }
}

/// The bins that hold rows, ascending: the data of a reliability diagram.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Reliability {
    bins: Vec<ReliabilityBin>,
    total_weight: f64,
}

impl Evaluation<'_> {
    /// The reliability of the predicted class: confidence is the largest probability, accuracy whether it was right.
    pub fn reliability(&self, binning: Binning) -> Reliability {
        let points = self.rows().map(|(_, outcome, weight)| Point {
            confidence: outcome.confidence,
            hit: outcome.correct(),
            weight,
        });
        Reliability::of_points(points, binning)
    }
}

impl Reliability {
    /// The bins that hold rows, ascending.
    pub fn bins(&self) -> &[ReliabilityBin] {
        &self.bins
    }

    /// The mean of a quantity over the bins, each with its share of the weight.
    pub(super) fn expected(&self, quantity: impl Fn(&ReliabilityBin) -> f64) -> f64 {
        self.bins.iter().map(|bin| bin.weight * quantity(bin)).sum::<f64>() / self.total_weight
    }

    pub(super) fn of_points(points: impl Iterator<Item = Point>, binning: Binning) -> Self {
        let bins = match binning {
            Binning::EqualWidth(bins) => equal_width(points, bins.get()),
            Binning::EqualMass(bins) => {
                let mut points: Vec<Point> = points.collect();
                points.sort_unstable_by(|a, b| a.confidence.total_cmp(&b.confidence));
                equal_mass(&points, bins.get())
            }
        };
        Self::of_bins(bins)
    }

    /// Equal-mass bins of points that are ascending in confidence already.
    pub(super) fn of_ascending_points(points: &[Point], bins: usize) -> Self {
        Self::of_bins(equal_mass(points, bins))
    }

    pub(super) fn of_bins(bins: Vec<ReliabilityBin>) -> Self {
        Self { total_weight: bins.iter().map(|bin| bin.weight).sum(), bins }
    }
}

/// A probability, whether the event that it was given for happened, and a positive weight.
#[derive(Debug, Clone, Copy)]
pub(super) struct Point {
    pub(super) confidence: f64,
    pub(super) hit: bool,
    pub(super) weight: f64,
}

/// The sums of one bin while it fills.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct BinSums {
    pub(super) weight: f64,
    pub(super) squared_weight: f64,
    pub(super) confidence: f64,
    pub(super) hits: f64,
}

impl BinSums {
    pub(super) fn add(&mut self, point: Point) {
        self.weight += point.weight;
        self.squared_weight += point.weight * point.weight;
        self.confidence += point.weight * point.confidence;
        self.hits += if point.hit { point.weight } else { 0.0 };
    }

    /// `None` for an empty bin.
    pub(super) fn finish(self, low: f64, high: f64) -> Option<ReliabilityBin> {
        (self.weight > 0.0).then(|| ReliabilityBin {
            low,
            high,
            weight: self.weight,
            effective_rows: self.weight * self.weight / self.squared_weight,
            confidence: self.confidence / self.weight,
            accuracy: self.hits / self.weight,
        })
    }
}

fn equal_width(points: impl Iterator<Item = Point>, bins: usize) -> Vec<ReliabilityBin> {
    let mut sums = vec![BinSums::default(); bins];
    for point in points {
        sums[equal_width_bin(point.confidence, bins)].add(point);
    }
    finish_equal_width(&sums)
}

pub(super) fn finish_equal_width(sums: &[BinSums]) -> Vec<ReliabilityBin> {
    let edge = |i: usize| i as f64 / sums.len() as f64;
    sums.iter().enumerate().filter_map(|(i, sums)| sums.finish(edge(i), edge(i + 1))).collect()
}

/// Points are ascending in confidence.
fn equal_mass(points: &[Point], bins: usize) -> Vec<ReliabilityBin> {
    let total: f64 = points.iter().map(|point| point.weight).sum();
    // Rounding of a sum of weights must not postpone the end of a bin.
    let share = total / bins as f64 * (1.0 - 1e-12);
    let mut finished: Vec<ReliabilityBin> = Vec::new();
    let (mut sums, mut cumulated, mut shares, mut low) = (BinSums::default(), 0.0, 1.0, 0.0);
    for ties in points.chunk_by(|a, b| a.confidence == b.confidence) {
        for &point in ties {
            sums.add(point);
            cumulated += point.weight;
        }
        if cumulated >= shares * share {
            let high = ties[0].confidence;
            finished.extend(std::mem::take(&mut sums).finish(low, high));
            low = high;
            while cumulated >= shares * share {
                shares += 1.0;
            }
        }
    }
    finished
}
