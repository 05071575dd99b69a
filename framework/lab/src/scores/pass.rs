//! One pass over scores that need not fit into memory.

use std::num::NonZeroUsize;
use std::ops::Range;
use std::panic::resume_unwind;

use balpoe_core::components::{LogitMatrix, Predictions};
use balpoe_stats::calibration::{EvaluationError, Outcomes, Predictions as Scored, ScoreKind};

use super::measurement::TestSet;
use super::sample_scores::{SampleScores, ScoreReader, take_logarithms};
use crate::diversity::DiversitySum;
use crate::error::LabError;
use crate::figures::failed;
use crate::post_hoc::{Fit, Prepared, class_prior};
use crate::processed::{log_prior, with_known_prior};

/// Scores of one expert that are read at once: what stays in a core's own cache.
const CHUNK_SCORES: usize = 1 << 16;

/// What is kept of every sample.
pub(super) struct Streamed {
    pub(super) ensemble: Outcomes,
    pub(super) experts: Vec<Outcomes>,
    /// For each test set that is corrected toward its known prior, the outcomes of its rows.
    pub(super) corrected: Vec<Outcomes>,
    /// The ensemble's logits, if they are to be kept.
    pub(super) logits: Option<LogitMatrix>,
    /// How much the experts differ, if every metric is asked for.
    pub(super) diversity: DiversitySum,
    /// What the aggregator learnt.
    pub(super) line: Option<String>,
}

/// How scores are passed over.
pub(super) struct Pass<'a> {
    pub(super) scores: &'a SampleScores,
    pub(super) fit: &'a Fit<'a>,
    /// Test sets that are also corrected toward their known prior.
    pub(super) corrected: &'a [TestSet<'a>],
    /// Whether every metric is asked for: the ensemble's logits are kept then.
    pub(super) all_metrics: bool,
    pub(super) threads: NonZeroUsize,
}

/// A test set as rows are met: which of them it keeps, and the logarithm of its prior `[classes]`.
struct Correction {
    kept: Vec<bool>,
    log_prior: Vec<f32>,
}

