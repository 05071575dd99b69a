//! From experts' scores to figures: calibrators and aggregator are fitted and applied, every test set is measured.

use std::collections::BTreeSet;
use std::num::NonZeroUsize;

use balpoe_core::components::{HeldOut, LogitMatrix, SampleId};
use balpoe_stats::calibration::Outcomes;

use super::pass::Pass;
use super::sample_scores::SampleScores;
use crate::diversity::DiversitySum;
use crate::error::LabError;
use crate::figures::{Figures, failed};
use crate::post_hoc::PostHoc;
use crate::processed::Processed;
use crate::summary::{Metrics, Subject};

/// A test class distribution: its name, and the rows that it keeps.
pub(crate) type TestSet<'n> = (&'n str, Vec<u32>);

/// What calibrators and aggregator are fitted on.
pub(crate) enum FittedOn<'a> {
    /// These samples, if there are some.
    HeldOut(Option<HeldOut>),
    /// So many folds of the scored samples, none of which was trained on; each is scored by the fit on the others.
    Folds(usize, &'a BTreeSet<SampleId>),
}

/// What is measured, and how.
///
/// Scores are read in one pass and chunk by chunk, so that memory does not grow with them, unless something looks at all of them:
/// fitting on their folds, and aggregators that adapt to them.
pub(crate) struct Measurement<'a> {
    pub(crate) scores: &'a SampleScores,
    pub(crate) post_hoc: PostHoc<'a>,
    pub(crate) figures: &'a Figures,
    pub(crate) sets: &'a [TestSet<'a>],
    /// Whether every test set is measured a second time, corrected toward its known prior.
    pub(crate) correct: bool,
    /// Whether all metrics are asked for, which need the ensemble's logits and how much the experts differ.
    pub(crate) all_metrics: bool,
    /// Threads that read and score.
    pub(crate) threads: NonZeroUsize,
}

/// What was measured.
pub(crate) struct Measured {
    pub(crate) metrics: Metrics,
    /// What was fitted, and on what.
    pub(crate) lines: Vec<String>,
    pub(crate) ensemble: Outcomes,
    pub(crate) experts: Vec<Outcomes>,
    /// The ensemble's logits, where metrics of every class need them.
    pub(crate) logits: Option<LogitMatrix>,
    pub(crate) diversity: DiversitySum,
}

impl Measurement<'_> {
    /// Fits and measures.
    ///
    /// # Errors
    /// If scores cannot be read or are none, or a component fails.
    pub(crate) fn fitted_on(&self, samples: FittedOn<'_>) -> Result<Measured, LabError> {
        match samples {
            FittedOn::HeldOut(held_out) if !self.post_hoc.aggregator.component.adapts() => {
                self.streamed(held_out)
            }
            samples => self.in_memory(samples),
        }
    }

    fn in_memory(&self, samples: FittedOn<'_>) -> Result<Measured, LabError> {
        let all = self.scores.predictions()?;
        let processed = match samples {
            FittedOn::HeldOut(held_out) => Processed::fitted(self.post_hoc, held_out, &all)?,
            FittedOn::Folds(folds, trained_on) => {
                Processed::cross_fitted(self.post_hoc, folds, &all, trained_on)?
            }
        };
        drop(all);
        let scored = processed.scored()?;
        let metrics = processed.measure(&scored, self.figures, self.sets, self.correct)?;
        let mut diversity = DiversitySum::default();
        if self.all_metrics {
            diversity.add(&processed.experts.experts, &processed.experts.labels).map_err(failed)?;
        }
        Ok(Measured {
            metrics,
            lines: processed.lines,
            ensemble: scored.ensemble,
            experts: scored.experts,
            logits: self.all_metrics.then_some(processed.ensemble),
            diversity,
        })
    }

    fn streamed(&self, held_out: Option<HeldOut>) -> Result<Measured, LabError> {
        let fit = self.post_hoc.fit(held_out)?;
        let corrected = if self.correct { self.sets } else { &[] };
        let pass = Pass {
            scores: self.scores,
            fit: &fit,
            corrected,
            all_metrics: self.all_metrics,
            threads: self.threads,
        };
        let streamed = pass.run()?;
        let mut metrics = Metrics::default();
        for (distribution, rows) in self.sets {
            let experts = (0..).map(Subject::Expert).zip(&streamed.experts);
            for (subject, outcomes) in std::iter::once((Subject::Ensemble, &streamed.ensemble)).chain(experts)
            {
                let evaluation = outcomes.at(rows).map_err(failed)?;
                self.figures.record(&evaluation, subject, distribution, &mut metrics)?;
            }
        }
        for ((distribution, _), outcomes) in corrected.iter().zip(&streamed.corrected) {
            self.figures.record(&outcomes.all(), Subject::Corrected, distribution, &mut metrics)?;
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
}
