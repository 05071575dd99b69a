//! Images, windows of images, and where images come from.

use balpoe_net::PixelMap;

use super::DataError;

/// An 8-bit RGB image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Image {
    /// Rows.
    pub height: usize,
    /// Columns.
    pub width: usize,
    /// `[height, width, 3]`, red first.
    pub pixels: Vec<u8>,
}

impl Image {
    /// A black image.
    pub fn black(height: usize, width: usize) -> Self {
        Self { height, width, pixels: vec![0; height * width * 3] }
    }

    /// The pixel at row `y` and column `x`.
    ///
    /// # Panics
    /// If the place is outside the image.
    pub fn pixel(&self, y: usize, x: usize) -> [u8; 3] {
        let at = (y * self.width + x) * 3;
        [self.pixels[at], self.pixels[at + 1], self.pixels[at + 2]]
    }

    /// Sets the pixel at row `y` and column `x`.
    ///
    /// # Panics
    /// If the place is outside the image.
    pub fn set_pixel(&mut self, y: usize, x: usize, value: [u8; 3]) {
        let at = (y * self.width + x) * 3;
        self.pixels[at..at + 3].copy_from_slice(&value);
    }

    /// The image of the same size whose pixels come from where the map says, black where that is outside.
    #[must_use]
    pub fn mapped(&self, map: &PixelMap) -> Self {
        let mut mapped = Self::black(self.height, self.width);
        for (y, x) in (0..self.height).flat_map(|y| (0..self.width).map(move |x| (y, x))) {
            if let Some((column, row)) = map.source((x, y), (self.width, self.height)) {
                mapped.set_pixel(y, x, self.pixel(row, column));
            }
        }
        mapped
    }
}

/// A rectangle inside an image, and the size that it is scaled to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// First row.
    pub top: usize,
    /// First column.
    pub left: usize,
    /// Rows.
    pub height: usize,
    /// Columns.
    pub width: usize,
    /// Height and width after scaling.
    pub size: (usize, usize),
}

/// Chooses a window of an image whose height and width it is told.
pub type ChooseWindow<'a> = dyn FnMut(usize, usize) -> Window + 'a;

/// Something that yields images by position; decoding may be costly and happens on loader threads.
pub trait Images: Send + Sync {
    /// The image at this position of the split.
    ///
    /// # Errors
    /// If it cannot be read or decoded.
    fn read(&self, position: usize) -> Result<Image, DataError>;

    /// A window of the image at this position, scaled, for a source that need not decode all of the image for it; `None`, as
    /// here, if it is no faster than the whole. `choose` may be asked more than once: the last answer counts.
    ///
    /// # Errors
    /// If it cannot be read or decoded.
    fn read_window(
        &self,
        _position: usize,
        _choose: &mut ChooseWindow<'_>,
    ) -> Result<Option<Image>, DataError> {
        Ok(None)
    }

    /// The image at this position as networks are tested on it: nothing random, and of the size that the network sees. A
    /// source of images of other sizes scales and crops them; here it is the image itself.
    ///
    /// # Errors
    /// If it cannot be read or decoded.
    fn read_for_test(&self, position: usize) -> Result<Image, DataError> {
        self.read(position)
    }

    /// Whether all images are in memory, as bytes, and of the size that the network sees, so that a GPU may as well keep them;
    /// not so here. They must then be the same whichever way they are read.
    fn are_resident(&self) -> bool {
        false
    }

    /// What a user should know of the images that were read so far, such as broken files, as lower-case fragments.
    fn notices(&self) -> Vec<String> {
        Vec::new()
    }
}
