//! How the images of a step come to the devices.

use super::outline::{Outline, Part};
use crate::EngineError;
use crate::checks::{check_batch_size, check_len};
use balpoe_net::{Blend, PixelMap};

/// The images of a step.
///
/// In the latter two forms the devices normalise and blend them ([`CudaReplicas::set_normalisation`]), and the host is rid of it.
///
/// [`CudaReplicas::set_normalisation`]: super::CudaReplicas::set_normalisation
#[derive(Clone, Copy, Debug)]
pub enum StepImages<'a> {
    /// As the network sees them, dense `[batch, height, width, channels]`.
    Normalised(&'a [f32]),
    /// Bytes, dense `[batch, height, width, 3]`.
    Bytes {
        /// The bytes.
        pixels: &'a [u8],
        /// What of them is blended with what.
        blend: Option<&'a Blend>,
    },
    /// Some of the images that the devices keep ([`CudaReplicas::keep_images`]), each changed by maps, one after the other.
    ///
    /// [`CudaReplicas::keep_images`]: super::CudaReplicas::keep_images
    Kept {
        /// Their places among those, `[batch]`.
        positions: &'a [u32],
        /// `[batch, maps]`, the first one first; as many for each image.
        maps: &'a [PixelMap],
        /// What of them is blended with what.
        blend: Option<&'a Blend>,
    },
}

/// The form of a step's images, as far as programs depend on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum ImageForm {
    Normalised,
    Bytes,
    Kept { maps: usize },
}

/// A part's images among those that lie on its device.
pub(super) struct Views {
    /// Places of the images, then of their partners.
    pub(super) positions: Vec<u32>,
    /// Partners that other parts have, as places in the batch: this device gets them behind its own images.
    pub(super) guests: Vec<usize>,
    /// The maps of the images, then of their partners.
    pub(super) maps: Vec<PixelMap>,
}

impl<'a> StepImages<'a> {
    pub(super) fn form(&self, batch: usize) -> ImageForm {
        match self {
            Self::Normalised(_) => ImageForm::Normalised,
            Self::Bytes { .. } => ImageForm::Bytes,
            Self::Kept { maps, .. } => ImageForm::Kept { maps: maps.len() / batch.max(1) },
        }
    }

    pub(super) fn blend(&self) -> Option<&'a Blend> {
        match self {
            Self::Normalised(_) => None,
            Self::Bytes { blend, .. } | Self::Kept { blend, .. } => *blend,
        }
    }

    /// Refuses images that are not what they say. `kept` is the number of images that the devices keep.
    pub(super) fn check(&self, outline: &Outline, batch: usize, kept: usize) -> Result<(), EngineError> {
        check_batch_size(batch, outline.max_batch)?;
        let shape = outline.net.input_shape();
        match *self {
            Self::Normalised(values) => {
                let layout = "[batch, height, width, channels]";
                check_len(|| "the batch of images".into(), values.len(), batch * shape.len(), layout)?;
            }
            Self::Bytes { pixels, .. } => {
                let layout = "[batch, height, width, 3]";
                check_len(|| "the batch of images".into(), pixels.len(), batch * shape.len(), layout)?;
            }
            Self::Kept { positions, maps, .. } => {
                check_len(|| "the list of positions".into(), positions.len(), batch, "one for each image")?;
                let each = maps.len() / batch;
                check_len(|| "the list of maps".into(), maps.len(), batch * each, "as many for each image")?;
                if let Some(&position) = positions.iter().find(|&&position| position as usize >= kept) {
                    let (option, range) = ("the position of an image", "below the number of images kept");
                    return Err(EngineError::Option { option, found: position as usize, range });
                }
            }
        }
        let Some(Blend { partners, rows, columns, .. }) = self.blend() else { return Ok(()) };
        check_len(|| "the list of partners".into(), partners.len(), batch, "one for each image")?;
        if let Some(&partner) = partners.iter().find(|&&partner| partner as usize >= batch) {
            let (option, range) = ("an image's partner", "below the number of images of the batch");
            return Err(EngineError::Option { option, found: partner as usize, range });
        }
        for (option, edge, range) in [
            ("the end of a blend's rows", rows.end, 0..=shape.height),
            ("the end of a blend's columns", columns.end, 0..=shape.width),
        ] {
            if !range.contains(&edge) {
                return Err(EngineError::Option { option, found: edge, range: "within the image" });
            }
        }
        Ok(())
    }

    /// What a part sees of the images. Images that are not blended stand for their own partners.
    pub(super) fn views(&self, part: Part) -> Views {
        let own = part.first..part.first + part.images;
        let partner = |image: usize| self.blend().map_or(image, |blend| blend.partners[image] as usize);
        let seen: Vec<usize> = own.clone().chain(own.clone().map(partner)).collect();
        let mut guests = Vec::new();
        let (positions, maps) = match self {
            Self::Normalised(_) => (Vec::new(), Vec::new()),
            Self::Bytes { .. } => {
                let place = |&image: &usize| {
                    if own.contains(&image) {
                        return (image - own.start) as u32;
                    }
                    guests.push(image);
                    (own.len() + guests.len() - 1) as u32
                };
                (seen.iter().map(place).collect(), Vec::new())
            }
            Self::Kept { positions, maps, .. } => {
                let each = maps.len() / positions.len();
                let maps = seen.iter().flat_map(|image| &maps[image * each..(image + 1) * each]);
                (seen.iter().map(|&image| positions[image]).collect(), maps.copied().collect())
            }
        };
        Views { positions, guests, maps }
    }
}
