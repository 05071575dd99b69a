//! The bootstrap of any metric over rows.

use super::evaluation::Evaluation;
use crate::statistics::{Bootstrap, Resampling};

impl Evaluation<'_> {
    /// The bootstrap of `metric` over rows: as many rows as there are, drawn with replacement, each with its weight.
    ///
    /// A binned calibration error is biased upwards, and more so in a resample; its percentile interval lies too
    /// high. Bootstrap [`debiased_ece`](super::Reliability::debiased_ece), or report the interval as that of the
    /// biased figure.
    ///
    /// ```
    /// # use balpoe_stats::calibration::{Binning, Outcomes, Predictions};
    /// use balpoe_stats::statistics::{Level, Resampling};
    /// # let (logits, labels) = ([2.0, 1.0, 0.0, 0.5, 0.3, 0.2, 1.0, 1.5], [0, 1, 0, 1]);
    /// # let outcomes = Outcomes::of(&Predictions::logits(&logits, &labels, 2)?)?;
    /// let ece = outcomes
    ///     .all()
    ///     .bootstrap(Resampling::new(200, 1), |rows| rows.reliability(Binning::default()).debiased_ece());
    /// let interval = ece.percentile(Level::P95);
    /// # assert!(interval.low <= interval.high);
    /// # Ok::<(), balpoe_stats::calibration::EvaluationError>(())
    /// ```
    pub fn bootstrap(&self, resampling: Resampling, metric: impl Fn(&Evaluation<'_>) -> f64) -> Bootstrap {
        let rows: Vec<(usize, f64)> = self.rows().map(|(row, _, weight)| (row, weight)).collect();
        let mut draws = resampling.draws();
        let replicates = (0..resampling.repeats())
            .map(|_| metric(&self.choose((0..rows.len()).map(|_| rows[draws.below(rows.len())]))))
            .collect();
        Bootstrap::new(metric(self), replicates)
    }
}
