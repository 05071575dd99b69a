//! Spline calibration.

use balpoe_core::components::{Calibration, Calibrator, ComponentError, HeldOut};
use balpoe_core::config::ConfigError;
use balpoe_core::register;
use balpoe_core::registry::Component;
use balpoe_core::tensor::Matrix;
use balpoe_core::tensor::dfdx::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::one_vs_rest::SMALLEST;
use crate::numerics::{NaturalSpline, argmax, log_sum_exp};

/// Recalibrates the confidence of the predicted class; the other classes share the rest in their old proportions.
///
/// Held-out samples are sorted by confidence; over their quantile t, a natural cubic spline is fitted to the cumulated
/// difference of correctness and confidence. Its derivative is what the confidence at t lacks.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Spline {
    /// Knots of the spline, both ends included.
    pub knots: usize,
}

impl Default for Spline {
    fn default() -> Self {
        Self { knots: 6 }
    }
}

impl Component for Spline {
    fn check(&self) -> Result<(), ConfigError> {
        if self.knots < 2 {
            return Err(ConfigError::key("knots", format!("knots must be at least 2, found {}", self.knots)));
        }
        Ok(())
    }
}

impl Calibrator for Spline {
    fn preserves_accuracy(&self) -> bool {
        false
    }

    fn fit(&self, held_out: &HeldOut, _: &[usize]) -> Result<Box<dyn Calibration>, ComponentError> {
        let predictions = held_out.predictions();
        let samples = predictions.samples();
        if samples < self.knots {
            let message =
                format!("a spline of {} knots needs at least as many samples, found {samples}", self.knots);
            return Err(ComponentError::new(message));
        }
        let rows = predictions.experts[0].values.chunks_exact(predictions.classes().max(1));
        let outcome = |(row, &label): (&[f32], &u32)| {
            let top = argmax(row);
            let confidence = (f64::from(row[top]) - log_sum_exp(row)).exp();
            (confidence, f64::from(u8::from(top == label as usize)))
        };
        let mut outcomes: Vec<(f64, f64)> = rows.zip(&predictions.labels).map(outcome).collect();
        outcomes.sort_by(|a, b| a.0.total_cmp(&b.0));

        let quantile = |i: usize| i as f64 / (samples - 1).max(1) as f64;
        let mut cumulated = 0.0;
        let points: Vec<(f64, f64)> = outcomes
            .iter()
            .enumerate()
            .map(|(i, (confidence, correct))| {
                cumulated += (correct - confidence) / samples as f64;
                (quantile(i), cumulated)
            })
            .collect();
        let spline = NaturalSpline::fit(&points, self.knots).ok_or_else(|| {
            ComponentError::new("the held-out samples do not determine the spline; use fewer knots")
        })?;
        let confidences: Vec<f64> = outcomes.iter().map(|outcome| outcome.0).collect();
        let corrected = |i: usize| (confidences[i] + spline.slope(quantile(i))).clamp(0.0, 1.0);
        let corrected = (0..samples).map(corrected).collect();
        Ok(Box::new(Recalibration { confidences, corrected }))
    }
}

/// Confidences of the held-out samples, ascending, and what they are corrected to; linear between them.
struct Recalibration {
    confidences: Vec<f64>,
    corrected: Vec<f64>,
}

impl Recalibration {
    fn correct(&self, confidence: f64) -> f64 {
        let above = self.confidences.partition_point(|&c| c < confidence);
        if above == 0 || above == self.confidences.len() {
            return self.corrected[above.min(self.corrected.len() - 1)];
        }
        let (c0, c1) = (self.confidences[above - 1], self.confidences[above]);
        let part = (confidence - c0) / (c1 - c0);
        self.corrected[above - 1] * (1.0 - part) + self.corrected[above] * part
    }
}

impl Calibration for Recalibration {
    fn apply(&self, logits: Matrix) -> Matrix {
        let shape = *logits.shape();
        let mut values = logits.as_vec();
        for row in values.chunks_exact_mut(shape.1.max(1)) {
            let top = argmax(row);
            let normalizer = log_sum_exp(row);
            let confidence = (f64::from(row[top]) - normalizer).exp();
            let corrected = self.correct(confidence).clamp(SMALLEST, 1.0 - SMALLEST);
            let rest = ((1.0 - corrected) / (1.0 - confidence).max(SMALLEST)).ln() - normalizer;
            for z in row.iter_mut() {
                *z = (f64::from(*z) + rest) as f32;
            }
            row[top] = corrected.ln() as f32;
        }
        logits.device().tensor_from_vec(values, shape)
    }

    fn summary(&self) -> String {
        format!("spline on {} samples", self.confidences.len())
    }
}

register! {
    Calibrator "spline" => Spline,
    summary: "corrects the confidence of the predicted class by a spline through cumulated errors",
    paper: "Gupta et al., Calibration of neural networks using splines, ICLR 2021, section 4",
    example: r#"
kind = "spline"
knots = 6
"#,
}
