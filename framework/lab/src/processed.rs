//! Test predictions after calibrators and aggregator, and their figures under every test distribution.

use std::borrow::Cow;
use std::collections::BTreeSet;

use balpoe_core::components::{HeldOut, LogitMatrix, NotHeldOut, Predictions, SampleId};
use balpoe_core::random::{Purpose, Stream};
use balpoe_stats::calibration::Outcomes;

use crate::error::LabError;
use crate::figures::{Figures, failed, outcomes};
use crate::post_hoc::{Fit, PostHoc, class_prior};
use crate::split::positions_by_class;
use crate::summary::{Metrics, Subject};

/// Test predictions after calibrators and aggregator.
pub(crate) struct Processed<'a> {
    /// Which fit each sample goes through; all through the first one unless they were cross-fitted.
    parts: Vec<(Fit<'a>, Vec<u32>)>,
    adapts: bool,
    /// The calibrated experts.
    pub(crate) experts: Predictions,
    /// The calibrated ensemble on all samples.
    pub(crate) ensemble: LogitMatrix,
    /// What was fitted, and on what.
    pub(crate) lines: Vec<String>,
}

/// What became of every test sample.
pub(crate) struct Scored {
    pub(crate) ensemble: Outcomes,
    pub(crate) experts: Vec<Outcomes>,
}

impl<'a> Processed<'a> {
    /// Fits on these held-out samples, and applies the fit to the test samples.
    pub(crate) fn fitted(
        post_hoc: PostHoc<'a>,
        held_out: Option<HeldOut>,
        test: &Predictions,
    ) -> Result<Self, LabError> {
        let fit = post_hoc.fit(held_out)?;
        let lines = fit.lines.clone();
        Self::apply(post_hoc, vec![(fit, all(test))], test, lines)
    }

    /// Fits on all but one fold of the test samples and applies the fit to that one, fold by fold.
    pub(crate) fn cross_fitted(
        post_hoc: PostHoc<'a>,
        folds: usize,
        test: &Predictions,
        trained_on: &BTreeSet<SampleId>,
    ) -> Result<Self, LabError> {
        let fold_of = folds_by_class(&test.labels, test.classes(), folds);
        let mut parts = Vec::new();
        let mut lines = vec![format!(
            "cross-fitted: calibrators and aggregator were fitted on {folds} folds of the test images, each applied to the fold \
             that it was not fitted on"
        )];
        for fold in 0..folds {
            let (within, others): (Vec<u32>, Vec<u32>) =
                all(test).into_iter().partition(|&row| fold_of[row as usize] == fold);
            if within.is_empty() {
                continue;
            }
            let scored = test.select(&within);
            let scored = scored.identities.into_iter().collect();
            let held_out = HeldOut::new(test.select(&others), trained_on, &scored).map_err(refused)?;
            let fit = post_hoc.fit(Some(held_out))?;
            lines.extend(fit.lines.iter().map(|line| format!("fold {}: {line}", fold + 1)));
            parts.push((fit, within));
        }
        Self::apply(post_hoc, parts, test, lines)
    }

