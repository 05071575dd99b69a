//! Random shifts: a black border, then a random window of the original size.

use std::ops::Range;

use balpoe_core::components::{Augmentation, Image, Moving};
use balpoe_core::random::Stream;
use balpoe_core::registry::Component;
use balpoe_net::PixelMap;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Pads all sides with black and crops a random window of the image's size, as torchvision's `RandomCrop(size, padding)` does.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct PadCrop {
    /// Pixels added on every side.
    pub padding: u32,
}

impl Default for PadCrop {
    fn default() -> Self {
        Self { padding: 4 }
    }
}

impl Component for PadCrop {}

impl Augmentation for PadCrop {
    fn apply(&self, image: Image, stream: &mut Stream) -> Image {
        crop(&image, self.padding as usize, self.corner(stream))
    }

    fn moving(&self) -> Option<&dyn Moving> {
        Some(self)
    }
}

impl Moving for PadCrop {
    fn map(&self, _: (usize, usize), stream: &mut Stream) -> PixelMap {
        let (top, left) = self.corner(stream);
        let inside = |start: usize| start as i64 - i64::from(self.padding);
        PixelMap::shift(inside(left), inside(top))
    }
}

impl PadCrop {
    /// Row and column of the window's upper left corner in the padded image.
    fn corner(&self, stream: &mut Stream) -> (usize, usize) {
        let places = 2 * self.padding as usize + 1;
        let top = stream.below(places);
        let left = stream.below(places);
        (top, left)
    }
}

/// The window of the image's size whose upper left corner is at this row and column of the padded image.
pub(super) fn crop(image: &Image, padding: usize, (top, left): (usize, usize)) -> Image {
    let (height, width) = (image.height, image.width);
    let mut window = Image::black(height, width);
    let columns = inside(width, padding, left);
    if columns.is_empty() {
        return window;
    }
    for y in inside(height, padding, top) {
        let from = ((y + top - padding) * width + columns.start + left - padding) * 3;
        let to = (y * width + columns.start) * 3;
        let length = columns.len() * 3;
        window.pixels[to..to + length].copy_from_slice(&image.pixels[from..from + length]);
    }
    window
}

/// The places of a window that show an image of this length, not its padding, when the window starts at `start`.
fn inside(length: usize, padding: usize, start: usize) -> Range<usize> {
    let end = (padding + length).saturating_sub(start).min(length);
    padding.saturating_sub(start).min(end)..end
}

balpoe_core::register! {
    Augmentation "pad-crop" => PadCrop,
    summary: "pads with black and crops a random window of the same size",
    paper: "He et al., Deep residual learning for image recognition, CVPR 2016, section 4.2",
    example: "kind = \"pad-crop\"\npadding = 4",
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use balpoe_core::random::Purpose;

    use super::*;

    fn image() -> Image {
        Image { height: 3, width: 4, pixels: (1..=36).collect() }
    }

    #[test]
    fn a_window_shows_the_image_or_black() {
        let image = image();
        for padding in 0..=5 {
            for (top, left) in (0..=2 * padding).flat_map(|t| (0..=2 * padding).map(move |l| (t, l))) {
                let window = crop(&image, padding, (top, left));
                for (y, x) in (0..3).flat_map(|y| (0..4).map(move |x| (y, x))) {
                    let source = ((y + top).checked_sub(padding), (x + left).checked_sub(padding));
                    let expected = match source {
                        (Some(y @ 0..3), Some(x @ 0..4)) => image.pixel(y, x),
                        _ => [0; 3],
                    };
                    assert_eq!(window.pixel(y, x), expected, "padding {padding}, corner ({top}, {left})");
                }
            }
        }
    }

    #[test]
    fn every_offset_occurs() {
        let offsets: BTreeSet<Vec<u8>> = (0..200)
            .map(|i| {
                let mut stream = Stream::new(1, Purpose::Augmentation, 0, i);
                PadCrop { padding: 1 }.apply(image(), &mut stream).pixels
            })
            .collect();
        assert_eq!(offsets.len(), 9);
    }
}
