//! Optimizers: they descend, and their slots are all their state.

use balpoe_core::components::{Optimizer, Update};

use super::Findings;
use crate::generated::{normal, stream};

const VALUES: usize = 10;

pub(super) fn check(optimizer: &dyn Optimizer, findings: &mut Findings) {
    findings.expect(optimizer.learning_rate() > 0.0, || "its learning rate is not positive".to_owned());
    let start = normal(VALUES, 1.0, &mut stream(6));
    let slots = vec![vec![0.0; VALUES]; optimizer.slots()];

    let (after, _) = descend(optimizer, start.clone(), slots.clone(), 0..100);
    let size = |values: &[f32]| values.iter().map(|x| x * x).sum::<f32>();
    findings.expect(size(&after) < size(&start), || {
        format!("100 steps on |p|^2 / 2 lead from {:.2} to {:.2}", size(&start), size(&after))
    });
    // Interrupted, with parameters and slots saved.
    let (half, saved) = descend(optimizer, start.clone(), slots.clone(), 0..50);
    let (resumed, _) = descend(optimizer, half, saved, 50..100);
    findings
        .expect(resumed == after, || "it keeps state outside its slots, so a resumed run differs".to_owned());
    let (rest, _) = descend(optimizer, vec![0.0; VALUES], slots, 0..10);
    findings
        .expect(rest.iter().all(|&p| p == 0.0), || "parameters at zero with zero gradients move".to_owned());
}

/// Steps on `|p|^2 / 2`, whose gradient is p, with a hundredth of the learning rate.
fn descend(
    optimizer: &dyn Optimizer,
    mut parameter: Vec<f32>,
    mut slots: Vec<Vec<f32>>,
    steps: std::ops::Range<u64>,
) -> (Vec<f32>, Vec<Vec<f32>>) {
    for step in steps {
        let gradient = parameter.clone();
        let update = Update { learning_rate: optimizer.learning_rate() / 100.0, step };
        optimizer.update(update, &mut parameter, &gradient, &mut slots);
    }
    (parameter, slots)
}