    fn apply(
        post_hoc: PostHoc<'a>,
        parts: Vec<(Fit<'a>, Vec<u32>)>,
        test: &Predictions,
        lines: Vec<String>,
    ) -> Result<Self, LabError> {
        let mut experts = test.clone();
        for (fit, rows) in parts.iter().filter(|(fit, _)| fit.changes_experts()) {
            let calibrated = fit.experts(test.select(rows).experts)?;
            for (whole, part) in experts.experts.iter_mut().zip(calibrated) {
                scatter(&part, rows, whole);
            }
        }
        let nothing = LogitMatrix { values: Vec::new(), classes: test.classes() };
        let adapts = post_hoc.aggregator.component.adapts();
        let mut processed = Self { parts, adapts, experts, ensemble: nothing, lines };
        let (ensemble, learnt) = processed.combine(&all(test))?;
        processed.ensemble = ensemble;
        processed.lines.extend(learnt);
        Ok(processed)
    }

    /// The ensemble's logits on these rows, for which the aggregator is made ready; and what it learnt.
    fn combine(&self, rows: &[u32]) -> Result<(LogitMatrix, Vec<String>), LabError> {
        let whole = rows.len() == self.experts.samples() && (0..).eq(rows.iter().copied());
        let unlabelled =
            if whole { Cow::Borrowed(&self.experts) } else { Cow::Owned(self.experts.select(rows)) };
        let classes = unlabelled.classes();
        let prior = class_prior(&unlabelled.labels, classes);
        if let [(fit, _)] = &self.parts[..] {
            let prepared = fit.prepare(&unlabelled, &prior)?;
            let combined = fit.ensemble(prepared.apply(&unlabelled.experts)?)?;
            return Ok((combined, prepared.line().into_iter().collect()));
        }
        let mut combined = LogitMatrix { values: vec![0.0; rows.len() * classes], classes };
        let mut lines = Vec::new();
        for (fold, (fit, own)) in self.parts.iter().enumerate() {
            let own: BTreeSet<u32> = own.iter().copied().collect();
            let places = (0..).zip(rows).filter(|(_, row)| own.contains(row));
            let places: Vec<u32> = places.map(|(place, _)| place).collect();
            let prepared = fit.prepare(&unlabelled, &prior)?;
            let part = fit.ensemble(prepared.apply(&unlabelled.select(&places).experts)?)?;
            scatter(&part, &places, &mut combined);
            lines.extend(prepared.line().map(|line| format!("fold {}: {line}", fold + 1)));
        }
        Ok((combined, lines))
    }

    /// What became of every test sample, by the ensemble and by each expert.
    pub(crate) fn scored(&self) -> Result<Scored, LabError> {
        let labels = &self.experts.labels;
        let experts = self.experts.experts.iter().map(|expert| outcomes(expert, labels));
        Ok(Scored {
            ensemble: outcomes(&self.ensemble, labels)?,
            experts: experts.collect::<Result<_, _>>()?,
        })
    }

    /// All figures of the ensemble, with and without correction for the known prior, and of each expert; a distribution is its
    /// name and the rows that it keeps.
    ///
    /// An aggregator that adapts to the test images is made ready anew for each distribution, and not corrected on top of it.
    pub(crate) fn measure(
        &self,
        scored: &Scored,
        figures: &Figures,
        distributions: &[(&str, Vec<u32>)],
        prior_correction: bool,
    ) -> Result<Metrics, LabError> {
        let labels = &self.experts.labels;
        let mut metrics = Metrics::default();
        for (distribution, rows) in distributions {
            let adapted = if self.adapts { Some(self.combine(rows)?.0) } else { None };
            let own: Vec<u32> = rows.iter().map(|&row| labels[row as usize]).collect();
            match &adapted {
                Some(ensemble) => {
                    let outcomes = outcomes(ensemble, &own)?;
                    figures.record(&outcomes.all(), Subject::Ensemble, distribution, &mut metrics)?;
                }
                None => {
                    let evaluation = scored.ensemble.at(rows).map_err(failed)?;
                    figures.record(&evaluation, Subject::Ensemble, distribution, &mut metrics)?;
                }
            }
            for (e, outcomes) in scored.experts.iter().enumerate() {
                let evaluation = outcomes.at(rows).map_err(failed)?;
                figures.record(&evaluation, Subject::Expert(e), distribution, &mut metrics)?;
            }
            if prior_correction && adapted.is_none() {
                let ensemble = select(&self.ensemble, rows);
                let log_prior = log_prior(&own, ensemble.classes);
                let corrected = outcomes(&with_known_prior(ensemble, &log_prior), &own)?;
                figures.record(&corrected.all(), Subject::Corrected, distribution, &mut metrics)?;
            }
        }
        Ok(metrics)
    }
}

/// The fold of each sample: every class is spread over the folds as evenly as it goes.
fn folds_by_class(labels: &[u32], classes: usize, folds: usize) -> Vec<usize> {
    let mut fold_of = vec![0; labels.len()];
    let mut next = 0;
    for (class, mut rows) in positions_by_class(labels, classes).into_iter().enumerate() {
        Stream::new(0, Purpose::CrossFitting, 0, class as u64).shuffle(&mut rows);
        for row in rows {
            fold_of[row as usize] = next % folds;
            next += 1;
        }
    }
    fold_of
}

fn all(predictions: &Predictions) -> Vec<u32> {
    (0..predictions.samples() as u32).collect()
}

pub(crate) fn refused(error: NotHeldOut) -> LabError {
    LabError::Component { component: "calibration".to_owned(), message: error.to_string() }
}

fn select(logits: &LogitMatrix, rows: &[u32]) -> LogitMatrix {
    let row = |&row: &u32| logits.values[row as usize * logits.classes..][..logits.classes].to_vec();
    LogitMatrix { values: rows.iter().flat_map(row).collect(), classes: logits.classes }
}

/// Writes the rows of `part` to the places of `whole`.
fn scatter(part: &LogitMatrix, places: &[u32], whole: &mut LogitMatrix) {
    for (from, &place) in part.values.chunks_exact(part.classes.max(1)).zip(places) {
        whole.values[place as usize * part.classes..][..part.classes].copy_from_slice(from);
    }
}

/// The log of the share of each class among labels, `[classes]`; minus infinity for a class without images.
pub(crate) fn log_prior(labels: &[u32], classes: usize) -> Vec<f32> {
    class_prior(labels, classes).iter().map(|&share| share.ln() as f32).collect()
}

/// The logits with the log of their true class prior added (`--posthoc_bias_correction` of the reference; the prior is an
/// oracle's).
pub(crate) fn with_known_prior(mut logits: LogitMatrix, log_prior: &[f32]) -> LogitMatrix {
    for row in logits.values.chunks_exact_mut(logits.classes.max(1)) {
        row.iter_mut().zip(log_prior).for_each(|(value, prior)| *value += prior);
    }
    logits
}
