//! Cutmix.

use std::ops::Range;

use balpoe_core::components::{Batch, Blending, Mixing, MixingStreams, Targets};
use balpoe_core::config::ConfigError;
use balpoe_core::random::Stream;
use balpoe_core::register;
use balpoe_core::registry::Component;
use balpoe_net::Blend;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::mixup::{check_alpha, pair};
use super::stream::MixingStream;

/// A box of each image replaced by the same box of another image of the batch; labels are weighted by area.
///
/// With `lambda ~ Beta(alpha, alpha)` the box has `sqrt(1 - lambda)` of each side and a uniformly random centre, and is cut
/// off at the border; the weight of an image's own label is the part of it that is left.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Cutmix {
    /// Parameter of the Beta distribution: 1 draws the box's area uniformly.
    pub alpha: f64,
    /// "own": every seed draws its own weights; "shared": all seeds the same, as the reference's runs on CIFAR.
    pub stream: MixingStream,
}

impl Default for Cutmix {
    fn default() -> Self {
        Self { alpha: 1.0, stream: MixingStream::Own }
    }
}

impl Component for Cutmix {
    fn check(&self) -> Result<(), ConfigError> {
        check_alpha("alpha", self.alpha)
    }
}

impl Mixing for Cutmix {
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

impl Blending for Cutmix {
    fn blend(
        &self,
        targets: &mut Targets,
        (height, width): (usize, usize),
        streams: &MixingStreams,
    ) -> Option<Blend> {
        let (lambda, mut stream) = self.stream.draw(self.alpha, streams);
        let partners = stream.permutation(targets.len());
        let side = (1.0 - lambda).sqrt();
        let rows = span(height, side, &mut stream);
        let columns = span(width, side, &mut stream);
        let cut = rows.len() * columns.len();
        pair(targets, &partners, 1.0 - cut as f32 / (height * width) as f32);
        Some(Blend { partners, weight: 0.0, rows, columns })
    }
}

/// Where a box with this part of an axis lies: around a uniformly random centre, cut off at the ends.
fn span(size: usize, part: f32, stream: &mut Stream) -> Range<usize> {
    let half = (size as f32 * part) as usize / 2;
    let centre = stream.below(size);
    centre.saturating_sub(half)..(centre + half).min(size)
}

register! {
    Mixing "cutmix" => Cutmix,
    summary: "replaces a box of each image by that of another one of the batch, and mixes labels by area",
    paper: "Yun et al., CutMix: regularization strategy to train strong classifiers, ICCV 2019, equations 1 and 2",
    example: r#"
kind = "cutmix"
alpha = 1.0
"#,
}
