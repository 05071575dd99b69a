//! Blurred images.

use balpoe_core::components::{Augmentation, Image};
use balpoe_core::config::ConfigError;
use balpoe_core::random::Stream;
use balpoe_core::registry::Component;
use balpoe_data::imaging;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Blurs an image with a probability, by a Gaussian of random width, as torchvision's `GaussianBlur` does.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct GaussianBlur {
    /// Side of the kernel in pixels, odd.
    pub kernel: usize,
    /// Smallest and largest standard deviation in pixels; uniform.
    pub sigma: [f64; 2],
    /// Probability that an image is blurred.
    pub probability: f64,
}

impl Default for GaussianBlur {
    fn default() -> Self {
        Self { kernel: 23, sigma: [0.1, 2.0], probability: 0.5 }
    }
}

impl Component for GaussianBlur {
    fn check(&self) -> Result<(), ConfigError> {
        if self.kernel.is_multiple_of(2) || self.kernel > 255 {
            return Err(ConfigError::key(
                "kernel",
                format!("expected an odd number of pixels, at most 255, found {}", self.kernel),
            ));
        }
        let [low, high] = self.sigma;
        if !(low > 0.0 && low <= high && high.is_finite()) {
            return Err(ConfigError::key(
                "sigma",
                format!("expected 0 < smallest <= largest, found {low} and {high}"),
            ));
        }
        super::probability::check_probability("probability", self.probability)
    }
}

impl Augmentation for GaussianBlur {
    fn apply(&self, image: Image, stream: &mut Stream) -> Image {
        if !stream.chance(self.probability) {
            return image;
        }
        let sigma = stream.uniform(self.sigma[0], self.sigma[1]);
        imaging::gaussian_blur(&image, self.kernel, sigma as f32)
    }
}

balpoe_core::register! {
    Augmentation "gaussian-blur" => GaussianBlur,
    summary: "blurs images at random",
    paper: "Chen et al., A simple framework for contrastive learning of visual representations, ICML 2020, appendix A",
    example: "kind = \"gaussian-blur\"\nkernel = 23\nsigma = [0.1, 2.0]\nprobability = 0.5",
}
