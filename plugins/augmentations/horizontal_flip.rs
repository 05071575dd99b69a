//! Mirror images.

use balpoe_core::components::{Augmentation, Image, Moving};
use balpoe_core::config::ConfigError;
use balpoe_core::random::Stream;
use balpoe_core::registry::Component;
use balpoe_net::PixelMap;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Swaps left and right with a probability.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct HorizontalFlip {
    /// Probability that an image is mirrored.
    pub probability: f64,
}

impl Default for HorizontalFlip {
    fn default() -> Self {
        Self { probability: 0.5 }
    }
}

impl Component for HorizontalFlip {
    fn check(&self) -> Result<(), ConfigError> {
        super::probability::check_probability("probability", self.probability)
    }
}

impl Augmentation for HorizontalFlip {
    fn apply(&self, image: Image, stream: &mut Stream) -> Image {
        if stream.chance(self.probability) { flip(image) } else { image }
    }

    fn moving(&self) -> Option<&dyn Moving> {
        Some(self)
    }
}

impl Moving for HorizontalFlip {
    fn map(&self, (_, width): (usize, usize), stream: &mut Stream) -> PixelMap {
        if stream.chance(self.probability) { PixelMap::mirror(width) } else { PixelMap::IDENTITY }
    }
}

/// Swaps left and right.
pub(super) fn flip(mut image: Image) -> Image {
    for row in image.pixels.chunks_exact_mut(image.width * 3) {
        row.as_chunks_mut::<3>().0.reverse();
    }
    image
}

balpoe_core::register! {
    Augmentation "horizontal-flip" => HorizontalFlip,
    summary: "mirrors images left to right at random",
    paper: "",
    example: "kind = \"horizontal-flip\"\nprobability = 0.5",
}

#[cfg(test)]
mod tests {
    use balpoe_core::random::Purpose;

    use super::*;

    #[test]
    fn columns_are_reversed_and_twice_is_nothing() {
        let mut stream = Stream::new(1, Purpose::Augmentation, 0, 0);
        let image = Image { height: 2, width: 3, pixels: (0..18).collect() };
        let always = HorizontalFlip { probability: 1.0 };
        let flipped = always.apply(image.clone(), &mut stream);
        for (y, x) in [(0, 0), (0, 1), (1, 2)] {
            assert_eq!(flipped.pixel(y, x), image.pixel(y, 2 - x));
        }
        assert_eq!(always.apply(flipped, &mut stream), image);
        let never = HorizontalFlip { probability: 0.0 };
        assert_eq!(never.apply(image.clone(), &mut stream), image);
    }
}
