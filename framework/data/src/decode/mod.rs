//! From files to pixels: JPEG and PNG.

mod encoded;
mod error;
mod exif;
mod jpeg;
mod png;

pub use encoded::{Encoded, Format, Header};
pub use error::DecodeError;
