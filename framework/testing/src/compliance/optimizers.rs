//! Optimizers: they descend, their slots are all their state, and the engine's form is the same.

use balpoe_core::components::{Optimizer, Update};

use balpoe_engine::oracle;

use super::Findings;
use crate::generated::{difference, normal, stream};

const VALUES: usize = 10;
/// Updates in which the engine's form is held against the optimizer's.
const STEPS: u64 = 5;

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
    lowering_agrees(optimizer, start, findings);
}

/// Steps along random gradients with a learning rate that changes, here and as the engine takes them.
fn lowering_agrees(optimizer: &dyn Optimizer, start: Vec<f32>, findings: &mut Findings) {
    let update = |step| Update { learning_rate: optimizer.learning_rate() / (step + 1) as f64, step };
    let lowered: Vec<_> = (0..STEPS).map(|step| optimizer.lower(update(step))).collect();
    let slots = optimizer.slots();
    match lowered.iter().flatten().count() as u64 {
        0 => return,
        STEPS if slots == 1 => {}
        STEPS => {
            return findings
                .note(format!("it has a lowering and {slots} slots; the engine keeps one, the velocity"));
        }
        _ => return findings.note("it has a lowering for some updates, and not for others".to_owned()),
    }
    let (mut here, mut slots) = (start.clone(), vec![vec![0.0; VALUES]]);
    let (mut there, mut velocity) = (start, vec![0.0; VALUES]);
    for (step, lowered) in (0..STEPS).zip(lowered.iter().flatten()) {
        let gradient = normal(VALUES, 1.0, &mut stream(100 + step));
        optimizer.update(update(step), &mut here, &gradient, &mut slots);
        oracle::sgd(lowered, &mut there, &gradient, &mut velocity);
        for (what, gap) in
            [("parameters", difference(&there, &here)), ("velocities", difference(&velocity, &slots[0]))]
        {
            findings.expect(gap < 1e-6, || {
                format!("its lowering's {what} differ by {gap:.1e} after {} updates", step + 1)
            });
        }
    }
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
