//! Scaling, with a filter as wide as the reduction, so that fine patterns do not alias.

use std::cell::RefCell;

use balpoe_core::components::{Image, Window};
use fast_image_resize::images::{TypedCroppedImage, TypedImage, TypedImageRef};
use fast_image_resize::pixels::U8x3;
use fast_image_resize::{FilterType, ResizeAlg, ResizeOptions, Resizer};

thread_local! {
    /// Keeps its intermediate image from one call to the next.
    static RESIZER: RefCell<Resizer> = RefCell::new(Resizer::new());
}

/// The window of an image, scaled bilinearly; pixels outside the window do not count, as if it had been cut out first. A window
/// of the wanted size is copied.
///
/// # Panics
/// If the window is not inside the image, or is empty.
pub fn cut(image: &Image, window: Window) -> Image {
    cut_pixels(&image.pixels, (image.height, image.width), window)
}

/// The same from pixels that are somebody else's, `[rows, columns, 3]`.
pub(crate) fn cut_pixels(pixels: &[u8], (rows, columns): (usize, usize), window: Window) -> Image {
    let Window { top, left, height, width, size } = window;
    assert!(
        height > 0 && width > 0 && top + height <= rows && left + width <= columns,
        "window {window:?} of an image of {rows}x{columns}"
    );
    let mut target = Image::black(size.0, size.1);
    if size == (height, width) {
        let rows = pixels.chunks_exact(columns * 3).skip(top);
        for (to, from) in target.pixels.chunks_exact_mut(width * 3).zip(rows) {
            to.copy_from_slice(&from[left * 3..][..width * 3]);
        }
        return target;
    }
    if size.0 == 0 || size.1 == 0 {
        return target;
    }
    let expect = "sizes were checked";
    let whole = TypedImageRef::<U8x3>::from_buffer(columns as u32, rows as u32, pixels).expect(expect);
    let window =
        TypedCroppedImage::new(whole, left as u32, top as u32, width as u32, height as u32).expect(expect);
    let mut scaled =
        TypedImage::<U8x3>::from_buffer(size.1 as u32, size.0 as u32, &mut target.pixels).expect(expect);
    RESIZER.with_borrow_mut(|resizer| resizer.resize_typed(&window, &mut scaled, &bilinear())).expect(expect);
    target
}

fn bilinear() -> ResizeOptions {
    ResizeOptions::new().resize_alg(ResizeAlg::Convolution(FilterType::Bilinear)).use_alpha(false)
}

/// A part of an image that may begin and end between pixels (top, left, height, width), scaled.
#[cfg(feature = "turbojpeg")]
pub(crate) fn cut_scaled(image: &Image, [top, left, height, width]: [f64; 4], size: (usize, usize)) -> Image {
    let mut target = Image::black(size.0, size.1);
    let (top, left) = (top.min(image.height as f64 - 1.0), left.min(image.width as f64 - 1.0));
    let (height, width) = (height.min(image.height as f64 - top), width.min(image.width as f64 - left));
    let expect = "sizes were checked";
    let whole = TypedImageRef::<U8x3>::from_buffer(image.width as u32, image.height as u32, &image.pixels)
        .expect(expect);
    let mut scaled =
        TypedImage::<U8x3>::from_buffer(size.1 as u32, size.0 as u32, &mut target.pixels).expect(expect);
    let options = bilinear().crop(left, top, width, height);
    RESIZER.with_borrow_mut(|resizer| resizer.resize_typed(&whole, &mut scaled, &options)).expect(expect);
    target
}

/// The whole image, scaled.
pub fn resize(image: &Image, size: (usize, usize)) -> Image {
    cut(image, Window { top: 0, left: 0, height: image.height, width: image.width, size })
}

/// Scales the shorter side to `shorter_side` pixels, keeping the proportions, as torchvision's `Resize` does, and cuts out the
/// middle.
///
/// # Panics
/// If the cut is larger than `shorter_side`.
pub fn fit_and_crop(image: &Image, shorter_side: usize, size: (usize, usize)) -> Image {
    let scaled = scaled_size((image.height, image.width), shorter_side);
    let middle = |length: usize, part: usize| ((length - part) as f64 / 2.0).round_ties_even() as usize;
    let window = Window {
        top: middle(scaled.0, size.0),
        left: middle(scaled.1, size.1),
        height: size.0,
        width: size.1,
        size,
    };
    if scaled == (image.height, image.width) {
        cut(image, window)
    } else {
        cut(&resize(image, scaled), window)
    }
}

/// Height and width of an image after its shorter side was scaled; the longer one is rounded down.
pub(crate) fn scaled_size((height, width): (usize, usize), shorter_side: usize) -> (usize, usize) {
    let scaled = |long: usize, short: usize| shorter_side * long / short.max(1);
    if width <= height {
        (scaled(height, width), shorter_side)
    } else {
        (shorter_side, scaled(width, height))
    }
}
