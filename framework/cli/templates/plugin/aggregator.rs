//! An aggregator: the power mean of the experts' probabilities.

use balpoe_core::components::{Aggregation, Aggregator, ComponentError, Knowledge};
use balpoe_core::config::ConfigError;
use balpoe_core::register;
use balpoe_core::registry::Component;
use balpoe_core::tensor::Matrix;
use balpoe_core::tensor::dfdx::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// `(sum_e p_e^r / experts)^(1/r)` for the experts' probabilities p: r = 1 is their mean, and the
/// smaller r, the closer to the mean of logits.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct MyPlugin {
    /// The power r: the larger, the more a single sure expert counts.
    pub power: f64,
}

impl Default for MyPlugin {
    fn default() -> Self {
        Self { power: 1.0 }
    }
}

impl Component for MyPlugin {
    fn check(&self) -> Result<(), ConfigError> {
        if (0.1..=10.0).contains(&self.power) {
            return Ok(());
        }
        let message = format!("power lies between 0.1 and 10, found {}", self.power);
        Err(ConfigError::key("power", message))
    }
}

impl Aggregator for MyPlugin {
    // The same for every test distribution: nothing is learnt from the images to be predicted.
    fn adapts(&self) -> bool {
        false
    }

    fn prepare(&self, _: Knowledge<'_>) -> Result<Box<dyn Aggregation>, ComponentError> {
        Ok(Box::new(self.clone()))
    }
}

impl Aggregation for MyPlugin {
    fn apply(&self, experts: &[Matrix]) -> Matrix {
        let power = self.power as f32;
        let logs: Vec<Matrix> = experts.iter().map(|z| z.clone().log_softmax::<Axis<1>>() * power).collect();
        // Relative to the surest expert, so that small probabilities do not vanish.
        let first = logs[0].clone();
        let largest = logs[1..].iter().fold(first, |largest, log| largest.maximum(log.clone()));
        let relative = |log: &Matrix| (log.clone() - largest.clone()).exp();
        let sum = logs[1..].iter().fold(relative(&logs[0]), |sum, log| sum + relative(log));
        ((sum / experts.len() as f32).ln() + largest) / power
    }
}

register! {
    Aggregator "my-plugin" => MyPlugin,
    summary: "the power mean of the experts' probabilities",
    paper: "",
    example: r#"
kind = "my-plugin"
power = 2.0
"#,
}

#[cfg(test)]
mod tests {
    use balpoe_core::tensor::Device;

    use super::*;

    #[test]
    fn power_one_is_the_mean_of_probabilities() {
        let device = Device::default();
        let expert = |p: f32| -> Matrix { device.tensor_from_vec(vec![p.ln(), (1.0 - p).ln()], (1, 2)) };
        let mean = MyPlugin { power: 1.0 };
        let combined = mean.apply(&[expert(0.9), expert(0.5)]).as_vec();
        assert!((combined[0].exp() - 0.7).abs() < 1e-6, "{combined:?}");
    }
}
