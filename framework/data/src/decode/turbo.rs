//! Scaled decoding by libjpeg-turbo: a half, a quarter or an eighth of the detail, where a crop needs no more.

use std::cell::RefCell;

use balpoe_core::components::{Image, Window};
use turbojpeg::{Decompressor, PixelFormat, ScalingFactor};

use super::DecodeError;
use super::encoded::Header;
use super::jpeg::{self, Layout};
use crate::imaging;

thread_local! {
    static DECOMPRESSOR: RefCell<Option<Decompressor>> = const { RefCell::new(None) };
}

/// Decodes a window at the smallest scale that has at least as many pixels as the window gets in the end.
pub(super) fn decode_window(
    bytes: &mut [u8],
    header: &Header,
    layout: &Layout,
    window: Window,
) -> Result<Image, DecodeError> {
    let enough =
        |divisor: &usize| window.height >= window.size.0 * divisor && window.width >= window.size.1 * divisor;
    let divisor = [8, 4, 2].into_iter().find(enough).unwrap_or(1);
    let rows = jpeg::stop_below(bytes, header, layout, window.top + window.height);
    let factor = ScalingFactor::new(1, divisor);
    let (height, width) = (factor.scale(rows), factor.scale(header.width));
    let mut image = Image::black(height, width);
    DECOMPRESSOR.with_borrow_mut(|kept| {
        let decompressor = match kept {
            Some(decompressor) => decompressor,
            None => kept.insert(Decompressor::new().map_err(DecodeError::damaged)?),
        };
        decompressor.set_scaling_factor(factor).map_err(DecodeError::damaged)?;
        let output = turbojpeg::Image {
            pixels: image.pixels.as_mut_slice(),
            width,
            pitch: width * 3,
            height,
            format: PixelFormat::RGB,
        };
        match decompressor.decompress(bytes, output) {
            // A file that was told to be less high has data left at its end.
            Err(error) if !(rows < header.height && error.to_string().contains("extraneous bytes")) => {
                Err(DecodeError::damaged(error))
            }
            _ => Ok(()),
        }
    })?;
    let scale = 1.0 / divisor as f64;
    let place = [window.top, window.left, window.height, window.width].map(|v| v as f64 * scale);
    Ok(imaging::cut_scaled(&image, place, window.size))
}
