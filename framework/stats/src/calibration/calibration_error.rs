//! Calibration errors that are read off the bins of a reliability diagram, and their sampling bias.
//!
//! A binned error of a finite sample is biased upwards: noise in a bin's accuracy never cancels in an absolute value.
//! The debiased errors subtract an estimate of that; [`Reliability::ece_if_calibrated`] says how large the error of a
//! perfectly calibrated predictor would be on the same bins.

use statrs::function::erf::erf;

use super::reliability::{Reliability, ReliabilityBin};

impl Reliability {
    /// Expected calibration error: `Σ (weight / total) |confidence - accuracy|` (Naeini et al. 2015, Guo et al. 2017).
    pub fn ece(&self) -> f64 {
        self.expected(|bin| bin.gap().abs())
    }

    /// Root mean square calibration error (ℓ2): `√Σ (weight / total) (confidence - accuracy)²`.
    pub fn l2(&self) -> f64 {
        self.expected(|bin| bin.gap().powi(2)).sqrt()
    }

    /// Maximum calibration error: the largest `|confidence - accuracy|` of any bin, however few rows it holds.
    pub fn mce(&self) -> f64 {
        self.mce_over(0.0)
    }

    /// The largest `|confidence - accuracy|` of the bins with at least `rows` effective rows; 0 when there is none.
    ///
    /// The plain maximum is as a rule decided by a bin of a few rows; this one can be compared between models.
    pub fn mce_over(&self, rows: f64) -> f64 {
        let large = self.bins().iter().filter(|bin| bin.effective_rows >= rows);
        large.map(|bin| bin.gap().abs()).fold(0.0, f64::max)
    }

    /// Overconfidence error: `Σ (weight / total) confidence max(confidence - accuracy, 0)` (Thulasidasan et al. 2019).
    pub fn overconfidence(&self) -> f64 {
        self.expected(|bin| bin.confidence * bin.gap().max(0.0))
    }

    /// Mean confidence minus accuracy: positive for an overconfident model. It needs no bins and has no bias.
    pub fn mean_gap(&self) -> f64 {
        self.expected(ReliabilityBin::gap)
    }

    /// The debiased ECE: twice the ECE minus its expectation when every bin's accuracy is drawn again from a normal
    /// distribution with its binomial variance (Kumar et al. 2019, in closed form), at least 0.
    pub fn debiased_ece(&self) -> f64 {
        let redrawn = self.expected(|bin| folded_normal_mean(bin.gap(), accuracy_variance(bin).sqrt()));
        (2.0 * self.ece() - redrawn).max(0.0)
    }

    /// The debiased ℓ2 error: each bin's squared gap less the unbiased variance of its accuracy,
    /// `acc (1 - acc) / (n - 1)` (Bröcker 2012, Ferro and Fricker 2012), at least 0. Bins of one row count as 0.
    pub fn debiased_l2(&self) -> f64 {
        let squared = self.expected(|bin| {
            let others = bin.effective_rows - 1.0;
            if others > 0.0 { bin.gap().powi(2) - bin.accuracy * (1.0 - bin.accuracy) / others } else { 0.0 }
        });
        squared.max(0.0).sqrt()
    }

    /// The ECE that a perfectly calibrated predictor would show on average with these bins and confidences: the
    /// sampling bias, `Σ (weight / total) √(2 conf (1 - conf) / (π n))`.
    ///
    /// An observed ECE near it says nothing against the predictor.
    pub fn ece_if_calibrated(&self) -> f64 {
        self.expected(|bin| {
            let variance = bin.confidence * (1.0 - bin.confidence) / bin.effective_rows;
            (variance.max(0.0) * std::f64::consts::FRAC_2_PI).sqrt()
        })
    }
}

/// The binomial variance of a bin's accuracy.
fn accuracy_variance(bin: &ReliabilityBin) -> f64 {
    (bin.accuracy * (1.0 - bin.accuracy) / bin.effective_rows).max(0.0)
}

/// The mean of `|X|` for a normal X.
fn folded_normal_mean(mean: f64, deviation: f64) -> f64 {
    if deviation == 0.0 {
        return mean.abs();
    }
    let z = mean / deviation;
    let density = (-0.5 * z * z).exp() * (2.0 * std::f64::consts::FRAC_1_PI).sqrt();
    deviation * density + mean * erf(z * std::f64::consts::FRAC_1_SQRT_2)
}
