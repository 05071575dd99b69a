//! Images without colour.

use balpoe_core::components::{Augmentation, Image};
use balpoe_core::config::ConfigError;
use balpoe_core::random::Stream;
use balpoe_core::registry::Component;
use balpoe_data::imaging;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Takes the colour out of an image with a probability: its luminance in all three channels.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Grayscale {
    /// Probability that an image loses its colour.
    pub probability: f64,
}

impl Default for Grayscale {
    fn default() -> Self {
        Self { probability: 0.2 }
    }
}

impl Component for Grayscale {
    fn check(&self) -> Result<(), ConfigError> {
        super::probability::check_probability("probability", self.probability)
    }
}

impl Augmentation for Grayscale {
    fn apply(&self, image: Image, stream: &mut Stream) -> Image {
        if stream.chance(self.probability) { imaging::grayscale(image) } else { image }
    }
}

balpoe_core::register! {
    Augmentation "grayscale" => Grayscale,
    summary: "takes the colour out of images at random",
    paper: "Chen et al., A simple framework for contrastive learning of visual representations, ICML 2020, appendix A",
    example: "kind = \"grayscale\"\nprobability = 0.2",
}
