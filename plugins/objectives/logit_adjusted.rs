//! The loss that cross-entropy, balanced softmax, logit adjustment and balanced experts have in common.

use balpoe_core::components::{ComponentError, LossInput, TrainingLoss};
use balpoe_core::config::ConfigError;
use balpoe_core::tensor::TracedScalar;
use balpoe_core::tensor::dfdx::prelude::*;
use balpoe_net::LogitAdjustedCrossEntropy;

/// Cross-entropy between soft targets and the softmax of `z_e + adjustments[e]`, averaged over the batch, and averaged or summed
/// over experts.
pub(super) struct LogitAdjusted {
    /// Added to the logits, `[experts][classes]`.
    adjustments: Vec<Vec<f32>>,
    /// Whether experts are summed.
    summed: bool,
}

impl LogitAdjusted {
    /// Adjustments `tau[e] ln(p_c + epsilon)`.
    ///
    /// # Errors
    /// If an adjustment is not finite: without epsilon, a class must have training images.
    pub(super) fn new(tau: &[f64], prior: &[f64], epsilon: f64) -> Result<Self, ConfigError> {
        let adjustment = |&tau: &f64| {
            let adjust = |(class, &p): (usize, &f64)| {
                let shift = if tau == 0.0 { 0.0 } else { (tau * (p + epsilon).ln()) as f32 };
                if shift.is_finite() { Ok(shift) } else { Err(no_images(class)) }
            };
            prior.iter().enumerate().map(adjust).collect::<Result<Vec<f32>, _>>()
        };
        Ok(Self { adjustments: tau.iter().map(adjustment).collect::<Result<_, _>>()?, summed: false })
    }

    /// Given adjustments, `[experts][classes]`, and the sum over experts.
    pub(super) fn summed(adjustments: Vec<Vec<f32>>) -> Self {
        Self { adjustments, summed: true }
    }
}

fn no_images(class: usize) -> ConfigError {
    ConfigError::new(format!(
        "class {class} has no training images, so the logarithm of its prior is infinite"
    ))
    .help("use the objective \"balanced-experts\", whose `epsilon` is added to every prior")
}

impl TrainingLoss for LogitAdjusted {
    fn loss(&self, input: LossInput<'_>) -> Result<TracedScalar, ComponentError> {
        let experts = self.adjustments.len();
        if input.experts.len() != experts {
            return Err(ComponentError::new(format!(
                "the loss was prepared for {experts} experts, found {}",
                input.experts.len()
            )));
        }
        let share = if self.summed { 1 } else { experts };
        let mut total: TracedScalar = input.device.zeros().retaped();
        for (expert, adjustment) in input.experts.into_iter().zip(&self.adjustments) {
            let shape = *expert.logits.shape();
            let adjustment = input.device.tensor_from_vec(adjustment.clone(), (shape.1,));
            let adjusted = expert.logits + adjustment.broadcast_like::<_, Axis<0>>(&shape);
            let likelihood = adjusted.log_softmax::<Axis<1>>() * input.target.clone();
            total = total - likelihood.sum::<Rank0, _>() / (shape.0 * share) as f32;
        }
        Ok(total)
    }

    fn lower(&self) -> Option<LogitAdjustedCrossEntropy> {
        (!self.summed).then(|| LogitAdjustedCrossEntropy { adjustments: self.adjustments.clone() })
    }
}
