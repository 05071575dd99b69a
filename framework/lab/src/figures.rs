//! The figures of one subject under one test distribution.

use balpoe_core::components::LogitMatrix;
use balpoe_stats::calibration::{Binning, Evaluation, EvaluationError, Groups, Outcomes, Predictions};

use crate::error::LabError;
use crate::summary::{Key, Metric, Metrics, Subject};

/// What figures are computed by, the same for every subject and distribution.
pub(crate) struct Figures {
    /// None where training counts are not known; groups are not measured then.
    pub(crate) groups: Option<Groups>,
    pub(crate) binning: Binning,
}

impl Figures {
    /// `group_counts` `[classes]` are the training images by which classes are grouped.
    pub(crate) fn new(group_counts: &[usize], bins: usize) -> Result<Self, LabError> {
        Self::foreign(Some(group_counts), bins)
    }

    /// The same for models that were trained elsewhere, whose training images may not be known.
    pub(crate) fn foreign(group_counts: Option<&[usize]>, bins: usize) -> Result<Self, LabError> {
        let binning = Binning::equal_width(bins).map_err(failed)?;
        Ok(Self { groups: group_counts.map(Groups::from_training_counts), binning })
    }

    /// Records every metric of these rows.
    pub(crate) fn record(
        &self,
        evaluation: &Evaluation<'_>,
        subject: Subject,
        distribution: &str,
        metrics: &mut Metrics,
    ) -> Result<(), LabError> {
        let mut record = |metric, value| metrics.insert(Key::new(subject, distribution, metric), value);
        if let Some(groups) = &self.groups {
            let groups = evaluation.group_accuracy(groups).map_err(failed)?.groups;
            record(Metric::Many, groups.many);
            record(Metric::Medium, groups.medium);
            record(Metric::Few, groups.few);
        }
        let reliability = evaluation.reliability(self.binning);
        record(Metric::Accuracy, Some(evaluation.accuracy()));
        record(Metric::Ece, Some(reliability.ece()));
        record(Metric::Mce, Some(reliability.mce()));
        record(Metric::Nll, Some(evaluation.nll()));
        record(Metric::Brier, Some(evaluation.brier()));
        Ok(())
    }
}

/// What metrics need to know of every row.
pub(crate) fn outcomes(logits: &LogitMatrix, labels: &[u32]) -> Result<Outcomes, LabError> {
    Predictions::logits(&logits.values, labels, logits.classes).and_then(|p| Outcomes::of(&p)).map_err(failed)
}

/// Outcomes are refused where logits are not numbers: the network diverged after its loss was last looked at.
#[expect(clippy::needless_pass_by_value, reason = "the form that `map_err` takes")]
pub(crate) fn failed(error: EvaluationError) -> LabError {
    LabError::Component { component: "evaluation".to_owned(), message: error.to_string() }
}
