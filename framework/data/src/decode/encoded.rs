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
        let (height, width) = (self.header.height, self.header.width);
        self.decode_window(Window { top: 0, left: 0, height, width, size: (height, width) })
    }

    /// A window of the image, scaled as [`imaging::cut`] does. No more is decoded than the window needs, as far as the decoder can.
    ///
    /// # Errors
    /// If the file is cut off or damaged, as far as that was noticed.
    ///
    /// # Panics
    /// If the window is not inside the image.
    pub fn decode_window(mut self, window: Window) -> Result<Image, DecodeError> {
        let Window { top, left, height, width, size } = window;
        let (rows, columns) = (self.header.height, self.header.width);
        assert!(
            height > 0 && width > 0 && top + height <= rows && left + width <= columns,
            "window {window:?} of an image of {rows}x{columns}"
        );
        // Decoders are foreign code, and files may be hostile.
        let decoded = catch_unwind(AssertUnwindSafe(|| match &self.jpeg {
            Some(layout) => jpeg::decode(&mut self.bytes, &self.header, layout, window),
            None => Ok(imaging::cut(&png::decode(&self.bytes)?, Window { size: (height, width), ..window })),
        }));
        let part = decoded.unwrap_or_else(|_| Err(DecodeError::damaged("the decoder gave up")))?;
        Ok(if size == (height, width) { part } else { imaging::resize(&part, size) })
    }

    /// The same from a decoder that leaves out detail that the window does not need, and gives other pixels for it, where there is
    /// one.
    ///
    /// # Errors
    /// If the file is cut off or damaged, as far as that was noticed.
    pub fn decode_window_coarsely(self, window: Window) -> Result<Image, DecodeError> {
        #[cfg(feature = "turbojpeg")]
        if let (Some(layout), false) = (self.jpeg, self.header.cmyk) {
            let Self { mut bytes, header, .. } = self;
            return super::turbo::decode_window(&mut bytes, &header, &layout, window);
        }
        self.decode_window(window)
    }
}

/// Three equal channels from one.
pub(super) fn from_grey(grey: &[u8]) -> Vec<u8> {
    grey.iter().flat_map(|&value| [value; 3]).collect()
}
