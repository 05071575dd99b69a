//! Calibrators and an aggregator: fitted on held-out predictions, applied to predictions chunk by chunk.

use balpoe_core::components::{
    Aggregation, Aggregator, Calibration, HeldOut, Knowledge, LogitMatrix, Predictions,
};
use balpoe_core::experiment::{FittedCalibrator, Stage};
use balpoe_core::registry::Built;
use balpoe_core::tensor::{Device, Matrix};

use crate::bridge::guarded;
use crate::error::LabError;

/// Values of one expert that go through a plugin's tensors at once: what fits the caches with its temporaries.
const CHUNK_VALUES: usize = 1 << 18;

/// What is done with predictions, not fitted yet.
#[derive(Clone, Copy)]
pub(crate) struct PostHoc<'a> {
    /// In order; those on experts work before the aggregator, those on the ensemble after it.
    pub(crate) calibrators: &'a [FittedCalibrator],
    pub(crate) aggregator: &'a Built<dyn Aggregator>,
    /// Training images of each class, `[classes]`; empty where they are not known.
    pub(crate) class_counts: &'a [usize],
}

/// A calibrator's fits, with its kind and name for messages.
struct Fits {
    component: String,
    calibrations: Vec<Box<dyn Calibration>>,
}

/// Fitted calibrators, with what the aggregator needs to know.
pub(crate) struct Fit<'a> {
    post_hoc: PostHoc<'a>,
    /// Held-out predictions as the calibrators on experts leave them.
    held_out: Option<HeldOut>,
    /// One calibration per expert.
    on_experts: Vec<Fits>,
    /// One calibration.
    on_ensemble: Vec<Fits>,
    /// What was fitted, a line each.
    pub(crate) lines: Vec<String>,
}

/// An aggregator that is ready for predictions.
pub(crate) struct Prepared {
    component: String,
    aggregation: Box<dyn Aggregation>,
}

impl<'a> PostHoc<'a> {
    /// Fits the calibrators; `held_out` may be missing where there are none.
    ///
    /// # Errors
    /// If a component fails.
    pub(crate) fn fit(self, held_out: Option<HeldOut>) -> Result<Fit<'a>, LabError> {
        let mut fit = Fit {
            post_hoc: self,
            held_out,
            on_experts: Vec::new(),
            on_ensemble: Vec::new(),
            lines: Vec::new(),
        };
        let Some(mut held_out) = fit.held_out.take() else { return Ok(fit) };
        for entry in self.calibrators.iter().filter(|c| c.stage == Stage::Experts) {
            let mut fits = Fits::of(entry);
            let mut calibrated = Vec::new();
            for (e, expert) in held_out.predictions().experts.iter().enumerate() {
                let place = format!("on expert {e}");
                fits.add(entry, &held_out.with_experts(vec![expert.clone()]), self, &place, &mut fit.lines)?;
                calibrated.push(fits.apply(e, expert)?);
            }
            held_out = held_out.with_experts(calibrated);
            fit.on_experts.push(fits);
        }
        fit.held_out = Some(held_out);
        fit.fit_on_ensemble()?;
        Ok(fit)
    }
}

impl Fit<'_> {
    fn fit_on_ensemble(&mut self) -> Result<(), LabError> {
        let post_hoc = self.post_hoc;
        let entries: Vec<_> = post_hoc.calibrators.iter().filter(|c| c.stage == Stage::Ensemble).collect();
        let (Some(held_out), false) = (&self.held_out, entries.is_empty()) else { return Ok(()) };
        let predictions = held_out.predictions();
        let prior = class_prior(&predictions.labels, predictions.classes());
        let mut logits = self.prepare(predictions, &prior)?.apply(&predictions.experts)?;
        for entry in entries {
            let mut fits = Fits::of(entry);
            let ensemble = held_out.with_experts(vec![logits]);
            fits.add(entry, &ensemble, post_hoc, "on the ensemble", &mut self.lines)?;
            logits = fits.apply(0, &ensemble.predictions().experts[0])?;
            self.on_ensemble.push(fits);
        }
        Ok(())
    }

    /// Whether calibrators change the experts.
    pub(crate) fn changes_experts(&self) -> bool {
        !self.on_experts.is_empty()
    }

    /// Calibrated experts.
    pub(crate) fn experts(&self, experts: Vec<LogitMatrix>) -> Result<Vec<LogitMatrix>, LabError> {
        let calibrate =
            |(e, expert)| self.on_experts.iter().try_fold(expert, |logits, fits| fits.apply(e, &logits));
        experts.into_iter().enumerate().map(calibrate).collect()
    }

    /// The aggregator, made ready for these predictions (of calibrated experts), whose class prior may be looked at.
    pub(crate) fn prepare(&self, unlabelled: &Predictions, prior: &[f64]) -> Result<Prepared, LabError> {
        let aggregator = self.post_hoc.aggregator;
        let knowledge = Knowledge {
            class_counts: self.post_hoc.class_counts,
            held_out: self.held_out.as_ref(),
            unlabelled,
            test_prior: Some(prior),
        };
        let component = format!("aggregator/{}", aggregator.name);
        let prepare = || aggregator.component.prepare(knowledge).map_err(|error| error.message);
        let aggregation = guarded(&component, prepare)?;
        Ok(Prepared { component, aggregation })
    }

    /// Calibrated logits of the ensemble.
    pub(crate) fn ensemble(&self, logits: LogitMatrix) -> Result<LogitMatrix, LabError> {
        self.on_ensemble.iter().try_fold(logits, |logits, fits| fits.apply(0, &logits))
    }
}

