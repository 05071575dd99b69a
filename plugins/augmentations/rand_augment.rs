//! `RandAugment` as Wightman's `timm` has it.

use balpoe_core::components::{Augmentation, Image};
use balpoe_core::config::ConfigError;
use balpoe_core::random::Stream;
use balpoe_core::registry::Component;
use balpoe_data::imaging::{
    Affine, Interpolation, adjust_brightness, adjust_colour, adjust_contrast, adjust_sharpness, autocontrast,
    equalize, invert, posterize, solarize, solarize_add,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Draws operations uniformly, with replacement, and applies each with a probability, at a strength that varies around
/// `magnitude`, which is also clamped to 10. Geometric operations interpolate bilinearly or bicubically at random.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RandAugment {
    /// Number of operations that are drawn.
    pub operations: usize,
    /// Mean strength, 0 to 10.
    pub magnitude: f64,
    /// Standard deviation of the strength.
    pub deviation: f64,
    /// Probability that a drawn operation is applied.
    pub probability: f64,
    /// Colour of uncovered pixels, red first.
    pub fill: [u8; 3],
}

impl Default for RandAugment {
    fn default() -> Self {
        Self { operations: 2, magnitude: 10.0, deviation: 0.5, probability: 0.5, fill: [124, 116, 104] }
    }
}

impl Component for RandAugment {
    fn check(&self) -> Result<(), ConfigError> {
        if self.operations > 100 {
            return Err(ConfigError::key(
                "operations",
                format!("expected at most 100 operations, found {}", self.operations),
            ));
        }
        if !(0.0..=10.0).contains(&self.magnitude) {
            return Err(ConfigError::key(
                "magnitude",
                format!("the strength lies between 0 and 10, found {}", self.magnitude),
            ));
        }
        if !(self.deviation.is_finite() && self.deviation >= 0.0) {
            return Err(ConfigError::key(
                "deviation",
                format!("expected a number of at least 0, found {}", self.deviation),
            ));
        }
        super::probability::check_probability("probability", self.probability)
    }
}

impl Augmentation for RandAugment {
    fn apply(&self, mut image: Image, stream: &mut Stream) -> Image {
        for _ in 0..self.operations {
            let operation = OPERATIONS[stream.below(OPERATIONS.len())];
            if !stream.chance(self.probability) {
                continue;
            }
            let strength = Strength {
                level: (self.magnitude + self.deviation * stream.normal()).clamp(0.0, 10.0) / 10.0,
                negative: stream.chance(0.5),
                interpolation: if stream.chance(0.5) {
                    Interpolation::Bilinear
                } else {
                    Interpolation::Bicubic
                },
            };
            image = operation.apply(image, strength, self.fill);
        }
        image
    }
}

/// How an operation is applied.
#[derive(Clone, Copy, Debug)]
pub(super) struct Strength {
    /// From 0 to 1.
    pub(super) level: f64,
    /// Turns the direction of operations that have one.
    pub(super) negative: bool,
    pub(super) interpolation: Interpolation,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Operation {
    AutoContrast,
    Equalize,
    Invert,
    Rotate,
    Posterize,
    Solarize,
    SolarizeAdd,
    Colour,
    Contrast,
    Brightness,
    Sharpness,
    ShearX,
    ShearY,
    TranslateX,
    TranslateY,
}

pub(super) const OPERATIONS: [Operation; 15] = [
    Operation::AutoContrast,
    Operation::Equalize,
    Operation::Invert,
    Operation::Rotate,
    Operation::Posterize,
    Operation::Solarize,
    Operation::SolarizeAdd,
    Operation::Colour,
    Operation::Contrast,
    Operation::Brightness,
    Operation::Sharpness,
    Operation::ShearX,
    Operation::ShearY,
    Operation::TranslateX,
    Operation::TranslateY,
];

impl Operation {
    pub(super) fn apply(self, image: Image, strength: Strength, fill: [u8; 3]) -> Image {
        let Strength { level, negative, interpolation } = strength;
        let signed = |most: f64| if negative { -most * level } else { most * level };
        let factor = (0.1 + 1.8 * level) as f32;
        let map = |affine: Affine| affine.apply(&image, interpolation, fill);
        match self {
            Self::AutoContrast => autocontrast(image),
            Self::Equalize => equalize(image),
            Self::Invert => invert(image),
            Self::Rotate => map(Affine::rotation(signed(30.0), image.height, image.width)),
            Self::Posterize => posterize(image, (4.0 * level) as u32),
            Self::Solarize => solarize(image, (256.0 * level).floor()),
            Self::SolarizeAdd => solarize_add(image, (110.0 * level) as u8),
            Self::Colour => adjust_colour(image, factor),
            Self::Contrast => adjust_contrast(image, factor),
            Self::Brightness => adjust_brightness(image, factor),
            Self::Sharpness => adjust_sharpness(image, factor),
            Self::ShearX => map(Affine::shear_x(signed(0.3))),
            Self::ShearY => map(Affine::shear_y(signed(0.3))),
            Self::TranslateX => map(Affine::shift(signed(0.45) * image.width as f64, 0.0)),
            Self::TranslateY => map(Affine::shift(0.0, signed(0.45) * image.height as f64)),
        }
    }
}

balpoe_core::register! {
    Augmentation "rand-augment" => RandAugment,
    summary: "RandAugment: a few operations out of 15, drawn at random",
    paper: "Cubuk et al., RandAugment: practical automated data augmentation with a reduced search space, NeurIPS 2020",
    example: "kind = \"rand-augment\"\noperations = 2\nmagnitude = 10.0\ndeviation = 0.5",
}
