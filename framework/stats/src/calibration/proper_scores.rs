//! Proper scoring rules: they are best, in expectation, for the true probabilities only.

use super::evaluation::Evaluation;

impl Evaluation<'_> {
    /// The mean negative log-likelihood of the labels in nats; infinite when a label was given probability 0.
    pub fn nll(&self) -> f64 {
        self.mean(|outcome| outcome.log_loss)
    }

    /// The Brier score: squared error summed over classes, averaged over rows, in 0..=2 (Brier 1950).
    ///
    /// Some write half of this, and some divide it by the number of classes.
    pub fn brier(&self) -> f64 {
        self.mean(|outcome| outcome.brier)
    }
}