impl Fits {
    fn of(entry: &FittedCalibrator) -> Self {
        Self { component: format!("calibrator/{}", entry.calibrator.name), calibrations: Vec::new() }
    }

    fn add(
        &mut self,
        entry: &FittedCalibrator,
        held_out: &HeldOut,
        post_hoc: PostHoc<'_>,
        place: &str,
        lines: &mut Vec<String>,
    ) -> Result<(), LabError> {
        let calibrator = &entry.calibrator;
        let fit = || calibrator.component.fit(held_out, post_hoc.class_counts).map_err(|error| error.message);
        let calibration = guarded(&self.component, fit)?;
        lines.push(format!("{} {place}: {}", calibrator.name, calibration.summary()));
        self.calibrations.push(calibration);
        Ok(())
    }

    fn apply(&self, position: usize, logits: &LogitMatrix) -> Result<LogitMatrix, LabError> {
        let calibration = &self.calibrations[position];
        map(&self.component, std::slice::from_ref(logits), &|experts| calibration.apply(experts[0].clone()))
    }
}

impl Prepared {
    /// Combined logits, by the lowered form where there is one.
    pub(crate) fn apply(&self, experts: &[LogitMatrix]) -> Result<LogitMatrix, LabError> {
        let Some(pool) = self.aggregation.lower().filter(|pool| pool.weights.len() == experts.len()) else {
            return map(&self.component, experts, &|experts| self.aggregation.apply(experts));
        };
        let (classes, length) = experts.first().map_or((0, 0), |e| (e.classes, e.values.len()));
        let mut values = vec![0.0; length];
        let experts: Vec<&[f32]> = experts.iter().map(|expert| expert.values.as_slice()).collect();
        pool.apply(&experts, classes, &mut values);
        Ok(LogitMatrix { values, classes })
    }

    /// What the aggregator learnt, as a line, if it learnt something.
    pub(crate) fn line(&self) -> Option<String> {
        let learnt = self.aggregation.summary();
        let name = self.component.trim_start_matches("aggregator/");
        (!learnt.is_empty()).then(|| format!("{name}: {learnt}"))
    }
}

/// The share of each class among labels, `[classes]`.
pub(crate) fn class_prior(labels: &[u32], classes: usize) -> Vec<f64> {
    let mut counts = vec![0_usize; classes];
    for &label in labels {
        counts[label as usize] += 1;
    }
    counts.iter().map(|&n| n as f64 / labels.len().max(1) as f64).collect()
}

/// Applies a plugin's function to experts' logits, some rows at a time.
fn map(
    component: &str,
    experts: &[LogitMatrix],
    apply: &dyn Fn(&[Matrix]) -> Matrix,
) -> Result<LogitMatrix, LabError> {
    let (samples, classes) = experts.first().map_or((0, 0), |e| (e.samples(), e.classes));
    let rows = (CHUNK_VALUES / classes.max(1)).max(1);
    let device = Device::default();
    let mut values = Vec::with_capacity(samples * classes);
    for start in (0..samples).step_by(rows) {
        let range = start..samples.min(start + rows);
        let expected = range.len() * classes;
        let chunk = guarded(component, || {
            let matrices: Vec<Matrix> = experts.iter().map(|e| e.matrix(range.clone(), &device)).collect();
            let result = apply(&matrices).as_vec();
            if result.len() == expected {
                return Ok(result);
            }
            let (found, samples) = (result.len(), range.len());
            Err(format!("it gave {found} values for {samples} samples of {classes} classes"))
        })?;
        values.extend(chunk);
    }
    Ok(LogitMatrix { values, classes })
}
