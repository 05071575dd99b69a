//! What augmentations are made of: changes of 8-bit images, as Pillow makes them.

mod affine;
mod blur;
mod enhance;
mod histogram;
mod orient;
mod resize;
mod tone;
pub(crate) mod words;

pub use affine::{Affine, Interpolation};
pub use blur::gaussian_blur;
pub use enhance::{adjust_brightness, adjust_colour, adjust_contrast, adjust_sharpness, grayscale};
pub use histogram::{autocontrast, equalize};
pub use orient::orient;
#[cfg(feature = "turbojpeg")]
pub(crate) use resize::cut_scaled;
pub use resize::{cut, fit_and_crop, resize};
pub(crate) use resize::{cut_pixels, scaled_size};
pub use tone::{invert, posterize, solarize, solarize_add};
