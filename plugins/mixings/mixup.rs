//! Mixup.

use balpoe_core::components::{Batch, Blending, Mixing, MixingStreams, Targets};
use balpoe_core::config::ConfigError;
use balpoe_core::register;
use balpoe_core::registry::Component;
use balpoe_net::Blend;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::stream::MixingStream;

/// Images and labels blended with those of a random permutation of the batch: `lambda x + (1 - lambda) x'`, one
/// `lambda ~ Beta(alpha, alpha)` for the batch.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Mixup {
    /// Parameter of the Beta distribution: the larger, the stronger the blending.
    pub alpha: f64,
    /// "own": every seed draws its own weights; "shared": all seeds the same, as the reference's runs on CIFAR.
    pub stream: MixingStream,
}

impl Default for Mixup {
    fn default() -> Self {
        Self { alpha: 0.4, stream: MixingStream::Own }
    }
}

impl Component for Mixup {
    fn check(&self) -> Result<(), ConfigError> {
        check_alpha("alpha", self.alpha)
    }
}

/// Refuses what is no parameter of a Beta distribution.
pub(super) fn check_alpha(key: &str, alpha: f64) -> Result<(), ConfigError> {
    if alpha.is_finite() && alpha > 0.0 {
        return Ok(());
    }
    let message = format!("{key} must be a positive number, found {alpha}");
    Err(ConfigError::key(key, message).help("to train without mixing, remove the whole [[mixing]] table"))
}

impl Mixing for Mixup {
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

impl Blending for Mixup {
    fn blend(
        &self,
        targets: &mut Targets,
        (height, width): (usize, usize),
        streams: &MixingStreams,
    ) -> Option<Blend> {
        let (lambda, mut stream) = self.stream.draw(self.alpha, streams);
        let partners = stream.permutation(targets.len());
        pair(targets, &partners, lambda);
        Some(Blend { partners, weight: lambda, rows: 0..height, columns: 0..width })
    }
}

/// Notes each image's partner and the weight of its own label.
pub(super) fn pair(targets: &mut Targets, partners: &[u32], lambda: f32) {
    targets.second = partners.iter().map(|&partner| targets.first[partner as usize]).collect();
    targets.lambda = vec![lambda; partners.len()];
}

register! {
    Mixing "mixup" => Mixup,
    summary: "blends each image and label with another one of the batch",
    paper: "Zhang et al., mixup: beyond empirical risk minimization, ICLR 2018, section 2",
    example: r#"
kind = "mixup"
alpha = 0.4
"#,
}
