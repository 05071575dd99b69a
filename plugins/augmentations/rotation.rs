//! Random rotation.

use balpoe_core::components::{Augmentation, Image, Moving};
use balpoe_core::config::ConfigError;
use balpoe_core::random::Stream;
use balpoe_core::registry::Component;
use balpoe_data::imaging::{Affine, Interpolation};
use balpoe_net::PixelMap;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Turns the image about its centre by a uniformly random angle: nearest neighbour, same size, black corners, as torchvision's
/// `RandomRotation(degrees)` does on Pillow images.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Rotation {
    /// The largest angle to either side, in degrees.
    pub degrees: f64,
}

impl Default for Rotation {
    fn default() -> Self {
        Self { degrees: 15.0 }
    }
}

impl Component for Rotation {
    fn check(&self) -> Result<(), ConfigError> {
        if (0.0..=180.0).contains(&self.degrees) {
            return Ok(());
        }
        Err(ConfigError::key(
            "degrees",
            format!("the largest angle lies between 0 and 180, found {}", self.degrees),
        ))
    }
}

impl Augmentation for Rotation {
    fn apply(&self, image: Image, stream: &mut Stream) -> Image {
        rotate(&image, self.angle(stream))
    }

    fn moving(&self) -> Option<&dyn Moving> {
        Some(self)
    }
}

impl Moving for Rotation {
    fn map(&self, (height, width): (usize, usize), stream: &mut Stream) -> PixelMap {
        Affine::rotation(self.angle(stream), height, width).pixel_map()
    }
}

impl Rotation {
    /// In degrees.
    fn angle(&self, stream: &mut Stream) -> f64 {
        stream.uniform(-self.degrees, self.degrees)
    }
}

/// Turns counter-clockwise by an angle in degrees.
pub(super) fn rotate(image: &Image, degrees: f64) -> Image {
    Affine::rotation(degrees, image.height, image.width).apply(image, Interpolation::Nearest, [0; 3])
}

balpoe_core::register! {
    Augmentation "rotation" => Rotation,
    summary: "turns images by a random angle, nearest neighbour, black corners",
    paper: "",
    example: "kind = \"rotation\"\ndegrees = 15.0",
}

#[cfg(test)]
mod tests {
    use super::super::golden::Golden;
    use super::*;

    #[test]
    fn agrees_with_torchvision_on_pillow_images() {
        let golden = Golden::read();
        let rotated = golden.bytes("rotated");
        let mut expected = rotated.chunks_exact(32 * 32 * 3);
        for degrees in golden.angles("angles") {
            for image in golden.images() {
                assert_eq!(rotate(&image, degrees).pixels, expected.next().unwrap(), "{degrees} degrees");
            }
        }
        assert_eq!(expected.next(), None);
    }

    #[test]
    fn quarter_turns_of_any_rectangle_are_exact() {
        let image = Image { height: 2, width: 4, pixels: (0..24).collect() };
        let half = rotate(&image, 180.0);
        for y in 0..2 {
            for x in 0..4 {
                assert_eq!(half.pixel(y, x), image.pixel(1 - y, 3 - x));
            }
        }
        let square = Image { height: 3, width: 3, pixels: (0..27).collect() };
        let quarter = rotate(&square, 90.0);
        assert_eq!(quarter.pixel(0, 0), square.pixel(0, 2));
        assert_eq!(rotate(&square, 0.0), square);
    }
}
