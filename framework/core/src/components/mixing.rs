//! Mixings: how batches are made softer in training, so that experts come out calibrated.

use std::fmt::Debug;

use balpoe_net::Blend;

use crate::random::{Purpose, Stream};

/// Soft targets of a batch in compact form.
///
/// The target of image i is `(1 - smoothing) (lambda_i e_first + (1 - lambda_i) e_second) + smoothing / classes`.
#[derive(Clone, Debug, PartialEq)]
pub struct Targets {
    /// The image's own label.
    pub first: Vec<u32>,
    /// The label of the image that it was mixed with; its own where it was not.
    pub second: Vec<u32>,
    /// Weight of the first label.
    pub lambda: Vec<f32>,
    /// Label smoothing.
    pub smoothing: f32,
}

impl Targets {
    /// Hard targets.
    pub fn hard(labels: Vec<u32>) -> Self {
        Self { second: labels.clone(), lambda: vec![1.0; labels.len()], first: labels, smoothing: 0.0 }
    }

    /// The number of images.
    pub fn len(&self) -> usize {
        self.first.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.first.is_empty()
    }

    /// The soft targets, row-major `[batch, classes]`.
    pub fn dense(&self, classes: usize) -> Vec<f32> {
        let mut dense = vec![self.smoothing / classes as f32; self.first.len() * classes];
        for (i, row) in dense.chunks_exact_mut(classes.max(1)).enumerate() {
            row[self.first[i] as usize] += (1.0 - self.smoothing) * self.lambda[i];
            row[self.second[i] as usize] += (1.0 - self.smoothing) * (1.0 - self.lambda[i]);
        }
        dense
    }
}

/// A normalised training batch.
#[derive(Clone, Debug, PartialEq)]
pub struct Batch {
    /// `[batch, height, width, channels]`.
    pub images: Vec<f32>,
    /// Height, width and channels.
    pub shape: (usize, usize, usize),
    /// What the images are to be recognised as.
    pub targets: Targets,
}

impl Batch {
    /// The number of images.
    pub fn len(&self) -> usize {
        self.targets.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.targets.is_empty()
    }

    /// Values of one image.
    pub fn image_len(&self) -> usize {
        self.shape.0 * self.shape.1 * self.shape.2
    }

    /// Blends the images, and leaves the targets as they are.
    ///
    /// # Panics
    /// If there is not a partner in the batch for each image, or the box reaches beyond them.
    pub fn blend(&mut self, blend: &Blend) {
        let Blend { partners, weight, rows, columns } = blend;
        let ((_, width, channels), len) = (self.shape, self.image_len());
        assert_eq!(partners.len(), self.len(), "every image has a partner");
        let originals = self.images.clone();
        for (image, &partner) in self.images.chunks_exact_mut(len.max(1)).zip(partners) {
            let other = &originals[partner as usize * len..][..len];
            for row in rows.clone() {
                let pixels = (row * width + columns.start) * channels..(row * width + columns.end) * channels;
                for (value, &other) in image[pixels.clone()].iter_mut().zip(&other[pixels]) {
                    *value = weight * *value + (1.0 - weight) * other;
                }
            }
        }
    }
}

/// The random streams of one batch's mixing.
#[derive(Clone, Copy, Debug)]
pub struct MixingStreams {
    /// The run's seed.
    pub seed: u64,
    /// The epoch, from zero.
    pub epoch: usize,
    /// The batch in the epoch, from zero.
    pub batch: usize,
    /// Position of the mixing in the experiment's list, so that two mixings draw independently.
    pub position: usize,
}

impl MixingStreams {
    /// The stream of this run.
    pub fn own(&self) -> Stream {
        self.stream(self.seed)
    }

    /// A stream that is the same for every seed, as the reference's was on CIFAR: its data set re-seeded the generator that
    /// mixup drew from.
    pub fn shared(&self) -> Stream {
        self.stream(0)
    }

    fn stream(&self, seed: u64) -> Stream {
        Stream::new(
            seed,
            Purpose::Mixing,
            self.epoch as u64,
            ((self.position as u64) << 32) | self.batch as u64,
        )
    }
}

/// How are batches made softer in training.
pub trait Mixing: Debug + Send + Sync {
    /// Changes a batch in place.
    fn mix(&self, batch: &mut Batch, streams: &MixingStreams);

    /// Whether it pairs images: an experiment can have one such mixing, since [`Targets`] hold one partner.
    fn pairs(&self) -> bool;

    /// If all that it does to images is to blend them with others of the batch: how it chooses what to blend. Where every mixing
    /// of an experiment does no more, a GPU blends the images itself.
    fn blending(&self) -> Option<&dyn Blending> {
        None
    }
}

/// How images are blended.
pub trait Blending {
    /// Changes the targets of a batch of images of this height and width as [`Mixing::mix`] does, and says what is to be done to
    /// the images; nothing where they stay as they are. It must draw from the streams what [`Mixing::mix`] draws.
    fn blend(&self, targets: &mut Targets, size: (usize, usize), streams: &MixingStreams) -> Option<Blend>;

    /// [`Mixing::mix`] by way of [`blend`](Self::blend), for a mixing to call.
    fn blend_on_host(&self, batch: &mut Batch, streams: &MixingStreams) {
        let (height, width, _) = batch.shape;
        if let Some(blend) = self.blend(&mut batch.targets, (height, width), streams) {
            batch.blend(&blend);
        }
    }
}
