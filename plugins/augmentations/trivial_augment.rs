//! `TrivialAugment`: one operation of random strength.

use balpoe_core::components::{Augmentation, Image};
use balpoe_core::random::Stream;
use balpoe_core::registry::Component;
use balpoe_data::imaging::{
    Affine, Interpolation, adjust_brightness, adjust_colour, adjust_contrast, adjust_sharpness, autocontrast,
    equalize, posterize, solarize,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Strengths that an operation has, from nothing to everything.
pub(super) const LEVELS: usize = 31;

/// Applies one of 14 operations, drawn uniformly, at one of 31 strengths, drawn uniformly, as torchvision's
/// `TrivialAugmentWide` with bilinear interpolation does; uncovered pixels are black.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct TrivialAugment {}

impl Component for TrivialAugment {}

impl Augmentation for TrivialAugment {
    fn apply(&self, image: Image, stream: &mut Stream) -> Image {
        let operation = OPERATIONS[stream.below(OPERATIONS.len())];
        let level = stream.below(LEVELS);
        operation.apply(image, level, stream.chance(0.5))
    }
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Operation {
    Identity,
    ShearX,
    ShearY,
    TranslateX,
    TranslateY,
    Rotate,
    Brightness,
    Colour,
    Contrast,
    Sharpness,
    Posterize,
    Solarize,
    AutoContrast,
    Equalize,
}

pub(super) const OPERATIONS: [Operation; 14] = [
    Operation::Identity,
    Operation::ShearX,
    Operation::ShearY,
    Operation::TranslateX,
    Operation::TranslateY,
    Operation::Rotate,
    Operation::Brightness,
    Operation::Colour,
    Operation::Contrast,
    Operation::Sharpness,
    Operation::Posterize,
    Operation::Solarize,
    Operation::AutoContrast,
    Operation::Equalize,
];

impl Operation {
    /// The changed image. `negative` turns the direction of operations that have one.
    pub(super) fn apply(self, image: Image, level: usize, negative: bool) -> Image {
        let part = level as f64 / (LEVELS - 1) as f64;
        // torchvision's strengths are single-precision numbers.
        let magnitude = |most: f64| f64::from((most * part) as f32);
        let signed = |most: f64| if negative { -magnitude(most) } else { magnitude(most) };
        let factor = (1.0 + signed(0.99)) as f32;
        let map = |affine: Affine| affine.apply(&image, Interpolation::Bilinear, [0; 3]);
        match self {
            Self::Identity => image,
            Self::ShearX => map(Affine::shear_x(signed(0.99))),
            Self::ShearY => map(Affine::shear_y(signed(0.99))),
            // Whole pixels; a positive shift moves the picture right or down.
            Self::TranslateX => map(Affine::shift(-signed(32.0).trunc(), 0.0)),
            Self::TranslateY => map(Affine::shift(0.0, -signed(32.0).trunc())),
            Self::Rotate => map(Affine::rotation(signed(135.0), image.height, image.width)),
            Self::Brightness => adjust_brightness(image, factor),
            Self::Colour => adjust_colour(image, factor),
            Self::Contrast => adjust_contrast(image, factor),
            Self::Sharpness => adjust_sharpness(image, factor),
            Self::Posterize => posterize(image, 8 - (level as f64 / 5.0).round_ties_even() as u32),
            Self::Solarize => solarize(image, 255.0 - 255.0 * part),
            Self::AutoContrast => autocontrast(image),
            Self::Equalize => equalize(image),
        }
    }
}

balpoe_core::register! {
    Augmentation "trivial-augment" => TrivialAugment,
    summary: "TrivialAugment: one of 14 operations at one of 31 strengths",
    paper: "Müller and Hutter, TrivialAugment: tuning-free yet state-of-the-art data augmentation, ICCV 2021",
    example: "kind = \"trivial-augment\"",
}
