//! How confidences and entropies are distributed.

use serde::{Deserialize, Serialize};

use super::evaluation::Evaluation;
use super::outcomes::Outcome;

/// A histogram over bins of equal width, split by whether the prediction was right. Bins are `(low, high]`, the first
/// holds its lower end as well.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Histogram {
    /// The upper end of the last bin; the first begins at 0.
    pub high: f64,
    /// The weight of right predictions in each bin.
    pub right: Vec<f64>,
    /// The weight of wrong predictions in each bin.
    pub wrong: Vec<f64>,
}

impl Evaluation<'_> {
    /// The histogram of the largest probability over [0, 1]; 0 bins are taken as 1.
    pub fn confidence_histogram(&self, bins: usize) -> Histogram {
        self.histogram(bins, 1.0, |outcome| outcome.confidence)
    }

    /// The histogram of the predictions' entropy in nats over [0, ln classes]; 0 bins are taken as 1.
    pub fn entropy_histogram(&self, bins: usize) -> Histogram {
        self.histogram(bins, (self.classes() as f64).ln(), |outcome| outcome.entropy)
    }

    /// The mean entropy of the predictions in nats.
    pub fn entropy(&self) -> f64 {
        self.mean(|outcome| outcome.entropy)
    }

    /// The mean entropy divided by that of the uniform distribution, in 0..=1; 0 with a single class.
    pub fn normalised_entropy(&self) -> f64 {
        if self.classes() > 1 { self.entropy() / (self.classes() as f64).ln() } else { 0.0 }
    }

    fn histogram(&self, bins: usize, high: f64, value: impl Fn(&Outcome) -> f64) -> Histogram {
        let bins = bins.max(1);
        let mut histogram = Histogram { high, right: vec![0.0; bins], wrong: vec![0.0; bins] };
        for (_, outcome, weight) in self.rows() {
            let share = if high > 0.0 { value(outcome) / high } else { 0.0 };
            let bin = super::binning::equal_width_bin(share, bins);
            let counts = if outcome.correct() { &mut histogram.right } else { &mut histogram.wrong };
            counts[bin] += weight;
        }
        histogram
    }
}
