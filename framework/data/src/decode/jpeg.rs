//! JPEG: what the header says, and which decoder gives the pixels.

use balpoe_core::components::{Image, Window};
use zune_core::bytestream::ZCursor;
use zune_core::colorspace::ColorSpace;
use zune_core::options::DecoderOptions;
use zune_jpeg::JpegDecoder;

use super::encoded::{Format, Header, from_grey};
use super::{DecodeError, baseline, exif};
use crate::imaging;

/// Start of image, and the first byte of the next marker.
pub(super) const MAGIC: [u8; 3] = [0xff, 0xd8, 0xff];

/// Where the parts of a file are that decoding a part of the image needs.
#[derive(Clone, Copy, Debug)]
pub(super) struct Layout {
    /// Place of the two bytes of the image's height.
    height_at: usize,
    /// Rows of the blocks that are coded together, if they come from top to bottom in one go (not progressive).
    block_rows: Option<usize>,
}

/// Walks the markers up to the first scan, and looks for the image's end.
pub(super) fn header(bytes: &[u8]) -> Result<(Header, Layout), DecodeError> {
    let mut at = 2;
    let mut orientation = 1;
    let mut frame: Option<(Header, Layout, usize)> = None;
    loop {
        // Markers may have any number of fill bytes in front.
        while bytes.get(at) == Some(&0xff) && bytes.get(at + 1) == Some(&0xff) {
            at += 1;
        }
        let (Some(&0xff), Some(&marker)) = (bytes.get(at), bytes.get(at + 1)) else {
            return Err(if at + 1 >= bytes.len() {
                DecodeError::Truncated
            } else {
                DecodeError::damaged(format!("expected a marker at byte {at}"))
            });
        };
        let length = bytes.get(at + 2..at + 4).map(|b| usize::from(u16::from_be_bytes([b[0], b[1]])));
        let length = length.ok_or(DecodeError::Truncated)?.max(2);
        let segment = bytes.get(at + 4..at + 2 + length).ok_or(DecodeError::Truncated)?;
        match marker {
            // Start of frame; 0xc4, 0xc8 and 0xcc are other things.
            0xc0..=0xcf if !matches!(marker, 0xc4 | 0xc8 | 0xcc) => {
                frame = Some(start_of_frame(marker, at + 4, segment)?);
            }
            0xe1 => orientation = exif::orientation(segment).unwrap_or(orientation),
            // Start of scan: entropy-coded data follow, in which 0xff is never followed by 0xd9 but at the end.
            0xda => {
                let (mut header, mut layout, components) = frame
                    .ok_or_else(|| DecodeError::damaged("a scan before the frame that it belongs to"))?;
                if !bytes[at..].ends_with(&END) && !bytes[at..].windows(2).rev().any(|pair| pair == END) {
                    return Err(DecodeError::Truncated);
                }
                header.orientation = orientation;
                if segment.first().is_some_and(|&n| usize::from(n) != components) {
                    layout.block_rows = None;
                }
                return Ok((header, layout));
            }
            _ => {}
        }
        at += 2 + length;
    }
}

/// End of image.
const END: [u8; 2] = [0xff, 0xd9];

/// The frame's header, where its height stands, and its number of components.
fn start_of_frame(marker: u8, at: usize, segment: &[u8]) -> Result<(Header, Layout, usize), DecodeError> {
    let &[precision, h1, h0, w1, w0, components, ref each @ ..] = segment else {
        return Err(DecodeError::damaged("the frame's header is too short"));
    };
    if precision != 8 {
        return Err(DecodeError::damaged(format!("{precision} bits a value, where 8 are read")));
    }
    let vertical = each.chunks_exact(3).map(|component| usize::from(component[1] & 15)).max().unwrap_or(1);
    let header = Header {
        format: Format::Jpeg,
        height: usize::from(u16::from_be_bytes([h1, h0])),
        width: usize::from(u16::from_be_bytes([w1, w0])),
        grey: components == 1,
        cmyk: components == 4,
        sixteen_bit: false,
        orientation: 1,
    };
    let sequential = matches!(marker, 0xc0 | 0xc1);
    let layout = Layout { height_at: at + 1, block_rows: sequential.then_some(8 * vertical) };
    Ok((header, layout, usize::from(components)))
}

/// Tells a file that is coded from top to bottom to be less high, so that its decoder stops there; gives the number of rows that
/// are left. One more line of blocks than needed stays, since colours are smoothed across the border of blocks.
pub(super) fn stop_below(bytes: &mut [u8], header: &Header, layout: &Layout, rows: usize) -> usize {
    if let Some(block) = layout.block_rows {
        let needed = (rows.div_ceil(block) + 1) * block;
        if needed < header.height {
            bytes[layout.height_at..layout.height_at + 2].copy_from_slice(&(needed as u16).to_be_bytes());
            return needed;
        }
    }
    header.height
}

/// Decodes a window without scaling it.
pub(super) fn decode(
    bytes: &mut [u8],
    header: &Header,
    layout: &Layout,
    window: Window,
) -> Result<Image, DecodeError> {
    let Window { top, left, height, width, .. } = window;
    // What it does not decode may be damaged: the other decoder knows in which way.
    if let Some(image) = baseline::decode(bytes, baseline::Area { top, left, height, width }) {
        return Ok(image);
    }
    let image = decode_rows(bytes, header, layout, top + height)?;
    Ok(imaging::cut(&image, Window { size: (height, width), ..window }))
}

/// Decodes at least the first `rows` rows by `zune-jpeg`, which reads files of all kinds.
fn decode_rows(
    bytes: &mut [u8],
    header: &Header,
    layout: &Layout,
    rows: usize,
) -> Result<Image, DecodeError> {
    stop_below(bytes, header, layout, rows);
    let colours = if header.grey { ColorSpace::Luma } else { ColorSpace::RGB };
    let most = usize::from(u16::MAX);
    let options =
        DecoderOptions::default().set_max_width(most).set_max_height(most).jpeg_set_out_colorspace(colours);
    let mut decoder = JpegDecoder::new_with_options(ZCursor::new(&*bytes), options);
    let pixels = decoder.decode().map_err(DecodeError::damaged)?;
    let pixels = if header.grey { from_grey(&pixels) } else { pixels };
    let height = pixels.len() / (header.width * 3);
    if pixels.len() != height * header.width * 3 || height < rows.min(header.height) {
        return Err(DecodeError::damaged("the image has another size than its header says"));
    }
    Ok(Image { height, width: header.width, pixels })
}
