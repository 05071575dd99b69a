//! The objective of RIDE's first stage.

use balpoe_core::components::{ComponentError, LossInput, Objective, Trainees, TrainingLoss};
use balpoe_core::config::ConfigError;
use balpoe_core::register;
use balpoe_core::registry::Component;
use balpoe_core::tensor::dfdx::prelude::*;
use balpoe_core::tensor::{Device, Matrix, TracedMatrix, TracedScalar};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::effective_number;
use super::margin::Margins;

/// LDAM's loss of every expert, minus `diversity T^2 KL(softmax(mean z / T) || softmax(z_e / T))` with the mean taken as a
/// constant, so that experts keep apart; summed over experts.
///
/// From `reweight_from` on, LDAM's classes are weighted by effective numbers of samples, and T is larger for frequent classes:
/// `T_c = T d_c / max d` with `d_c = spread C p_c + 1 - spread` for the training prior p of C classes.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Ride {
    /// Weight of the divergence from the mean that is rewarded.
    pub diversity: f64,
    /// The temperature T at which distributions are compared.
    pub temperature: f64,
    /// How far class temperatures spread, once classes are weighted.
    pub spread: f64,
    /// LDAM's margin of the rarest class, as a cosine.
    pub largest_margin: f64,
    /// Scale of the logits: that of the cosine head.
    pub scale: f64,
    /// The epoch, counted from 0, from which on classes are weighted; never if it is not given.
    pub reweight_from: Option<usize>,
    /// Of the effective number of samples: 0 weighs all classes alike; near 1, by the inverse of their image counts.
    pub beta: f64,
}

impl Default for Ride {
    fn default() -> Self {
        Self {
            diversity: 0.2,
            temperature: 1.0,
            spread: 0.05,
            largest_margin: 0.5,
            scale: 30.0,
            reweight_from: None,
            beta: 0.9999,
        }
    }
}

impl Component for Ride {
    fn check(&self) -> Result<(), ConfigError> {
        for (key, value) in
            [("diversity", self.diversity), ("largest_margin", self.largest_margin), ("scale", self.scale)]
        {
            if !(value.is_finite() && value >= 0.0) {
                return Err(ConfigError::key(key, format!("{key} must be at least 0, found {value}")));
            }
        }
        if !(self.temperature.is_finite() && self.temperature > 0.0) {
            let message = format!("temperature must be a positive number, found {}", self.temperature);
            return Err(ConfigError::key("temperature", message));
        }
        if !(0.0..1.0).contains(&self.spread) {
            let message = format!("spread must be at least 0 and below 1, found {}", self.spread);
            return Err(ConfigError::key("spread", message));
        }
        effective_number::check_beta(self.beta)
    }
}

impl Objective for Ride {
    fn prepare(&self, trainees: Trainees<'_>) -> Result<Box<dyn TrainingLoss>, ConfigError> {
        Ok(Box::new(RideLoss {
            settings: self.clone(),
            margins: Margins::new(trainees.class_counts, self.largest_margin, self.scale),
            weights: effective_number::weights(self.beta, trainees.class_counts),
            temperatures: class_temperatures(&trainees.class_prior(), self.spread, self.temperature),
        }))
    }
}

/// `T d_c / max d` with `d_c = spread C p_c + 1 - spread`.
fn class_temperatures(prior: &[f64], spread: f64, temperature: f64) -> Vec<f32> {
    let raw: Vec<f64> = prior.iter().map(|p| spread * prior.len() as f64 * p + 1.0 - spread).collect();
    let most = raw.iter().fold(0.0_f64, |most, &d| most.max(d));
    raw.iter().map(|d| (temperature * d / most) as f32).collect()
}

struct RideLoss {
    settings: Ride,
    margins: Margins,
    weights: Vec<f32>,
    temperatures: Vec<f32>,
}

impl TrainingLoss for RideLoss {
    fn loss(&self, input: LossInput<'_>) -> Result<TracedScalar, ComponentError> {
        let deferred = self.settings.reweight_from.is_some_and(|from| input.epoch >= from);
        let weights = deferred.then_some(self.weights.as_slice());
        let uniform = vec![self.settings.temperature as f32; self.temperatures.len()];
        let temperatures = if deferred { &self.temperatures } else { &uniform };
        let squared = temperatures.iter().map(|t| t * t).sum::<f32>() / temperatures.len() as f32;

        let plain: Vec<Matrix> = input.experts.iter().map(|expert| expert.logits.retaped()).collect();
        let Some(sum) = plain.iter().cloned().reduce(|sum, z| sum + z) else {
            return Err(ComponentError::new("there are no experts to train"));
        };
        let mean = log_softmax_at((sum / plain.len() as f32).retaped(), temperatures, input.device).retaped();
        let mut loss: TracedScalar = input.device.zeros().retaped();
        for expert in input.experts {
            let log = log_softmax_at(expert.logits.with_empty_tape(), temperatures, input.device);
            let divergence = divergence(&mean, log) * (self.settings.diversity as f32 * squared);
            loss = loss + self.margins.loss(expert.logits, input.targets, weights, input.device) - divergence;
        }
        Ok(loss)
    }

    fn stops_gradients(&self) -> bool {
        true
    }
}

fn log_softmax_at(logits: TracedMatrix, temperatures: &[f32], device: &Device) -> TracedMatrix {
    let temperatures = device.tensor_from_vec(temperatures.to_vec(), (temperatures.len(),));
    let temperatures = temperatures.broadcast_like::<_, Axis<0>>(&logits);
    (logits / temperatures).log_softmax::<Axis<1>>()
}

/// The batch mean of KL(p || q), from logarithms.
fn divergence(log_p: &Matrix, log_q: TracedMatrix) -> TracedScalar {
    let batch = log_p.shape().0 as f32;
    ((log_q - log_p.clone()) * log_p.clone().exp()).sum::<Rank0, _>() / -batch
}

register! {
    Objective "ride" => Ride,
    summary: "LDAM for every expert with a reward for their diversity",
    paper: "Wang et al., Long-tailed recognition by routing diverse distribution-aware experts, ICLR 2021, equations 4 and 5",
    example: r#"
kind = "ride"
diversity = 0.2
"#,
}

#[cfg(test)]
mod tests {
    /// Computed with the reference implementation.
    #[test]
    fn class_temperatures_are_those_of_the_reference() {
        let prior = [100.0 / 111.0, 10.0 / 111.0, 1.0 / 111.0];
        let found = super::class_temperatures(&prior, 0.05, 1.0);
        for (found, expected) in found.into_iter().zip([1.0, 0.887_920_3, 0.876_712_3]) {
            assert!((found - expected).abs() < 1e-6, "{found} {expected}");
        }
    }
}
