//! From saved predictions to figures: calibrators, aggregator, test distributions, groups. No network is run.

use std::collections::BTreeSet;
use std::num::NonZeroUsize;

use balpoe_core::components::{Data, HeldOut, SampleId};
use balpoe_core::experiment::Arm;

use crate::error::LabError;
use crate::figures::Figures;
use crate::image_outcomes::ImageOutcomes;
use crate::post_hoc::PostHoc;
use crate::processed::refused;
use crate::scores::{FittedOn, Measured, Measurement, SampleScores};
use crate::summary::Metrics;

/// What the validation images are called where a test distribution would be.
pub(crate) const VALIDATION: &str = "validation";

/// Folds in which calibrators and aggregators are fitted where validation images are scored themselves.
const FOLDS: usize = 5;

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
    test: &SampleScores,
    validation: Option<&SampleScores>,
    trained_on: &BTreeSet<SampleId>,
) -> Result<Evaluation, LabError> {
    let figures = Figures::new(&data.group_counts, arm.evaluate.bins)?;
    let mut sets = Vec::new();
    for name in &arm.evaluate.distributions {
        sets.push((name.as_str(), arm.dataset.component.distribution(name, data)?));
    }
    let correct = arm.evaluate.prior_correction;
    let measurement = Measurement { sets: &sets, correct, ..measurement(arm, class_counts, &figures, test) };
    let measured = measurement.fitted_on(fitted_on(arm, test, validation, trained_on)?)?;
    let images = ImageOutcomes::of(&measured.ensemble, &measured.experts);
    Ok(Evaluation { metrics: measured.metrics, fitted: measured.lines, images })
}

/// The ensemble's figures on the validation images, for choosing among settings. Whatever is fitted is fitted on the images of other
/// folds than the one that is scored.
pub(crate) fn validate(
    arm: &Arm,
    data: &Data,
    class_counts: &[usize],
    validation: &SampleScores,
    trained_on: &BTreeSet<SampleId>,
) -> Result<Evaluation, LabError> {
    let figures = Figures::new(&data.group_counts, arm.evaluate.bins)?;
    let all = (0..validation.samples() as u32).collect();
    let measurement =
        Measurement { sets: &[(VALIDATION, all)], ..measurement(arm, class_counts, &figures, validation) };
    let measured = measurement.fitted_on(FittedOn::Folds(FOLDS, trained_on))?;
    Ok(Evaluation { metrics: measured.metrics, fitted: measured.lines, images: None })
}

/// What every metric of an arm's predictions on the whole test set is computed from.
pub(crate) fn all_metrics(
    arm: &Arm,
    class_counts: &[usize],
    figures: &Figures,
    test: &SampleScores,
    validation: Option<&SampleScores>,
    trained_on: &BTreeSet<SampleId>,
) -> Result<Measured, LabError> {
    let measurement = Measurement { all_metrics: true, ..measurement(arm, class_counts, figures, test) };
    measurement.fitted_on(fitted_on(arm, test, validation, trained_on)?)
}

/// The measurement of an arm's predictions under no test distribution yet.
fn measurement<'a>(
    arm: &'a Arm,
    class_counts: &'a [usize],
    figures: &'a Figures,
    scores: &'a SampleScores,
) -> Measurement<'a> {
    let post_hoc = PostHoc { calibrators: &arm.calibrators, aggregator: &arm.aggregator, class_counts };
    // Cells are evaluated side by side as they are trained, and one takes seconds.
    let threads = NonZeroUsize::MIN;
    Measurement { scores, post_hoc, figures, sets: &[], correct: false, all_metrics: false, threads }
}

/// What an arm's calibrators and aggregator are fitted on: folds of the test images, or validation images.
fn fitted_on<'a>(
    arm: &Arm,
    test: &SampleScores,
    validation: Option<&SampleScores>,
    trained_on: &'a BTreeSet<SampleId>,
) -> Result<FittedOn<'a>, LabError> {
    if let Some(folds) = arm.evaluate.cross_fit {
        return Ok(FittedOn::Folds(folds, trained_on));
    }
    let Some(validation) = validation else { return Ok(FittedOn::HeldOut(None)) };
    let scored = test.identities.iter().copied().collect();
    let held_out = HeldOut::new(validation.predictions()?, trained_on, &scored).map_err(refused)?;
    Ok(FittedOn::HeldOut(Some(held_out)))
}
