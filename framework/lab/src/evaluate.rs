//! From saved predictions to figures: calibrators, aggregator, test distributions, groups. No network is run.

use std::collections::BTreeSet;

use balpoe_core::components::{Data, HeldOut, Knowledge, LogitMatrix, Predictions, SampleId};
use balpoe_core::experiment::{Arm, Stage};
use balpoe_core::tensor::{Device, Matrix};

use crate::bridge::guarded;
use crate::error::LabError;
use crate::figures::{Figures, failed, outcomes};
use crate::summary::{Metrics, Subject};

/// Rows that go through a plugin's tensors at once.
const CHUNK: usize = 2048;

/// What an evaluation gives.
pub(crate) struct Evaluation {
    pub(crate) metrics: Metrics,
    /// What calibrators and the aggregator learnt, a line each.
    pub(crate) fitted: Vec<String>,
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
    let mut fitted = Vec::new();
    let scored: BTreeSet<SampleId> = test.identities.iter().copied().collect();
    let mut test = test.clone();
    let mut held_out = match validation {
        Some(predictions) => Some(hold_out(predictions.clone(), trained_on, &scored)?),
        None => None,
    };
    for entry in arm.calibrators.iter().filter(|c| c.stage == Stage::Experts) {
        let Some(base) = held_out.take() else { break };
        let name = format!("calibrator/{}", entry.calibrator.name);
        let mut calibrated = base.predictions().clone();
        for e in 0..test.experts.len() {
            let own = hold_out(one_expert(base.predictions(), e), trained_on, &scored)?;
            let calibration = guarded(&name, || {
                entry.calibrator.component.fit(&own, class_counts).map_err(|error| error.message)
            })?;
            fitted.push(format!("{} on expert {e}: {}", entry.calibrator.name, calibration.summary()));
            let apply = |matrix: Matrix| calibration.apply(matrix);
            test.experts[e] = map(&name, &test.experts[e], &apply)?;
            calibrated.experts[e] = map(&name, &calibrated.experts[e], &apply)?;
        }
        held_out = Some(hold_out(calibrated, trained_on, &scored)?);
    }

    let name = format!("aggregator/{}", arm.aggregator.name);
    let combine = |of: &Predictions, prior: Option<&[f64]>| -> Result<(LogitMatrix, String), LabError> {
        let knowledge =
            Knowledge { class_counts, held_out: held_out.as_ref(), unlabelled: of, test_prior: prior };
        let aggregation =
            guarded(&name, || arm.aggregator.component.prepare(knowledge).map_err(|error| error.message))?;
        Ok((map_experts(&name, &of.experts, &|experts| aggregation.apply(experts))?, aggregation.summary()))
    };
    let (mut ensemble, learnt) = combine(&test, None)?;
    if !learnt.is_empty() {
        fitted.push(format!("{}: {learnt}", arm.aggregator.name));
    }
    let on_ensemble: Vec<_> = arm.calibrators.iter().filter(|c| c.stage == Stage::Ensemble).collect();
    if let (Some(base), false) = (&held_out, on_ensemble.is_empty()) {
        let mut logits = combine(base.predictions(), None)?.0;
        for entry in on_ensemble {
            let name = format!("calibrator/{}", entry.calibrator.name);
            let own = Predictions { experts: vec![logits.clone()], ..base.predictions().clone() };
            let own = hold_out(own, trained_on, &scored)?;
            let calibration = guarded(&name, || {
                entry.calibrator.component.fit(&own, class_counts).map_err(|error| error.message)
            })?;
            fitted.push(format!("{} on the ensemble: {}", entry.calibrator.name, calibration.summary()));
            ensemble = map(&name, &ensemble, &|matrix| calibration.apply(matrix))?;
            logits = map(&name, &logits, &|matrix| calibration.apply(matrix))?;
        }
    }

    let metrics = measure(arm, data, &test, &ensemble)?;
    Ok(Evaluation { metrics, fitted })
}

