//! Label smoothing.

use balpoe_core::components::{Batch, Blending, Mixing, MixingStreams, Targets};
use balpoe_core::config::ConfigError;
use balpoe_core::register;
use balpoe_core::registry::Component;
use balpoe_net::Blend;
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
    fn mix(&self, batch: &mut Batch, streams: &MixingStreams) {
        self.blend_on_host(batch, streams);
    }

    fn pairs(&self) -> bool {
        false
    }

    fn blending(&self) -> Option<&dyn Blending> {
        Some(self)
    }
}

impl Blending for LabelSmoothing {
    fn blend(&self, targets: &mut Targets, _: (usize, usize), _: &MixingStreams) -> Option<Blend> {
        // What earlier smoothing left of the label is smoothed again.
        let kept = (1.0 - targets.smoothing) * (1.0 - self.epsilon as f32);
        targets.smoothing = 1.0 - kept;
        None
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
