//! Label smoothing.

use balpoe_core::components::{Batch, Mixing, MixingStreams};
use balpoe_core::config::ConfigError;
use balpoe_core::register;
use balpoe_core::registry::Component;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// `t' = (1 - epsilon) t + epsilon / classes`: a part of every target is spread evenly over all classes.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct LabelSmoothing {
    /// The part that is spread.
    pub epsilon: f64,
}

impl Default for LabelSmoothing {
    fn default() -> Self {
        Self { epsilon: 0.1 }
    }
}

impl Component for LabelSmoothing {
    fn check(&self) -> Result<(), ConfigError> {
        if (0.0..=1.0).contains(&self.epsilon) {
            return Ok(());
        }
        Err(ConfigError::key("epsilon", format!("epsilon must be from 0 to 1, found {}", self.epsilon)))
    }
}

impl Mixing for LabelSmoothing {
    fn mix(&self, batch: &mut Batch, _: &MixingStreams) {
        // What earlier smoothing left of the label is smoothed again.
        let kept = (1.0 - batch.targets.smoothing) * (1.0 - self.epsilon as f32);
        batch.targets.smoothing = 1.0 - kept;
    }

    fn pairs(&self) -> bool {
        false
    }
}

register! {
    Mixing "label-smoothing" => LabelSmoothing,
    summary: "spreads a part of every target evenly over all classes",
    paper: "Szegedy et al., Rethinking the inception architecture for computer vision, CVPR 2016, section 7",
    example: r#"
kind = "label-smoothing"
epsilon = 0.1
"#,
}
