//! Random brightness, contrast and saturation.

use balpoe_core::components::{Augmentation, Image};
use balpoe_core::config::ConfigError;
use balpoe_core::random::Stream;
use balpoe_core::registry::Component;
use balpoe_data::imaging::{adjust_brightness, adjust_colour, adjust_contrast};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Changes brightness, contrast and saturation by random factors, in random order, as torchvision's `ColorJitter` without hue
/// does on Pillow images.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ColourJitter {
    /// The factor of the brightness is uniform within 1 ± this, but not below 0.
    pub brightness: f64,
    /// The same for the contrast.
    pub contrast: f64,
    /// The same for the saturation.
    pub saturation: f64,
    /// Probability that an image is changed at all.
    pub probability: f64,
}

impl Default for ColourJitter {
    fn default() -> Self {
        Self { brightness: 0.4, contrast: 0.4, saturation: 0.4, probability: 1.0 }
    }
}

impl Component for ColourJitter {
    fn check(&self) -> Result<(), ConfigError> {
        for (key, value) in
            [("brightness", self.brightness), ("contrast", self.contrast), ("saturation", self.saturation)]
        {
            if !(value.is_finite() && value >= 0.0) {
                return Err(ConfigError::key(key, format!("expected a number of at least 0, found {value}")));
            }
        }
        super::probability::check_probability("probability", self.probability)
    }
}

/// A change by a factor.
type Change = fn(Image, f32) -> Image;

impl Augmentation for ColourJitter {
    fn apply(&self, mut image: Image, stream: &mut Stream) -> Image {
        if !stream.chance(self.probability) {
            return image;
        }
        let mut changes: [(f64, Change); 3] = [
            (self.brightness, adjust_brightness),
            (self.contrast, adjust_contrast),
            (self.saturation, adjust_colour),
        ];
        stream.shuffle(&mut changes);
        for (strength, change) in changes {
            let factor = stream.uniform((1.0 - strength).max(0.0), 1.0 + strength);
            if strength > 0.0 {
                image = change(image, factor as f32);
            }
        }
        image
    }
}

balpoe_core::register! {
    Augmentation "colour-jitter" => ColourJitter,
    summary: "changes brightness, contrast and saturation at random",
    paper: "Howard, Some improvements on deep convolutional neural network based image classification, 2013, section 2",
    example: "kind = \"colour-jitter\"\nbrightness = 0.4\ncontrast = 0.4\nsaturation = 0.4",
}
