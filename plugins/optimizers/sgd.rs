//! Stochastic gradient descent with momentum.

use balpoe_core::components::{Optimizer, Update};
use balpoe_core::config::ConfigError;
use balpoe_core::register;
use balpoe_core::registry::Component;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// SGD as PyTorch defines it, with weight decay on every parameter:
/// `g += weight_decay p; v = momentum v + g; p -= rate (g + momentum v)`, or `p -= rate v` without Nesterov.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Sgd {
    /// The learning rate that the schedule scales.
    pub learning_rate: f64,
    /// How much of the last step's velocity is kept.
    pub momentum: f64,
    /// Whether the step looks ahead along the velocity (Nesterov's form).
    pub nesterov: bool,
    /// Factor of the L2 penalty, on batch norms and classifiers as well.
    pub weight_decay: f64,
}

impl Default for Sgd {
    fn default() -> Self {
        Self { learning_rate: 0.1, momentum: 0.9, nesterov: true, weight_decay: 5e-4 }
    }
}

impl Component for Sgd {
    fn check(&self) -> Result<(), ConfigError> {
        if !(self.learning_rate.is_finite() && self.learning_rate > 0.0) {
            let message = format!("learning_rate must be a positive number, found {}", self.learning_rate);
            return Err(ConfigError::key("learning_rate", message));
        }
        if !(0.0..1.0).contains(&self.momentum) {
            let message = format!("momentum must be at least 0 and below 1, found {}", self.momentum);
            return Err(ConfigError::key("momentum", message));
        }
        if !(self.weight_decay.is_finite() && self.weight_decay >= 0.0) {
            let message = format!("weight_decay must be at least 0, found {}", self.weight_decay);
            return Err(ConfigError::key("weight_decay", message));
        }
        Ok(())
    }
}

impl Optimizer for Sgd {
    fn learning_rate(&self) -> f64 {
        self.learning_rate
    }

    fn slots(&self) -> usize {
        1
    }

    fn update(&self, update: Update, parameter: &mut [f32], gradient: &[f32], slots: &mut [Vec<f32>]) {
        let (rate, momentum, decay) =
            (update.learning_rate as f32, self.momentum as f32, self.weight_decay as f32);
        // The velocity starts at zero, so the first step needs no case of its own.
        let values = parameter.iter_mut().zip(gradient).zip(&mut slots[0]);
        if self.nesterov {
            for ((p, &g), v) in values {
                let g = g + decay * *p;
                *v = momentum * *v + g;
                *p -= rate * (g + momentum * *v);
            }
        } else {
            for ((p, &g), v) in values {
                *v = momentum * *v + (g + decay * *p);
                *p -= rate * *v;
            }
        }
    }

    fn lower(&self, update: Update) -> Option<balpoe_net::Sgd> {
        let Self { momentum, nesterov, weight_decay, .. } = *self;
        Some(balpoe_net::Sgd { learning_rate: update.learning_rate, momentum, weight_decay, nesterov })
    }
}

register! {
    Optimizer "sgd" => Sgd,
    summary: "stochastic gradient descent with momentum and weight decay",
    paper: "Sutskever et al., On the importance of initialization and momentum in deep learning, ICML 2013",
    example: r#"
kind = "sgd"
learning_rate = 0.1
momentum = 0.9
weight_decay = 5e-4
"#,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// PyTorch 2.15, float64:
    /// ```python
    /// p = torch.nn.Parameter(torch.tensor([1.0, -2.0, 0.5], dtype=torch.float64))
    /// o = torch.optim.SGD([p], lr=0.1, momentum=0.9, weight_decay=5e-4, nesterov=nesterov)
    /// for k in range(3):
    ///     p.grad = torch.tensor([0.3, -0.1, 0.2], dtype=torch.float64) * (k + 1)
    ///     o.step()
    /// print(p.tolist())
    /// ```
    #[test]
    fn three_steps_are_those_of_pytorch() {
        let expected = [
            (true, [0.562_853_861_3, -1.853_613_928_4, 0.208_636_310_0]),
            (false, [0.714_428_211_9, -1.904_341_924_0, 0.309_665_555_9]),
        ];
        for (nesterov, expected) in expected {
            let sgd = Sgd { nesterov, ..Sgd::default() };
            let mut p = [1.0, -2.0, 0.5];
            let mut slots = [vec![0.0; 3]];
            for step in 0..3 {
                let gradient = [0.3, -0.1, 0.2].map(|g: f32| g * (step + 1) as f32);
                sgd.update(Update { learning_rate: 0.1, step }, &mut p, &gradient, &mut slots);
            }
            for (found, expected) in p.into_iter().zip(expected) {
                assert!((f64::from(found) - expected).abs() < 1e-6, "{p:?}");
            }
        }
    }
}
