//! From files of scores to tables.

use std::collections::BTreeSet;

use balpoe_core::components::{HeldOut, LogitMatrix};
use balpoe_core::config::ConfigError;
use balpoe_core::experiment::FittedCalibrator;
use balpoe_stats::calibration::{Outcomes, ScoreKind};

use super::model::Model;
use super::request::{Fitting, Request, Scores};
use super::streaming::Pass;
use super::test_sets::{TestSet, is_balanced, test_sets};
use crate::all_metrics;
use crate::diversity::DiversitySum;
use crate::error::LabError;
use crate::figures::{Figures, failed};
use crate::post_hoc::PostHoc;
use crate::processed::Processed;
use crate::summary::{self, Metrics, Subject};
use crate::table::Table;

/// What was measured.
struct Measured {
    metrics: Metrics,
    /// What was fitted, and on what.
    lines: Vec<String>,
    ensemble: Outcomes,
    experts: Vec<Outcomes>,
    /// The ensemble's logits, where metrics of every class need them.
    logits: Option<LogitMatrix>,
    diversity: DiversitySum,
}

/// The tables of scores in files: those of an experiment, and every calibration metric if it is asked for.
///
/// Scores are read in one pass and chunk by chunk, so that memory does not grow with them, unless something looks at all of
/// them: fitting on the scored samples or their folds, and aggregators that adapt to them.
///
/// # Errors
/// If files do not hold what they should, options do not fit them, or a component fails.
pub fn evaluate(request: &Request<'_>) -> Result<Vec<Table>, LabError> {
    let kind = if request.probabilities { ScoreKind::Probabilities } else { ScoreKind::Logits };
    let open = |scores: &Scores| Model::open(&scores.files, scores.labels.as_deref(), request.classes, kind);
    let model = open(&request.scores)?;
    if let Some(counts) = request.class_counts.as_ref().filter(|counts| counts.len() != model.classes) {
        let message =
            format!("expected {} class counts, one per class, found {}", model.classes, counts.len());
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
        test_sets(&evaluate.distributions, &model.labels, model.classes, request.class_counts.as_deref())?;
    let figures = Figures::foreign(request.class_counts.as_deref(), evaluate.bins)?;
    let post_hoc = PostHoc {
        calibrators,
        aggregator: &request.post_hoc.aggregator,
        class_counts: request.class_counts.as_deref().unwrap_or_default(),
    };
    let held_out = match &request.fitting {
        Fitting::Asserted(scores) => {
            let other = open(scores)?;
            if (other.experts(), other.classes) != (model.experts(), model.classes) {
                return Err(other.wrong(
                    0,
                    &format!(
                        "expected {} experts and {} classes as in the scored files, found {} and {}",
                        model.experts(),
                        model.classes,
                        other.experts(),
                        other.classes
                    ),
                ));
            }
            Some(HeldOut::asserted(other.predictions(model.samples() as u32)?))
        }
        Fitting::Oracle => Some(HeldOut::oracle(model.predictions(0)?)),
        Fitting::Nothing | Fitting::Folds(_) => None,
    };
    let in_memory = request.post_hoc.aggregator.component.adapts()
        || matches!(request.fitting, Fitting::Oracle | Fitting::Folds(_));
    // Under the distribution as it is there is nothing to correct for.
    let correct = evaluate.prior_correction && sets.len() > 1;
    let measured = if in_memory {
        from_memory(request, &model, post_hoc, held_out, &figures, &sets, correct)?
    } else {
        streamed(request, &model, post_hoc, held_out, &figures, &sets, correct)?
    };
    tables(request, &model, &figures, measured)
}

fn from_memory(
    request: &Request<'_>,
    model: &Model,
    post_hoc: PostHoc<'_>,
    held_out: Option<HeldOut>,
    figures: &Figures,
    sets: &[TestSet<'_>],
    correct: bool,
) -> Result<Measured, LabError> {
    let test = match &held_out {
        Some(held_out) if matches!(request.fitting, Fitting::Oracle) => held_out.predictions().clone(),
        _ => model.predictions(0)?,
    };
    let processed = match request.fitting {
        Fitting::Folds(folds) => Processed::cross_fitted(post_hoc, folds, &test, &BTreeSet::new())?,
        _ => Processed::fitted(post_hoc, held_out, &test)?,
    };
    drop(test);
    let scored = processed.scored()?;
    let metrics = processed.measure(&scored, figures, sets, correct)?;
    let mut diversity = DiversitySum::default();
    if request.all_metrics {
        diversity.add(&processed.experts.experts, &processed.experts.labels).map_err(failed)?;
    }
    Ok(Measured {
        metrics,
        ensemble: scored.ensemble,
        experts: scored.experts,
        lines: processed.lines,
        logits: request.all_metrics.then_some(processed.ensemble),
        diversity,
    })
}

fn streamed(
    request: &Request<'_>,
    model: &Model,
    post_hoc: PostHoc<'_>,
    held_out: Option<HeldOut>,
    figures: &Figures,
    sets: &[TestSet<'_>],
    correct: bool,
) -> Result<Measured, LabError> {
    let fit = post_hoc.fit(held_out)?;
    let corrected = if correct { sets } else { &[] };
    let pass =
        Pass { model, fit: &fit, corrected, all_metrics: request.all_metrics, threads: request.threads };
    let streamed = pass.run()?;
    let mut metrics = Metrics::default();
    for (distribution, rows) in sets {
        let subjects = (0..).map(Subject::Expert).zip(&streamed.experts);
        for (subject, outcomes) in std::iter::once((Subject::Ensemble, &streamed.ensemble)).chain(subjects) {
            figures.record(&outcomes.at(rows).map_err(failed)?, subject, distribution, &mut metrics)?;
        }
    }
    for ((distribution, _), outcomes) in corrected.iter().zip(&streamed.corrected) {
        figures.record(&outcomes.all(), Subject::Corrected, distribution, &mut metrics)?;
    }
    let mut lines = fit.lines.clone();
    lines.extend(streamed.line);
    Ok(Measured {
        metrics,
        lines,
        ensemble: streamed.ensemble,
        experts: streamed.experts,
        logits: streamed.logits,
        diversity: streamed.diversity,
    })
}

fn tables(
    request: &Request<'_>,
    model: &Model,
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
        model.samples(),
        model.classes,
        model.experts()
    ));
    if !is_balanced(&model.labels, model.classes) {
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
            |subject: &all_metrics::Subject<'_>| all_metrics::measure(subject, &model.labels, figures, bins);
        let columns = subjects.iter().map(of_subject).collect::<Result<Vec<_>, _>>()?;
        tables.push(all_metrics::table(request.name, &columns, bins));
        tables.extend(measured.diversity.table(request.name));
    }
    Ok(tables)
}
