//! A file in memory whose header was read.

use std::panic::{AssertUnwindSafe, catch_unwind};

use balpoe_core::components::{Image, Window};

use super::{DecodeError, jpeg, png};
use crate::imaging;

/// A file format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// JPEG, baseline or progressive.
    Jpeg,
    /// PNG.
    Png,
}

/// What a file says of its image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// Format of the file.
    pub format: Format,
    /// Rows, as stored.
    pub height: usize,
    /// Columns, as stored.
    pub width: usize,
    /// One channel, or two with transparency: read as three equal ones.
    pub grey: bool,
    /// Four printing inks: converted.
    pub cmyk: bool,
    /// 16 bits a value: the upper eight are used.
    pub sixteen_bit: bool,
    /// EXIF orientation, 1 (upright) to 8.
    pub orientation: u8,
}

/// The bytes of an image file, its header read.
#[derive(Clone, Debug)]
pub struct Encoded {
    bytes: Vec<u8>,
    header: Header,
    jpeg: Option<jpeg::Layout>,
}

impl Encoded {
    /// Reads the header.
    ///
    /// # Errors
    /// If it is not JPEG or PNG, cut off, or contradicts itself.
    pub fn new(bytes: Vec<u8>) -> Result<Self, DecodeError> {
        let (header, jpeg) = if bytes.starts_with(&jpeg::MAGIC) {
            let (header, layout) = jpeg::header(&bytes)?;
            (header, Some(layout))
        } else if bytes.starts_with(&png::MAGIC) {
            (png::header(&bytes)?, None)
        } else {
            return Err(DecodeError::Format);
        };
        let (height, width) = (header.height, header.width);
        if height == 0 || width == 0 {
            return Err(DecodeError::damaged("the image has no pixels"));
        }
        if height.saturating_mul(width) > DecodeError::MOST_PIXELS {
            return Err(DecodeError::TooLarge { height, width });
        }
        Ok(Self { bytes, header, jpeg })
    }

    /// The header.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// The file's bytes.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The whole image, as stored: not turned by its EXIF orientation. Transparency is dropped.
    ///
    /// # Errors
    /// If the file is cut off or damaged.
    pub fn decode(self) -> Result<Image, DecodeError> {
        let rows = self.header.height;
        self.decode_rows(rows)
    }

    /// The image from the top, at least so many rows of it: a decoder that can stop early does.
    ///
    /// # Errors
    /// If the file is cut off or damaged.
    pub fn decode_rows(mut self, rows: usize) -> Result<Image, DecodeError> {
        // Decoders are foreign code, and files may be hostile.
        let decoded = catch_unwind(AssertUnwindSafe(|| match &self.jpeg {
            Some(layout) => jpeg::decode(&mut self.bytes, &self.header, layout, rows),
            None => png::decode(&self.bytes),
        }));
        decoded.unwrap_or_else(|_| Err(DecodeError::damaged("the decoder gave up")))
    }
}

impl Encoded {
    /// A window of the image, scaled; the decoder may leave out detail that the window does not need.
    ///
    /// # Errors
    /// If the file is cut off or damaged.
    pub fn decode_window(self, window: Window) -> Result<Image, DecodeError> {
        #[cfg(feature = "turbojpeg")]
        if let (Some(layout), false) = (self.jpeg, self.header.cmyk) {
            let Self { mut bytes, header, .. } = self;
            return super::turbo::decode_window(&mut bytes, &header, &layout, window);
        }
        let image = self.decode_rows(window.top + window.height)?;
        Ok(imaging::cut(&image, window))
    }
}

/// Three equal channels from one.
pub(super) fn from_grey(grey: &[u8]) -> Vec<u8> {
    grey.iter().flat_map(|&value| [value; 3]).collect()
}
