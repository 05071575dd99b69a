//! Baseline JPEG, pixel for pixel as libjpeg decodes it, and no more of it than is asked for.
//!
//! A training window is about two fifths of a photograph. Its rows end where decoding can stop; above it and beside it, coefficients are
//! passed over in the bit stream, and neither transformed, nor brought to full size, nor converted. What is left is done for
//! sixteen blocks, or a row of pixels, at once. Files that are not of the ordinary kind go to the general decoder.

mod colour;
mod huffman;
mod inverse_dct;
mod planes;
mod scan;
mod stream;

pub(super) use colour::decode;
pub(super) use planes::Area;
