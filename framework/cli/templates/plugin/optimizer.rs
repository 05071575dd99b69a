//! An optimizer: Adagrad.

use balpoe_core::components::{Optimizer, Update};
use balpoe_core::config::ConfigError;
use balpoe_core::register;
use balpoe_core::registry::Component;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// `s += g^2; p -= rate g / (sqrt(s) + epsilon)`: the more a parameter has moved, the slower it is.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct MyPlugin {
    /// The learning rate that the schedule scales.
    pub learning_rate: f64,
    /// Added to the root of the summed squares, so that nothing is divided by zero.
    pub epsilon: f64,
}

impl Default for MyPlugin {
    fn default() -> Self {
        Self { learning_rate: 0.01, epsilon: 1e-8 }
    }
}

impl Component for MyPlugin {
    fn check(&self) -> Result<(), ConfigError> {
        for (key, value) in [("learning_rate", self.learning_rate), ("epsilon", self.epsilon)] {
            if !(value.is_finite() && value > 0.0) {
                let message = format!("{key} must be a positive number, found {value}");
                return Err(ConfigError::key(key, message));
            }
        }
        Ok(())
    }
}

impl Optimizer for MyPlugin {
    fn learning_rate(&self) -> f64 {
        self.learning_rate
    }

    // The sum of squares. Slots are all the state there is: they are saved with the parameters.
    fn slots(&self) -> usize {
        1
    }

    fn update(&self, update: Update, parameter: &mut [f32], gradient: &[f32], slots: &mut [Vec<f32>]) {
        let (rate, epsilon) = (update.learning_rate as f32, self.epsilon as f32);
        for ((p, &g), sum) in parameter.iter_mut().zip(gradient).zip(&mut slots[0]) {
            *sum += g * g;
            *p -= rate * g / (sum.sqrt() + epsilon);
        }
    }
}

register! {
    Optimizer "my-plugin" => MyPlugin,
    summary: "Adagrad",
    paper: "Duchi et al., Adaptive subgradient methods for online learning and stochastic optimization, JMLR 2011",
    example: r#"
kind = "my-plugin"
learning_rate = 0.01
"#,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_step_has_the_length_of_the_rate() {
        let adagrad = MyPlugin::default();
        let mut parameter = [1.0, 1.0];
        let mut slots = [vec![0.0; 2]];
        let update = Update { learning_rate: 0.1, step: 0 };
        adagrad.update(update, &mut parameter, &[0.5, -20.0], &mut slots);
        assert_eq!(parameter, [0.9, 1.1]);
        assert_eq!(slots[0], [0.25, 400.0]);
    }
}
