//! Groups of images that batch norms take their statistics over.

use std::ops::RangeInclusive;

/// Over which images a batch norm takes its statistics in training.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BatchNormGroup {
    /// The whole batch.
    All,
    /// So many consecutive images, as if each group lay on a device of its own; running statistics come from the first.
    Images(usize),
}

/// Which statistics the images of a replica are normalised with. Groups are cut from the whole batch, whose replicas hold
/// consecutive parts of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Groups {
    /// Images of a full group.
    images: usize,
    /// Place of the replica's first image in the whole batch.
    first: usize,
    /// Images of the whole batch.
    batch: usize,
}

impl Groups {
    /// Groups of a batch, as the replica sees them that holds the images from `first` on.
    pub(crate) fn new(group: BatchNormGroup, first: usize, batch: usize) -> Self {
        let images = match group {
            BatchNormGroup::All => batch,
            BatchNormGroup::Images(images) => images,
        };
        Self { images: images.max(1), first, batch }
    }

    /// One group, whatever the batch.
    pub(crate) fn one() -> Self {
        Self { images: usize::MAX, first: 0, batch: usize::MAX }
    }

    /// The group of the replica's image.
    pub(crate) fn of(self, image: usize) -> usize {
        (self.first + image) / self.images
    }

    /// Number of groups of the whole batch.
    pub(crate) fn count(self) -> usize {
        self.batch.div_ceil(self.images)
    }

    /// Images of a group.
    pub(crate) fn len(self, group: usize) -> usize {
        self.images.min(self.batch - group * self.images)
    }

    /// Images of the smallest group.
    pub(crate) fn smallest(self) -> usize {
        self.len(self.count() - 1)
    }

    /// Groups of the replica's first `images` images.
    pub(crate) fn touched(self, images: usize) -> RangeInclusive<usize> {
        self.of(0)..=self.of(images - 1)
    }
}
