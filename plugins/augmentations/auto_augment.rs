//! `AutoAugment`'s learnt policy for CIFAR-10.

use balpoe_core::components::{Augmentation, Image};
use balpoe_core::random::Stream;
use balpoe_core::registry::Component;
use balpoe_data::imaging::{
    Affine, Interpolation, adjust_brightness, adjust_colour, adjust_contrast, adjust_sharpness, autocontrast,
    equalize, invert, posterize, solarize,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Picks one of the 25 pairs of operations of the CIFAR-10 policy and applies each of the two with its own probability, as the
/// reference implementation of `BalPoE` does: uncovered pixels are grey, shears bicubic, shifts and rotations by nearest
/// neighbours, and a rotation is always counter-clockwise.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct AutoAugment {}

impl Component for AutoAugment {}

impl Augmentation for AutoAugment {
    fn apply(&self, mut image: Image, stream: &mut Stream) -> Image {
        for (operation, probability, level) in CIFAR10[stream.below(CIFAR10.len())] {
            if stream.chance(probability) {
                image = operation.apply(image, level, stream.chance(0.5));
            }
        }
        image
    }
}

/// An operation of the policy.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Operation {
    ShearY,
    TranslateX,
    TranslateY,
    Rotate,
    Colour,
    Contrast,
    Sharpness,
    Brightness,
    AutoContrast,
    Equalize,
    Invert,
    Posterize,
    Solarize,
}

use Operation::{
    AutoContrast, Brightness, Colour, Contrast, Equalize, Invert, Posterize, Rotate, Sharpness, ShearY,
    Solarize, TranslateX, TranslateY,
};

/// The pairs: operation, probability, level 0 to 9 (Cubuk et al. 2019, table 7).
pub(super) const CIFAR10: [[(Operation, f64, u32); 2]; 25] = [
    [(Invert, 0.1, 7), (Contrast, 0.2, 6)],
    [(Rotate, 0.7, 2), (TranslateX, 0.3, 9)],
    [(Sharpness, 0.8, 1), (Sharpness, 0.9, 3)],
    [(ShearY, 0.5, 8), (TranslateY, 0.7, 9)],
    [(AutoContrast, 0.5, 8), (Equalize, 0.9, 2)],
    [(ShearY, 0.2, 7), (Posterize, 0.3, 7)],
    [(Colour, 0.4, 3), (Brightness, 0.6, 7)],
    [(Sharpness, 0.3, 9), (Brightness, 0.7, 9)],
    [(Equalize, 0.6, 5), (Equalize, 0.5, 1)],
    [(Contrast, 0.6, 7), (Sharpness, 0.6, 5)],
    [(Colour, 0.7, 7), (TranslateX, 0.5, 8)],
    [(Equalize, 0.3, 7), (AutoContrast, 0.4, 8)],
    [(TranslateY, 0.4, 3), (Sharpness, 0.2, 6)],
    [(Brightness, 0.9, 6), (Colour, 0.2, 8)],
    [(Solarize, 0.5, 2), (Invert, 0.0, 3)],
    [(Equalize, 0.2, 0), (AutoContrast, 0.6, 0)],
    [(Equalize, 0.2, 8), (Equalize, 0.6, 4)],
    [(Colour, 0.9, 9), (Equalize, 0.6, 6)],
    [(AutoContrast, 0.8, 4), (Solarize, 0.2, 8)],
    [(Brightness, 0.1, 3), (Colour, 0.7, 0)],
    [(Solarize, 0.4, 5), (AutoContrast, 0.9, 3)],
    [(TranslateY, 0.9, 9), (TranslateY, 0.7, 9)],
    [(AutoContrast, 0.9, 2), (Solarize, 0.8, 3)],
    [(Equalize, 0.8, 8), (Invert, 0.1, 3)],
    [(TranslateY, 0.7, 9), (AutoContrast, 0.9, 1)],
];

const GREY: [u8; 3] = [128; 3];

impl Operation {
    /// The changed image. `negative` turns the direction of operations that have one.
    pub(super) fn apply(self, image: Image, level: u32, negative: bool) -> Image {
        let level = f64::from(level);
        let signed = |magnitude: f64| if negative { -magnitude } else { magnitude };
        let factor = 1.0 + signed(0.1 * level);
        let shift = |side: usize| signed(150.0 / 331.0 * level / 9.0) * side as f64;
        let map = |affine: Affine, interpolation| affine.apply(&image, interpolation, GREY);
        match self {
            ShearY => map(Affine::shear_y(signed(0.3 * level / 9.0)), Interpolation::Bicubic),
            TranslateX => map(Affine::shift(shift(image.width), 0.0), Interpolation::Nearest),
            TranslateY => map(Affine::shift(0.0, shift(image.height)), Interpolation::Nearest),
            Rotate => {
                let degrees = 30.0 * level / 9.0;
                map(Affine::rotation(degrees, image.height, image.width), Interpolation::Nearest)
            }
            Colour => adjust_colour(image, factor as f32),
            Contrast => adjust_contrast(image, factor as f32),
            Sharpness => adjust_sharpness(image, factor as f32),
            Brightness => adjust_brightness(image, factor as f32),
            AutoContrast => autocontrast(image),
            Equalize => equalize(image),
            Invert => invert(image),
            Posterize => posterize(image, 8 - (level as u32) / 2),
            Solarize => solarize(image, 256.0 * (1.0 - level / 9.0)),
        }
    }
}

balpoe_core::register! {
    Augmentation "auto-augment" => AutoAugment,
    summary: "AutoAugment: one of 25 learnt pairs of operations (the policy for CIFAR-10)",
    paper: "Cubuk et al., AutoAugment: learning augmentation strategies from data, CVPR 2019, table 7",
    example: "kind = \"auto-augment\"",
}
