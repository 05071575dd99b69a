//! From files of scores to tables.

use std::collections::BTreeSet;

use balpoe_core::components::HeldOut;
use balpoe_core::config::ConfigError;
use balpoe_core::experiment::FittedCalibrator;
use balpoe_stats::calibration::ScoreKind;

use super::request::{Fitting, Request, Scores};
use super::test_sets::{is_balanced, test_sets};
use crate::all_metrics;
use crate::error::LabError;
use crate::figures::Figures;
use crate::post_hoc::PostHoc;
use crate::scores::{FittedOn, Measured, Measurement, SampleScores};
use crate::summary;
use crate::table::Table;

/// The tables of scores in files: those of an experiment, and every calibration metric if it is asked for.
///
/// Scores are read in one pass and chunk by chunk, so that memory does not grow with them, unless something looks at all of
/// them: fitting on the scored samples or their folds, and aggregators that adapt to them.
///
/// # Errors
/// If files do not hold what they should, options do not fit them, or a component fails.
pub fn evaluate(request: &Request<'_>) -> Result<Vec<Table>, LabError> {
    let kind = if request.probabilities { ScoreKind::Probabilities } else { ScoreKind::Logits };
    let open = |scores: &Scores, first_sample: usize| {
        SampleScores::open(&scores.files, scores.labels.as_deref(), request.classes, kind, first_sample)
    };
    let scores = open(&request.scores, 0)?;
    if let Some(counts) = request.class_counts.as_ref().filter(|counts| counts.len() != scores.classes) {
        let message =
            format!("expected {} class counts, one per class, found {}", scores.classes, counts.len());
        return Err(ConfigError::new(message).into());
    }
    let evaluate = &request.post_hoc.evaluate;
    let calibrators = &request.post_hoc.calibrators;
    if matches!(request.fitting, Fitting::Nothing) && !calibrators.is_empty() {
        let help = "fit on other samples with --fit-on FILE --fit-labels FILE --assert-held-out, on folds of these with --folds 5, or \
                    on these themselves with --oracle, which gives an upper bound";
        return Err(ConfigError::new("a calibrator needs samples to be fitted on").help(help).into());
    }
    let sets =
        test_sets(&evaluate.distributions, &scores.labels, scores.classes, request.class_counts.as_deref())?;
    let figures = Figures::foreign(request.class_counts.as_deref(), evaluate.bins)?;
    let post_hoc = PostHoc {
        calibrators,
        aggregator: &request.post_hoc.aggregator,
        class_counts: request.class_counts.as_deref().unwrap_or_default(),
    };
    let nothing = BTreeSet::new();
    let fitted_on = match &request.fitting {
        Fitting::Nothing => FittedOn::HeldOut(None),
        Fitting::Asserted(others) => {
            let others = open(others, scores.samples())?;
            let (expected, found) = ((scores.experts(), scores.classes), (others.experts(), others.classes));
            if expected != found {
                let message = format!(
                    "expected {} experts and {} classes as in the scored files, found {} and {}",
                    expected.0, expected.1, found.0, found.1
                );
                return Err(others.wrong(0, &message));
            }
            FittedOn::HeldOut(Some(HeldOut::asserted(others.predictions()?)))
        }
        Fitting::Oracle => FittedOn::HeldOut(Some(HeldOut::oracle(scores.predictions()?))),
        Fitting::Folds(folds) => FittedOn::Folds(*folds, &nothing),
    };
    let measurement = Measurement {
        scores: &scores,
        post_hoc,
        figures: &figures,
        sets: &sets,
        // Under the distribution as it is there is nothing to correct for.
        correct: evaluate.prior_correction && sets.len() > 1,
        all_metrics: request.all_metrics,
        threads: request.threads,
    };
    let measured = measurement.fitted_on(fitted_on)?;
    tables(request, &scores, &figures, measured)
}

fn tables(
    request: &Request<'_>,
    scores: &SampleScores,
    figures: &Figures,
    measured: Measured,
) -> Result<Vec<Table>, LabError> {
    let calibrators: String = request
        .post_hoc
        .calibrators
        .iter()
        .map(|c: &FittedCalibrator| format!(" + {}", c.calibrator.name))
        .collect();
    let label = format!("{}{calibrators}{}", request.post_hoc.aggregator.name, request.fitting.label());
    let arm = summary::Arm { name: label.clone(), cells: vec![(0, Ok(measured.metrics))] };
    let mut results = summary::Experiment::new(request.name, vec![arm]);
    results.protocol.push(format!(
        "a model that was trained elsewhere: {} samples, {} classes, number of experts: {}",
        scores.samples(),
        scores.classes,
        scores.experts()
    ));
    if !is_balanced(&scores.labels, scores.classes) {
        results.protocol.push(
            "`uniform` is the test set as it is, which does not have equally many samples of each class"
                .to_owned(),
        );
    }
    let bins = request.post_hoc.evaluate.bins;
    results.protocol.push(format!("calibration errors over {bins} bins of equal width, (lo, hi]"));
    results.protocol.extend(request.fitting.line());
    results.protocol.extend(measured.lines);
    let mut tables = results.tables();
    if request.all_metrics {
        let mut subjects = vec![all_metrics::Subject {
            label,
            outcomes: &measured.ensemble,
            logits: measured.logits.as_ref(),
        }];
        for (e, outcomes) in measured.experts.iter().enumerate() {
            subjects.push(all_metrics::Subject { label: format!("expert {e}"), outcomes, logits: None });
        }
        let of_subject =
            |subject: &all_metrics::Subject<'_>| all_metrics::measure(subject, &scores.labels, figures, bins);
        let columns = subjects.iter().map(of_subject).collect::<Result<Vec<_>, _>>()?;
        tables.push(all_metrics::table(request.name, &columns, bins));
        tables.extend(measured.diversity.table(request.name));
    }
    Ok(tables)
}
