//! Random rotation.

use balpoe_core::components::{Augmentation, Image};
use balpoe_core::config::ConfigError;
use balpoe_core::random::Stream;
use balpoe_core::registry::Component;
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
        rotate(&image, stream.uniform(-self.degrees, self.degrees))
    }
}

/// Turns counter-clockwise by an angle in degrees.
///
/// Each pixel of the result takes the image's pixel under its centre turned back. Positions are stepped in 16.16 fixed point, as
/// Pillow does it, which decides which of two neighbours a pixel near their border takes.
pub(super) fn rotate(image: &Image, degrees: f64) -> Image {
    let (height, width) = (image.height, image.width);
    let (centre_y, centre_x) = (height as f64 / 2.0, width as f64 / 2.0);
    let (sin, cos) = (-degrees.to_radians()).sin_cos();
    let fixed = |v: f64| (v * 65536.0 + 0.5).floor() as i64;
    // Source of the first pixel's centre, and the steps to the next column and the next row.
    let mut row_x = fixed(cos * 0.5 + sin * 0.5 + (centre_x - cos * centre_x - sin * centre_y));
    let mut row_y = fixed(-sin * 0.5 + cos * 0.5 + (centre_y + sin * centre_x - cos * centre_y));
    let column_step = (fixed(cos), fixed(-sin));
    let row_step = (fixed(sin), fixed(cos));

    let mut turned = Image::black(height, width);
    let (source, _) = image.pixels.as_chunks::<3>();
    let (target, _) = turned.pixels.as_chunks_mut::<3>();
    for row in target.chunks_exact_mut(width.max(1)) {
        let (mut x, mut y) = (row_x, row_y);
        for pixel in row {
            // Negative positions wrap to huge ones, outside the image.
            let (column, line) = ((x >> 16) as usize, (y >> 16) as usize);
            if column < width && line < height {
                *pixel = source[line * width + column];
            }
            x += column_step.0;
            y += column_step.1;
        }
        row_x += row_step.0;
        row_y += row_step.1;
    }
    turned
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
