//! Brightness, contrast, colour and sharpness: an image mixed with a version of it that lacks the property, as Pillow's
//! `ImageEnhance` does. A factor of 0 gives that version, 1 the image, more exaggerates.

use balpoe_core::components::Image;

use super::tone::map;

/// `degenerate + factor · (value − degenerate)` in single precision, clamped and truncated.
fn blend(degenerate: u8, value: u8, factor: f32) -> u8 {
    let degenerate = i32::from(degenerate);
    let mixed = degenerate as f32 + factor * (i32::from(value) - degenerate) as f32;
    mixed.clamp(0.0, 255.0) as u8
}

/// The table of a mix with one and the same grey everywhere.
fn blend_with_constant(degenerate: u8, factor: f32) -> [u8; 256] {
    std::array::from_fn(|value| blend(degenerate, value as u8, factor))
}

/// Luminance as Pillow computes it (ITU-R 601-2 in 16-bit fixed point).
pub(super) fn luminance([r, g, b]: [u8; 3]) -> u8 {
    ((19595 * u32::from(r) + 38470 * u32::from(g) + 7471 * u32::from(b) + 0x8000) >> 16) as u8
}

/// Mixes with black.
pub fn adjust_brightness(image: Image, factor: f32) -> Image {
    map(image, &blend_with_constant(0, factor))
}

/// Mixes with grey of the mean luminance.
pub fn adjust_contrast(image: Image, factor: f32) -> Image {
    let (pixels, _) = image.pixels.as_chunks::<3>();
    if pixels.is_empty() {
        return image;
    }
    let sum: u64 = pixels.iter().map(|&pixel| u64::from(luminance(pixel))).sum();
    let mean = (sum as f64 / pixels.len() as f64 + 0.5) as u8;
    map(image, &blend_with_constant(mean, factor))
}

/// Mixes with the grey image.
pub fn adjust_colour(mut image: Image, factor: f32) -> Image {
    for pixel in image.pixels.as_chunks_mut::<3>().0 {
        let grey = luminance(*pixel);
        *pixel = pixel.map(|value| blend(grey, value, factor));
    }
    image
}

/// Mixes with a smoothed image: weights (1, 1, 1; 1, 5, 1; 1, 1, 1) / 13, the outermost pixels as they are.
pub fn adjust_sharpness(image: Image, factor: f32) -> Image {
    let (height, width) = (image.height, image.width);
    if height < 3 || width < 3 {
        return image;
    }
    let row = width * 3;
    let mut sharpened = image.clone();
    for y in 1..height - 1 {
        let source = &image.pixels[(y - 1) * row..(y + 2) * row];
        let target = &mut sharpened.pixels[y * row..][..row];
        for at in 3..row - 3 {
            let line = |start: usize| {
                u32::from(source[start - 3]) + u32::from(source[start]) + u32::from(source[start + 3])
            };
            let value = source[row + at];
            let sum = line(at) + line(row + at) + line(2 * row + at) + 4 * u32::from(value);
            // Rounded half up; a thirteenth never ends in exactly a half.
            let smooth = ((2 * sum + 13) / 26) as u8;
            target[at] = blend(smooth, value, factor);
        }
    }
    sharpened
}

/// The luminance in all three channels.
pub fn grayscale(mut image: Image) -> Image {
    for pixel in image.pixels.as_chunks_mut::<3>().0 {
        *pixel = [luminance(*pixel); 3];
    }
    image
}
