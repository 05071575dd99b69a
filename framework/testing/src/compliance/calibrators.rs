//! Calibrators: better on what they were fitted on, and nothing but a function of each row.

use balpoe_core::components::{Calibration, Calibrator, HeldOut, LogitMatrix, Predictions, SampleSplit};
use balpoe_core::tensor::Device;

use super::Findings;
use crate::generated::{class_counts, difference, predictions, stream};

const CLASSES: usize = 5;

pub(super) fn check(calibrator: &dyn Calibrator, findings: &mut Findings) {
    let counts = class_counts(CLASSES);
    let known = predictions(1, 400, CLASSES, SampleSplit::Train, &mut stream(7));
    let fresh = predictions(1, 200, CLASSES, SampleSplit::Test, &mut stream(8));
    let fit = |samples: &Predictions| calibrator.fit(&HeldOut::asserted(samples.clone()), &counts);
    let calibration = match fit(&known) {
        Ok(calibration) => calibration,
        Err(error) => {
            return findings.note(format!("it cannot be fitted on 400 samples of 5 classes: {error}"));
        }
    };
    findings.expect(!calibration.summary().trim().is_empty(), || "its summary is empty".to_owned());

    let logits = &fresh.experts[0];
    let whole = apply(calibration.as_ref(), logits);
    findings.expect(whole.len() == logits.values.len() && whole.iter().all(|z| z.is_finite()), || {
        "calibrated logits are not all there and finite".to_owned()
    });
    if let Ok(again) = fit(&known) {
        let gap = difference(&apply(again.as_ref(), logits), &whole);
        findings.expect(gap == 0.0, || format!("a second fit on the same samples differs by {gap:.1e}"));
    }
    rows_are_independent(calibration.as_ref(), logits, &whole, findings);
    if calibrator.preserves_accuracy() {
        let changed = logits.values.chunks_exact(CLASSES).zip(whole.chunks_exact(CLASSES));
        let changed = changed.filter(|(before, after)| after[argmax(before)] < after[argmax(after)]).count();
        findings.expect(changed == 0, || {
            format!("it says that it preserves accuracy, but {changed} of 200 predictions change")
        });
    }
    let before = log_loss(&known.experts[0].values, &known.labels);
    let after = log_loss(&apply(calibration.as_ref(), &known.experts[0]), &known.labels);
    findings.expect(after <= before, || {
        format!("on its own overconfident samples the log loss rises from {before:.4} to {after:.4}")
    });
    // Few samples, of one class only: a fit or an error.
    let few =
        known.select(&(0..400).filter(|&row| known.labels[row as usize] == 0).take(3).collect::<Vec<_>>());
    if let Ok(calibration) = fit(&few) {
        findings.expect(apply(calibration.as_ref(), logits).iter().all(|z| z.is_finite()), || {
            "fitted on three samples of one class, its logits are not finite".to_owned()
        });
    }
}

fn apply(calibration: &dyn Calibration, logits: &LogitMatrix) -> Vec<f32> {
    calibration.apply(logits.matrix(0..logits.samples(), &Device::default())).as_vec()
}

/// Chunks and other orders of the samples give the same rows.
fn rows_are_independent(
    calibration: &dyn Calibration,
    logits: &LogitMatrix,
    whole: &[f32],
    findings: &mut Findings,
) {
    let device = Device::default();
    let half = logits.samples() / 2;
    let halves = [half..logits.samples(), 0..half]
        .map(|rows| calibration.apply(logits.matrix(rows, &device)).as_vec());
    let gap = difference(&[halves[1].as_slice(), &halves[0]].concat(), whole);
    findings.expect(gap < 1e-6, || format!("a sample's calibrated logits depend on the others by {gap:.1e}"));
}

fn argmax(row: &[f32]) -> usize {
    (1..row.len()).fold(0, |best, class| if row[class] > row[best] { class } else { best })
}

fn log_loss(logits: &[f32], labels: &[u32]) -> f64 {
    let loss = |(row, &label): (&[f32], &u32)| {
        let largest = f64::from(row[argmax(row)]);
        let sum: f64 = row.iter().map(|&z| (f64::from(z) - largest).exp()).sum();
        largest + sum.ln() - f64::from(row[label as usize])
    };
    logits.chunks_exact(CLASSES).zip(labels).map(loss).sum::<f64>() / labels.len() as f64
}
