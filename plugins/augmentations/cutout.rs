//! Squares cut out of images.

use balpoe_core::components::{Augmentation, Image};
use balpoe_core::config::ConfigError;
use balpoe_core::random::Stream;
use balpoe_core::registry::Component;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Paints squares black, their centres anywhere in the image, their parts outside cut off. It belongs at the end of the list.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Cutout {
    /// Side of a square in pixels: rows and columns from `centre - length / 2` up to, not including, `centre + length / 2`.
    pub length: usize,
    /// Number of squares.
    pub holes: usize,
}

impl Default for Cutout {
    fn default() -> Self {
        Self { length: 16, holes: 1 }
    }
}

impl Component for Cutout {
    fn check(&self) -> Result<(), ConfigError> {
        if self.holes > 1000 {
            return Err(ConfigError::key(
                "holes",
                format!("expected at most 1000 squares, found {}", self.holes),
            ));
        }
        Ok(())
    }
}

impl Augmentation for Cutout {
    fn apply(&self, mut image: Image, stream: &mut Stream) -> Image {
        let half = self.length / 2;
        let (height, width) = (image.height, image.width);
        for _ in 0..self.holes {
            let (y, x) = (stream.below(height), stream.below(width));
            let columns = x.saturating_sub(half)..(x + half).min(width);
            for row in y.saturating_sub(half)..(y + half).min(height) {
                image.pixels[(row * width + columns.start) * 3..(row * width + columns.end) * 3].fill(0);
            }
        }
        image
    }
}

balpoe_core::register! {
    Augmentation "cutout" => Cutout,
    summary: "paints a black square at a random place",
    paper: "DeVries and Taylor, Improved regularization of convolutional neural networks with cutout, 2017",
    example: "kind = \"cutout\"\nlength = 16\nholes = 1",
}

#[cfg(test)]
mod tests {
    use balpoe_core::random::Purpose;

    use super::*;

    #[test]
    fn a_square_of_the_length_is_black_and_cut_off_at_the_edges() {
        let white = Image { height: 20, width: 30, pixels: vec![255; 20 * 30 * 3] };
        let mut areas = Vec::new();
        for index in 0..200 {
            let mut stream = Stream::new(1, Purpose::Augmentation, 0, index);
            let image = Cutout { length: 6, holes: 1 }.apply(white.clone(), &mut stream);
            let dark: Vec<(usize, usize)> = (0..20)
                .flat_map(|y| (0..30).map(move |x| (y, x)))
                .filter(|&(y, x)| image.pixel(y, x) == [0; 3])
                .collect();
            let rows = dark.iter().map(|p| p.0).max().unwrap() - dark.iter().map(|p| p.0).min().unwrap() + 1;
            let columns =
                dark.iter().map(|p| p.1).max().unwrap() - dark.iter().map(|p| p.1).min().unwrap() + 1;
            assert_eq!(dark.len(), rows * columns, "no rectangle");
            assert!((3..=6).contains(&rows) && (3..=6).contains(&columns));
            areas.push(dark.len());
        }
        assert!(areas.contains(&36) && areas.iter().any(|&area| area < 36));
    }
}