impl Pass<'_> {
    /// Reads all scores once. The aggregator must not adapt to the samples.
    pub(super) fn run(&self) -> Result<Streamed, LabError> {
        let (samples, classes) = (self.scores.samples(), self.scores.classes);
        let nothing = LogitMatrix { values: Vec::new(), classes };
        let shapes = Predictions {
            experts: vec![nothing; self.scores.experts()],
            labels: Vec::new(),
            identities: Vec::new(),
        };
        let prepared = self.fit.prepare(&shapes, &class_prior(&self.scores.labels, classes))?;
        let correction = |(_, rows): &TestSet<'_>| Correction::new(rows, &self.scores.labels, classes);
        let corrections: Vec<Correction> = self.corrected.iter().map(correction).collect();

        let share = samples.div_ceil(self.threads.get()).max(1);
        let ranges: Vec<Range<usize>> =
            (0..samples).step_by(share).map(|first| first..samples.min(first + share)).collect();
        let parts: Vec<Result<Streamed, LabError>> = std::thread::scope(|scope| {
            let part = |rows: Range<usize>| self.part(rows, &prepared, &corrections);
            let workers: Vec<_> = ranges.into_iter().map(|rows| scope.spawn(move || part(rows))).collect();
            workers.into_iter().map(|worker| worker.join().unwrap_or_else(|p| resume_unwind(p))).collect()
        });
        let mut parts = parts.into_iter();
        let Some(first) = parts.next() else { return Err(failed(EvaluationError::NoRows)) };
        let mut whole = first?;
        whole.line = prepared.line();
        for part in parts {
            whole.append(part?)?;
        }
        Ok(whole)
    }

    fn part(
        &self,
        rows: Range<usize>,
        prepared: &Prepared,
        corrections: &[Correction],
    ) -> Result<Streamed, LabError> {
        let classes = self.scores.classes;
        let mut reader = self.scores.reader()?;
        let mut part = Streamed {
            ensemble: Outcomes::none(classes),
            experts: vec![Outcomes::none(classes); self.scores.experts()],
            corrected: vec![Outcomes::none(classes); corrections.len()],
            diversity: DiversitySum::default(),
            logits: self.all_metrics.then(|| LogitMatrix { values: Vec::new(), classes }),
            line: None,
        };
        let chunk = (CHUNK_SCORES / classes.max(1)).max(1);
        for first in rows.clone().step_by(chunk) {
            self.chunk(first..rows.end.min(first + chunk), &mut reader, prepared, corrections, &mut part)?;
        }
        Ok(part)
    }

    fn chunk(
        &self,
        rows: Range<usize>,
        reader: &mut ScoreReader<'_>,
        prepared: &Prepared,
        corrections: &[Correction],
        part: &mut Streamed,
    ) -> Result<(), LabError> {
        let labels = &self.scores.labels[rows.clone()];
        let mut experts = reader.scores(rows.start, rows.len())?;
        let calibrated = self.fit.changes_experts();
        for (e, expert) in experts.iter_mut().enumerate() {
            // Also where calibrated ones are scored below: what is written wrongly is told as it is written.
            if !calibrated || self.scores.kind == ScoreKind::Probabilities {
                let mut written = Outcomes::none(expert.classes);
                score(expert, labels, self.scores.kind, &mut written)
                    .map_err(|error| self.scores.refuse(e, rows.start, &error))?;
                if !calibrated {
                    part.experts[e].append(written).map_err(failed)?;
                }
            }
            if self.scores.kind == ScoreKind::Probabilities {
                take_logarithms(expert);
            }
        }
        if calibrated {
            experts = self.fit.experts(experts)?;
            for (e, expert) in experts.iter().enumerate() {
                score(expert, labels, ScoreKind::Logits, &mut part.experts[e])
                    .map_err(|error| self.scores.refuse(e, rows.start, &error))?;
            }
        }
        if self.all_metrics {
            part.diversity.add(&experts, labels).map_err(failed)?;
        }
        let ensemble = self.fit.ensemble(prepared.apply(&experts)?)?;
        score(&ensemble, labels, ScoreKind::Logits, &mut part.ensemble).map_err(failed)?;
        for (correction, outcomes) in corrections.iter().zip(&mut part.corrected) {
            if let Some((logits, labels)) = correction.apply(&ensemble, labels, rows.clone()) {
                score(&logits, &labels, ScoreKind::Logits, outcomes).map_err(failed)?;
            }
        }
        if let Some(logits) = &mut part.logits {
            logits.values.extend_from_slice(&ensemble.values);
        }
        Ok(())
    }
}

/// Adds the outcomes of some rows.
fn score(
    scores: &LogitMatrix,
    labels: &[u32],
    kind: ScoreKind,
    outcomes: &mut Outcomes,
) -> Result<(), EvaluationError> {
    outcomes.extend(&Scored::new(&scores.values, labels, scores.classes, kind)?)
}

impl Streamed {
    fn append(&mut self, part: Self) -> Result<(), LabError> {
        self.ensemble.append(part.ensemble).map_err(failed)?;
        for (whole, part) in self.experts.iter_mut().zip(part.experts) {
            whole.append(part).map_err(failed)?;
        }
        for (whole, part) in self.corrected.iter_mut().zip(part.corrected) {
            whole.append(part).map_err(failed)?;
        }
        self.diversity.append(part.diversity);
        if let (Some(whole), Some(part)) = (&mut self.logits, part.logits) {
            whole.values.extend(part.values);
        }
        Ok(())
    }
}

impl Correction {
    fn new(rows: &[u32], labels: &[u32], classes: usize) -> Self {
        let mut kept = vec![false; labels.len()];
        rows.iter().for_each(|&row| kept[row as usize] = true);
        let own: Vec<u32> = rows.iter().map(|&row| labels[row as usize]).collect();
        Self { kept, log_prior: log_prior(&own, classes) }
    }

    /// The kept rows of a chunk, corrected, with their labels; none if it keeps none.
    fn apply(
        &self,
        ensemble: &LogitMatrix,
        labels: &[u32],
        rows: Range<usize>,
    ) -> Option<(LogitMatrix, Vec<u32>)> {
        let classes = ensemble.classes;
        let mut values = Vec::new();
        let mut own = Vec::new();
        for ((row, logits), &label) in rows.zip(ensemble.values.chunks_exact(classes)).zip(labels) {
            if self.kept[row] {
                values.extend_from_slice(logits);
                own.push(label);
            }
        }
        (!own.is_empty()).then(|| (with_known_prior(LogitMatrix { values, classes }, &self.log_prior), own))
    }
}
