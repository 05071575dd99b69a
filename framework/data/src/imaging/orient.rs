//! Photographs by cameras that were turned.

use balpoe_core::components::Image;

/// Turns an image upright that has this EXIF orientation, 1 (upright) to 8.
pub fn orient(image: Image, orientation: u8) -> Image {
    let (height, width) = (image.height, image.width);
    if !(2..=8).contains(&orientation) {
        return image;
    }
    let swapped = orientation >= 5;
    let mut upright = if swapped { Image::black(width, height) } else { Image::black(height, width) };
    for y in 0..upright.height {
        for x in 0..upright.width {
            let (row, column) = if swapped { (x, y) } else { (y, x) };
            // The first stored row is the visual top (1, 2), bottom (3, 4), left (5, 8) or right (6, 7) side; the first column the
            // visual left (1, 4), right (2, 3), top (5, 6) or bottom (7, 8).
            let row = if matches!(orientation, 3 | 4 | 6 | 7) { height - 1 - row } else { row };
            let column = if matches!(orientation, 2 | 3 | 7 | 8) { width - 1 - column } else { column };
            upright.set_pixel(y, x, image.pixel(row, column));
        }
    }
    upright
}
