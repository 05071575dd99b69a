//! What a batch of an epoch is: a function of its index alone.

use std::num::NonZeroUsize;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use balpoe_core::components::{Augmentation, DataError, Image, Split};
use balpoe_core::random::{Purpose, Stream};
use balpoe_net::PixelMap;

use super::Loader;
use super::spare::SpareMemory;
use crate::normalisation::Normalisation;

/// How the images of a split become batches.
#[derive(Clone, Debug)]
pub struct Pipeline {
    /// The images and labels.
    pub split: Split,
    /// Height and width that every image must have after augmentation.
    pub size: (usize, usize),
    /// Applied in order. With none, images are read as networks are tested on them ([`Images::read_for_test`]).
    ///
    /// [`Images::read_for_test`]: balpoe_core::components::Images::read_for_test
    pub augmentations: Vec<Arc<dyn Augmentation>>,
    /// Applied last.
    pub normalisation: Normalisation,
    /// Images in a batch; the last one of an epoch may have fewer.
    pub batch_size: NonZeroUsize,
    /// Threads that work ahead. With none, batches are made where they are asked for.
    pub workers: usize,
    /// How images are handed out.
    pub form: ImageForm,
    /// Memory that was given back.
    pub spare: SpareMemory,
}

/// How far images are made ready; a device that takes them earlier goes on with them by itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ImageForm {
    /// Augmented and normalised.
    #[default]
    Normalised,
    /// Augmented.
    Bytes,
    /// Only chosen: by their positions in the split, and where the augmentations move their pixels. There must be no augmentation
    /// that does more ([`Augmentation::moving`]).
    Maps,
}

/// The images of a batch, as [`ImageForm`] says.
#[derive(Clone, Debug, PartialEq)]
pub enum BatchImages {
    /// `[batch, height, width, 3]`.
    Normalised(Vec<f32>),
    /// `[batch, height, width, 3]`.
    Bytes(Vec<u8>),
    /// `[batch, augmentations]`, the first one first.
    Maps(Vec<PixelMap>),
}

/// One batch.
#[derive(Clone, Debug, PartialEq)]
pub struct LoadedBatch {
    /// The images.
    pub images: BatchImages,
    /// Class of each image, `[batch]`.
    pub labels: Vec<u32>,
    /// Position of each image in the split, `[batch]`.
    pub positions: Vec<u32>,
}

impl LoadedBatch {
    /// The number of images.
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }
}

impl Pipeline {
    /// Loads the images at these positions, in this order. Image `i` of the order is augmented by the stream of
    /// (`seed`, [`Purpose::Augmentation`], `epoch`, `i`), so the batches do not depend on the number of workers.
    pub fn load(self: &Arc<Self>, order: Vec<u32>, seed: u64, epoch: u64) -> Loader {
        self.load_from(order, seed, epoch, 0)
    }

    /// The same from the batch `first` on, for an epoch that was interrupted after so many.
    pub fn load_from(self: &Arc<Self>, order: Vec<u32>, seed: u64, epoch: u64, first: usize) -> Loader {
        Loader::new(Epoch { pipeline: Arc::clone(self), order, seed, number: epoch }, first, self.workers)
    }

    /// Takes the images of a batch that is no longer needed: the next batches are made in their memory.
    pub fn give_back(&self, images: BatchImages) {
        self.spare.put(images);
    }
}

impl Pipeline {
    /// One image, augmented, of the size that every image must have.
    fn image_of_size(&self, position: usize, stream: Stream) -> Result<Image, DataError> {
        let image = self.image(position, stream)?;
        let (height, width) = self.size;
        if (image.height, image.width) == self.size && image.pixels.len() == height * width * 3 {
            return Ok(image);
        }
        Err(DataError::Other(format!(
            "image {position} is {}x{} after augmentation, expected {height}x{width}; add an augmentation that crops or \
             resizes to that size",
            image.height, image.width
        )))
    }

