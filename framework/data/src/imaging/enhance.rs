//! Brightness, contrast, colour and sharpness: an image mixed with a version of it that lacks the property, as Pillow's
//! `ImageEnhance` does. A factor of 0 gives that version, 1 the image, more exaggerates.

#![expect(clippy::inline_always, reason = "code outside a kernel is compiled without its instruction set")]

use balpoe_core::components::Image;
use pulp::{Arch, NullaryFnOnce};

use super::words::{BLOCK, change, channels, unpack, word};

/// `degenerate + factor · (value − degenerate)` in single precision, clamped and truncated.
#[inline(always)]
fn blend(degenerate: u8, value: u8, factor: f32) -> u8 {
    let degenerate = i32::from(degenerate);
    let mixed = degenerate as f32 + factor * (i32::from(value) - degenerate) as f32;
    // Adding 2^23 brings the whole part to the lowest bits. A conversion would also ask whether it is a number.
    (mixed.clamp(0.0, 255.0).floor() + 8_388_608.0).to_bits() as u8
}

/// Luminance as Pillow computes it (ITU-R 601-2 in 16-bit fixed point).
#[inline(always)]
fn luminance([r, g, b]: [u32; 3]) -> u8 {
    ((19595 * r + 38470 * g + 7471 * b + 0x8000) >> 16) as u8
}

/// Mixes with black.
pub fn adjust_brightness(image: Image, factor: f32) -> Image {
    blend_with_constant(image, 0, factor)
}

/// Mixes with grey of the mean luminance.
pub fn adjust_contrast(image: Image, factor: f32) -> Image {
    let (pixels, _) = image.pixels.as_chunks::<3>();
    if pixels.is_empty() {
        return image;
    }
    let sum = Arch::new().dispatch(SumOfLuminance(pixels));
    let mean = (sum as f64 / pixels.len() as f64 + 0.5) as u8;
    blend_with_constant(image, mean, factor)
}

/// The sum over all pixels, as a kernel.
struct SumOfLuminance<'a>(&'a [[u8; 3]]);

impl NullaryFnOnce for SumOfLuminance<'_> {
    type Output = u64;

    #[inline(always)]
    fn call(self) -> u64 {
        let (whole, rest) = self.0.as_chunks();
        // Black has none.
        let mut last = [[0; 3]; BLOCK];
        last[..rest.len()].copy_from_slice(rest);
        let mut sum = 0;
        for block in whole.iter().chain([&last]) {
            sum += u64::from(
                unpack(block).map(|pixel| u32::from(luminance(channels(pixel)))).iter().sum::<u32>(),
            );
        }
        sum
    }
}

fn blend_with_constant(mut image: Image, degenerate: u8, factor: f32) -> Image {
    Arch::new().dispatch(BlendWithConstant { values: &mut image.pixels, degenerate, factor });
    image
}

/// Mixes with one and the same grey everywhere, as a kernel.
struct BlendWithConstant<'a> {
    values: &'a mut [u8],
    degenerate: u8,
    factor: f32,
}

impl NullaryFnOnce for BlendWithConstant<'_> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        for value in self.values {
            *value = blend(self.degenerate, *value, self.factor);
        }
    }
}

/// Mixes with the grey image.
pub fn adjust_colour(mut image: Image, factor: f32) -> Image {
    Arch::new().dispatch(AdjustColour { pixels: image.pixels.as_chunks_mut().0, factor });
    image
}

/// [`adjust_colour`] as a kernel.
struct AdjustColour<'a> {
    pixels: &'a mut [[u8; 3]],
    factor: f32,
}

impl NullaryFnOnce for AdjustColour<'_> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        change(self.pixels, |pixel| {
            let values = channels(pixel);
            let grey = luminance(values);
            word(values.map(|value| u32::from(blend(grey, value as u8, self.factor))))
        });
    }
}

/// Mixes with a smoothed image: weights (1, 1, 1; 1, 5, 1; 1, 1, 1) / 13, the outermost pixels as they are.
pub fn adjust_sharpness(mut image: Image, factor: f32) -> Image {
    let (height, width) = (image.height, image.width);
    if height < 3 || width < 3 {
        return image;
    }
    let row = width * 3;
    let source = image.pixels.clone();
    let targets = image.pixels.chunks_exact_mut(row).skip(1).take(height - 2);
    for (target, source) in targets.zip(source.windows(3 * row).step_by(row)) {
        Arch::new().dispatch(SharpenRow { above_here_below: source, target, factor });
    }
    image
}

/// One row of [`adjust_sharpness`], as a kernel.
struct SharpenRow<'a> {
    /// Three rows in a row.
    above_here_below: &'a [u8],
    target: &'a mut [u8],
    factor: f32,
}

impl NullaryFnOnce for SharpenRow<'_> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        let row = self.target.len();
        let inner = row - 6;
        let tap = |y: usize, x: usize| &self.above_here_below[y * row + 3 * x..][..inner];
        let taps = [0, 1, 2].map(|y| [0, 1, 2].map(|x| tap(y, x)));
        for (at, target) in self.target[3..row - 3].iter_mut().enumerate() {
            let line = |[a, b, c]: [&[u8]; 3]| u32::from(a[at]) + u32::from(b[at]) + u32::from(c[at]);
            let value = taps[1][1][at];
            let sum = line(taps[0]) + line(taps[1]) + line(taps[2]) + 4 * u32::from(value);
            // Rounded half up; a thirteenth never ends in exactly a half.
            *target = blend(((2 * sum + 13) / 26) as u8, value, self.factor);
        }
    }
}

/// The luminance in all three channels.
pub fn grayscale(mut image: Image) -> Image {
    Arch::new().dispatch(Grayscale(image.pixels.as_chunks_mut().0));
    image
}

/// [`grayscale`] as a kernel.
struct Grayscale<'a>(&'a mut [[u8; 3]]);

impl NullaryFnOnce for Grayscale<'_> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        change(self.0, |pixel| word([u32::from(luminance(channels(pixel))); 3]));
    }
}
