//! Objectives: gradients, and the engine's form against dfdx's.

use balpoe_core::components::{ExpertOutput, LossInput, Objective, Targets, Trainees, TrainingLoss};
use balpoe_core::tensor::dfdx::prelude::*;
use balpoe_core::tensor::{Device, Matrix};
use balpoe_engine::oracle::logit_adjusted_cross_entropy;

use super::Findings;
use crate::generated::{class_counts, difference, normal, stream};
use crate::gradient_gap;

const EXPERTS: usize = 3;
const BATCH: usize = 5;
const CLASSES: usize = 6;
const EPOCHS: usize = 200;

pub(super) fn check(objective: &dyn Objective, findings: &mut Findings) {
    let counts = class_counts(CLASSES);
    let loss = match objective.prepare(Trainees { experts: EXPERTS, class_counts: &counts }) {
        Ok(loss) => loss,
        Err(error) => return findings.note(format!("its example does not fit three experts: {error}")),
    };
    let logits = normal(EXPERTS * BATCH * CLASSES, 2.0, &mut stream(2));
    let labels = vec![0, 5, 3, 1, 5];
    let hard = Targets::hard(labels.clone());
    let mixed = Targets { second: vec![1, 0, 5, 5, 3], lambda: vec![0.3; BATCH], ..hard.clone() };
    let smooth = Targets { smoothing: 0.1, ..mixed.clone() };
    for (what, targets) in [("hard", &hard), ("mixed", &mixed), ("smoothed", &smooth)] {
        for epoch in [0, EPOCHS - 1] {
            let case = Case { loss: loss.as_ref(), targets, epoch };
            case.check(&logits, &format!("with {what} targets in epoch {epoch}"), findings);
        }
    }
    // An epoch's last batch may have one image.
    let one = Targets::hard(vec![2]);
    let single = Case { loss: loss.as_ref(), targets: &one, epoch: 0 };
    single.check(&normal(EXPERTS * CLASSES, 2.0, &mut stream(3)), "with one image", findings);
}

struct Case<'a> {
    loss: &'a dyn TrainingLoss,
    targets: &'a Targets,
    epoch: usize,
}

impl Case<'_> {
    fn check(&self, logits: &[f32], what: &str, findings: &mut Findings) {
        let Some((value, gradient)) = self.run(logits, findings) else { return };
        findings.expect(value.is_finite() && gradient.iter().all(|g| g.is_finite()), || {
            format!("loss or gradient is not finite {what}")
        });
        if !self.loss.stops_gradients() {
            let at = |logits: &[f32]| {
                self.run(logits, &mut Findings::default()).map_or(f64::NAN, |run| f64::from(run.0))
            };
            let gap = gradient_gap(at, logits, &gradient);
            findings.expect(gap < 5e-3, || format!("its gradient is off by {gap:.1e} of its size {what}"));
        }
        if let Some(lowered) = self.loss.lower() {
            let wide = |values: &[f32]| values.iter().map(|&x| f64::from(x)).collect::<Vec<f64>>();
            let experts: Vec<Vec<f64>> = logits.chunks_exact(logits.len() / EXPERTS).map(wide).collect();
            let adjustments: Vec<Vec<f64>> = lowered.adjustments.iter().map(|a| wide(a)).collect();
            let target = wide(&self.targets.dense(CLASSES));
            let (losses, gradients) = logit_adjusted_cross_entropy(&experts, &adjustments, &target);
            let mean = losses.iter().sum::<f64>() / EXPERTS as f64;
            findings.expect((mean - f64::from(value)).abs() < 1e-5 * mean.abs().max(1.0), || {
                format!("its lowering's loss is {mean}, dfdx's {value} {what}")
            });
            let gradients: Vec<f32> = gradients.concat().into_iter().map(|g| g as f32).collect();
            let gap = difference(&gradients, &gradient);
            findings.expect(gap < 1e-6, || {
                format!("its lowering's gradient differs from dfdx's by {gap:.1e} {what}")
            });
        }
    }

    /// Loss and gradient by the logits `[experts, batch, classes]`.
    fn run(&self, logits: &[f32], findings: &mut Findings) -> Option<(f32, Vec<f32>)> {
        let device = Device::default();
        let batch = self.targets.first.len();
        let matrix = |values: &[f32]| -> Matrix { device.tensor_from_vec(values.to_vec(), (batch, CLASSES)) };
        let logits: Vec<Matrix> = logits.chunks_exact(batch * CLASSES).map(matrix).collect();
        let features: Matrix = device.ones_like(&(batch, 4));
        let output =
            |logits: &Matrix| ExpertOutput { logits: logits.leaky_trace(), features: features.clone() };
        let input = LossInput {
            experts: logits.iter().map(output).collect(),
            target: matrix(&self.targets.dense(CLASSES)),
            targets: self.targets,
            epoch: self.epoch,
            epochs: EPOCHS,
            device: &device,
        };
        match self.loss.loss(input) {
            Ok(loss) => {
                let value = loss.array();
                let mut gradients = loss.backward();
                let read =
                    |z: &Matrix| gradients.get_or_alloc_mut(z).map_or_else(|_| Vec::new(), |g| g.to_vec());
                Some((value, logits.iter().flat_map(read).collect()))
            }
            Err(error) => {
                findings.note(format!("its loss fails: {error}"));
                None
            }
        }
    }
}