    /// Where the augmentations move an image's pixels.
    fn maps(&self, mut stream: Stream) -> Vec<PixelMap> {
        let moving = self.augmentations.iter().map(|augmentation| augmentation.moving());
        moving.flatten().map(|moving| moving.map(self.size, &mut stream)).collect()
    }

    /// One image, augmented.
    fn image(&self, position: usize, mut stream: Stream) -> Result<Image, DataError> {
        let images = &self.split.images;
        let Some(first) = self.augmentations.first() else { return images.read_for_test(position) };
        let mut rest = self.augmentations.as_slice();
        let mut image = None;
        if let Some(cropping) = first.cropping() {
            // Each question starts from the same place of the stream, so that a source may ask about one image after another.
            let start = stream.clone();
            let mut choose = |height: usize, width: usize| {
                stream = start.clone();
                cropping.window(height, width, &mut stream)
            };
            image = images.read_window(position, &mut choose)?;
            if image.is_none() {
                stream = start;
            }
        }
        let mut image = match image {
            Some(window) => {
                rest = &rest[1..];
                window
            }
            None => images.read(position)?,
        };
        for augmentation in rest {
            image = augmentation.apply(image, &mut stream);
        }
        Ok(image)
    }
}

/// A pass over the images in a given order.
#[derive(Debug)]
pub(super) struct Epoch {
    pipeline: Arc<Pipeline>,
    order: Vec<u32>,
    seed: u64,
    number: u64,
}

impl Epoch {
    /// The number of batches.
    pub(super) fn batches(&self) -> usize {
        self.order.len().div_ceil(self.pipeline.batch_size.get())
    }

    /// Makes one batch. A panic in foreign code, such as an augmentation, becomes an error.
    pub(super) fn batch(&self, index: usize) -> Result<LoadedBatch, DataError> {
        catch_unwind(AssertUnwindSafe(|| self.assemble(index))).unwrap_or_else(|panic| {
            let message = panic
                .downcast_ref::<String>()
                .map(String::as_str)
                .or_else(|| panic.downcast_ref::<&str>().copied())
                .unwrap_or("no message");
            Err(DataError::Other(format!("batch {index} could not be made: a component panicked: {message}")))
        })
    }

    fn assemble(&self, index: usize) -> Result<LoadedBatch, DataError> {
        let pipeline = &*self.pipeline;
        let size = pipeline.batch_size.get();
        let first = index * size;
        let positions = &self.order[first..self.order.len().min(first + size)];
        let mut labels = Vec::with_capacity(positions.len());
        for &position in positions {
            let label = pipeline.split.labels.get(position as usize).ok_or_else(|| {
                DataError::Other(format!(
                    "the order asks for image {position} of {}; the sampler returns positions outside the training set",
                    pipeline.split.len()
                ))
            })?;
            labels.push(*label);
        }
        // Of each image: where it is in the split, and its stream.
        let chosen = positions.iter().zip(first as u64..).map(|(&position, place)| {
            (position as usize, Stream::new(self.seed, Purpose::Augmentation, self.number, place))
        });
        let (height, width) = pipeline.size;
        let bytes = height * width * 3;
        let images = match pipeline.form {
            ImageForm::Normalised => {
                let mut values = pipeline.spare.floats(positions.len() * bytes);
                for ((position, stream), out) in chosen.zip(values.chunks_exact_mut(bytes)) {
                    let image = pipeline.image_of_size(position, stream)?;
                    pipeline.normalisation.apply(&image.pixels, out);
                }
                BatchImages::Normalised(values)
            }
            ImageForm::Bytes => {
                let mut pixels = pipeline.spare.bytes(positions.len() * bytes);
                for ((position, stream), out) in chosen.zip(pixels.chunks_exact_mut(bytes)) {
                    out.copy_from_slice(&pipeline.image_of_size(position, stream)?.pixels);
                }
                BatchImages::Bytes(pixels)
            }
            ImageForm::Maps => {
                BatchImages::Maps(chosen.flat_map(|(_, stream)| pipeline.maps(stream)).collect())
            }
        };
        Ok(LoadedBatch { images, labels, positions: positions.to_vec() })
    }
}
