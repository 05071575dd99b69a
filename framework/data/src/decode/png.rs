//! PNG, by the `png` crate.

use std::io::{Cursor, ErrorKind};

use ::png::{BitDepth, ColorType, Decoder, DecodingError, Transformations};
use balpoe_core::components::Image;

use super::DecodeError;
use super::encoded::{Format, Header, from_grey};

pub(super) const MAGIC: [u8; 8] = [0x89, b'P', b'N', b'G', b'\r', b'\n', 0x1a, b'\n'];

pub(super) fn header(bytes: &[u8]) -> Result<Header, DecodeError> {
    let reader = Decoder::new(Cursor::new(bytes)).read_info().map_err(failed)?;
    let info = reader.info();
    Ok(Header {
        format: Format::Png,
        height: info.height as usize,
        width: info.width as usize,
        grey: matches!(info.color_type, ColorType::Grayscale | ColorType::GrayscaleAlpha),
        cmyk: false,
        sixteen_bit: info.bit_depth == BitDepth::Sixteen,
        orientation: 1,
    })
}

pub(super) fn decode(bytes: &[u8]) -> Result<Image, DecodeError> {
    let mut decoder = Decoder::new(Cursor::new(bytes));
    // Palettes become colours, and every value eight bits.
    decoder.set_transformations(Transformations::normalize_to_color8());
    let mut reader = decoder.read_info().map_err(failed)?;
    let size = reader.output_buffer_size().ok_or_else(|| DecodeError::damaged("an impossible size"))?;
    let mut values = vec![0; size];
    let info = reader.next_frame(&mut values).map_err(failed)?;
    values.truncate(info.buffer_size());
    let pixels = match info.color_type {
        ColorType::Rgb => values,
        ColorType::Grayscale => from_grey(&values),
        ColorType::GrayscaleAlpha => {
            from_grey(&values.chunks_exact(2).map(|pixel| pixel[0]).collect::<Vec<_>>())
        }
        ColorType::Rgba => values.chunks_exact(4).flat_map(|pixel| [pixel[0], pixel[1], pixel[2]]).collect(),
        ColorType::Indexed => return Err(DecodeError::damaged("a palette that is not resolved")),
    };
    let (height, width) = (info.height as usize, info.width as usize);
    if pixels.len() != height * width * 3 {
        return Err(DecodeError::damaged("the image has another size than its header says"));
    }
    Ok(Image { height, width, pixels })
}

fn failed(error: DecodingError) -> DecodeError {
    match error {
        DecodingError::IoError(error) if error.kind() == ErrorKind::UnexpectedEof => DecodeError::Truncated,
        other => DecodeError::damaged(other),
    }
}