/// All figures of the ensemble, with and without prior correction, and of each expert.
fn measure(arm: &Arm, data: &Data, test: &Predictions, ensemble: &LogitMatrix) -> Result<Metrics, LabError> {
    let figures = Figures::new(&data.group_counts, arm.evaluate.bins)?;
    let mut metrics = Metrics::default();
    let mut subjects = vec![(Subject::Ensemble, outcomes(ensemble, &test.labels)?)];
    for (e, expert) in test.experts.iter().enumerate() {
        subjects.push((Subject::Expert(e), outcomes(expert, &test.labels)?));
    }
    for distribution in &arm.evaluate.distributions {
        let rows = arm.dataset.component.distribution(distribution, data)?;
        for (subject, outcomes) in &subjects {
            let evaluation = outcomes.at(&rows).map_err(failed)?;
            figures.record(&evaluation, *subject, distribution, &mut metrics)?;
        }
        if arm.evaluate.prior_correction {
            let labels: Vec<u32> = rows.iter().map(|&row| test.labels[row as usize]).collect();
            let corrected = outcomes(&with_known_prior(ensemble, &labels, &rows), &labels)?;
            figures.record(&corrected.all(), Subject::Corrected, distribution, &mut metrics)?;
        }
    }
    Ok(metrics)
}

fn hold_out(
    predictions: Predictions,
    trained_on: &BTreeSet<SampleId>,
    scored: &BTreeSet<SampleId>,
) -> Result<HeldOut, LabError> {
    HeldOut::new(predictions, trained_on, scored).map_err(|error| LabError::Component {
        component: "calibration".to_owned(),
        message: error.to_string(),
    })
}

fn one_expert(predictions: &Predictions, expert: usize) -> Predictions {
    Predictions { experts: vec![predictions.experts[expert].clone()], ..predictions.clone() }
}

/// These rows with the log of their true class prior added (`--posthoc_bias_correction` of the reference; the prior is an
/// oracle's). A class without images gets minus infinity. `labels` are those of the rows.
fn with_known_prior(logits: &LogitMatrix, labels: &[u32], rows: &[u32]) -> LogitMatrix {
    let classes = logits.classes;
    let mut counts = vec![0_usize; classes];
    for &label in labels {
        counts[label as usize] += 1;
    }
    let log_prior: Vec<f32> =
        counts.iter().map(|&n| (n as f64 / labels.len().max(1) as f64).ln() as f32).collect();
    let corrected = |&row: &u32| {
        let values = &logits.values[row as usize * classes..][..classes];
        values.iter().zip(&log_prior).map(|(value, prior)| value + prior).collect::<Vec<f32>>()
    };
    LogitMatrix { values: rows.iter().flat_map(corrected).collect(), classes }
}

/// Applies a plugin's function to a matrix, some rows at a time.
fn map(name: &str, logits: &LogitMatrix, apply: &dyn Fn(Matrix) -> Matrix) -> Result<LogitMatrix, LabError> {
    map_experts(name, std::slice::from_ref(logits), &|experts| apply(experts[0].clone()))
}

fn map_experts(
    name: &str,
    experts: &[LogitMatrix],
    apply: &dyn Fn(&[Matrix]) -> Matrix,
) -> Result<LogitMatrix, LabError> {
    let (samples, classes) = experts.first().map_or((0, 0), |e| (e.samples(), e.classes));
    let device = Device::default();
    let mut values = Vec::with_capacity(samples * classes);
    for start in (0..samples).step_by(CHUNK) {
        let range = start..samples.min(start + CHUNK);
        let expected = range.len() * classes;
        let chunk = guarded(name, || {
            let matrices: Vec<Matrix> = experts.iter().map(|e| e.matrix(range.clone(), &device)).collect();
            let result = apply(&matrices).as_vec();
            if result.len() == expected {
                Ok(result)
            } else {
                Err(format!(
                    "it gave {} values for {} samples of {classes} classes",
                    result.len(),
                    range.len()
                ))
            }
        })?;
        values.extend(chunk);
    }
    Ok(LogitMatrix { values, classes })
}
