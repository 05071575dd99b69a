//! Images that are held in memory as bytes.

use balpoe_core::components::{DataError, Image, Images};

/// Images of one size, held in memory.
#[derive(Clone, Debug)]
pub struct ResidentImages {
    height: usize,
    width: usize,
    pixels: Vec<u8>,
}

impl ResidentImages {
    /// Images from their pixels, `[images, height, width, 3]`.
    ///
    /// # Panics
    /// If the pixels are not a whole number of images.
    pub fn new(height: usize, width: usize, pixels: Vec<u8>) -> Self {
        assert!(pixels.len().is_multiple_of(height * width * 3), "pixels are a whole number of images");
        Self { height, width, pixels }
    }
}

impl Images for ResidentImages {
    fn read(&self, position: usize) -> Result<Image, DataError> {
        let bytes = self.height * self.width * 3;
        let pixels = self.pixels.get(position * bytes..(position + 1) * bytes).ok_or_else(|| {
            DataError::Other(format!(
                "there is no image {position}, only {} images",
                self.pixels.len() / bytes.max(1)
            ))
        })?;
        Ok(Image { height: self.height, width: self.width, pixels: pixels.to_vec() })
    }

    fn are_resident(&self) -> bool {
        true
    }
}
