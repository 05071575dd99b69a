//! Schedules: a factor for every moment of training.

use balpoe_core::components::{Position, Schedule};

use super::Findings;

pub(super) fn check(schedule: &dyn Schedule, findings: &mut Findings) {
    for epochs in [1, 20, 200] {
        for epoch in 0..epochs {
            for batch in [0, 4] {
                let factor = schedule.factor(Position { epoch, epochs, batch, batches: 5 });
                findings.expect(factor.is_finite() && factor >= 0.0, || {
                    format!("the factor in epoch {epoch} of {epochs} is {factor}")
                });
            }
        }
    }
}
