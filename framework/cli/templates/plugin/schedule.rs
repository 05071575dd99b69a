//! A schedule: polynomial decay.

use balpoe_core::components::{Position, Schedule};
use balpoe_core::config::ConfigError;
use balpoe_core::register;
use balpoe_core::registry::Component;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// `(1 - t)^power` after the fraction t of all batches.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct MyPlugin {
    /// The exponent: 1 is a straight line down.
    pub power: f64,
}

impl Default for MyPlugin {
    fn default() -> Self {
        Self { power: 0.9 }
    }
}

impl Component for MyPlugin {
    fn check(&self) -> Result<(), ConfigError> {
        if self.power.is_finite() && self.power > 0.0 {
            return Ok(());
        }
        let message = format!("power must be a positive number, found {}", self.power);
        Err(ConfigError::key("power", message))
    }
}

impl Schedule for MyPlugin {
    fn factor(&self, position: Position) -> f64 {
        let Position { epoch, epochs, batch, batches } = position;
        let done = (epoch as f64 + batch as f64 / batches as f64) / epochs as f64;
        (1.0 - done).powf(self.power)
    }
}

register! {
    Schedule "my-plugin" => MyPlugin,
    summary: "polynomial decay, batch by batch",
    paper: "",
    example: r#"
kind = "my-plugin"
power = 0.9
"#,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn power_one_is_a_straight_line() {
        let line = MyPlugin { power: 1.0 };
        for (epoch, batch, expected) in [(0, 0, 1.0), (1, 0, 0.5), (1, 5, 0.25)] {
            let position = Position { epoch, epochs: 2, batch, batches: 10 };
            assert_eq!(line.factor(position), expected);
        }
    }
}
