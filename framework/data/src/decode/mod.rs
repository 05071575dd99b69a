//! From files to pixels: JPEG and PNG.

mod baseline;
mod encoded;
mod error;
mod exif;
mod jpeg;
mod png;
#[cfg(feature = "turbojpeg")]
mod turbo;

pub use encoded::{Encoded, Format, Header};
pub use error::DecodeError;
