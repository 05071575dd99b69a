//! Class-wise calibration: is the probability of class k right, for every k?
//!
//! The event that belongs to the probability of class k is `label == k` (Nixon et al. 2019, Kull et al. 2019). The
//! module that ships with BalPoE, and many copies of it, compares `prediction == k` with `label == k` instead, so
//! that every true negative counts as a success: for a perfectly calibrated predictor of 100 classes its class-wise
//! error is 0.98, the definition's 0.001. Figures of that kind cannot be compared with ours.

use serde::{Deserialize, Serialize};

use super::binning::Binning;
use super::error::{EvaluationError, check_length};
use super::evaluation::Evaluation;
use super::groups::{Groups, PerGroup, mean_of_present};
use super::predictions::Predictions;
use super::reliability::Reliability;
use super::{class_equal_mass, class_equal_width};

/// The reliability of every class's probability, over all rows whatever their prediction.
#[derive(Debug, Clone, PartialEq, Serialize)]
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
    /// Only rows that give class k at least `threshold` count for class k; 0 takes all rows. With many classes nearly
    /// all probabilities are tiny and well calibrated, and a threshold such as 0.01 keeps them from drowning the
    /// rest. Equal-width and equal-mass binning give the terms of the class-wise (SCE) and the adaptive (ACE)
    /// calibration error, with a threshold those of TACE.
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
            Binning::EqualWidth(bins) => {
                class_equal_width::reliabilities(self, predictions, bins.get(), threshold)?
            }
            Binning::EqualMass(bins) => {
                class_equal_mass::reliabilities(self, predictions, bins.get(), threshold)?
            }
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

    /// The unweighted mean over the classes that have an error: the figure that is reported as class-wise ECE. `None`
    /// when no class has one.
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
