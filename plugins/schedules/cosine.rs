//! Cosine annealing.

use std::f64::consts::PI;

use balpoe_core::components::{Position, Schedule};
use balpoe_core::config::ConfigError;
use balpoe_core::register;
use balpoe_core::registry::Component;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Half a cosine wave from the optimizer's learning rate down to a minimum, once an epoch:
/// `minimum + (1 - minimum) (1 + cos(pi t / epochs)) / 2` in epoch t, counted from 0.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Cosine {
    /// Where the wave would end after the last epoch, as a fraction of the optimizer's learning rate.
    pub minimum: f64,
}

impl Component for Cosine {
    fn check(&self) -> Result<(), ConfigError> {
        if (0.0..=1.0).contains(&self.minimum) {
            return Ok(());
        }
        let message = format!("minimum must be a fraction from 0 to 1, found {}", self.minimum);
        Err(ConfigError::key("minimum", message))
    }
}

impl Schedule for Cosine {
    fn factor(&self, position: Position) -> f64 {
        let wave = (1.0 + (PI * position.epoch as f64 / position.epochs as f64).cos()) / 2.0;
        self.minimum + (1.0 - self.minimum) * wave
    }
}

register! {
    Schedule "cosine" => Cosine,
    summary: "half a cosine wave down to a minimum",
    paper: "Loshchilov and Hutter, SGDR: stochastic gradient descent with warm restarts, ICLR 2017, equation 5",
    example: r#"
kind = "cosine"
minimum = 0.0
"#,
}
