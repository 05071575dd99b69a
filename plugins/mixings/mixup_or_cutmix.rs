//! Mixup or cutmix by chance.

use balpoe_core::components::{Batch, Blending, Mixing, MixingStreams, Targets};
use balpoe_core::config::ConfigError;
use balpoe_core::register;
use balpoe_core::registry::Component;
use balpoe_net::Blend;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::mixup::check_alpha;
use super::{Cutmix, MixingStream, Mixup};

/// Each batch is mixed either by mixup or by cutmix.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct MixupOrCutmix {
    /// Mixup's parameter of the Beta distribution.
    pub mixup_alpha: f64,
    /// Cutmix's parameter of the Beta distribution.
    pub cutmix_alpha: f64,
    /// Probability of cutmix.
    pub cutmix_probability: f64,
    /// "own": every seed draws its own weights; "shared": all seeds the same, as the reference's runs on CIFAR.
    pub stream: MixingStream,
}

impl Default for MixupOrCutmix {
    fn default() -> Self {
        Self { mixup_alpha: 0.4, cutmix_alpha: 1.0, cutmix_probability: 0.5, stream: MixingStream::Own }
    }
}

impl Component for MixupOrCutmix {
    fn check(&self) -> Result<(), ConfigError> {
        check_alpha("mixup_alpha", self.mixup_alpha)?;
        check_alpha("cutmix_alpha", self.cutmix_alpha)?;
        if (0.0..=1.0).contains(&self.cutmix_probability) {
            return Ok(());
        }
        let message = format!("cutmix_probability must be from 0 to 1, found {}", self.cutmix_probability);
        Err(ConfigError::key("cutmix_probability", message))
    }
}

impl Mixing for MixupOrCutmix {
    fn mix(&self, batch: &mut Batch, streams: &MixingStreams) {
        self.blend_on_host(batch, streams);
    }

    fn pairs(&self) -> bool {
        true
    }

    fn blending(&self) -> Option<&dyn Blending> {
        Some(self)
    }
}

impl Blending for MixupOrCutmix {
    fn blend(&self, targets: &mut Targets, size: (usize, usize), streams: &MixingStreams) -> Option<Blend> {
        // The coin has a stream of its own, beside the one that the chosen mixing draws from.
        let coin = MixingStreams { position: streams.position | 1 << 16, ..*streams };
        if coin.own().chance(self.cutmix_probability) {
            Cutmix { alpha: self.cutmix_alpha, stream: self.stream }.blend(targets, size, streams)
        } else {
            Mixup { alpha: self.mixup_alpha, stream: self.stream }.blend(targets, size, streams)
        }
    }
}

register! {
    Mixing "mixup-or-cutmix" => MixupOrCutmix,
    summary: "mixup or cutmix, by chance for each batch",
    paper: "Yun et al., CutMix: regularization strategy to train strong classifiers, ICCV 2019",
    example: r#"
kind = "mixup-or-cutmix"
mixup_alpha = 0.4
cutmix_alpha = 1.0
"#,
}
