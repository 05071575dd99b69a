//! From saved predictions to figures: calibrators, aggregator, test distributions, groups. No network is run.

use std::collections::BTreeSet;

use balpoe_core::components::{Data, LogitMatrix, Predictions, SampleId};
use balpoe_core::experiment::Arm;

use crate::error::LabError;
use crate::figures::Figures;
use crate::image_outcomes::ImageOutcomes;
use crate::post_hoc::PostHoc;
use crate::processed::Processed;
use crate::summary::Metrics;

/// What the validation images are called where a test distribution would be.
pub(crate) const VALIDATION: &str = "validation";

/// What an evaluation gives.
pub(crate) struct Evaluation {
    pub(crate) metrics: Metrics,
    /// What calibrators and the aggregator learnt, a line each.
    pub(crate) fitted: Vec<String>,
    /// What became of every test image; `None` where there are too many classes to keep it.
    pub(crate) images: Option<ImageOutcomes>,
}

/// Evaluates an arm's predictions.
pub(crate) fn evaluate(
    arm: &Arm,
    data: &Data,
    class_counts: &[usize],
    test: &Predictions,
    validation: Option<&Predictions>,
    trained_on: &BTreeSet<SampleId>,
) -> Result<Evaluation, LabError> {
    let post_hoc = PostHoc { calibrators: &arm.calibrators, aggregator: &arm.aggregator, class_counts };
    let processed = Processed::new(post_hoc, arm.evaluate.cross_fit, test, validation, trained_on)?;
    let figures = Figures::new(&data.group_counts, arm.evaluate.bins)?;
    let mut distributions = Vec::new();
    for name in &arm.evaluate.distributions {
        distributions.push((name.as_str(), arm.dataset.component.distribution(name, data)?));
    }
    let scored = processed.scored()?;
    let images = ImageOutcomes::of(&scored.ensemble, &scored.experts);
    let metrics = processed.measure(&scored, &figures, &distributions, arm.evaluate.prior_correction)?;
    Ok(Evaluation { metrics, fitted: processed.lines, images })
}

/// Predictions as an arm finally makes them.
pub(crate) struct Combined {
    /// Every expert, after the calibrators that work on experts.
    pub(crate) experts: Predictions,
    /// What the aggregator, and the calibrators after it, make of them, `[samples, classes]`.
    pub(crate) ensemble: LogitMatrix,
}

/// Folds in which calibrators and aggregators are fitted where validation images are scored themselves.
const FOLDS: usize = 5;

/// The ensemble's figures on the validation images, for choosing among settings. Whatever is fitted is fitted on the images of other
/// folds than the one that is scored.
pub(crate) fn validate(
    arm: &Arm,
    data: &Data,
    class_counts: &[usize],
    validation: &Predictions,
    trained_on: &BTreeSet<SampleId>,
) -> Result<Evaluation, LabError> {
    let post_hoc = PostHoc { calibrators: &arm.calibrators, aggregator: &arm.aggregator, class_counts };
    let processed = Processed::cross_fitted(post_hoc, FOLDS, validation, trained_on)?;
    let figures = Figures::new(&data.group_counts, arm.evaluate.bins)?;
    let all = (0..validation.samples() as u32).collect();
    let scored = processed.scored()?;
    let metrics = processed.measure(&scored, &figures, &[(VALIDATION, all)], false)?;
    Ok(Evaluation { metrics, fitted: processed.lines, images: None })
}

/// The test predictions as an arm finally makes them.
pub(crate) fn combine(
    arm: &Arm,
    class_counts: &[usize],
    test: &Predictions,
    validation: Option<&Predictions>,
    trained_on: &BTreeSet<SampleId>,
) -> Result<Combined, LabError> {
    let post_hoc = PostHoc { calibrators: &arm.calibrators, aggregator: &arm.aggregator, class_counts };
    let processed = Processed::new(post_hoc, arm.evaluate.cross_fit, test, validation, trained_on)?;
    Ok(Combined { experts: processed.experts, ensemble: processed.ensemble })
}
